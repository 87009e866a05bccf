//! F-35: what cannot be read fails closed, alone, and is kept as it is.

use fountain_conformance::NOW;
use fountain_core::StoreErrorKind;
use fountain_core::access::SubjectStore;
use fountain_core::api_key::{InsertKeyOutcome, KeyChangeOutcome, KeyStore};
use fountain_core::audit::{AuditAction, AuditSequence, AuditStore};
use fountain_core::change::{Change, ChangeCursor, ChangeFeed, RecordedChange, RevocationKey};
use fountain_core::identity::Issuer;
use fountain_core::signing::{KeyTransition, SigningKeyStore};
use fountain_core::token::{RefreshTokenStore, RevocationQuery, RevocationStore};

use crate::workbench::Workbench;

/// The words of a line, changed, as they would be stored.
type Damage = fn(&mut Vec<String>);

#[tokio::test]
async fn a_key_that_cannot_be_read_fails_alone_and_stays_as_it_is() {
    let damages: &[(&str, Damage)] = &[
        ("another tenant", |words| words[0] = "elsewhere".into()),
        ("no creation", |words| words[1] = "-".into()),
        ("another end", |words| {
            words[2] = "1999999999999999999".into()
        }),
        ("a short time", |words| words[4] = "17".into()),
        ("a time past all times", |words| {
            words[5] = "9999999999999999999".into()
        }),
        ("no key id", |words| words[6] = "short".into()),
        ("another digest", |words| words[8] = "A".repeat(43)),
        ("no JSON", |words| words[9] = "{".into()),
        ("no record", |words| words[9] = "{}".into()),
        ("another id", |words| {
            words[9] = words[9].replacen("\"id\":\"", "\"id\":\"0", 1)
        }),
        ("a wrong scope", |words| {
            words[9] = words[9].replace("\"scopes\":[", "\"scopes\":[\"A B\",")
        }),
        ("half a line", |words| words.truncate(5)),
        ("nothing", Vec::clear),
    ];
    let bench = Workbench::new();
    let store = bench.open().await;
    let sound = bench.insert(&store).await.unwrap();
    for (what, damage) in damages {
        let damaged = bench.insert(&store).await.unwrap();
        let id = damaged.id.as_str();
        let line: String = bench.run(&["HGET", "@api_keys", id]).await;
        let mut words: Vec<_> = line.splitn(10, ' ').map(str::to_owned).collect();
        damage(&mut words);
        let kept = words.join(" ");
        assert_ne!(kept, line, "{what}: not damaged");
        let _: u64 = bench.run(&["HSET", "@api_keys", id, &kept]).await;

        let error = KeyStore::find(&store, &damaged.id).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{what}");
        let error = store.find_by_digest(&damaged.digest).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{what}: by digest");
        let found: String = bench.run(&["HGET", "@api_keys", id]).await;
        assert_eq!(found, kept, "{what}");
        assert_eq!(
            KeyStore::find(&store, &sound.id).await.unwrap().as_ref(),
            Some(&sound)
        );
    }
}

#[tokio::test]
async fn a_key_whose_state_cannot_be_read_is_not_rotated() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let kept = format!("{} 17", bench.tenant);
    let _: u64 = bench
        .run(&["HSET", "@api_keys", key.id.as_str(), &kept])
        .await;
    let successor = bench.fixtures.successor_of(&key);
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRotated);
    let before = store.head().await.unwrap();
    let rotated = store
        .rotate(&bench.tenant, &key.id, successor.clone(), NOW, NOW, event)
        .await;
    assert_eq!(rotated.unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert!(
        KeyStore::find(&store, &successor.id)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.head().await.unwrap(), before);
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
    let _: u64 = bench
        .run(&["HSET", "@api_keys", damaged.id.as_str(), "x"])
        .await;
    let gone = sound.remove(3);
    let _: u64 = bench.run(&["HDEL", "@api_keys", gone.id.as_str()]).await;

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
async fn a_damaged_key_can_still_be_revoked_and_purged() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let id = key.id.as_str();
    let line: String = bench.run(&["HGET", "@api_keys", id]).await;
    let damaged = line.replacen('{', "[", 1);
    let _: u64 = bench.run(&["HSET", "@api_keys", id, &damaged]).await;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyRevoked);
    let outcome = KeyStore::revoke(&store, &bench.tenant, &key.id, NOW, event).await;
    assert_eq!(outcome.unwrap(), KeyChangeOutcome::Changed);

    let _: u64 = bench.run(&["HSET", "@api_keys", id, "x"]).await;
    let purged = KeyStore::purge(&store, fountain_core::Timestamp::MAX, 10).await;
    assert_eq!(purged.unwrap(), 1);
    assert!(KeyStore::find(&store, &key.id).await.unwrap().is_none());

    // Its digest leads nowhere now, and keeps nobody out.
    assert!(store.find_by_digest(&key.digest).await.unwrap().is_none());
    let mut again = bench.fixtures.api_key(&bench.tenant);
    again.digest = key.digest;
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::ApiKeyIssued);
    let inserted = KeyStore::insert(&store, again.clone(), event).await;
    assert_eq!(inserted.unwrap(), InsertKeyOutcome::Inserted);
    let found = store.find_by_digest(&key.digest).await.unwrap();
    assert_eq!(found, Some(again));
}

