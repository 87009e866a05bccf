//! API keys.

use std::sync::Arc;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::api_key::{InsertKeyOutcome, KeyChangeOutcome, KeyStore, RotateKeyOutcome};
use fountain_core::audit::{AuditAction, AuditStore};
use shuttle::future::block_on;

use crate::check::{count, holds, race};
use crate::memory::MemoryStore;

const TASKS: usize = 16;

///
#[test]
fn of_parallel_rotations_of_one_key_one_has_a_successor_and_all_name_it() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(36);
        let tenant = fixtures.tenant();
        let record = fixtures.api_key(&tenant);
        let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
        block_on(KeyStore::insert(&*store, record.clone(), event)).unwrap();
        let successors: Vec<_> = (0..TASKS).map(|_| fixtures.successor_of(&record)).collect();
        let outcomes = race(TASKS, |number| {
            let event = fixtures.event(&tenant, AuditAction::ApiKeyRotated);
            let (store, tenant, id) = (store.clone(), tenant.clone(), record.id.clone());
            let successor = successors[number].clone();
            async move {
                let rotated = store.rotate(&tenant, &id, successor, NOW, NOW, event);
                rotated.await.unwrap()
            }
        });

        let is_rotated = |o: &RotateKeyOutcome| matches!(o, RotateKeyOutcome::Rotated { .. });
        assert_eq!(count(&outcomes, is_rotated), 1);
        let winner = &successors[outcomes.iter().position(is_rotated).unwrap()];
        let named = count(
            &outcomes,
            |outcome| matches!(outcome, RotateKeyOutcome::AlreadyRotated { successor } if *successor == winner.id),
        );
        assert_eq!(named, TASKS - 1);
        for successor in &successors {
            let found = block_on(KeyStore::find(&*store, &successor.id)).unwrap();
            assert_eq!(found.is_some(), successor.id == winner.id);
        }
        let events = block_on(AuditStore::page(&*store, &tenant, None, 100)).unwrap();
        assert_eq!(
            events.items.len(),
            2,
            "one of the issue, one of the rotation"
        );
    });
}

#[test]
fn of_parallel_inserts_of_one_id_one_wins() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(35);
        let tenant = fixtures.tenant();
        let id = fixtures.key_id();
        let outcomes = race(TASKS, |_| {
            let mut record = fixtures.api_key(&tenant);
            record.id = id.clone();
            let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
            let store = store.clone();
            async move {
                let digest = record.digest;
                let outcome = KeyStore::insert(&*store, record, event).await.unwrap();
                (outcome, digest)
            }
        });
        let is_in = |o: &(InsertKeyOutcome, _)| o.0 == InsertKeyOutcome::Inserted;
        assert_eq!(count(&outcomes, is_in), 1);
        let winner = outcomes.iter().find(|outcome| is_in(outcome)).unwrap();
        let stands = block_on(KeyStore::find(&*store, &id)).unwrap().unwrap();
        assert_eq!(stands.digest, winner.1);
    });
}

///
#[test]
fn of_parallel_inserts_of_one_digest_one_wins() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(33);
        let tenant = fixtures.tenant();
        let digest = fixtures.digest();
        let outcomes = race(TASKS, |_| {
            let mut record = fixtures.api_key(&tenant);
            record.digest = digest;
            let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
            let store = store.clone();
            async move {
                let id = record.id.clone();
                let outcome = KeyStore::insert(&*store, record, event).await.unwrap();
                (outcome, id)
            }
        });
        let is_in = |o: &(InsertKeyOutcome, _)| o.0 == InsertKeyOutcome::Inserted;
        assert_eq!(count(&outcomes, is_in), 1);
        for outcome in &outcomes {
            let stands = block_on(KeyStore::find(&*store, &outcome.1)).unwrap();
            assert_eq!(stands.is_some(), is_in(outcome));
        }
        let winner = outcomes.iter().find(|outcome| is_in(outcome)).unwrap();
        let found = block_on(store.find_by_digest(&digest)).unwrap().unwrap();
        assert_eq!(found.id, winner.1);
    });
}

#[test]
fn a_key_revoked_in_a_race_with_its_rotation_is_revoked_and_nothing_is_half_done() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(34);
        let tenant = fixtures.tenant();
        let record = fixtures.api_key(&tenant);
        let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
        block_on(KeyStore::insert(&*store, record.clone(), event)).unwrap();
        let successor = fixtures.successor_of(&record);
        let rotating = {
            let event = fixtures.event(&tenant, AuditAction::ApiKeyRotated);
            let (store, tenant, id) = (store.clone(), tenant.clone(), record.id.clone());
            let successor = successor.clone();
            shuttle::thread::spawn(move || {
                block_on(store.rotate(&tenant, &id, successor, NOW, NOW, event)).unwrap()
            })
        };
        let event = fixtures.event(&tenant, AuditAction::ApiKeyRevoked);
        let revoked = block_on(KeyStore::revoke(&*store, &tenant, &record.id, NOW, event));
        assert_eq!(revoked.unwrap(), KeyChangeOutcome::Changed);
        let rotated = rotating.join().unwrap();

        let found = block_on(KeyStore::find(&*store, &record.id))
            .unwrap()
            .unwrap();
        let child = block_on(KeyStore::find(&*store, &successor.id)).unwrap();
        assert!(found.revoked_at.is_some());
        let won = matches!(rotated, RotateKeyOutcome::Rotated { .. });
        assert!(won || rotated == RotateKeyOutcome::NotActive, "{rotated:?}");
        assert_eq!((found.successor.is_some(), child.is_some()), (won, won));
    });
}
