use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Authenticator, PresentedCredential};
use crate::error::{ConfigError, ConfigErrors, Reason, Rejection};
use crate::identity::{Issuer, Principal};
use crate::json::{Fault, Limits, read_object};
use crate::token::{CompactToken, MAX_TOKEN_BYTES, RemoteIssuer};

/// Sends each access token to the one verifier of its issuer, and everything else to the service's own.
///
/// Whom a token is sent to, it says itself, before anything about it is known to be true. That decides whose rules
/// and keys it must meet, all of them, and nothing else: a token is never tried against one issuer after another
/// (R-16). One that names no issuer of the list goes to the service's own verifier, which refuses what is not its own.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::authenticate::{Authenticator, ByIssuer};
/// use fountain_core::token::RemoteIssuer;
/// use fountain_core::ConfigErrors;
///
/// fn wire(own: Arc<dyn Authenticator>, partner: RemoteIssuer) -> Result<ByIssuer, ConfigErrors> {
///     ByIssuer::new(own).with(partner)
/// }
///
/// // One issuer has one verifier.
/// fn wire_twice(own: Arc<dyn Authenticator>, partner: RemoteIssuer) -> bool {
///     ByIssuer::new(own).with(partner.clone()).and_then(|by| by.with(partner)).is_err()
/// }
/// # let _ = (wire, wire_twice);
/// ```
///
/// # Security
/// Do not list the service's own issuer: its tokens would be held against another's keys, and refused.
#[derive(Debug, Clone)]
pub struct ByIssuer {
    own: Arc<dyn Authenticator>,
    others: BTreeMap<Issuer, RemoteIssuer>,
}

impl ByIssuer {
    /// Starts with the service's own verifier, such as a `Fountain`, and nobody else's.
    #[must_use]
    pub fn new(own: Arc<dyn Authenticator>) -> Self {
        Self {
            own,
            others: BTreeMap::new(),
        }
    }

    /// Accepts the tokens of one more issuer.
    ///
    /// # Errors
    /// When it is on the list already.
    pub fn with(mut self, issuer: RemoteIssuer) -> Result<Self, ConfigErrors> {
        match self.others.insert(issuer.issuer().clone(), issuer) {
            None => Ok(self),
            Some(_) => Err(ConfigError::Invalid {
                setting: "with",
                hint: "an issuer is there twice: give it one set of rules, or another iss",
            }
            .into()),
        }
    }

    /// Refreshes the keys of every issuer that is due, one after the other: see [`RemoteIssuer::refresh`].
    ///
    /// # Errors
    /// The last refusal, after all were tried.
    ///
    /// # Cancel safety
    /// Safe to drop: those that were not reached are refreshed by the next call.
    pub async fn refresh(&self) -> Result<(), Rejection> {
        let mut refreshed = Ok(());
        for issuer in self.others.values() {
            if let Err(refusal) = issuer.refresh().await {
                refreshed = Err(refusal);
            }
        }
        refreshed
    }

    fn other(&self, token: &str) -> Option<&RemoteIssuer> {
        if self.others.is_empty() {
            return None;
        }
        self.others.get(&claimed_issuer(token)?)
    }
}

#[async_trait]
impl Authenticator for ByIssuer {
    /// Of the service's own tokens only: those of other issuers are verified each time.
    fn recall(&self, credential: &PresentedCredential<'_>) -> Option<Principal> {
        self.own.recall(credential)
    }

    async fn authenticate(
        &self,
        credential: PresentedCredential<'_>,
    ) -> Result<Principal, Rejection> {
        if let PresentedCredential::AccessToken(token) = credential
            && let Some(issuer) = self.other(token)
        {
            return issuer.verify(token).await;
        }
        self.own.authenticate(credential).await
    }
}

/// For a service that issues nothing itself: tokens of one issuer, and no API keys.
#[async_trait]
impl Authenticator for RemoteIssuer {
    fn recall(&self, _credential: &PresentedCredential<'_>) -> Option<Principal> {
        None
    }

    async fn authenticate(
        &self,
        credential: PresentedCredential<'_>,
    ) -> Result<Principal, Rejection> {
        match credential {
            PresentedCredential::AccessToken(token) => self.verify(token).await,
            PresentedCredential::ApiKey(_) => Err(Rejection::invalid_token(Reason::CredentialKind)),
        }
    }
}

