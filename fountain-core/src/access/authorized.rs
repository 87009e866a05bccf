use std::fmt;
use std::marker::PhantomData;

use super::Require;
use crate::identity::Principal;

/// Proof that a principal met the requirement `R` (L-05).
///
/// Only [`RoleCatalog::authorize`](super::RoleCatalog::authorize) makes one. A function that takes it cannot be
/// called by code that forgot the check:
///
/// ```
/// use fountain_core::access::{Authorized, Require, Requirement};
///
/// struct RotateKeys;
/// impl Require for RotateKeys {
///     fn requirement() -> Requirement {
///         Requirement::permission("keys:rotate")
///     }
/// }
///
/// fn rotate(by: &Authorized<RotateKeys>) -> String {
///     format!("rotated by {}", by.principal().subject())
/// }
/// ```
///
/// Neither a bare principal nor a proof of something else will do:
///
/// ```compile_fail,E0308
/// # use fountain_core::{Principal, access::{Authorized, Require, Requirement}};
/// # struct RotateKeys;
/// # impl Require for RotateKeys {
/// #     fn requirement() -> Requirement { Requirement::permission("keys:rotate") }
/// # }
/// fn rotate(by: &Authorized<RotateKeys>) {}
/// fn handler(principal: &Principal) {
///     rotate(principal);
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use fountain_core::access::{Authorized, Require, Requirement};
/// # struct RotateKeys;
/// # impl Require for RotateKeys {
/// #     fn requirement() -> Requirement { Requirement::permission("keys:rotate") }
/// # }
/// # struct ReadKeys;
/// # impl Require for ReadKeys {
/// #     fn requirement() -> Requirement { Requirement::permission("keys:read") }
/// # }
/// fn rotate(by: &Authorized<RotateKeys>) {}
/// fn handler(by: &Authorized<ReadKeys>) {
///     rotate(by);
/// }
/// ```
///
/// And nobody else can make one up:
///
/// ```compile_fail,E0451
/// # use std::marker::PhantomData;
/// # use fountain_core::{Principal, access::{Authorized, Require, Requirement}};
/// # struct RotateKeys;
/// # impl Require for RotateKeys {
/// #     fn requirement() -> Requirement { Requirement::permission("keys:rotate") }
/// # }
/// fn forge(principal: Principal) -> Authorized<RotateKeys> {
///     Authorized { principal, requirement: PhantomData }
/// }
/// ```
pub struct Authorized<R> {
    principal: Principal,
    requirement: PhantomData<fn() -> R>,
}

impl<R: Require> Authorized<R> {
    pub(super) const fn new(principal: Principal) -> Self {
        Self {
            principal,
            requirement: PhantomData,
        }
    }
}

impl<R> Authorized<R> {
    /// Who met the requirement.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Who met the requirement, without the proof.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<R> Clone for Authorized<R> {
    fn clone(&self) -> Self {
        Self {
            principal: self.principal.clone(),
            requirement: PhantomData,
        }
    }
}

impl<R> fmt::Debug for Authorized<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized")
            .field("requirement", &std::any::type_name::<R>())
            .field("subject", self.principal.subject())
            .finish()
    }
}
