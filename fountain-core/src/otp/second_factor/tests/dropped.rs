//! whoever is dropped, at whatever await, leaves attempts counted and codes good once.

use super::enrolment::principal;
use super::*;
use crate::memory::slow::{Slow, drop_after};

/// More polls than any call takes.
const MOST: usize = 200;

/// The same service on the same store, whose every call waits.
fn slow(w: &World) -> SecondFactor {
    let store = Arc::new(Slow::new(w.store.clone()));
    let inner = &w.service.0;
    let random = inner.random.clone();
    let lockout = Lockout::builder(store.clone(), Pepper::new(&[7; 32]))
        .clock(w.clock.clone())
        .random(random.clone())
        .build()
        .unwrap();
    let (sealer, pepper) = (inner.sealer.clone(), inner.pepper.clone());
    SecondFactor::builder(store.clone(), store, lockout, sealer, pepper)
        .service_name("Example Shop")
        .delivery(w.outbox.clone())
        .clock(w.clock.clone())
        .random(random)
        .build()
        .unwrap()
}

async fn verify(
    service: &SecondFactor,
    w: &World,
    answer: SecondFactorAnswer<'_>,
) -> Result<VerifiedFactor, Error> {
    service
        .verify(&w.tenant, &w.alice, &w.purpose, &w.binding, answer, None)
        .await
}

/// How many attempts of this kind of thing were counted.
async fn counted(w: &World, kind: &str) -> usize {
    use crate::audit::AuditStore as _;
    let page = w.store.page(&w.tenant, None, 1_000).await.unwrap();
    let is = |event: &&AuditEvent| {
        event.action == AuditAction::AttemptCounted
            && event.details.get("kind").is_some_and(|of| of == kind)
    };
    page.items.iter().map(|item| &item.event).filter(is).count()
}

/// of two first factors that are confirmed at the same time one is bound, wherever the one call overtakes the other.
#[tokio::test]
async fn of_two_first_factors_confirmed_at_once_one_is_bound() {
    let mut refused = std::collections::BTreeSet::new();
    for polls in 0..MOST {
        let w = world();
        let alice = principal(&w.alice);
        let enrol = || {
            w.service
                .enrol_totp(&alice, &w.tenant, &w.alice, "alice", None)
        };
        let apps = [enrol().await, enrol().await].map(|begun| World::app_of(&begun.unwrap()));
        let codes = [w.code(&apps[0]), w.code(&apps[1])];
        let service = slow(&w);
        let confirm =
            |at: usize| service.confirm(&w.tenant, &w.alice, &apps[at].factor, codes[at].expose());
        let mut first = std::pin::pin!(confirm(0));
        let mut ended = None;
        for _ in 0..polls {
            let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx)));
            if let std::task::Poll::Ready(done) = poll.await {
                ended = Some(done);
                break;
            }
        }
        let overtaken = ended.is_none();
        let second = confirm(1).await;
        let first = match ended {
            Some(done) => done,
            None => first.await,
        };
        let bound = w.service.factors(&w.tenant, &w.alice).await.unwrap();
        let bound = bound.iter().filter(|factor| factor.confirmed_at.is_some());
        assert_eq!(bound.count(), 1, "after {polls} polls");
        assert_ne!(first.is_ok(), second.is_ok());
        let refusal = first.and(second).unwrap_err().rejection();
        refused.insert(refusal.reason());
        if !overtaken {
            // By the look before, and by the claim where that came too early.
            assert!(refused.contains(&Reason::GrantMissing));
            assert!(refused.contains(&Reason::QuotaExceeded));
            return;
        }
    }
    panic!("it never ended");
}

