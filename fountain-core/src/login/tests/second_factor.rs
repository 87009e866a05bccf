use super::*;
use crate::otp::{ChallengePurpose, FactorMethod, NewChallenge};
use crate::secret::Digest;

/// what was shown is what the token says.
#[tokio::test]
async fn password_and_code_sign_in_and_the_token_says_so() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let asked = w.asked().await;
    assert_eq!(asked.methods, [FactorMethod::Authenticator]);
    let code = w.code(&totp);
    let done = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
    let done = done.await.unwrap();
    assert_eq!(done.subject, w.alice);
    let access = done.tokens.access.access_token;
    let principal = w.fountain.tokens().verify(access.expose()).await.unwrap();
    let amr = &principal.assurance().amr;
    for shown in ["pwd", "otp", "mfa"] {
        assert!(amr.iter().any(|method| method == shown), "{amr:?}");
    }
}

/// a lock that comes between the password and the code.
#[tokio::test]
async fn a_lock_of_any_kind_refuses_the_right_code_until_it_ends() {
    for kind in [
        AttemptKind::Password,
        AttemptKind::Otp,
        AttemptKind::Recovery,
    ] {
        let w = world().await;
        let (_, totp) = w.app().await;
        let sheet = w.sheet().await;
        let asked = w.asked().await;
        w.lock(kind).await;
        let code = w.code(&totp);
        let answers = [
            SecondFactorAnswer::Authenticator(&code),
            SecondFactorAnswer::Recovery(&sheet[0]),
        ];
        for answer in answers {
            let refused = w.finish(&asked, answer).await;
            assert_eq!(reason(refused), Reason::Locked, "{kind:?} {answer:?}");
        }
        let lockout = w.sign_in().lockout();
        let unlock = lockout.unlock(Authority::System, &w.tenant, &w.alice);
        assert!(unlock.await.unwrap());
        // Nothing of it was used up meanwhile.
        let done = w.finish(&asked, answers[0]).await;
        assert!(done.is_ok(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_challenge_signs_in_once() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let asked = w.asked().await;
    let code = w.code(&totp);
    let answer = SecondFactorAnswer::Authenticator(&code);
    assert!(w.finish(&asked, answer).await.is_ok());
    assert_eq!(
        reason(w.finish(&asked, answer).await),
        Reason::ChallengeEnded
    );
    w.clock.advance(Duration::from_secs(30));
    let next = w.code(&totp);
    let next = SecondFactorAnswer::Authenticator(&next);
    assert_eq!(reason(w.finish(&asked, next).await), Reason::ChallengeEnded);
}

/// F-24
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_answers_with_one_code_one_signs_in() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let asked = w.asked().await;
    let code = w.code(&totp);
    w.slow.wait(true);
    let mut answers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (login, id, code) = (w.sign_in().login().clone(), asked.id.clone(), code.clone());
        answers.spawn(async move {
            let answer = SecondFactorAnswer::Authenticator(&code);
            match login.finish(LoginAnswer::new(id, answer)).await {
                Ok(_) => true,
                refused => {
                    reason(refused);
                    false
                }
            }
        });
    }
    let good = answers.join_all().await.into_iter().filter(|good| *good);
    assert_eq!(good.count(), 1);
    assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 1);
}

/// Between the password and the code.
#[tokio::test]
async fn who_is_disabled_meanwhile_does_not_finish() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let asked = w.asked().await;
    let subjects = w.fountain.subjects();
    let disable = subjects.disable(Authority::System, &w.tenant, &w.alice);
    disable.await.unwrap();
    let code = w.code(&totp);
    let refused = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
    assert_eq!(reason(refused.await), Reason::SubjectDisabled);
}

/// The password that was shown is none any more; nor is one that is removed.
#[tokio::test]
async fn whose_password_was_changed_meanwhile_does_not_finish() {
    for is_removed in [false, true] {
        let w = world().await;
        let (_, totp) = w.app().await;
        let asked = w.asked().await;
        if is_removed {
            let login = w.sign_in().login();
            let remove = login.remove(Authority::System, &w.tenant, &w.alice);
            assert!(remove.await.unwrap());
        } else {
            w.set_password("another four words or five").await;
        }
        let code = w.code(&totp);
        let refused = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
        assert_eq!(reason(refused.await), Reason::ChallengeEnded);
    }
}

