use super::judge::Shown;
use super::permit::Change;
use super::{SecondFactor, is_second, refused};
use crate::access::{Authority, SteppedUp};
use crate::audit::AuditAction;
use crate::error::{Error, ErrorKind, Reason};
use crate::identity::{Actor, Subject, Tenant};
use crate::otp::{FactorKind, Notice, RecoveryCode};

impl SecondFactor {
    /// Makes new recovery codes for a subject, to be shown once; older ones are good no more. Its owner is told.
    ///
    /// # Errors
    /// `Refused` with [`StepUpRequired`](crate::RejectionKind::StepUpRequired) and the action `factors:recovery` without a step-up of
    /// who asks; `Conflict` when the subject has confirmed no second factor, for which they could stand in; `NotFound` in another
    /// tenant; `Unavailable`, `Corrupt`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the old codes are good or the new ones, which nobody has seen: ask again.
    pub async fn replace_recovery_codes(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        proof: Option<SteppedUp>,
    ) -> Result<Vec<RecoveryCode>, Error> {
        let by = by.into();
        let change = Change {
            tenant,
            subject,
            action: Self::RECOVERY,
            resource: None,
            life: self.0.step_up_life,
        };
        by.reaches(tenant)?;
        let records = self.0.factors.list(tenant, subject).await?;
        change.permit(by, proof, &records)?;
        if !records.iter().any(is_second) {
            return Err(Error::new(ErrorKind::Conflict(
                "there is no second factor that recovery codes could stand in for",
            )));
        }
        let codes = RecoveryCode::generate(&*self.0.random, self.0.recovery_codes)?;
        let digests: Vec<_> = codes
            .iter()
            .map(|code| code.digest(&self.0.pepper))
            .collect();
        let event = self
            .event(tenant, by.actor(), AuditAction::RecoveryCodesReplaced)?
            .target("subject", subject)
            .detail("codes", digests.len().to_string());
        self.0
            .factors
            .replace_recovery_codes(tenant, subject, &digests, event)
            .await?;
        self.notify_now(tenant, subject, Notice::RecoveryCodesReplaced)
            .await;
        Ok(codes)
    }

    /// How many recovery codes a subject has left.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn recovery_codes(&self, tenant: &Tenant, subject: &Subject) -> Result<u32, Error> {
        Ok(self.0.factors.recovery_codes(tenant, subject).await?)
    }

    /// Takes a recovery code, once.
    pub(super) async fn judge_recovery(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        code: &str,
    ) -> Result<Shown, Error> {
        let wrong = || refused(Reason::CodeWrong);
        let digest = RecoveryCode::parse(code)
            .map(|code| code.digest(&self.0.pepper))
            .ok_or_else(wrong)?;
        let actor = Actor::Subject(subject.clone());
        let event = self
            .event(tenant, actor, AuditAction::RecoveryCodeUsed)?
            .target("subject", subject);
        let left = self
            .0
            .factors
            .take_recovery_code(tenant, subject, &digest, event)
            .await?
            .ok_or_else(wrong)?;
        Ok(Shown {
            kind: FactorKind::Recovery,
            factor: None,
            attempts: Vec::new(),
            code: None,
            left: Some(left),
        })
    }
}
