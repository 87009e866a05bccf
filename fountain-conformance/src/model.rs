//! Random sequences of calls, made on the store and on the memory store: every answer, and everything that can be
//! seen afterwards, must be the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use fountain_core::access::SubjectRecord;
use fountain_core::api_key::{ApiKeyRecord, KeyPage};
use fountain_core::audit::AuditEvent;
use fountain_core::change::RecordedChange;
use fountain_core::login::CredentialRecord;
use fountain_core::memory::MemoryStore;
use fountain_core::otp::{ChallengeRecord, FactorRecord};
use fountain_core::signing::KeyRing;
use fountain_core::token::RefreshFamily;
use fountain_core::{Tenant, Timestamp};

use crate::asked::Asked;
use crate::context::{Context, Stores};
use crate::fixtures::TICK;
use crate::ledger::Ledger;
use crate::race::drop_after;

mod operation;
mod walk;

use operation::Operation;
pub(crate) use walk::Walk;

/// How many calls a sequence has.
const LENGTH: usize = 90;

/// By how many keys pages are looked at; the last is enough for all.
const LIMITS: [usize; 2] = [2, 1000];

/// How many sequences share a store, each with tenants and ids of its own: making a store may be dear.
const SEQUENCES_PER_STORE: usize = 100;

///
pub(crate) async fn model_random_sequences_end_as_in_the_memory_store(cx: Context) {
    let mut pair = fresh_pair(&cx).await;
    for sequence in 0..cx.rounds.sequences {
        if sequence > 0 && sequence % SEQUENCES_PER_STORE == 0 {
            pair = fresh_pair(&cx).await;
        }
        let (candidate, reference) = &pair;
        let walk = Walk::new(&cx);
        let (seed, ours) = (cx.rounds.seed, Observer::new(candidate, &walk).await);
        let theirs = Observer::new(reference, &walk).await;
        let operations = walk.operations(LENGTH);
        for (at, operation) in operations.iter().enumerate() {
            let answer = operation.run(candidate).await.outcome;
            let expected = operation.run(reference).await.outcome;
            assert_eq!(
                answer,
                expected,
                "call {at} of sequence {sequence} of seed {seed}: {operation:?}, after {:#?}",
                &operations[at.saturating_sub(10)..at]
            );
        }
        let (seen, expected) = (ours.look(&walk).await, theirs.look(&walk).await);
        seen.assert_eq(
            &expected,
            &format!("after sequence {sequence} of seed {seed}"),
        );
    }
}

/// R-103, F-21: every call, reading ones too, is dropped after a random number of polls. Nothing may be recorded
/// twice, what is listed must be found, and the store must go on.
pub(crate) async fn model_dropped_calls_leave_a_store_that_goes_on(cx: Context) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        let walk = Walk::new(&cx);
        let observer = Observer::new(&s, &walk).await;
        let operations = walk.operations(12);
        for operation in &operations {
            drop_after(cx.fixtures.below(polls + 1), operation.run(&s)).await;
            drop_after(cx.fixtures.below(polls + 1), observer.look(&walk)).await;
        }
        observer
            .settled(&walk)
            .await
            .assert_sound(&walk, &operations);
        for operation in &operations {
            operation.run(&s).await;
        }
        observer
            .settled(&walk)
            .await
            .assert_sound(&walk, &operations);
    }
}

async fn fresh_pair(cx: &Context) -> (Stores, Stores) {
    (cx.fresh().await, Stores::of(Arc::new(MemoryStore::new())))
}

/// Everything that can be seen of one walk.
#[derive(Debug, Default, PartialEq)]
struct View {
    keys: Vec<Option<ApiKeyRecord>>,
    keys_by_digest: Vec<Option<ApiKeyRecord>>,
    pages: Vec<KeyPage>,
    rings: Vec<KeyRing>,
    tokens: Vec<Option<(RefreshFamily, bool)>>,
    revoked: Vec<bool>,
    subjects: Vec<Option<SubjectRecord>>,
    credentials: Vec<Option<CredentialRecord>>,
    credentials_by_name: Vec<Option<CredentialRecord>>,
    factors: Vec<Vec<FactorRecord>>,
    factors_by_id: Vec<Option<FactorRecord>>,
    recovery_codes: Vec<u32>,
    challenges: Vec<Option<ChallengeRecord>>,
    locks: Vec<Option<Timestamp>>,
    events: Vec<Vec<AuditEvent>>,
    changes: Vec<RecordedChange>,
}

