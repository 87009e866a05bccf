use super::content::{is_live, seal_key};
use super::{Keyring, KeyringConfig};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::identity::{Actor, Tenant};
use crate::signing::{
    KeyRing, KeyTransition, Kid, SigningKey, SigningKeyRecord, SigningKeyState, TransitionOutcome,
};
use crate::text::random_id;

/// How often a step is tried again because another node took one in between. Each time, somebody got on.
const TRIES: usize = 64;
const CONTENDED: Error = Error::new(ErrorKind::Conflict(
    "other nodes keep changing the signing keys: try again",
));

/// What came of [`Keyring::rotate`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// A new key was published by this call.
    Published {
        /// Its id.
        kid: Kid,
        /// When it may begin to sign; [`Keyring::advance`] sees to it.
        activate_from: Timestamp,
    },
    /// A new key is on its way already, by another node or an earlier call. Nothing changed.
    AlreadyRotated {
        /// The key that is pending, or has begun to sign in the meantime.
        kid: Kid,
    },
}

/// What came of [`Keyring::revoke`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The key was ended by this call.
    Revoked {
        /// The key that signs in its place, if it was the one that signed. None also when no new one could be made:
        /// nothing is signed then until [`Keyring::advance`] has made one.
        replacement: Option<Kid>,
    },
    /// The key had been removed or revoked before. Nothing changed.
    AlreadyEnded,
}

/// What [`Keyring::advance`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advance {
    /// Keys that were published.
    pub published: Vec<Kid>,
    /// Keys that began to sign.
    pub activated: Vec<Kid>,
    /// Keys that were removed.
    pub removed: Vec<Kid>,
}

impl Advance {
    /// Whether nothing was due, or other nodes did all of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.published.is_empty() && self.activated.is_empty() && self.removed.is_empty()
    }
}

/// A step that is due.
enum Step {
    Publish(Timestamp),
    Activate(Kid),
    Remove(Kid),
}

impl Keyring {
    /// Makes sure that a key signs: makes the first one if there is none. Gives the id of the active key.
    ///
    /// Call it when a node starts, on every node: however many start at once, one first key comes to be. The first
    /// key signs at once, since nobody can have cached a set without it.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer; `Crypto` or `Corrupt` when the active key does not open, as
    /// with a missing or wrong key-encryption key; `TooEarly` when another node has begun and its clock is ahead.
    ///
    /// # Cancel safety
    /// When dropped between its two steps there is a pending key, with which the next call goes on.
    pub async fn bootstrap(&self) -> Result<Kid, Error> {
        let mut new = None;
        for _ in 0..TRIES {
            let content = self.reload().await?.content.clone();
            if let Some(kid) = content.active_kid() {
                return content.signer().map(|_| kid.clone());
            }
            let now = self.clock.now();
            match due(&content.ring, &self.config, now) {
                Some(Step::Activate(kid)) => {
                    content.check_usable(&kid)?;
                    self.activate(&content.ring, &kid, now).await?;
                }
                Some(Step::Publish(activate_from)) => {
                    self.publish(&content.ring, &mut new, now, activate_from, Actor::System)
                        .await?;
                }
                Some(Step::Remove(_)) | None => {
                    return Err(ErrorKind::TooEarly("a pending key may not sign yet").into());
                }
            }
        }
        Err(CONTENDED)
    }

