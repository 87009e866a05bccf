//! Who: tenants, subjects, the principal of a request and how it was authenticated.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::text::{is_all, is_line, text_type};

mod grants;
mod login_name;
pub use grants::Grants;
pub use login_name::LoginName;

text_type!(
    /// A tenant: every record belongs to one, and every query names it.
    ///
    /// 1 to 64 bytes of `[A-Za-z0-9._-]`. Hosts with one tenant use [`Tenant::default`], which is `default`.
    Tenant,
    "tenant",
    |t| is_all(t, 1, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')),
    "write 1 to 64 characters of A-Z, a-z, 0-9, '.', '_', '-'"
);

impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

text_type!(
    /// A subject: the person or service that a credential speaks for, unique within its tenant.
    ///
    /// 1 to 255 bytes of UTF-8 without control characters and without blanks at its ends (B-38). It is
    /// an opaque identifier of the host's: give a random one, since it is written to the audit trail.
    Subject,
    "subject",
    |t| is_line(t, 1, 255),
    "write 1 to 255 bytes without control characters or blanks at the ends"
);

text_type!(
    /// An OAuth client: the application that a token was issued to (`client_id`, RFC 9068 section 2.2).
    ///
    /// 1 to 255 printable ASCII characters without a blank.
    ClientId,
    "client id",
    |t| is_all(t, 1, 255, |b| b.is_ascii_graphic()),
    "write 1 to 255 printable ASCII characters without a blank"
);

text_type!(
    /// An issuer (`iss`), compared byte for byte.
    ///
    /// 1 to 255 printable ASCII characters without a blank; an `https` URL where other parties verify.
    Issuer,
    "issuer",
    |t| is_all(t, 1, 255, |b| b.is_ascii_graphic()),
    "write 1 to 255 printable ASCII characters without a blank, such as https://auth.example.com"
);

text_type!(
    /// An audience (`aud`), compared byte for byte. 1 to 255 printable ASCII characters without a blank.
    Audience,
    "audience",
    |t| is_all(t, 1, 255, |b| b.is_ascii_graphic()),
    "write 1 to 255 printable ASCII characters without a blank"
);

text_type!(
    /// A token family (`sid` in our access tokens): all that one login led to. 22 to 64 base62 characters.
    FamilyId,
    "token family",
    |t| is_all(t, 22, 64, |b| b.is_ascii_alphanumeric()),
    "it is made by Fountain"
);

text_type!(
    /// A token id (`jti`). 1 to 128 printable ASCII characters; ours hold 160 random bits.
    TokenId,
    "token id",
    |t| is_all(t, 1, 128, |b| b.is_ascii_graphic()),
    "write 1 to 128 printable ASCII characters without a blank"
);

text_type!(
    /// The public id of an API key: the part of it that may be shown and stored. 16 base62 characters.
    KeyId,
    "key id",
    |t| is_all(t, 16, 16, |b| b.is_ascii_alphanumeric()),
    "write the 16 characters that issuing the key returned as its id"
);

text_type!(
    /// The id of a signing key (`kid`), an opaque map key. 1 to 128 bytes of `[A-Za-z0-9._~@-]`;
    /// ours are RFC 7638 thumbprints.
    ///
    /// `@` is for other issuers' keys, whose ids are often addresses, as in the examples of RFC 7520.
    Kid,
    "kid",
    |t| is_all(t, 1, 128, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'@' | b'-')),
    "write 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', '~', '@', '-'"
);

text_type!(
    /// A scope or permission: 1 to 8 segments of `[a-z0-9_-]`, joined by `:`, such as `orders:read`.
    ///
    /// At most 128 bytes. As a grant, a segment may be `*`, which stands for exactly one segment, or, as the
    /// last segment, for one or more.
    Scope,
    "scope",
    |t| {
        t.len() <= 128
            && t.split(':').count() <= 8
            && t.split(':').all(|s| {
                s == "*"
                    || (!s.is_empty()
                        && s.bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')))
            })
    },
    "write segments of a-z, 0-9, '_', '-' joined by ':', such as orders:read"
);

/// Who acts: recorded with every change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
#[non_exhaustive]
pub enum Actor {
    /// The host or Fountain itself: schedules, bootstrap, maintenance.
    System,
    /// A subject that authenticated by a token.
    Subject(Subject),
    /// A subject that authenticated by an API key.
    ApiKey(KeyId),
    /// Nobody known: a refused request.
    Anonymous,
}

/// Which credential a principal showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Credential {
    /// An API key.
    ApiKey {
        /// Its public id.
        id: KeyId,
    },
    /// An access token.
    AccessToken {
        /// `jti`.
        id: TokenId,
        /// `iss`.
        issuer: Issuer,
        /// The token family that it belongs to, when it came with a refresh token.
        family: Option<FamilyId>,
        /// `client_id`.
        client: ClientId,
    },
}

