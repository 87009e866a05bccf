use std::collections::HashMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::AuditEvent;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{Issuer, Kid};
use crate::signing::{
    KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, SigningKeyStore, TransitionOutcome,
};

pub(super) type Rings = HashMap<Issuer, KeyRing>;

#[async_trait]
impl SigningKeyStore for MemoryStore {
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError> {
        Ok(self.read().rings.get(issuer).cloned().unwrap_or_default())
    }

    async fn apply(
        &self,
        issuer: &Issuer,
        expected: u64,
        transition: KeyTransition,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<TransitionOutcome, StoreError> {
        if transition.record().is_some_and(|key| key.issuer != *issuer) {
            return Err(StoreErrorKind::Conflict.into());
        }
        let mut state = self.write();
        self.room_for_events(&state, 1)?;
        let ring = state.rings.get(issuer).cloned().unwrap_or_default();
        if ring.generation != expected {
            return Ok(TransitionOutcome::Moved {
                generation: ring.generation,
            });
        }
        match step(ring, transition, now) {
            Err(outcome) => Ok(outcome),
            Ok(ring) => {
                self.room(ring.keys.len(), 0)?;
                let generation = ring.generation;
                state.rings.insert(issuer.clone(), ring);
                let change = Change::SigningKeys {
                    issuer: issuer.clone(),
                };
                state.commit(event, change);
                Ok(TransitionOutcome::Applied { generation })
            }
        }
    }
}

/// The ring after the transition, or why it does not apply.
fn step(
    mut ring: KeyRing,
    transition: KeyTransition,
    now: Timestamp,
) -> Result<KeyRing, TransitionOutcome> {
    match transition {
        KeyTransition::Publish(record) => add(&mut ring, record, SigningKeyState::Pending)?,
        KeyTransition::Activate { kid, remove_from } => {
            let pending = find(&mut ring, &kid, &[SigningKeyState::Pending])?;
            not_before(now, pending.activate_from)?;
            if let Some(active) = active(&mut ring) {
                active.state = SigningKeyState::Retired;
                active.retired_at = Some(now);
                active.remove_from = Some(remove_from);
            }
            let pending = find(&mut ring, &kid, &[SigningKeyState::Pending])?;
            pending.state = SigningKeyState::Active;
            pending.activated_at = Some(now);
        }
        KeyTransition::Remove { kid } => {
            let retired = find(&mut ring, &kid, &[SigningKeyState::Retired])?;
            not_before(now, retired.remove_from.unwrap_or(Timestamp::MAX))?;
            end(retired, SigningKeyState::Removed, now);
        }
        KeyTransition::Revoke { kid, replacement } => {
            let key = find(
                &mut ring,
                &kid,
                &[
                    SigningKeyState::Pending,
                    SigningKeyState::Active,
                    SigningKeyState::Retired,
                ],
            )?;
            let was_active = key.state == SigningKeyState::Active;
            end(key, SigningKeyState::Revoked, now);
            if let Some(replacement) = replacement.filter(|_| was_active) {
                add(&mut ring, replacement, SigningKeyState::Active)?;
            }
        }
    }
    ring.generation = ring.generation.saturating_add(1);
    Ok(ring)
}

fn add(
    ring: &mut KeyRing,
    record: SigningKeyRecord,
    state: SigningKeyState,
) -> Result<(), TransitionOutcome> {
    if record.state != state || ring.keys.iter().any(|key| key.kid == record.kid) {
        return Err(TransitionOutcome::NotApplicable);
    }
    ring.keys.push(record);
    ring.keys
        .sort_by(|a, b| (a.published_at, &a.kid).cmp(&(b.published_at, &b.kid)));
    Ok(())
}

fn find<'a>(
    ring: &'a mut KeyRing,
    kid: &Kid,
    states: &[SigningKeyState],
) -> Result<&'a mut SigningKeyRecord, TransitionOutcome> {
    ring.keys
        .iter_mut()
        .find(|key| key.kid == *kid && states.contains(&key.state))
        .ok_or(TransitionOutcome::NotApplicable)
}

fn active(ring: &mut KeyRing) -> Option<&mut SigningKeyRecord> {
    ring.keys
        .iter_mut()
        .find(|key| key.state == SigningKeyState::Active)
}

fn not_before(now: Timestamp, until: Timestamp) -> Result<(), TransitionOutcome> {
    if now < until {
        Err(TransitionOutcome::TooEarly { until })
    } else {
        Ok(())
    }
}

fn end(key: &mut SigningKeyRecord, state: SigningKeyState, now: Timestamp) {
    key.state = state;
    key.ended_at = Some(now);
    key.sealed = Vec::new();
}
