//! D, F and G: counting answers, and taking the one that is right.

use fountain_core::audit::AuditAction;
use fountain_core::otp::{ChallengeOutcome, ChallengeRecord, PendingCode};

use super::{
    assert_stands, consume, count, done, find, insert, is_done, put_code, stored, stored_with_code,
};
use crate::context::Context;
use crate::fixtures::{DAY, NOW, TICK};
use crate::ledger::Ledger;
use crate::race::{self, race};

///
pub(crate) async fn challenge_store_d_count_raises_the_attempts_up_to_the_limit(cx: Context) {
    let s = cx.fresh().await;
    for (attempts, attempt_limit) in [(0, 5), (0, 1), (3, 5), (0, 0), (5, 5), (7, 5)] {
        let mut record = ChallengeRecord {
            attempts,
            attempt_limit,
            ..cx.fixtures.challenge(&cx.fixtures.tenant())
        };
        assert!(insert(&cx, &s, &record).await);
        while record.attempts < attempt_limit {
            record.attempts += 1;
            let mut ledger = Ledger::open(&s, &record.tenant).await;
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ChallengeAttempted);
            let count = s
                .challenges
                .count(&record.tenant, &record.id, NOW, event.clone());
            assert_eq!(count.await.unwrap(), done(&record));
            assert_stands(&s, &record).await;
            ledger.assert_recorded("a count", &[event], &[]).await;
        }
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        for _ in 0..3 {
            let outcome = count(&cx, &s, &record, NOW).await;
            assert_eq!(outcome, ChallengeOutcome::Exhausted);
            assert_stands(&s, &record).await;
        }
        ledger.assert_nothing("a challenge that is used up").await;
    }
}

/// of 64 guesses at once as many are judged as the challenge has left.
pub(crate) async fn challenge_store_d_of_parallel_counts_as_many_are_done_as_the_limit_has_left(
    cx: Context,
) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.races {
        let limit = 5.min(cx.rounds.tasks - 1);
        let before = round % limit;
        let number = |n: usize| u32::try_from(n).expect("it is small");
        let record = ChallengeRecord {
            attempts: number(before),
            attempt_limit: number(limit),
            ..cx.fixtures.challenge(&cx.fixtures.tenant())
        };
        assert!(insert(&cx, &s, &record).await);
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ChallengeAttempted);
            async move {
                let count = s.challenges.count(&record.tenant, &record.id, NOW, event);
                count.await.unwrap()
            }
        })
        .await;
        let mut attempts: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                ChallengeOutcome::Done(record) => Some(record.attempts),
                other => {
                    assert_eq!(*other, ChallengeOutcome::Exhausted);
                    None
                }
            })
            .collect();
        attempts.sort_unstable();
        let expected: Vec<_> = (number(before) + 1..=number(limit)).collect();
        assert_eq!(attempts, expected, "of {} counts", cx.rounds.tasks);
        let record = ChallengeRecord {
            attempts: number(limit),
            ..record
        };
        assert_stands(&s, &record).await;
        assert_eq!(ledger.events().await.len(), limit - before, "events");
    }
}

pub(crate) async fn challenge_store_f_consume_takes_the_challenge_by_the_code_that_stands(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (record, code) = stored_with_code(&cx, &s).await;
    let without_code = stored(&cx, &s).await;
    let other = cx.fixtures.digest();
    for (record, digest) in [(&record, &other), (&without_code, &code.digest)] {
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        let outcome = consume(&cx, &s, record, Some(digest), NOW).await;
        assert_eq!(outcome, ChallengeOutcome::Superseded);
        assert_stands(&s, record).await;
        ledger.assert_nothing("another code").await;
    }
    // Without a code none is asked for, whether one was sent or not.
    let (with_code, _) = stored_with_code(&cx, &s).await;
    for (record, digest) in [
        (record, Some(&code.digest)),
        (without_code, None),
        (with_code, None),
    ] {
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        let now = NOW + TICK;
        let answered = ChallengeRecord {
            consumed_at: Some(now),
            ..record
        };
        let outcome = consume(&cx, &s, &answered, digest, now).await;
        assert_eq!(outcome, done(&answered));
        assert_stands(&s, &answered).await;
        assert_eq!(ledger.events().await.len(), 1);
        ledger = Ledger::open(&s, &answered.tenant).await;
        for digest in [digest, None, Some(&other)] {
            let outcome = consume(&cx, &s, &answered, digest, NOW + 2 * TICK).await;
            assert_eq!(outcome, ChallengeOutcome::Consumed, "once");
        }
        assert_stands(&s, &answered).await;
        ledger.assert_nothing("answering again").await;
    }
}

