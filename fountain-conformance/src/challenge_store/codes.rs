//! E: the code that was sent last.

use fountain_core::audit::AuditAction;
use fountain_core::otp::{ChallengeOutcome, ChallengeRecord, PendingCode};

use super::{
    assert_stands, consume, count, done, find, insert, is_done, put_code, stored, stored_with_code,
};
use crate::context::Context;
use crate::fixtures::{NOW, TICK};
use crate::ledger::Ledger;
use crate::race::race;

///
pub(crate) async fn challenge_store_e_a_new_code_takes_the_place_of_the_one_before(cx: Context) {
    let s = cx.fresh().await;
    let mut record = stored(&cx, &s).await;
    let mut older: Vec<PendingCode> = Vec::new();
    for _ in 0..3 {
        let code = PendingCode {
            issued_at: NOW + TICK,
            ..cx.fixtures.pending_code()
        };
        record.code = Some(code.clone());
        let mut ledger = Ledger::open(&s, &record.tenant).await;
        let event = cx.fixtures.event(&record.tenant, AuditAction::CodeIssued);
        let (tenant, id) = (&record.tenant, &record.id);
        let put = s
            .challenges
            .put_code(tenant, id, code.clone(), NOW, event.clone());
        assert_eq!(put.await.unwrap(), done(&record));
        assert_stands(&s, &record).await;
        ledger.assert_recorded("a code", &[event], &[]).await;
        for code in &older {
            let outcome = consume(&cx, &s, &record, Some(&code.digest), NOW).await;
            assert_eq!(outcome, ChallengeOutcome::Superseded, "an older code");
        }
        ledger.assert_nothing("older codes").await;
        older.push(code);
    }
    let last = older.pop().expect("three were sent");
    let outcome = consume(&cx, &s, &record, Some(&last.digest), NOW).await;
    assert!(is_done(&outcome), "{outcome:?}");
}

/// R-52, B-62: who asks for another code gets no more guesses.
pub(crate) async fn challenge_store_e_a_new_code_does_not_change_the_attempts(cx: Context) {
    let s = cx.fresh().await;
    let (mut record, _) = stored_with_code(&cx, &s).await;
    while record.attempts < record.attempt_limit {
        let code = cx.fixtures.pending_code();
        record.code = Some(code.clone());
        let outcome = put_code(&cx, &s, &record, &code, NOW).await;
        assert_eq!(outcome, done(&record));
        record.attempts += 1;
        assert_eq!(count(&cx, &s, &record, NOW).await, done(&record));
        assert_stands(&s, &record).await;
    }
    let mut ledger = Ledger::open(&s, &record.tenant).await;
    let code = cx.fixtures.pending_code();
    let exhausted = ChallengeOutcome::Exhausted;
    assert_eq!(put_code(&cx, &s, &record, &code, NOW).await, exhausted);
    assert_eq!(count(&cx, &s, &record, NOW).await, exhausted);
    assert_stands(&s, &record).await;
    ledger.assert_nothing("a challenge that is used up").await;
}

/// B-62: in a race as well.
pub(crate) async fn challenge_store_e_new_codes_in_a_race_give_no_more_attempts(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let record = ChallengeRecord {
            attempt_limit: 2,
            ..cx.fixtures.challenge(&cx.fixtures.tenant())
        };
        assert!(insert(&cx, &s, &record).await);
        let codes: Vec<_> = (0..cx.rounds.tasks)
            .map(|_| cx.fixtures.pending_code())
            .collect();
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record, code) = (s.clone(), record.clone(), codes[task].clone());
            let event = cx.fixtures.event(&record.tenant, AuditAction::CodeIssued);
            let is_count = task % 2 == 0;
            async move {
                let (tenant, id) = (&record.tenant, &record.id);
                let outcome = if is_count {
                    s.challenges.count(tenant, id, NOW, event).await
                } else {
                    s.challenges.put_code(tenant, id, code, NOW, event).await
                };
                (is_count, outcome.unwrap())
            }
        })
        .await;
        let counted = crate::race::count(&outcomes, |(is_count, outcome)| {
            *is_count && is_done(outcome)
        });
        let counts = cx.rounds.tasks.div_ceil(2);
        assert_eq!(counted, counts.min(2), "of {counts} counts");
        let put = crate::race::count(&outcomes, |(is_count, outcome)| {
            !is_count && is_done(outcome)
        });
        let found = find(&s, &record).await.expect("it is stored");
        assert_eq!(found.attempts, u32::try_from(counted).expect("it is small"));
        // One of the codes that were put stands, whole; none does when none was put.
        assert_eq!(found.code.is_some(), put > 0);
        assert!(found.code.is_none_or(|code| codes.contains(&code)));
    }
}
