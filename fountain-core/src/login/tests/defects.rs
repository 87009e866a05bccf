//! One test for each defect of the services that Fountain is to replace.

use super::*;
use crate::audit::AuditEvent;
use crate::error::ErrorKind;
use crate::identity::Actor;
use crate::otp::{FactorOutcome, FactorRecord, FactorStore};
use crate::token::RefreshRequest;

/// what is answered shows no code, no seed and no password; the code is with its channel alone.
#[tokio::test]
async fn a_code_in_the_response() {
    let w = world().await;
    w.address(Channel::Sms, "+436641234567").await;
    let (enrolled, totp) = w.app().await;
    let sheet = w.sheet().await;
    let login = w.sign_in().login();
    let attempt = LoginAttempt::new("alice@x", secret(GOOD), client());
    let mut shown = vec![format!("{attempt:?}"), format!("{enrolled:?}")];
    let asked = w.asked().await;
    shown.push(format!("{:?}", LoginOutcome::SecondFactor(asked.clone())));
    let sent = login.send_code(&w.tenant, &asked.id, Channel::Sms, None);
    shown.push(format!("{:?}", sent.await.unwrap()));
    let sent = w.outbox.code();
    let (code, wrong) = (w.code(&totp), w.wrong(&totp));
    for text in [&code, &wrong, &sheet[0]] {
        let answer = SecondFactorAnswer::Recovery(text);
        shown.push(format!("{:?}", LoginAnswer::new(asked.id.clone(), answer)));
    }
    let refused = w.finish(&asked, SecondFactorAnswer::Authenticator(&wrong));
    let refused = refused.await.unwrap_err();
    shown.push(format!("{refused} {refused:?} {:?}", refused.rejection()));
    let done = w.finish(&asked, SecondFactorAnswer::Delivered(&sent)).await;
    let done = done.unwrap();
    let (refresh, access) = (&done.tokens.refresh_token, &done.tokens.access.access_token);
    shown.push(format!(
        "{done:?} {:?}",
        LoginOutcome::SignedIn(done.clone())
    ));
    let seed = enrolled.secret.expose();
    for hidden in [GOOD, &sent, &code, &wrong, &sheet[0], seed]
        .into_iter()
        .chain([refresh.expose(), access.expose()])
    {
        // An id may have any six digits in it: a code stands alone.
        let stands = |text: &String| {
            text.split(|c: char| !c.is_alphanumeric() && !"-._ ".contains(c))
                .any(|word| word.contains(hidden) && (hidden.len() > 6 || word.trim() == hidden))
        };
        assert!(!shown.iter().any(stands), "{shown:?}");
    }
}

/// five codes are judged, however many challenges they are spread over.
#[tokio::test]
async fn unlimited_guesses() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let wrong = w.wrong(&totp);
    for _ in 0..5 {
        let asked = w.asked().await;
        let refused = w.finish(&asked, SecondFactorAnswer::Authenticator(&wrong));
        assert_eq!(reason(refused.await), Reason::CodeWrong);
    }
    for _ in 0..5 {
        assert_eq!(reason(w.begin("alice@x", GOOD).await), Reason::Locked);
    }
    assert_eq!(
        w.recorded(AuditAction::AttemptCounted, Some("otp")).await,
        6
    );
    assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 0);
}

/// F-24: with a pause between any two calls of the store, one recovery code on five challenges signs in once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn check_then_set() {
    let w = world().await;
    w.app().await;
    let sheet = w.sheet().await;
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(w.asked().await);
    }
    w.slow.wait(true);
    let mut uses = tokio::task::JoinSet::new();
    for asked in asked {
        let (login, code) = (w.sign_in().login().clone(), sheet[0].clone());
        uses.spawn(async move {
            let answer = SecondFactorAnswer::Recovery(&code);
            let answer = LoginAnswer::new(asked.id, answer);
            login.finish(answer).await.is_ok()
        });
    }
    let good = uses.join_all().await.into_iter().filter(|good| *good);
    assert_eq!(good.count(), 1);
    assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 1);
}

/// Names of roles are compared whole.
#[tokio::test]
async fn non_admin_passes_as_admin() {
    let w = world().await;
    let catalog = w.fountain.roles();
    let granted = |role: &str| catalog.describe(&catalog.resolve_roles([role])).count();
    assert_eq!((granted("admin"), granted("non-admin")), (2, 1));
    for other in [
        "Admin",
        "ADMIN",
        "admin ",
        " admin",
        "adm",
        "administrator",
        "admin,clerk",
        "super-admin",
        "admin\0",
        "",
    ] {
        assert!(!catalog.has_role(other), "{other:?}");
        assert_eq!(granted(other), 0, "{other:?}");
    }
    let mallory = Subject::new("u-2").unwrap();
    let subjects = w.fountain.subjects();
    let register = subjects.register(Authority::System, &w.tenant, &mallory, ["non-admin"]);
    register.await.unwrap();
    w.register(&mallory, "mallory@x").await;
    let attempt = LoginAttempt::new("mallory@x", secret(GOOD), client());
    let attempt = ["orders:read", "orders:write"]
        .into_iter()
        .fold(attempt, |attempt, scope| {
            attempt.scope(Scope::new(scope).unwrap())
        });
    let done = w.attempt(attempt).await.unwrap();
    let access = done.tokens.access.access_token;
    let principal = w.fountain.tokens().verify(access.expose()).await.unwrap();
    let granted: Vec<_> = catalog.describe(principal.grants()).collect();
    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].to_string(), "orders:read");
}