///
pub(crate) async fn challenge_store_f_a_code_is_good_until_the_microsecond_of_its_end(cx: Context) {
    let s = cx.fresh().await;
    let end = cx.fixtures.pending_code().expires_at;
    for (now, is_good) in [
        (NOW - DAY, true),
        (end - TICK, true),
        (end, false),
        (end + TICK, false),
    ] {
        let (record, code) = stored_with_code(&cx, &s).await;
        let outcome = consume(&cx, &s, &record, Some(&code.digest), now).await;
        assert_eq!(is_done(&outcome), is_good, "{now}: {outcome:?}");
        if !is_good {
            assert_eq!(outcome, ChallengeOutcome::Superseded, "{now}");
            assert_stands(&s, &record).await;
            // Another factor needs no code, and is not late.
            let outcome = consume(&cx, &s, &record, None, now).await;
            assert!(is_done(&outcome), "{outcome:?}");
        }
    }
    // A code that is to last longer than its challenge ends with it.
    let code = PendingCode {
        expires_at: NOW + DAY,
        ..cx.fixtures.pending_code()
    };
    let record = ChallengeRecord {
        code: Some(code.clone()),
        ..cx.fixtures.challenge(&cx.fixtures.tenant())
    };
    assert!(insert(&cx, &s, &record).await);
    let outcome = consume(&cx, &s, &record, Some(&code.digest), record.expires_at).await;
    assert_eq!(outcome, ChallengeOutcome::Expired);
}

/// the answer was counted before it was judged, so the last that is allowed may be right.
pub(crate) async fn challenge_store_f_attempts_that_are_used_up_do_not_matter_to_consume(
    cx: Context,
) {
    let s = cx.fresh().await;
    for attempts in [4, 5, 9] {
        let code = cx.fixtures.pending_code();
        let record = ChallengeRecord {
            attempts,
            code: Some(code.clone()),
            ..cx.fixtures.challenge(&cx.fixtures.tenant())
        };
        assert!(insert(&cx, &s, &record).await);
        let answered = ChallengeRecord {
            consumed_at: Some(NOW),
            ..record
        };
        let outcome = consume(&cx, &s, &answered, Some(&code.digest), NOW).await;
        assert_eq!(outcome, done(&answered), "after {attempts} attempts");
        assert_stands(&s, &answered).await;
    }
}

/// B-58, R-62
pub(crate) async fn challenge_store_f_of_parallel_answers_exactly_one_is_done(cx: Context) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.races {
        let (record, code) = stored_with_code(&cx, &s).await;
        let ledger = Ledger::open(&s, &record.tenant).await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record) = (s.clone(), record.clone());
            let event = cx
                .fixtures
                .event(&record.tenant, AuditAction::ChallengeAnswered);
            // All by the code, or some by another factor.
            let digest = (round % 2 == 0 || task % 3 > 0).then_some(code.digest);
            let now = NOW + u32::try_from(task).expect("not that many tasks") * TICK;
            async move {
                let (tenant, id) = (&record.tenant, &record.id);
                let consume = s
                    .challenges
                    .consume(tenant, id, digest.as_ref(), now, event);
                (consume.await.unwrap(), now)
            }
        })
        .await;
        let consumed = ChallengeOutcome::Consumed;
        assert_eq!(
            race::count(&outcomes, |(outcome, _)| *outcome == consumed),
            cx.rounds.tasks - 1
        );
        let won = outcomes.iter().find(|(outcome, _)| is_done(outcome));
        let (outcome, now) = won.expect("one answer wins");
        let answered = ChallengeRecord {
            consumed_at: Some(*now),
            ..record
        };
        assert_eq!(*outcome, done(&answered));
        assert_stands(&s, &answered).await;
        assert_eq!(ledger.events().await.len(), 1, "events of one answer");
    }
}

