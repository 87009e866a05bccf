use super::*;
use crate::audit::{AuditAction, AuditStore};
use crate::danger::InsecureFailingRandom;

/// R-36, B-55: granting needs superset rights.
#[tokio::test]
async fn nobody_issues_a_key_that_permits_more_than_they_may_do() {
    let bench = bench();
    let (clerk, admin, tenant) = (bench.acting("clerk"), bench.acting("admin"), tenant());
    let issue = |by, scopes: &'static [&'static str]| {
        let new = NewApiKey::for_service("x").scopes(scopes.iter().copied());
        bench.keys.issue(by, &tenant, new)
    };
    for more in [
        &["orders:write"][..],
        &["*"],
        &["orders:*"],
        &["orders:read", "keys:rotate"],
    ] {
        assert!(matches!(
            kind(issue(&clerk, more).await),
            ErrorKind::Forbidden(_)
        ));
    }
    assert!(issue(&clerk, &["orders:read"]).await.is_ok());
    assert!(issue(&admin, &["*"]).await.is_ok());
}

/// B-55: a key with `read` asks for one with more.
#[tokio::test]
async fn a_key_issues_no_key_that_permits_more_than_itself() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let principal = bench.verdict(&key).await.into_result().unwrap();
    let more = new_key().scope("orders:write");
    let refused = bench.keys.issue(&principal, &tenant(), more).await;
    assert!(matches!(kind(refused), ErrorKind::Forbidden(_)));
    let same = bench
        .keys
        .issue(&principal, &tenant(), new_key())
        .await
        .unwrap();
    assert_eq!(same.record.created_by, principal.actor());
}

/// a pattern stands for the permissions of today, not for those of a later catalogue.
#[tokio::test]
async fn a_pattern_is_written_out_when_the_key_is_issued() {
    let bench = bench();
    let key = bench
        .issue(NewApiKey::for_service("x").scope("orders:*"))
        .await;
    let scopes: Vec<_> = key.record.scopes.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["orders:read", "orders:write"]);

    let later = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write", "orders:refund"])
        .build()
        .unwrap();
    let keys = ApiKeys::builder(bench.store.clone(), later.clone())
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    let principal = keys
        .verify(key.key.expose())
        .await
        .unwrap()
        .into_result()
        .unwrap();
    let refund = later.resolve_scopes(["orders:refund"]);
    assert!(!principal.grants().is_superset(&refund));
}