/// Each is good for its own use alone.
#[tokio::test]
async fn a_refresh_token_accepted_as_an_access_token_and_the_reverse() {
    let w = world().await;
    let done = w.begin("alice@x", GOOD).await.unwrap();
    let (refresh, access) = (done.tokens.refresh_token, done.tokens.access.access_token);
    let tokens = w.fountain.tokens();
    assert!(tokens.verify(refresh.expose()).await.is_err());
    let reverse = tokens.refresh(RefreshRequest::new(access.clone(), client()));
    assert!(reverse.await.is_err());
    assert!(tokens.verify(access.expose()).await.is_ok());
    let request = RefreshRequest::new(refresh, client());
    assert!(tokens.refresh(request).await.is_ok());
}

impl World {
    fn event(&self, action: AuditAction) -> AuditEvent {
        let now = self.clock.now();
        AuditEvent::new(&OsRandom, now, self.tenant.clone(), Actor::System, action).unwrap()
    }

    async fn stored(&self) -> FactorRecord {
        let list = FactorStore::list(&*self.store, &self.tenant, &self.alice);
        list.await.unwrap().remove(0)
    }
}

/// A disabled factor is asked for all the same: nobody signs in, unless a recovery code is shown.
#[tokio::test]
async fn a_second_factor_switched_off_by_being_disabled() {
    let w = world().await;
    let (enrolled, totp) = w.app().await;
    let sheet = w.sheet().await;
    let before = w.asked().await;
    let (now, event) = (w.clock.now(), w.event(AuditAction::FactorDisabled));
    let id = &enrolled.factor;
    let disable = FactorStore::disable(&*w.store, &w.tenant, &w.alice, id, now, event);
    assert_eq!(disable.await.unwrap(), FactorOutcome::Done);
    let code = w.code(&totp);
    let answer = SecondFactorAnswer::Authenticator(&code);
    assert_eq!(
        reason(w.finish(&before, answer).await),
        Reason::FactorDisabled
    );
    for used in &sheet {
        let asked = w.asked().await;
        assert!(
            w.finish(&asked, SecondFactorAnswer::Recovery(used))
                .await
                .is_ok()
        );
    }
    // None is left, and there is no way to answer.
    assert_eq!(
        reason(w.begin("alice@x", GOOD).await),
        Reason::FactorDisabled
    );
}

/// Nor does one that is being enrolled stand in for the one that is confirmed.
#[tokio::test]
async fn a_second_factor_switched_off_by_one_that_is_pending() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let (_, pending) = w.pending_app().await;
    let asked = w.asked().await;
    let (code, other) = (w.code(&totp), w.code(&pending));
    let refused = w.finish(&asked, SecondFactorAnswer::Authenticator(&other));
    assert_eq!(reason(refused.await), Reason::CodeWrong);
    let done = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
    assert!(done.await.is_ok());
}

/// Corrupt is not absent.
#[tokio::test]
async fn a_second_factor_switched_off_by_a_seal_that_does_not_open() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let mut record = w.stored().await;
    let event = w.event(AuditAction::FactorRemoved);
    let remove = FactorStore::remove(&*w.store, &w.tenant, &w.alice, &record.id, event);
    assert!(remove.await.unwrap());
    *record.sealed.last_mut().unwrap() ^= 1;
    let event = w.event(AuditAction::FactorEnrolled);
    let insert = FactorStore::insert(&*w.store, record.clone(), event);
    assert!(insert.await.unwrap());
    assert_eq!(w.stored().await.confirmed_at, record.confirmed_at);
    let asked = w.asked().await;
    for code in [w.code(&totp), w.wrong(&totp)] {
        let refused = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
        let error = refused.await.unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
    }
    assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 0);
}

/// A store that is down for any one call of a login signs nobody in without the factor.
#[tokio::test]
async fn a_second_factor_switched_off_by_a_store_that_is_down() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let login = w.sign_in().login();
    let mut asked = w.asked().await;
    for (is_begin, least) in [(true, 8), (false, 6)] {
        for calls in 0.. {
            let unlock = w.sign_in().lockout();
            let unlock = unlock.unlock(Authority::System, &w.tenant, &w.alice);
            unlock.await.unwrap();
            if !is_begin {
                asked = w.asked().await;
            }
            let wrong = w.wrong(&totp);
            w.slow.fail_after(calls);
            if is_begin {
                let attempt = LoginAttempt::new("alice@x", secret(GOOD), client());
                if let Ok(outcome) = login.begin(attempt).await {
                    assert!(matches!(outcome, LoginOutcome::SecondFactor(_)), "{calls}");
                }
            } else {
                let answer = SecondFactorAnswer::Authenticator(&wrong);
                assert!(w.finish(&asked, answer).await.is_err(), "{calls}");
            }
            let is_through = w.slow.is_to_fail();
            w.slow.fail_after(usize::MAX);
            if is_through {
                assert!(calls >= least, "{calls}");
                break;
            }
        }
    }
    assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 0);
    let asked = w.asked().await;
    let code = w.code(&totp);
    let done = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
    assert!(done.await.is_ok());
}
