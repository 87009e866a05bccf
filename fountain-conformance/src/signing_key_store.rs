//! `SigningKeyStore`, sentence by sentence.

use fountain_core::audit::AuditAction;
use fountain_core::identity::{Issuer, Kid};
use fountain_core::signing::{KeyTransition, SigningKeyRecord, SigningKeyState, TransitionOutcome};
use fountain_core::{Tenant, Timestamp};

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::mutation;

mod clocks;
mod revocation;
mod ring;

pub(crate) use clocks::*;
pub(crate) use revocation::*;
pub(crate) use ring::*;

///
pub(crate) async fn signing_key_store_h_every_transition_is_recorded_once_and_appended_to_the_feed(
    cx: Context,
) {
    mutation::assert_recorded_once(&cx, mutation::signing_mutations).await;
}

///
pub(crate) async fn signing_key_store_h_a_transition_is_never_seen_without_its_event_and_feed_entry(
    cx: Context,
) {
    mutation::assert_never_seen_in_part(&cx, mutation::signing_mutations).await;
}

///
pub(crate) async fn signing_key_store_h_a_dropped_call_leaves_the_transition_whole_or_absent(
    cx: Context,
) {
    mutation::assert_whole_when_dropped(&cx, mutation::signing_mutations).await;
}

/// An issuer's ring, and the generation that the next transition expects.
struct Ring {
    issuer: Issuer,
    generation: u64,
}

impl Ring {
    fn new(cx: &Context) -> Self {
        Self {
            issuer: cx.fixtures.issuer(),
            generation: 0,
        }
    }

    async fn keys(&self, s: &Stores) -> Vec<SigningKeyRecord> {
        let ring = s.signing.ring(&self.issuer).await.unwrap();
        assert_eq!(
            ring.generation, self.generation,
            "the generation of {:?}",
            ring.keys
        );
        ring.keys
    }

    async fn key(&self, s: &Stores, kid: &Kid) -> SigningKeyRecord {
        let keys = self.keys(s).await;
        let found = keys.into_iter().find(|key| key.kid == *kid);
        found.expect("a published key is in the ring")
    }

    async fn attempt(
        &self,
        cx: &Context,
        s: &Stores,
        transition: KeyTransition,
        now: Timestamp,
    ) -> TransitionOutcome {
        let event = cx
            .fixtures
            .event(&Tenant::default(), AuditAction::SigningKeyPublished);
        let (issuer, expected) = (&self.issuer, self.generation);
        s.signing
            .apply(issuer, expected, transition, now, event)
            .await
            .unwrap()
    }

    /// Applies a transition, which must succeed and raise the generation by one.
    async fn apply(&mut self, cx: &Context, s: &Stores, transition: KeyTransition, now: Timestamp) {
        let outcome = self.attempt(cx, s, transition, now).await;
        self.generation += 1;
        let generation = self.generation;
        assert_eq!(outcome, TransitionOutcome::Applied { generation });
    }

    /// Attempts a transition, which must answer this and leave everything as it was.
    async fn assert_refused(
        &self,
        cx: &Context,
        s: &Stores,
        transition: KeyTransition,
        now: Timestamp,
        expected: TransitionOutcome,
    ) {
        let before = self.keys(s).await;
        let what = format!("{transition:?}");
        let mut ledger = crate::ledger::Ledger::open(s, &Tenant::default()).await;
        assert_eq!(
            self.attempt(cx, s, transition, now).await,
            expected,
            "{what}"
        );
        assert_eq!(self.keys(s).await, before, "{what}");
        ledger.assert_nothing(&what).await;
    }

    async fn publish(&mut self, cx: &Context, s: &Stores) -> SigningKeyRecord {
        let record = cx.fixtures.signing_key(&self.issuer);
        self.apply(cx, s, KeyTransition::Publish(record.clone()), NOW)
            .await;
        record
    }

    async fn activate(&mut self, cx: &Context, s: &Stores, key: &SigningKeyRecord) {
        self.apply(cx, s, activate(key), NOW).await;
    }

    /// A ring with a key in every state: pending, active, retired, removed and revoked.
    async fn with_every_state(cx: &Context, s: &Stores) -> (Self, [SigningKeyRecord; 5]) {
        let mut ring = Self::new(cx);
        let revoked = ring.publish(cx, s).await;
        ring.apply(cx, s, revoke(&revoked), NOW).await;
        let removed = ring.publish(cx, s).await;
        ring.activate(cx, s, &removed).await;
        let retired = ring.publish(cx, s).await;
        ring.activate(cx, s, &retired).await;
        ring.apply(cx, s, remove(&removed), NOW).await;
        let active = ring.publish(cx, s).await;
        ring.activate(cx, s, &active).await;
        let pending = ring.publish(cx, s).await;
        for (key, state) in [
            (&pending, SigningKeyState::Pending),
            (&active, SigningKeyState::Active),
            (&retired, SigningKeyState::Retired),
            (&removed, SigningKeyState::Removed),
            (&revoked, SigningKeyState::Revoked),
        ] {
            assert_eq!(ring.key(s, &key.kid).await.state, state);
        }
        (ring, [pending, active, retired, removed, revoked])
    }
}

/// Activates `key`; the one that it retires may be removed at once.
fn activate(key: &SigningKeyRecord) -> KeyTransition {
    KeyTransition::Activate {
        kid: key.kid.clone(),
        remove_from: NOW,
    }
}

fn remove(key: &SigningKeyRecord) -> KeyTransition {
    KeyTransition::Remove {
        kid: key.kid.clone(),
    }
}

fn revoke(key: &SigningKeyRecord) -> KeyTransition {
    KeyTransition::Revoke {
        kid: key.kid.clone(),
        replacement: None,
    }
}
