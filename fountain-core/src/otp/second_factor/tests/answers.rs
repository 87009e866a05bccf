use super::*;
use crate::otp::{ChallengeId, FactorOutcome};

impl World {
    async fn totp(&self, code: &str) -> Result<VerifiedFactor, Error> {
        self.verify(SecondFactorAnswer::Authenticator(code)).await
    }

    /// How many events of this kind there are.
    async fn events(&self, action: AuditAction) -> usize {
        use crate::audit::AuditStore as _;
        let page = self.store.page(&self.tenant, None, 1_000).await.unwrap();
        let events = page.items.iter();
        events.filter(|item| item.event.action == action).count()
    }
}

/// R-48, F-24: of any number of uses of one step at once exactly one is good.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_code_is_good_once_however_many_show_it_at_once() {
    for _ in 0..20 {
        let w = Arc::new(world());
        let app = w.app().await;
        let code = w.code(&app).expose().to_owned();
        let uses: Vec<_> = (0..64)
            .map(|_| {
                let (w, code) = (w.clone(), code.clone());
                tokio::spawn(async move { w.totp(&code).await.is_ok() })
            })
            .collect();
        let mut good = 0;
        for used in uses {
            good += u32::from(used.await.unwrap());
        }
        assert_eq!(good, 1);
    }
}

/// R-50, B-57: refused, and counted once.
#[tokio::test]
async fn what_is_no_code_is_refused_and_counted_once() {
    for text in crate::otp::digits::malformed("123456") {
        let w = world();
        w.app().await;
        let asked = w.ask().await.unwrap();
        let before = w.events(AuditAction::AttemptCounted).await;
        let answer = w.answer(&asked.id, SecondFactorAnswer::Authenticator(&text));
        assert_eq!(why(answer.await), Reason::CodeWrong);
        // One of the subject and one of the authenticator.
        assert_eq!(w.events(AuditAction::AttemptCounted).await, before + 2);
        assert_eq!(w.events(AuditAction::ChallengeAttempted).await, 1);
    }
}

/// B-58, CVE-2025-6014: other ways to write a code that was used are no other codes.
#[tokio::test]
async fn a_used_code_with_blanks_is_no_new_code() {
    let w = world();
    let app = w.app().await;
    let code = w.code(&app).expose().to_owned();
    _ = w.totp(&code).await.unwrap();
    assert_eq!(why(w.totp(&code).await), Reason::CodeReplayed);
    let (left, right) = code.split_at(3);
    for text in [
        format!(" {code}"),
        format!("{left} {right}"),
        format!("{code} "),
    ] {
        assert_eq!(why(w.totp(&text).await), Reason::CodeWrong);
    }
}

/// R-47, B-59
#[tokio::test]
async fn codes_outside_the_window_are_wrong() {
    for (steps, good) in [
        (-3_i64, false),
        (-2, false),
        (-1, true),
        (0, true),
        (1, false),
        (2, false),
    ] {
        let w = world();
        let app = w.app().await;
        w.clock.advance(Duration::from_secs(300));
        let at = w.clock.now().as_unix_seconds() + steps * 30;
        let code = app.totp.code_at(Timestamp::from_unix_seconds(at)).unwrap();
        assert_eq!(w.totp(code.expose()).await.is_ok(), good, "{steps}");
    }
}

/// one step ahead is opt-in, and enrolled with the factor.
#[tokio::test]
async fn a_window_is_that_of_the_enrolment() {
    let w = world_with(
        |lockout| lockout,
        |service| {
            let window = crate::otp::TotpWindow::new(1, 1).unwrap();
            service.authenticators(AuthenticatorRules::default().window(window))
        },
    );
    let app = w.app().await;
    let ahead = app
        .totp
        .code_at(w.clock.now() + Duration::from_secs(30))
        .unwrap();
    _ = w.totp(ahead.expose()).await.unwrap();
}

