//! Rows that somebody broke, and tables that are half made.

use std::time::Duration;

use fountain_core::access::Authority;
use fountain_core::{Reason, StoreErrorKind, Subject, Tenant};
use fountain_store_postgres::{MIGRATIONS, PostgresStore};
use fountain_tests_faults::{Cut, Direction, Proxy, Seen, Server, pause, within};
use sqlx::ConnectOptions as _;
use tokio::task::JoinSet;

use crate::world::{
    Node, RECOVERY, World, accepts, accepts_token, idle_in_transaction, issue, number, options,
    pool, revoke, run, sign_in,
};

/// F-35: who holds a broken row is refused, by a reason of its own; nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_row_closes_its_own_door_and_no_other() {
    let world = World::new().await;
    let fountain = &world.node.fountain;
    let mut beside = world.beside().await;
    // What the server itself would not have let in.
    run(
        &mut beside,
        "ALTER TABLE fountain.api_keys ALTER COLUMN created_by DROP NOT NULL;
         ALTER TABLE fountain.signing_keys DROP CONSTRAINT signing_keys_state_check",
    )
    .await;
    let other = issue(fountain).await.unwrap();
    for broken in [
        "created_by = NULL",
        "created_by = '\"nobody knows\"'",
        "scopes = '{\"no scope\"}'",
        "tenant = ''",
        "created_at = 9223372036854775807",
        "expires_at = -9223372036854775808",
    ] {
        let key = issue(fountain).await.unwrap();
        let id = &key.record.id;
        let sql = format!("UPDATE fountain.api_keys SET {broken} WHERE id = '{id}'");
        run(&mut beside, &sql).await;
        assert_eq!(
            accepts(fountain, &key).await,
            Err(Reason::StoreCorrupt),
            "{broken}"
        );
        assert_eq!(accepts(fountain, &other).await, Ok(true), "{broken}");
        // It is kept as it is, and can be ended all the same.
        if broken != "tenant = ''" {
            revoke(fountain, &key).await.unwrap();
            assert_ne!(accepts(fountain, &key).await, Ok(true));
        }
    }
    // Keys are found by their digest: one with a flipped bit is a key that nobody has.
    let key = issue(fountain).await.unwrap();
    let flip = "UPDATE fountain.api_keys SET digest = set_bit(digest, 77, 1 - get_bit(digest, 77))";
    run(
        &mut beside,
        &format!("{flip} WHERE id = '{}'", key.record.id),
    )
    .await;
    assert_eq!(accepts(fountain, &key).await, Ok(false));

    let (tenant, bob) = (Tenant::default(), Subject::new("bob").unwrap());
    let subjects = fountain.subjects();
    subjects
        .register(Authority::System, &tenant, &bob, ["clerk"])
        .await
        .unwrap();
    let alice = sign_in(fountain, "alice").await.unwrap();
    run(&mut beside, "UPDATE fountain.subjects SET version = -1").await;
    assert!(sign_in(fountain, "bob").await.is_err());
    // A revocation from the far future is one.
    run(
        &mut beside,
        "INSERT INTO fountain.revocations VALUES ('subject', 'default', 'alice', 253402207200000000, 253402207200000000)",
    )
    .await;
    assert_eq!(accepts_token(fountain, &alice).await, Ok(false));
    let carol = sign_in(fountain, "carol").await.unwrap();
    assert_eq!(accepts_token(fountain, &carol).await, Ok(true));

    run(
        &mut beside,
        "UPDATE fountain.signing_keys SET state = 'golden'",
    )
    .await;
    pause(Duration::from_millis(50)).await;
    assert!(accepts_token(fountain, &carol).await.is_err());
    assert!(sign_in(fountain, "carol").await.is_err());
    assert_eq!(accepts(fountain, &other).await, Ok(true));
    run(
        &mut beside,
        "UPDATE fountain.signing_keys SET state = 'active', sealed = set_bit(sealed, 99, 1 - get_bit(sealed, 99))",
    )
    .await;
    pause(Duration::from_millis(50)).await;
    assert!(sign_in(fountain, "carol").await.is_err());
}