/// How sure the issuer was who the subject is: `acr`, `amr`, `auth_time` (OpenID Connect Core
/// section 2, RFC 8176, RFC 9470).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Assurance {
    /// Authentication context class, such as `urn:fountain:acr:mfa`; none when nobody authenticated a person.
    pub acr: Option<String>,
    /// The methods used, from the registry of RFC 8176: `pwd`, `otp`, `mfa`, ...
    pub amr: Vec<String>,
    /// When the subject last authenticated actively.
    pub auth_time: Option<Timestamp>,
}

/// Who a request comes from, decided once, immutable after.
///
/// Made by `Fountain::authenticate`; a handler gets it from the tower
/// layer. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Arc<PrincipalParts>);

/// The fields of a [`Principal`]: what an authenticator fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalParts {
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// Whom it speaks for.
    pub subject: Subject,
    /// What it showed.
    pub credential: Credential,
    /// The roles it holds, as named in the credential; unknown ones give no right.
    pub roles: Vec<String>,
    /// The scopes of the credential, as text for display; rights are in `grants`.
    pub scopes: Vec<String>,
    /// What it may do, resolved once from roles and scopes.
    pub grants: Grants,
    /// How it authenticated.
    pub assurance: Assurance,
    /// When the credential ends.
    pub expires_at: Timestamp,
    /// When a rotated API key stops working, so that its holder can be told; none while it is current.
    pub superseded_at: Option<Timestamp>,
}

impl Principal {
    /// Wraps what an authenticator found out.
    ///
    /// # Security
    /// A `Principal` is taken at its word everywhere. Make one only from a verified credential, or in a test.
    #[must_use]
    pub fn new(parts: PrincipalParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Its tenant.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.0.tenant
    }

    /// Whom it speaks for.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// What it showed.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.0.credential
    }

    /// The roles named in its credential.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// The scopes of its credential.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// What it may do.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// How it authenticated.
    #[must_use]
    pub fn assurance(&self) -> &Assurance {
        &self.0.assurance
    }

    /// When its credential ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// When its API key stops working because it was rotated; none while it is current.
    #[must_use]
    pub fn superseded_at(&self) -> Option<Timestamp> {
        self.0.superseded_at
    }

    /// The actor to record for what this principal does.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.0.credential {
            Credential::ApiKey { id } => Actor::ApiKey(id.clone()),
            Credential::AccessToken { .. } => Actor::Subject(self.0.subject.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-38
    #[test]
    fn a_subject_with_control_characters_or_10_kib_cannot_be_made() {
        for bad in ["", "a\nb", "a\tb", " a", "a ", &"x".repeat(10_240)] {
            assert!(Subject::new(bad).is_err());
        }
        assert!(Subject::new("user:1:lock").is_ok());
    }

    /// B-35, B-36
    #[test]
    fn an_issuer_has_no_blank_and_is_not_empty() {
        for bad in ["", "https://a b", "https://a\n", "https://ä"] {
            assert!(Issuer::new(bad).is_err());
        }
    }

    /// R-13, B-12
    #[test]
    fn a_kid_may_be_an_address_and_nothing_that_a_path_a_query_or_a_shell_reads() {
        for good in [
            "bilbo.baggins@hobbiton.example",
            "@",
            "A.z_0~9-",
            &"k".repeat(128),
        ] {
            assert!(Kid::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "../../dev/null",
            "k' OR 1=1--",
            "$(id)",
            "a b",
            "a\0",
            "a%40b",
            "a:b",
            "a+b",
            "ä@b",
            "a\"b",
            "a\\b",
            &"k".repeat(129),
        ] {
            assert!(Kid::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deserialising_checks_as_well() {
        assert!(serde_json::from_str::<Tenant>("\"a b\"").is_err());
        assert_eq!(
            serde_json::from_str::<Tenant>("\"acme\"").unwrap().as_str(),
            "acme"
        );
    }
}
