//! A change is there whole or not at all, wherever in the middle of it the server fails.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use fountain_conformance::{Fixtures, NOW};
use fountain_core::access::{Authority, SubjectStore};
use fountain_core::api_key::KeyStore;
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::RevocationKey;
use fountain_core::signing::{KeyTransition, SigningKeyStore};
use fountain_core::token::{RefreshTokenStore, RevocationStore};
use fountain_core::{ErrorKind, StoreError, StoreErrorKind, Subject, Tenant};
use fountain_store_postgres::PostgresStore;
use fountain_tests_faults::within;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;

use crate::world::{
    Node, RECOVERY, World, accepts, issue, number, options, pool, revoke, run, timed,
};

mod login;

type Step = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Every change that a store can be asked for, on records that are stored by now, ready to be made.
async fn changes(store: &PostgresStore, fixtures: &Fixtures) -> Vec<(&'static str, Step)> {
    let tenant = fixtures.tenant();
    let event = |action| fixtures.event(&tenant, action);
    let mut steps: Vec<(&'static str, Step)> = Vec::new();
    macro_rules! step {
        ($name:literal, |$of:ident| $call:expr) => {{
            let $of = store.clone();
            steps.push(($name, Box::pin(async move { $call.await.map(drop) })));
        }};
    }

    for name in ["rotate", "revoke", "disable", "enable"] {
        let key = fixtures.api_key(&tenant);
        KeyStore::insert(store, key.clone(), event(AuditAction::ApiKeyIssued))
            .await
            .unwrap();
        let (tenant, of) = (tenant.clone(), store.clone());
        let change = event(AuditAction::ApiKeyRevoked);
        let successor = fixtures.successor_of(&key);
        if name == "enable" {
            let before = event(AuditAction::ApiKeyDisabled);
            let disabled = KeyStore::disable(store, &tenant, &key.id, NOW, before).await;
            disabled.unwrap();
        }
        steps.push((
            name,
            Box::pin(async move {
                let (tenant, id) = (&tenant, &key.id);
                match name {
                    "rotate" => of
                        .rotate(tenant, id, successor, NOW, NOW, change)
                        .await
                        .map(drop),
                    "revoke" => KeyStore::revoke(&of, tenant, id, NOW, change)
                        .await
                        .map(drop),
                    "disable" => KeyStore::disable(&of, tenant, id, NOW, change)
                        .await
                        .map(drop),
                    _ => KeyStore::enable(&of, tenant, id, change).await.map(drop),
                }
            }),
        ));
    }
    let (key, issued) = (fixtures.api_key(&tenant), event(AuditAction::ApiKeyIssued));
    step!("insert a key", |of| KeyStore::insert(&of, key, issued));

    let mut families = Vec::new();
    for _ in 0..4 {
        let (family, first) = (fixtures.family(&tenant), fixtures.refresh_token());
        let begun = event(AuditAction::TokenIssued);
        RefreshTokenStore::insert(store, family.clone(), first.clone(), begun)
            .await
            .unwrap();
        families.push((family, first.digest));
    }
    let [live, spent, ended, subject] = <[_; 4]>::try_from(families).unwrap();
    let mut attempt = fixtures.use_of(&spent.0, spent.1);
    attempt.grace = Duration::ZERO;
    store.use_token(attempt.clone()).await.unwrap();
    let again = fixtures.use_of(&spent.0, spent.1);
    let again = fountain_core::token::RefreshUse {
        grace: Duration::ZERO,
        ..again
    };
    let rotation = fixtures.use_of(&live.0, live.1);
    step!("use a token", |of| of.use_token(rotation));
    step!("use a spent token", |of| of.use_token(again));
    let (of_tenant, end) = (tenant.clone(), event(AuditAction::TokenRevoked));
    step!("end a family", |of| of.revoke_family(
        &of_tenant,
        &ended.0.id,
        NOW,
        NOW + Duration::from_secs(900),
        end
    ));
    let (of_tenant, end) = (tenant.clone(), event(AuditAction::TokenRevoked));
    step!("end a subject's families", |of| {
        RefreshTokenStore::revoke_subject(
            &of,
            &of_tenant,
            &subject.0.subject,
            NOW,
            NOW + Duration::from_secs(900),
            end,
        )
    });
    let (family, first) = (fixtures.family(&tenant), fixtures.refresh_token());
    let begun = event(AuditAction::TokenIssued);
    step!("begin a family", |of| RefreshTokenStore::insert(
        &of, family, first, begun
    ));
    let revocation = fixtures.revocation(RevocationKey::Subject {
        tenant: tenant.clone(),
        subject: fixtures.subject(),
    });
    let revoked = event(AuditAction::TokenRevoked);
    step!("revoke tokens", |of| RevocationStore::revoke(
        &of, revocation, revoked
    ));

    let issuer = fixtures.issuer();
    let (first, second) = (fixtures.signing_key(&issuer), fixtures.signing_key(&issuer));
    let (first_kid, second_kid) = (first.kid.clone(), second.kid.clone());
    let activate = |kid| KeyTransition::Activate {
        kid,
        remove_from: NOW,
    };
    let ring = [
        KeyTransition::Publish(first),
        activate(first_kid.clone()),
        KeyTransition::Publish(second),
    ];
    for (generation, transition) in (0..).zip(ring) {
        let noted = event(AuditAction::SigningKeyPublished);
        let applied = store.apply(&issuer, generation, transition, NOW, noted);
        applied.await.unwrap();
    }
    let (of_issuer, noted) = (issuer.clone(), event(AuditAction::SigningKeyActivated));
    // Each is asked for at the generation that stands, so that only one of them can be made: the first one that is.
    step!("activate a signing key", |of| of.apply(
        &of_issuer,
        3,
        activate(second_kid),
        NOW,
        noted
    ));
    let replacement = KeyTransition::Revoke {
        kid: first_kid,
        replacement: Some(fixtures.replacement_key(&issuer, NOW)),
    };
    let noted = event(AuditAction::SigningKeyRevoked);
    step!("revoke a signing key", |of| of.apply(
        &issuer,
        3,
        replacement,
        NOW,
        noted
    ));

    for name in ["assign", "disable a subject"] {
        let record = fixtures.subject_record(&tenant, &["clerk"]);
        let registered = event(AuditAction::SubjectRegistered);
        SubjectStore::insert(store, record.clone(), registered)
            .await
            .unwrap();
        let (tenant, of) = (tenant.clone(), store.clone());
        let change = event(AuditAction::SubjectRolesAssigned);
        steps.push((
            name,
            Box::pin(async move {
                let roles = BTreeSet::from(["auditor".to_owned(), "clerk".to_owned()]);
                if name == "assign" {
                    let assigned = of.assign(&tenant, &record.subject, roles, None, change);
                    assigned.await.map(drop)
                } else {
                    let subject = &record.subject;
                    SubjectStore::disable(&of, &tenant, subject, NOW, None, change)
                        .await
                        .map(drop)
                }
            }),
        ));
    }
    let record = fixtures.subject_record(&tenant, &["clerk"]);
    let registered = event(AuditAction::SubjectRegistered);
    step!("register a subject", |of| SubjectStore::insert(
        &of, record, registered
    ));
    let refused = event(AuditAction::TokenRevoked);
    step!("record an event", |of| of.record(refused));
    let batch = vec![
        event(AuditAction::Authenticated),
        event(AuditAction::Authorized),
    ];
    step!("record events", |of| of.record_all(batch));
    steps.extend(login::changes(store, fixtures).await);
    steps
}

const TABLES: [&str; 17] = [
    "api_keys",
    "key_rings",
    "signing_keys",
    "families",
    "refresh_tokens",
    "revocations",
    "subjects",
    "subject_roles",
    "kept_roles",
    "lockouts",
    "budgets",
    "credentials",
    "factors",
    "recovery_codes",
    "challenges",
    "audit",
    "changes",
];

/// Everything that is stored, as one number.
async fn everything(beside: &mut PgConnection) -> i64 {
    let tables = TABLES.map(|table| {
        format!("(SELECT coalesce(string_agg(t::text, '|' ORDER BY t::text), '') FROM fountain.{table} AS t)")
    });
    let sql = format!("SELECT hashtextextended({}, 0)", tables.join(" || "));
    number(beside, &sql).await
}

/// Has a table fail behind each row that is written, after so many writes.
async fn fail_behind_rows(beside: &mut PgConnection, table: &str, state: &str, condition: &str) {
    let sql = format!(
        "CREATE SEQUENCE IF NOT EXISTS fired;
         ALTER SEQUENCE fired RESTART;
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF {condition} THEN RAISE 'no' USING ERRCODE = '{state}'; END IF; RETURN NULL; END $$;
         CREATE OR REPLACE TRIGGER fail AFTER INSERT OR UPDATE OR DELETE ON fountain.{table}
         FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    run(beside, &sql).await;
}

/// How often it was reached; a rollback does not take that back.
async fn fired(beside: &mut PgConnection) -> i64 {
    let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM fired";
    let count = number(beside, sql).await;
    run(beside, "ALTER SEQUENCE fired RESTART").await;
    count
}

/// F-14, F-36, R-92: behind each row of each table, for every change that there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_behind_any_of_its_rows_leaves_none() {
    let world = World::new().await;
    let store = &world.node.store;
    let fixtures = Fixtures::seeded(14);
    let mut beside = world.beside().await;
    let mut reached = Vec::new();
    let mut never = Vec::new();
    for table in TABLES {
        let steps = changes(store, &fixtures).await;
        fail_behind_rows(&mut beside, table, "P0001", "nextval('fired') > 0").await;
        let mut any = false;
        for (name, step) in steps {
            let before = everything(&mut beside).await;
            let outcome = step.await;
            let fired = fired(&mut beside).await > 0;
            assert_eq!(outcome.is_err(), fired, "{name} at {table}: {outcome:?}");
            if let Err(error) = outcome {
                any = true;
                assert_eq!(
                    error.kind(),
                    StoreErrorKind::Unavailable,
                    "{name} at {table}"
                );
                assert_eq!(everything(&mut beside).await, before, "{name} at {table}");
                reached.push(name);
            }
        }
        if !any {
            never.push(table);
        }
        run(
            &mut beside,
            &format!("DROP TRIGGER fail ON fountain.{table}"),
        )
        .await;
    }
    // Roles are kept only where a call says so; the others were all written to, and each change wrote somewhere.
    assert_eq!(never, ["kept_roles"]);
    let without = changes(store, &fixtures).await;
    for (name, step) in without {
        assert!(reached.contains(&name), "{name} was never broken off");
        let before = everything(&mut beside).await;
        step.await.unwrap();
        // Two of them are for one generation of a ring: the second one comes too late.
        let changed = everything(&mut beside).await != before;
        assert_eq!(changed, name != "revoke a signing key", "{name}");
    }
}

/// F-14, F-08, as a caller of Fountain sees it: 503, and nothing is changed.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_or_a_failing_trail_nothing_changes_and_the_caller_is_told() {
    let world = World::new().await;
    let fountain = &world.node.fountain;
    let key = issue(fountain).await.unwrap();
    let mut beside = world.beside().await;
    for state in ["53100", "P0001", "58030"] {
        fail_behind_rows(&mut beside, "audit", state, "nextval('fired') > 0").await;
        let before = everything(&mut beside).await;
        for error in [
            revoke(fountain, &key).await.unwrap_err(),
            issue(fountain).await.unwrap_err(),
        ] {
            assert_eq!(*error.kind(), ErrorKind::Unavailable, "{state}");
            let rejection = error.rejection();
            assert_eq!(rejection.reason().as_str(), "store_unavailable");
        }
        assert!(fired(&mut beside).await >= 2);
        assert_eq!(everything(&mut beside).await, before);
        assert_eq!(accepts(fountain, &key).await, Ok(true));
    }
    run(&mut beside, "DROP TRIGGER fail ON fountain.audit").await;
    revoke(fountain, &key).await.unwrap();
    assert_eq!(accepts(fountain, &key).await, Ok(false));
}