/// B-60: refused, and counted on the challenge that was presented.
#[tokio::test]
async fn a_code_for_another_user_tenant_purpose_or_challenge_is_refused() {
    let w = world();
    let app = w.app().await;
    let code = w.code(&app);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    let asked = w.ask().await.unwrap();
    let elsewhere = Tenant::new("elsewhere").unwrap();
    let (other, session) = (
        ChallengePurpose::new("step-up").unwrap(),
        Digest::of(b"session 2"),
    );
    let try_with = async |tenant: &Tenant, id: &ChallengeId, purpose, binding| {
        why(w
            .service
            .answer(tenant, id, purpose, binding, answer, None)
            .await)
    };
    let unknown = ChallengeId::new("0000000000000000000000").unwrap();
    let (t, p, b) = (&w.tenant, &w.purpose, &w.binding);
    assert_eq!(
        try_with(&elsewhere, &asked.id, p, b).await,
        Reason::ChallengeUnknown
    );
    assert_eq!(try_with(t, &unknown, p, b).await, Reason::ChallengeUnknown);
    assert_eq!(w.events(AuditAction::ChallengeAttempted).await, 0);
    assert_eq!(
        try_with(t, &asked.id, &other, b).await,
        Reason::ChallengeUnknown
    );
    assert_eq!(
        try_with(t, &asked.id, p, &session).await,
        Reason::ChallengeUnknown
    );
    assert_eq!(w.events(AuditAction::ChallengeAttempted).await, 2);
    // Bob's code for alice's challenge.
    let bob = World {
        alice: Subject::new("bob").unwrap(),
        service: w.service.clone(),
        lockout: w.lockout.clone(),
        store: w.store.clone(),
        clock: w.clock.clone(),
        outbox: w.outbox.clone(),
        tenant: w.tenant.clone(),
        purpose: w.purpose.clone(),
        binding: w.binding,
    };
    let bobs = bob.app().await;
    let theirs = bob.code(&bobs);
    let theirs = SecondFactorAnswer::Authenticator(theirs.expose());
    assert_eq!(why(w.answer(&asked.id, theirs).await), Reason::CodeWrong);
    // Alice's own is good, and was not used by any of these.
    let code = w.code(&app);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    _ = w.answer(&asked.id, answer).await.unwrap();
}

/// five answers to a challenge, right ones too.
#[tokio::test]
async fn a_challenge_takes_five_answers() {
    let w = world_with(|lockout| lockout.otp(lenient()), |service| service);
    let app = w.app().await;
    let asked = w.ask().await.unwrap();
    let wrong = w.wrong(&app);
    for _ in 0..5 {
        let answer = w.answer(&asked.id, SecondFactorAnswer::Authenticator(&wrong));
        assert_eq!(why(answer.await), Reason::CodeWrong);
    }
    let code = w.code(&app);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    assert_eq!(
        why(w.answer(&asked.id, answer).await),
        Reason::ChallengeExhausted
    );
    let asked = w.ask().await.unwrap();
    _ = w.answer(&asked.id, answer).await.unwrap();
}

fn lenient() -> crate::lockout::LockoutRules {
    let second = Duration::from_secs(1);
    crate::lockout::LockoutRules::new(100, second, second).unwrap()
}