impl View {
    /// Part by part, so that a difference can be read.
    fn assert_eq(&self, expected: &Self, when: &str) {
        assert_eq!(self.keys, expected.keys, "keys {when}");
        assert_eq!(
            self.keys_by_digest, expected.keys_by_digest,
            "keys by digest {when}"
        );
        assert_eq!(self.pages, expected.pages, "pages of keys {when}");
        assert_eq!(self.rings, expected.rings, "rings {when}");
        assert_eq!(self.tokens, expected.tokens, "refresh tokens {when}");
        assert_eq!(self.revoked, expected.revoked, "revocations {when}");
        assert_eq!(self.subjects, expected.subjects, "subjects {when}");
        assert_eq!(self.credentials, expected.credentials, "credentials {when}");
        assert_eq!(
            self.credentials_by_name, expected.credentials_by_name,
            "credentials by name {when}"
        );
        assert_eq!(self.factors, expected.factors, "factors {when}");
        assert_eq!(
            self.factors_by_id, expected.factors_by_id,
            "factors by id {when}"
        );
        assert_eq!(
            self.recovery_codes, expected.recovery_codes,
            "recovery codes {when}"
        );
        assert_eq!(self.challenges, expected.challenges, "challenges {when}");
        assert_eq!(self.locks, expected.locks, "locks {when}");
        assert_eq!(self.events, expected.events, "events {when}");
        assert_eq!(self.changes, expected.changes, "changes {when}");
    }

    /// Events are of these calls and none is there twice; keys are on their tenant's pages if they are found.
    fn assert_sound(&self, walk: &Walk, operations: &[Operation]) {
        let mut known: BTreeSet<_> = operations.iter().flat_map(Operation::events).collect();
        for event in self.events.iter().flatten() {
            assert!(
                known.remove(&event.id),
                "recorded twice, or by nobody: {event:?}"
            );
        }
        let by_id: BTreeSet<_> = self.keys.iter().flatten().map(|key| &key.id).collect();
        let by_digest = self.keys_by_digest.iter().flatten();
        let by_digest: BTreeSet<_> = by_digest.map(|key| &key.id).collect();
        assert_eq!(by_digest, by_id, "keys by digest, and keys by id");
        let found = |all: &[Option<CredentialRecord>]| -> BTreeSet<_> {
            let found = all.iter().flatten();
            found
                .map(|record| (record.tenant.clone(), record.subject.clone()))
                .collect()
        };
        assert_eq!(
            found(&self.credentials_by_name),
            found(&self.credentials),
            "credentials by name, and by subject"
        );
        let by_id: BTreeSet<_> = self.factors_by_id.iter().flatten().map(|f| &f.id).collect();
        let listed: BTreeSet<_> = self.factors.iter().flatten().map(|f| &f.id).collect();
        assert_eq!(listed, by_id, "factors on the lists, and by id");
        for (tenant, pages) in walk.tenants.iter().zip(self.pages.chunks(LIMITS.len())) {
            let found = self
                .keys
                .iter()
                .flatten()
                .filter(|key| key.tenant == *tenant);
            let found: BTreeSet<_> = found.map(|key| &key.id).collect();
            let whole = pages.last().map_or(&[][..], |page| &page.items);
            let listed: BTreeSet<_> = whole.iter().map(|key| &key.id).collect();
            assert_eq!(listed, found, "keys on the pages, and keys that are found");
        }
    }
}

/// Looks at a store from the moment on at which it was made.
struct Observer {
    stores: Stores,
    ledgers: Vec<Ledger>,
}

impl Observer {
    async fn new(stores: &Stores, walk: &Walk) -> Self {
        let mut ledgers = Vec::new();
        for tenant in &walk.tenants {
            ledgers.push(Ledger::open(stores, tenant).await);
        }
        Self {
            stores: stores.clone(),
            ledgers,
        }
    }

    /// Looks until two looks show the same: a call that was dropped may still be under way.
    async fn settled(&self, walk: &Walk) -> View {
        let mut last = self.look(walk).await;
        loop {
            let now = self.look(walk).await;
            if now == last {
                return now;
            }
            last = now;
        }
    }

    async fn look(&self, walk: &Walk) -> View {
        let s = &self.stores;
        let mut view = View::default();
        for id in &walk.keys {
            view.keys.push(s.keys.find(id).await.unwrap());
        }
        for digest in &walk.key_digests {
            let found = s.keys.find_by_digest(digest).await.unwrap();
            view.keys_by_digest.push(found);
        }
        for tenant in &walk.tenants {
            for limit in LIMITS {
                view.pages
                    .push(s.keys.page(tenant, None, limit).await.unwrap());
            }
            for digest in &walk.digests {
                for now in walk.times() {
                    view.tokens
                        .push(s.refresh.find(tenant, digest, now).await.unwrap());
                }
            }
            for subject in &walk.subjects {
                view.subjects
                    .push(s.subjects.find(tenant, subject).await.unwrap());
            }
        }
        for tenant in &walk.tenants {
            self.look_at_logins(walk, tenant, &mut view).await;
        }
        for issuer in &walk.issuers {
            view.rings.push(s.signing.ring(issuer).await.unwrap());
        }
        for key in walk.revocation_keys() {
            for now in walk.times() {
                for issued_at in [now - TICK, now] {
                    let asked = Asked::about(&key).issued_at(issued_at);
                    view.revoked.push(asked.is_revoked(s).await);
                }
            }
        }
        for ledger in &self.ledgers {
            view.events.push(ledger.events().await);
            view.changes = ledger.entries().await;
        }
        view
    }