/// F-08: no connection to be had.
#[tokio::test(flavor = "multi_thread")]
async fn with_all_connections_of_the_server_taken_a_new_node_fails_closed_in_time() {
    let world = World::with(
        &["max_connections=12", "superuser_reserved_connections=0"],
        1,
    )
    .await;
    let key = issue(&world.node.fountain).await.unwrap();
    let crowded = pool(options(&world.server.url()), 3);
    let late = PostgresStore::builder(crowded).migrate(false);
    let mut taken = Vec::new();
    let url = options(&world.server.url());
    while let Ok(one) = sqlx::ConnectOptions::connect(&url).await {
        taken.push(one);
        assert!(taken.len() < 13);
    }
    let (built, took) = timed(late.clone().build()).await;
    assert!(built.is_err() && took < Duration::from_secs(2), "{took:?}");
    // Who has a connection goes on.
    assert_eq!(accepts(&world.node.fountain, &key).await, Ok(true));
    drop(taken);
    within("there is room again", RECOVERY, async || {
        late.clone().build().await.ok()
    })
    .await;
}

/// F-07: real conflicts, not made up ones. Where every transaction is serialisable, a call that waits for a row which
/// then changes fails with 40001. It is tried again, and what was counted is exact.
#[tokio::test(flavor = "multi_thread")]
async fn real_serialisation_conflicts_are_tried_again_and_every_count_is_exact() {
    let world = World::new().await;
    let strict =
        options(&world.server.url()).options([("default_transaction_isolation", "serializable")]);
    let node = Node::start(strict, 8, Duration::ZERO).await;
    let (tenant, alice) = (Tenant::default(), Subject::new("alice").unwrap());
    let subjects = node.fountain.subjects();
    subjects
        .register(Authority::System, &tenant, &alice, ["clerk"])
        .await
        .unwrap();
    let mut beside = world.beside().await;
    let mut changed = 0;
    for turn in 0..4_u64 {
        run(
            &mut beside,
            "BEGIN; UPDATE fountain.subjects SET version = version",
        )
        .await;
        let mut calls = JoinSet::new();
        for call in 0..3 {
            let (store, tenant, alice) = (node.store.clone(), tenant.clone(), alice.clone());
            let fixtures = Fixtures::seeded(700 + turn * 10 + call);
            calls.spawn(async move {
                let roles = BTreeSet::from([format!("role-{turn}-{call}")]);
                let event = fixtures.event(&tenant, AuditAction::SubjectRolesAssigned);
                store.assign(&tenant, &alice, roles, None, event).await
            });
        }
        within("they wait for the row", RECOVERY, async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            let mut another = world.beside().await;
            (number(&mut another, waiting).await == 3).then_some(())
        })
        .await;
        run(&mut beside, "COMMIT").await;
        for outcome in calls.join_all().await {
            match outcome {
                Ok(_) => changed += 1,
                // Three that met can take three tries each and more.
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::Contended),
            }
        }
    }
    assert!(changed >= 4, "{changed}");
    let record = subjects.find(&tenant, &alice).await.unwrap().unwrap();
    let traces = "SELECT count(*) FROM fountain.audit WHERE event->>'action' LIKE 'subject.%'";
    assert_eq!(number(&mut beside, traces).await, changed + 1);
    assert_eq!(i64::try_from(record.version).unwrap(), changed + 1);
    // A connection that ends tells what it counted.
    node.pool.close().await;
    within("conflicts were rolled back", RECOVERY, async || {
        let sql = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        (number(&mut beside, sql).await >= 4).then_some(())
    })
    .await;
}
