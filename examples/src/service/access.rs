//! Who may do what here: permissions, roles, and requirements as types.

use fountain_core::ConfigErrors;
use fountain_core::access::{CredentialKind, Require, Requirement, Role, RoleCatalog};

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

requirements! {
    /// Issue, list, show and revoke API keys.
    ManageKeys => Requirement::permission("keys:manage");
    /// Rotate an API key.
    RotateKey => Requirement::permission("keys:manage").step_up("keys:rotate");
    /// Ask whether a key is good.
    VerifyKeys => Requirement::permission("keys:verify");
    /// Publish a new signing key.
    RotateSigningKeys => Requirement::permission("signing-keys:manage").step_up("signing-keys:rotate");
    /// End a signing key at once.
    DeleteSigningKeys => Requirement::permission("signing-keys:manage").step_up("signing-keys:delete");
    /// Change one's own second factors, and step up: a person who has signed in.
    OwnFactors => Requirement::authenticated().credential(CredentialKind::AccessToken);
    /// Ask what a token is.
    Introspect => Requirement::permission("tokens:introspect");
    /// Register, unlock and change subjects.
    ManageSubjects => Requirement::permission("subjects:manage");
    /// Read the trail.
    ReadAudit => Requirement::permission("audit:read");
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
