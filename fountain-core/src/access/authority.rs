use crate::error::{Error, ErrorKind};
use crate::identity::{Actor, Grants, Principal, Tenant};

/// In whose name a change is made: what may be changed, and who is recorded.
///
/// ```
/// use fountain_core::Actor;
/// use fountain_core::access::Authority;
///
/// assert_eq!(Authority::System.actor(), Actor::System);
/// ```
///
/// # Security
/// `System` may do everything in every tenant. It is for bootstrap, schedules and maintenance; what a request
/// asked for is done in the name of its principal.
#[derive(Debug, Clone, Copy)]
pub enum Authority<'a> {
    /// The host itself.
    System,
    /// Whoever made the request; it can give away only what it has, and only in its own tenant.
    Principal(&'a Principal),
}

impl Authority<'_> {
    /// Who is recorded.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::System => Actor::System,
            Self::Principal(principal) => principal.actor(),
        }
    }

    /// Whether it has every right in `grants`, and so may give them away (R-83).
    #[must_use]
    pub fn covers(&self, grants: &Grants) -> bool {
        match self {
            Self::System => true,
            Self::Principal(principal) => principal.grants().is_superset(grants),
        }
    }

    /// Another tenant's records are not there for it (R-83).
    pub(crate) fn reaches(&self, tenant: &Tenant) -> Result<(), Error> {
        match self {
            Self::Principal(principal) if principal.tenant() != tenant => {
                Err(ErrorKind::NotFound.into())
            }
            _ => Ok(()),
        }
    }
}

impl<'a> From<&'a Principal> for Authority<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self::Principal(principal)
    }
}
