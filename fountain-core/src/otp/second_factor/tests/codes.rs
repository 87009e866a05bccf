use super::*;

impl World {
    async fn delivered(
        &self,
        challenge: &ChallengeId,
        code: &str,
    ) -> Result<VerifiedFactor, Error> {
        self.answer(challenge, SecondFactorAnswer::Delivered(code))
            .await
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// How long to wait.
fn limited<T: fmt::Debug>(result: Result<T, Error>) -> Duration {
    let rejection = result.unwrap_err().rejection();
    assert_eq!(rejection.reason(), Reason::QuotaExceeded);
    match rejection.kind() {
        RejectionKind::RateLimited { retry_after } => *retry_after,
        other => panic!("{other:?}"),
    }
}

/// an address is good for nothing until a code that was sent there has confirmed it.
#[tokio::test]
async fn an_address_is_confirmed_by_a_code_that_was_sent_there() {
    let w = world();
    let to = DeliveryAddress::new(Channel::Sms, "+436641234567").unwrap();
    let by = Authority::System;
    let enrol = w.service.enrol_address(by, &w.tenant, &w.alice, &to, None);
    let factor = enrol.await.unwrap();
    assert_eq!(why(w.ask().await), Reason::FactorPending);
    let confirm = w.service.confirm(&w.tenant, &w.alice, &factor, "123456");
    assert!(matches!(
        confirm.await.unwrap_err().kind(),
        ErrorKind::InvalidInput { .. }
    ));

    let asked = w
        .service
        .challenge_to_confirm(&w.tenant, &w.alice, &factor)
        .await
        .unwrap();
    assert_eq!(asked.methods, [FactorMethod::Sms]);
    let purpose = SecondFactor::confirm_purpose().unwrap();
    let send = |channel| {
        w.service
            .send_code(&w.tenant, &asked.id, &purpose, channel, None)
    };
    assert_eq!(why(send(Channel::Email).await), Reason::FactorUnknown);
    let sent = send(Channel::Sms).await.unwrap();
    assert_eq!(sent.to_masked, "***67");
    assert_eq!(sent.expires_at, w.clock.now() + Duration::from_secs(300));
    let message = w.outbox.taken().pop().unwrap();
    assert_eq!((&message.to, &message.tenant), (&to, &w.tenant));
    let DeliveryContent::Code { code, life, .. } = message.content else {
        panic!("it is no code");
    };
    assert_eq!(life, Duration::from_secs(300));
    let code = code.expose().to_owned();

    // It confirms, and shows nothing: not by the way of answers, and not for somebody else.
    let answer = SecondFactorAnswer::Delivered(&code);
    let binding = SecondFactor::confirmation_of(&factor);
    let answered = w
        .service
        .answer(&w.tenant, &asked.id, &purpose, &binding, answer, None);
    assert_eq!(why(answered.await), Reason::ChallengeUnknown);
    let bob = Subject::new("bob").unwrap();
    let theirs = w.service.confirm_address(&w.tenant, &bob, &asked.id, &code);
    assert_eq!(why(theirs.await), Reason::ChallengeUnknown);
    let confirm = |code| {
        w.service
            .confirm_address(&w.tenant, &w.alice, &asked.id, code)
    };
    let wrong = if code == "111111" { "222222" } else { "111111" };
    assert_eq!(why(confirm(wrong).await), Reason::CodeWrong);
    confirm(&code).await.unwrap();
    assert_eq!(why(confirm(&code).await), Reason::ChallengeEnded);
    assert!(w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    let factors = w.service.factors(&w.tenant, &w.alice).await.unwrap();
    assert_eq!(factors[0].to_masked.as_deref(), Some("***67"));
    // Nobody can ask for the purpose that confirms.
    let new = NewChallenge {
        tenant: w.tenant.clone(),
        subject: w.alice.clone(),
        purpose,
        binding,
        context: Vec::new(),
    };
    assert!(w.service.challenge(new).await.is_err());
}

/// a mailbox makes nothing required.
#[tokio::test]
async fn a_mailbox_is_a_way_to_answer_and_no_second_factor() {
    let w = world();
    w.mailbox().await;
    assert!(!w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    let asked = w.ask().await.unwrap();
    assert_eq!(asked.methods, [FactorMethod::Email]);
    w.wait(60);
    w.send(&asked.id, Channel::Email).await.unwrap();
    let code = w.outbox.code();
    let verified = w.delivered(&asked.id, &code).await.unwrap();
    assert_eq!(verified.shown().kind, FactorKind::Email);
    assert_eq!(
        crate::otp::assess(&[verified.shown()]).level(),
        Some(crate::otp::AssuranceLevel::Single)
    );
}

/// R-52, B-61
#[tokio::test]
async fn a_code_that_was_sent_is_good_once_until_its_end_or_the_next_one() {
    let w = world_with(
        |lockout| lockout,
        |service| {
            let rules = CodeRules::new(crate::otp::Digits::Six, Duration::from_secs(600)).unwrap();
            service
                .codes(rules)
                .challenge_life(Duration::from_secs(3_600))
        },
    );
    w.phone().await;
    w.wait(3_600);
    for (micros, good) in [(599_999_000, true), (600_000_000, false)] {
        let asked = w.ask().await.unwrap();
        w.send(&asked.id, Channel::Sms).await.unwrap();
        let code = w.outbox.code();
        w.clock.advance(Duration::from_micros(micros));
        let answered = w.delivered(&asked.id, &code).await;
        assert_eq!(answered.is_ok(), good, "{answered:?}");
        if !good {
            assert_eq!(why(answered), Reason::CodeExpired);
        }
    }
    w.wait(3_600);
    let asked = w.ask().await.unwrap();
    w.send(&asked.id, Channel::Sms).await.unwrap();
    let older = w.outbox.code();
    w.wait(30);
    w.send(&asked.id, Channel::Sms).await.unwrap();
    let newer = w.outbox.code();
    assert_eq!(why(w.delivered(&asked.id, &older).await), Reason::CodeWrong);
    _ = w.delivered(&asked.id, &newer).await.unwrap();
    assert_eq!(
        why(w.delivered(&asked.id, &newer).await),
        Reason::ChallengeEnded
    );
    assert_eq!(
        why(w.send(&asked.id, Channel::Sms).await),
        Reason::ChallengeEnded
    );
}

/// B-60: the code of one challenge is none of another.
#[tokio::test]
async fn a_code_is_of_its_challenge() {
    let w = world();
    w.phone().await;
    w.wait(3_600);
    let (one, two) = (w.ask().await.unwrap(), w.ask().await.unwrap());
    w.send(&one.id, Channel::Sms).await.unwrap();
    let code = w.outbox.code();
    w.wait(30);
    w.send(&two.id, Channel::Sms).await.unwrap();
    assert_eq!(why(w.delivered(&two.id, &code).await), Reason::CodeWrong);
    _ = w.delivered(&one.id, &code).await.unwrap();
}

/// R-52, B-62: a new code after every second guess, 200 times, gives no more guesses.
#[tokio::test]
async fn a_new_code_never_gives_more_guesses() {
    let w = world_with(
        |lockout| lockout,
        |service| service.challenge_life(Duration::from_secs(3_600)),
    );
    w.phone().await;
    w.wait(24 * 3_600);
    let asked = w.ask().await.unwrap();
    let (mut judged, mut sent) = (0, 0);
    for _ in 0..200 {
        sent += u32::from(w.send(&asked.id, Channel::Sms).await.is_ok());
        for _ in 0..2 {
            let answer = w.delivered(&asked.id, "12345x").await;
            judged += u32::from(why(answer) == Reason::CodeWrong);
        }
        w.wait(17);
    }
    assert_eq!((judged, sent), (5, 2)); // 30 s apart, and then a lock and the challenge's end
    // Through as many challenges as one likes, and with all the time of a lock: five guesses more for each lock.
    let w = world();
    w.phone().await;
    w.wait(24 * 3_600);
    let mut judged = 0;
    for _ in 0..200 {
        let asked = w.ask().await.unwrap();
        drop(w.send(&asked.id, Channel::Sms).await);
        for _ in 0..2 {
            let answer = w.delivered(&asked.id, "12345x").await;
            judged += u32::from(why(answer) == Reason::CodeWrong);
        }
    }
    assert_eq!(judged, 5);
}

///
#[tokio::test]
async fn codes_are_sent_as_often_as_the_budgets_allow() {
    let w = world();
    w.phone().await;
    w.wait(24 * 3_600);
    let send = async || {
        let asked = w.ask().await.unwrap();
        w.send(&asked.id, Channel::Sms).await
    };
    send().await.unwrap();
    assert_eq!(limited(send().await), Duration::from_secs(30));
    w.wait(29);
    assert_eq!(limited(send().await), Duration::from_secs(1));
    w.wait(1);
    send().await.unwrap();
    w.wait(30);
    send().await.unwrap();
    w.wait(30);
    assert_eq!(limited(send().await), Duration::from_secs(600 - 90));
    assert_eq!(w.outbox.taken().len(), 3);
    let mut sent = 3;
    for _ in 0..100 {
        w.wait(600);
        sent += u32::from(send().await.is_ok());
        // What is refused takes nothing.
        assert!(send().await.is_err());
    }
    assert_eq!(sent, 10);
    w.wait(24 * 3_600);
    send().await.unwrap();
}

/// R-53, B-78: one address is one budget, whoever it is enrolled by and however it is written, and one subject is one, wherever to.
#[tokio::test]
async fn an_address_and_a_subject_have_budgets_of_their_own() {
    let w = world();
    let second = |name: &str| World {
        alice: Subject::new(name).unwrap(),
        service: w.service.clone(),
        lockout: w.lockout.clone(),
        store: w.store.clone(),
        clock: w.clock.clone(),
        outbox: w.outbox.clone(),
        tenant: w.tenant.clone(),
        purpose: w.purpose.clone(),
        binding: w.binding,
    };
    let send = async |w: &World| {
        let asked = w.ask().await.unwrap();
        w.send(&asked.id, Channel::Email).await
    };
    let bob = second("bob");
    w.address(Channel::Email, "Family@example.com").await;
    w.wait(24 * 3_600);
    bob.address(Channel::Email, "family@EXAMPLE.com").await;
    w.wait(24 * 3_600);
    send(&w).await.unwrap();
    assert_eq!(limited(send(&bob).await), Duration::from_secs(30));
    // Carol has a mailbox and a phone: three codes for her, to whichever.
    let carol = second("carol");
    carol.mailbox().await;
    carol.phone().await;
    w.wait(24 * 3_600);
    for channel in [Channel::Email, Channel::Sms, Channel::Email] {
        let asked = carol.ask().await.unwrap();
        carol.send(&asked.id, channel).await.unwrap();
        w.wait(30);
    }
    let asked = carol.ask().await.unwrap();
    assert_eq!(
        limited(carol.send(&asked.id, Channel::Sms).await),
        Duration::from_secs(600 - 90)
    );
}

#[tokio::test]
async fn a_tenant_has_a_budget_for_all_its_subjects() {
    let w = world_with(
        |lockout| lockout,
        |service| service.budgets(IssueRules::default().per_tenant(1).unwrap()),
    );
    w.phone().await; // took the one
    let asked = w.ask().await.unwrap();
    let wait = limited(w.send(&asked.id, Channel::Sms).await);
    assert_eq!(wait, Duration::from_secs(3_600));
}

/// F-38: whatever the carrier says, the code stands, nothing is sent again, and the budget is spent.
#[tokio::test]
async fn a_carrier_that_fails_costs_one_code_and_leaves_the_challenge_as_it_is() {
    use DeliveryErrorKind::{Channel as NoChannel, Misconfigured, Refused, Unavailable, Unknown};
    for kind in [Refused, Unavailable, Unknown, Misconfigured, NoChannel] {
        let w = world();
        w.phone().await;
        w.wait(24 * 3_600);
        let asked = w.ask().await.unwrap();
        w.outbox.fail(kind);
        let failed = w.send(&asked.id, Channel::Sms).await.unwrap_err();
        assert_eq!(*failed.kind(), ErrorKind::Unavailable);
        assert_eq!(w.outbox.messages.lock().unwrap().len(), 1);
        let code = w.outbox.code();
        assert_eq!(
            limited(w.send(&asked.id, Channel::Sms).await),
            Duration::from_secs(30)
        );
        w.outbox.fail(None);
        // It had arrived all the same.
        _ = w.delivered(&asked.id, &code).await.unwrap();
    }
}

/// A factor that is removed or disabled meanwhile takes its code with it.
#[tokio::test]
async fn a_code_of_a_factor_that_is_no_more_is_refused() {
    for removes in [true, false] {
        let w = world();
        w.app().await;
        let phone = w.phone().await;
        w.wait(3_600);
        let asked = w.ask().await.unwrap();
        w.send(&asked.id, Channel::Sms).await.unwrap();
        let code = w.outbox.code();
        if removes {
            let by = Authority::System;
            let remove = w.service.remove(by, &w.tenant, &w.alice, &phone, None);
            remove.await.unwrap();
            let answer = w.delivered(&asked.id, &code).await;
            assert_eq!(why(answer), Reason::FactorUnknown);
        } else {
            for _ in 0..20 {
                let counted =
                    w.lockout
                        .attempt_at_authenticator(&w.tenant, &w.alice, phone.as_str());
                assert!(counted.await.unwrap().is_some());
            }
            for _ in 0..2 {
                let answer = w.delivered(&asked.id, &code).await;
                assert_eq!(why(answer), Reason::FactorDisabled);
            }
            let sent = w.send(&asked.id, Channel::Sms).await;
            assert_eq!(why(sent), Reason::FactorDisabled);
        }
    }
}

/// neither a code nor a seed nor an address is in the trail or in what is stored.
#[tokio::test]
async fn neither_codes_nor_seeds_nor_addresses_are_stored_in_the_clear() {
    use crate::audit::AuditStore as _;
    let w = world();
    let shown = w
        .service
        .enrol_totp(Authority::System, &w.tenant, &w.alice, "alice", None)
        .await
        .unwrap();
    w.phone().await;
    w.wait(3_600);
    let asked = w.ask().await.unwrap();
    w.send(&asked.id, Channel::Sms).await.unwrap();
    let code = w.outbox.code();
    let page = w.store.page(&w.tenant, None, 1_000).await.unwrap();
    let events: Vec<_> = page.items.into_iter().map(|item| item.event).collect();
    let factors = w.store.list(&w.tenant, &w.alice).await.unwrap();
    let challenge = ChallengeStore::find(&*w.store, &w.tenant, &asked.id).await;
    let stored = [
        serde_json::to_string(&events).unwrap(),
        serde_json::to_string(&challenge.unwrap()).unwrap(),
    ];
    let secret = shown.secret.expose();
    for canary in [secret, "436641234567", &format!("\"{code}\"")] {
        assert!(stored.iter().all(|text| !text.contains(canary)));
        let is_in = |bytes: &[u8]| bytes.windows(canary.len()).any(|w| w == canary.as_bytes());
        assert!(factors.iter().all(|record| !is_in(&record.sealed)));
    }
    assert_eq!(
        format!("{:?}", SecondFactorAnswer::Delivered(&code)),
        "Delivered(..)"
    );
}

/// F-30: a code does not live for as long as a clock went back.
#[tokio::test]
async fn a_code_from_the_future_is_refused() {
    let w = world();
    w.phone().await;
    w.wait(24 * 3_600);
    let asked = w.ask().await.unwrap();
    w.send(&asked.id, Channel::Sms).await.unwrap();
    let code = w.outbox.code();
    w.clock.jump_to(w.clock.now() - Duration::from_secs(3_600));
    let answer = w.delivered(&asked.id, &code).await;
    assert_eq!(why(answer), Reason::CodeExpired);
}
