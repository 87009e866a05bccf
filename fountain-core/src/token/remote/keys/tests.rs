use std::pin::pin;
use std::task::{Context, Waker};

use super::super::doubles::{Published, Scripted, answer, at_once, clock, kid, pass};
use super::super::fetch::FetchErrorKind;
use super::*;
use crate::clock::{ManualClock, Timestamp};

const HOUR: u64 = 3_600;

struct Case {
    keys: Arc<RemoteKeys>,
    server: Scripted,
    published: Published,
    clock: Arc<ManualClock>,
}

impl Case {
    /// An issuer that publishes `a`, fresh for 60 s, of which nothing is known yet.
    fn new() -> Self {
        let published = Published::new(Algorithm::EdDsa);
        let server = Scripted::new(published.set(&["a"], Some(60)));
        let clock = clock();
        let keys = Arc::new(RemoteKeys::new(
            "https://issuer.example".parse().unwrap(),
            &[Algorithm::EdDsa],
            "https://issuer.example/jwks.json",
            Duration::from_secs(24 * HOUR),
            Arc::new(server.clone()),
            Arc::clone(&clock) as Arc<dyn Clock>,
        ));
        Self {
            keys,
            server,
            published,
            clock,
        }
    }

    /// The same, and the set has been fetched.
    fn primed() -> Self {
        let case = Self::new();
        assert_eq!(case.at_once("a"), Some(Ok(())));
        assert_eq!(case.server.asked(), 1);
        case
    }

    async fn key(&self, id: &str) -> Result<(), Reason> {
        look_up(&self.keys, &kid(id)).await
    }

    fn at_once(&self, id: &str) -> Option<Result<(), Reason>> {
        at_once(self.key(id))
    }
}

async fn look_up(keys: &RemoteKeys, kid: &Kid) -> Result<(), Reason> {
    keys.ask(|keys| match keys.by_kid(kid) {
        Ok(_) => Ok(()),
        Err(reason) => Err(Rejection::invalid_token(reason)),
    })
    .await
    .map_err(|refusal| refusal.reason())
}

const UNKNOWN: Option<Result<(), Reason>> = Some(Err(Reason::TokenUnknownKey));
const UNAVAILABLE: Option<Result<(), Reason>> = Some(Err(Reason::TokenIssuerKeysUnavailable));

#[test]
fn keys_are_fetched_when_they_are_first_needed_and_again_when_they_are_stale() {
    let case = Case::primed();
    pass(&case.clock, 59);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 1);
    pass(&case.clock, 1);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
}