    /// Publishes a new key, which will sign as soon as every verifier can have it.
    ///
    /// For an operator who does not want to wait for the schedule. One new key is under way at most: of parallel
    /// calls one publishes, the others learn of it.
    ///
    /// An RSA key takes some hundred milliseconds of computing, on the calling thread.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer, `Entropy`, `InvalidInput` when public keys would stand beside a
    /// shared secret.
    ///
    /// # Cancel safety
    /// When dropped, the key is published whole or not at all.
    pub async fn rotate(&self, actor: Actor) -> Result<Rotation, Error> {
        let mut new = None;
        let mut active_before = None;
        for _ in 0..TRIES {
            let content = self.reload().await?.content.clone();
            let active = content.active_kid().cloned();
            if let Some(pending) = first_pending(&content.ring) {
                let kid = pending.kid.clone();
                return Ok(Rotation::AlreadyRotated { kid });
            }
            match (active_before.get_or_insert_with(|| active.clone()), active) {
                (before, Some(active)) if before.as_ref() != Some(&active) => {
                    return Ok(Rotation::AlreadyRotated { kid: active });
                }
                _ => {}
            }
            let now = self.clock.now();
            let activate_from = now + self.config.lead();
            let published = self
                .publish(&content.ring, &mut new, now, activate_from, actor.clone())
                .await?;
            if let Some(kid) = published {
                return Ok(Rotation::Published { kid, activate_from });
            }
        }
        Err(CONTENDED)
    }

    /// Takes every step that is due: publishes a successor, lets it sign, removes what nobody needs any more.
    ///
    /// Call it every minute or so, on every node. What was missed while nothing ran is caught up with, each key
    /// still waiting for its own clocks.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer; `Crypto` or `Corrupt` when the key that is due to sign does
    /// not open, in which case the old one goes on.
    ///
    /// # Cancel safety
    /// When dropped, each step is taken whole or not at all.
    pub async fn advance(&self) -> Result<Advance, Error> {
        let mut done = Advance::default();
        let mut new = None;
        for _ in 0..TRIES {
            let content = self.reload().await?.content.clone();
            let now = self.clock.now();
            match due(&content.ring, &self.config, now) {
                None => return Ok(done),
                Some(Step::Publish(activate_from)) => {
                    let published = self
                        .publish(&content.ring, &mut new, now, activate_from, Actor::System)
                        .await?;
                    done.published.extend(published);
                }
                Some(Step::Activate(kid)) => {
                    content.check_usable(&kid)?;
                    if self.activate(&content.ring, &kid, now).await? {
                        done.activated.push(kid);
                    }
                }
                Some(Step::Remove(kid)) => {
                    let transition = KeyTransition::Remove { kid: kid.clone() };
                    let event =
                        self.event(now, Actor::System, AuditAction::SigningKeyRemoved, &kid)?;
                    if self.apply(&content.ring, transition, now, event).await? {
                        done.removed.push(kid);
                    }
                }
            }
        }
        Ok(done)
    }

    /// Ends a key at once, whatever its state: an emergency. If it was the one that signs, a new key takes its place.
    ///
    /// From the moment this returns, this node neither signs nor verifies with the key, and no other node does
    /// after `staleness`. Every token that the key signed is refused from then on. Verifiers that keep the
    /// JWK set refuse the tokens of the new key until they fetch it again.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when the store does not answer (the key may or may not have ended: call again); `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the key has ended with its replacement in place, or nothing has changed.
    pub async fn revoke(&self, kid: &Kid, actor: Actor, why: &str) -> Result<Revoked, Error> {
        let mut new = None;
        // On every way out: that another node was first does not mean that this one has heard of it.
        let _forget = self.trust.forget_on_drop(self.config.issuer());
        for _ in 0..TRIES {
            // straight from the store: a key can be ended that cannot be opened
            let ring = self.store.ring(self.config.issuer()).await?;
            let record = ring.keys.iter().find(|record| record.kid == *kid);
            let record = record.ok_or(ErrorKind::NotFound)?;
            if !is_live(record) {
                return Ok(Revoked::AlreadyEnded);
            }
            let now = self.clock.now();
            let mut event = self
                .event(now, actor.clone(), AuditAction::SigningKeyRevoked, kid)?
                .detail("why", why);
            let mut replacement = None;
            if record.state == SigningKeyState::Active {
                replacement = self.replacement(&mut new, now).await;
                event = event.detail(
                    "replacement",
                    replacement
                        .as_ref()
                        .map_or("none", |record| record.kid.as_str()),
                );
            }
            let successor = replacement.as_ref().map(|record| record.kid.clone());
            let transition = KeyTransition::Revoke {
                kid: kid.clone(),
                replacement,
            };
            if self.apply(&ring, transition, now, event).await? {
                return Ok(Revoked::Revoked {
                    replacement: successor,
                });
            }
        }
        Err(CONTENDED)
    }

