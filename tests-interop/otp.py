"""The exchange of one-time passwords with pyotp, otplib (npm) and oathtool. See README.md beside this file."""

import argparse
import base64
import hashlib
import json
import random
import subprocess
import sys

import pyotp
from peers import Fountain, Report

HASHES = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}
# How far beyond the expected counter fountain looks.
AHEAD = 5


def base32(given):
    return base64.b32encode(bytes(given["secret"])).decode().rstrip("=")


class PyOtp:
    name, knows_uris = "pyotp", True

    def knows(self, kind, algorithm):
        return True

    def most(self, count):
        return count

    def otp(self, given):
        shared = {"digits": given["digits"], "digest": HASHES[given["algorithm"]]}
        names = {"name": given["account"], "issuer": given["issuer"]}
        if given["kind"] == "totp":
            return pyotp.TOTP(base32(given), interval=given["period"], **shared, **names)
        return pyotp.HOTP(base32(given), initial_count=given["counter"], **shared, **names)

    def codes(self, given, at):
        # A HOTP of pyotp counts from where its URI says that it begins.
        start = 0 if given["kind"] == "totp" else given["counter"]
        return [self.otp(given).at(each - start) for each in at]

    def accepts(self, given, pairs):
        otp = self.otp(given)
        if given["kind"] == "totp":
            return [otp.verify(code, for_time=at) for at, code in pairs]
        return [otp.verify(code, at - given["counter"]) for at, code in pairs]

    def write(self, given):
        return self.otp(given).provisioning_uri()

    def read(self, uri):
        otp = pyotp.parse_uri(uri)
        hashes = {made().name: name for name, made in HASHES.items()}
        is_totp = isinstance(otp, pyotp.TOTP)
        return {
            "secret": list(otp.byte_secret()),
            "algorithm": hashes[otp.digest().name],
            "digits": otp.digits,
            "period": otp.interval if is_totp else None,
            "counter": None if is_totp else otp.initial_count,
            "issuer": otp.issuer,
            "account": otp.name,
        }


class OtpLib:
    name, knows_uris = "otplib", True

    def __init__(self, modules):
        script = f"{sys.path[0]}/otplib.mjs"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        self.process = subprocess.Popen(["node", script, modules], **pipes)

    def ask(self, op, **request):
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"otplib ended while it was asked for {op}")
        return json.loads(line)

    def knows(self, kind, algorithm):
        return True

    def most(self, count):
        return count

    def codes(self, given, at):
        return self.ask("codes", given=given, at=at)

    def accepts(self, given, pairs):
        return self.ask("accepts", given=given, pairs=pairs)

    def write(self, given):
        return self.ask("write", given=given, base32=base32(given))

    def read(self, uri):
        read = self.ask("read", uri=uri)
        said = read["params"]
        is_totp = read["type"] == "totp"
        secret = said["secret"] + "=" * (-len(said["secret"]) % 8)
        return {
            "secret": list(base64.b32decode(secret)),
            "algorithm": said.get("algorithm", "sha1").upper(),
            "digits": said.get("digits", 6),
            "period": said.get("period", 30) if is_totp else None,
            "counter": None if is_totp else said["counter"],
            "issuer": said["issuer"],
            "account": read["label"].partition(":")[2],
        }


class OathTool:
    name, knows_uris = "oathtool", False

    def knows(self, kind, algorithm):
        return kind == "totp" or algorithm == "SHA1"

    def most(self, count):
        return min(count, 25)  # a process for each code

    def run(self, given, at, *code):
        common = ["-d", str(given["digits"]), "-w", "0", "-b", base32(given), *code]
        if given["kind"] == "totp":
            kind = [f"--totp={given['algorithm'].lower()}", "-s", f"{given['period']}s", "-N", f"@{at}"]
        else:
            kind = ["--hotp", "-c", str(at)]
        return subprocess.run(["oathtool", *kind, *common], capture_output=True, text=True)

    def codes(self, given, at):
        runs = [self.run(given, each) for each in at]
        return [run.stdout.strip() if run.returncode == 0 else run.stderr for run in runs]

    def accepts(self, given, pairs):
        return [self.run(given, at, code).returncode == 0 for at, code in pairs]


def made(dice, kind, algorithm, digits):
    names = "Example Shop", "Ärger & Büro", "a-b_c.d~e", "日本語", "50% off?", "x"
    return {
        "kind": kind,
        "secret": list(dice.randbytes(dice.choice([16, 20, 20, 32, 64]))),
        "algorithm": algorithm,
        "digits": digits,
        "period": dice.choice([15, 30, 30, 60, 120]) if kind == "totp" else None,
        "counter": dice.choice([0, 1, dice.randrange(2**31)]) if kind == "hotp" else None,
        "issuer": dice.choice(names),
        "account": dice.choice(["alice@example.com", "älice", "a+b@c.d", "#1", *names]),
    }