/// A digest that leads to another key, as a half-restored copy may have it, finds nobody.
#[tokio::test]
async fn a_digest_that_leads_to_another_key_is_corrupt() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let (key, other) = (
        bench.insert(&store).await.unwrap(),
        bench.insert(&store).await.unwrap(),
    );
    let digests: Vec<String> = bench.run(&["HGETALL", "@api_keys:digests"]).await;
    let its = digests
        .chunks(2)
        .find(|entry| entry[1] == key.id.as_str())
        .unwrap();
    let _: u64 = bench
        .run(&["HSET", "@api_keys:digests", &its[0], other.id.as_str()])
        .await;
    let error = store.find_by_digest(&key.digest).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    let found = store.find_by_digest(&other.digest).await.unwrap();
    assert_eq!(found, Some(other));
}

#[tokio::test]
async fn an_audit_page_says_that_an_event_cannot_be_read_instead_of_hiding_it() {
    let bench = Workbench::new();
    let store = bench.open().await;
    bench.insert(&store).await.unwrap();
    let trail = format!("@audit:{}", bench.tenant);
    let _: String = bench.run(&["XADD", &trail, "2-0", "event", "{}"]).await;
    let _: u64 = bench.run(&["HSET", "@meta", "sequence", "2"]).await;
    bench.insert(&store).await.unwrap();

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
async fn a_change_that_cannot_be_read_is_a_gap() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let start = store.head().await.unwrap();
    bench.insert(&store).await.unwrap();
    let good = "api_key 7Kq3nX0aVb2LmZ9T";
    for (at, (words, time)) in [
        ("martian x", "1"),
        ("api_key short", "1"),
        ("api_key", "1"),
        ("token a", "1"),
        ("", "1"),
        (good, "today"),
        (good, "1.5"),
        (good, "9223372036854775807"),
        (good, "9223372036854775808"),
    ]
    .iter()
    .enumerate()
    {
        let place = start.0 + 2 + u64::try_from(at).unwrap();
        let id = format!("{place}-0");
        let _: String = bench
            .run(&["XADD", "@changes", &id, "change", words, "at", time])
            .await;
        let _: u64 = bench
            .run(&["HSET", "@meta", "position", &place.to_string()])
            .await;
        let batch = store.since(ChangeCursor(place - 1), 100).await.unwrap();
        assert!(batch.gap && batch.changes.is_empty(), "{words} at {time}");
        assert_eq!(batch.cursor, store.head().await.unwrap());
    }
    let key = bench.insert(&store).await.unwrap();
    let place = store.head().await.unwrap().0;
    let behind = store.since(ChangeCursor(place - 1), 100).await.unwrap();
    let change = Change::ApiKey { id: key.id };
    let at = Some(NOW);
    assert_eq!(behind.changes, [RecordedChange { change, at }]);
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
    let line: String = bench
        .run(&["HGET", "@signing_keys", issuers[0].as_str()])
        .await;
    for damaged in [
        line.replace("pending", "asleep"),
        line.replace("\"state\"", "\"stale\""),
        line.replacen('1', "x", 1),
        line.replace(issuers[0].as_str(), issuers[1].as_str()),
        "1".into(),
        String::new(),
    ] {
        let _: u64 = bench
            .run(&["HSET", "@signing_keys", issuers[0].as_str(), &damaged])
            .await;
        let error = store.ring(&issuers[0]).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damaged}");
        let key = bench.fixtures.signing_key(&issuers[0]);
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::SigningKeyPublished);
        let applied = store
            .apply(&issuers[0], 1, KeyTransition::Publish(key), NOW, event)
            .await;
        assert_eq!(
            applied.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
    }
    assert_eq!(store.ring(&issuers[1]).await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn a_family_a_token_a_subject_and_a_revocation_that_cannot_be_read_fail_closed() {
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

    let id = family.id.as_str();
    let line: String = bench.run(&["HGET", "@families", id]).await;
    let tokens: Vec<String> = bench.run(&["HGETALL", "@refresh_tokens"]).await;
    let [token, live] = &tokens[..] else {
        panic!("{tokens:?}")
    };
    for (table, field, damaged) in [
        ("@families", id, format!("{} x", bench.tenant)),
        ("@families", id, String::new()),
        ("@refresh_tokens", token, "live".into()),
        ("@refresh_tokens", token, format!("spent {id} 17 x")),
    ] {
        let _: u64 = bench.run(&["HSET", table, field, &damaged]).await;
        let used = store
            .use_token(bench.fixtures.use_of(&family, digest))
            .await;
        assert_eq!(
            used.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
        let found = RefreshTokenStore::find(&store, &bench.tenant, &digest, NOW).await;
        assert_eq!(
            found.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
        let _: u64 = bench.run(&["HSET", "@families", id, &line]).await;
        let _: u64 = bench.run(&["HSET", "@refresh_tokens", token, live]).await;
    }

    let about = format!("{} {}", bench.tenant, subject.subject);
    for damaged in [
        "x",
        "",
        "17 - 1",
        "1001700000000000000 - x admin",
        "1001700000000000000 - 1 %zz",
    ] {
        let _: u64 = bench.run(&["HSET", "@subjects", &about, damaged]).await;
        let found = SubjectStore::find(&store, &bench.tenant, &subject.subject).await;
        assert_eq!(
            found.unwrap_err().kind(),
            StoreErrorKind::Corrupt,
            "{damaged}"
        );
    }

    let issuer: Issuer = bench.fixtures.issuer();
    let id = bench.fixtures.token_id();
    let asked = RevocationQuery {
        issuer: &issuer,
        id: &id,
        tenant: &bench.tenant,
        subject: &subject.subject,
        family: None,
        issued_at: NOW,
    };
    assert!(!store.is_revoked(asked.clone()).await.unwrap());
    let about = format!("token {issuer} {id}");
    let _: u64 = bench
        .run(&["HSET", "@revocations", &about, "for ever"])
        .await;
    let error = store.is_revoked(asked).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    let key = RevocationKey::Token { issuer, id };
    let event = bench
        .fixtures
        .event(&bench.tenant, AuditAction::TokenRevoked);
    let revoked = RevocationStore::revoke(&store, bench.fixtures.revocation(key), event).await;
    assert_eq!(revoked.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

/// F-36: a script is not rolled back, so it must not fail behind its first write. A key of the wrong type is what it can
/// meet half way.
#[tokio::test]
async fn a_key_of_another_type_stops_a_change_before_anything_is_written() {
    for table in [
        "meta",
        "changes",
        "events",
        "audit:default",
        "api_keys",
        "api_keys:pages",
        "api_keys:ends",
        "api_keys:digests",
    ] {
        let bench = Workbench::new();
        let store = bench.open().await;
        let _: u64 = bench.run(&["DEL", &format!("@{table}")]).await;
        let () = bench.run(&["SET", &format!("@{table}"), "a text"]).await;
        let error = bench.insert(&store).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{table}");
        let mut keys = bench.namespace.keys(&bench.client);
        keys.retain(|key| *key != bench.key("meta"));
        let expected = if table == "meta" {
            vec![]
        } else {
            vec![bench.key(table)]
        };
        assert_eq!(keys, expected, "{table}: something was written");
    }
}

/// Nothing of a stored value may reach a log through an error.
#[tokio::test]
async fn the_error_names_the_place_and_not_the_value() {
    let bench = Workbench::new();
    let store = bench.open().await;
    let key = bench.insert(&store).await.unwrap();
    let id = key.id.as_str();
    let line: String = bench.run(&["HGET", "@api_keys", id]).await;
    for damaged in [
        line.replace("\"created_by\":", "\"created_by\":\"hunter2\",\"was\":"),
        "hunter2".into(),
    ] {
        assert_ne!(damaged, line);
        let _: u64 = bench.run(&["HSET", "@api_keys", id, &damaged]).await;
        let found = KeyStore::find(&store, &key.id).await.unwrap_err();
        let event = bench
            .fixtures
            .event(&bench.tenant, AuditAction::ApiKeyDisabled);
        let disabled = KeyStore::disable(&store, &bench.tenant, &key.id, NOW, event).await;
        for error in [Some(found), disabled.err()].into_iter().flatten() {
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("api_keys"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