/// B-77, R-36
#[tokio::test]
async fn what_is_out_of_bounds_is_refused_before_the_store() {
    let bench = bench_with(|builder| builder.longest_life(100 * DAY));
    let limit = |requests, window| OwnerLimit { requests, window };
    let schedule = |every, overlap| RotationSchedule { every, overlap };
    let second = Duration::from_secs(1);
    let table = [
        ("name", NewApiKey::for_owner("bob", "")),
        ("name", NewApiKey::for_owner("bob", "x".repeat(129))),
        ("name", NewApiKey::for_owner("bob", "x".repeat(1 << 24))),
        ("name", NewApiKey::for_owner("bob", "a\nb")),
        ("subject", NewApiKey::for_owner("", "laptop")),
        ("subject", NewApiKey::for_owner("b\u{0}b", "laptop")),
        ("scope", new_key().scope("orders:read*")),
        ("scope", new_key().scope("x".repeat(1 << 24))),
        ("scopes", new_key().scope("orders:refund")),
        ("scopes", new_key().scopes(vec!["orders:read"; 257])),
        ("expires_in", new_key().expires_in(Duration::ZERO)),
        ("expires_in", new_key().expires_in(100 * DAY + second)),
        ("expires_in", new_key().expires_in(Duration::MAX)),
        ("not_before", new_key().not_before(START + 90 * DAY)),
        ("not_before", new_key().not_before(Timestamp::MAX)),
        ("environment", new_key().environment("nowhere")),
        ("environment", new_key().environment("x".repeat(1 << 24))),
        ("limit", new_key().limit(limit(0, second))),
        ("limit", new_key().limit(limit(1, Duration::ZERO))),
        ("limit", new_key().limit(limit(1, Duration::MAX))),
        (
            "rotation",
            new_key().rotation(schedule(30 * DAY, DAY + second)),
        ),
        ("rotation", new_key().rotation(schedule(DAY, DAY))),
        ("rotation", new_key().rotation(schedule(90 * DAY, DAY))),
    ];
    for (expected, bad) in table {
        match kind(bench.keys.issue(Authority::System, &tenant(), bad).await) {
            ErrorKind::InvalidInput { field, .. } => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert_eq!(bench.store.calls(), 0);
    let issued = bench
        .issue(
            new_key()
                .expires_in(100 * DAY)
                .rotation(schedule(30 * DAY, DAY)),
        )
        .await;
    assert_eq!(issued.record.expires_at, START + 100 * DAY);
}

///
#[tokio::test]
async fn every_key_ends_and_ninety_days_are_usual() {
    let bench = bench();
    let key = bench.issue(new_key()).await.record;
    assert_eq!(key.expires_at, START + 90 * DAY);
    assert_eq!((key.created_at, key.not_before), (START, START));
    let builder = || ApiKeys::builder(bench.store.clone(), bench.catalog.clone());
    let short = builder()
        .longest_life(DAY)
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    let key = short
        .issue(Authority::System, &tenant(), new_key())
        .await
        .unwrap();
    assert_eq!(key.record.expires_at, START + DAY);
    for bad in [
        builder().longest_life(Duration::ZERO),
        builder().longest_life(Duration::MAX),
        builder().default_life(Duration::ZERO),
        builder().default_life(367 * DAY),
        builder().capacity(0),
    ] {
        assert_eq!(bad.build().unwrap_err().iter().count(), 1);
    }
}

/// a call that took effect and got no answer is found out, not repeated.
#[tokio::test]
async fn an_insert_without_an_answer_is_looked_for() {
    let bench = bench();
    bench.store.mute.store(1, Ordering::SeqCst);
    let key = bench.issue(new_key()).await;
    assert!(bench.accepts(&key).await);
    bench.store.fail.store(1, Ordering::SeqCst);
    let lost = bench
        .keys
        .issue(Authority::System, &tenant(), new_key())
        .await;
    assert!(lost.unwrap_err().is_retryable());
    let page = bench.keys.list(&tenant(), None, 10).await.unwrap();
    assert_eq!(page.items.len(), 1);
}

/// R-78, F-42
#[tokio::test]
async fn without_entropy_no_key_is_issued() {
    let bench = bench_with(|builder| builder.random(Arc::new(InsecureFailingRandom)));
    let refused = bench
        .keys
        .issue(Authority::System, &tenant(), new_key())
        .await;
    assert_eq!(kind(refused), ErrorKind::Entropy);
    assert_eq!(bench.store.calls(), 0);
}

/// Randomness that repeats itself is noticed by the ids, which then exist.
#[tokio::test]
async fn randomness_that_repeats_itself_issues_no_second_key() {
    #[derive(Debug)]
    struct Stuck;
    impl crate::Random for Stuck {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
            buffer.fill(0x2a);
            Ok(())
        }
    }
    let bench = bench_with(|builder| builder.random(Arc::new(Stuck)));
    let _ = bench.issue(new_key()).await;
    let second = bench
        .keys
        .issue(Authority::System, &tenant(), new_key())
        .await;
    assert_eq!(kind(second), ErrorKind::Entropy);
}

/// another tenant's key is not there, whoever asks for whatever.
#[tokio::test]
async fn another_tenants_keys_are_not_there() {
    let bench = bench();
    let other = Tenant::new("other").unwrap();
    let key = bench
        .keys
        .issue(Authority::System, &other, new_key())
        .await
        .unwrap();
    let (id, admin) = (&key.record.id, bench.acting("admin"));
    for tenant in [&tenant(), &other] {
        let (keys, by) = (&bench.keys, &admin);
        assert_eq!(kind(keys.revoke(by, tenant, id).await), ErrorKind::NotFound);
        assert_eq!(
            kind(keys.disable(by, tenant, id).await),
            ErrorKind::NotFound
        );
        assert_eq!(kind(keys.enable(by, tenant, id).await), ErrorKind::NotFound);
        let rotated = keys.rotate(by, tenant, id, Rotation::new()).await;
        assert_eq!(kind(rotated), ErrorKind::NotFound);
    }
    assert_eq!(
        kind(bench.keys.issue(&admin, &other, new_key()).await),
        ErrorKind::NotFound
    );
    assert!(bench.keys.find(&tenant(), id).await.unwrap().is_none());
    assert!(
        bench
            .keys
            .list(&tenant(), None, 10)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(bench.accepts(&key).await);
}

#[tokio::test]
async fn revoking_is_for_good_and_all_changes_are_idempotent() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let (by, id) = (Authority::System, &key.record.id);
    for _ in 0..2 {
        bench.keys.disable(by, &tenant(), id).await.unwrap();
        assert_eq!(bench.verdict(&key).await, KeyVerdict::Disabled);
    }
    for _ in 0..2 {
        bench.keys.enable(by, &tenant(), id).await.unwrap();
        assert!(bench.accepts(&key).await);
    }
    for _ in 0..2 {
        bench.keys.revoke(by, &tenant(), id).await.unwrap();
        assert_eq!(bench.verdict(&key).await, KeyVerdict::Revoked);
    }
    bench.keys.disable(by, &tenant(), id).await.unwrap();
    assert!(matches!(
        kind(bench.keys.enable(by, &tenant(), id).await),
        ErrorKind::Conflict(_)
    ));
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Revoked);

    let page = AuditStore::page(&bench.store.inner, &tenant(), None, 100)
        .await
        .unwrap();
    let actions: Vec<_> = page.items.iter().map(|item| item.event.action).collect();
    use AuditAction::{ApiKeyDisabled, ApiKeyEnabled, ApiKeyIssued, ApiKeyRevoked};
    assert_eq!(
        actions,
        [ApiKeyIssued, ApiKeyDisabled, ApiKeyEnabled, ApiKeyRevoked]
    );
}

/// enabling gives rights back.
#[tokio::test]
async fn nobody_enables_a_key_that_permits_more_than_they_may_do() {
    let bench = bench();
    let key = bench.issue(new_key().scope("orders:write")).await;
    let id = &key.record.id;
    bench
        .keys
        .disable(&bench.acting("clerk"), &tenant(), id)
        .await
        .unwrap();
    let refused = bench
        .keys
        .enable(&bench.acting("clerk"), &tenant(), id)
        .await;
    assert!(matches!(kind(refused), ErrorKind::Forbidden(_)));
    bench
        .keys
        .enable(&bench.acting("admin"), &tenant(), id)
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_are_listed_in_pages_oldest_first() {
    let bench = bench();
    for _ in 0..5 {
        let _ = bench.issue(new_key()).await;
        bench.clock.advance(Duration::from_secs(1));
    }
    for bad in [0, 1_001, usize::MAX] {
        assert!(bench.keys.list(&tenant(), None, bad).await.is_err());
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.keys.list(&tenant(), after.as_ref(), 2).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|record| record.created_at));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    assert_eq!(bench.acting("nobody").grants(), &Grants::none());
}
