//! A, B, C and H: what is stored, found and purged, and what every call asks first.

use fountain_core::Timestamp;
use fountain_core::audit::AuditAction;
use fountain_core::otp::{ChallengeId, ChallengeOutcome, ChallengePurpose, ChallengeRecord};

use super::{
    assert_stands, consume, count, done, find, insert, put_code, stored, stored_with_code,
};
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::hostile;
use crate::ledger::Ledger;
use crate::race::race;

pub(crate) async fn challenge_store_a_insert_stores_the_challenge_as_given(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let plain = ChallengeRecord {
        context: Vec::new(),
        ..cx.fixtures.challenge(&tenant)
    };
    let full = ChallengeRecord {
        purpose: ChallengePurpose::new(format!("a:b._-{}", "z".repeat(58)))
            .expect("64 characters are a purpose"),
        context: (0..=255).cycle().take(4_096).collect(),
        created_at: Timestamp::MIN,
        expires_at: Timestamp::MAX,
        attempts: 3,
        attempt_limit: 4,
        code: Some(cx.fixtures.pending_code()),
        consumed_at: Some(NOW - TICK),
        ..cx.fixtures.challenge(&tenant)
    };
    for record in [plain, full] {
        assert_eq!(find(&s, &record).await, None);
        assert!(insert(&cx, &s, &record).await);
        assert_stands(&s, &record).await;
    }
    // Also of subjects that mean something to a store (B-78).
    for subject in hostile::subjects() {
        let record = ChallengeRecord {
            subject,
            ..cx.fixtures.challenge(&tenant)
        };
        assert!(insert(&cx, &s, &record).await);
        assert_stands(&s, &record).await;
    }
}

pub(crate) async fn challenge_store_a_an_id_that_exists_in_any_tenant_is_not_stored_again(
    cx: Context,
) {
    let s = cx.fresh().await;
    let record = stored(&cx, &s).await;
    for tenant in [record.tenant.clone(), cx.fixtures.tenant()] {
        let mut ledger = Ledger::open(&s, &tenant).await;
        let second = ChallengeRecord {
            id: record.id.clone(),
            ..cx.fixtures.challenge(&tenant)
        };
        assert!(!insert(&cx, &s, &second).await);
        ledger.assert_nothing("an insert that was refused").await;
        if tenant != record.tenant {
            assert_eq!(find(&s, &second).await, None);
        }
        assert_stands(&s, &record).await;
    }
}

///
pub(crate) async fn challenge_store_a_of_parallel_inserts_of_one_id_exactly_one_is_stored(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let tenants = [cx.fixtures.tenant(), cx.fixtures.tenant()];
        let id = cx.fixtures.challenge_id();
        let outcomes = race(cx.rounds.tasks, |task| {
            let s = s.clone();
            let record = ChallengeRecord {
                id: id.clone(),
                ..cx.fixtures.challenge(&tenants[task % 2])
            };
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ChallengeIssued);
            async move {
                let inserted = s.challenges.insert(record.clone(), event).await;
                (inserted.unwrap(), record)
            }
        })
        .await;
        let won: Vec<_> = outcomes
            .into_iter()
            .filter_map(|(won, record)| won.then_some(record))
            .collect();
        let [winner] = won.as_slice() else {
            panic!("{} inserts won", won.len());
        };
        assert_stands(&s, winner).await;
        for tenant in tenants {
            let found = s.challenges.find(&tenant, &id).await.unwrap();
            assert_eq!(found.is_some(), tenant == winner.tenant);
        }
    }
}

pub(crate) async fn challenge_store_b_find_gives_the_challenge_whatever_its_state(cx: Context) {
    let s = cx.fresh().await;
    let (mut record, code) = stored_with_code(&cx, &s).await;
    record.attempts = 1;
    assert_eq!(count(&cx, &s, &record, NOW).await, done(&record));
    assert_stands(&s, &record).await;
    record.consumed_at = Some(NOW + TICK);
    let outcome = consume(&cx, &s, &record, Some(&code.digest), NOW + TICK).await;
    assert_eq!(outcome, done(&record));
    assert_stands(&s, &record).await;
    let over = ChallengeRecord {
        expires_at: NOW - DAY,
        ..cx.fixtures.challenge(&record.tenant)
    };
    let used_up = ChallengeRecord {
        attempts: 5,
        ..cx.fixtures.challenge(&record.tenant)
    };
    for record in [over, used_up] {
        assert!(insert(&cx, &s, &record).await);
        assert_stands(&s, &record).await;
    }
    // An id that differs in case only is another.
    let id = record.id.as_str();
    let swapped: String = id
        .chars()
        .map(|c| match c {
            c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            c => c.to_ascii_lowercase(),
        })
        .collect();
    let twin = ChallengeRecord {
        id: ChallengeId::new(swapped).expect("22 letters and digits are a challenge id"),
        ..cx.fixtures.challenge(&record.tenant)
    };
    assert_eq!(find(&s, &twin).await, None);
    assert!(insert(&cx, &s, &twin).await);
    for record in [&twin, &record] {
        assert_stands(&s, record).await;
    }
}

/// Each of the calls that look at one challenge, with what it is about to do.
async fn every_call(
    cx: &Context,
    s: &Stores,
    record: &ChallengeRecord,
    now: Timestamp,
) -> [ChallengeOutcome; 4] {
    let code = record.code.as_ref().map(|code| code.digest);
    [
        count(cx, s, record, now).await,
        put_code(cx, s, record, &cx.fixtures.pending_code(), now).await,
        consume(cx, s, record, None, now).await,
        consume(cx, s, record, code.as_ref(), now).await,
    ]
}

