"""The Python peers, each used as its documentation says. `peers.py` holds fountain against them."""

import json
import warnings

import jose.constants
import jose.jwk
import jose.jwt
import jwt as pyjwt
from authlib.deprecate import AuthlibDeprecationWarning
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import JWKRegistry
from jwcrypto import jwa as jwcrypto_jwa
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt
from jwcrypto.common import InvalidJWAAlgorithm

# Authlib would have its users go on to joserfc, which is a peer itself.
warnings.simplefilter("ignore", AuthlibDeprecationWarning)
from authlib import jose as authlib_jose  # noqa: E402

# joserfc would have `Ed25519` written instead of `EdDSA`, which PyJWT does not know.
warnings.simplefilter("ignore", SecurityWarning)

ISSUER, AUDIENCE = "https://auth.example.com", "orders"
REQUIRED = ["iss", "sub", "aud", "client_id", "jti", "iat", "exp"]
# What a key of each asymmetric algorithm is, as JWK says it. RSA keys have the least size that is accepted, to be quick.
KINDS = {
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], ("RSA", 2048)),
}
COORDINATE_CHARACTERS = {"P-256": 43, "P-384": 64, "P-521": 88}
CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}


def is_symmetric(alg):
    return alg not in KINDS


def generate(alg):
    """A key of `cryptography`, for the peers that make none themselves."""
    kind, size = KINDS[alg]
    if kind == "OKP":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "EC":
        return ec.generate_private_key(CURVES[size]())
    return rsa.generate_private_key(65537, size)


# `lacks`: the algorithms that it does not know, held against what its `knows` says of each.
# `verify` gives the claims or raises.


class PyJwt:
    name = "PyJWT"
    lacks = {"Ed25519"}
    left_out = ["RFC 7638 thumbprints: it computes none"]

    def knows(self, alg):
        return alg in pyjwt.algorithms.get_default_algorithms()

    def generate(self, alg):
        return generate(alg)

    def secret(self, alg, secret):
        return secret

    def jwk(self, alg, key):
        public = key if is_symmetric(alg) else key.public_key()
        return pyjwt.get_algorithm_by_name(alg).to_jwk(public, as_dict=True)

    def thumbprint(self, jwk):
        return None

    def sign(self, alg, key, kid, claims):
        return pyjwt.encode(claims, key, algorithm=alg, headers={"typ": "at+jwt", "kid": kid})

    def key_set(self, jwks):
        return pyjwt.PyJWKSet.from_json(jwks)

    def verify(self, alg, keys, kid, token):
        key = keys if is_symmetric(alg) else keys[kid]
        options = {"require": REQUIRED}
        return pyjwt.decode(token, key, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE, options=options)


class Joserfc:
    name = "joserfc"
    lacks = set()
    left_out = []

    def knows(self, alg):
        return alg in joserfc_jws.JWSRegistry.algorithms

    def generate(self, alg):
        return JWKRegistry.generate_key(*KINDS[alg])

    def secret(self, alg, secret):
        return joserfc_jwk.OctKey.import_key(secret)

    def jwk(self, alg, key):
        return key.as_dict(private=is_symmetric(alg))

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
    lacks = set()
    left_out = []

    def knows(self, alg):
        try:
            jwcrypto_jwa.JWA.signing_alg(alg)
        except InvalidJWAAlgorithm:
            return False
        return True

    def generate(self, alg):
        kind, size = KINDS[alg]
        return jwcrypto_jwk.JWK.generate(kty=kind, **({"size": size} if isinstance(size, int) else {"crv": size}))

    def secret(self, alg, secret):
        return jwcrypto_jwk.JWK(kty="oct", k=pyjwt.utils.base64url_encode(secret).decode())

    def jwk(self, alg, key):
        return key.export(private_key=is_symmetric(alg), as_dict=True)

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


class Authlib:
    name = "Authlib"
    lacks = {"Ed25519"}
    left_out = ["EC keys with a coordinate that begins with zeroes: it leaves them off (RFC 7518 section 6.2.1.2)"]

    def knows(self, alg):
        return alg in authlib_jose.JsonWebSignature.ALGORITHMS_REGISTRY

    def generate(self, alg):
        kind, size = KINDS[alg]
        while True:
            key = authlib_jose.JsonWebKey.generate_key(kind, size, is_private=True)
            # What it left off would make a key that nobody has to accept: one in 128, and with P-521 three in four.
            if kind != "EC" or len(key["x"]) == len(key["y"]) == COORDINATE_CHARACTERS[size]:
                return key

    def secret(self, alg, secret):
        return authlib_jose.OctKey.import_key(secret)

    def jwk(self, alg, key):
        return key.as_dict(is_private=is_symmetric(alg))

    def thumbprint(self, jwk):
        return authlib_jose.JsonWebKey.import_key(jwk).thumbprint()

    def sign(self, alg, key, kid, claims):
        # Without its search for what looks like a secret, which is about the writer's habits.
        header = {"alg": alg, "typ": "at+jwt", "kid": kid}
        return authlib_jose.JsonWebToken([alg]).encode(header, claims, key, check=False).decode("ascii")

    def key_set(self, jwks):
        return authlib_jose.JsonWebKey.import_key_set(jwks)

    def verify(self, alg, keys, kid, token):
        expected = {name: {"essential": True} for name in REQUIRED}
        expected["iss"]["value"], expected["aud"]["value"] = ISSUER, AUDIENCE
        claims = authlib_jose.JsonWebToken([alg]).decode(token, keys, claims_options=expected)
        claims.validate()
        return dict(claims)


class PythonJose:
    name = "python-jose"
    lacks = {"EdDSA", "Ed25519", "PS256", "PS384", "PS512"}
    left_out = [
        "RFC 7638 thumbprints: it computes none",
        "finding a key by its kid: it tries every key, and stops at one of a kind that it does not know",
        "that client_id is there: it leaves that to its caller",
    ]

    def knows(self, alg):
        return alg in jose.constants.ALGORITHMS.SUPPORTED

    def generate(self, alg):
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        pem = generate(alg).private_bytes(encoding, form, serialization.NoEncryption())
        return jose.jwk.construct(pem, alg)

    def secret(self, alg, secret):
        return jose.jwk.construct(secret, alg)

    def jwk(self, alg, key):
        public = key if is_symmetric(alg) else key.public_key()
        return {name: value for name, value in public.to_dict().items() if name != "alg"}

    def thumbprint(self, jwk):
        return None

    def sign(self, alg, key, kid, claims):
        return jose.jwt.encode(claims, key, algorithm=alg, headers={"typ": "at+jwt", "kid": kid})

    def key_set(self, jwks):
        return {key["kid"]: key for key in json.loads(jwks)["keys"]}

    def verify(self, alg, keys, kid, token):
        key = keys if is_symmetric(alg) else keys[kid]
        options = {f"require_{name}": True for name in REQUIRED if name != "client_id"}
        return jose.jwt.decode(token, key, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE, options=options)


PEERS = [PyJwt(), Joserfc(), JwCrypto(), Authlib(), PythonJose()]
