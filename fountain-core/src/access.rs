//! Roles, permissions and requirements: deny by default, resolved once to a bit set.
//!
//! A [`RoleCatalog`] names every permission and role that there is. It turns the roles and scopes of a
//! credential into [`Grants`], and a [`Requirement`] into a check that costs a few nanoseconds. A check by type
//! gives an [`Authorized`] witness, so that a handler which needs one does not compile without it.

mod authority;
mod authorized;
mod catalog;
mod requirement;
mod role;
mod scope_text;
mod step_up;
mod store;
mod subjects;

pub use crate::identity::{Grants, Scope};
pub use authority::Authority;
pub use authorized::Authorized;
pub use catalog::{RoleCatalog, RoleCatalogBuilder};
pub use requirement::{CompiledRequirement, CredentialKind, Require, Requirement};
pub use role::{Permission, Role};
pub use scope_text::parse_scope_text;
#[cfg(test)]
pub(crate) use step_up::MULTI_FACTOR;
pub use step_up::{StepUpAction, SteppedUp};
pub use store::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
pub use subjects::{Subjects, SubjectsBuilder};

#[cfg(test)]
pub(crate) mod tests {
    use super::Grants;
    use crate::clock::Timestamp;
    use crate::identity::{
        Assurance, ClientId, Credential, Issuer, KeyId, Principal, PrincipalParts, Subject, Tenant,
        TokenId,
    };

    pub(crate) fn token() -> Credential {
        Credential::AccessToken {
            id: TokenId::new("t1").unwrap(),
            issuer: Issuer::new("https://auth.example.com").unwrap(),
            family: None,
            client: ClientId::new("web").unwrap(),
        }
    }

    pub(crate) fn api_key() -> Credential {
        Credential::ApiKey {
            id: KeyId::new("0123456789abcdef").unwrap(),
        }
    }

    pub(crate) fn principal(credential: Credential, grants: Grants) -> Principal {
        principal_with(credential, grants, Assurance::default())
    }

    pub(crate) fn principal_with(
        credential: Credential,
        grants: Grants,
        assurance: Assurance,
    ) -> Principal {
        Principal::new(PrincipalParts {
            tenant: Tenant::default(),
            subject: Subject::new("acting").unwrap(),
            credential,
            roles: Vec::new(),
            scopes: Vec::new(),
            grants,
            assurance,
            expires_at: Timestamp::MAX,
            superseded_at: None,
        })
    }
}
