use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use super::{Algorithm, Family, Jwk, KeyError, Kid, VerifyingKey};
use crate::json::{Fault, Limits, read_object};

/// The keys of another issuer, as its JWK set holds them (RFC 7517 section 5), found by `kid`.
///
/// A key that cannot be used is skipped, not the set (R-30): it is of a kind that Fountain does not know, is
/// for encryption, is weak, or has no `kid`. The set as a whole is refused when it is not strict JSON of at
/// most 256 KiB, holds more than 100 keys, names one `kid` twice, or mixes shared secrets with public keys (B-44).
///
/// ```
/// use fountain_core::signing::Jwks;
///
/// let set = Jwks::parse(br#"{"keys":[
///     {"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///     {"kty":"RSA","kid":"b","use":"enc","n":"AQAB","e":"AQAB"}]}"#)?;
/// assert!(set.find("a").is_some());
/// assert!(set.find("b").is_none() && set.find("c").is_none());
/// assert_eq!(set.skipped().len(), 1);
///
/// assert!(Jwks::parse(b"<html>").is_err());
/// # Ok::<(), fountain_core::signing::KeyError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Jwks {
    keys: HashMap<Kid, VerifyingKey, RandomState>,
    skipped: Vec<KeyError>,
}

impl Jwks {
    /// The largest set that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most keys that a set may hold, skipped ones included.
    pub const MAX_KEYS: usize = 100;

    /// Reads a set.
    ///
    /// # Errors
    /// Why it is refused as a whole. A set in which no key can be used is empty, not an error.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        Self::parse_for(json, &[])
    }

    /// Reads a set of an issuer that signs with `algorithms`.
    ///
    /// An RSA key may lack `alg`, as many issuers publish them. It is read when only one of the algorithms is
    /// for RSA, and is for that one; without `alg` and with a choice it is skipped (R-02).
    ///
    /// # Errors
    /// Why it is refused as a whole. A set in which no key can be used is empty, not an error.
    pub fn parse_for(json: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let limits = Limits {
            bytes: Self::MAX_BYTES,
            depth: 16,
            members: 32 * Self::MAX_KEYS,
            values: 64 * Self::MAX_KEYS,
        };
        let mut texts = None;
        read_object::<KeyError>(json, limits, |name, value| {
            if name != "keys" {
                return Ok(value.skip()?);
            }
            let mut keys = Vec::new();
            value.elements::<KeyError>(|element| {
                if keys.len() == Self::MAX_KEYS {
                    return Err(KeyError::Jwk("the set holds more than 100 keys"));
                }
                keys.push(element.raw()?);
                Ok(())
            })?;
            texts = Some(keys);
            Ok(())
        })?;
        let texts = texts.ok_or(KeyError::Jwk("the set has no member `keys`"))?;
        let mut rsa = algorithms
            .iter()
            .filter(|algorithm| algorithm.family() == Family::Rsa);
        let only_rsa = rsa.next().filter(|_| rsa.next().is_none()).copied();
        Self::of(&texts, only_rsa)
    }

    /// Reads each key; one that does not say its algorithm is tried as one for `assumed`.
    fn of(texts: &[&str], assumed: Option<Algorithm>) -> Result<Self, KeyError> {
        let symmetric = texts.iter().filter(|text| is_symmetric(text)).count();
        if symmetric != 0 && symmetric != texts.len() {
            return Err(KeyError::Jwk(
                "the set mixes shared secrets with public keys",
            ));
        }
        let mut set = Self::default();
        for text in texts {
            match usable(text.as_bytes(), assumed).map(Jwk::into_parts) {
                Err(why) => set.skipped.push(why),
                Ok((None, _)) => set.skipped.push(KeyError::Jwk("it has no `kid`")),
                Ok((Some(kid), key)) => match set.keys.entry(kid) {
                    Entry::Vacant(place) => drop(place.insert(key)),
                    Entry::Occupied(_) => {
                        return Err(KeyError::Jwk("the set names one `kid` twice"));
                    }
                },
            }
        }
        Ok(set)
    }

    /// The key with this `kid`.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    /// Every key that can be used, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Kid, &VerifyingKey)> {
        self.keys.iter()
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Why the other keys cannot be used, in the order of the set.
    #[must_use]
    pub fn skipped(&self) -> &[KeyError] {
        &self.skipped
    }
}

fn usable(text: &[u8], assumed: Option<Algorithm>) -> Result<Jwk, KeyError> {
    let jwk = Jwk::parse(text).or_else(|why| match assumed {
        Some(algorithm) => Jwk::parse_for(text, algorithm).map_err(|_| why),
        None => Err(why),
    })?;
    if jwk.had_private_members() {
        return Err(KeyError::Jwk(
            "its private members are published, so anybody can sign with it",
        ));
    }
    Ok(jwk)
}

