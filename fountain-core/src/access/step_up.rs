use crate::identity::{Subject, Tenant};
use crate::text::{is_all, text_type};

text_type!(
    /// An act that takes a fresh second factor, such as `keys:rotate`: 1 to 64 bytes of `[a-z0-9:._-]`.
    StepUpAction,
    "step-up action",
    |t| is_all(t, 1, 64, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b':' | b'.' | b'_' | b'-')),
    "write 1 to 64 characters of a-z, 0-9, ':', '.', '_', '-'"
);

/// Proof that a subject has stepped up for one act on one resource: its grant was genuine, was for this, and is spent (L-06).
///
/// Only [`StepUp`](crate::otp::StepUp) makes one. It cannot be cloned, and whatever does such an act takes it by value: one grant
/// is for one act, and the compiler counts.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the grant is spent: do what it was for"]
pub struct SteppedUp {
    pub(crate) tenant: Tenant,
    pub(crate) subject: Subject,
    pub(crate) action: StepUpAction,
    pub(crate) resource: Option<String>,
}

impl SteppedUp {
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
