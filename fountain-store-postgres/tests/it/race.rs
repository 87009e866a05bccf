//! The races whose number of rounds the requirements name, and those that only this store's statements can lose.

use std::sync::Arc;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::audit::AuditAction;
use fountain_core::change::RevocationKey;
use fountain_core::signing::{KeyTransition, SigningKeyStore, TransitionOutcome};
use fountain_core::token::{
    RefreshOutcome, RefreshTokenStore, Revocation, RevocationQuery, RevocationStore,
};
use fountain_core::{StoreError, Tenant};
use fountain_store_postgres::PostgresStore;
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;
use tokio::task::JoinSet;

use crate::server::number;
use crate::workbench::Workbench;

/// One that waits for connections and locks for as long as a busy machine takes.
pub(crate) async fn patient(bench: &Workbench) -> PostgresStore {
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(60))
        .test_before_acquire(false)
        .connect_lazy_with(bench.database.options());
    PostgresStore::builder(pool)
        .deadline(Duration::from_secs(60))
        .build()
        .await
        .unwrap()
}

pub(crate) async fn race<F, T>(calls: impl Iterator<Item = F>) -> Vec<T>
where
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
    T: Send + 'static,
{
    let mut running: JoinSet<_> = calls.collect();
    let mut outcomes = Vec::new();
    while let Some(outcome) = running.join_next().await {
        outcomes.push(outcome.unwrap().unwrap());
    }
    outcomes
}

/// R-40, F-25: 64 uses of one token at once, 1,000 times: one child, and with a grace everybody gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_parallel_uses_of_one_token_exactly_one_rotates_in_1000_rounds() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let tenant = Tenant::default();
    for _ in 0..1_000 {
        let family = bench.fixtures.family(&tenant);
        let first = bench.fixtures.refresh_token();
        let event = bench.fixtures.event(&tenant, AuditAction::TokenIssued);
        let presented = first.digest;
        RefreshTokenStore::insert(&store, family.clone(), first, event)
            .await
            .unwrap();
        let outcomes = race((0..64).map(|_| {
            let (store, attempt) = (store.clone(), bench.fixtures.use_of(&family, presented));
            async move {
                let sealed = attempt.sealed_successor.clone();
                Ok((store.use_token(attempt).await?, sealed))
            }
        }))
        .await;
        let won: Vec<_> = outcomes
            .iter()
            .filter(|(outcome, _)| matches!(outcome, RefreshOutcome::Rotated { .. }))
            .map(|(_, sealed)| sealed)
            .collect();
        assert_eq!(won.len(), 1);
        let same = outcomes.iter().filter(|(outcome, _)| {
            matches!(outcome, RefreshOutcome::Repeated { sealed_successor, .. } if sealed_successor == won[0])
        });
        assert_eq!(same.count(), 63);
    }
    let tokens = "SELECT count(*) FROM fountain.refresh_tokens";
    assert_eq!(number(&mut bench.beside().await, tokens).await, 2_000);
}

/// R-26, F-27: 16 nodes publish at once, and activate at once: one new key, and 15 that find it done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_16_nodes_that_rotate_at_once_one_does() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let fixtures = Arc::new(bench.fixtures.clone());
    let issuer = fixtures.issuer();
    for round in 0..50_u64 {
        let generation = 2 * round;
        let step = |store: PostgresStore, at: u64, transition| {
            let (issuer, fixtures) = (issuer.clone(), Arc::clone(&fixtures));
            async move {
                let event = fixtures.event(&Tenant::default(), AuditAction::SigningKeyPublished);
                store
                    .apply(
                        &issuer,
                        at,
                        transition,
                        NOW + Duration::from_secs(86_400),
                        event,
                    )
                    .await
            }
        };
        let published = race((0..16).map(|_| {
            let key = fixtures.signing_key(&issuer);
            step(store.clone(), generation, KeyTransition::Publish(key))
        }))
        .await;
        let pending = store.ring(&issuer).await.unwrap().keys;
        let kid = pending
            .iter()
            .find(|key| key.state.as_str() == "pending")
            .unwrap()
            .kid
            .clone();
        let activated = race((0..16).map(|_| {
            let transition = KeyTransition::Activate {
                kid: kid.clone(),
                remove_from: NOW,
            };
            step(store.clone(), generation + 1, transition)
        }))
        .await;
        for outcomes in [published, activated] {
            let applied = outcomes
                .iter()
                .filter(|o| matches!(o, TransitionOutcome::Applied { .. }));
            let moved = outcomes
                .iter()
                .filter(|o| matches!(o, TransitionOutcome::Moved { .. }));
            assert_eq!((applied.count(), moved.count()), (1, 15));
        }
        let ring = store.ring(&issuer).await.unwrap();
        assert_eq!(
            ring.keys
                .iter()
                .filter(|key| key.state.as_str() == "active")
                .count(),
            1
        );
        assert_eq!(ring.keys.len(), usize::try_from(round).unwrap() + 1);
    }
}

