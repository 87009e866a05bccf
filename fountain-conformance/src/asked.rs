//! An access token as a verifier asks about it.

use fountain_core::change::RevocationKey;
use fountain_core::identity::{FamilyId, Issuer, TokenId};
use fountain_core::token::RevocationQuery;
use fountain_core::{Subject, Tenant, Timestamp};

use crate::context::Stores;
use crate::fixtures::{NOW, TICK};

/// A [`RevocationQuery`] that owns what it asks about.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) issuer: Issuer,
    pub(crate) id: TokenId,
    pub(crate) tenant: Tenant,
    pub(crate) subject: Subject,
    pub(crate) family: Option<FamilyId>,
    pub(crate) issued_at: Timestamp,
}

impl Asked {
    /// A token that no revocation of the suite is about, issued just before [`NOW`].
    pub(crate) fn unrelated() -> Self {
        Self {
            issuer: Issuer::new("https://unrelated.example").expect("it is an issuer"),
            id: TokenId::new("unrelated").expect("it is a token id"),
            tenant: Tenant::new("unrelated").expect("it is a tenant"),
            subject: Subject::new("unrelated").expect("it is a subject"),
            family: None,
            issued_at: NOW - TICK,
        }
    }

    /// A token that has only in common with others what `key` is about.
    pub(crate) fn about(key: &RevocationKey) -> Self {
        let unrelated = Self::unrelated();
        match key.clone() {
            RevocationKey::Token { issuer, id } => Self {
                issuer,
                id,
                ..unrelated
            },
            RevocationKey::Family { tenant, id } => Self {
                tenant,
                family: Some(id),
                ..unrelated
            },
            RevocationKey::Subject { tenant, subject } => Self {
                tenant,
                subject,
                ..unrelated
            },
        }
    }

    pub(crate) fn issued_at(mut self, at: Timestamp) -> Self {
        self.issued_at = at;
        self
    }

    pub(crate) async fn is_revoked(&self, s: &Stores) -> bool {
        let query = RevocationQuery {
            issuer: &self.issuer,
            id: &self.id,
            tenant: &self.tenant,
            subject: &self.subject,
            family: self.family.as_ref(),
            issued_at: self.issued_at,
        };
        s.revocations.is_revoked(query).await.unwrap()
    }
}
