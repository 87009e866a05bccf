use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::access::Authority;
use crate::audit::{AuditAction, AuditEvent, AuditStore};
use crate::clock::{Clock as _, ManualClock, Timestamp};
use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};
use crate::identity::{Actor, LoginName, Subject, Tenant};
use crate::memory::MemoryStore;
use crate::secret::Pepper;

struct World {
    lockout: Lockout,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    tenant: Tenant,
    alice: Subject,
}

fn world() -> World {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let lockout = Lockout::builder(store.clone(), Pepper::new(&[7; 32]))
        .clock(clock.clone())
        .random(Arc::new(InsecureSeededRandom::new(1)))
        .build()
        .unwrap();
    World {
        lockout,
        store,
        clock,
        tenant: Tenant::default(),
        alice: Subject::new("alice").unwrap(),
    }
}

impl World {
    async fn attempt(
        &self,
        kind: AttemptKind,
        device: Option<&KnownDevice>,
    ) -> Option<CountedAttempt> {
        let whose = Whose::Subject(&self.alice);
        self.lockout
            .attempt(&self.tenant, whose, kind, device)
            .await
            .unwrap()
    }

    /// How many attempts are judged out of this many.
    async fn judged(&self, kind: AttemptKind, device: Option<&KnownDevice>, attempts: u32) -> u32 {
        let mut judged = 0;
        for _ in 0..attempts {
            judged += u32::from(self.attempt(kind, device).await.is_some());
        }
        judged
    }

    async fn locked(&self, device: Option<&KnownDevice>) -> Option<Timestamp> {
        let whose = Whose::Subject(&self.alice);
        self.lockout
            .locked_until(&self.tenant, whose, device)
            .await
            .unwrap()
    }

    async fn events(&self) -> Vec<AuditEvent> {
        let page = self.store.page(&self.tenant, None, 1_000).await.unwrap();
        page.items.into_iter().map(|item| item.event).collect()
    }

    fn device(&self) -> KnownDevice {
        let token = self
            .lockout
            .remember_device(&self.tenant, &self.alice)
            .unwrap();
        self.lockout
            .known_device(&self.tenant, &self.alice, token.expose())
            .unwrap()
    }
}

/// R-61, L-09
#[tokio::test]
async fn each_kind_of_attempt_has_a_budget_of_its_own() {
    let w = world();
    for kind in AttemptKind::ALL {
        assert_eq!(w.judged(*kind, None, 8).await, 5, "{kind:?}");
    }
    let now = w.clock.now();
    assert_eq!(w.locked(None).await, Some(now + Duration::from_secs(900)));
    w.clock.advance(Duration::from_secs(900));
    assert_eq!(w.locked(None).await, None);
    // The next lock is twice as long.
    assert_eq!(w.judged(AttemptKind::Password, None, 8).await, 5);
    let now = w.clock.now();
    assert_eq!(w.locked(None).await, Some(now + Duration::from_secs(1_800)));
}

#[tokio::test]
async fn an_attempt_that_was_right_clears_its_own_kind_and_ends_the_lock_that_it_began() {
    let w = world();
    assert_eq!(w.judged(AttemptKind::Otp, None, 3).await, 3);
    assert_eq!(w.judged(AttemptKind::Password, None, 4).await, 4);
    let fifth = w.attempt(AttemptKind::Password, None).await.unwrap();
    assert_eq!(fifth.failures(), 5);
    assert!(fifth.locked_until().is_some() && w.locked(None).await.is_some());
    let alice = Actor::Subject(w.alice.clone());
    w.lockout.succeeded(fifth, alice.clone()).await.unwrap();
    assert_eq!(w.locked(None).await, None);
    assert_eq!(w.judged(AttemptKind::Password, None, 9).await, 5);
    assert_eq!(w.judged(AttemptKind::Otp, None, 9).await, 2); // the other kind's count stands
    let events = w.events().await;
    let cleared: Vec<_> = events
        .iter()
        .filter(|event| event.action == AuditAction::LockCleared)
        .collect();
    assert_eq!(cleared.len(), 1);
    assert_eq!(cleared[0].actor, alice);
}

/// of parallel attempts no more are judged than the threshold says.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_attempts_at_once_are_judged_five_times() {
    let w = Arc::new(world());
    let attempts: Vec<_> = (0..200)
        .map(|_| {
            let w = w.clone();
            tokio::spawn(async move { w.attempt(AttemptKind::Password, None).await.is_some() })
        })
        .collect();
    let mut judged = 0;
    for attempt in attempts {
        judged += u32::from(attempt.await.unwrap());
    }
    assert_eq!(judged, 5);
}

/// L-09, R-65: who guesses from elsewhere does not lock a person out of the device at home, and that device's attempts are
/// bounded as well.
#[tokio::test]
async fn a_known_device_has_attempts_of_its_own() {
    let w = world();
    let home = w.device();
    assert_eq!(w.judged(AttemptKind::Password, None, 9).await, 5);
    assert!(w.locked(None).await.is_some());
    assert_eq!(w.locked(Some(&home)).await, None);
    assert_eq!(w.judged(AttemptKind::Password, Some(&home), 9).await, 5);
    assert!(w.locked(Some(&home)).await.is_some());
    let another = w.device();
    assert_eq!(w.judged(AttemptKind::Password, Some(&another), 9).await, 5);
}

