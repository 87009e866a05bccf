use super::*;
use crate::danger::InsecureSeededRandom;
use crate::error::{Reason, RejectionKind};
use crate::random::array;
use crate::secret::Pepper;
use crate::text::{base62, base62_crc32};

/// R-36, B-53: every way in which a genuine key does not work, and one public face for all of them.
#[tokio::test]
async fn every_refusal_looks_the_same_from_outside() {
    let bench = bench();
    let (revoked, disabled) = (bench.issue(new_key()).await, bench.issue(new_key()).await);
    let id = |key: &IssuedApiKey| key.record.id.clone();
    let system = Authority::System;
    bench
        .keys
        .revoke(system, &tenant(), &id(&revoked))
        .await
        .unwrap();
    bench
        .keys
        .disable(system, &tenant(), &id(&disabled))
        .await
        .unwrap();
    let early = bench.issue(new_key().not_before(START + DAY)).await;
    let expired = bench
        .issue(new_key().expires_in(Duration::from_secs(60)))
        .await;
    let superseded = bench.issue(new_key()).await;
    let at_once = Rotation::new().overlap(Duration::ZERO);
    let _ = bench.rotate(&id(&superseded), at_once).await.unwrap();
    let orphan = bench.issue(NewApiKey::for_owner("bob", "laptop")).await;
    let subjects = Subjects::builder(
        bench.people.clone(),
        bench.people.clone(),
        bench.catalog.clone(),
    )
    .build()
    .unwrap();
    let bob = orphan.record.owner.clone();
    subjects
        .register(system, &tenant(), &bob, ["clerk"])
        .await
        .unwrap();
    assert!(bench.accepts(&orphan).await);
    subjects.disable(system, &tenant(), &bob).await.unwrap();
    let foreign = Tenant::new("other").unwrap();
    let foreign = bench.keys.issue(system, &foreign, new_key()).await.unwrap();
    bench.clock.advance(Duration::from_secs(60));

    let unknown = bench.keys.format().generate("live", &OsRandom).unwrap().1;
    let in_tenant = bench
        .keys
        .verify_in(&tenant(), foreign.key.expose())
        .await
        .unwrap();
    let table = [
        (bench.verdict(&revoked).await, Reason::KeyRevoked),
        (bench.verdict(&disabled).await, Reason::KeyDisabled),
        (bench.verdict(&early).await, Reason::KeyNotYetValid),
        (bench.verdict(&expired).await, Reason::KeyExpired),
        (bench.verdict(&superseded).await, Reason::KeySuperseded),
        (bench.verdict(&orphan).await, Reason::KeyOwnerDisabled),
        (in_tenant, Reason::KeyUnknown),
        (
            bench.keys.verify(unknown.expose()).await.unwrap(),
            Reason::KeyUnknown,
        ),
        (
            bench.keys.verify("rubbish").await.unwrap(),
            Reason::KeyMalformed,
        ),
    ];
    let mut shown = BTreeSet::new();
    for (verdict, reason) in table {
        assert_eq!(verdict.reason(), Some(reason));
        let refused = verdict.into_result().unwrap_err();
        assert_eq!(refused.kind(), &RejectionKind::InvalidToken);
        assert_eq!(refused.reason(), reason);
        shown.insert(refused.to_string());
    }
    assert_eq!(shown.len(), 1);
}

/// to the tick.
#[tokio::test]
async fn a_key_works_from_its_first_instant_up_to_but_not_at_its_last() {
    let bench = bench();
    let tick = Duration::from_micros(1);
    let begin = START + Duration::from_secs(10);
    let new = new_key()
        .not_before(begin)
        .expires_in(Duration::from_secs(20));
    let key = bench.issue(new).await;
    let end = START + Duration::from_secs(20);
    for (at, works) in [
        (begin - tick, false),
        (begin, true),
        (end - tick, true),
        (end, false),
    ] {
        bench.clock.jump_to(at);
        assert_eq!(bench.accepts(&key).await, works, "{at}");
    }
}

/// B-51, B-56, R-33: no store is asked about what is not a key.
#[tokio::test]
async fn garbage_never_reaches_the_store() {
    let bench = bench();
    let count = if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    let random = InsecureSeededRandom::new(3);
    let before = bench.store.calls();
    for n in 0..count {
        let body = base62(&array::<48>(&random).unwrap(), 65);
        let text = match n % 4 {
            0 => body,
            1 => format!("fnt_test_{body}"),
            _ => format!("fnt_live_{body}"),
        };
        let verdict = bench.keys.verify(&text).await.unwrap();
        assert!(matches!(verdict, KeyVerdict::Malformed(_)));
    }
    let good = bench.keys.format().generate("live", &OsRandom).unwrap().1;
    let good = good.expose();
    for bad in [
        String::new(),
        "fnt_live_".into(),
        good.replace("fnt", "abc"),
        good.to_uppercase(),
        format!("{good}\n"),
        format!(" {good}"),
        good.repeat(140),
    ] {
        let verdict = bench.keys.verify(&bad).await.unwrap();
        assert!(matches!(verdict, KeyVerdict::Malformed(_)), "{bad}");
    }
    assert_eq!(bench.store.calls(), before);
    assert_eq!(bench.keys.verify(good).await.unwrap(), KeyVerdict::Unknown);
    assert_eq!(bench.store.calls(), before + 1);
}

