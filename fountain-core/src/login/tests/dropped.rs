//! F-12, F-13: whoever is dropped, at whatever await, leaves attempts counted, codes good once, and no more than one
//! session, which nobody has.

use super::*;
use crate::memory::slow::drop_after;

/// More polls than any call takes.
const MOST: usize = 300;

impl World {
    /// How many more attempts of this kind are counted before they are locked.
    async fn left(&self, kind: AttemptKind) -> usize {
        let (lockout, whose) = (self.sign_in().lockout(), Whose::Subject(&self.alice));
        let mut left = 0;
        while let Some(_counted) = lockout
            .attempt(&self.tenant, whose, kind, None)
            .await
            .unwrap()
        {
            left += 1;
        }
        left
    }

    async fn unlock(&self) {
        let lockout = self.sign_in().lockout();
        let unlock = lockout.unlock(Authority::System, &self.tenant, &self.alice);
        unlock.await.unwrap();
    }

    /// The call, with a store that waits, dropped after so many polls.
    async fn dropped<T>(&self, polls: usize, call: impl Future<Output = T>) -> Option<T> {
        self.slow.wait(true);
        let ended = drop_after(polls, call).await;
        self.slow.wait(false);
        ended
    }
}

/// A wrong password is one of the five from the moment on that it was counted.
#[tokio::test]
async fn a_wrong_password_that_is_dropped_stays_counted() {
    let mut seen = std::collections::BTreeSet::new();
    let w = world().await;
    for polls in 0..MOST {
        let before = w
            .recorded(AuditAction::AttemptCounted, Some("password"))
            .await;
        let ended = w.dropped(polls, w.begin("alice@x", "guess")).await;
        let counted = w
            .recorded(AuditAction::AttemptCounted, Some("password"))
            .await
            - before;
        seen.insert(counted);
        let left = w.left(AttemptKind::Password).await;
        assert_eq!(counted + left, 5, "after {polls} polls");
        w.unlock().await;
        if let Some(ended) = ended {
            assert_eq!(reason(ended), Reason::PasswordWrong);
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1]);
            return;
        }
    }
    panic!("it never ended");
}

/// A right one leaves one session at most, and the account as it was.
#[tokio::test]
async fn a_right_password_that_is_dropped_leaves_one_session_at_most() {
    let mut seen = std::collections::BTreeSet::new();
    let w = world().await;
    for polls in 0..MOST {
        let before = w.recorded(AuditAction::TokenIssued, None).await;
        let ended = w.dropped(polls, w.begin("alice@x", GOOD)).await;
        let issued = w.recorded(AuditAction::TokenIssued, None).await - before;
        seen.insert(issued);
        let again = w.begin("alice@x", GOOD).await;
        assert!(again.is_ok(), "after {polls} polls");
        if let Some(ended) = ended {
            assert!(ended.is_ok());
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1]);
            return;
        }
    }
    panic!("it never ended");
}

/// Nor does it get past the second factor.
#[tokio::test]
async fn a_first_step_that_is_dropped_issues_nothing() {
    let w = world().await;
    w.app().await;
    for polls in 0..MOST {
        w.unlock().await;
        let ended = w.dropped(polls, w.asked()).await;
        assert_eq!(w.recorded(AuditAction::TokenIssued, None).await, 0);
        if ended.is_some() {
            return;
        }
    }
    panic!("it never ended");
}

/// One world for all polls: what is shown at each of them is another code.
async fn good_once(is_paper: bool) {
    let w = world().await;
    let (_, totp) = w.app().await;
    let (mut unused, mut used) = (0, 0);
    for polls in 0..MOST {
        w.clock.advance(Duration::from_secs(60));
        let code = match is_paper {
            true => w.sheet().await.remove(0),
            false => w.code(&totp),
        };
        let answer = match is_paper {
            true => SecondFactorAnswer::Recovery(&code),
            false => SecondFactorAnswer::Authenticator(&code),
        };
        let (asked, other) = (w.asked().await, w.asked().await);
        let before = w.recorded(AuditAction::TokenIssued, None).await;
        let ended = w.dropped(polls, w.finish(&asked, answer)).await;
        let first = w.recorded(AuditAction::TokenIssued, None).await - before;
        // The same code again, for the same question and for another.
        let again = [
            w.finish(&asked, answer).await,
            w.finish(&other, answer).await,
        ];
        let good = again.iter().filter(|again| again.is_ok()).count();
        assert!(first + good <= 1, "{first} and {good} after {polls} polls");
        let issued = w.recorded(AuditAction::TokenIssued, None).await - before;
        assert_eq!(issued, first + good);
        match good {
            1 => unused += 1,
            _ => used += 1,
        }
        w.unlock().await;
        if let Some(ended) = ended {
            assert!(ended.is_ok() && unused > 5 && used > 5, "{unused} {used}");
            return;
        }
    }
    panic!("it never ended");
}

#[tokio::test]
async fn a_code_that_was_being_used_signs_in_once() {
    good_once(false).await;
}

#[tokio::test]
async fn a_recovery_code_that_was_being_used_signs_in_once() {
    good_once(true).await;
}

/// A wrong code is one of the five from the moment on that it was counted.
#[tokio::test]
async fn a_wrong_code_that_is_dropped_stays_counted() {
    let mut seen = std::collections::BTreeSet::new();
    for polls in 0..MOST {
        let w = world().await;
        let (_, totp) = w.app().await;
        let asked = w.asked().await;
        let wrong = w.wrong(&totp);
        let before = w.recorded(AuditAction::AttemptCounted, Some("otp")).await;
        let answer = SecondFactorAnswer::Authenticator(&wrong);
        let ended = w.dropped(polls, w.finish(&asked, answer)).await;
        let counted = w.recorded(AuditAction::AttemptCounted, Some("otp")).await - before;
        seen.insert(counted);
        let left = w.left(AttemptKind::Otp).await;
        assert_eq!(counted + left, 5, "after {polls} polls");
        if let Some(ended) = ended {
            assert_eq!(reason(ended), Reason::CodeWrong);
            assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1]);
            return;
        }
    }
    panic!("it never ended");
}
