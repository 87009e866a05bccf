//! F-35: what cannot be read fails closed, alone, and is kept as it is.

use fountain_core::StoreErrorKind;
use fountain_core::access::SubjectStore;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::{AuditAction, AuditStore};
use fountain_core::change::{ChangeCursor, ChangeFeed};
use fountain_core::signing::{KeyTransition, SigningKeyStore};
use fountain_core::token::RefreshTokenStore;

use fountain_conformance::NOW;

use crate::workbench::{Workbench, number, run};

mod login;

#[tokio::test]
async fn a_key_that_cannot_be_read_fails_alone_and_stays_as_it_is() {
    let damages = [
        "scopes = '[\"Orders:READ\"]'",
        "scopes = '{'",
        "digest = x'00'",
        "created_by = '{\"kind\":\"martian\"}'",
        "expires_at = 9223372036854775807",
        "revoked_at = -9223372036854775808",
        "tenant = tenant || char(10)",
        "owner = CAST(x'ff' AS TEXT)",
        "owner_limit = '{\"requests\":-1}'",
        "successor = 'short'",
    ];
    let bench = Workbench::new();
    let store = bench.open().await;
    let sound = bench.insert(&store).await.unwrap();
    let mut beside = bench.beside().await;
    for damage in damages {
        let damaged = bench.insert(&store).await.unwrap();
        let id = damaged.id.as_str();
        run(
            &mut beside,
            &format!("UPDATE fountain_api_keys SET {damage} WHERE id = '{id}'"),
        )
        .await;
        let kept = format!("SELECT count(*) FROM fountain_api_keys WHERE id = '{id}' AND {damage}")
            .replace("tenant = tenant || char(10)", "instr(tenant, char(10))");

        let error = KeyStore::find(&store, &damaged.id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
        let verified = store.find_by_digest(&damaged.digest).await;
        // A key whose digest is damaged is not found by what it was.
        assert!(
            matches!(&verified, Err(error) if error.kind() == StoreErrorKind::Corrupt)
                || (damage.starts_with("digest") && matches!(verified, Ok(None))),
            "{damage}: {verified:?}"
        );
        let successor = bench.fixtures.successor_of(&damaged);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyRotated);
        let rotated = store
            .rotate(&damaged.tenant, &damaged.id, successor, NOW, NOW, event)
            .await;
        // A key whose tenant is damaged is in no tenant that anybody can name.
        assert!(
            matches!(&rotated, Err(error) if error.kind() == StoreErrorKind::Corrupt)
                || damage.starts_with("tenant"),
            "{damage}: {rotated:?}"
        );
        assert_eq!(number(&mut beside, &kept).await, 1, "{damage}");
        assert_eq!(
            KeyStore::find(&store, &sound.id).await.unwrap().as_ref(),
            Some(&sound)
        );
    }
}

#[tokio::test]
async fn a_page_leaves_out_what_cannot_be_read_and_goes_on_behind_it() {
    let bench = Workbench::new();
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
        &format!("UPDATE fountain_api_keys SET scopes = 'x' WHERE id = '{id}'"),
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
    let bench = Workbench::new();
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    run(
        &mut bench.beside().await,
        "UPDATE fountain_api_keys SET scopes = 'x'",
    )
    .await;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    let outcome = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event)
        .await
        .unwrap();
    assert_eq!(outcome, fountain_core::api_key::KeyChangeOutcome::Changed);
}

#[tokio::test]
async fn an_audit_page_says_that_an_event_cannot_be_read_instead_of_hiding_it() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for _ in 0..3 {
        bench.insert(&store).await.unwrap();
    }
    run(
        &mut bench.beside().await,
        "UPDATE fountain_audit SET event = '{}' WHERE sequence = 2",
    )
    .await;
    let page = AuditStore::page(&store, &bench.tenant, None, 10).await;
    assert_eq!(page.unwrap_err().kind(), StoreErrorKind::Corrupt);

    // Who wants to go on does it knowingly.
    let before = AuditStore::page(&store, &bench.tenant, None, 1)
        .await
        .unwrap();
    let after = fountain_core::audit::AuditSequence(2);
    let behind = AuditStore::page(&store, &bench.tenant, Some(after), 10)
        .await
        .unwrap();
    assert_eq!((before.items.len(), behind.items.len()), (1, 1));
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_a_gap() {
    let bench = Workbench::new();
    let store = bench.open().await;
    for _ in 0..5 {
        bench.insert(&store).await.unwrap();
    }
    for damage in [
        "UPDATE fountain_changes SET at = 9223372036854775807 WHERE position = 3",
        "UPDATE fountain_changes SET change = '?', at = NULL WHERE position = 3",
    ] {
        run(&mut bench.beside().await, damage).await;
        let batch = store.since(ChangeCursor(0), 100).await.unwrap();
        assert!(batch.gap && batch.changes.is_empty(), "{damage}");
        assert_eq!(batch.cursor, store.head().await.unwrap());
        let behind = store.since(ChangeCursor(3), 100).await.unwrap();
        assert_eq!((behind.gap, behind.changes.len()), (false, 2));
    }
}

#[tokio::test]
async fn a_ring_with_a_key_that_cannot_be_read_is_no_ring_and_others_are() {
    let bench = Workbench::new();
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
        &format!("UPDATE fountain_signing_keys SET state = 'asleep' WHERE issuer = '{first}'"),
    )
    .await;
    let error = store.ring(&issuers[0]).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(store.ring(&issuers[1]).await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn a_family_and_a_subject_that_cannot_be_read_fail_closed() {
    let bench = Workbench::new();
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
    run(&mut beside, "UPDATE fountain_families SET assurance = '[]'").await;
    run(&mut beside, "UPDATE fountain_subjects SET version = -1").await;

    let used = store
        .use_token(bench.fixtures.use_of(&family, digest))
        .await;
    assert_eq!(used.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let found = SubjectStore::find(&store, &bench.tenant, &subject.subject).await;
    assert_eq!(found.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let unspent = "SELECT count(*) FROM fountain_refresh_tokens WHERE spent_at IS NULL";
    assert_eq!(number(&mut beside, unspent).await, 1);
}

/// Nothing of a stored value may reach a log through an error.
#[tokio::test]
async fn the_error_names_the_place_and_not_the_value() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    run(
        &mut bench.beside().await,
        "UPDATE fountain_api_keys SET created_by = '{\"kind\":\"hunter2\"}'",
    )
    .await;
    let error = KeyStore::find(&store, &key.id).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("fountain_api_keys") && shown.contains("created_by"));
    assert!(!shown.contains("hunter2"), "{shown}");
}
