use super::*;

/// A verified key is answered from memory while the feed is followed.
async fn warm() -> (Bench, IssuedApiKey) {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    assert!(bench.accepts(&key).await);
    (bench, key)
}

impl Bench {
    /// Whether verifying the key asks the store.
    async fn asks(&self, key: &IssuedApiKey) -> bool {
        let before = self.store.calls();
        let recalled = self.keys.recall(key.key.expose()).is_some();
        let _ = self.verdict(key).await;
        let asked = self.store.calls() > before;
        assert_ne!(recalled, asked, "recall and verify differ");
        asked
    }
}

#[tokio::test]
async fn a_remembered_key_is_accepted_without_asking() {
    let (bench, key) = warm().await;
    assert!(!bench.asks(&key).await);
    let recalled = bench.keys.recall(key.key.expose()).unwrap();
    assert_eq!(KeyVerdict::Accepted(recalled), bench.verdict(&key).await);
}

/// L-13: what is remembered is believed only while the feed is heard.
#[tokio::test]
async fn a_node_that_does_not_hear_its_feed_asks_the_store() {
    let (bench, key) = warm().await;
    bench.clock.advance(Duration::from_secs(5));
    assert!(!bench.asks(&key).await);
    bench.clock.advance(Duration::from_millis(1));
    assert!(bench.asks(&key).await);
    bench.follow();
    assert!(!bench.asks(&key).await);
}

/// no longer than 30 s, whatever the feed says.
#[tokio::test]
async fn nothing_is_remembered_for_longer_than_thirty_seconds() {
    let (bench, key) = warm().await;
    bench.clock.advance(Duration::from_millis(29_999));
    bench.follow();
    assert!(!bench.asks(&key).await);
    bench.clock.advance(Duration::from_millis(1));
    bench.follow();
    assert!(bench.asks(&key).await);
}

/// a key's end is looked at on every hit, also when the clock jumps.
#[tokio::test]
async fn a_remembered_key_ends_when_it_ends() {
    let bench = bench();
    let key = bench
        .issue(new_key().expires_in(Duration::from_secs(3)))
        .await;
    bench.follow();
    assert!(bench.accepts(&key).await);
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Expired);
    bench.clock.jump_to(START - Duration::from_secs(1));
    assert_eq!(bench.verdict(&key).await, KeyVerdict::NotYetValid);
}

#[tokio::test]
async fn a_remembered_key_ends_when_its_overlap_does() {
    let (bench, key) = warm().await;
    let overlap = Rotation::new().overlap(Duration::from_secs(2));
    let _ = bench.rotate(&key.record.id, overlap).await.unwrap();
    assert!(bench.accepts(&key).await);
    assert!(!bench.asks(&key).await);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Superseded);
}

/// at once on the node that made the change.
#[tokio::test]
async fn a_change_on_this_node_is_felt_at_once() {
    let (bench, key) = warm().await;
    let (system, id) = (Authority::System, &key.record.id);
    bench.keys.disable(system, &tenant(), id).await.unwrap();
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Disabled);
    bench.keys.enable(system, &tenant(), id).await.unwrap();
    assert!(bench.accepts(&key).await && !bench.asks(&key).await);
    // Also when the store gives no answer to the change that it has made.
    bench.store.mute.store(1, Ordering::SeqCst);
    assert!(bench.keys.revoke(system, &tenant(), id).await.is_err());
    assert_eq!(bench.verdict(&key).await, KeyVerdict::Revoked);
}

