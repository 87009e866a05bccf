use std::time::Duration;

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::change::{Change, RevocationKey};
use fountain_core::identity::FamilyId;
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, RevokeOutcome,
};
use fountain_core::{Digest, StoreError, StoreErrorKind, Subject, Tenant, Timestamp};

use crate::fault::{Area, Fault, TICK};
use crate::saboteur::Saboteur;

impl Saboteur {
    async fn family(
        &self,
        tenant: &Tenant,
        token: &Digest,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        // At the beginning of time nothing has expired: live means neither spent nor revoked.
        RefreshTokenStore::find(&self.inner, tenant, token, Timestamp::MIN).await
    }

    /// Answers a use before the store is asked, where that is the mistake.
    async fn judged_early(
        &self,
        attempt: &RefreshUse,
    ) -> Result<Option<RefreshOutcome>, StoreError> {
        let Some((family, unspent)) = self.family(&attempt.tenant, &attempt.presented).await?
        else {
            return Ok(None);
        };
        let sealed = self.notes().spent.get(&attempt.presented).cloned();
        let ends_at = self
            .notes()
            .tokens
            .get(&attempt.presented)
            .map(|token| token.1);
        let is_expired = ends_at.is_some_and(|at| attempt.now >= at);
        if self.is(Fault::MismatchIsJudgedFirst) && family.client != attempt.client {
            return Ok(Some(RefreshOutcome::Mismatched));
        }
        if self.is(Fault::ExpiryIsJudgedBeforeReuse) && is_expired && family.revoked_at.is_none() {
            return Ok(Some(RefreshOutcome::Expired));
        }
        if self.is(Fault::AnySpentTokenIsRepeated)
            && !unspent
            && family.revoked_at.is_none()
            && family.client == attempt.client
            && let Some(sealed_successor) = sealed
        {
            return Ok(Some(RefreshOutcome::Repeated {
                family,
                sealed_successor,
            }));
        }
        Ok(None)
    }

    /// The evidence of a use as the store is given it, where that is the mistake.
    fn misread(&self, attempt: &mut RefreshUse, found: Option<&(RefreshFamily, bool)>) {
        if self.is(Fault::BindingIsIgnored)
            && let Some((family, _)) = found
        {
            attempt.binding = family.binding;
        }
        if self.is(Fault::GraceIsLongerByOne) && !attempt.grace.is_zero() {
            attempt.grace += TICK;
        }
        if self.is(Fault::GraceIsShorterByOne) {
            attempt.grace = attempt.grace.saturating_sub(TICK);
        }
        if self.is(Fault::ThereIsAlwaysAGrace) {
            attempt.grace = attempt.grace.max(Duration::from_secs(1));
        }
        let spent_at = self.notes().spent_at.get(&attempt.presented).copied();
        if self.is(Fault::TheGraceBeginsWithTheUse) && spent_at.is_some_and(|at| attempt.now < at) {
            attempt.grace = Duration::ZERO;
        }
        if self.is(Fault::UsesAreLateByOne) {
            attempt.now = attempt.now - TICK;
        }
        if self.is(Fault::ReuseRevokesTooShort) {
            attempt.revoke_until = attempt.revoke_until - TICK;
        }
    }

    /// What becomes of a use whose successor exists; `owner` is the tenant in which it is known to.
    async fn conflicting(
        &self,
        attempt: RefreshUse,
        owner: Option<&Tenant>,
        believed_new: bool,
    ) -> Result<RefreshOutcome, StoreError> {
        let family = self.family(&attempt.tenant, &attempt.presented).await?;
        let is_new = self.is(Fault::SuccessorsOverwrite)
            || believed_new
            || self.is(Fault::SuccessorsAreNewInOtherTenants) && owner != Some(&attempt.tenant);
        if let Some((family, _)) = family
            && is_new
        {
            return Ok(RefreshOutcome::Rotated { family });
        }
        if self.is(Fault::ConflictsSpendTheToken) {
            let mut spending = attempt;
            spending.successor.digest = Digest::of(&spending.sealed_successor);
            self.inner.use_token(spending).await?;
        }
        Err(StoreErrorKind::Conflict.into())
    }

