use std::collections::BTreeSet;
use std::time::Duration;

use super::ApiKeys;
use crate::access::Authority;
use crate::api_key::new::{IssuedApiKey, NewApiKey, RotatedApiKey, Rotation};
use crate::api_key::{ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, KeyId, RotateKeyOutcome};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::identity::{Scope, Subject, Tenant};

/// How often another id is tried when one exists. Three ids of 95 random bits that all exist are no accident.
const ATTEMPTS: usize = 3;

/// Permissions that one key can hold.
const MAX_SCOPES: usize = 256;

impl ApiKeys {
    /// Issues a key. Its text is in the answer, and nowhere else afterwards.
    ///
    /// # Errors
    /// `InvalidInput` when a text, a bound or a scope of `new` is not acceptable (the message says which);
    /// `Forbidden` when it permits more than `by` may do (R-36, B-55); `NotFound` in another tenant;
    /// `Entropy` when there is no randomness; `Unavailable` when the store does not answer: a key may be stored then
    /// whose text nobody knows.
    ///
    /// # Cancel safety
    /// When dropped, the key is stored with its event or not at all; its text is lost, so revoke it if it shows up.
    pub async fn issue(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        new: NewApiKey,
    ) -> Result<IssuedApiKey, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let life = new.life.unwrap_or(self.default_life);
        if life < Duration::from_secs(1) || life > self.longest_life {
            let problem = "give at least a second and at most the longest life of the service";
            return Err(Error::invalid("expires_in", problem));
        }
        new.check_bounds(life)?;
        let owner = Subject::new(&new.owner)?;
        let scopes = self.grantable(by, &new.scopes)?;
        let environment = match new.environment {
            Some(environment) => environment,
            None => self.format.environments().next().unwrap_or("").to_owned(),
        };
        let now = self.clock.now();
        let (not_before, expires_at) = (new.not_before.map_or(now, |at| at.max(now)), now + life);
        if not_before >= expires_at {
            let problem = "begin before the key expires";
            return Err(Error::invalid("not_before", problem));
        }

