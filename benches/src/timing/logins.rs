//! Logins that are refused, through `Login::begin` on the memory store.
//!
//! Apart from the other pairs: one login takes as long as a million of theirs, so that there are thousands of samples and no
//! million, and all classes are interleaved in one run. Each sample is of a person of its own, made just before.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fountain_core::access::{Authority, Role, RoleCatalog};
use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::identity::{Actor, ClientId};
use fountain_core::lockout::{AttemptKind, Whose};
use fountain_core::login::{CredentialRecord, CredentialStore, LoginAttempt, LoginName, SignIn};
use fountain_core::memory::MemoryStore;
use fountain_core::password::{HashCost, PasswordHash, Passwords};
use fountain_core::seal::LocalKeys;
use fountain_core::{
    Clock, Fountain, OsRandom, Pepper, Reason, Secret, Subject, SystemClock, Tenant,
};
use tokio::runtime::{Builder, Runtime};

use super::sample::Order;
use super::welch::{Class, Finding, Welch};

/// Why a login is refused, or what is done in its place to show that it would be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A wrong password: what all others are held against.
    Wrong,
    /// A wrong password once more: no difference, or the measuring makes one.
    WrongToo,
    /// The right password of a name that nobody has.
    Unknown,
    /// The right password of an account whose passwords are locked.
    Locked,
    /// The right password of a subject that is disabled.
    Disabled,
    /// The right password while codes are locked.
    CodesLocked,
    /// An unknown name, refused as soon as it is not found: a leak.
    LeakNoHash,
    /// A wrong password, and a thousandth of a second more: a leak of a twentieth of what a hash takes.
    LeakMillisecond,
}

impl Cause {
    /// What is held against [`Wrong`](Self::Wrong).
    pub const JUDGED: [Self; 7] = [
        Self::WrongToo,
        Self::Unknown,
        Self::Locked,
        Self::Disabled,
        Self::CodesLocked,
        Self::LeakNoHash,
        Self::LeakMillisecond,
    ];

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wrong | Self::WrongToo => "wrong password",
            Self::Unknown => "unknown name",
            Self::Locked => "locked account, right password",
            Self::Disabled => "disabled subject, right password",
            Self::CodesLocked => "codes locked, right password",
            Self::LeakNoHash => "leak: unknown name without a hash",
            Self::LeakMillisecond => "leak: 1 ms more",
        }
    }

    /// Whether it was put there to be found.
    #[must_use]
    pub const fn is_leak(self) -> bool {
        matches!(self, Self::LeakNoHash | Self::LeakMillisecond)
    }

    const fn is_wrong(self) -> bool {
        matches!(self, Self::Wrong | Self::WrongToo | Self::LeakMillisecond)
    }

    const fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown | Self::LeakNoHash)
    }
}

/// What of a login is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it, at OWASP's cost.
    Whole,
    /// What comes before the hash: so many passwords wait to be hashed that this one is refused.
    BeforeHash,
}

/// One class against a wrong password.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// The class.
    pub cause: Cause,
    /// The statistic: `difference` is how much longer the class takes, in nanoseconds.
    pub finding: Finding,
}

const GOOD: &str = "four words nobody else picked";
const BATCH: usize = 64;

