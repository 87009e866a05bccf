//! The rings of signing keys.
//!
//! `apply` is a compare-and-set on the ring's generation by contract. So a transition is judged here, on the ring of the
//! expected generation, and one script puts the next ring in its place if that generation still stands: then nothing of
//! what was judged has changed.

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::identity::{Issuer, Kid};
use fountain_core::signing::{
    KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, SigningKeyStore, TransitionOutcome,
};
use fountain_core::{StoreError, StoreErrorKind, Timestamp};

use crate::error::corrupt;
use crate::fields::{Line, bytes_option, text};
use crate::script::{self, Table, json};
use crate::store::RedisStore;
use crate::words::word;

const TABLE: &str = "signing_keys";

fn encode(ring: &KeyRing) -> Result<String, StoreError> {
    Ok(format!("{} {}", ring.generation, json(&ring.keys)?))
}

/// The ring of a line. One that lacks a key is no ring: a key that cannot be read makes all of it `Corrupt` (F-35).
fn decode(issuer: &Issuer, line: &[u8]) -> Result<KeyRing, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let generation = generation(line.word("generation")?)?;
    let keys: Vec<SigningKeyRecord> = line.json("keys")?;
    line.agree("issuer", keys.iter().all(|key| key.issuer == *issuer))?;
    let active = |key: &&SigningKeyRecord| key.state == SigningKeyState::Active;
    line.agree("state", keys.iter().filter(active).count() <= 1)?;
    line.agree("order", keys.is_sorted_by_key(place))?;
    Ok(KeyRing { generation, keys })
}

fn generation(word: &str) -> Result<u64, StoreError> {
    word.parse().map_err(|_| corrupt(TABLE, "generation"))
}

fn place(key: &SigningKeyRecord) -> (Timestamp, &Kid) {
    (key.published_at, &key.kid)
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
            for key in &mut ring.keys {
                if key.state == SigningKeyState::Active {
                    key.state = SigningKeyState::Retired;
                    key.retired_at = Some(now);
                    key.remove_from = Some(remove_from);
                } else if key.kid == kid {
                    key.state = SigningKeyState::Active;
                    key.activated_at = Some(now);
                }
            }
        }
        KeyTransition::Remove { kid } => {
            let retired = find(&mut ring, &kid, &[SigningKeyState::Retired])?;
            not_before(now, retired.remove_from.unwrap_or(Timestamp::MAX))?;
            end(retired, SigningKeyState::Removed, now);
        }
        KeyTransition::Revoke { kid, replacement } => {
            let living = [
                SigningKeyState::Pending,
                SigningKeyState::Active,
                SigningKeyState::Retired,
            ];
            let key = find(&mut ring, &kid, &living)?;
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
    ring.keys.sort_by(|a, b| place(a).cmp(&place(b)));
    Ok(())
}

fn find<'r>(
    ring: &'r mut KeyRing,
    kid: &Kid,
    states: &[SigningKeyState],
) -> Result<&'r mut SigningKeyRecord, TransitionOutcome> {
    ring.keys
        .iter_mut()
        .find(|key| key.kid == *kid && states.contains(&key.state))
        .ok_or(TransitionOutcome::NotApplicable)
}

fn not_before(now: Timestamp, until: Timestamp) -> Result<(), TransitionOutcome> {
    if now < until {
        Err(TransitionOutcome::TooEarly { until })
    } else {
        Ok(())
    }
}

/// Ends a key and wipes what it had sealed.
fn end(key: &mut SigningKeyRecord, state: SigningKeyState, now: Timestamp) {
    key.state = state;
    key.ended_at = Some(now);
    key.sealed = Vec::new();
}

#[async_trait]
impl SigningKeyStore for RedisStore {
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError> {
        let answer = self
            .call(&script::RING)
            .tables([Table::SigningKeys])
            .text(word(issuer.as_str()))
            .read()
            .await?;
        match bytes_option(answer)? {
            None => Ok(KeyRing::default()),
            Some(line) => decode(issuer, &line),
        }
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
        let ring = self.ring(issuer).await?;
        if ring.generation != expected {
            return Ok(TransitionOutcome::Moved {
                generation: ring.generation,
            });
        }
        let ring = match step(ring, transition, now) {
            Ok(ring) => ring,
            Err(outcome) => return Ok(outcome),
        };
        let answer = self
            .call(&script::RING_APPLY)
            .change(&event)?
            .tables([Table::SigningKeys])
            .text(word(issuer.as_str()))
            .text(expected.to_string())
            .text(encode(&ring)?)
            .write()
            .await?;
        match text(answer)?.as_str() {
            "applied" => Ok(TransitionOutcome::Applied {
                generation: ring.generation,
            }),
            moved => Ok(TransitionOutcome::Moved {
                generation: generation(moved)?,
            }),
        }
    }
}