        for _ in 0..ATTEMPTS {
            let (id, key) = self.format.generate(&environment, &*self.random)?;
            let record = ApiKeyRecord {
                digest: self.digest(key.expose()),
                id,
                tenant: tenant.clone(),
                owner: owner.clone(),
                name: new.name.clone(),
                environment: environment.clone(),
                scopes: scopes.clone(),
                limit: new.limit,
                created_at: now,
                created_by: by.actor(),
                not_before,
                expires_at,
                disabled_at: None,
                revoked_at: None,
                rotation: new.rotation,
                predecessor: None,
                successor: None,
                superseded_at: None,
                last_used_at: None,
            };
            let event = self
                .event(by, tenant, AuditAction::ApiKeyIssued, &record.id, now)?
                .detail("owner", &owner)
                .detail("scopes", listed(&scopes))
                .detail("expires_at", expires_at.to_string());
            if self.insert(&record, event).await? {
                self.count(AuditAction::ApiKeyIssued);
                return Ok(IssuedApiKey { record, key });
            }
        }
        Err(ErrorKind::Entropy.into())
    }

    /// Replaces a key by a successor that permits no more and lives no longer; both work until the overlap ends.
    ///
    /// The successor has the key's tenant, owner, name, environment, limit and schedule. It begins when the key
    /// does, if that is still to come, and its life is counted anew from now (L-03).
    ///
    /// # Errors
    /// `NotFound` when there is no such key in this tenant; `InvalidInput` for an overlap over 24 h, a longer life or
    /// a scope that the key does not have; `Forbidden` when the successor permits more than `by` may do, who gets to
    /// see its text; `Conflict` when the key has a successor already, or is revoked, disabled or expired;
    /// `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, the rotation is done with its event or not at all; the successor's text is lost, so a new key is
    /// needed if it was.
    pub async fn rotate(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        id: &KeyId,
        rotation: Rotation,
    ) -> Result<RotatedApiKey, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let current = self.store.find_in(tenant, id).await?;
        let current = current.ok_or(ErrorKind::NotFound)?;
        let overlap = rotation.overlap_of(&current)?;
        // The service may allow less today than when the key was issued.
        let life = rotation.life_of(&current)?.min(self.longest_life);
        let scopes = rotation.scopes_of(&current)?;
        if !by.covers(&self.catalog.resolve_scopes(&scopes)) {
            return Err(ErrorKind::Forbidden("the key permits more than who rotates it").into());
        }

        let _forgotten = self.trust.as_ref().map(|trust| trust.forget_on_drop(id));
        for _ in 0..ATTEMPTS {
            let (new_id, key) = self.format.generate(&current.environment, &*self.random)?;
            let now = self.clock.now();
            let successor = ApiKeyRecord {
                id: new_id,
                digest: self.digest(key.expose()),
                scopes: scopes.clone(),
                created_at: now,
                created_by: by.actor(),
                not_before: current.not_before.max(now),
                expires_at: now + life,
                predecessor: Some(id.clone()),
                disabled_at: None,
                revoked_at: None,
                successor: None,
                superseded_at: None,
                last_used_at: None,
                ..current.clone()
            };
            let event = self
                .event(by, tenant, AuditAction::ApiKeyRotated, id, now)?
                .detail("successor", &successor.id)
                .detail("scopes", listed(&scopes))
                .detail("expires_at", successor.expires_at.to_string());
            match self.replace(&successor, id, now + overlap, event).await? {
                RotateKeyOutcome::Rotated { superseded_at } => {
                    self.count(AuditAction::ApiKeyRotated);
                    return Ok(RotatedApiKey {
                        record: successor,
                        key,
                        previous: id.clone(),
                        previous_valid_until: superseded_at,
                    });
                }
                RotateKeyOutcome::AlreadyPresent => {}
                RotateKeyOutcome::AlreadyRotated { .. } => {
                    return Err(ErrorKind::Conflict("the key has a successor already").into());
                }
                RotateKeyOutcome::NotActive => {
                    let problem = "the key is revoked, disabled or expired";
                    return Err(ErrorKind::Conflict(problem).into());
                }
                RotateKeyOutcome::NotFound => return Err(ErrorKind::NotFound.into()),
            }
        }
        Err(ErrorKind::Entropy.into())
    }

    /// Revokes a key for good. Idempotent. A successor is a key of its own and is not touched.
    ///
    /// # Errors
    /// `NotFound` when there is no such key in this tenant; `Unavailable` when the store does not answer: call again.
    ///
    /// # Cancel safety
    /// When dropped, the key is revoked with its event or not at all.
    pub async fn revoke(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<(), Error> {
        let (by, action, now) = (by.into(), AuditAction::ApiKeyRevoked, self.clock.now());
        by.reaches(tenant)?;
        let event = self.event(by, tenant, action, id, now)?;
        let _forgotten = self.trust.as_ref().map(|trust| trust.forget_on_drop(id));
        let outcome = self.store.revoke(tenant, id, now, event).await?;
        self.done(outcome, action)
    }

    /// Disables a key until it is enabled again. Idempotent; a revoked key stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is no such key in this tenant; `Unavailable` when the store does not answer: call again.
    ///
    /// # Cancel safety
    /// When dropped, the key is disabled with its event or not at all.
    pub async fn disable(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<(), Error> {
        let (by, action, now) = (by.into(), AuditAction::ApiKeyDisabled, self.clock.now());
        by.reaches(tenant)?;
        let event = self.event(by, tenant, action, id, now)?;
        let _forgotten = self.trust.as_ref().map(|trust| trust.forget_on_drop(id));
        let outcome = self.store.disable(tenant, id, now, event).await?;
        self.done(outcome, action)
    }

    /// Enables a disabled key. Idempotent.
    ///
    /// # Errors
    /// `NotFound` when there is no such key in this tenant; `Conflict` when it is revoked, which is for good;
    /// `Forbidden` when it permits more than `by` may do; `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, the key is enabled with its event or not at all.
    pub async fn enable(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        id: &KeyId,
    ) -> Result<(), Error> {
        let (by, action) = (by.into(), AuditAction::ApiKeyEnabled);
        by.reaches(tenant)?;
        let current = self.store.find_in(tenant, id).await?;
        let current = current.ok_or(ErrorKind::NotFound)?;
        if current.revoked_at.is_some() {
            return Err(ErrorKind::Conflict("the key is revoked for good").into());
        }
        if !by.covers(&self.catalog.resolve_scopes(&current.scopes)) {
            return Err(ErrorKind::Forbidden("the key permits more than who enables it").into());
        }
        let event = self.event(by, tenant, action, id, self.clock.now())?;
        let _forgotten = self.trust.as_ref().map(|trust| trust.forget_on_drop(id));
        let outcome = self.store.enable(tenant, id, event).await?;
        self.done(outcome, action)
    }

    /// The scopes, patterns written out, when all are known and `by` may give them away.
    ///
    /// A stored pattern would grow with the catalogue, past what its creator had.
    fn grantable(&self, by: Authority<'_>, texts: &[String]) -> Result<BTreeSet<Scope>, Error> {
        const TOO_MANY: &str = "name at most 256 permissions, patterns written out";
        if texts.len() > MAX_SCOPES {
            return Err(Error::invalid("scopes", TOO_MANY));
        }
        for text in texts {
            if !self.catalog.has_scope(&Scope::new(text)?) {
                let problem = "name only permissions of the catalogue";
                return Err(Error::invalid("scopes", problem));
            }
        }
        let grants = self.catalog.resolve_scopes(texts);
        if !by.covers(&grants) {
            let problem = "the scopes permit more than who issues the key may do";
            return Err(ErrorKind::Forbidden(problem).into());
        }
        let scopes = self.catalog.describe(&grants).map(Scope::new);
        let scopes: BTreeSet<Scope> = scopes.collect::<Result<_, _>>()?;
        if scopes.len() > MAX_SCOPES {
            return Err(Error::invalid("scopes", TOO_MANY));
        }
        Ok(scopes)
    }

    /// Stores a new key; `false` when its id exists.
    ///
    /// Whether a call took effect that got no answer is found out by reading the id that it would have stored
    ///
    async fn insert(&self, record: &ApiKeyRecord, event: AuditEvent) -> Result<bool, Error> {
        match self.store.insert(record.clone(), event).await {
            Ok(outcome) => Ok(outcome == InsertKeyOutcome::Inserted),
            Err(error) if error.is_retryable() => {
                match self.store.find_in(&record.tenant, &record.id).await {
                    Ok(Some(found)) if found.digest == record.digest => Ok(true),
                    _ => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts `successor` in the place of `id`; a call without an answer is looked into as in `insert`.
    async fn replace(
        &self,
        successor: &ApiKeyRecord,
        id: &KeyId,
        superseded_at: Timestamp,
        event: AuditEvent,
    ) -> Result<RotateKeyOutcome, Error> {
        let (tenant, now) = (&successor.tenant, successor.created_at);
        let asked = self
            .store
            .rotate(tenant, id, successor.clone(), superseded_at, now, event)
            .await;
        match asked {
            Ok(outcome) => Ok(outcome),
            Err(error) if error.is_retryable() => match self.store.find_in(tenant, id).await {
                Ok(Some(found)) if found.successor.as_ref() == Some(&successor.id) => {
                    let superseded_at = found.superseded_at.unwrap_or(superseded_at);
                    Ok(RotateKeyOutcome::Rotated { superseded_at })
                }
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn event(
        &self,
        by: Authority<'_>,
        tenant: &Tenant,
        action: AuditAction,
        id: &KeyId,
        now: Timestamp,
    ) -> Result<AuditEvent, Error> {
        let event = AuditEvent::new(&*self.random, now, tenant.clone(), by.actor(), action)?;
        Ok(event.target("api_key", id))
    }

    fn done(&self, outcome: KeyChangeOutcome, action: AuditAction) -> Result<(), Error> {
        match outcome {
            KeyChangeOutcome::Changed => self.count(action),
            KeyChangeOutcome::Unchanged => {}
            KeyChangeOutcome::NotFound => return Err(ErrorKind::NotFound.into()),
        }
        Ok(())
    }

    fn count(&self, action: AuditAction) {
        // A fieldless enum's discriminants count up from 0.
        self.changes.increment(action as usize, action.as_str());
    }
}

fn listed(scopes: &BTreeSet<Scope>) -> String {
    scopes
        .iter()
        .map(Scope::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}
