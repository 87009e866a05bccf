//! Fountain's side of the exchange with other implementations of JWT, JWK (R-24), TOTP and HOTP: see
//! `tests-interop/README.md`.
//!
//! One JSON request a line on standard input, one JSON answer a line on standard output. A request that cannot be
//! carried out is answered with `error`, so that the other side fails with a reason instead of waiting.
//!
//! | `op` | takes | answers |
//! |---|---|---|
//! | `algorithms` | | `algorithms`: the names of all that fountain has |
//! | `key` | `name`, `alg`, and `kid` to choose it | `kid`, and `jwk` or `secret` (hexadecimal) |
//! | `jwks` | `names` | `jwks`: the public keys, as they are published |
//! | `issue` | `name`, `claims` | `tokens` |
//! | `verify` | `alg`, `jwks`, `tokens` | `results`: `claims` or `refused` |
//! | `thumbprint` | `alg`, `jwk` | `thumbprint` (RFC 7638) |
//! | `claims` | `seed`, `count`, `wide` | `claims`: random, good now |
//! | `faults` | | `faults`: claims that nobody may accept, each with its `name` |
//! | `tamper` | `tokens`, two of one key | `tokens`: what became of the first one, each with its `name` |
//! | `otp-uri` | `secret`, `algorithm`, `digits`, `period` or `counter`, `issuer`, `account` | `uri` |
//! | `otp-read` | `uri` | what `otp-uri` takes |
//! | `otp-codes` | `uri`, `at`: seconds or counters | `codes` |
//! | `otp-verify` | `uri`, `pairs` of seconds or counter and code | `results`: whether each is accepted |
//!
//! Claims and keys travel as JSON texts inside the JSON, so that nobody rewrites them on the way.

mod claims;
mod otp;
mod seeded;

use std::collections::HashMap;
use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;

use fountain_core::signing::{Algorithm, Jwk, Jwks, Kid, SigningKey};
use fountain_core::token::{
    AccessClaims, KeySet, TokenRules, TokenSigner, TrustedKey, verify_access,
};
use fountain_core::{Clock as _, OsRandom, SecretBytes, SystemClock};
use serde_json::{Value, json};

use claims::{AUDIENCE, ISSUER};

type BoxError = Box<dyn std::error::Error>;

