use super::fetch::{FetchErrorKind, FetchedJwks};
use crate::signing::{Algorithm, Jwks};
use crate::token::{KeySet, TrustedKey};

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $label:literal,)+) => {
        /// What came of a fetch: a closed set, so that it can label a metric (R-96).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Outcome {
            $($(#[$doc])* $variant,)+
        }

        impl Outcome {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub(super) const fn index(self) -> usize {
                // A fieldless enum's discriminants count up from 0.
                self as usize
            }

            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

outcomes! {
    /// A good set, which is in use now.
    Fetched = "fetched",
    Unreachable = "unreachable",
    Timeout = "timeout",
    NotHttps = "not_https",
    Redirected = "redirected",
    Status = "status",
    TooLarge = "too_large",
    Encoded = "encoded",
    /// The media type is not that of a key set, such as that of an error page.
    MediaType = "media_type",
    /// Not a key set, or one that is refused as a whole (R-30).
    Refused = "refused",
}

impl From<FetchErrorKind> for Outcome {
    fn from(kind: FetchErrorKind) -> Self {
        match kind {
            FetchErrorKind::Unreachable => Self::Unreachable,
            FetchErrorKind::Timeout => Self::Timeout,
            FetchErrorKind::NotHttps => Self::NotHttps,
            FetchErrorKind::Redirected => Self::Redirected,
            FetchErrorKind::Status => Self::Status,
            FetchErrorKind::TooLarge => Self::TooLarge,
            FetchErrorKind::Encoded => Self::Encoded,
        }
    }
}

/// The keys of a key set that are for one of `algorithms`.
///
/// An empty set is one: who publishes no key any more has withdrawn them all.
pub(super) fn read(fetched: &FetchedJwks, algorithms: &[Algorithm]) -> Result<KeySet, Outcome> {
    if !fetched.media_type.as_deref().is_some_and(is_key_set) {
        return Err(Outcome::MediaType);
    }
    let set = Jwks::parse_for(&fetched.body, algorithms).map_err(|why| {
        tracing::debug!(
            error = &why as &dyn std::error::Error,
            "a key set is refused"
        );
        Outcome::Refused
    })?;
    let keys = set
        .iter()
        .filter(|(_, key)| algorithms.contains(&key.algorithm()))
        .map(|(kid, key)| TrustedKey::new(kid.clone(), key.clone()));
    KeySet::new(keys, []).map_err(|_| Outcome::Refused)
}

/// RFC 7517 section 8.5.2, or what most issuers send instead. Parameters, such as a charset, mean nothing in JSON.
fn is_key_set(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    ["application/jwk-set+json", "application/json"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const SECRET: &str = r#"{"kty":"oct","alg":"HS256","kid":"s","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

    fn answer(media_type: Option<&str>, body: impl Into<Vec<u8>>) -> FetchedJwks {
        FetchedJwks {
            body: body.into(),
            media_type: media_type.map(str::to_owned),
            max_age: None,
        }
    }

    fn outcome(media_type: Option<&str>, body: impl Into<Vec<u8>>) -> Option<Outcome> {
        read(&answer(media_type, body), &[Algorithm::EdDsa]).err()
    }

    /// B-43
    #[test]
    fn only_the_media_types_of_key_sets_are_read() {
        let body = format!("{{\"keys\":[{ED25519}]}}");
        for good in [
            "application/jwk-set+json",
            "application/json; charset=utf-8",
            "Application/JSON",
        ] {
            assert_eq!(outcome(Some(good), body.clone()), None, "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("text/html"),
            Some("text/plain"),
            Some("application/json+x"),
            Some("application/jsonx;application/json"),
        ] {
            let read = outcome(bad, body.clone());
            assert_eq!(read, Some(Outcome::MediaType), "{bad:?}");
        }
    }

    /// B-43, B-44
    #[test]
    fn what_is_not_a_key_set_or_is_ambiguous_is_refused_as_a_whole() {
        let many = vec!["{}"; 100_000].join(",");
        for bad in [
            String::new(),
            "<!doctype html>".into(),
            "{}".into(),
            r#"{"keys":{}}"#.into(),
            format!("{{\"keys\":[{ED25519},{ED25519}]}}"),
            format!("{{\"keys\":[{ED25519},{SECRET}]}}"),
            format!("{{\"keys\":[{many}]}}"),
            format!("{{\"keys\":[{ED25519}]{}}}", " ".repeat(10_000_000)),
        ] {
            let read = outcome(Some("application/json"), bad);
            assert_eq!(read, Some(Outcome::Refused));
        }
    }

    /// R-01: a published secret is never a key, even alone.
    #[test]
    fn keys_of_other_algorithms_are_left_out() {
        let keys = |body: &str, algorithm| {
            let set = read(&answer(Some("application/json"), body), &[algorithm]).unwrap();
            format!("{set:?}").matches("VerifyingKey").count() > 0
        };
        let public = format!("{{\"keys\":[{ED25519}]}}");
        assert!(keys(&public, Algorithm::EdDsa));
        assert!(!keys(&public, Algorithm::Ed25519));
        let secret = format!("{{\"keys\":[{SECRET}]}}");
        assert!(!keys(&secret, Algorithm::EdDsa));
    }

    #[test]
    fn every_outcome_has_a_label_of_its_own() {
        let mut labels: Vec<_> = Outcome::ALL.iter().map(|o| o.as_str()).collect();
        assert!(
            Outcome::ALL
                .iter()
                .enumerate()
                .all(|(at, o)| o.index() == at)
        );
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Outcome::ALL.len());
    }
}
