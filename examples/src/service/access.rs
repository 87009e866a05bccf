//! Who may do what here: permissions, roles, and requirements as types.

use std::time::Duration;

use fountain_core::ConfigErrors;
use fountain_core::access::{Require, Requirement, Role, RoleCatalog};

/// The class of an authentication with a second factor: what step-up asks for.
pub(super) const ACR_MFA: &str = "urn:fountain:acr:mfa";
/// How old that authentication may be: 5 min.
const FRESH: Duration = Duration::from_secs(300);

/// Declares requirements and the catalogue that resolves them, so that none can be forgotten in it.
macro_rules! requirements {
    ($($(#[$doc:meta])* $name:ident => $requirement:expr;)+) => {
        $($(#[$doc])* pub(super) struct $name;

        impl Require for $name {
            fn requirement() -> Requirement {
                $requirement
            }
        })+

        /// Every permission, every role and every requirement of the service.
        pub(super) fn catalog() -> Result<RoleCatalog, ConfigErrors> {
            let builder = RoleCatalog::builder()
                .permissions([
                    "audit:read",
                    "dev:tokens",
                    "keys:manage",
                    "keys:verify",
                    "orders:read",
                    "orders:write",
                    "signing-keys:manage",
                    "subjects:manage",
                    "tokens:introspect",
                ])
                .role(Role::new("admin").grant("*"))
                .role(Role::new("auditor").grant("audit:read"))
                .role(Role::new("clerk").grant("orders:*"));
            builder$(.require::<$name>())+.build()
        }
    };
}

/// What changes everybody's keys needs a fresh second factor besides the permission. The permission is judged first.
fn stepped_up(permission: &'static str) -> Requirement {
    Requirement::permission(permission)
        .acr(ACR_MFA)
        .max_age(FRESH)
}

requirements! {
    /// Issue, list, show and revoke API keys.
    ManageKeys => Requirement::permission("keys:manage");
    /// Rotate an API key.
    RotateKey => stepped_up("keys:manage");
    /// Ask whether a key is good.
    VerifyKeys => Requirement::permission("keys:verify");
    /// Publish a new signing key.
    RotateSigningKeys => stepped_up("signing-keys:manage");
    /// End a signing key at once.
    DeleteSigningKeys => stepped_up("signing-keys:manage");
    /// Ask what a token is.
    Introspect => Requirement::permission("tokens:introspect");
    /// Register subjects.
    ManageSubjects => Requirement::permission("subjects:manage");
    /// Read the trail.
    ReadAudit => Requirement::permission("audit:read");
    /// Take tokens without a login, under `--dev` only.
    TakeDevTokens => Requirement::permission("dev:tokens");
    /// Read the demonstration's orders.
    ReadOrders => Requirement::permission("orders:read");
    /// Change the demonstration's orders.
    WriteOrders => Requirement::permission("orders:write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_resolves_every_requirement() {
        let catalog = catalog().unwrap();
        assert!(
            catalog
                .resolve_roles(["admin"])
                .is_superset(&catalog.resolve_roles(["auditor", "clerk"]))
        );
        assert!(
            !catalog
                .resolve_roles(["clerk"])
                .is_superset(&catalog.resolve_scopes(["audit:read"]))
        );
    }
}