/// L-13, R-36: on another node as soon as it reads the feed.
#[tokio::test]
async fn a_change_on_another_node_is_felt_when_the_feed_is_read() {
    let catalog = bench().catalog;
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(START));
    let node = || {
        let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
        let keys = ApiKeys::builder(store.clone(), catalog.clone())
            .subjects(store.clone())
            .clock(clock.clone())
            .trust(trust.clone())
            .build()
            .unwrap();
        (
            keys,
            ChangeFollower::new(store.clone(), clock.clone(), trust),
        )
    };
    let ((near, _), (far, follower)) = (node(), node());
    let home = tenant();
    let issue =
        |owner: &'static str| near.issue(Authority::System, &home, NewApiKey::for_service(owner));
    let (key, kept, owned) = (
        issue("a").await.unwrap(),
        issue("b").await.unwrap(),
        issue("bob").await.unwrap(),
    );
    follower.catch_up().await.unwrap();
    for key in [&key, &kept, &owned] {
        assert!(
            far.verify(key.key.expose())
                .await
                .unwrap()
                .reason()
                .is_none()
        );
        assert!(far.recall(key.key.expose()).is_some());
    }
    near.revoke(Authority::System, &tenant(), &key.record.id)
        .await
        .unwrap();
    let subjects = Subjects::builder(store.clone(), store.clone(), catalog.clone())
        .build()
        .unwrap();
    let bob = &owned.record.owner;
    subjects
        .register(Authority::System, &tenant(), bob, ["clerk"])
        .await
        .unwrap();
    subjects
        .disable(Authority::System, &tenant(), bob)
        .await
        .unwrap();
    assert!(
        far.recall(key.key.expose()).is_some(),
        "the feed was not read yet"
    );
    follower.catch_up().await.unwrap();
    assert_eq!(
        far.verify(key.key.expose()).await.unwrap(),
        KeyVerdict::Revoked
    );
    assert_eq!(
        far.verify(owned.key.expose()).await.unwrap(),
        KeyVerdict::OwnerDisabled
    );
    assert!(far.recall(kept.key.expose()).is_some());
}

/// a remembered key is as foreign as one from the store.
#[tokio::test]
async fn a_remembered_key_of_another_tenant_is_unknown() {
    let (bench, key) = warm().await;
    let other = Tenant::new("other").unwrap();
    let text = key.key.expose();
    assert_eq!(
        bench.keys.verify_in(&other, text).await.unwrap(),
        KeyVerdict::Unknown
    );
    assert!(
        bench
            .keys
            .verify_in(&tenant(), text)
            .await
            .unwrap()
            .reason()
            .is_none()
    );
}

/// what was refused is asked about again.
#[tokio::test]
async fn no_refusal_is_remembered() {
    let (bench, key) = warm().await;
    let (system, id) = (Authority::System, &key.record.id);
    bench.keys.disable(system, &tenant(), id).await.unwrap();
    assert!(bench.asks(&key).await && bench.asks(&key).await);
}

///
#[tokio::test]
async fn the_cache_is_bounded() {
    let bench = bench_with(|builder| builder.capacity(10));
    bench.follow();
    let mut keys = Vec::new();
    for _ in 0..200 {
        let key = bench.issue(new_key()).await;
        assert!(bench.accepts(&key).await);
        keys.push(key);
    }
    let remembered = keys
        .iter()
        .filter(|key| bench.keys.recall(key.key.expose()).is_some());
    assert!(remembered.count() <= 10);
}

#[tokio::test]
async fn without_a_feed_nothing_is_remembered() {
    let bench = bench();
    let keys = ApiKeys::builder(bench.store.clone(), bench.catalog.clone())
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    let key = bench.issue(new_key()).await;
    for _ in 0..2 {
        assert!(
            keys.verify(key.key.expose())
                .await
                .unwrap()
                .reason()
                .is_none()
        );
        assert!(keys.recall(key.key.expose()).is_none());
    }
}

/// how often the store is asked would tell in milliseconds what the rest tells in nanoseconds.
#[tokio::test]
async fn every_refused_key_asks_the_store_once_whatever_is_remembered() {
    let bench = bench();
    let system = Authority::System;
    let other = Tenant::new("other").unwrap();
    let revoked = bench.issue(new_key()).await;
    let expired = bench.issue(new_key().expires_in(DAY)).await;
    let foreign = bench.keys.issue(system, &other, new_key()).await.unwrap();
    bench.follow();
    for key in [&revoked, &expired, &foreign] {
        assert!(bench.accepts(key).await);
    }
    let here = tenant();
    let revoke = bench.keys.revoke(system, &here, &revoked.record.id);
    revoke.await.unwrap();
    bench.clock.advance(DAY);
    bench.follow();
    assert!(bench.accepts(&foreign).await);
    let noted = bench.last_used(&foreign).await;

    let unknown = bench.keys.format().generate("live", &OsRandom).unwrap().1;
    for key in [&unknown, &revoked.key, &expired.key, &foreign.key] {
        let before = bench.store.calls();
        let verdict = bench.keys.verify_in(&here, key.expose()).await.unwrap();
        assert!(verdict.reason().is_some());
        assert_eq!(bench.store.calls(), before + 1, "{verdict:?}");
    }
    assert_eq!(
        bench.last_used(&foreign).await,
        noted,
        "a refusal is no use"
    );
    // What cannot be believed again is not kept.
    let shown = format!("{:?}", bench.keys);
    assert!(shown.contains("KeyCache(1)"), "only the other tenant's");
}
