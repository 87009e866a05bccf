use std::time::Duration;

use super::permit::Change;
use super::sealed::Sealed;
use super::{SecondFactor, is_second, place};
use crate::access::{Authority, SteppedUp};
use crate::audit::AuditAction;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::identity::{Subject, Tenant};
use crate::otp::{
    Channel, DeliveryAddress, FactorId, FactorKind, FactorRecord, Notice, OtpSecret, OtpauthUri,
    OtpauthUse,
};
use crate::secret::{Secret, SecretBytes};

/// A new authenticator, to be shown to its owner once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Enrolment {
    /// The factor, pending until one good code confirms it.
    pub factor: FactorId,
    /// The secret in base32, for who types it in.
    pub secret: Secret,
    /// The otpauth URI, for a QR code.
    pub uri: Secret,
    /// It can be confirmed until this instant.
    pub confirm_by: Timestamp,
}

/// What a factor is made of.
struct NewFactor {
    kind: FactorKind,
    content: SecretBytes,
    mark: u64,
    life: Duration,
}

impl SecondFactor {
    /// How many factors a subject may have, pending and disabled ones too: 10.
    pub const MOST_FACTORS: usize = 10;
    /// For how long an authenticator can be confirmed: 10 minutes.
    pub const CONFIRM_WITHIN: Duration = Duration::from_secs(600);

    /// Begins to enrol an authenticator app. `account` is what the app shows: an e-mail address, say, of at most 255 bytes without
    /// `:`. Another factor is never overwritten.
    ///
    /// # Errors
    /// `Refused` with [`StepUpRequired`](crate::RejectionKind::StepUpRequired) and the action `factors:enrol` without a step-up of who
    /// asks, unless it enrols its own first second factor; `Conflict` when the subject has 10 factors; `InvalidInput` for the account;
    /// `NotFound` in another tenant; `Unavailable`, `Corrupt`, `Crypto`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, a pending factor was stored or was not; nobody has seen its secret, and it ends by itself.
    ///
    /// # Security
    /// Whether `by` may change the factors of somebody else is for the host's requirement to say; it always takes a step-up.
    pub async fn enrol_totp(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        account: &str,
        proof: Option<SteppedUp>,
    ) -> Result<Enrolment, Error> {
        let by = by.into();
        let secret = OtpSecret::generate(&*self.0.random)?;
        let rules = self.0.authenticators;
        let totp = rules.totp(secret.clone())?;
        let uri = totp.uri(&self.0.service_name, account)?;
        let is_proven = self.may_enrol(by, tenant, subject, proof).await?;
        let new = NewFactor {
            kind: FactorKind::Totp,
            content: Sealed::write_totp(&secret, rules, is_proven)?,
            mark: 0,
            life: Self::CONFIRM_WITHIN,
        };
        let (factor, confirm_by) = self.insert(by, tenant, subject, new).await?;
        Ok(Enrolment {
            factor,
            secret: secret.to_base32(),
            uri,
            confirm_by,
        })
    }

    /// Begins to enrol a token with a counter, at counter 0.
    ///
    /// # Errors
    /// As [`enrol_totp`](Self::enrol_totp).
    ///
    /// # Cancel safety
    /// As [`enrol_totp`](Self::enrol_totp).
    pub async fn enrol_hotp(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        account: &str,
        proof: Option<SteppedUp>,
    ) -> Result<Enrolment, Error> {
        let by = by.into();
        let secret = OtpSecret::generate(&*self.0.random)?;
        let rules = self.0.authenticators;
        let uri = rules
            .hotp(secret.clone())
            .uri(&self.0.service_name, account, 0)?;
        let is_proven = self.may_enrol(by, tenant, subject, proof).await?;
        let new = NewFactor {
            kind: FactorKind::Hotp,
            content: Sealed::write_hotp(&secret, rules, is_proven)?,
            mark: 0,
            life: Self::CONFIRM_WITHIN,
        };
        let (factor, confirm_by) = self.insert(by, tenant, subject, new).await?;
        Ok(Enrolment {
            factor,
            secret: secret.to_base32(),
            uri,
            confirm_by,
        })
    }

    /// Takes over an authenticator from another system, by the URI that it exported: pending until one good code confirms it. Its
    /// window and what is looked ahead are those of the builder.
    ///
    /// # Errors
    /// As [`enrol_totp`](Self::enrol_totp).
    ///
    /// # Cancel safety
    /// As [`enrol_totp`](Self::enrol_totp).
    ///
    /// # Security
    /// Whoever has seen the URI has the authenticator: the other system, and all that it was exported through. A new enrolment is
    /// better.
    pub async fn take_over(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        uri: &OtpauthUri,
        proof: Option<SteppedUp>,
    ) -> Result<FactorId, Error> {
        let by = by.into();
        let is_proven = self.may_enrol(by, tenant, subject, proof).await?;
        let rules = self.0.authenticators;
        let rules = rules.algorithm(uri.algorithm()).digits(uri.digits());
        let new = match uri.usage() {
            OtpauthUse::Totp { period } => NewFactor {
                kind: FactorKind::Totp,
                content: Sealed::write_totp(uri.secret(), rules.period(period)?, is_proven)?,
                mark: 0,
                life: Self::CONFIRM_WITHIN,
            },
            OtpauthUse::Hotp { counter } => NewFactor {
                kind: FactorKind::Hotp,
                content: Sealed::write_hotp(uri.secret(), rules, is_proven)?,
                mark: counter,
                life: Self::CONFIRM_WITHIN,
            },
        };
        Ok(self.insert(by, tenant, subject, new).await?.0)
    }