/// twenty in a row, and it is to be bound anew; it goes on being required.
#[tokio::test]
async fn an_authenticator_is_disabled_after_twenty_wrong_codes_in_a_row() {
    let w = world_with(|lockout| lockout.otp(lenient()), |service| service);
    let app = w.app().await;
    let wrong = w.wrong(&app);
    for _ in 0..19 {
        assert_eq!(why(w.totp(&wrong).await), Reason::CodeWrong);
    }
    // Who gets it right clears what was counted.
    let code = w.code(&app);
    _ = w.totp(code.expose()).await.unwrap();
    for _ in 0..20 {
        assert_eq!(why(w.totp(&wrong).await), Reason::CodeWrong);
    }
    w.clock.advance(Duration::from_secs(30));
    let code = w.code(&app);
    assert_eq!(why(w.totp(code.expose()).await), Reason::FactorDisabled);
    assert_eq!(why(w.ask().await), Reason::FactorDisabled);
    assert!(w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    assert_eq!(w.events(AuditAction::FactorDisabled).await, 1);
}

/// R-51, F-13: whoever counted the last one and died before it disabled the factor leaves it to the next.
#[tokio::test]
async fn an_authenticator_that_was_counted_out_is_disabled_by_whoever_comes_next() {
    let w = world();
    let app = w.app().await;
    for _ in 0..20 {
        let counted = w
            .lockout
            .attempt_at_authenticator(&w.tenant, &w.alice, app.factor.as_str());
        assert!(counted.await.unwrap().is_some());
    }
    let code = w.code(&app);
    assert_eq!(why(w.totp(code.expose()).await), Reason::FactorDisabled);
    let factors = w.service.factors(&w.tenant, &w.alice).await.unwrap();
    assert!(factors[0].disabled_at.is_some());
}

/// Who has two apps and always uses one of them does not disable the other.
#[tokio::test]
async fn a_code_of_one_authenticator_is_no_failure_of_the_others() {
    let w = world();
    let (first, second) = (w.app().await, w.app().await);
    for app in [&second; 30] {
        let code = w.code(app);
        _ = w.totp(code.expose()).await.unwrap();
        w.clock.advance(Duration::from_secs(30));
    }
    let code = w.code(&first);
    _ = w.totp(code.expose()).await.unwrap();
}

/// of 200 wrong codes at once, on four nodes, five are judged.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_wrong_codes_at_once_five_are_judged() {
    let w = Arc::new(world());
    let app = w.app().await;
    let wrong = w.wrong(&app);
    let before = w.events(AuditAction::AttemptCounted).await;
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let (w, wrong) = (w.clone(), wrong.clone());
            tokio::spawn(async move { why(w.totp(&wrong).await) })
        })
        .collect();
    let mut judged = 0;
    for tried in tries {
        match tried.await.unwrap() {
            Reason::CodeWrong => judged += 1,
            other => assert_eq!(other, Reason::Locked),
        }
    }
    assert_eq!(judged, 5);
    assert_eq!(w.events(AuditAction::AttemptCounted).await, before + 10);
}

/// B-63, scaled: guesses through as many challenges as one likes are judged as often as the lock allows.
#[tokio::test]
async fn guesses_through_many_challenges_are_judged_five_times() {
    let w = world();
    let app = w.app().await;
    let mut judged = 0;
    for _ in 0..300 {
        let asked = w.ask().await.unwrap();
        let wrong = w.wrong(&app);
        for _ in 0..3 {
            let answer = SecondFactorAnswer::Authenticator(&wrong);
            judged += u32::from(why(w.answer(&asked.id, answer).await) == Reason::CodeWrong);
        }
    }
    assert_eq!(judged, 5);
}

/// whatever kind of attempt locked the account, no second factor is judged, and no code is sent.
#[tokio::test]
async fn every_path_is_closed_while_a_lock_stands() {
    use crate::lockout::AttemptKind;
    for kind in AttemptKind::ALL {
        let w = world();
        let app = w.app().await;
        let codes = w
            .service
            .replace_recovery_codes(Authority::System, &w.tenant, &w.alice, None)
            .await
            .unwrap();
        w.phone().await;
        w.clock.advance(Duration::from_secs(60));
        let pending = w
            .service
            .enrol_totp(Authority::System, &w.tenant, &w.alice, "alice", None);
        let pending = World::app_of(&pending.await.unwrap());
        let asked = w.ask().await.unwrap();
        let device = w.device();
        for _ in 0..5 {
            let whose = Whose::Subject(&w.alice);
            let attempt = w.lockout.attempt(&w.tenant, whose, *kind, None);
            assert!(attempt.await.unwrap().is_some());
        }
        let (code, recovery) = (w.code(&app), codes[0].reveal());
        let right = SecondFactorAnswer::Authenticator(code.expose());
        let by_paper = SecondFactorAnswer::Recovery(recovery.expose());
        for answer in [right, by_paper, SecondFactorAnswer::Delivered("123456")] {
            assert_eq!(why(w.answer(&asked.id, answer).await), Reason::Locked);
            assert_eq!(why(w.verify(answer).await), Reason::Locked);
        }
        assert_eq!(why(w.send(&asked.id, Channel::Sms).await), Reason::Locked);
        let first = w.code(&pending);
        let confirm = w
            .service
            .confirm(&w.tenant, &w.alice, &pending.factor, first.expose());
        assert_eq!(why(confirm.await), Reason::Locked);
        assert_eq!(w.events(AuditAction::ChallengeAttempted).await, 1); // that which confirmed the phone

        // L-09: at home the account's lock does not matter.
        let sent = w.service.send_code(
            &w.tenant,
            &asked.id,
            &w.purpose,
            Channel::Sms,
            Some(&device),
        );
        sent.await.unwrap();
        let answered = w.service.answer(
            &w.tenant,
            &asked.id,
            &w.purpose,
            &w.binding,
            right,
            Some(&device),
        );
        _ = answered.await.unwrap();
    }
}

