use std::borrow::Cow;
use std::time::Duration;

use super::{SecondFactor, is_second};
use crate::access::{Authority, SteppedUp};
use crate::error::{Error, Reason, Rejection, RejectionKind};
use crate::identity::{Subject, Tenant};
use crate::otp::{AssuranceLevel, FactorRecord};

impl SecondFactor {
    /// The act of enrolling or confirming one more factor: `factors:enrol`.
    pub const ENROL: &str = "factors:enrol";
    /// The act of removing a factor, whose id is the resource: `factors:delete`.
    pub const DELETE: &str = "factors:delete";
    /// The act of making new recovery codes: `factors:recovery`.
    pub const RECOVERY: &str = "factors:recovery";
}

/// A change of somebody's factors.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) subject: &'a Subject,
    pub(super) action: &'static str,
    pub(super) resource: Option<&'a str>,
    /// How long a grant for it can be spent.
    pub(super) life: Duration,
}

impl Change<'_> {
    /// Whether it may be made by whom, after what they have shown: a step-up for exactly this act, by who asks for it. None is
    /// needed by the host itself, and none by subjects that change factors of their own as long as they have none that is a second
    /// one. `true` unless that lack is all that permits it.
    pub(super) fn permit(
        &self,
        by: Authority<'_>,
        proof: Option<SteppedUp>,
        records: &[FactorRecord],
    ) -> Result<bool, Error> {
        by.reaches(self.tenant)?;
        let Authority::Principal(principal) = by else {
            return Ok(true);
        };
        if let Some(proof) = proof {
            let is_for_this = proof.tenant() == principal.tenant()
                && proof.subject() == principal.subject()
                && proof.action().as_str() == self.action
                && proof.resource() == self.resource;
            return if is_for_this {
                Ok(true)
            } else {
                Err(self.needs_step_up(Reason::GrantInvalid))
            };
        }
        if principal.subject() != self.subject || records.iter().any(is_second) {
            return Err(self.needs_step_up(Reason::GrantMissing));
        }
        Ok(false)
    }

    /// A step-up for this is needed.
    pub(super) fn needs_step_up(&self, reason: Reason) -> Error {
        let kind = RejectionKind::StepUpRequired {
            acr: Some(Cow::Borrowed(AssuranceLevel::Multi.acr())),
            max_age: Some(self.life),
            action: Some(Cow::Borrowed(self.action)),
            resource: self.resource.map(str::to_owned),
        };
        Rejection::new(kind, reason).into()
    }
}
