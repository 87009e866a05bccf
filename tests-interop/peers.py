"""The exchange with the Python peers: PyJWT, joserfc and jwcrypto. See README.md beside this file."""

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import JWKRegistry
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
ALGORITHMS = ["EdDSA", "ES256", "ES384", "RS256", "PS256", "HS256"]
REQUIRED = ["iss", "sub", "aud", "client_id", "jti", "iat", "exp"]
# What a key of each algorithm is, as JWK says it. RSA keys have the least size that is accepted, to be quick.
KINDS = {
    "EdDSA": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "RS256": ("RSA", 2048),
    "PS256": ("RSA", 2048),
    "HS256": ("oct", 256),
}


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


# Each peer, used as its documentation says. `verify` gives the claims or raises.


class PyJwt:
    name = "PyJWT"
    left_out = ["RFC 7638 thumbprints: it computes none"]

    def generate(self, alg):
        kind, size = KINDS[alg]
        if kind == "OKP":
            return ed25519.Ed25519PrivateKey.generate()
        if kind == "EC":
            return ec.generate_private_key(ec.SECP256R1() if size == "P-256" else ec.SECP384R1())
        return rsa.generate_private_key(65537, size)

    def secret(self, secret):
        return secret

    def jwk(self, alg, key):
        public = key if alg == "HS256" else key.public_key()
        return pyjwt.get_algorithm_by_name(alg).to_jwk(public, as_dict=True)

    def thumbprint(self, jwk):
        return None

    def sign(self, alg, key, kid, claims):
        return pyjwt.encode(claims, key, algorithm=alg, headers={"typ": "at+jwt", "kid": kid})

    def key_set(self, jwks):
        return pyjwt.PyJWKSet.from_json(jwks)

    def verify(self, alg, keys, kid, token):
        key = keys if alg == "HS256" else keys[kid]
        options = {"require": REQUIRED}
        return pyjwt.decode(token, key, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE, options=options)


class Joserfc:
    name = "joserfc"
    left_out = []

    def generate(self, alg):
        return JWKRegistry.generate_key(*KINDS[alg])

    def secret(self, secret):
        return joserfc_jwk.OctKey.import_key(secret)

    def jwk(self, alg, key):
        return key.as_dict(private=alg == "HS256")

    def thumbprint(self, jwk):
        return JWKRegistry.import_key(jwk).thumbprint()

    def sign(self, alg, key, kid, claims):
        return joserfc_jwt.encode({"alg": alg, "typ": "at+jwt", "kid": kid}, claims, key, algorithms=[alg])

    def key_set(self, jwks):
        return joserfc_jwk.KeySet.import_key_set(json.loads(jwks))

    def verify(self, alg, keys, kid, token):
        read = joserfc_jwt.decode(token, keys, algorithms=[alg])
        expected = {name: {"essential": True} for name in REQUIRED}
        expected["iss"]["value"], expected["aud"]["value"] = ISSUER, AUDIENCE
        joserfc_jwt.JWTClaimsRegistry(**expected).validate(read.claims)
        return read.claims


class JwCrypto:
    name = "jwcrypto"
    left_out = []

    def generate(self, alg):
        kind, size = KINDS[alg]
        return jwcrypto_jwk.JWK.generate(kty=kind, **({"size": size} if isinstance(size, int) else {"crv": size}))

    def secret(self, secret):
        return jwcrypto_jwk.JWK(kty="oct", k=pyjwt.utils.base64url_encode(secret).decode())

    def jwk(self, alg, key):
        return key.export(private_key=alg == "HS256", as_dict=True)

    def thumbprint(self, jwk):
        return jwcrypto_jwk.JWK(**jwk).thumbprint()

    def sign(self, alg, key, kid, claims):
        token = jwcrypto_jwt.JWT(header={"alg": alg, "typ": "at+jwt", "kid": kid}, claims=claims, algs=[alg])
        token.make_signed_token(key)
        return token.serialize()

    def key_set(self, jwks):
        return jwcrypto_jwk.JWKSet.from_json(jwks)

    def verify(self, alg, keys, kid, token):
        # It checks either the dates or the claims that are named, so it is asked twice.
        options = {"jwt": token, "key": keys, "algs": [alg], "expected_type": "JWS"}
        jwcrypto_jwt.JWT(**options)
        expected = {**dict.fromkeys(REQUIRED), "iss": ISSUER, "aud": AUDIENCE}
        return json.loads(jwcrypto_jwt.JWT(check_claims=expected, **options).claims)


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
        self.passed = self.failed = self.planted = self.noticed = self.unplanted = 0

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
        if alg == "HS256":
            keys = peer.secret(bytes.fromhex(made["secret"]))
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
        made = [ask("key", name=name, alg=alg) for name in ("first", "second")] if alg == "HS256" else []
        secrets = [peer.secret(bytes.fromhex(key["secret"])) for key in made]
        key, impostor_key = secrets or [peer.generate(alg), peer.generate(alg)]
        bare = peer.jwk(alg, key)
        kid = "of-a-peer"
        if alg != "HS256":
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


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program", help="fountain's side, built")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--count", type=int, default=1000, help="sets of claims each way")
    arguments.add_argument("--self-test", action="store_true", help="expect some wrong things, which must be noticed")
    given = arguments.parse_args()
    versions = {line.partition("==")[0]: line.strip() for line in Path(__file__).with_name("requirements.txt").open()}
    peers = [PyJwt(), Joserfc(), JwCrypto()]
    # joserfc would have `Ed25519` written instead of `EdDSA`, which PyJWT does not know.
    warnings.simplefilter("ignore", SecurityWarning)
    print("peers: " + ", ".join(versions[peer.name] for peer in peers) + f"; seed {given.seed}", flush=True)

    fountain, report = Fountain(given.program), Report(given.self_test)
    for at, peer in enumerate(peers):
        for alg in ALGORITHMS:
            seed = given.seed + 100 * at + ALGORITHMS.index(alg)
            Exchange(fountain, report, peer, alg, seed, given.count).run()
    left_out = [f"{peer.name}: {reason}" for peer in peers for reason in peer.left_out]
    return 0 if report.end(left_out) else 1


if __name__ == "__main__":
    sys.exit(main())
