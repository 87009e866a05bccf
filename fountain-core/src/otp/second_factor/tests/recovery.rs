use super::*;

impl World {
    async fn sheet(&self) -> Vec<String> {
        let codes = self
            .service
            .replace_recovery_codes(Authority::System, &self.tenant, &self.alice, None)
            .await
            .unwrap();
        codes
            .iter()
            .map(|code| code.reveal().expose().to_owned())
            .collect()
    }

    async fn recover(&self, code: &str) -> Result<VerifiedFactor, Error> {
        self.verify(SecondFactorAnswer::Recovery(code)).await
    }
}

/// R-55, B-65: once, however it is written, and none of an older set.
#[tokio::test]
async fn a_recovery_code_is_good_once_however_it_is_written() {
    let w = world();
    w.app().await;
    let older = w.sheet().await;
    let codes = w.sheet().await;
    assert_eq!(codes.len(), 10);
    assert_eq!(why(w.recover(&older[0]).await), Reason::CodeWrong);
    let typed = codes[0].to_lowercase().replace('-', "");
    let verified = w.recover(&typed).await.unwrap();
    assert_eq!(verified.shown().kind, FactorKind::Recovery);
    assert_eq!(verified.factor(), None);
    for again in [&codes[0], &typed] {
        assert_eq!(why(w.recover(again).await), Reason::CodeWrong);
    }
    for text in ["", "1", "123456", &"A".repeat(10_240)] {
        let w = world();
        assert_eq!(why(w.recover(text).await), Reason::CodeWrong);
    }
    assert_eq!(
        w.service.recovery_codes(&w.tenant, &w.alice).await.unwrap(),
        9
    );
}

/// R-55, F-24
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_parallel_uses_of_one_recovery_code_one_is_good() {
    for _ in 0..20 {
        let w = Arc::new(world());
        w.app().await;
        let code = w.sheet().await.remove(0);
        let uses: Vec<_> = (0..64)
            .map(|_| {
                let (w, code) = (w.clone(), code.clone());
                tokio::spawn(async move { w.recover(&code).await.is_ok() })
            })
            .collect();
        let mut good = 0;
        for used in uses {
            good += u32::from(used.await.unwrap());
        }
        assert_eq!(good, 1);
    }
}

/// L-09: wrong recovery codes do not use up the guesses at codes, and lock all the same.
#[tokio::test]
async fn recovery_codes_have_a_budget_of_their_own() {
    let w = world();
    let app = w.app().await;
    let codes = w.sheet().await;
    for _ in 0..4 {
        let wrong = w.wrong(&app);
        let answer = SecondFactorAnswer::Authenticator(&wrong);
        assert_eq!(why(w.verify(answer).await), Reason::CodeWrong);
    }
    for _ in 0..4 {
        assert_eq!(why(w.recover("wrong").await), Reason::CodeWrong);
    }
    _ = w.recover(&codes[0]).await.unwrap();
    let wrong = w.wrong(&app);
    let answer = SecondFactorAnswer::Authenticator(&wrong);
    assert_eq!(why(w.verify(answer).await), Reason::CodeWrong);
    assert_eq!(why(w.recover(&codes[1]).await), Reason::Locked);
}

/// Recovery codes stand in for a factor: there are none without one.
#[tokio::test]
async fn recovery_codes_come_and_go_with_the_second_factor() {
    let w = world();
    let by = Authority::System;
    w.mailbox().await;
    let replaced = w
        .service
        .replace_recovery_codes(by, &w.tenant, &w.alice, None)
        .await;
    assert!(matches!(
        replaced.unwrap_err().kind(),
        ErrorKind::Conflict(_)
    ));
    let (first, second) = (w.app().await, w.app().await);
    let codes = w.sheet().await;
    let remove = |app: &App| {
        let factor = app.factor.clone();
        let w = &w;
        async move {
            w.service
                .remove(by, &w.tenant, &w.alice, &factor, None)
                .await
                .unwrap();
        }
    };
    remove(&first).await;
    _ = w.recover(&codes[0]).await.unwrap();
    remove(&second).await;
    assert_eq!(why(w.recover(&codes[1]).await), Reason::CodeWrong);
    assert!(!w.service.is_required(&w.tenant, &w.alice).await.unwrap());
}

