//! Refresh tokens: one live token a family, whoever races.

use std::sync::Arc;
use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse,
    RevocationQuery, RevocationStore, RevokeOutcome,
};
use shuttle::future::block_on;

use crate::broken::ChecksThenActs;
use crate::check::{count, holds, is_caught, race};
use crate::memory::MemoryStore;

const USES: usize = 64;

/// A family that has begun, with its first token.
fn begin(
    store: &dyn RefreshTokenStore,
    fixtures: &Fixtures,
) -> (RefreshFamily, RefreshTokenRecord) {
    let tenant = fixtures.tenant();
    let (family, first) = (fixtures.family(&tenant), fixtures.refresh_token());
    let event = fixtures.event(&tenant, AuditAction::TokenIssued);
    assert!(block_on(store.insert(family.clone(), first.clone(), event)).unwrap());
    (family, first)
}

/// 64 parallel uses of one token: one child, which the store has.
fn one_child(store: Arc<dyn RefreshTokenStore>, grace: Duration) {
    let fixtures = Fixtures::seeded(40);
    let (family, first) = begin(&*store, &fixtures);
    let attempts: Vec<RefreshUse> = (0..USES)
        .map(|_| RefreshUse {
            grace,
            ..fixtures.use_of(&family, first.digest)
        })
        .collect();
    let outcomes = race(USES, |number| {
        let (store, attempt) = (store.clone(), attempts[number].clone());
        async move { store.use_token(attempt).await.unwrap() }
    });

    let is_rotated = |outcome: &RefreshOutcome| matches!(outcome, RefreshOutcome::Rotated { .. });
    assert_eq!(count(&outcomes, is_rotated), 1, "one use wins");
    let winner = outcomes.iter().position(is_rotated).unwrap();
    let child = &attempts[winner];
    let rest = if grace.is_zero() {
        let reused = count(&outcomes, |o| matches!(o, RefreshOutcome::Reused { .. }));
        let revoked = count(&outcomes, |o| matches!(o, RefreshOutcome::Revoked));
        assert_eq!(reused, 1, "the first that comes late ends the family");
        reused + revoked
    } else {
        count(&outcomes, |outcome| {
            matches!(outcome, RefreshOutcome::Repeated { sealed_successor, .. }
                if *sealed_successor == child.sealed_successor)
        })
    };
    assert_eq!(rest, USES - 1, "{outcomes:?}");

    for (number, attempt) in attempts.iter().enumerate() {
        let found = store.find(&family.tenant, &attempt.successor.digest, NOW);
        let found = block_on(found).unwrap().map(|(_, is_live)| is_live);
        let expected = (number == winner).then_some(!grace.is_zero());
        assert_eq!(found, expected, "of all children only the winner's exists");
    }
}

///
#[test]
fn of_64_parallel_uses_without_grace_one_makes_a_child_and_the_next_ends_the_family() {
    holds(|| one_child(Arc::new(MemoryStore::new()), Duration::ZERO));
}

///
#[test]
fn of_64_parallel_uses_inside_the_grace_one_makes_a_child_and_all_get_it() {
    holds(|| one_child(Arc::new(MemoryStore::new()), Duration::from_secs(10)));
}

/// that these tests can fail.
#[test]
fn a_store_that_looks_first_and_acts_later_is_caught() {
    let race = || one_child(Arc::new(ChecksThenActs::new()), Duration::from_secs(10));
    is_caught(race, "one use wins");
}

/// whoever is first, no token of the family lives on.
#[test]
fn a_family_revoked_in_a_race_with_a_use_has_no_live_token() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(39);
        let (family, first) = begin(&*store, &fixtures);
        let attempt = fixtures.use_of(&family, first.digest);
        let event = fixtures.event(&family.tenant, AuditAction::TokenRevoked);
        let using = {
            let (store, attempt) = (store.clone(), attempt.clone());
            shuttle::thread::spawn(move || block_on(store.use_token(attempt)).unwrap())
        };
        let revoked = store.revoke_family(&family.tenant, &family.id, NOW, NOW, event);
        assert_eq!(block_on(revoked).unwrap(), RevokeOutcome::Revoked);
        let used = using.join().unwrap();
        assert!(
            matches!(
                used,
                RefreshOutcome::Rotated { .. } | RefreshOutcome::Revoked
            ),
            "{used:?}"
        );

        for digest in [first.digest, attempt.successor.digest] {
            let found = block_on(store.find(&family.tenant, &digest, NOW)).unwrap();
            assert!(found.is_none_or(|(family, is_live)| !is_live && family.revoked_at.is_some()));
        }
        let query = RevocationQuery {
            issuer: &fixtures.issuer(),
            id: &fixtures.token_id(),
            tenant: &family.tenant,
            subject: &family.subject,
            family: Some(&family.id),
            issued_at: NOW,
        };
        assert!(block_on(store.is_revoked(query)).unwrap());
    });
}

#[test]
fn of_parallel_inserts_of_one_family_or_one_token_one_wins_and_leaves_one_event() {
    holds(|| {
        let store = Arc::new(MemoryStore::new());
        let fixtures = Fixtures::seeded(38);
        let tenant = fixtures.tenant();
        let (family, first) = (fixtures.family(&tenant), fixtures.refresh_token());
        let inserted = race(8, |number| {
            // Half of them have the id in common, half the digest, and one both.
            let family = match number % 2 {
                0 => family.clone(),
                _ => fixtures.family(&tenant),
            };
            let token = match number {
                0 | 1 | 3 | 5 | 7 => first.clone(),
                _ => fixtures.refresh_token(),
            };
            let event = fixtures.event(&tenant, AuditAction::TokenIssued);
            let store = store.clone();
            async move { store.insert(family, token, event).await.unwrap() }
        });
        // An even one that is first takes the id, an odd one the digest; number 0 needs both. So at most one of each.
        let by_id = inserted.iter().step_by(2).filter(|won| **won).count();
        let by_digest = inserted
            .iter()
            .skip(1)
            .step_by(2)
            .filter(|won| **won)
            .count();
        assert!(by_id <= 1 && by_digest <= 1, "{inserted:?}");
        let page = block_on(store.page(&tenant, None, 100)).unwrap();
        assert_eq!(page.items.len(), by_id + by_digest);
        assert!(
            !inserted[0] || by_digest == 0,
            "number 0 has the token of the odd ones"
        );
    });
}