fn main() -> io::Result<()> {
    let mut side = Side::default();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = side
            .answer(&line?)
            .unwrap_or_else(|why| json!({ "error": why.to_string() }));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// The keys that were made so far, by the name that the other side gave them.
#[derive(Default)]
struct Side {
    keys: HashMap<String, Key>,
    /// The numbers of the RSA key of each name: finding new ones for every algorithm takes much of the time.
    rsa: HashMap<String, SecretBytes>,
}

struct Key {
    signer: TokenSigner,
    /// None for a shared secret.
    jwk: Option<String>,
}

impl Side {
    fn answer(&mut self, line: &str) -> Result<Value, BoxError> {
        let request: Value = serde_json::from_str(line)?;
        match text(&request, "op")? {
            "algorithms" => {
                let names: Vec<_> = Algorithm::ALL.iter().map(|known| known.as_str()).collect();
                Ok(json!({ "algorithms": names }))
            }
            "key" => self.make(&request),
            "jwks" => self.jwks(&request),
            "issue" => self.issue(&request),
            "verify" => verify(&request),
            "thumbprint" => thumbprint(&request),
            "claims" => {
                let seed = number(&request, "seed")?;
                let count = number(&request, "count")?;
                let wide = request.get("wide") == Some(&Value::Bool(true));
                Ok(json!({ "claims": claims::random(seed, count, wide, now()) }))
            }
            "faults" => Ok(json!({ "faults": named(claims::faults(now()), "claims") })),
            "tamper" => match texts(&request, "tokens")?.as_slice() {
                [token, other] => {
                    let tampered = tampered(token, other).ok_or("these are no tokens")?;
                    Ok(json!({ "tokens": named(tampered, "token") }))
                }
                _ => Err("`tokens` are not two".into()),
            },
            "otp-uri" => otp::uri(&request),
            "otp-read" => otp::read(&request),
            "otp-codes" => otp::codes(&request),
            "otp-verify" => otp::verify(&request),
            op => Err(format!("no such op: {op}").into()),
        }
    }

    fn make(&mut self, request: &Value) -> Result<Value, BoxError> {
        let name = text(request, "name")?;
        let key = self.signing_key(name, algorithm(request)?)?;
        let given = request.get("kid").and_then(Value::as_str);
        let kid = match (given, key.verifying_key().thumbprint()) {
            (Some(kid), _) => Kid::new(kid)?,
            (None, Some(thumbprint)) => thumbprint,
            (None, None) => Kid::new("shared")?,
        };
        let jwk = key.verifying_key().public_jwk(&kid);
        let answer = if let Some(jwk) = &jwk {
            json!({ "kid": kid.as_str(), "jwk": jwk })
        } else {
            let exported = key.export()?;
            let bytes = exported.expose().iter();
            let secret: String = bytes.map(|byte| format!("{byte:02x}")).collect();
            json!({ "kid": kid.as_str(), "secret": secret })
        };
        let signer = TokenSigner::new(kid, Arc::new(key));
        self.keys.insert(name.to_owned(), Key { signer, jwk });
        Ok(answer)
    }

    /// A new key, except that one name has the same numbers for every algorithm of RSA.
    fn signing_key(&mut self, name: &str, algorithm: Algorithm) -> Result<SigningKey, BoxError> {
        if !algorithm.as_str().starts_with(['R', 'P']) {
            return Ok(SigningKey::generate(algorithm, &OsRandom)?);
        }
        if let Some(numbers) = self.rsa.get(name) {
            return Ok(SigningKey::import(algorithm, numbers)?);
        }
        let key = SigningKey::generate(algorithm, &OsRandom)?;
        self.rsa.insert(name.to_owned(), key.export()?);
        Ok(key)
    }

    fn jwks(&self, request: &Value) -> Result<Value, BoxError> {
        let mut keys = Vec::new();
        for name in texts(request, "names")? {
            let jwk = self.key(name)?.jwk.as_deref();
            keys.push(jwk.ok_or("a shared secret is not published")?);
        }
        Ok(json!({ "jwks": format!(r#"{{"keys":[{}]}}"#, keys.join(",")) }))
    }

    fn issue(&self, request: &Value) -> Result<Value, BoxError> {
        let signer = &self.key(text(request, "name")?)?.signer;
        let mut tokens = Vec::new();
        for claims in texts(request, "claims")? {
            let claims = AccessClaims::decode(claims.as_bytes())
                .map_err(|why| format!("{}: {claims}", why.as_str()))?;
            tokens.push(signer.sign_access(&claims)?);
        }
        Ok(json!({ "tokens": tokens }))
    }

    fn key(&self, name: &str) -> Result<&Key, BoxError> {
        self.keys
            .get(name)
            .ok_or_else(|| format!("no such key: {name}").into())
    }
}

fn verify(request: &Value) -> Result<Value, BoxError> {
    let algorithm = algorithm(request)?;
    let set = Jwks::parse(text(request, "jwks")?.as_bytes())?;
    if let Some(why) = set.skipped().first() {
        return Err(format!("a key of the set is not usable: {why}").into());
    }
    let trusted = set
        .iter()
        .map(|(kid, key)| TrustedKey::new(kid.clone(), key.clone()));
    let keys = KeySet::new(trusted, [])?;
    let rules = TokenRules::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithm(algorithm)
        .max_life(TokenRules::MAX_LIFE)
        .build()?;
    let mut results = Vec::new();
    for token in texts(request, "tokens")? {
        results.push(
            match verify_access(token, &rules, &keys, SystemClock::new().now()) {
                Ok(claims) => json!({ "claims": String::from_utf8(claims.encode()?)? }),
                Err(rejection) => json!({ "refused": rejection.reason().as_str() }),
            },
        );
    }
    Ok(json!({ "results": results }))
}

fn thumbprint(request: &Value) -> Result<Value, BoxError> {
    let jwk = Jwk::parse_for(text(request, "jwk")?.as_bytes(), algorithm(request)?)?;
    let thumbprint = jwk.key().thumbprint().ok_or("a shared secret has none")?;
    Ok(json!({ "thumbprint": thumbprint.as_str() }))
}

/// What a forger without the key can make of two tokens of one key.
fn tampered(token: &str, other: &str) -> Option<Vec<(&'static str, String)>> {
    // {"alg":"none","typ":"at+jwt"}
    const NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let (_, other_signature) = other.rsplit_once('.')?;
    let other_payload = other.split('.').nth(1)?;
    let (first, rest) = signature.split_at_checked(1)?;
    let another = if first == "A" { "B" } else { "A" };
    let shorter = signature.get(..signature.len().checked_sub(4)?)?;
    let zeroes = "A".repeat(signature.len());
    Some(vec![
        (
            "payload of another token",
            format!("{header}.{other_payload}.{signature}"),
        ),
        (
            "signature of another token",
            format!("{signed}.{other_signature}"),
        ),
        ("signature changed", format!("{signed}.{another}{rest}")),
        ("signature cut", format!("{signed}.{shorter}")),
        ("signature of zeroes", format!("{signed}.{zeroes}")),
        (
            "signature twice",
            format!("{signed}.{signature}{signature}"),
        ),
        ("no signature", format!("{signed}.")),
        ("alg none, unsigned", format!("{NONE}.{payload}.")),
        (
            "alg none, with the signature",
            format!("{NONE}.{payload}.{signature}"),
        ),
    ])
}

fn named(pairs: Vec<(&'static str, String)>, what: &str) -> Vec<Value> {
    pairs
        .into_iter()
        .map(|(name, text)| json!({ "name": name, what: text }))
        .collect()
}

fn now() -> i64 {
    SystemClock::new().now().as_unix_seconds()
}

fn algorithm(request: &Value) -> Result<Algorithm, BoxError> {
    let name = text(request, "alg")?;
    Algorithm::from_name(name).ok_or_else(|| format!("no such algorithm: {name}").into())
}

fn number(request: &Value, name: &str) -> Result<u64, BoxError> {
    let value = request.get(name).and_then(Value::as_u64);
    value.ok_or_else(|| format!("`{name}` is no number").into())
}

fn text<'r>(request: &'r Value, name: &str) -> Result<&'r str, BoxError> {
    let value = request.get(name).and_then(Value::as_str);
    value.ok_or_else(|| format!("`{name}` is no text").into())
}

fn texts<'r>(request: &'r Value, name: &str) -> Result<Vec<&'r str>, BoxError> {
    let values = request.get(name).and_then(Value::as_array);
    let texts = values.and_then(|values| values.iter().map(Value::as_str).collect());
    texts.ok_or_else(|| format!("`{name}` is no list of texts").into())
}