    /// The key that takes over from a revoked one. None when it cannot be made, as when who holds the key-encryption
    /// keys does not answer: the key that must go goes all the same, and [`Keyring::advance`] makes up for it.
    async fn replacement(
        &self,
        new: &mut Option<SigningKeyRecord>,
        now: Timestamp,
    ) -> Option<SigningKeyRecord> {
        match self.new_record(new, now, now).await {
            Ok(record) => Some(SigningKeyRecord {
                state: SigningKeyState::Active,
                activated_at: Some(now),
                ..record
            }),
            Err(error) => {
                tracing::error!(error = %error, "no signing key to replace the revoked one");
                None
            }
        }
    }

    /// Publishes the key in `new`, made if it is not there yet. `None` when the ring has moved.
    async fn publish(
        &self,
        ring: &KeyRing,
        new: &mut Option<SigningKeyRecord>,
        now: Timestamp,
        activate_from: Timestamp,
        actor: Actor,
    ) -> Result<Option<Kid>, Error> {
        let symmetric = self.config.algorithm().is_symmetric();
        let mixed = |record: &SigningKeyRecord| record.algorithm.is_symmetric() != symmetric;
        if ring.keys.iter().filter(|record| is_live(record)).any(mixed) {
            return Err(Error::invalid(
                "algorithm",
                "shared secrets and public keys never stand side by side: give the new kind an issuer of its own",
            ));
        }
        let record = self.new_record(new, now, activate_from).await?;
        let kid = record.kid.clone();
        let event = self
            .event(now, actor, AuditAction::SigningKeyPublished, &kid)?
            .detail("algorithm", record.algorithm.as_str())
            .detail("activate_from", activate_from.to_string());
        let applied = self
            .apply(ring, KeyTransition::Publish(record), now, event)
            .await?;
        Ok(applied.then_some(kid))
    }

    /// Lets a pending key sign. `false` when the ring has moved.
    async fn activate(&self, ring: &KeyRing, kid: &Kid, now: Timestamp) -> Result<bool, Error> {
        let mut event = self.event(now, Actor::System, AuditAction::SigningKeyActivated, kid)?;
        if let Some(retired) = active(ring) {
            event = event.detail("retired", &retired.kid);
        }
        let transition = KeyTransition::Activate {
            kid: kid.clone(),
            remove_from: now + self.config.tail(),
        };
        self.apply(ring, transition, now, event).await
    }