/// F-37, R-108: eight nodes start on an empty server.
#[tokio::test(flavor = "multi_thread")]
async fn eight_nodes_that_start_at_once_all_come_up_on_tables_made_once() {
    let server = Server::postgres(&[]).await;
    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let options = options(&server.url());
        nodes.spawn(Node::start(options, 2, Duration::from_secs(5)));
    }
    let nodes = nodes.join_all().await;
    let mut beside = options(&server.url()).connect().await.unwrap();
    let migrations = i64::try_from(MIGRATIONS.len()).unwrap();
    for (sql, count) in [
        ("SELECT count(*) FROM fountain.schema", 1),
        ("SELECT count(*) FROM fountain._migrations", migrations),
        (
            "SELECT count(*) FROM fountain.signing_keys WHERE state = 'active'",
            1,
        ),
    ] {
        assert_eq!(number(&mut beside, sql).await, count, "{sql}");
    }
    // They are one service: what one signs, all accept.
    let tokens = sign_in(&nodes[0].fountain, "alice").await.unwrap();
    for node in &nodes {
        assert_eq!(accepts_token(&node.fountain, &tokens).await, Ok(true));
    }
    assert_eq!(idle_in_transaction(&server).await, 0);
}

/// How many tables all migrations together make.
const TABLES: i64 = 20;

/// F-37: a migration that is broken off leaves nothing, wherever that is, and the next one finds nothing in its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_is_broken_off_leaves_nothing_behind() {
    let mut server = Server::postgres(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let url = server.url_through(proxy.address());
    let words = [
        "pg_advisory_xact_lock",
        "CREATE SCHEMA",
        "_migrations",
        "CREATE TABLE fountain.refresh_tokens",
        "CREATE FUNCTION fountain.use_token",
        "execution_time",
        "COMMIT",
    ];
    let mut left_whole = 0;
    for word in words {
        for cut in [Cut::Before, Cut::After] {
            let seen = Seen::Pattern(word.into());
            proxy.cut_when(Direction::ToServer, seen, cut);
            let builder = PostgresStore::builder(pool(options(&url), 1));
            let sprung = proxy.sprung();
            assert!(builder.clone().build().await.is_err(), "{word} {cut:?}");
            assert_eq!(proxy.sprung(), sprung + 1, "{word} {cut:?}");
            let mut beside = options(&server.url()).connect().await.unwrap();
            within("the server has noticed", RECOVERY, async || {
                let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                              AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'";
                (number(&mut beside, others).await == 0).then_some(())
            })
            .await;
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'fountain'";
            let whole = number(&mut beside, tables).await;
            assert!(
                whole == 0 || whole == TABLES,
                "{word} {cut:?}: {whole} tables"
            );
            left_whole += usize::from(whole > 0);
            assert!(
                whole == 0 || (word, cut) == ("COMMIT", Cut::After),
                "{word} {cut:?}"
            );
            builder.build().await.unwrap();
            assert_eq!(number(&mut beside, tables).await, TABLES);
            run(&mut beside, "DROP SCHEMA fountain CASCADE").await;
        }
    }
    assert_eq!(left_whole, 1);

    // The server dies under eight nodes that start.
    for wait in [5, 30, 60] {
        let mut nodes = JoinSet::new();
        for _ in 0..8 {
            let builder = PostgresStore::builder(pool(options(&server.url()), 1));
            nodes.spawn(async move { builder.build().await.map(drop) });
        }
        pause(Duration::from_millis(wait)).await;
        server.kill().await;
        drop(nodes.join_all().await);
        server.start().await;
        let node = Node::start(options(&server.url()), 2, Duration::ZERO).await;
        let key = issue(&node.fountain).await.unwrap();
        assert_eq!(accepts(&node.fountain, &key).await, Ok(true));
        let mut beside = options(&server.url()).connect().await.unwrap();
        run(&mut beside, "DROP SCHEMA fountain CASCADE").await;
    }
}

/// F-37, R-108: tables of the next version, which say whether this one may still work on them.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_node_works_beside_a_newer_one_as_long_as_the_tables_say_so() {
    let world = World::new().await;
    let mut beside = world.beside().await;
    let builder = PostgresStore::builder(pool(options(&world.server.url()), 2));
    let key = issue(&world.node.fountain).await.unwrap();
    run(
        &mut beside,
        "UPDATE fountain.schema SET version = version + 1",
    )
    .await;
    builder.clone().build().await.unwrap();
    assert_eq!(accepts(&world.node.fountain, &key).await, Ok(true));
    run(
        &mut beside,
        "UPDATE fountain.schema SET serves_from = version",
    )
    .await;
    let refused = builder.build().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Schema);
}
