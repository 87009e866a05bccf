use super::*;

#[tokio::test]
async fn a_use_is_noted_in_memory_and_written_by_the_flush() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    let before = bench.store.calls();
    for _ in 0..100 {
        assert!(bench.accepts(&key).await);
    }
    assert_eq!(bench.store.calls(), before + 1, "only the first one asked");
    assert_eq!(bench.last_used(&key).await, None);
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 1);
    assert_eq!(bench.last_used(&key).await, Some(START));
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 0);
}

#[tokio::test]
async fn a_use_of_a_remembered_key_is_noted_to_the_tick() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.follow();
    assert!(bench.accepts(&key).await);
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 1);
    bench.clock.advance(Duration::from_micros(1_234_567));
    assert!(bench.keys.recall(key.key.expose()).is_some());
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 1);
    assert_eq!(bench.last_used(&key).await, Some(bench.clock.now()));
}

#[tokio::test]
async fn a_store_that_fails_loses_no_use() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    assert!(bench.accepts(&key).await);
    for fault in [&bench.store.fail, &bench.store.mute] {
        fault.store(1, Ordering::SeqCst);
        assert!(bench.keys.flush_uses().await.unwrap_err().is_retryable());
    }
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 1);
    assert_eq!(bench.last_used(&key).await, Some(START));
}

#[tokio::test]
async fn a_refused_key_is_not_noted() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench
        .keys
        .revoke(Authority::System, &tenant(), &key.record.id)
        .await
        .unwrap();
    assert!(!bench.accepts(&key).await);
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 0);
}

/// what waits is bounded, and a flush makes room again.
#[tokio::test]
async fn only_so_many_keys_can_wait_to_be_written() {
    let bench = bench_with(|builder| builder.capacity(3));
    let mut keys = Vec::new();
    for _ in 0..5 {
        let key = bench.issue(new_key()).await;
        assert!(bench.accepts(&key).await, "a full buffer refuses nobody");
        keys.push(key);
    }
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 3);
    assert_eq!(bench.last_used(&keys[4]).await, None);
    // None of them is remembered any more, so their places are free.
    bench.trust.forget_everything();
    for key in &keys {
        let _ = bench.verdict(key).await;
    }
    bench.keys.flush_uses().await.unwrap();
}

#[tokio::test]
async fn more_than_a_batch_is_written_whole() {
    let bench = bench();
    for _ in 0..2_100 {
        let key = bench.issue(new_key()).await;
        assert!(bench.accepts(&key).await);
    }
    let before = bench.store.calls();
    assert_eq!(bench.keys.flush_uses().await.unwrap(), 2_100);
    assert_eq!(bench.store.calls(), before + 3);
}