/// Times so many refusals, all classes at random, and gives the median in nanoseconds and each class's test. A crop is judged when it has
/// left a tenth of a class's times, in each of both classes.
///
/// # Panics
/// When a login is not refused for the reason that its class has, or there are too few samples to say anything.
#[must_use]
pub fn measure(part: Part, samples: u32) -> (f64, Vec<Refused>) {
    let enough = samples / 80;
    let samples = usize::try_from(samples).unwrap();
    let mut world = World::new(part);
    let mut order = Order::new();
    let mut classes: Vec<Cause> = vec![Cause::Wrong];
    classes.extend(
        Cause::JUDGED
            .iter()
            .filter(|cause| part == Part::Whole || !cause.is_leak()),
    );
    let mut draw = || {
        let at = usize::try_from(order.draw() >> 33).unwrap() % classes.len();
        classes.get(at).copied().unwrap()
    };
    let mut timed: Vec<(Cause, f64)> = Vec::new();
    while timed.len() < samples {
        let batch: Vec<_> = (0..BATCH).map(|_| draw()).collect();
        let people: Vec<_> = batch.iter().map(|cause| world.person(*cause)).collect();
        for (cause, person) in batch.into_iter().zip(people) {
            timed.extend(world.refuse(cause, person).map(|time| (cause, time)));
        }
    }
    // The first tenth says where to crop, and is not counted.
    let counted = timed.split_off(timed.len() / 10);
    let learned: Vec<f64> = timed.iter().map(|(_, time)| *time).collect();
    let median = crate::measure::median(learned.clone());
    let judged = classes.iter().copied().filter(|c| *c != Cause::Wrong);
    let results = judged.map(|cause| {
        let mut welch = Welch::calibrated(learned.clone()).enough(enough);
        for (class, time) in &counted {
            if *class == cause {
                welch.push(Class::Left, *time);
            } else if *class == Cause::Wrong {
                welch.push(Class::Right, *time);
            }
        }
        let finding = welch.worst().unwrap();
        Refused { cause, finding }
    });
    (median, results.collect())
}

type Hashing = Pin<Box<dyn Future<Output = ()>>>;

/// A service that people sign in at.
struct World {
    runtime: Runtime,
    fountain: Fountain,
    store: Arc<MemoryStore>,
    hash: PasswordHash,
    part: Part,
    people: u32,
    /// What keeps the workers busy, when they are to be.
    busy: Vec<Hashing>,
}

