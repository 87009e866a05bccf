use proptest::prelude::*;

use super::*;

/// both work until the overlap ends, to the tick.
#[tokio::test]
async fn both_keys_work_until_the_overlap_ends() {
    let bench = bench();
    let old = bench.issue(new_key()).await;
    let hour = Duration::from_secs(3_600);
    let rotated = bench
        .rotate(&old.record.id, Rotation::new().overlap(hour))
        .await
        .unwrap();
    assert_eq!(rotated.previous, old.record.id);
    assert_eq!(rotated.previous_valid_until, START + hour);
    let principal = bench.verdict(&old).await.into_result().unwrap();
    assert_eq!(principal.superseded_at(), Some(START + hour));
    assert_eq!(principal.expires_at(), START + hour);

    let works = async |text: &str| bench.keys.verify(text).await.unwrap().reason().is_none();
    bench.clock.jump_to(START + hour - Duration::from_micros(1));
    assert!(works(old.key.expose()).await && works(rotated.key.expose()).await);
    bench.clock.jump_to(START + hour);
    assert_eq!(bench.verdict(&old).await, KeyVerdict::Superseded);
    assert!(works(rotated.key.expose()).await);
}

/// at most 24 h, and 24 h unless something else was said.
#[tokio::test]
async fn an_overlap_is_at_most_a_day() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let longer = Rotation::new().overlap(DAY + Duration::from_micros(1));
    let refused = kind(bench.rotate(&key.record.id, longer).await);
    assert!(matches!(
        refused,
        ErrorKind::InvalidInput {
            field: "overlap",
            ..
        }
    ));
    let rotated = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
    assert_eq!(rotated.previous_valid_until, START + DAY);

    let overlap = Duration::from_secs(60);
    let schedule = RotationSchedule {
        every: 30 * DAY,
        overlap,
    };
    let key = bench.issue(new_key().rotation(schedule)).await;
    let rotated = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
    assert_eq!(rotated.previous_valid_until, START + overlap);
    assert_eq!(rotated.record.rotation, Some(schedule));
}

/// an overlap does not lengthen the life of the key that it replaces.
#[tokio::test]
async fn a_key_that_ends_before_the_overlap_ends_when_it_would_have() {
    let bench = bench();
    let key = bench
        .issue(new_key().expires_in(Duration::from_secs(100)))
        .await;
    let rotated = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
    assert_eq!(
        rotated.previous_valid_until,
        START + Duration::from_secs(100)
    );
}

#[tokio::test]
async fn a_key_is_rotated_once_and_only_while_it_works() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let _ = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
    let again = bench.rotate(&key.record.id, Rotation::new()).await;
    assert_eq!(
        kind(again),
        ErrorKind::Conflict("the key has a successor already")
    );

    let (revoked, disabled) = (bench.issue(new_key()).await, bench.issue(new_key()).await);
    let expired = bench
        .issue(new_key().expires_in(Duration::from_secs(1)))
        .await;
    bench
        .keys
        .revoke(Authority::System, &tenant(), &revoked.record.id)
        .await
        .unwrap();
    bench
        .keys
        .disable(Authority::System, &tenant(), &disabled.record.id)
        .await
        .unwrap();
    bench.clock.advance(Duration::from_secs(1));
    for key in [&revoked, &disabled, &expired] {
        let refused = bench.rotate(&key.record.id, Rotation::new()).await;
        assert!(matches!(kind(refused), ErrorKind::Conflict(_)));
    }
    let nobody = KeyId::new("0123456789abcdef").unwrap();
    assert_eq!(
        kind(bench.rotate(&nobody, Rotation::new()).await),
        ErrorKind::NotFound
    );
}

/// the successor's text is not lost with the answer.
#[tokio::test]
async fn a_rotation_without_an_answer_is_looked_for() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.store.mute.store(1, Ordering::SeqCst);
    let rotated = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
    assert_eq!(rotated.previous_valid_until, START + DAY);
    let verdict = bench.keys.verify(rotated.key.expose()).await.unwrap();
    assert!(verdict.reason().is_none());
}

/// a store that is down while it is read, or while it is written.
#[tokio::test]
async fn a_rotation_that_did_not_happen_says_so_and_can_be_called_again() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    bench.store.fail.store(1, Ordering::SeqCst);
    assert!(
        bench
            .rotate(&key.record.id, Rotation::new())
            .await
            .unwrap_err()
            .is_retryable()
    );
    let _ = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
}

