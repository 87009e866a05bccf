//! Through PgBouncer in transaction mode: each transaction may meet another connection to the server.
//!
//! `scripts/services start postgres pgbouncer` starts one whose pool is smaller than the number of clients here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fountain_conformance::{Harness, Rounds};
use fountain_core::Store;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_store_postgres::{MIGRATIONS, PostgresStore, PostgresStoreBuilder};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::server::{Database, named, number};
use crate::workbench::Workbench;

fn through(database: &Database) -> PgPool {
    let pooler: PgConnectOptions = named("FOUNTAIN_TEST_PGBOUNCER", "postgres pgbouncer");
    PgPoolOptions::new()
        .max_connections(16)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(60))
        .connect_lazy_with(pooler.database(database.name()))
}

fn builder(database: &Database) -> PostgresStoreBuilder {
    PostgresStore::builder(through(database))
        .prepared(false)
        .deadline(Duration::from_secs(60))
}

/// Sixteen clients on four connections, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_share_few_connections() {
    let bench = Workbench::new().await;
    let store = builder(&bench.database).build().await.unwrap();
    let work: Vec<_> = (0..16)
        .map(|_| {
            let (store, fixtures) = (store.clone(), bench.fixtures.clone());
            let tenant = bench.tenant.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let key = fixtures.api_key(&tenant);
                    let event = fixtures.event(&tenant, AuditAction::ApiKeyIssued);
                    KeyStore::insert(&store, key.clone(), event).await.unwrap();
                    let found = KeyStore::find(&store, &key.id).await.unwrap();
                    assert_eq!(found, Some(key));
                    store.since(ChangeCursor(0), 5).await.unwrap();
                }
            })
        })
        .collect();
    for task in work {
        task.await.unwrap();
    }
    let trail = AuditStore::page(&store, &bench.tenant, None, 1000)
        .await
        .unwrap();
    assert_eq!(trail.items.len(), 320);
    assert_eq!(store.head().await.unwrap(), ChangeCursor(320));
    let mut beside = bench.beside().await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                  AND pid <> pg_backend_pid()";
    assert!(number(&mut beside, others).await <= 4);
    let open = format!("{others} AND state LIKE 'idle in transaction%'");
    assert_eq!(number(&mut beside, &open).await, 0);
}

/// A migration keeps its lock within its transaction, so that it may go through a pooler as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_migrate_through_it() {
    let database = Database::empty().await;
    let nodes: Vec<_> = (0..4)
        .map(|_| tokio::spawn(builder(&database).build()))
        .collect();
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    let done = "SELECT count(*) FROM fountain._migrations";
    let all = i64::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!(number(&mut database.beside().await, done).await, all);
}

#[derive(Debug, Default)]
struct Pooled {
    databases: Mutex<Vec<Database>>,
}

#[async_trait]
impl Harness for Pooled {
    async fn fresh(&self) -> Arc<dyn Store> {
        let database = Database::migrated().await;
        let store = builder(&database).build().await.unwrap();
        self.databases.lock().unwrap().push(database);
        Arc::new(store)
    }

    fn rounds(&self) -> Rounds {
        Rounds::default().races(2).polls(10).sequences(5)
    }
}

/// Values are written into the statements here: hostile ones come back as they were, and every answer is the memory
/// store's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_with_values_written_into_the_statements() {
    let harness = Arc::new(Pooled::default());
    for case in [
        "key_store_a_insert_stores_the_record_as_given",
        "key_store_b_hostile_owners_and_names_come_back_as_given",
        "key_store_d_of_parallel_rotations_exactly_one_wins",
        "key_store_h_record_use_takes_many_keys_ignores_unknown_ones_and_records_nothing",
        "signing_key_store_a_a_ring_holds_every_key_ended_or_not_in_the_order_of_publication",
        "refresh_token_store_b_of_parallel_uses_exactly_one_rotates_and_the_others_repeat_it",
        "refresh_token_store_j_a_dropped_call_leaves_the_change_whole_or_absent",
        "subject_store_b_tenants_and_subjects_are_never_taken_for_each_other",
        "credential_store_a_insert_stores_the_record_as_given",
        "credential_store_b_tenants_names_and_subjects_are_never_taken_for_each_other",
        "credential_store_c_of_parallel_replacements_exactly_one_is_replaced",
        "factor_store_a_insert_stores_the_factor_as_given",
        "factor_store_d_of_parallel_takes_of_one_mark_exactly_one_is_done",
        "factor_store_g_replacing_takes_every_older_recovery_code_away",
        "factor_store_g_of_parallel_takes_of_one_recovery_code_exactly_one_takes_it",
        "challenge_store_a_insert_stores_the_challenge_as_given",
        "challenge_store_f_consume_takes_the_challenge_by_the_code_that_stands",
        "challenge_store_g_every_change_is_recorded_once",
        "lockout_store_b_attempts_are_answered_as_by_the_rules",
        "lockout_store_b_a_lock_for_good_lasts_until_it_is_cleared",
        "lockout_store_d_locked_until_is_the_latest_end_among_the_keys",
        "lockout_store_e_clear_removes_all_that_was_counted_with_one_event",
        "lockout_store_f_of_parallel_takes_no_more_succeed_than_each_budget_allows",
        "lockout_store_f_takes_are_answered_as_by_counting_all_that_was_taken",
        "audit_store_a_record_keeps_the_event_as_given",
        "model_random_sequences_end_as_in_the_memory_store",
    ] {
        let verdict = fountain_conformance::run(harness.clone(), case).await;
        assert_eq!(verdict.failure, None, "{case}");
    }
}