    /// The families of a tenant, by their ids.
    fn families_of(&self, tenant: &Tenant) -> Vec<FamilyId> {
        let notes = self.notes();
        let all = notes.families.iter();
        all.filter(|(_, owner)| *owner == tenant)
            .map(|(id, _)| id.clone())
            .collect()
    }
}

#[async_trait]
impl RefreshTokenStore for Saboteur {
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut family = family;
        {
            let mut notes = self.notes();
            notes
                .tokens
                .insert(first.digest, (family.tenant.clone(), first.expires_at));
            notes
                .families
                .insert(family.id.clone(), family.tenant.clone());
            notes
                .subjects
                .insert((family.tenant.clone(), family.subject.clone()));
        }
        if self.is(Fault::FamilyRolesAreSorted) {
            family.roles.sort();
        }
        let known =
            RefreshTokenStore::find(&self.inner, &family.tenant, &first.digest, Timestamp::MIN)
                .await?;
        let believed = self
            .checked(Fault::InsertChecksThenActs(Area::Families), known.is_none())
            .await;
        let call = RefreshTokenStore::insert(&self.inner, family, first, event.clone());
        let inserted = self
            .step(Area::Families, &event, None, call, |inserted| *inserted)
            .await?;
        Ok(inserted || believed || self.is(Fault::FamilyInsertNeverRefuses))
    }

    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError> {
        let mut attempt = attempt;
        if let Some(outcome) = self.judged_early(&attempt).await? {
            return Ok(outcome);
        }
        let found = self.family(&attempt.tenant, &attempt.presented).await?;
        let taken = self.notes().tokens.get(&attempt.successor.digest).cloned();
        if self.is(Fault::SuccessorsAreJudgedFirst) && taken.is_some() {
            return Err(StoreErrorKind::Conflict.into());
        }
        let believed_new = self
            .checked(Fault::SuccessorsCheckThenAct, taken.is_none())
            .await;
        let was_unspent = found.as_ref().is_some_and(|(_, unspent)| *unspent);
        if self.is(Fault::UsesOfATokenCheckThenAct) {
            self.pause().await;
        }
        self.misread(&mut attempt, found.as_ref());
        let (presented, sealed) = (attempt.presented, attempt.sealed_successor.clone());
        let offered = (
            attempt.successor.digest,
            (attempt.tenant.clone(), attempt.successor.expires_at),
        );
        let event = if was_unspent {
            attempt.on_rotated.clone()
        } else {
            attempt.on_reuse.clone()
        };
        let changed = |outcome: &_| {
            matches!(
                outcome,
                RefreshOutcome::Rotated { .. } | RefreshOutcome::Reused { .. }
            )
        };
        let used_at = attempt.now;
        let call = self.inner.use_token(attempt.clone());
        let outcome = match self.step(Area::Families, &event, None, call, changed).await {
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                let owner = taken.as_ref().map(|taken| &taken.0);
                return self.conflicting(attempt, owner, believed_new).await;
            }
            outcome => outcome?,
        };
        Ok(match outcome {
            RefreshOutcome::Rotated { family } => {
                let mut notes = self.notes();
                notes.spent.insert(presented, sealed);
                notes.spent_at.insert(presented, used_at);
                notes.tokens.insert(offered.0, offered.1);
                RefreshOutcome::Rotated { family }
            }
            RefreshOutcome::Repeated { family, .. } if self.is(Fault::EveryUseRotates) => {
                RefreshOutcome::Rotated { family }
            }
            RefreshOutcome::Repeated { family, .. } | RefreshOutcome::Reused { family }
                if self.is(Fault::UsesOfATokenCheckThenAct) && was_unspent =>
            {
                RefreshOutcome::Rotated { family }
            }
            other => other,
        })
    }

    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        if self.notes().half_purged_tokens.contains(token) {
            return Ok(None);
        }
        let noted = self.notes().tokens.get(token).cloned();
        let owner = noted.as_ref().map(|noted| noted.0.clone());
        let tenant = match owner {
            Some(owner) if self.is(Fault::TokensAreFoundInAnyTenant) => owner,
            _ => tenant.clone(),
        };
        let now = if self.is(Fault::TokensLiveLongerByOne) {
            now - TICK
        } else {
            now
        };
        let Some((mut family, mut live)) =
            RefreshTokenStore::find(&self.inner, &tenant, token, now).await?
        else {
            return Ok(None);
        };
        if self.is(Fault::SpentTokensAreLive)
            && family.revoked_at.is_none()
            && now < family.expires_at
        {
            live = true;
        }
        if self.is(Fault::SuccessorsOutliveTheFamily)
            && let Some((_, unspent)) = self.family(&tenant, token).await?
        {
            live = unspent && noted.is_some_and(|(_, ends_at)| now < ends_at);
        }
        if self.is(Fault::DeadTokensAreNotFound) && !live {
            return Ok(None);
        }
        if self.is(Fault::ReuseEndsNoFamily) {
            family.revoked_at = None;
        }
        Ok(Some((family, live)))
    }

    async fn revoke_family(
        &self,
        tenant: &Tenant,
        family: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let owner = self.notes().families.get(family).cloned();
        let tenant = match owner {
            Some(owner) if self.is(Fault::FamiliesAreRevokedInAnyTenant) => owner,
            _ => tenant.clone(),
        };
        let change = Change::Revocation {
            key: RevocationKey::Family {
                tenant: tenant.clone(),
                id: family.clone(),
            },
        };
        let key = RevocationKey::Family {
            tenant: tenant.clone(),
            id: family.clone(),
        };
        let is_new = !self.notes().revocations.contains(&key);
        let believed = self
            .checked(Fault::RevokeChecksThenActs(Area::Families), is_new)
            .await;
        self.notes().revocations.insert(key);
        let call = self
            .inner
            .revoke_family(&tenant, family, now, revoke_until, event.clone());
        let revoked = |outcome: &_| *outcome == RevokeOutcome::Revoked;
        let outcome = self
            .step(Area::Families, &event, Some(change), call, revoked)
            .await?;
        if (believed || self.is(Fault::FamiliesAreRevokedAgain))
            && outcome == RevokeOutcome::AlreadyRevoked
        {
            return Ok(RevokeOutcome::Revoked);
        }
        Ok(outcome)
    }

    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        let revoke_until = if self.is(Fault::SubjectsAccessTokensEndTooShort) {
            revoke_until - TICK
        } else {
            revoke_until
        };
        let families = self.families_of(tenant);
        if self.is(Fault::SubjectsAccessTokensGoOn) || self.is(Fault::SubjectsAccessTokensEndLater)
        {
            self.notes().unrevoked.extend(families.iter().cloned());
        }
        let now = if self.is(Fault::ExpiredFamiliesAreEnded) {
            Timestamp::MIN
        } else {
            now
        };
        let change = Change::Revocation {
            key: RevocationKey::Subject {
                tenant: tenant.clone(),
                subject: subject.clone(),
            },
        };
        let call = self
            .inner
            .revoke_subject(tenant, subject, now, revoke_until, event.clone());
        let ended = self
            .step(Area::Families, &event, Some(change), call, |ended| {
                *ended > 0
            })
            .await?;
        if self.is(Fault::SubjectsAccessTokensEndLater) {
            self.pause().await;
            let mut notes = self.notes();
            families.iter().for_each(|id| {
                notes.unrevoked.remove(id);
            });
        }
        if self.is(Fault::SubjectsFamiliesAreEndedByPattern) {
            let alike: Vec<_> = self
                .notes()
                .subjects
                .iter()
                .filter(|(_, other)| {
                    other != subject && other.as_str().eq_ignore_ascii_case(subject.as_str())
                })
                .cloned()
                .collect();
            for (tenant, subject) in alike {
                self.inner
                    .revoke_subject(&tenant, &subject, now, revoke_until, event.clone())
                    .await?;
            }
        }
        Ok(ended)
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let (before, limit) = self.purge_bounds(Area::Families, before, limit);
        if self.is(Fault::PurgeInHalves(Area::Families)) {
            {
                let mut notes = self.notes();
                let spent: Vec<_> = notes.spent.keys().copied().collect();
                notes.half_purged_tokens.extend(spent);
            }
            self.pause().await;
        }
        RefreshTokenStore::purge(&self.inner, before, limit).await
    }
}