    /// Notes an address that codes are to be sent to. It is good for nothing until a code that was sent there confirms it: see
    /// [`challenge_to_confirm`](Self::challenge_to_confirm).
    ///
    /// # Errors
    /// As [`enrol_totp`](Self::enrol_totp); `InvalidInput` when there is no delivery that carries to it.
    ///
    /// # Cancel safety
    /// When dropped, a pending factor was stored or was not; it ends by itself.
    pub async fn enrol_address(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        address: &DeliveryAddress,
        proof: Option<SteppedUp>,
    ) -> Result<FactorId, Error> {
        let by = by.into();
        if !self.carries(address.channel()) {
            return Err(Error::invalid(
                "address",
                "no delivery is wired that carries to it: give one to the builder",
            ));
        }
        let is_proven = self.may_enrol(by, tenant, subject, proof).await?;
        let new = NewFactor {
            kind: match address.channel() {
                Channel::Sms => FactorKind::Sms,
                Channel::Email => FactorKind::Email,
            },
            content: Sealed::write_address(address, is_proven)?,
            mark: 0,
            life: self.0.address_life,
        };
        Ok(self.insert(by, tenant, subject, new).await?.0)
    }

    /// Removes a factor, and with the last second factor the recovery codes that stand in for it. Its owner is told.
    ///
    /// # Errors
    /// `Refused` with [`StepUpRequired`](crate::RejectionKind::StepUpRequired), the action `factors:delete` and the factor's id as the
    /// resource without a step-up of who asks; `NotFound` when the subject has no such factor, and in another tenant; `Unavailable`,
    /// `Corrupt`, `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the recovery codes may be gone, and the factor with them or not; call it again.
    pub async fn remove(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
        factor: &FactorId,
        proof: Option<SteppedUp>,
    ) -> Result<(), Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let records = self.0.factors.list(tenant, subject).await?;
        let change = Change {
            tenant,
            subject,
            action: Self::DELETE,
            resource: Some(factor.as_str()),
            life: self.0.step_up_life,
        };
        change.permit(by, proof, &records)?;
        let found = records.iter().find(|record| record.id == *factor);
        let record = found.ok_or_else(|| Error::new(ErrorKind::NotFound))?;
        let is_last = is_second(record)
            && !records
                .iter()
                .any(|other| is_second(other) && other.id != *factor);
        if is_last && self.0.factors.recovery_codes(tenant, subject).await? > 0 {
            let event = self
                .event(tenant, by.actor(), AuditAction::RecoveryCodesReplaced)?
                .target("subject", subject)
                .detail("codes", "0");
            self.0
                .factors
                .replace_recovery_codes(tenant, subject, &[], event)
                .await?;
        }
        let event = self.about_factor(record, by.actor(), AuditAction::FactorRemoved)?;
        if !self
            .0
            .factors
            .remove(tenant, subject, factor, event)
            .await?
        {
            return Err(Error::new(ErrorKind::NotFound));
        }
        let forgotten =
            self.0
                .lockout
                .forget_authenticator(by.actor(), tenant, subject, factor.as_str());
        if let Err(error) = forgotten.await {
            // It counts for nothing any more, and is only garbage.
            tracing::warn!(error = %error, "what was counted for a factor that was removed is still stored");
        }
        if record.confirmed_at.is_some() {
            // A mailbox that was removed hears of it.
            self.notify(&records, Notice::FactorRemoved).await;
        }
        Ok(())
    }

    async fn may_enrol(
        &self,
        by: Authority<'_>,
        tenant: &Tenant,
        subject: &Subject,
        proof: Option<SteppedUp>,
    ) -> Result<bool, Error> {
        by.reaches(tenant)?;
        let records = self.0.factors.list(tenant, subject).await?;
        let change = Change {
            tenant,
            subject,
            action: Self::ENROL,
            resource: None,
            life: self.0.step_up_life,
        };
        let is_proven = change.permit(by, proof, &records)?;
        let now = self.0.clock.now();
        let stands =
            |record: &&FactorRecord| record.confirmed_at.is_some() || now < record.confirm_by;
        if records.iter().filter(stands).count() >= Self::MOST_FACTORS {
            return Err(Error::new(ErrorKind::Conflict(
                "the subject has as many factors as it may: remove one",
            )));
        }
        Ok(is_proven)
    }

    async fn insert(
        &self,
        by: Authority<'_>,
        tenant: &Tenant,
        subject: &Subject,
        new: NewFactor,
    ) -> Result<(FactorId, Timestamp), Error> {
        let id = FactorId::generate(&*self.0.random)?;
        let sealed = self.0.sealer.seal(&new.content, place(tenant, &id)).await?;
        let now = self.0.clock.now();
        let record = FactorRecord {
            id: id.clone(),
            tenant: tenant.clone(),
            subject: subject.clone(),
            kind: new.kind,
            sealed,
            mark: new.mark,
            created_at: now,
            confirmed_at: None,
            confirm_by: now + new.life,
            disabled_at: None,
        };
        let confirm_by = record.confirm_by;
        let event = self.about_factor(&record, by.actor(), AuditAction::FactorEnrolled)?;
        if self.0.factors.insert(record, event).await? {
            Ok((id, confirm_by))
        } else {
            Err(Error::new(ErrorKind::Conflict(
                "a factor of this id exists",
            )))
        }
    }
}