/// Whether a key is a shared secret, usable or not.
fn is_symmetric(json: &str) -> bool {
    let mut symmetric = false;
    let read = read_object::<Fault>(
        json.as_bytes(),
        Limits::object(Jwks::MAX_BYTES),
        |name, value| {
            if name == "kty" && value.is_string() {
                symmetric = value.string()? == "oct";
                Ok(())
            } else {
                value.skip()
            }
        },
    );
    read.is_ok() && symmetric
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;
    use crate::signing::SigningKey;

    fn jwk(algorithm: Algorithm, kid: &str) -> String {
        SigningKey::generate(algorithm, &OsRandom)
            .unwrap()
            .verifying_key()
            .public_jwk(&Kid::new(kid).unwrap())
            .unwrap()
    }

    fn set(keys: &[&str]) -> Result<Jwks, KeyError> {
        Jwks::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    fn why(keys: &[&str]) -> String {
        set(keys).unwrap_err().to_string()
    }

    const SECRET: &str = r#"{"kty":"oct","alg":"HS256","kid":"s","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

    /// R-30
    #[test]
    fn a_key_that_cannot_be_used_is_skipped_and_the_others_stay() {
        let good = jwk(Algorithm::EdDsa, "good");
        let without_kid = good.replace(r#","kid":"good""#, "");
        let set = set(&[
            "{}",
            "1",
            r#"{"kty":"EC","crv":"P-521","kid":"a"}"#,
            r#"{"kty":"new","kid":"b"}"#,
            &without_kid,
            &good,
        ])
        .unwrap();
        assert_eq!(set.len(), 1);
        assert!(set.find("good").is_some());
        assert_eq!(set.skipped().len(), 5);
    }

    /// R-02
    #[test]
    fn an_rsa_key_without_an_algorithm_is_for_the_only_one_that_it_can_be_for() {
        let key = jwk(Algorithm::Rs256, "r").replace(r#","alg":"RS256""#, "");
        let text = format!("{{\"keys\":[{key}]}}");
        let found = |algorithms: &[Algorithm]| {
            let set = Jwks::parse_for(text.as_bytes(), algorithms).unwrap();
            set.find("r").map(VerifyingKey::algorithm)
        };
        let (rs, ps) = (Algorithm::Rs256, Algorithm::Ps512);
        assert_eq!(found(&[Algorithm::EdDsa, rs]), Some(rs));
        assert_eq!(found(&[ps]), Some(ps));
        assert_eq!(found(&[rs, ps]), None);
        assert_eq!(found(&[rs, Algorithm::Rs384]), None);
        assert_eq!(found(&[Algorithm::EdDsa]), None);
        assert_eq!(found(&[]), None);

        // one that says its algorithm is for no other
        let named = format!("{{\"keys\":[{}]}}", jwk(rs, "r"));
        let set = Jwks::parse_for(named.as_bytes(), &[ps]).unwrap();
        assert_eq!(set.find("r").map(VerifyingKey::algorithm), Some(rs));
    }

    #[test]
    fn a_key_whose_private_members_are_published_is_not_trusted() {
        let private = r#"{"kty":"OKP","crv":"Ed25519","kid":"p","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let set = set(&[private]).unwrap();
        assert!(set.is_empty());
        assert!(set.skipped()[0].to_string().contains("anybody can sign"));
    }

    /// R-30, B-44
    #[test]
    fn a_set_with_one_kid_twice_is_refused() {
        let (a, b) = (jwk(Algorithm::EdDsa, "a"), jwk(Algorithm::Es256, "b"));
        assert_eq!(set(&[&a, &b]).unwrap().len(), 2);
        let twice = jwk(Algorithm::Es256, "a");
        assert!(why(&[&a, &b, &twice]).contains("twice"));
        assert!(why(&[&a, &a]).contains("twice"));
    }

    /// R-30, B-44
    #[test]
    fn a_set_that_mixes_secrets_with_public_keys_is_refused() {
        let public = jwk(Algorithm::EdDsa, "a");
        assert_eq!(set(&[SECRET]).unwrap().len(), 1);
        assert!(why(&[SECRET, &public]).contains("mixes"));
        // even when the secret itself could not be used
        assert!(why(&[&public, r#"{"kty":"oct","k":"","kid":"x"}"#]).contains("mixes"));
    }

    /// B-43
    #[test]
    fn what_is_no_set_is_refused_as_a_whole() {
        for bad in [
            "",
            "<html></html>",
            "null",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":null}"#,
            r#"{"keys":"x"}"#,
            r#"{"keys":[]"#,
            r#"{"keys":[]}x"#,
            r#"{"keys":[],"keys":[]}"#,
            r#"{"keys":[{"kty":"RSA","kty":"oct"}]}"#,
            "\u{feff}{\"keys\":[]}",
        ] {
            assert!(Jwks::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Jwks::parse(br#"{"keys":[]}"#).unwrap().is_empty());
        assert!(Jwks::parse(br#"{"other":1,"keys":[]}"#).unwrap().is_empty());
    }

    /// B-43
    #[test]
    fn a_set_is_bounded_in_keys_and_bytes_and_depth() {
        let keys: Vec<_> = (0..100).map(|_| "{}").collect();
        assert_eq!(set(&keys).unwrap().skipped().len(), 100);
        let keys: Vec<_> = (0..101).map(|_| "{}").collect();
        assert!(why(&keys).contains("more than 100"));
        let padded = format!("{{\"keys\":[]{}}}", " ".repeat(Jwks::MAX_BYTES));
        assert!(Jwks::parse(padded.as_bytes()).is_err());
        let deep = format!(
            "{{\"keys\":[{}{}]}}",
            "[".repeat(20_000),
            "]".repeat(20_000)
        );
        assert!(Jwks::parse(deep.as_bytes()).is_err());
    }

    /// A hundred keys of the largest usual kind fit.
    #[test]
    fn a_full_set_of_real_keys_is_read() {
        let key = SigningKey::generate(Algorithm::Rs256, &OsRandom).unwrap();
        let keys: Vec<_> = (0..100)
            .map(|n| {
                let kid = Kid::new(format!("key-{n}")).unwrap();
                key.verifying_key().public_jwk(&kid).unwrap()
            })
            .collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        assert_eq!(set(&keys).unwrap().len(), 100);
    }
}
