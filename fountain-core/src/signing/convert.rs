//! Conversions for hosts that have keys as `jsonwebtoken` types (feature `jsonwebtoken`).

use jsonwebtoken as theirs;

use super::{Algorithm, Jwk, KeyError, Kid, VerifyingKey};

/// Checks a key that `jsonwebtoken` parsed by Fountain's rules, which are stricter.
///
/// ```
/// use fountain_core::signing::{Algorithm, Jwk};
///
/// let theirs: jsonwebtoken::jwk::Jwk = serde_json::from_str(
///     r#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"2030-01",
///         "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// let ours = Jwk::try_from(&theirs)?;
/// assert_eq!(ours.key().algorithm(), Algorithm::EdDsa);
///
/// // meant for encryption: jsonwebtoken would verify with it, Fountain does not
/// let theirs: jsonwebtoken::jwk::Jwk = serde_json::from_str(
///     r#"{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// assert!(Jwk::try_from(&theirs).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TryFrom<&theirs::jwk::Jwk> for Jwk {
    type Error = KeyError;

    fn try_from(theirs: &theirs::jwk::Jwk) -> Result<Self, KeyError> {
        let json = serde_json::to_vec(theirs)
            .map_err(|_| KeyError::Jwk("it cannot be written as JSON"))?;
        Self::parse(&json)
    }
}

impl VerifyingKey {
    /// The key as the type of `jsonwebtoken`, with its public members only; none for a shared secret.
    ///
    /// # Errors
    /// `Jwk` when `jsonwebtoken` has no such algorithm.
    #[must_use]
    pub fn to_jsonwebtoken(&self, kid: &Kid) -> Option<Result<theirs::jwk::Jwk, KeyError>> {
        let json = self.public_jwk(kid)?;
        let known = |theirs: &theirs::jwk::Jwk| {
            theirs.common.key_algorithm != Some(theirs::jwk::KeyAlgorithm::UNKNOWN_ALGORITHM)
        };
        Some(
            serde_json::from_str(&json)
                .ok()
                .filter(known)
                .ok_or(KeyError::Jwk("jsonwebtoken has no such algorithm")),
        )
    }
}

/// The algorithm of the same name; Ed25519 by its older name, `EdDSA`, too.
impl TryFrom<Algorithm> for theirs::Algorithm {
    type Error = KeyError;

    fn try_from(ours: Algorithm) -> Result<Self, KeyError> {
        let name = match ours {
            Algorithm::Ed25519 => Algorithm::EdDsa.as_str(),
            other => other.as_str(),
        };
        name.parse()
            .map_err(|_| KeyError::Jwk("jsonwebtoken has no such algorithm"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;
    use crate::signing::SigningKey;

    #[test]
    fn a_key_goes_to_jsonwebtoken_and_comes_back_the_same() {
        let kid = Kid::new("2030-01").unwrap();
        for algorithm in [Algorithm::EdDsa, Algorithm::Es384, Algorithm::Ps512] {
            let key = SigningKey::generate(algorithm, &OsRandom).unwrap();
            let key = key.verifying_key();
            let theirs = key.to_jsonwebtoken(&kid).unwrap().unwrap();
            assert_eq!(theirs.common.key_id.as_deref(), Some("2030-01"));
            let back = Jwk::try_from(&theirs).unwrap();
            assert_eq!(back.key().thumbprint(), key.thumbprint());
            assert_eq!(back.key().algorithm(), algorithm);
        }
    }

    /// It reads a name that it does not know as one that it cannot use.
    #[test]
    fn a_key_of_an_algorithm_that_jsonwebtoken_lacks_does_not_go_there() {
        let kid = Kid::new("2030-01").unwrap();
        for algorithm in [Algorithm::Es512, Algorithm::Ed25519] {
            let key = SigningKey::generate(algorithm, &OsRandom).unwrap();
            let theirs = key.verifying_key().to_jsonwebtoken(&kid).unwrap();
            assert!(theirs.is_err(), "{algorithm}");
        }
        assert!(theirs::Algorithm::try_from(Algorithm::Es512).is_err());
    }

    /// R-28
    #[test]
    fn a_shared_secret_has_no_public_half_to_convert() {
        let key = SigningKey::generate(Algorithm::Hs256, &OsRandom).unwrap();
        assert!(
            key.verifying_key()
                .to_jsonwebtoken(&Kid::new("k").unwrap())
                .is_none()
        );
    }

    #[test]
    fn algorithms_keep_their_names() {
        assert_eq!(
            theirs::Algorithm::try_from(Algorithm::Es256),
            Ok(theirs::Algorithm::ES256)
        );
        assert_eq!(
            theirs::Algorithm::try_from(Algorithm::Ed25519),
            Ok(theirs::Algorithm::EdDSA)
        );
    }
}
