"""The exchange with the Python peers, which are in python_peers.py. See README.md beside this file."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from python_peers import PEERS, is_symmetric

# Every algorithm of fountain.
ALGORITHMS = [
    *["EdDSA", "Ed25519", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    *["HS256", "HS384", "HS512"],
]


class Fountain:
    """The Rust program on the other end of two pipes."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def ask(self, op, **request):
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"fountain's side ended while it was asked to {op}")
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"fountain cannot {op}: {answer['error']}")
        return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def same(one, other):
    """Equal as JSON is: `1` and `1.0` are one number, `True` is none."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def one_form(claims):
    """A list of one audience says what the audience alone says (RFC 7519 section 4.1.3)."""
    audience = claims["aud"]
    return {**claims, "aud": audience[0]} if isinstance(audience, list) and len(audience) == 1 else claims


class Report:
    """Counts, and says each disagreement; in a self-test, some of what is expected is wrong on purpose."""

    def __init__(self, self_test):
        self.self_test = self_test
        self.exchanged = self.passed = self.failed = self.planted = self.noticed = self.unplanted = 0

    def plant(self, expected, wrong):
        """The expectation, or in a self-test a wrong one in its place."""
        return wrong(expected) if self.self_test else expected

    def line(self, what, count, verdict, disagreements, planted=1):
        """One check: how many tokens it was made of, and what was not as expected."""
        if self.self_test:
            self.planted += planted
            self.noticed += min(len(disagreements), planted)
            self.unplanted += max(len(disagreements) - planted, 0)
            good = len(disagreements) == planted
            verdict = f"with {planted} wrong expectation" if good else f"noticed {len(disagreements)}, not {planted}"
        else:
            good = not disagreements and count > 0
        self.passed += good
        self.failed += not good
        print(f"{what} {count} {verdict if good or self.self_test else 'DISAGREE'}", flush=True)
        if not good:
            for disagreement in disagreements[:3]:
                print(f"    {disagreement}", flush=True)

    def end(self, left_out):
        for reason in left_out:
            print(f"LEFT OUT: {reason}")
        if self.self_test:
            print(f"self-test: {self.planted} wrong expectations, {self.noticed} noticed, {self.unplanted} others")
        print(f"{self.exchanged} tokens of random claims")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return self.failed == 0 and self.passed > 0


def compare(expected, results):
    """What became of each token, beside the claims that went into it."""
    for claims, result in zip(expected, results, strict=True):
        if "claims" not in result:
            yield f"refused ({result['refused']}): {json.dumps(claims)[:400]}"
        elif not same(one_form(claims), one_form(result["claims"])):
            yield f"read {json.dumps(result['claims'])[:400]} from {json.dumps(claims)[:400]}"


def accepted(results, names):
    return [f"{name}: accepted" for name, result in zip(names, results, strict=True) if "claims" in result]


class Exchange:
    """One peer and one algorithm, both ways."""

    def __init__(self, fountain, report, peer, alg, seed, count):
        self.fountain, self.report, self.peer, self.alg, self.count = fountain, report, peer, alg, count
        self.texts = fountain.ask("claims", seed=seed, count=count, wide=True)["claims"]
        self.claims = [json.loads(text) for text in self.texts]
        self.faults = fountain.ask("faults")["faults"]

    def run(self):
        self.ours_to_peer()
        self.peer_to_ours()

    def ours_to_peer(self):
        peer, alg, ask = self.peer, self.alg, self.fountain.ask
        made = ask("key", name="ours", alg=alg)
        ask("key", name="impostor", alg=alg, kid=made["kid"])
        if is_symmetric(alg):
            keys = peer.secret(alg, bytes.fromhex(made["secret"]))
        else:
            # A second key in the set, so that the right one has to be found.
            ask("key", name="other", alg="ES256" if alg != "ES256" else "EdDSA")
            keys = peer.key_set(ask("jwks", names=["other", "ours"])["jwks"])
            self.check_thumbprint(json.loads(made["jwk"]), made["kid"], f"{alg} fountain's key, by {peer.name}")

        def verify(token):
            try:
                return {"claims": peer.verify(alg, keys, made["kid"], token)}
            except Exception as why:  # each library has its own kinds
                return {"refused": f"{type(why).__name__}: {why}"}

        def issue(name, claims):
            return ask("issue", name=name, claims=claims)["tokens"]

        tokens = issue("ours", self.texts)
        self.check_valid(f"{alg} fountain->{peer.name}", [verify(token) for token in tokens])
        impostor = issue("impostor", self.texts[:1])[0]
        faulty = issue("ours", [fault["claims"] for fault in self.faults])
        self.check_bad(f"{alg} fountain->{peer.name}", tokens, impostor, faulty, lambda bad: list(map(verify, bad)))

    def peer_to_ours(self):
        peer, alg, ask = self.peer, self.alg, self.fountain.ask
        # Secrets come from fountain: its key is one, made from the operating system's randomness.
        made = [ask("key", name=name, alg=alg) for name in ("first", "second")] if is_symmetric(alg) else []
        secrets = [peer.secret(alg, bytes.fromhex(key["secret"])) for key in made]
        key, impostor_key = secrets or [peer.generate(alg), peer.generate(alg)]
        bare = peer.jwk(alg, key)
        kid = "of-a-peer"
        if not is_symmetric(alg):
            # The key as the peer writes it, without `alg`.
            thumbprint = ask("thumbprint", alg=alg, jwk=json.dumps(bare))["thumbprint"]
            self.check_thumbprint(bare, thumbprint, f"{alg} {peer.name}'s key, by fountain")
            kid = thumbprint
        jwks = json.dumps({"keys": [{**bare, "alg": alg, "kid": kid}]})

        def verify(tokens):
            results = ask("verify", alg=alg, jwks=jwks, tokens=tokens)["results"]
            return [{"claims": json.loads(r["claims"])} if "claims" in r else r for r in results]

        def sign(signing_key, claims):
            return peer.sign(alg, signing_key, kid, dict(claims))

        tokens = [sign(key, claims) for claims in self.claims]
        self.check_valid(f"{alg} {peer.name}->fountain", verify(tokens))
        impostor = sign(impostor_key, self.claims[0])
        faulty = [sign(key, json.loads(fault["claims"])) for fault in self.faults]
        self.check_bad(f"{alg} {peer.name}->fountain", tokens, impostor, faulty, verify)

    def check_valid(self, what, results):
        def wrong(claims):
            return [{**claims[0], "sub": claims[0]["sub"] + "x"}, *claims[1:]]

        expected = self.report.plant(self.claims, wrong)
        self.report.exchanged += len(results)
        self.report.line(what, self.count, "ok", list(compare(expected, results)))

    def check_bad(self, what, tokens, impostor, faulty, verify):
        tampered = self.fountain.ask("tamper", tokens=tokens[:2])["tokens"]
        bad = [(case["name"], case["token"]) for case in tampered]
        bad += [(fault["name"], token) for fault, token in zip(self.faults, faulty, strict=True)]
        bad.append(("signed by another key", impostor))
        # In a self-test a good token stands among the bad ones.
        bad = self.report.plant(bad, lambda cases: [*cases, ("good", tokens[0])])
        results = verify([token for _, token in bad])
        self.report.line(f"{what} tampered", len(bad), "refused", accepted(results, [name for name, _ in bad]))

    def check_thumbprint(self, jwk, ours, what):
        theirs = self.peer.thumbprint(jwk)
        if theirs is not None:
            expected = self.report.plant(theirs, lambda thumbprint: thumbprint[::-1])
            wrong = [] if expected == ours else [f"thumbprints {ours} and {expected}"]
            self.report.line(f"{what}: thumbprint", 1, "equal", wrong)


def check_algorithms(fountain, report):
    """Fountain has no algorithm that is missing here, and the other way round."""
    expected = report.plant(ALGORITHMS, lambda all: all[1:])
    odd = set(expected) ^ set(fountain.ask("algorithms")["algorithms"])
    report.line("algorithms of fountain", len(ALGORITHMS), "listed", sorted(odd))


def check_lacks(report, peer):
    """The algorithms to exchange, once what it is said to lack is what its own registry lacks: a release that
    learns one is noticed."""
    known = [alg for alg in ALGORITHMS if peer.knows(alg)]
    expected = report.plant(peer.lacks, lambda lacks: lacks ^ {"EdDSA"})
    report.line(f"{peer.name} knows", len(known), "algorithms", sorted((set(ALGORITHMS) - set(known)) ^ expected))
    return known


def missing(peer):
    return [f"{alg}: it does not know the algorithm" for alg in ALGORITHMS if not peer.knows(alg)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program", help="fountain's side, built")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--count", type=int, default=1000, help="sets of claims each way")
    arguments.add_argument("--self-test", action="store_true", help="expect some wrong things, which must be noticed")
    given = arguments.parse_args()
    versions = {line.partition("==")[0]: line.strip() for line in Path(__file__).with_name("requirements.txt").open()}
    print("peers: " + ", ".join(versions[peer.name] for peer in PEERS) + f"; seed {given.seed}", flush=True)

    fountain, report = Fountain(given.program), Report(given.self_test)
    check_algorithms(fountain, report)
    for at, peer in enumerate(PEERS):
        for alg in check_lacks(report, peer):
            seed = given.seed + 100 * at + ALGORITHMS.index(alg)
            Exchange(fountain, report, peer, alg, seed, given.count).run()
    fountain.end()
    left_out = [f"{peer.name}: {reason}" for peer in PEERS for reason in [*missing(peer), *peer.left_out]]
    return 0 if report.end(left_out) else 1


if __name__ == "__main__":
    sys.exit(main())
