use super::*;
use crate::otp::FactorMethod;

/// a recovery code stands in for the factor, once.
#[tokio::test]
async fn a_recovery_code_signs_in_once() {
    let w = world().await;
    w.app().await;
    let sheet = w.sheet().await;
    let asked = w.asked().await;
    assert!(asked.methods.contains(&FactorMethod::Recovery));
    let answer = SecondFactorAnswer::Recovery(&sheet[0]);
    assert!(w.finish(&asked, answer).await.is_ok());
    let again = w.asked().await;
    assert_eq!(reason(w.finish(&again, answer).await), Reason::CodeWrong);
    let next = SecondFactorAnswer::Recovery(&sheet[1]);
    assert!(w.finish(&again, next).await.is_ok());
}

/// L-09: guesses at recovery codes have a budget of their own, and close the account when it is used up.
#[tokio::test]
async fn five_wrong_recovery_codes_lock() {
    let w = world().await;
    let (_, totp) = w.app().await;
    let sheet = w.sheet().await;
    for _ in 0..5 {
        let asked = w.asked().await;
        let refused = w.finish(&asked, SecondFactorAnswer::Recovery("wrong"));
        assert_eq!(reason(refused.await), Reason::CodeWrong);
    }
    let begun = w.begin("alice@x", GOOD).await;
    assert_eq!(reason(begun), Reason::Locked);
    let lockout = w.sign_in().lockout();
    let unlock = lockout.unlock(Authority::System, &w.tenant, &w.alice);
    assert!(unlock.await.unwrap());
    let asked = w.asked().await;
    let recovered = w.finish(&asked, SecondFactorAnswer::Recovery(&sheet[0]));
    assert!(recovered.await.is_ok());
    let asked = w.asked().await;
    let code = w.code(&totp);
    let done = w.finish(&asked, SecondFactorAnswer::Authenticator(&code));
    assert!(done.await.is_ok());
}
