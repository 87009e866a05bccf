use super::*;
use crate::token::RefreshRequest;

///
#[tokio::test]
async fn unknown_malformed_wrong_and_locked_have_one_face() {
    let w = world().await;
    assert!(w.begin("alice@x", GOOD).await.is_ok());
    let wrong = w.begin("alice@x", "guess").await.unwrap_err();
    for (name, expected) in [
        ("bob@x", Reason::LoginUnknown),
        ("a b", Reason::LoginUnknown),
    ] {
        let refused = w.begin(name, GOOD).await;
        let error = refused.as_ref().unwrap_err();
        assert_eq!(error.to_string(), wrong.to_string());
        assert_eq!(reason(refused), expected);
    }
    assert_eq!(reason::<SignedIn>(Err(wrong)), Reason::PasswordWrong);
    for _ in 0..4 {
        assert_eq!(
            reason(w.begin("alice@x", "guess").await),
            Reason::PasswordWrong
        );
    }
    assert_eq!(reason(w.begin("alice@x", GOOD).await), Reason::Locked);
}

/// B-72: one account, one counter.
#[tokio::test]
async fn however_the_name_is_typed_five_guesses_are_judged() {
    let w = world().await;
    for name in ["ALICE@x", " alice@x", "alice@X ", "Alice@x", "alice@x"] {
        assert_eq!(reason(w.begin(name, "guess").await), Reason::PasswordWrong);
    }
    assert_eq!(reason(w.begin("aLICE@x", GOOD).await), Reason::Locked);
}

/// entry points x locked = 0 tokens; and a refresh token works again when the lock is gone.
#[tokio::test]
async fn a_lock_of_any_kind_closes_every_way_to_a_token() {
    for kind in [
        AttemptKind::Password,
        AttemptKind::Otp,
        AttemptKind::Recovery,
    ] {
        let w = world().await;
        let before = w.begin("alice@x", GOOD).await.unwrap();
        w.lock(kind).await;
        assert_eq!(
            reason(w.begin("alice@x", GOOD).await),
            Reason::Locked,
            "{kind:?}"
        );
        let login = w.sign_in().login();
        let (old, new) = (secret(GOOD), secret("another four words or five"));
        let changed = login
            .change_password(&w.tenant, &w.alice, &old, &new, None)
            .await;
        assert_eq!(reason(changed), Reason::Locked, "{kind:?}");
        let tokens = w.fountain.tokens();
        let request = || RefreshRequest::new(before.tokens.refresh_token.clone(), client());
        let refused = tokens.refresh(request()).await.unwrap_err().rejection();
        assert!(
            matches!(refused.kind(), RejectionKind::RateLimited { .. }),
            "{kind:?}"
        );
        let lockout = w.sign_in().lockout();
        let unlocked = lockout.unlock(Authority::System, &w.tenant, &w.alice).await;
        assert!(unlocked.unwrap());
        assert!(tokens.refresh(request()).await.is_ok(), "{kind:?}");
    }
}

/// while codes are locked, a right password clears nothing and so tells nothing.
#[tokio::test]
async fn a_right_password_is_no_more_than_a_wrong_one_while_codes_are_locked() {
    let w = world().await;
    w.lock(AttemptKind::Otp).await;
    for _ in 0..5 {
        assert_eq!(reason(w.begin("alice@x", GOOD).await), Reason::Locked);
    }
    let whose = Whose::Subject(&w.alice);
    let kind = AttemptKind::Password;
    let sixth = w
        .sign_in()
        .lockout()
        .attempt(&w.tenant, whose, kind, None)
        .await;
    assert!(sixth.unwrap().is_none(), "all five stay counted");
}

/// A subject that is in no store has no roles, and its scopes would be all that limits it.
#[tokio::test]
async fn who_is_no_subject_asks_for_no_scope() {
    let w = world().await;
    w.register(&Subject::new("u-2").unwrap(), "mallory@x").await;
    let attempt = LoginAttempt::new("mallory@x", secret(GOOD), client());
    let attempt = attempt.scope(Scope::new("orders:write").unwrap());
    assert_eq!(reason(w.attempt(attempt).await), Reason::SubjectDisabled);
}

#[tokio::test]
async fn who_is_disabled_does_not_sign_in_and_the_right_password_clears_nothing() {
    let w = world().await;
    let subjects = w.fountain.subjects();
    let disabled = subjects.disable(Authority::System, &w.tenant, &w.alice);
    disabled.await.unwrap();
    for _ in 0..5 {
        assert_eq!(
            reason(w.begin("alice@x", GOOD).await),
            Reason::SubjectDisabled
        );
    }
    assert_eq!(reason(w.begin("alice@x", GOOD).await), Reason::Locked);
}

/// A login that was under way when its password was changed leaves no session behind.
#[tokio::test]
async fn a_changed_password_ends_every_session_and_the_old_one_is_wrong() {
    let w = world().await;
    let before = w.begin("alice@x", GOOD).await.unwrap();
    let (old, new) = (secret(GOOD), secret("another four words or five"));
    let login = w.sign_in().login();
    let changed = login
        .change_password(&w.tenant, &w.alice, &old, &new, None)
        .await;
    changed.unwrap();
    let request = RefreshRequest::new(before.tokens.refresh_token.clone(), client());
    assert!(w.fountain.tokens().refresh(request).await.is_err());
    let access = before.tokens.access.access_token;
    assert!(w.fountain.tokens().verify(access.expose()).await.is_err());
    assert_eq!(
        reason(w.begin("alice@x", GOOD).await),
        Reason::PasswordWrong
    );
    assert!(w.begin("alice@x", new.expose()).await.is_ok());
    let found = CredentialStore::find_subject(&*w.store, &w.tenant, &w.alice).await;
    assert_eq!(found.unwrap().unwrap().version, 2);
}

/// R-62, F-26: of 200 guesses at once, five are judged.
#[tokio::test]
async fn of_two_hundred_guesses_at_once_five_are_judged() {
    let w = world().await;
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let login = w.sign_in().login().clone();
        guesses.spawn(async move {
            let attempt = LoginAttempt::new("alice@x", secret("guess"), client());
            reason(login.begin(attempt).await)
        });
    }
    let reasons = guesses.join_all().await;
    let of = |wanted| reasons.iter().filter(|reason| **reason == wanted).count();
    assert_eq!((of(Reason::PasswordWrong), of(Reason::Locked)), (5, 195));
}