///
pub(crate) async fn challenge_store_b_another_tenants_challenge_is_not_found_by_any_call(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (record, _) = stored_with_code(&cx, &s).await;
    let tenants = hostile::tenants().into_iter().chain([cx.fixtures.tenant()]);
    for tenant in tenants {
        let foreign = ChallengeRecord {
            tenant,
            ..record.clone()
        };
        let mut ledger = Ledger::open(&s, &foreign.tenant).await;
        assert_eq!(find(&s, &foreign).await, None);
        for outcome in every_call(&cx, &s, &foreign, NOW).await {
            assert_eq!(outcome, ChallengeOutcome::NotFound);
        }
        ledger
            .assert_nothing("calls about another tenant's challenge")
            .await;
    }
    assert_stands(&s, &record).await;
}

pub(crate) async fn challenge_store_c_the_checks_come_in_order(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    // Whatever else a call would refuse comes behind these: no answer is left, and the code is another.
    let used_up = ChallengeRecord {
        attempts: 5,
        code: Some(cx.fixtures.pending_code()),
        ..cx.fixtures.challenge(&tenant)
    };
    let consumed = ChallengeRecord {
        id: cx.fixtures.challenge_id(),
        consumed_at: Some(NOW),
        ..used_up.clone()
    };
    let unknown = cx.fixtures.challenge(&tenant);
    for record in [&used_up, &consumed] {
        assert!(insert(&cx, &s, record).await);
    }
    let end = used_up.expires_at;
    let mut ledger = Ledger::open(&s, &tenant).await;
    for now in [NOW - DAY, NOW, end - TICK, end, end + TICK, end + DAY] {
        for outcome in every_call(&cx, &s, &unknown, now).await {
            assert_eq!(outcome, ChallengeOutcome::NotFound, "{now}");
        }
        for outcome in every_call(&cx, &s, &consumed, now).await {
            assert_eq!(outcome, ChallengeOutcome::Consumed, "{now}");
        }
        let other = cx.fixtures.digest();
        let (counted, put, answered) = (
            count(&cx, &s, &used_up, now).await,
            put_code(&cx, &s, &used_up, &cx.fixtures.pending_code(), now).await,
            consume(&cx, &s, &used_up, Some(&other), now).await,
        );
        if now < end {
            assert_eq!(counted, ChallengeOutcome::Exhausted, "{now}");
            assert_eq!(put, ChallengeOutcome::Exhausted, "{now}");
            assert_eq!(answered, ChallengeOutcome::Superseded, "{now}");
        } else {
            for outcome in [counted, put, answered] {
                assert_eq!(outcome, ChallengeOutcome::Expired, "{now}");
            }
        }
    }
    ledger.assert_nothing("calls that were refused").await;
    for record in [&used_up, &consumed] {
        assert_stands(&s, record).await;
    }
}

pub(crate) async fn challenge_store_c_a_challenge_is_expired_from_the_microsecond_of_its_end_on(
    cx: Context,
) {
    let s = cx.fresh().await;
    let end = cx.fixtures.challenge(&cx.fixtures.tenant()).expires_at;
    for now in [end, end + TICK, end + DAY] {
        let record = stored(&cx, &s).await;
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        for outcome in every_call(&cx, &s, &record, now).await {
            assert_eq!(outcome, ChallengeOutcome::Expired, "{now}");
        }
        assert_stands(&s, &record).await;
        ledger.assert_nothing("calls behind the end").await;
    }
    let mut record = stored(&cx, &s).await;
    let now = end - TICK;
    let code = cx.fixtures.pending_code();
    record.attempts = 1;
    assert_eq!(count(&cx, &s, &record, now).await, done(&record));
    record.code = Some(code.clone());
    let outcome = put_code(&cx, &s, &record, &code, now).await;
    assert_eq!(outcome, done(&record));
    record.consumed_at = Some(now);
    let outcome = consume(&cx, &s, &record, None, now).await;
    assert_eq!(outcome, done(&record));
}

///
pub(crate) async fn challenge_store_h_purge_removes_what_ended_before_the_instant(cx: Context) {
    let s = cx.fresh().await;
    let mut around = Vec::new();
    for expires_at in [NOW - TICK, NOW, NOW + TICK] {
        for consumed_at in [None, Some(NOW - DAY)] {
            let record = ChallengeRecord {
                expires_at,
                consumed_at,
                ..cx.fixtures.challenge(&cx.fixtures.tenant())
            };
            assert!(insert(&cx, &s, &record).await);
            around.push(record);
        }
    }
    let mut ledger = Ledger::open(&s, &around[0].tenant).await;
    assert_eq!(s.challenges.purge(NOW, 1000).await.unwrap(), 2);
    assert_eq!(s.challenges.purge(NOW, 1000).await.unwrap(), 0);
    ledger.assert_nothing("a purge").await;
    for gone in &around[..2] {
        assert_eq!(find(&s, gone).await, None);
        let outcome = count(&cx, &s, gone, NOW - DAY).await;
        assert_eq!(outcome, ChallengeOutcome::NotFound);
    }
    for kept in &around[2..] {
        assert_stands(&s, kept).await;
    }
    assert_eq!(s.challenges.purge(NOW + DAY, 1000).await.unwrap(), 4);
}

///
pub(crate) async fn challenge_store_h_purge_stops_at_its_limit_and_says_how_many(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..9 {
        stored(&cx, &s).await;
    }
    for removed in [4, 4, 1, 0] {
        assert_eq!(s.challenges.purge(NOW + DAY, 4).await.unwrap(), removed);
    }
}
