//! What stands in the server: no id is taken for another, and nothing stays of what was removed.

use std::collections::BTreeSet;
use std::time::Duration;

use fountain_conformance::NOW;
use fountain_core::access::{SubjectChangeOutcome, SubjectStore};
use fountain_core::api_key::KeyStore;
use fountain_core::audit::AuditAction;
use fountain_core::change::RevocationKey;
use fountain_core::token::{RefreshTokenStore, Revocation, RevocationStore, RevokeOutcome};
use fountain_core::{Subject, Tenant, Timestamp};

use crate::workbench::Workbench;

const HOSTILE: [&str; 12] = [
    "%",
    "*",
    "a:b",
    "{tag}",
    "user:1:lock",
    "%25",
    "a b",
    "a%20b",
    "a",
    "-",
    "?",
    "[ab]",
];

/// B-78
#[tokio::test]
async fn look_alike_subjects_and_roles_are_never_taken_for_each_other() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for name in HOSTILE {
        let mut record = bench.fixtures.subject_record(&bench.tenant, &[name]);
        record.subject = Subject::new(name).unwrap();
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::SubjectRegistered);
        assert!(
            SubjectStore::insert(&store, record, event).await.unwrap(),
            "{name}"
        );
    }
    for name in HOSTILE {
        let subject = Subject::new(name).unwrap();
        let found = SubjectStore::find(&store, &bench.tenant, &subject)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.roles, BTreeSet::from([name.to_owned()]));
        // Each is the last holder of its role, whatever the others look like.
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::SubjectDisabled);
        let outcome =
            SubjectStore::disable(&store, &bench.tenant, &subject, NOW, Some(name), event).await;
        assert_eq!(outcome.unwrap(), SubjectChangeOutcome::LastHolder, "{name}");

        let key = RevocationKey::Subject {
            tenant: bench.tenant.clone(),
            subject,
        };
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::TokenRevoked);
        let outcome = RevocationStore::revoke(&store, bench.fixtures.revocation(key), event).await;
        assert_eq!(outcome.unwrap(), RevokeOutcome::Revoked, "{name}");
    }
    let (subjects, revocations): (usize, usize) = (
        bench.run(&["HLEN", "@subjects"]).await,
        bench.run(&["HLEN", "@revocations"]).await,
    );
    assert_eq!((subjects, revocations), (HOSTILE.len(), HOSTILE.len()));
}

/// No tenant's page reaches into that of a tenant whose name begins alike.
#[tokio::test]
async fn tenants_whose_names_begin_alike_have_pages_of_their_own() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let tenants = ["a", "a-", "a.", "aa", "a0", "A", "a_"].map(|name| Tenant::new(name).unwrap());
    for tenant in &tenants {
        for _ in 0..3 {
            let event = bench.fixtures.event(tenant, AuditAction::ApiKeyIssued);
            KeyStore::insert(&store, bench.fixtures.api_key(tenant), event)
                .await
                .unwrap();
        }
    }
    for tenant in &tenants {
        let page = KeyStore::page(&store, tenant, None, 100).await.unwrap();
        assert_eq!(page.items.len(), 3);
        assert!(page.items.iter().all(|key| key.tenant == *tenant));
    }
}

