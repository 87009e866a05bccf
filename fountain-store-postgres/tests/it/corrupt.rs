//! F-35: what cannot be read fails closed, alone, and is kept as it is.

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::access::SubjectStore;
use fountain_core::api_key::{KeyChangeOutcome, KeyStore};
use fountain_core::audit::{AuditAction, AuditSequence, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_core::signing::{KeyTransition, SigningKeyStore};
use fountain_core::token::RefreshTokenStore;
use sqlx::{AssertSqlSafe, Executor};

use crate::server::{number, run};
use crate::workbench::Workbench;

#[tokio::test]
async fn a_key_that_cannot_be_read_fails_alone_and_stays_as_it_is() {
    let damages = [
        "scopes = ARRAY['Orders:READ']",
        "scopes = ARRAY[NULL]::text[]",
        "digest = '\\x00'",
        "created_by = '{\"kind\":\"martian\"}'",
        "expires_at = 9223372036854775807",
        "revoked_at = -9223372036854775808",
        "tenant = tenant || chr(10)",
        "owner = ''",
        "owner_limit = '{\"requests\":-1}'",
        "rotation = '[]'",
        "successor = 'short'",
        "digest = NULL",
    ];
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let sound = bench.insert(&store).await.unwrap();
    let mut beside = bench.beside().await;
    // What the columns themselves refuse is put in as a damaged disk would.
    run(
        &mut beside,
        "ALTER TABLE fountain.api_keys DROP CONSTRAINT api_keys_digest_check, ALTER digest DROP NOT NULL",
    )
    .await;
    for damage in damages {
        let damaged = bench.insert(&store).await.unwrap();
        let id = damaged.id.as_str();
        let here = format!("WHERE id = '{id}'");
        run(
            &mut beside,
            &format!("UPDATE fountain.api_keys SET {damage} {here}"),
        )
        .await;
        let row =
            format!("SELECT hashtext(key::text)::bigint FROM fountain.api_keys AS key {here}");
        let before = number(&mut beside, &row).await;

        let error = KeyStore::find(&store, &damaged.id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
        let verified = store.find_by_digest(&damaged.digest).await;
        // A key whose digest is damaged is not found by what it was.
        assert!(
            matches!(&verified, Err(error) if error.kind() == StoreErrorKind::Corrupt)
                || (damage.starts_with("digest") && matches!(verified, Ok(None))),
            "{damage}: {verified:?}"
        );
        assert_eq!(number(&mut beside, &row).await, before, "{damage}");
        assert_eq!(
            KeyStore::find(&store, &sound.id).await.unwrap().as_ref(),
            Some(&sound)
        );
    }
}

/// What the columns' own types and checks refuse never becomes a record.
#[tokio::test]
async fn the_tables_refuse_what_is_plainly_wrong() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    bench.insert(&store).await.unwrap();
    let mut beside = bench.beside().await;
    for wrong in [
        "UPDATE fountain.api_keys SET digest = '\\x00'",
        "UPDATE fountain.api_keys SET owner_limit = '{'",
        "UPDATE fountain.api_keys SET expires_at = NULL",
        "INSERT INTO fountain.revocations VALUES ('tokens', 'a', 'b', 0, 0)",
        "INSERT INTO fountain.heads VALUES ('other', 0)",
        "UPDATE fountain.schema SET serves_from = version + 1",
    ] {
        let refused = beside.execute(AssertSqlSafe(wrong)).await;
        assert!(refused.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_page_leaves_out_what_cannot_be_read_and_goes_on_behind_it() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let mut sound = Vec::new();
    for _ in 0..6 {
        sound.push(bench.insert(&store).await.unwrap());
    }
    sound.sort_by(|a, b| a.id.cmp(&b.id));
    let damaged = sound.remove(2);
    let mut beside = bench.beside().await;
    let id = damaged.id.as_str();
    run(
        &mut beside,
        &format!("UPDATE fountain.api_keys SET scopes = ARRAY['X'] WHERE id = '{id}'"),
    )
    .await;

    for limit in 1..=7 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = KeyStore::page(&store, &bench.tenant, after.as_ref(), limit)
                .await
                .unwrap();
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, sound, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_damaged_key_can_still_be_revoked() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    run(
        &mut bench.beside().await,
        "UPDATE fountain.api_keys SET scopes = ARRAY['X']",
    )
    .await;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    let outcome = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event)
        .await
        .unwrap();
    assert_eq!(outcome, KeyChangeOutcome::Changed);
}

#[tokio::test]
async fn an_audit_page_says_that_an_event_cannot_be_read_instead_of_hiding_it() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    for _ in 0..3 {
        bench.insert(&store).await.unwrap();
    }
    AuditStore::page(&store, &bench.tenant, None, 10)
        .await
        .unwrap();
    run(
        &mut bench.beside().await,
        "UPDATE fountain.audit SET event = '{}' WHERE sequence = 2",
    )
    .await;
    let page = AuditStore::page(&store, &bench.tenant, None, 10).await;
    assert_eq!(page.unwrap_err().kind(), StoreErrorKind::Corrupt);

    // Who wants to go on does it knowingly.
    let before = AuditStore::page(&store, &bench.tenant, None, 1)
        .await
        .unwrap();
    let behind = AuditStore::page(&store, &bench.tenant, Some(AuditSequence(2)), 10)
        .await
        .unwrap();
    assert_eq!((before.items.len(), behind.items.len()), (1, 1));
}

#[tokio::test]
async fn a_change_that_cannot_be_read_or_is_not_there_is_a_gap() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    for _ in 0..5 {
        bench.insert(&store).await.unwrap();
    }
    let head = store.head().await.unwrap();
    let mut beside = bench.beside().await;
    for damage in [
        "UPDATE fountain.changes SET at = 9223372036854775807 WHERE position = 3",
        "UPDATE fountain.changes SET kind = '?', at = NULL WHERE position = 3",
        "DELETE FROM fountain.changes WHERE position = 3",
    ] {
        run(&mut beside, damage).await;
        let batch = store.since(ChangeCursor(0), 100).await.unwrap();
        assert!(batch.gap && batch.changes.is_empty(), "{damage}");
        assert_eq!(batch.cursor, head);
        let behind = store.since(ChangeCursor(3), 100).await.unwrap();
        assert_eq!((behind.gap, behind.changes.len()), (false, 2));
    }
}

