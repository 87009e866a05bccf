use super::{ChallengePurpose, FactorId, ShownFactor};
use crate::identity::{Subject, Tenant};
use crate::secret::Digest;

/// Proof that a subject has just shown a second factor, for one purpose: its code was accepted and is spent.
///
/// Only [`SecondFactor`](super::SecondFactor) makes one, so that no caller can assert what nobody has shown. It is no credential:
/// it lives as long as the call, and is turned into tokens by [`Login`](crate::login::Login), or into a grant by
/// [`StepUp`](super::StepUp). It cannot be cloned: one code makes one of them. Nor can it be made up:
///
/// ```compile_fail,E0451
/// # use fountain_core::otp::VerifiedFactor;
/// fn forge(other: VerifiedFactor) -> VerifiedFactor {
///     VerifiedFactor { ..other }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a second factor was shown, and its code is spent"]
pub struct VerifiedFactor {
    pub(super) tenant: Tenant,
    pub(super) subject: Subject,
    pub(super) purpose: ChallengePurpose,
    pub(super) binding: Digest,
    pub(super) factor: Option<FactorId>,
    pub(super) shown: ShownFactor,
    pub(super) context: Vec<u8>,
}

impl VerifiedFactor {
    /// The tenant of the subject.
    #[must_use]
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Who has shown it.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What for.
    #[must_use]
    pub const fn purpose(&self) -> &ChallengePurpose {
        &self.purpose
    }

    /// The digest of what else it is for: a session, an act, a resource.
    #[must_use]
    pub const fn binding(&self) -> &Digest {
        &self.binding
    }

    /// The factor that was shown; none for a recovery code.
    #[must_use]
    pub const fn factor(&self) -> Option<&FactorId> {
        self.factor.as_ref()
    }

    /// Its kind, and when it was shown.
    #[must_use]
    pub const fn shown(&self) -> ShownFactor {
        self.shown
    }

    /// What the asker of the challenge noted, if there was one; else empty.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        &self.context
    }
}
