use std::fmt;
use std::marker::PhantomData;

use super::Require;
use crate::identity::Principal;

/// Proof that a principal met the requirement `R` (L-05).
///
/// Only [`RoleCatalog::authorize`](super::RoleCatalog::authorize) makes one, and for a requirement with a step-up
/// [`StepUp::authorize`](crate::otp::StepUp::authorize), or
/// [`RoleCatalog::authorize_stepped_up`](super::RoleCatalog::authorize_stepped_up). A function that takes it cannot be
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
///     Authorized { principal, resource: None, requirement: PhantomData }
/// }
/// ```
///
/// Where the requirement names an act, the witness takes the proof that a grant was spent on it, and uses that up:
///
/// ```compile_fail,E0382
/// # use fountain_core::{Principal, Rejection, Timestamp};
/// # use fountain_core::access::{Authorized, Require, Requirement, RoleCatalog, SteppedUp};
/// # struct RotateKeys;
/// # impl Require for RotateKeys {
/// #     fn requirement() -> Requirement { Requirement::permission("keys:rotate").step_up("keys:rotate") }
/// # }
/// fn twice(
///     catalog: &RoleCatalog,
///     by: &Principal,
///     proof: SteppedUp,
///     now: Timestamp,
/// ) -> Result<[Authorized<RotateKeys>; 2], Rejection> {
///     Ok([
///         catalog.authorize_stepped_up(by.clone(), proof, Some("key-1"), now)?,
///         catalog.authorize_stepped_up(by.clone(), proof, Some("key-1"), now)?,
///     ])
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use fountain_core::{Principal, Rejection, Timestamp};
/// # use fountain_core::access::{Authorized, Require, Requirement, RoleCatalog};
/// # struct RotateKeys;
/// # impl Require for RotateKeys {
/// #     fn requirement() -> Requirement { Requirement::permission("keys:rotate").step_up("keys:rotate") }
/// # }
/// fn without(catalog: &RoleCatalog, by: Principal, now: Timestamp) -> Result<Authorized<RotateKeys>, Rejection> {
///     let no_grant = ();
///     catalog.authorize_stepped_up(by, no_grant, Some("key-1"), now)
/// }
/// ```
pub struct Authorized<R> {
    principal: Principal,
    resource: Option<String>,
    requirement: PhantomData<fn() -> R>,
}

impl<R: Require> Authorized<R> {
    pub(super) const fn new(principal: Principal, resource: Option<String>) -> Self {
        Self {
            principal,
            resource,
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

    /// On which resource the act may be done that the principal stepped up for; none for an act without one, and where no step-up
    /// was asked for.
    ///
    /// # Security
    /// A handler that steps up for one resource and acts on another has checked nothing: take the resource from here.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
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
            resource: self.resource.clone(),
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
