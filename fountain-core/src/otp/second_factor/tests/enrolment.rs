use super::*;

/// bound by one good code, which is used with it.
#[tokio::test]
async fn an_authenticator_is_good_for_nothing_until_one_good_code_has_confirmed_it() {
    let w = world();
    let by = Authority::System;
    let enrol = w.service.enrol_totp(by, &w.tenant, &w.alice, "alice", None);
    let shown = enrol.await.unwrap();
    assert_eq!(shown.confirm_by, w.clock.now() + Duration::from_secs(600));
    let app = World::app_of(&shown);
    let code = w.code(&app);
    assert!(!w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    assert_eq!(why(w.ask().await), Reason::FactorPending);
    let answer = SecondFactorAnswer::Authenticator(code.expose());
    assert_eq!(why(w.verify(answer).await), Reason::FactorPending);

    let confirm = |code| w.service.confirm(&w.tenant, &w.alice, &app.factor, code);
    let wrong = w.wrong(&app);
    assert_eq!(why(confirm(&wrong).await), Reason::CodeWrong);
    confirm(code.expose()).await.unwrap();
    assert!(w.service.is_required(&w.tenant, &w.alice).await.unwrap());
    assert_eq!(why(w.verify(answer).await), Reason::CodeReplayed);
    w.clock.advance(Duration::from_secs(30));
    let next = w.code(&app);
    let asked = w.ask().await.unwrap();
    assert_eq!(asked.methods, [FactorMethod::Authenticator]);
    let answer = SecondFactorAnswer::Authenticator(next.expose());
    let verified = w.answer(&asked.id, answer).await.unwrap();
    assert_eq!(verified.shown().kind, FactorKind::Totp);
    assert_eq!(verified.context(), b"context");
    assert_eq!(
        why(w.answer(&asked.id, answer).await),
        Reason::ChallengeEnded
    );
}