/// A revocation that is about to be purged is made stricter at that moment: it stands, whoever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_is_made_stricter_while_it_is_purged_stands() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let fixtures: Fixtures = bench.fixtures.clone();
    let query = |key: &RevocationKey| match key {
        RevocationKey::Token { issuer, id } => (issuer.clone(), id.clone()),
        _ => panic!("a token's"),
    };
    for _ in 0..200 {
        let key = RevocationKey::Token {
            issuer: fixtures.issuer(),
            id: fixtures.token_id(),
        };
        let short = Revocation {
            key: key.clone(),
            not_before: NOW,
            expires_at: NOW,
        };
        let long = Revocation {
            expires_at: NOW + Duration::from_secs(600),
            ..short.clone()
        };
        let event = || fixtures.event(&Tenant::default(), AuditAction::TokenRevoked);
        store.revoke(short, event()).await.unwrap();
        let after = NOW + Duration::from_secs(1);
        let (purged, revoked) = tokio::join!(
            tokio::spawn({
                let store = store.clone();
                async move { RevocationStore::purge(&store, after, 1_000).await }
            }),
            tokio::spawn({
                let (store, event) = (store.clone(), event());
                async move { store.revoke(long, event).await }
            })
        );
        purged.unwrap().unwrap();
        revoked.unwrap().unwrap();
        let (issuer, id) = query(&key);
        let subject = fixtures.subject();
        let asked = RevocationQuery {
            issuer: &issuer,
            id: &id,
            tenant: &Tenant::default(),
            subject: &subject,
            family: None,
            issued_at: NOW,
        };
        assert!(store.is_revoked(asked).await.unwrap());
    }
}

/// A family that is purged while its token is used goes with every token of it, the new one included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_that_is_purged_while_it_is_used_leaves_no_token_behind() {
    let bench = Workbench::new().await;
    let store = patient(&bench).await;
    let tenant = Tenant::default();
    for _ in 0..200 {
        let family = bench.fixtures.family(&tenant);
        let first = bench.fixtures.refresh_token();
        let event = bench.fixtures.event(&tenant, AuditAction::TokenIssued);
        let attempt = bench.fixtures.use_of(&family, first.digest);
        let after = family.expires_at + Duration::from_secs(1);
        RefreshTokenStore::insert(&store, family, first, event)
            .await
            .unwrap();
        let (used, purged) = tokio::join!(
            tokio::spawn({
                let store = store.clone();
                async move { store.use_token(attempt).await }
            }),
            tokio::spawn({
                let store = store.clone();
                async move { RefreshTokenStore::purge(&store, after, 1_000).await }
            })
        );
        let outcome = used.unwrap().unwrap();
        assert!(
            matches!(
                outcome,
                RefreshOutcome::Rotated { .. } | RefreshOutcome::Unknown
            ),
            "{outcome:?}"
        );
        purged.unwrap().unwrap();
    }
    let orphans = "SELECT count(*) FROM fountain.refresh_tokens AS token
                   WHERE NOT EXISTS (SELECT FROM fountain.families AS family WHERE family.id = token.family)";
    assert_eq!(number(&mut bench.beside().await, orphans).await, 0);
}