def moment(dice, given):
    return dice.randrange(300, 2**33) if given["kind"] == "totp" else given["counter"] + dice.randrange(100)


def near(given, at):
    """Where else fountain finds a code: the step before, or the counters ahead."""
    if given["kind"] == "totp":
        return [at, at - given["period"]]
    return [at + ahead for ahead in range(AHEAD + 1)]


def changed(dice, code, good):
    """A code that is not good, of the same length."""
    while code in good:
        code = f"{dice.randrange(10 ** len(code)):0{len(code)}d}"
    return code


def refused(cases, results):
    return [f"refused: {case}" for case, good in zip(cases, results, strict=True) if not good]


class Exchange:
    """One peer, kind, hash and length: what each makes is for the other to accept."""

    def __init__(self, fountain, report, peer, dice, count):
        self.ask, self.report, self.peer, self.dice, self.count = fountain.ask, report, peer, dice, count

    def run(self, kind, algorithm, digits):
        peer, report, ask, dice = self.peer, self.report, self.ask, self.dice
        what = f"{kind} {algorithm} {digits}"
        cases, bad = [], []
        for _ in range(peer.most(self.count)):
            given = made(dice, kind, algorithm, digits)
            at = moment(dice, given)
            uri = ask("otp-uri", **given)["uri"]
            ours = ask("otp-codes", uri=uri, at=[at])["codes"][0]
            theirs, *others = peer.codes(given, near(given, at))
            cases.append((given, at, uri, ours, theirs))
            bad.append((given, at, uri, changed(dice, theirs, {theirs, *others})))
        wrong = bad[0][3]

        codes = report.plant([case[3] for case in cases], lambda codes: [wrong, *codes[1:]])
        results = [peer.accepts(case[0], [(case[1], code)])[0] for case, code in zip(cases, codes, strict=True)]
        report.line(f"{what} fountain->{peer.name}", len(cases), "ok", refused(cases, results))

        codes = report.plant([case[4] for case in cases], lambda codes: [wrong, *codes[1:]])
        results = [self.ours_accept(case[2], case[1], code) for case, code in zip(cases, codes, strict=True)]
        report.line(f"{what} {peer.name}->fountain", len(cases), "ok", refused(cases, results))

        # In a self-test a good code stands among the wrong ones.
        good = cases[0]
        bad = report.plant(bad, lambda bad: [*bad, (good[0], good[1], good[2], good[4])])
        accepted = [
            f"accepted: {case}"
            for case in bad
            if self.ours_accept(case[2], case[1], case[3]) or peer.accepts(case[0], [(case[1], case[3])])[0]
        ]
        report.line(f"{what} wrong codes, {peer.name} and fountain", len(bad), "refused", accepted)
        if peer.knows_uris:
            self.uris(what, [case[0] for case in cases])

    def ours_accept(self, uri, at, code):
        return self.ask("otp-verify", uri=uri, pairs=[(at, code)])["results"][0]

    def uris(self, what, cases):
        peer, report, ask = self.peer, self.report, self.ask

        def differ(expected, results):
            expected = report.plant(expected, lambda all: [{**all[0], "account": "mallory"}, *all[1:]])
            for one, other in zip(expected, results, strict=True):
                if other != {name: value for name, value in one.items() if name != "kind"}:
                    yield f"read {other} from {one}"

        read = [peer.read(ask("otp-uri", **given)["uri"]) for given in cases]
        report.line(f"{what} URIs fountain->{peer.name}", len(cases), "read", list(differ(cases, read)))
        read = [ask("otp-read", uri=peer.write(given)) for given in cases]
        report.line(f"{what} URIs {peer.name}->fountain", len(cases), "read", list(differ(cases, read)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program", help="fountain's side, built")
    arguments.add_argument("--modules", required=True, help="the folder that node_modules is in")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--count", type=int, default=1000, help="codes each way; a tenth of it for each length")
    arguments.add_argument("--self-test", action="store_true", help="expect some wrong things, which must be noticed")
    given = arguments.parse_args()

    fountain, report, dice = Fountain(given.program), Report(given.self_test), random.Random(given.seed)
    count = max(given.count // 10, 2)
    for peer in PyOtp(), OtpLib(given.modules), OathTool():
        for kind in "totp", "hotp":
            for algorithm in HASHES:
                for digits in 6, 8:
                    if peer.knows(kind, algorithm):
                        Exchange(fountain, report, peer, dice, count).run(kind, algorithm, digits)
    fountain.end()
    print("LEFT OUT: oathtool: HOTP with SHA-256 and SHA-512, and URIs: it does not know them")
    if given.self_test:
        print(f"self-test: {report.planted} wrong expectations, {report.noticed} noticed, {report.unplanted} others")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 0 if report.failed == 0 and report.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