#[tokio::test]
async fn a_ring_with_a_key_that_cannot_be_read_is_no_ring_and_others_are() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let issuers = [bench.fixtures.issuer(), bench.fixtures.issuer()];
    for issuer in &issuers {
        let key = bench.fixtures.signing_key(issuer);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::SigningKeyPublished);
        store
            .apply(issuer, 0, KeyTransition::Publish(key), NOW, event)
            .await
            .unwrap();
    }
    let first = issuers[0].as_str();
    run(
        &mut bench.beside().await,
        &format!("UPDATE fountain.signing_keys SET algorithm = 'none' WHERE issuer = '{first}'"),
    )
    .await;
    let error = store.ring(&issuers[0]).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(store.ring(&issuers[1]).await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn a_family_and_a_subject_that_cannot_be_read_fail_closed() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let family = bench.fixtures.family(&bench.tenant);
    let first = bench.fixtures.refresh_token();
    let digest = first.digest;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::TokenIssued);
    assert!(
        RefreshTokenStore::insert(&store, family.clone(), first, event)
            .await
            .unwrap()
    );
    let subject = bench.fixtures.subject_record(&bench.tenant, &["admin"]);
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::SubjectRegistered);
    assert!(
        SubjectStore::insert(&store, subject.clone(), event)
            .await
            .unwrap()
    );
    let mut beside = bench.beside().await;
    run(&mut beside, "UPDATE fountain.families SET assurance = '[]'").await;
    run(&mut beside, "UPDATE fountain.subjects SET version = -1").await;

    let attempt = bench.fixtures.use_of(&family, digest);
    for _ in 0..2 {
        let used = store.use_token(attempt.clone()).await;
        assert_eq!(used.unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
    let found = RefreshTokenStore::find(&store, &bench.tenant, &digest, NOW).await;
    assert_eq!(found.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let found = SubjectStore::find(&store, &bench.tenant, &subject.subject).await;
    assert_eq!(found.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

/// Nothing of a stored value may reach a log through an error.
#[tokio::test]
async fn the_error_names_the_place_and_not_the_value() {
    let bench = Workbench::new().await;
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    run(
        &mut bench.beside().await,
        "UPDATE fountain.api_keys SET created_by = '{\"kind\":\"hunter2\"}'",
    )
    .await;
    let error = KeyStore::find(&store, &key.id).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("api_keys") && shown.contains("created_by"));
    assert!(!shown.contains("hunter2"), "{shown}");
}