/// its owner is told of each, at the mailbox, and at the phone when there is none.
#[tokio::test]
async fn an_owner_is_told_of_what_was_done_to_its_factors() {
    for by_mail in [true, false] {
        let w = world();
        if by_mail {
            w.mailbox().await;
        } else {
            w.phone().await;
        }
        let app = w.app().await;
        assert_eq!(w.outbox.notices(), [Notice::FactorConfirmed]);
        let codes = w.sheet().await;
        assert_eq!(w.outbox.notices(), [Notice::RecoveryCodesReplaced]);
        _ = w.recover(&codes[0]).await.unwrap();
        assert_eq!(w.outbox.notices(), [Notice::RecoveryCodeUsed { left: 9 }]);
        let by = Authority::System;
        let remove = w.service.remove(by, &w.tenant, &w.alice, &app.factor, None);
        remove.await.unwrap();
        assert_eq!(w.outbox.notices(), [Notice::FactorRemoved]);
    }
}

/// Nobody keeps a person from hearing of something by adding an address, or by removing one.
#[tokio::test]
async fn notices_go_to_the_addresses_that_stood_before() {
    let w = world();
    w.phone().await;
    w.clock.advance(Duration::from_secs(3_600));
    let to = DeliveryAddress::new(Channel::Email, "thief@example.com").unwrap();
    let by = Authority::System;
    let enrol = w.service.enrol_address(by, &w.tenant, &w.alice, &to, None);
    let factor = enrol.await.unwrap();
    let asked = w
        .service
        .challenge_to_confirm(&w.tenant, &w.alice, &factor)
        .await
        .unwrap();
    let purpose = SecondFactor::confirm_purpose().unwrap();
    let send = w
        .service
        .send_code(&w.tenant, &asked.id, &purpose, Channel::Email, None);
    send.await.unwrap();
    let code = w.outbox.code();
    let confirm = w
        .service
        .confirm_address(&w.tenant, &w.alice, &asked.id, &code);
    confirm.await.unwrap();
    let told = w.outbox.taken();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].to.channel(), Channel::Sms);
    // Two mailboxes hear of it when one of them is removed, that one too.
    w.mailbox().await;
    let remove = w.service.remove(by, &w.tenant, &w.alice, &factor, None);
    remove.await.unwrap();
    assert_eq!(w.outbox.notices(), [Notice::FactorRemoved; 2]);
}

/// a notice that cannot be sent changes nothing of what it would tell, and costs codes nothing.
#[tokio::test]
async fn a_notice_that_fails_or_is_one_too_many_fails_no_call() {
    let w = world();
    w.mailbox().await;
    w.app().await;
    let codes = w.sheet().await;
    w.outbox.fail(DeliveryErrorKind::Unavailable);
    _ = w.recover(&codes[0]).await.unwrap();
    w.outbox.fail(None);
    w.outbox.taken();
    for _ in 0..20 {
        w.sheet().await;
    }
    assert_eq!(w.outbox.taken().len(), 7); // of ten in a day
    w.clock.advance(Duration::from_secs(60));
    let asked = w.ask().await.unwrap();
    w.send(&asked.id, Channel::Email).await.unwrap();
}

/// an owner hears that a factor was disabled.
#[tokio::test]
async fn an_owner_is_told_of_a_factor_that_was_disabled() {
    let w = world();
    w.mailbox().await;
    let app = w.app().await;
    w.outbox.taken();
    for _ in 0..19 {
        let counted = w
            .lockout
            .attempt_at_authenticator(&w.tenant, &w.alice, app.factor.as_str());
        assert!(counted.await.unwrap().is_some());
    }
    let wrong = w.wrong(&app);
    let answer = SecondFactorAnswer::Authenticator(&wrong);
    assert_eq!(why(w.verify(answer).await), Reason::CodeWrong);
    assert_eq!(w.outbox.notices(), [Notice::FactorDisabled]);
}
