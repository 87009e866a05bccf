use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::change::Change;
use fountain_core::identity::Issuer;
use fountain_core::signing::{
    KeyRing, KeyTransition, SigningKeyState, SigningKeyStore, TransitionOutcome,
};
use fountain_core::{StoreError, Timestamp};

use crate::fault::{Area, Fault, TICK};
use crate::saboteur::Saboteur;

impl Saboteur {
    fn issuer(&self, issuer: &Issuer) -> Issuer {
        if self.is(Fault::IssuersFoldCase) {
            Issuer::new(issuer.as_str().to_ascii_lowercase()).unwrap()
        } else {
            issuer.clone()
        }
    }

    /// Whether a transition that does not apply is said to have been applied all the same.
    fn lies_about(&self, transition: &KeyTransition) -> bool {
        match transition {
            KeyTransition::Publish(_) => self.is(Fault::KidsAreUsedAgain),
            KeyTransition::Activate { .. } => self.is(Fault::ActivationFromAnyState),
            KeyTransition::Remove { .. } => self.is(Fault::RemovalFromAnyState),
            KeyTransition::Revoke { .. } => self.is(Fault::EndedKeysAreRevoked),
        }
    }
}

#[async_trait]
impl SigningKeyStore for Saboteur {
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError> {
        let issuer = self.issuer(issuer);
        let mut ring = self.inner.ring(&issuer).await?;
        if self.is(Fault::RingsAreReadInTwoMoments) {
            self.pause().await;
            ring.keys = self.inner.ring(&issuer).await?.keys;
        }
        if self.is(Fault::RingsBeginAtOne) {
            ring.generation = ring.generation.max(1);
        }
        if self.is(Fault::RingsLeaveEndedKeysOut) {
            ring.keys.retain(|key| key.ended_at.is_none());
        }
        if self.is(Fault::RingsAreUnordered) {
            ring.keys.reverse();
        }
        for key in &mut ring.keys {
            if self.is(Fault::EndedKeysKeepTheirSecret) && key.sealed.is_empty() {
                key.sealed = self
                    .notes()
                    .sealed
                    .get(&key.kid)
                    .cloned()
                    .unwrap_or_default();
            }
            if self.is(Fault::ActivationRetiresNothing) && key.state == SigningKeyState::Retired {
                key.state = SigningKeyState::Active;
            }
        }
        Ok(ring)
    }

    async fn apply(
        &self,
        issuer: &Issuer,
        expected: u64,
        transition: KeyTransition,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<TransitionOutcome, StoreError> {
        let (named, issuer) = (issuer, &self.issuer(issuer));
        let (mut expected, mut now, mut transition) = (expected, now, transition);
        if let KeyTransition::Publish(record)
        | KeyTransition::Revoke {
            replacement: Some(record),
            ..
        } = &mut transition
            && (record.issuer == *named || self.is(Fault::RecordsMoveToTheNamedIssuer))
        {
            record.issuer = issuer.clone();
        }
        let standing = self.inner.ring(issuer).await?;
        if self.is(Fault::TransitionsCheckThenAct) && standing.generation == expected {
            self.pause().await;
            expected = self.inner.ring(issuer).await?.generation;
        }
        if self.is(Fault::TransitionsIgnoreTheGeneration) {
            expected = standing.generation;
        }
        match &mut transition {
            KeyTransition::Publish(record) => {
                self.notes()
                    .sealed
                    .insert(record.kid.clone(), record.sealed.clone());
                if self.is(Fault::SealedBytesAreCut) {
                    record.sealed.truncate(32);
                }
            }
            KeyTransition::Activate { .. } if self.is(Fault::ActivationIsEarlyByOne) => {
                now = now + TICK
            }
            KeyTransition::Remove { .. } if self.is(Fault::RemovalIsEarlyByOne) => now = now + TICK,
            KeyTransition::Revoke { kid, replacement } => {
                let key = standing.keys.iter().find(|key| key.kid == *kid);
                let state = key.map(|key| key.state);
                if self.is(Fault::UnneededReplacementsAreNotLookedAt)
                    && state != Some(SigningKeyState::Active)
                {
                    *replacement = None;
                }
                if self.is(Fault::ReplacementsAreForgotten) {
                    *replacement = None;
                }
                if self.is(Fault::ReplacementsWithAKnownKidAreForgotten)
                    && let Some(new) = replacement
                    && standing.keys.iter().any(|key| key.kid == new.kid)
                {
                    *replacement = None;
                }
                if self.is(Fault::PendingKeysAreNotRevoked)
                    && state == Some(SigningKeyState::Pending)
                {
                    return Ok(TransitionOutcome::NotApplicable);
                }
                if self.is(Fault::ReplacementsAreAlwaysAdded)
                    && state != Some(SigningKeyState::Active)
                    && let Some(mut new) = replacement.clone()
                {
                    new.state = SigningKeyState::Pending;
                    let publish = KeyTransition::Publish(new);
                    self.inner
                        .apply(issuer, expected, publish, now, event.clone())
                        .await?;
                    expected += 1;
                }
            }
            _ => {}
        }
        let lies = self.lies_about(&transition);
        let call = self
            .inner
            .apply(issuer, expected, transition, now, event.clone());
        let applied = |outcome: &_| matches!(outcome, TransitionOutcome::Applied { .. });
        let change = Change::SigningKeys {
            issuer: issuer.clone(),
        };
        let outcome = self
            .step(Area::Signing, &event, Some(change), call, applied)
            .await?;
        if lies && outcome == TransitionOutcome::NotApplicable {
            let generation = standing.generation + 1;
            return Ok(TransitionOutcome::Applied { generation });
        }
        Ok(outcome)
    }
}