/// what expired is gone, with every token, index and sealed text; what is left is the trail and the feed.
#[tokio::test]
async fn purging_leaves_nothing_behind() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for _ in 0..5 {
        let key = bench.insert(&store).await.unwrap();
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRotated);
        let successor = bench.fixtures.successor_of(&key);
        store
            .rotate(&bench.tenant, &key.id, successor, NOW, NOW, event)
            .await
            .unwrap();
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRevoked);
        KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event)
            .await
            .unwrap();

        let family = bench.fixtures.family(&bench.tenant);
        let first = bench.fixtures.refresh_token();
        let mut presented = first.digest;
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::TokenIssued);
        RefreshTokenStore::insert(&store, family.clone(), first, event)
            .await
            .unwrap();
        for _ in 0..30 {
            let attempt = bench.fixtures.use_of(&family, presented);
            presented = attempt.successor.digest;
            store.use_token(attempt).await.unwrap();
        }
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::TokenRevoked);
        store
            .revoke_family(
                &bench.tenant,
                &family.id,
                NOW,
                NOW + Duration::from_secs(60),
                event,
            )
            .await
            .unwrap();
        // Made longer twice: the earlier ends must not stay listed.
        for seconds in [90, 120] {
            let revocation = Revocation {
                key: RevocationKey::Family {
                    tenant: bench.tenant.clone(),
                    id: family.id.clone(),
                },
                not_before: NOW,
                expires_at: NOW + Duration::from_secs(seconds),
            };
            let event = bench
                .fixtures
                .event(&bench.tenant, AuditAction::TokenRevoked);
            RevocationStore::revoke(&store, revocation, event)
                .await
                .unwrap();
        }
    }
    assert_eq!(
        KeyStore::purge(&store, Timestamp::MAX, 1_000)
            .await
            .unwrap(),
        10
    );
    assert_eq!(
        RefreshTokenStore::purge(&store, Timestamp::MAX, 3)
            .await
            .unwrap(),
        3
    );
    assert_eq!(
        RefreshTokenStore::purge(&store, Timestamp::MAX, 1_000)
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        RevocationStore::purge(&store, Timestamp::MAX, 1_000)
            .await
            .unwrap(),
        5
    );
    let mut keys = bench.namespace.keys(&bench.client);
    keys.sort();
    let left = ["audit:default", "changes", "events", "meta"].map(|table| bench.key(table));
    assert_eq!(keys, left);
}

/// A family with more tokens than one step of a purge takes goes whole all the same, and the others in further steps.
#[tokio::test]
async fn a_family_with_very_many_tokens_is_purged_whole() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for tokens in [1_500, 1, 1] {
        let family = bench.fixtures.family(&bench.tenant);
        let first = bench.fixtures.refresh_token();
        let mut presented = first.digest;
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::TokenIssued);
        RefreshTokenStore::insert(&store, family.clone(), first, event)
            .await
            .unwrap();
        for _ in 1..tokens {
            let attempt = bench.fixtures.use_of(&family, presented);
            presented = attempt.successor.digest;
            store.use_token(attempt).await.unwrap();
        }
    }
    let tokens: u64 = bench.run(&["HLEN", "@refresh_tokens"]).await;
    assert_eq!(tokens, 1_502);
    assert_eq!(
        RefreshTokenStore::purge(&store, Timestamp::MAX, 10)
            .await
            .unwrap(),
        3
    );
    let left: u64 = bench.run(&["EXISTS", "@refresh_tokens", "@families"]).await;
    assert_eq!(left, 0);
}

/// what a record takes, as the README says, in bytes of the server's memory.
#[tokio::test]
async fn records_take_no_more_memory_than_the_readme_says() {
    const USES: u64 = 2_000;
    let bench = Workbench::new();
    let store = bench.open().await;
    let family = bench.fixtures.family(&bench.tenant);
    let first = bench.fixtures.refresh_token();
    let mut presented = first.digest;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::TokenIssued);
    RefreshTokenStore::insert(&store, family.clone(), first, event)
        .await
        .unwrap();
    for _ in 0..USES {
        let attempt = bench.fixtures.use_of(&family, presented);
        presented = attempt.successor.digest;
        store.use_token(attempt).await.unwrap();
    }
    for _ in 0..USES {
        bench.insert(&store).await.unwrap();
    }
    let mut memory = Vec::new();
    for table in [
        "@refresh_tokens",
        "@audit:default",
        "@events",
        "@api_keys",
        "@api_keys:pages",
        "@api_keys:ends",
        "@api_keys:digests",
    ] {
        let bytes: u64 = bench.run(&["MEMORY", "USAGE", table, "SAMPLES", "0"]).await;
        memory.push(bytes / USES);
    }
    assert!(memory[0] <= 220, "a token: {memory:?}");
    // Each use and each key has one.
    assert!((memory[1] + memory[2]) / 2 <= 420, "an event: {memory:?}");
    let key: u64 = memory[3..].iter().sum();
    assert!(key <= 1_400, "a key: {memory:?}");
}