/// The issuer that a token says it is of, when it can be read at all. Nothing of it is true yet.
fn claimed_issuer(token: &str) -> Option<Issuer> {
    let payload = CompactToken::split(token, MAX_TOKEN_BYTES)
        .and_then(|token| token.payload())
        .ok()?;
    let mut issuer = None;
    read_object::<Fault>(&payload, Limits::object(MAX_TOKEN_BYTES), |name, value| {
        if name == "iss" && value.is_string() {
            issuer = Issuer::new(value.string()?).ok();
            Ok(())
        } else {
            value.skip()
        }
    })
    .ok()?;
    issuer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::remote_doubles::{Partner, at_once, claims, clock};

    const OURS: &str = "https://auth.example.com";
    const A: &str = "https://a.example";
    const B: &str = "https://b.example";

    struct Case {
        ours: Partner,
        a: Partner,
        b: Partner,
        by_issuer: ByIssuer,
    }

    fn case() -> Case {
        let (ours, a, b) = (Partner::new(), Partner::new(), Partner::new());
        let issuer = |partner: &Partner, iss| partner.builder(iss, clock()).build().unwrap();
        let by_issuer = ByIssuer::new(Arc::new(issuer(&ours, OURS)))
            .with(issuer(&a, A))
            .and_then(|by| by.with(issuer(&b, B)))
            .unwrap();
        Case {
            ours,
            a,
            b,
            by_issuer,
        }
    }

    #[expect(
        clippy::unwrap_in_result,
        reason = "an authenticator that waits here is a failed test, not a refusal"
    )]
    fn reason(by_issuer: &ByIssuer, token: &str) -> Option<Reason> {
        at_once(by_issuer.authenticate(PresentedCredential::AccessToken(token)))
            .unwrap()
            .err()
            .map(|refusal| refusal.reason())
    }

    #[test]
    fn each_token_is_verified_with_the_keys_of_the_issuer_that_it_names() {
        let Case {
            ours,
            a,
            b,
            by_issuer,
        } = case();
        for (signer, iss) in [(&ours, OURS), (&a, A), (&b, B)] {
            assert_eq!(
                reason(&by_issuer, &signer.sign(&claims(iss))),
                None,
                "{iss}"
            );
        }
    }

    /// R-16, B-41
    #[test]
    fn no_issuer_signs_in_the_name_of_another() {
        let Case {
            ours,
            a,
            b,
            by_issuer,
        } = case();
        for (signer, iss) in [(&a, B), (&b, A), (&a, OURS), (&ours, A), (&b, OURS)] {
            let refused = reason(&by_issuer, &signer.sign(&claims(iss)));
            assert_eq!(refused, Some(Reason::TokenSignature), "{iss}");
        }
        let stranger = reason(&by_issuer, &a.sign(&claims("https://c.example")));
        assert_eq!(
            stranger,
            Some(Reason::TokenSignature),
            "goes to our own verifier"
        );
    }

    #[test]
    fn what_names_no_issuer_goes_to_our_own_verifier() {
        let Case {
            a, b, by_issuer, ..
        } = case();
        for token in [
            "",
            "x",
            "a.b",
            "a.b.c.d",
            "e30.!!.AA",
            "e30.e30.AA",
            "e30.bnVsbA.AA",
        ] {
            assert!(reason(&by_issuer, token).is_some(), "{token}");
        }
        let encode = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
        for payload in [
            r#"{"iss":1}"#,
            r#"{"iss":["https://a.example"]}"#,
            r#"{"iss":"https://a.example","iss":"https://b.example"}"#,
            r#"{"x":{"iss":"https://a.example"}}"#,
        ] {
            let token = format!("e30.{}.AA", encode(payload));
            assert!(claimed_issuer(&token).is_none(), "{payload}");
            assert!(reason(&by_issuer, &token).is_some());
        }
        assert_eq!((a.server.asked(), b.server.asked()), (0, 0));
    }

    #[test]
    fn an_api_key_is_no_remote_issuers_business() {
        let by_issuer = case().by_issuer;
        let key = PresentedCredential::ApiKey("fnt_live_x");
        let refused = at_once(by_issuer.authenticate(key)).unwrap().unwrap_err();
        assert_eq!(refused.reason(), Reason::CredentialKind);
        assert!(by_issuer.recall(&key).is_none());
    }

    #[test]
    fn an_issuer_is_listed_once() {
        let partner = Partner::new();
        let issuer = partner.builder(A, clock()).build().unwrap();
        assert!(case().by_issuer.with(issuer).is_err());
    }

    #[test]
    fn one_issuer_that_is_down_does_not_keep_the_others_from_being_refreshed() {
        let Case {
            a, b, by_issuer, ..
        } = case();
        a.server.fails(crate::token::FetchErrorKind::Unreachable);
        assert!(at_once(by_issuer.refresh()).unwrap().is_err());
        assert_eq!((a.server.asked(), b.server.asked()), (1, 1));
        assert_eq!(reason(&by_issuer, &b.sign(&claims(B))), None);
        let down = reason(&by_issuer, &a.sign(&claims(A)));
        assert_eq!(down, Some(Reason::TokenIssuerKeysUnavailable));
    }
}
