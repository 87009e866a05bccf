use std::time::Duration;

use crate::error::{Reason, Rejection, RejectionKind};
use crate::identity::{Principal, Subject, Tenant};
use crate::text::{is_all, text_type};

/// What a step-up asks for, as `acr`: two factors of different classes.
pub(crate) const MULTI_FACTOR: &str = "urn:fountain:acr:mfa";

text_type!(
    /// An act that takes a fresh second factor, such as `keys:rotate`: 1 to 64 bytes of `[a-z0-9:._-]`.
    StepUpAction,
    "step-up action",
    |t| is_all(t, 1, 64, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b':' | b'.' | b'_' | b'-')),
    "write 1 to 64 characters of a-z, 0-9, ':', '.', '_', '-'"
);

impl StepUpAction {
    /// The refusal of an act for which no good grant came: the same for every cause, as RFC 9470 has it (R-58).
    pub(crate) fn required(
        &self,
        resource: Option<&str>,
        max_age: Option<Duration>,
        reason: Reason,
    ) -> Rejection {
        Rejection::new(
            RejectionKind::StepUpRequired {
                acr: Some(MULTI_FACTOR.into()),
                max_age,
                action: Some(self.as_str().to_owned().into()),
                resource: resource.map(str::to_owned),
            },
            reason,
        )
    }
}

/// Proof that a subject has stepped up for one act on one resource: its grant was genuine, was for this, and is spent (L-06).
///
/// Only [`StepUp`](crate::otp::StepUp) makes one. It cannot be cloned, and whatever does such an act takes it by value: one grant
/// is for one act, and the compiler counts.
///
/// ```compile_fail,E0599
/// # use fountain_core::access::SteppedUp;
/// fn twice(proof: &SteppedUp) -> (SteppedUp, SteppedUp) {
///     (proof.clone(), proof.clone())
/// }
/// ```
///
/// Nor can it be made up:
///
/// ```compile_fail,E0451
/// # use fountain_core::{Subject, Tenant, access::{StepUpAction, SteppedUp}};
/// fn forge(tenant: Tenant, subject: Subject, action: StepUpAction) -> SteppedUp {
///     SteppedUp { tenant, subject, action, resource: None }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the grant is spent: do what it was for"]
pub struct SteppedUp {
    pub(crate) tenant: Tenant,
    pub(crate) subject: Subject,
    pub(crate) action: StepUpAction,
    pub(crate) resource: Option<String>,
}

impl SteppedUp {
    /// Whether it is of this principal, for this act on this resource.
    pub(crate) fn is_for(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
    ) -> bool {
        self.tenant == *principal.tenant()
            && self.subject == *principal.subject()
            && self.action == *action
            && self.resource() == resource
    }

    /// The tenant of the subject.
    #[must_use]
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Who has stepped up.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// For which act.
    #[must_use]
    pub const fn action(&self) -> &StepUpAction {
        &self.action
    }

    /// On which resource, if the act has one.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }
}