/// F-13: of five wrong codes one is dropped somewhere: it is one of the five from the moment on that it was counted.
#[tokio::test]
async fn an_attempt_that_is_dropped_stays_counted() {
    let mut seen = std::collections::BTreeSet::new();
    for polls in 0..MOST {
        let w = world();
        let app = w.app().await;
        let wrong = w.wrong(&app);
        let answer = SecondFactorAnswer::Authenticator(&wrong);
        let before = counted(&w, "otp").await;
        let ended = drop_after(polls, verify(&slow(&w), &w, answer)).await;
        let dropped = counted(&w, "otp").await - before;
        seen.insert(dropped);
        let mut judged = 0;
        loop {
            match why(w.verify(answer).await) {
                Reason::CodeWrong => judged += 1,
                Reason::Locked => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(dropped + judged, 5, "after {polls} polls");
        if ended.is_some() {
            assert!(seen.contains(&0) && seen.contains(&1));
            return;
        }
    }
    panic!("it never ended");
}

/// F-12: the code of an authenticator is good or used, and whoever is dropped has counted before anything was taken.
#[tokio::test]
async fn a_code_that_was_being_used_is_good_once() {
    let (mut good_after, mut used) = (0, 0);
    for polls in 0..MOST {
        let w = world();
        let app = w.app().await;
        let asked = w.ask().await.unwrap();
        let code = w.code(&app);
        let answer = SecondFactorAnswer::Authenticator(code.expose());
        let service = slow(&w);
        let call = service.answer(&w.tenant, &asked.id, &w.purpose, &w.binding, answer, None);
        let ended = drop_after(polls, call).await;
        let is_good = matches!(ended, Some(Ok(_)));
        match w.verify(answer).await {
            Ok(_) => {
                assert!(!is_good, "good twice");
                good_after += 1;
            }
            Err(refused) => {
                let refused: Result<(), _> = Err(refused);
                assert_eq!(why(refused), Reason::CodeReplayed);
                used += 1;
            }
        }
        if ended.is_some() {
            assert!(is_good && good_after > 5 && used > 5, "{good_after} {used}");
            return;
        }
    }
    panic!("it never ended");
}

/// As an authenticator's, so a code that was sent and a recovery code.
#[tokio::test]
async fn a_sent_code_and_a_recovery_code_are_good_once_too() {
    for polls in 0..MOST {
        let w = world();
        w.phone().await;
        w.clock.advance(Duration::from_secs(3_600));
        let asked = w.ask().await.unwrap();
        w.send(&asked.id, Channel::Sms).await.unwrap();
        let code = w.outbox.code();
        let answer = SecondFactorAnswer::Delivered(&code);
        let service = slow(&w);
        let call = service.answer(&w.tenant, &asked.id, &w.purpose, &w.binding, answer, None);
        let sent = drop_after(polls, call).await;
        match w.answer(&asked.id, answer).await {
            Ok(_) => assert!(!matches!(sent, Some(Ok(_))), "good twice"),
            Err(refused) => assert_eq!(why::<()>(Err(refused)), Reason::ChallengeEnded),
        }
        let codes = w
            .service
            .replace_recovery_codes(Authority::System, &w.tenant, &w.alice, None)
            .await
            .unwrap();
        let code = codes[0].reveal();
        let answer = SecondFactorAnswer::Recovery(code.expose());
        let paper = drop_after(polls, verify(&service, &w, answer)).await;
        match w.verify(answer).await {
            Ok(_) => assert!(!matches!(paper, Some(Ok(_))), "good twice"),
            Err(refused) => assert_eq!(why::<()>(Err(refused)), Reason::CodeWrong),
        }
        if let (Some(sent), Some(paper)) = (sent, paper) {
            assert!(sent.is_ok() && paper.is_ok());
            return;
        }
    }
    panic!("it never ended");
}

/// a factor is confirmed with its code taken, or neither.
#[tokio::test]
async fn a_confirmation_that_is_dropped_is_done_or_can_be_done_again() {
    for polls in 0..MOST {
        let w = world();
        let by = Authority::System;
        let enrol = w.service.enrol_totp(by, &w.tenant, &w.alice, "alice", None);
        let app = World::app_of(&enrol.await.unwrap());
        let code = w.code(&app);
        let service = slow(&w);
        let call = service.confirm(&w.tenant, &w.alice, &app.factor, code.expose());
        let ended = drop_after(polls, call).await;
        let again = w
            .service
            .confirm(&w.tenant, &w.alice, &app.factor, code.expose())
            .await;
        match again {
            Ok(()) => assert!(ended.is_none()),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Conflict(_)), "{error:?}"),
        }
        // And that code is used, whoever used it.
        let answer = SecondFactorAnswer::Authenticator(code.expose());
        assert_eq!(why(w.verify(answer).await), Reason::CodeReplayed);
        if ended.is_some() {
            return;
        }
    }
    panic!("it never ended");
}

/// F-38, R-53: at most one message, and none without its budget.
#[tokio::test]
async fn a_code_that_was_being_sent_is_sent_once_and_its_budget_spent() {
    for polls in 0..MOST {
        let w = world();
        w.phone().await;
        w.clock.advance(Duration::from_secs(24 * 3_600));
        let asked = w.ask().await.unwrap();
        let service = slow(&w);
        let call = service.send_code(&w.tenant, &asked.id, &w.purpose, Channel::Sms, None);
        let ended = drop_after(polls, call).await;
        let sent = w.outbox.taken().len();
        assert!(sent <= 1);
        let again = w.send(&asked.id, Channel::Sms).await;
        assert!(sent == 0 || again.is_err(), "sent again within 30 s");
        if ended.is_some() {
            assert_eq!(sent, 1);
            return;
        }
    }
    panic!("it never ended");
}