/// What was asked for something else signs nobody in, though its code is right.
#[tokio::test]
async fn a_challenge_of_another_purpose_binding_or_tenant_signs_nobody_in() {
    let w = world().await;
    let (_, totp) = w.app().await;
    for (purpose, binding) in [
        ("checkout", Digest::of(b"fountain login 1")),
        ("login", Digest::of(b"session 1")),
    ] {
        let new = NewChallenge {
            tenant: w.tenant.clone(),
            subject: w.alice.clone(),
            purpose: ChallengePurpose::new(purpose).unwrap(),
            binding,
            context: Vec::new(),
        };
        let other = w.factors().challenge(new).await.unwrap();
        let code = w.code(&totp);
        let refused = w.finish(&other, SecondFactorAnswer::Authenticator(&code));
        assert_eq!(reason(refused.await), Reason::ChallengeUnknown);
    }
    let asked = w.asked().await;
    let code = w.code(&totp);
    let answer = SecondFactorAnswer::Authenticator(&code);
    let elsewhere =
        LoginAnswer::new(asked.id.clone(), answer).tenant(Tenant::new("other").unwrap());
    let login = w.sign_in().login();
    assert_eq!(
        reason(login.finish(elsewhere).await),
        Reason::ChallengeUnknown
    );
    assert!(
        w.finish(&asked, answer).await.is_ok(),
        "the code is good still"
    );
}

/// who has a mailbox alone is asked for nothing more, and its code is never a second factor.
#[tokio::test]
async fn a_mail_never_completes_a_login() {
    let w = world().await;
    w.address(Channel::Email, "alice@example.com").await;
    assert!(w.begin("alice@x", GOOD).await.is_ok());
    let (_, totp) = w.app().await;
    let asked = w.asked().await;
    assert_eq!(asked.methods, [FactorMethod::Authenticator]);
    let login = w.sign_in().login();
    let send = login.send_code(&w.tenant, &asked.id, Channel::Email, None);
    assert_eq!(reason(send.await), Reason::FactorUnknown);
    // Nor by the way around: sent by the service below.
    let purpose = Login::purpose().unwrap();
    let factors = w.factors();
    let send = factors.send_code(&w.tenant, &asked.id, &purpose, Channel::Email, None);
    send.await.unwrap();
    let mailed = w.outbox.code();
    let refused = w.finish(&asked, SecondFactorAnswer::Delivered(&mailed));
    assert_eq!(reason(refused.await), Reason::AssuranceTooLow);
    assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 1);
    let asked = w.asked().await;
    let code = w.code(&totp);
    let done = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
    assert!(done.await.is_ok());
}

#[tokio::test]
async fn a_code_by_text_message_completes_a_login() {
    let w = world().await;
    w.address(Channel::Sms, "+436641234567").await;
    let asked = w.asked().await;
    let login = w.sign_in().login();
    let send = login.send_code(&w.tenant, &asked.id, Channel::Sms, None);
    send.await.unwrap();
    let code = w.outbox.code();
    let answer = SecondFactorAnswer::Delivered(&code);
    assert!(w.finish(&asked, answer).await.is_ok());
    assert_eq!(
        reason(w.finish(&asked, answer).await),
        Reason::ChallengeEnded
    );
}

/// L-09: guesses from elsewhere lock nobody out of a device that signed in before.
#[tokio::test]
async fn a_known_device_signs_in_while_the_account_is_locked() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let token = w.sign_in().lockout();
    let token = token.remember_device(&w.tenant, &w.alice).unwrap();
    for kind in [AttemptKind::Password, AttemptKind::Otp] {
        w.lock(kind).await;
    }
    let login = w.sign_in().login();
    let attempt = || LoginAttempt::new("alice@x", secret(GOOD), client());
    assert_eq!(reason(login.begin(attempt()).await), Reason::Locked);
    let forged = attempt().device(secret("fd1.AAAA.1.AAAA"));
    assert_eq!(reason(login.begin(forged).await), Reason::Locked);
    let begun = login.begin(attempt().device(token.clone())).await.unwrap();
    let LoginOutcome::SecondFactor(asked) = begun else {
        panic!("signed in without a second factor");
    };
    let code = w.code(&totp);
    let answer = SecondFactorAnswer::Authenticator(&code);
    assert_eq!(reason(w.finish(&asked, answer).await), Reason::Locked);
    let answer = LoginAnswer::new(asked.id, answer).device(token);
    assert!(login.finish(answer).await.is_ok());
}

/// whatever is wrong about the second factor, it is told as a wrong password is.
#[tokio::test]
async fn a_wrong_second_factor_has_the_face_of_a_wrong_password() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let face = w.begin("alice@x", "guess").await.unwrap_err();
    let asked = w.asked().await;
    let wrong = w.wrong(&totp);
    for (answer, expected) in [
        (SecondFactorAnswer::Authenticator(&wrong), Reason::CodeWrong),
        (
            SecondFactorAnswer::Authenticator("12345\u{0661}"),
            Reason::CodeWrong,
        ),
        (SecondFactorAnswer::Delivered(&wrong), Reason::CodeWrong),
        (SecondFactorAnswer::Recovery(&wrong), Reason::CodeWrong),
    ] {
        let refused = w.finish(&asked, answer).await;
        let error = refused.as_ref().unwrap_err();
        assert_eq!(error.to_string(), face.to_string());
        assert_eq!(error.rejection().kind(), face.rejection().kind());
        assert_eq!(reason(refused), expected, "{answer:?}");
    }
}