/// L-02: of many calls at once one wins; nobody else gets a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_rotations_at_once_one_wins() {
    let bench = Arc::new(bench());
    let key = bench.issue(new_key()).await;
    let mut calls = Vec::new();
    for _ in 0..16 {
        let (bench, id) = (bench.clone(), key.record.id.clone());
        calls.push(tokio::spawn(async move {
            bench.rotate(&id, Rotation::new()).await.is_ok()
        }));
    }
    let mut won = 0;
    for call in calls {
        won += u32::from(call.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(
        bench
            .keys
            .list(&tenant(), None, 100)
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

/// who rotates a key gets to see its successor, so they must be allowed what it permits.
#[tokio::test]
async fn nobody_rotates_a_key_that_permits_more_than_they_may_do() {
    let bench = bench();
    let key = bench.issue(new_key().scope("orders:write")).await;
    let (id, clerk) = (&key.record.id, bench.acting("clerk"));
    let refused = bench
        .keys
        .rotate(&clerk, &tenant(), id, Rotation::new())
        .await;
    assert!(matches!(kind(refused), ErrorKind::Forbidden(_)));
    let narrow = Rotation::new().narrow_to(["orders:read"]);
    assert!(
        bench
            .keys
            .rotate(&clerk, &tenant(), id, narrow)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_key_rotates_itself() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let itself = bench.verdict(&key).await.into_result().unwrap();
    let id = &key.record.id;
    let rotated = bench
        .keys
        .rotate(&itself, &tenant(), id, Rotation::new())
        .await
        .unwrap();
    assert_eq!(rotated.record.created_by, itself.actor());
}

#[tokio::test]
async fn a_successor_does_not_begin_before_the_key_that_it_replaces() {
    let bench = bench();
    let begin = START + 10 * DAY;
    let key = bench.issue(new_key().not_before(begin)).await;
    let rotated = bench.rotate(&key.record.id, Rotation::new()).await.unwrap();
    assert_eq!(rotated.record.not_before, begin);
    let verdict = bench.keys.verify(rotated.key.expose()).await.unwrap();
    assert_eq!(verdict, KeyVerdict::NotYetValid);
}

/// what the service allows today holds for successors too.
#[tokio::test]
async fn a_successor_lives_no_longer_than_the_service_allows_now() {
    let bench = bench();
    let key = bench.issue(new_key()).await;
    let strict = ApiKeys::builder(bench.store.clone(), bench.catalog.clone())
        .clock(bench.clock.clone())
        .longest_life(DAY)
        .build()
        .unwrap();
    let (id, tenant) = (&key.record.id, tenant());
    let rotated = strict
        .rotate(Authority::System, &tenant, id, Rotation::new())
        .await
        .unwrap();
    assert_eq!(rotated.record.expires_at, START + DAY);
}

#[derive(Debug, Clone)]
struct Step {
    wait: u64,
    overlap: Option<u64>,
    life: Option<u64>,
    scopes: Option<Vec<&'static str>>,
}

fn step() -> impl Strategy<Value = Step> {
    let scope = prop::sample::select(vec!["orders:read", "orders:write", "keys:rotate", "*"]);
    (
        0..200_u64,
        prop::option::of(0..100_000_u64),
        prop::option::of(0..2_000_u64),
        prop::option::of(prop::collection::vec(scope, 0..3)),
    )
        .prop_map(|(wait, overlap, life, scopes)| Step {
            wait,
            overlap,
            life,
            scopes,
        })
}

proptest! {
    /// L-03: whatever is asked for, along any chain of rotations, rights only shrink.
    #[test]
    fn a_successor_is_never_wider_than_its_predecessor(
        scopes in prop::collection::vec(prop::sample::select(vec!["orders:*", "keys:rotate", "orders:read"]), 0..3),
        limit in prop::option::of(1..100_u32),
        life in 1..1_000_u64,
        not_before in 0..500_u64,
        steps in prop::collection::vec(step(), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = bench();
            let seconds = Duration::from_secs;
            let mut new = NewApiKey::for_service("x")
                .scopes(scopes)
                .expires_in(seconds(life))
                .not_before(START + seconds(not_before.min(life - 1)));
            new.limit = limit.map(|requests| OwnerLimit { requests, window: seconds(60) });
            let mut current = bench.issue(new).await.record;
            for step in steps {
                bench.clock.advance(seconds(step.wait));
                let asked = Rotation {
                    overlap: step.overlap.map(seconds),
                    life: step.life.map(seconds),
                    scopes: step.scopes.map(|all| all.into_iter().map(String::from).collect()),
                };
                let now = bench.clock.now();
                let Ok(rotated) = bench.rotate(&current.id, asked).await else {
                    continue;
                };
                let next = rotated.record;
                assert!(next.scopes.is_subset(&current.scopes));
                assert!(
                    next.expires_at.since(next.created_at)
                        <= current.expires_at.since(current.created_at)
                );
                assert!(next.not_before >= current.not_before);
                assert_eq!(
                    (next.limit, &next.tenant, &next.owner, &next.environment),
                    (current.limit, &current.tenant, &current.owner, &current.environment)
                );
                assert_eq!(next.predecessor.as_ref(), Some(&current.id));
                assert!(rotated.key.expose().starts_with("fnt_live_"));
                assert!(rotated.previous_valid_until <= current.expires_at);
                assert!(rotated.previous_valid_until <= now + DAY);
                let stored = bench.store.inner.find(&current.id).await.unwrap().unwrap();
                assert_eq!(stored.superseded_at, Some(rotated.previous_valid_until));
                assert_eq!(bench.store.inner.find(&next.id).await.unwrap().unwrap(), next);
                current = next;
            }
        });
    }
}