    async fn look_at_logins(&self, walk: &Walk, tenant: &Tenant, view: &mut View) {
        let s = &self.stores;
        for name in &walk.names {
            let found = s.credentials.find(tenant, name).await.unwrap();
            view.credentials_by_name.push(found);
        }
        for subject in &walk.subjects {
            let found = s.credentials.find_subject(tenant, subject).await.unwrap();
            view.credentials.push(found);
            let factors = s.factors.list(tenant, subject).await.unwrap();
            view.factors.push(factors);
            for id in &walk.factors {
                let found = s.factors.find(tenant, subject, id).await.unwrap();
                view.factors_by_id.push(found);
            }
            let left = s.factors.recovery_codes(tenant, subject).await.unwrap();
            view.recovery_codes.push(left);
        }
        for id in &walk.challenges {
            let found = s.challenges.find(tenant, id).await.unwrap();
            view.challenges.push(found);
        }
        for key in &walk.lockout_keys {
            for now in walk.lock_times() {
                let keys = [*key];
                let look = s.lockouts.locked_until(tenant, &keys, now);
                view.locks.push(look.await.unwrap());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Harness;
    use async_trait::async_trait;
    use fountain_core::Store;

    #[derive(Debug)]
    struct Memory;

    #[async_trait]
    impl Harness for Memory {
        async fn fresh(&self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::new())
        }
    }

    /// Sequences that only ever met `NotFound` would prove nothing.
    #[tokio::test]
    async fn as_many_sequences_as_there_are_by_default_meet_every_answer() {
        let cx = Context::new(Arc::new(Memory));
        let s = cx.fresh().await;
        let mut met = BTreeSet::new();
        for _ in 0..cx.rounds.sequences {
            for operation in Walk::new(&cx).operations(LENGTH) {
                let answer = format!("{:?}", operation.run(&s).await.outcome);
                // The answer's type and variant, without what it holds.
                let name: Vec<_> = answer.split(['(', ')', ' ', '{']).take(2).collect();
                met.insert(name.join(" "));
            }
        }
        for answer in [
            "Key Inserted",
            "Key AlreadyPresent",
            "FoundKey Some",
            "FoundKey None",
            "Rotate Rotated",
            "Rotate AlreadyRotated",
            "Rotate NotActive",
            "Rotate AlreadyPresent",
            "Rotate NotFound",
            "KeyChange Changed",
            "KeyChange Unchanged",
            "KeyChange NotFound",
            "Transition Applied",
            "Transition Moved",
            "Transition TooEarly",
            "Transition NotApplicable",
            "Use Rotated",
            "Use Repeated",
            "Use Reused",
            "Use Revoked",
            "Use Expired",
            "Use Mismatched",
            "Use Unknown",
            "Revoke Revoked",
            "Revoke AlreadyRevoked",
            "Revoke NotFound",
            "Subject Changed",
            "Subject Unchanged",
            "Subject LastHolder",
            "Subject NotFound",
            "Inserted true",
            "Inserted false",
            "Count 0",
            "Count 1",
            "Count 2",
            "Conflict \"rotate\"",
            "Conflict \"apply\"",
            "Conflict \"use_token\"",
            "Replace Replaced",
            "Replace Stale",
            "Replace NotFound",
            "Factor Done",
            "Factor Spent",
            "Factor Pending",
            "Factor AlreadyConfirmed",
            "Factor Expired",
            "Factor Disabled",
            "Factor NotFound",
            "Challenge Done",
            "Challenge Superseded",
            "Challenge Exhausted",
            "Challenge Expired",
            "Challenge Consumed",
            "Challenge NotFound",
            "Attempt Counted",
            "Attempt Locked",
            "Budget Taken",
            "Budget Exhausted",
            "Left Some",
            "Left None",
            "Removed true",
            "Removed false",
            "Conflict \"replace_recovery_codes\"",
            "Conflict \"clear\"",
            "Conflict \"take\"",
        ] {
            assert!(
                met.contains(answer),
                "{answer} never came; these did: {met:?}"
            );
        }
    }
}