/// R-29
#[test]
fn an_unknown_key_is_asked_for_at_most_once_in_thirty_seconds() {
    let case = Case::primed();
    assert_eq!(case.at_once("new"), UNKNOWN);
    pass(&case.clock, 29);
    assert_eq!(case.at_once("new"), UNKNOWN);
    assert_eq!(case.server.asked(), 1);

    case.server
        .answers(case.published.set(&["a", "new"], Some(60)));
    pass(&case.clock, 1);
    assert_eq!(case.at_once("new"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
}

/// R-29: neither a failure, nor an empty set, nor a bad one gives the turn back.
#[test]
fn the_turn_is_spent_whatever_came_of_it() {
    type Happens = fn(&Case);
    let bad: [(&str, Happens); 3] = [
        ("down", |case| {
            case.server.fails(FetchErrorKind::Unreachable)
        }),
        ("empty", |case| {
            case.server.answers(answer(r#"{"keys":[]}"#, None))
        }),
        ("garbage", |case| {
            case.server.answers(answer("<html>", None))
        }),
    ];
    for (name, happens) in bad {
        let case = Case::new();
        happens(&case);
        for _ in 0..100 {
            assert!(case.at_once("a").unwrap().is_err(), "{name}");
        }
        pass(&case.clock, 29);
        assert!(case.at_once("a").unwrap().is_err(), "{name}");
        assert_eq!(case.server.asked(), 1, "{name}");

        case.server.answers(case.published.set(&["a"], None));
        pass(&case.clock, 1);
        assert_eq!(case.at_once("a"), Some(Ok(())), "{name}");
        assert_eq!(case.server.asked(), 2, "{name}");
    }
}

/// B-50: 10^4 fresh unknown ids a second, for 65 s, with a server that answers slowly.
#[test]
fn a_flood_of_unknown_keys_causes_one_fetch_in_thirty_seconds_and_known_keys_never_wait() {
    let case = Case::new();
    case.server.answers(case.published.set(&["a"], Some(HOUR)));
    assert_eq!(case.at_once("a"), Some(Ok(())));
    case.server.takes(3);
    for second in 0..65 {
        let mut began = 0;
        for token in 0..10_000 {
            let id = format!("forged-{second}-{token}");
            match case.at_once(&id) {
                // Its client hung up at its first wait.
                None => began += 1,
                refused => assert_eq!(refused, UNKNOWN),
            }
            if token % 100 == 0 {
                assert_eq!(case.at_once("a"), Some(Ok(())));
            }
        }
        assert!(began <= 3, "{began} callers waited in second {second}");
        pass(&case.clock, 1);
    }
    assert_eq!(
        case.server.asked(),
        1 + 2,
        "one at the start, then at 30 and 60 s"
    );
}

/// R-29: single flight, on real threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_share_one_fetch() {
    for _ in 0..50 {
        let case = Case::new();
        case.server.takes(20);
        let callers: Vec<_> = (0..64)
            .map(|_| {
                let keys = Arc::clone(&case.keys);
                tokio::spawn(async move { look_up(&keys, &kid("a")).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), Ok(()));
        }
        assert_eq!(case.server.asked(), 1);
        assert_eq!(case.keys.waiting.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn of_the_callers_with_a_stale_set_one_fetches_and_the_others_go_on() {
    let case = Case::primed();
    pass(&case.clock, 60);
    case.server.takes(1);
    let mut fetching = pin!(case.key("a"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(fetching.as_mut().poll(&mut context).is_pending());
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
    assert!(fetching.as_mut().poll(&mut context).is_ready());
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
}

/// F-31
#[test]
fn the_last_good_set_outlives_a_failure_until_its_longest_staleness() {
    let case = Case::primed();
    case.server.fails(FetchErrorKind::Unreachable);
    for _ in 0..20 {
        pass(&case.clock, 30);
        assert_eq!(case.at_once("a"), Some(Ok(())));
    }
    assert_eq!(
        case.server.asked(),
        1 + 19,
        "the first thirty seconds were fresh"
    );
    // A stale set cannot say that there is no such key.
    assert_eq!(case.at_once("new"), UNAVAILABLE);

    case.server
        .answers(answer("<html>down for maintenance</html>", Some(60)));
    pass(&case.clock, 24 * HOUR + 60 - 600 - 1);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    pass(&case.clock, 1);
    assert_eq!(case.at_once("a"), UNAVAILABLE);
    pass(&case.clock, 30);
    assert_eq!(case.at_once("a"), UNAVAILABLE);

    case.server.answers(case.published.set(&["a"], Some(60)));
    pass(&case.clock, 29);
    assert_eq!(case.at_once("a"), UNAVAILABLE);
    pass(&case.clock, 1);
    assert_eq!(case.at_once("a"), Some(Ok(())));
}

/// B-43, B-44
#[test]
fn every_bad_answer_leaves_the_last_good_set_in_place() {
    let case = Case::primed();
    let own = String::from_utf8(case.published.set(&["a"], None).body).unwrap();
    let key = own
        .trim_start_matches(r#"{"keys":["#)
        .trim_end_matches("]}");
    let many = vec![r#"{"kty":"OKP"}"#; 100_000].join(",");
    let mut html = case.published.set(&["b"], Some(60));
    html.media_type = Some("text/html".into());
    let mut untyped = html.clone();
    untyped.media_type = None;
    let bodies = [
        "<html></html>".to_owned(),
        String::new(),
        "{}".to_owned(),
        r#"{"keys":"a"}"#.to_owned(),
        format!(r#"{{"keys":[{key},{key}]}}"#),
        format!(r#"{{"keys":[{key},{{"kty":"oct","kid":"s","alg":"HS256","k":"AAAA"}}]}}"#),
        format!(r#"{{"keys":[{many}]}}"#),
        format!("{own}{}", " ".repeat(10_000_000)),
    ];
    let bad = bodies
        .iter()
        .map(|body| answer(body, Some(60)))
        .chain([html, untyped]);
    let mut asked = 1;
    for bad in bad {
        case.server.answers(bad);
        pass(&case.clock, 60);
        asked += 1;
        assert_eq!(case.at_once("a"), Some(Ok(())), "fetch {asked}");
        assert_eq!(case.at_once("b"), UNAVAILABLE, "fetch {asked}");
        assert_eq!(case.server.asked(), asked);
    }
    for kind in [
        FetchErrorKind::Unreachable,
        FetchErrorKind::Timeout,
        FetchErrorKind::NotHttps,
        FetchErrorKind::Redirected,
        FetchErrorKind::Status,
        FetchErrorKind::TooLarge,
        FetchErrorKind::Encoded,
    ] {
        case.server.fails(kind);
        pass(&case.clock, 60);
        asked += 1;
        assert_eq!(case.at_once("a"), Some(Ok(())), "{kind:?}");
        assert_eq!(case.server.asked(), asked);
    }
}

#[test]
fn a_withdrawn_key_is_gone_with_the_next_good_set() {
    let case = Case::primed();
    case.server.answers(case.published.set(&["b"], Some(60)));
    pass(&case.clock, 60);
    assert_eq!(case.at_once("a"), UNKNOWN);
    assert_eq!(case.at_once("b"), Some(Ok(())));

    case.server.answers(answer(r#"{"keys":[]}"#, Some(60)));
    pass(&case.clock, 60);
    assert_eq!(case.at_once("b"), UNKNOWN);
}

#[test]
fn what_a_server_says_about_freshness_is_bounded() {
    for (said, kept) in [
        (Some(0), 60),
        (Some(59), 60),
        (Some(61), 61),
        (None, 300),
        (Some(24 * HOUR + 1), 24 * HOUR),
        (Some(u64::MAX), 24 * HOUR),
    ] {
        let case = Case::new();
        case.server.answers(case.published.set(&["a"], said));
        assert_eq!(case.at_once("a"), Some(Ok(())));
        pass(&case.clock, kept - 1);
        assert_eq!(case.at_once("a"), Some(Ok(())));
        assert_eq!(case.server.asked(), 1, "{said:?}");
        pass(&case.clock, 1);
        assert_eq!(case.at_once("a"), Some(Ok(())));
        assert_eq!(case.server.asked(), 2, "{said:?}");
    }
}

#[test]
fn the_age_of_a_set_counts_from_when_it_was_asked_for() {
    let case = Case::new();
    case.server.takes(1);
    assert_eq!(case.at_once("a"), None);
    pass(&case.clock, 5);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    case.server.takes(0);
    pass(&case.clock, 54);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 1);
    pass(&case.clock, 1);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
}

/// R-109
#[test]
fn a_jump_of_the_wall_clock_changes_nothing() {
    let case = Case::primed();
    for now in [Timestamp::MIN, Timestamp::MAX] {
        case.clock.jump_to(now);
        assert_eq!(case.at_once("a"), Some(Ok(())));
        assert_eq!(case.at_once("new"), UNKNOWN);
    }
    assert_eq!(case.server.asked(), 1);
}

/// R-103: the caller is dropped at each poll; the next one carries the same fetch to its end.
#[test]
fn a_dropped_caller_leaves_its_fetch_to_the_next_one() {
    const POLLS: usize = 8;
    for dropped_after in 1..=POLLS {
        let case = Case::new();
        case.server.takes(POLLS);
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut caller = pin!(case.key("a"));
            for _ in 0..dropped_after {
                assert!(caller.as_mut().poll(&mut context).is_pending());
            }
        }
        assert_eq!(case.server.open(), 1);
        let mut next = pin!(case.key("a"));
        for _ in dropped_after..POLLS {
            assert!(next.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(next.as_mut().poll(&mut context), Poll::Ready(Ok(())));
        assert_eq!((case.server.asked(), case.server.open()), (1, 0));
    }
}

/// R-103: one who waited for the dropped caller takes over, woken by the drop.
#[tokio::test]
async fn a_waiting_caller_takes_over_from_a_dropped_one() {
    let case = Case::new();
    case.server.takes(10_000);
    let first = tokio::spawn({
        let keys = Arc::clone(&case.keys);
        async move { look_up(&keys, &kid("a")).await }
    });
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let keys = Arc::clone(&case.keys);
            tokio::spawn(async move { look_up(&keys, &kid("a")).await })
        })
        .collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(case.server.open(), 1);
    first.abort();
    for caller in waiting {
        assert_eq!(caller.await.unwrap(), Ok(()));
    }
    assert_eq!(case.server.asked(), 1);
}

#[test]
fn a_fetch_that_was_left_behind_too_long_is_given_up_and_its_turn_stays_spent() {
    let case = Case::new();
    case.server.takes(1);
    assert_eq!(case.at_once("a"), None);
    pass(&case.clock, 6);
    assert_eq!(case.server.open(), 1);
    assert_eq!(case.at_once("a"), UNAVAILABLE);
    assert_eq!((case.server.asked(), case.server.open()), (1, 0));

    case.server.takes(0);
    pass(&case.clock, 23);
    assert_eq!(case.at_once("a"), UNAVAILABLE);
    pass(&case.clock, 1);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
}

/// A fetcher that breaks its contract and never answers holds up its one caller, and nobody else for long.
#[test]
fn a_fetch_that_hangs_is_not_waited_for() {
    let case = Case::primed();
    pass(&case.clock, 60);
    case.server.takes(usize::MAX);
    let mut hanging = pin!(case.key("new"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(hanging.as_mut().poll(&mut context).is_pending());
    assert_eq!(case.at_once("new"), None, "waits at first");
    pass(&case.clock, 6);
    assert_eq!(case.at_once("new"), UNAVAILABLE);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);
}

/// F-39
#[test]
fn a_fetcher_that_panics_is_not_polled_again_and_costs_one_turn() {
    let case = Case::new();
    case.server.panics_once();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.at_once("a")));
    assert!(caught.is_err());
    assert_eq!(case.at_once("a"), UNAVAILABLE);
    pass(&case.clock, 30);
    assert_eq!(case.at_once("a"), Some(Ok(())));
    assert_eq!((case.server.asked(), case.server.open()), (2, 0));
}

/// B-50: memory is bounded while a slow server is waited for.
#[test]
fn only_so_many_callers_wait_and_a_place_is_given_back() {
    let case = Case::new();
    case.server.takes(usize::MAX);
    let mut context = Context::from_waker(Waker::noop());
    let mut fetching = pin!(case.key("a"));
    assert!(fetching.as_mut().poll(&mut context).is_pending());
    let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(case.key("a"))).collect();
    for caller in &mut waiting {
        assert!(caller.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(case.at_once("a"), UNAVAILABLE);
    waiting.pop();
    assert_eq!(case.at_once("a"), None);
    drop(waiting);
    assert_eq!(case.keys.waiting.load(Ordering::SeqCst), 0);
}

#[test]
fn a_scheduled_refresh_spares_every_request_the_fetch() {
    let case = Case::new();
    let refresh = || at_once(case.keys.refresh_ahead());
    assert_eq!(refresh(), Some(Ok(())));
    pass(&case.clock, 44);
    assert_eq!(refresh(), Some(Ok(())));
    assert_eq!(case.server.asked(), 1);
    pass(&case.clock, 1);
    assert_eq!(refresh(), Some(Ok(())));
    assert_eq!(case.server.asked(), 2);

    case.server.takes(1);
    pass(&case.clock, 45);
    assert_eq!(refresh(), None);
    assert_eq!(case.at_once("a"), Some(Ok(())), "does not wait for it");
}

#[test]
fn a_scheduled_refresh_says_when_there_is_no_usable_set() {
    let case = Case::new();
    case.server.fails(FetchErrorKind::Timeout);
    let refresh = || at_once(case.keys.refresh_ahead()).unwrap();
    let none = Err(Rejection::unavailable(Reason::TokenIssuerKeysUnavailable));
    assert_eq!(refresh(), none);
    assert_eq!(refresh(), none);
    assert_eq!(case.server.asked(), 1);
}