    /// One step of the state machine. `false` when the ring has moved.
    async fn apply(
        &self,
        ring: &KeyRing,
        transition: KeyTransition,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<bool, Error> {
        let action = event.action;
        // also when this future is dropped, or the store fails after the change
        let forget = self.trust.forget_on_drop(self.config.issuer());
        let outcome = self
            .store
            .apply(
                self.config.issuer(),
                ring.generation,
                transition,
                now,
                event,
            )
            .await?;
        drop(forget);
        match outcome {
            TransitionOutcome::Applied { .. } => {
                tracing::info!(issuer = %self.config.issuer(), action = %action, "signing keys changed");
                self.count(action);
                Ok(true)
            }
            TransitionOutcome::Moved { .. } => Ok(false),
            TransitionOutcome::TooEarly { .. } => {
                Err(ErrorKind::TooEarly("a clock of the signing keys has not run out").into())
            }
            TransitionOutcome::NotApplicable => Err(ErrorKind::Conflict(
                "the signing key is not in the state that this step starts from",
            )
            .into()),
        }
    }

    fn count(&self, action: AuditAction) {
        let (index, label) = match action {
            AuditAction::SigningKeyPublished => (0, "published"),
            AuditAction::SigningKeyActivated => (1, "activated"),
            AuditAction::SigningKeyRemoved => (2, "removed"),
            _ => (3, "revoked"),
        };
        self.transitions.increment(index, label);
    }

    fn event(
        &self,
        now: Timestamp,
        actor: Actor,
        action: AuditAction,
        kid: &Kid,
    ) -> Result<AuditEvent, Error> {
        let event = AuditEvent::new(&*self.random, now, Tenant::default(), actor, action)?;
        Ok(event
            .target("signing_key", kid)
            .detail("issuer", self.config.issuer()))
    }

    /// A pending record, its key made once however often the step is tried.
    async fn new_record(
        &self,
        made: &mut Option<SigningKeyRecord>,
        now: Timestamp,
        activate_from: Timestamp,
    ) -> Result<SigningKeyRecord, Error> {
        let record = match made {
            Some(record) => record,
            None => made.insert(self.make(now).await?),
        };
        record.published_at = now;
        record.activate_from = activate_from;
        Ok(record.clone())
    }

    async fn make(&self, now: Timestamp) -> Result<SigningKeyRecord, Error> {
        let key = SigningKey::generate(self.config.algorithm(), &*self.random)?;
        let kid = match key.verifying_key().thumbprint() {
            Some(thumbprint) => thumbprint,
            None => Kid::new(random_id::<20>(&*self.random)?)?,
        };
        let public = key.verifying_key().public_jwk(&kid);
        Ok(SigningKeyRecord {
            issuer: self.config.issuer().clone(),
            algorithm: key.algorithm(),
            state: SigningKeyState::Pending,
            public_jwk: public.unwrap_or_default(),
            sealed: seal_key(&key, self.config.issuer(), &kid, &self.sealer).await?,
            kid,
            published_at: now,
            activate_from: now,
            activated_at: None,
            retired_at: None,
            remove_from: None,
            ended_at: None,
        })
    }
}

/// The step that is due first, if any is.
fn due(ring: &KeyRing, config: &KeyringConfig, now: Timestamp) -> Option<Step> {
    match (first_pending(ring), active(ring)) {
        (Some(pending), _) if pending.activate_from <= now => {
            return Some(Step::Activate(pending.kid.clone()));
        }
        // Nothing signs, and nothing will soon: as at the very first start, waiting for caches helps nobody. A key
        // that may sign within the skew is one that another node, whose clock is ahead, is just beginning with.
        (Some(pending), None) if pending.activate_from > now + config.skew() => {
            return Some(Step::Publish(now));
        }
        (None, None) => return Some(Step::Publish(now)),
        (None, Some(active)) => {
            let activated = active.activated_at.unwrap_or(active.published_at);
            if now + config.lead() >= activated + config.rotation_interval() {
                return Some(Step::Publish(now + config.lead()));
            }
        }
        (Some(_), _) => {}
    }
    let removable = |record: &&SigningKeyRecord| {
        record.state == SigningKeyState::Retired
            && record.remove_from.is_some_and(|from| from <= now)
    };
    let record = ring.keys.iter().find(removable)?;
    Some(Step::Remove(record.kid.clone()))
}

fn active(ring: &KeyRing) -> Option<&SigningKeyRecord> {
    let is_active = |record: &&SigningKeyRecord| record.state == SigningKeyState::Active;
    ring.keys.iter().find(is_active)
}

/// The pending key that may sign first.
fn first_pending(ring: &KeyRing) -> Option<&SigningKeyRecord> {
    let is_pending = |record: &&SigningKeyRecord| record.state == SigningKeyState::Pending;
    ring.keys
        .iter()
        .filter(is_pending)
        .min_by_key(|record| record.activate_from)
}