/// F-30: a step from the future is told apart, refused, and warned of.
#[tokio::test]
async fn a_clock_that_has_gone_back_is_told_from_a_wrong_code() {
    let w = world();
    let app = w.app().await;
    w.clock.jump_to(w.clock.now() - Duration::from_secs(3_600));
    let code = w.code(&app);
    assert_eq!(why(w.totp(code.expose()).await), Reason::ClockBehind);
}

/// Each row of what a store can say, and what there can be no factor for.
#[tokio::test]
async fn every_reason_has_its_row() {
    let w = world();
    assert_eq!(why(w.totp("123456").await), Reason::FactorUnknown);
    let app = w.app().await;
    let asked = w.ask().await.unwrap();
    assert_eq!(
        why(w
            .answer(&asked.id, SecondFactorAnswer::Delivered("123456"))
            .await),
        Reason::CodeWrong
    );
    assert_eq!(
        why(w.verify(SecondFactorAnswer::Delivered("123456")).await),
        Reason::ChallengeUnknown
    );
    w.clock.advance(Duration::from_secs(600));
    let code = w.code(&app);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    assert_eq!(
        why(w.answer(&asked.id, answer).await),
        Reason::ChallengeEnded
    );
    for (said, reason) in [
        (FactorOutcome::Spent, Reason::CodeReplayed),
        (FactorOutcome::AlreadyConfirmed, Reason::CodeReplayed),
        (FactorOutcome::Pending, Reason::FactorPending),
        (FactorOutcome::Expired, Reason::FactorPending),
        (FactorOutcome::Disabled, Reason::FactorDisabled),
        (FactorOutcome::NotFound, Reason::FactorUnknown),
    ] {
        assert_eq!(judge::outcome(said), Err(reason));
    }
}

/// only forward, and two codes in a row bring a token back.
#[tokio::test]
async fn a_token_with_a_counter_goes_forward_only_and_is_brought_back_by_two_codes() {
    let w = world_with(|lockout| lockout.otp(lenient()), |service| service);
    let by = Authority::System;
    let enrol = w.service.enrol_hotp(by, &w.tenant, &w.alice, "alice", None);
    let shown = enrol.await.unwrap();
    assert!(shown.uri.expose().contains("counter=0"));
    let secret = OtpSecret::from_base32(shown.secret.expose()).unwrap();
    let token = crate::otp::Hotp::new(secret);
    let code = |counter| token.code_at(counter).expose().to_owned();
    w.service
        .confirm(&w.tenant, &w.alice, &shown.factor, &code(0))
        .await
        .unwrap();
    assert_eq!(why(w.totp(&code(0)).await), Reason::CodeWrong);
    _ = w.totp(&code(6)).await.unwrap(); // 1 was expected, and 5 are looked ahead
    assert_eq!(why(w.totp(&code(5)).await), Reason::CodeWrong);
    assert_eq!(why(w.totp(&code(13)).await), Reason::CodeWrong);
    let (first, second, third) = (code(50), code(51), code(52));
    let resync = |one, other| {
        let (service, factor) = (&w.service, &shown.factor);
        service.resynchronise(&w.tenant, &w.alice, factor, one, other)
    };
    assert_eq!(why(resync(&first, &third).await), Reason::CodeWrong);
    resync(&first, &second).await.unwrap();
    assert_eq!(why(resync(&first, &second).await), Reason::CodeWrong);
    assert_eq!(why(w.totp(&second).await), Reason::CodeWrong);
    _ = w.totp(&third).await.unwrap();
}