/// B-54: the digest of the whole key finds the record; the id alone finds nothing.
#[tokio::test]
async fn a_key_with_anothers_id_and_a_right_checksum_is_unknown() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    assert!(bench.accepts(&key).await);
    let body = base62(&array::<32>(&OsRandom).unwrap(), 43);
    let text = format!("fnt_live_{}{body}", key.record.id);
    let forged = format!("{text}{}", base62_crc32(text.as_bytes()));
    assert!(bench.keys.format().parse(&forged).is_ok());
    assert_eq!(
        bench.keys.verify(&forged).await.unwrap(),
        KeyVerdict::Unknown
    );
    assert!(bench.keys.recall(&forged).is_none());
    // Who does not have the key does not learn how it stands.
    bench
        .keys
        .revoke(Authority::System, &tenant(), &key.record.id)
        .await
        .unwrap();
    assert_eq!(
        bench.keys.verify(&forged).await.unwrap(),
        KeyVerdict::Unknown
    );
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Revoked);
}

/// B-54: a store that answers with another key's record, be it by a collation or a truncated index, accepts nobody.
#[tokio::test]
async fn what_the_store_answers_must_be_this_very_key() {
    let bench = bench();
    let (key, other) = (bench.issue(new_key()).await, bench.issue(new_key()).await);
    let record = &key.record;
    let with_anothers_digest = ApiKeyRecord {
        digest: other.record.digest,
        ..record.clone()
    };
    let with_anothers_id = ApiKeyRecord {
        id: other.record.id.clone(),
        ..record.clone()
    };
    for foreign in [&other.record, &with_anothers_digest, &with_anothers_id] {
        *bench.store.fixed.lock().unwrap() = Some(foreign.clone());
        assert_eq!(bench.verdict(&key).await, KeyVerdict::Unknown);
    }
    *bench.store.fixed.lock().unwrap() = Some(record.clone());
    assert!(bench.accepts(&key).await);
}

/// a store that does not answer accepts nobody.
#[tokio::test]
async fn when_a_store_does_not_answer_nobody_is_accepted() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.store.fail.store(1, Ordering::SeqCst);
    let error = bench.keys.verify(key.key.expose()).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(matches!(
        error.rejection().kind(),
        RejectionKind::Unavailable { .. }
    ));
    assert!(bench.accepts(&key).await);
}

/// a pepper is part of the digest; without it the key is unknown.
#[tokio::test]
async fn a_pepper_changes_what_is_stored_and_found() {
    let peppered = bench_with(|builder| builder.pepper(Pepper::new(&[7; 32])));
    let key = peppered.issue(new_key()).await;
    assert!(peppered.accepts(&key).await);
    let bare = Digest::of(key.key.expose().as_bytes());
    assert!(!key.record.digest.matches(&bare));
    let without = ApiKeys::builder(peppered.store.clone(), peppered.catalog.clone())
        .clock(peppered.clock.clone())
        .build()
        .unwrap();
    assert_eq!(
        without.verify(key.key.expose()).await.unwrap(),
        KeyVerdict::Unknown
    );
}

///
#[tokio::test]
async fn the_key_shows_nowhere_but_in_its_secret() {
    let bench = bench();
    let issued = bench.issue(new_key()).await;
    let rotated = bench
        .rotate(&issued.record.id, Rotation::new())
        .await
        .unwrap();
    let verdict = bench.verdict(&issued).await;
    let stored = serde_json::to_string(&issued.record).unwrap();
    let events = crate::audit::AuditStore::page(&bench.store.inner, &tenant(), None, 100).await;
    let shown = format!(
        "{issued:?} {rotated:?} {verdict:?} {stored} {events:?} {:?}",
        bench.keys
    );
    for key in [&issued.key, &rotated.key] {
        let secret = &key.expose()[25..68];
        assert!(!shown.contains(secret));
    }
}

#[tokio::test]
async fn a_principal_of_a_key_says_what_the_key_may_do() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let KeyVerdict::Accepted(principal) = bench.verdict(&key).await else {
        panic!("refused");
    };
    assert_eq!(principal.subject().as_str(), "billing");
    assert_eq!(principal.scopes(), ["orders:read"]);
    assert_eq!(
        principal.grants(),
        &bench.catalog.resolve_scopes(["orders:read"])
    );
    assert!(principal.roles().is_empty());
    assert_eq!(principal.expires_at(), START + 90 * DAY);
    assert_eq!(principal.assurance().auth_time, None);
}