impl World {
    fn new(part: Part) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let store = Arc::new(MemoryStore::new());
        let roles = RoleCatalog::builder()
            .permissions(["orders:read"])
            .role(Role::new("clerk").grant("orders:read"));
        let usual = Passwords::builder().build().unwrap();
        let good = Secret::from(String::from(GOOD));
        let hash = runtime.block_on(usual.hash(&good)).unwrap();
        let passwords = match part {
            Part::Whole => usual,
            Part::BeforeHash => {
                // The most that a hash may take: a second or two.
                let slow = HashCost::new(HashCost::MAX_MEMORY_KIB, HashCost::MAX_PASSES, 1);
                let passwords = Passwords::builder().cost(slow.unwrap()).workers(1).queue(1);
                passwords.build().unwrap()
            }
        };
        let sign_in = SignIn::builder(Pepper::new(b"of timings, 32 bytes and nothing"))
            .service_name("Example Shop")
            .passwords(passwords);
        let fountain = Fountain::builder(store.clone())
            .issuer(crate::world::ISSUER)
            .audience(crate::world::AUDIENCE)
            .roles(roles.build().unwrap())
            .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom)).unwrap()))
            .sign_in(sign_in)
            .build();
        let fountain = runtime.block_on(fountain).unwrap();
        Self {
            runtime,
            fountain,
            store,
            hash,
            part,
            people: 0,
            busy: Vec::new(),
        }
    }

    fn sign_in(&self) -> &SignIn {
        self.fountain.sign_in().unwrap()
    }

    /// A person of a class, and what it tries to sign in with.
    fn person(&mut self, cause: Cause) -> LoginAttempt {
        self.people += 1;
        let (tenant, number) = (Tenant::default(), self.people);
        let name = format!("p-{number:08}@example.com");
        let subject = Subject::new(format!("u-{number:08}")).unwrap();
        let stored = if cause.is_unknown() {
            // As many people in the store for each class.
            format!("q-{number:08}@example.com")
        } else {
            name.clone()
        };
        self.runtime.block_on(async {
            let subjects = self.fountain.subjects();
            let registered = subjects.register(Authority::System, &tenant, &subject, ["clerk"]);
            registered.await.unwrap();
            let now = SystemClock::new().now();
            let event = AuditEvent::new(
                &OsRandom,
                now,
                tenant.clone(),
                Actor::System,
                AuditAction::PasswordRehashed,
            );
            let record = CredentialRecord {
                tenant: tenant.clone(),
                subject: subject.clone(),
                name: LoginName::new(stored).unwrap(),
                password: self.hash.clone(),
                created_at: now,
                changed_at: now,
                version: 1,
            };
            let credentials: &dyn CredentialStore = &*self.store;
            assert!(credentials.insert(record, event.unwrap()).await.unwrap());
            let locked = match cause {
                Cause::Locked => Some(AttemptKind::Password),
                Cause::CodesLocked => Some(AttemptKind::Otp),
                _ => None,
            };
            for kind in locked.into_iter().flat_map(|kind| [kind; 5]) {
                let whose = Whose::Subject(&subject);
                let counted = self.sign_in().lockout();
                let counted = counted.attempt(&tenant, whose, kind, None).await;
                assert!(counted.unwrap().is_some());
            }
            if cause == Cause::Disabled {
                let disabled = subjects.disable(Authority::System, &tenant, &subject);
                disabled.await.unwrap();
            }
        });
        let password = if cause.is_wrong() {
            "four words that another picks"
        } else {
            GOOD
        };
        let password = Secret::from(String::from(password));
        LoginAttempt::new(name, password, ClientId::new("web").unwrap())
    }

    /// How long a refusal takes, in nanoseconds; none when the workers were not as they are to be.
    fn refuse(&mut self, cause: Cause, attempt: LoginAttempt) -> Option<f64> {
        if self.part == Part::BeforeHash {
            self.keep_busy();
        }
        let clock = SystemClock::new();
        let login = self.sign_in().login();
        let before = clock.monotonic();
        if cause == Cause::LeakNoHash {
            let name = LoginName::new("nobody@example.com").unwrap();
            let tenant = Tenant::default();
            let found = CredentialStore::find(&*self.store, &tenant, &name);
            assert!(self.runtime.block_on(found).unwrap().is_none());
            let took = clock.monotonic().saturating_sub(before);
            return Some(took.as_secs_f64() * 1e9);
        }
        let refused = self.runtime.block_on(login.begin(attempt));
        let mut took = clock.monotonic().saturating_sub(before);
        if cause == Cause::LeakMillisecond {
            let end = took + Duration::from_millis(1);
            while took < end {
                took = clock.monotonic().saturating_sub(before);
            }
        }
        let reason = refused.unwrap_err().rejection().reason();
        if self.part == Part::BeforeHash && reason != Reason::PasswordWorkersBusy {
            return None;
        }
        let expected = match cause {
            _ if self.part == Part::BeforeHash => Reason::PasswordWorkersBusy,
            Cause::Unknown | Cause::LeakNoHash => Reason::LoginUnknown,
            Cause::Locked | Cause::CodesLocked => Reason::Locked,
            Cause::Disabled => Reason::SubjectDisabled,
            Cause::Wrong | Cause::WrongToo | Cause::LeakMillisecond => Reason::PasswordWrong,
        };
        assert_eq!(reason, expected, "{cause:?}");
        Some(took.as_secs_f64() * 1e9)
    }

    /// One password is hashed and one waits: the next is refused.
    fn keep_busy(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        self.busy
            .retain_mut(|hashing| hashing.as_mut().poll(&mut context).is_pending());
        while self.busy.len() < 2 {
            let passwords = self.sign_in().passwords().clone();
            let mut hashing: Hashing = Box::pin(async move {
                let password = Secret::from(String::from(GOOD));
                // Refused when the worker has not taken the one before it yet: the next round asks again.
                drop(passwords.verify(&password, None).await);
            });
            match pin!(&mut hashing).poll(&mut context) {
                Poll::Pending => self.busy.push(hashing),
                Poll::Ready(()) => std::thread::yield_now(),
            }
        }
    }
}