/// Another subject's device is none, wherever it comes from.
#[tokio::test]
async fn a_device_is_known_to_its_own_subject_only() {
    let w = world();
    let token = w.lockout.remember_device(&w.tenant, &w.alice).unwrap();
    let text = token.expose();
    let bob = Subject::new("bob").unwrap();
    let elsewhere = Tenant::new("elsewhere").unwrap();
    assert!(w.lockout.known_device(&w.tenant, &w.alice, text).is_some());
    assert!(w.lockout.known_device(&w.tenant, &bob, text).is_none());
    assert!(w.lockout.known_device(&elsewhere, &w.alice, text).is_none());
    for at in 0..text.len() {
        let mut wrong = text.as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'1' { b'2' } else { b'1' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert!(
            w.lockout
                .known_device(&w.tenant, &w.alice, &wrong)
                .is_none(),
            "{at}"
        );
    }
    for wrong in [
        "",
        "fd1",
        "fd1...",
        &text[1..],
        &format!("{text}."),
        &"x".repeat(1 << 20),
    ] {
        assert!(w.lockout.known_device(&w.tenant, &w.alice, wrong).is_none());
    }
    // A device of bob's does not spare alice's account.
    let token = w.lockout.remember_device(&w.tenant, &bob).unwrap();
    let bobs = w
        .lockout
        .known_device(&w.tenant, &bob, token.expose())
        .unwrap();
    assert_eq!(w.judged(AttemptKind::Password, Some(&bobs), 9).await, 5);
    assert_eq!(w.judged(AttemptKind::Password, None, 9).await, 0);
    w.clock.advance(Lockout::DEVICE_LIFE);
    assert!(w.lockout.known_device(&w.tenant, &w.alice, text).is_none());
}

/// a name that nobody has is counted like any other, and nothing of it is written.
#[tokio::test]
async fn unknown_names_lock_like_known_ones_and_leave_no_trace_of_what_was_typed() {
    let w = world();
    let typed = LoginName::new("my-secret-password").unwrap();
    let mut judged = 0;
    for _ in 0..9 {
        let whose = Whose::Unknown(&typed);
        let attempt = w
            .lockout
            .attempt(&w.tenant, whose, AttemptKind::Password, None);
        judged += u32::from(attempt.await.unwrap().is_some());
    }
    assert_eq!(judged, 5);
    let events = w.events().await;
    assert_eq!(events.len(), 6); // five counts and a lock
    assert!(!serde_json::to_string(&events).unwrap().contains("secret"));
    // A subject of that name is another.
    let subject = Subject::new("my-secret-password").unwrap();
    let whose = Whose::Subject(&subject);
    assert_eq!(
        w.lockout
            .locked_until(&w.tenant, whose, None)
            .await
            .unwrap(),
        None
    );
}

/// 20 attempts in a row, and the authenticator is to be bound anew; no lock runs out.
#[tokio::test]
async fn an_authenticator_takes_so_many_attempts_in_a_row_and_no_more() {
    let w = world();
    let attempt = || {
        w.lockout
            .attempt_at_authenticator(&w.tenant, &w.alice, "factor-1")
    };
    for expected in 1..=19 {
        assert_eq!(attempt().await.unwrap().unwrap().failures(), expected);
    }
    let last = attempt().await.unwrap().unwrap();
    assert_eq!(last.locked_until(), Some(Timestamp::MAX));
    w.clock.advance(Duration::from_secs(400 * 24 * 3_600));
    assert!(attempt().await.unwrap().is_none());
    // Unlocking the account does not bind it anew.
    assert!(
        !w.lockout
            .unlock(Authority::System, &w.tenant, &w.alice)
            .await
            .unwrap()
    );
    assert!(attempt().await.unwrap().is_none());
    let other = w
        .lockout
        .attempt_at_authenticator(&w.tenant, &w.alice, "factor-2");
    let other = other.await.unwrap().unwrap();
    w.lockout.succeeded(other, Actor::System).await.unwrap();
}

/// audited, and by nobody of another tenant.
#[tokio::test]
async fn an_administrator_unlocks_all_kinds_at_once() {
    let w = world();
    for kind in AttemptKind::ALL {
        w.judged(*kind, None, 5).await;
    }
    assert!(
        w.lockout
            .unlock(Authority::System, &w.tenant, &w.alice)
            .await
            .unwrap()
    );
    assert_eq!(w.locked(None).await, None);
    assert!(
        !w.lockout
            .unlock(Authority::System, &w.tenant, &w.alice)
            .await
            .unwrap()
    );
    let events = w.events().await;
    let cleared = events
        .iter()
        .filter(|event| event.action == AuditAction::LockCleared);
    let cleared: Vec<_> = cleared.collect();
    assert_eq!(cleared.len(), 1);
    assert_eq!(cleared[0].actor, Actor::System);
    assert_eq!(cleared[0].details["why"], "unlocked");
}

#[tokio::test]
async fn without_entropy_nothing_is_counted_and_nothing_is_judged() {
    let w = world();
    let lockout = Lockout::builder(w.store.clone(), Pepper::new(&[7; 32]))
        .random(Arc::new(InsecureFailingRandom))
        .build()
        .unwrap();
    let whose = Whose::Subject(&w.alice);
    let attempt = lockout.attempt(&w.tenant, whose, AttemptKind::Password, None);
    assert!(attempt.await.is_err());
    assert!(lockout.remember_device(&w.tenant, &w.alice).is_err());
    assert!(w.events().await.is_empty());
}

#[test]
fn settings_out_of_bounds_are_all_named() {
    let store = Arc::new(MemoryStore::new());
    let builder = || Lockout::builder(store.clone(), Pepper::new(&[7; 32]));
    let good = LockoutRules::for_good(5).unwrap();
    let many = LockoutRules::new(101, Duration::from_secs(1), Duration::from_secs(1)).unwrap();
    let errors = builder()
        .password(good)
        .otp(many)
        .recovery(good)
        .authenticator(101)
        .build();
    assert_eq!(errors.unwrap_err().iter().count(), 4);
    assert!(builder().authenticator(0).build().is_err());
    assert!(builder().authenticator(100).build().is_ok());
}