/// B-58: a code that is replaced in the same moment is taken, or replaced, and never both.
pub(crate) async fn challenge_store_f_of_an_answer_and_a_new_code_at_once_one_comes_first(
    cx: Context,
) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.races {
        let (record, old) = stored_with_code(&cx, &s).await;
        let new = cx.fixtures.pending_code();
        let outcomes = race(2, |task| {
            let (s, record, new) = (s.clone(), record.clone(), new.clone());
            let event = cx.fixtures.event(&record.tenant, AuditAction::CodeIssued);
            // Either of them is started first.
            let is_answer = task == round % 2;
            async move {
                let (tenant, id) = (&record.tenant, &record.id);
                let outcome = if is_answer {
                    let digest = old.digest;
                    s.challenges
                        .consume(tenant, id, Some(&digest), NOW, event)
                        .await
                } else {
                    s.challenges.put_code(tenant, id, new, NOW, event).await
                };
                (is_answer, outcome.unwrap())
            }
        })
        .await;
        let of = |is_answer| {
            let outcome = outcomes.iter().find(|(which, _)| *which == is_answer);
            outcome.expect("each task has an outcome").1.clone()
        };
        let (answer, new_code) = (of(true), of(false));
        let found = find(&s, &record).await.expect("it is stored");
        if is_done(&answer) {
            assert_eq!(new_code, ChallengeOutcome::Consumed);
            assert_eq!(found.consumed_at, Some(NOW));
            assert_eq!(found.code, record.code, "the code that was taken");
        } else {
            assert_eq!(answer, ChallengeOutcome::Superseded);
            assert!(is_done(&new_code), "{new_code:?}");
            assert_eq!((found.consumed_at, found.code), (None, Some(new)));
        }
    }
}

///
pub(crate) async fn challenge_store_g_a_call_that_changes_nothing_records_nothing(cx: Context) {
    let s = cx.fresh().await;
    let used_up = ChallengeRecord {
        attempts: 5,
        ..cx.fixtures.challenge(&cx.fixtures.tenant())
    };
    assert!(insert(&cx, &s, &used_up).await);
    let unknown = cx.fixtures.challenge(&used_up.tenant);
    let code = cx.fixtures.pending_code();
    let mut ledger = Ledger::open(&s, &used_up.tenant).await;
    assert!(!insert(&cx, &s, &used_up).await);
    let exhausted = ChallengeOutcome::Exhausted;
    assert_eq!(count(&cx, &s, &used_up, NOW).await, exhausted);
    assert_eq!(put_code(&cx, &s, &used_up, &code, NOW).await, exhausted);
    assert_eq!(
        consume(&cx, &s, &used_up, Some(&code.digest), NOW).await,
        ChallengeOutcome::Superseded
    );
    let not_found = ChallengeOutcome::NotFound;
    assert_eq!(count(&cx, &s, &unknown, NOW).await, not_found);
    assert_eq!(put_code(&cx, &s, &unknown, &code, NOW).await, not_found);
    assert_eq!(consume(&cx, &s, &unknown, None, NOW).await, not_found);
    assert_eq!(find(&s, &unknown).await, None);
    assert_stands(&s, &used_up).await;
    ledger.assert_nothing("refused calls").await;
}
