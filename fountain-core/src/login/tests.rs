use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::Fountain;
use crate::access::{Authority, Role, RoleCatalog};
use crate::audit::{AuditAction, AuditStore};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::error::{Error, Reason, RejectionKind};
use crate::identity::{ClientId, Scope, Subject, Tenant};
use crate::lockout::{AttemptKind, Whose};
use crate::memory::MemoryStore;
use crate::memory::slow::Slow;
use crate::otp::{
    Channel, DeliveryAddress, DeliveryContent, DeliveryError, DeliveryMessage, DeliveryReceipt,
    Enrolment, IssuedChallenge, OtpDelivery, OtpSecret, SecondFactor, SecondFactorAnswer, Totp,
};
use crate::random::OsRandom;
use crate::seal::LocalKeys;
use crate::secret::{Pepper, Secret};

mod defects;
mod dropped;
mod passwords;
mod recovery;
mod second_factor;

const GOOD: &str = "four words nobody else picked";

/// Keeps the last code.
#[derive(Debug, Default)]
struct Outbox(Mutex<Option<String>>);

#[async_trait]
impl OtpDelivery for Outbox {
    fn carries(&self, _channel: Channel) -> bool {
        true
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        if let DeliveryContent::Code { code, .. } = &message.content {
            *self.0.lock().unwrap() = Some(code.expose().to_owned());
        }
        Ok(DeliveryReceipt::default())
    }
}

impl Outbox {
    fn code(&self) -> String {
        self.0.lock().unwrap().take().unwrap()
    }
}

struct World {
    fountain: Fountain,
    store: Arc<MemoryStore>,
    /// What signing in goes through to the store.
    slow: Arc<Slow>,
    clock: Arc<ManualClock>,
    outbox: Arc<Outbox>,
    tenant: Tenant,
    alice: Subject,
}

/// A service in which alice signs in by her name.
async fn world() -> World {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let store = Arc::new(MemoryStore::new());
    let slow = Arc::new(Slow::idle(store.clone()));
    let outbox = Arc::new(Outbox::default());
    let catalog = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write"])
        .role(Role::new("clerk").grant("orders:read"))
        .role(Role::new("admin").grant("orders:*"))
        .role(Role::new("non-admin").grant("orders:read"))
        .build()
        .unwrap();
    let sign_in = SignIn::builder(Pepper::new(&[7; 32]))
        .service_name("Example Shop")
        .delivery(outbox.clone());
    let fountain = Fountain::builder(store.clone())
        .issuer("https://auth.example.com")
        .audience("orders")
        .roles(catalog)
        .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom)).unwrap()))
        .clock(clock.clone())
        .credential_store(slow.clone())
        .subject_store(slow.clone())
        .factor_store(slow.clone())
        .challenge_store(slow.clone())
        .lockout_store(slow.clone())
        .refresh_token_store(slow.clone())
        .revocation_store(store.clone())
        .change_feed(store.clone())
        .sign_in(sign_in)
        .build()
        .await
        .unwrap();
    let (tenant, alice) = (Tenant::default(), Subject::new("u-1").unwrap());
    let roles = ["clerk"];
    let subjects = fountain.subjects();
    let registered = subjects.register(Authority::System, &tenant, &alice, roles);
    registered.await.unwrap();
    let world = World {
        fountain,
        store,
        slow,
        clock,
        outbox,
        tenant,
        alice,
    };
    world.register(&world.alice, "alice@x").await;
    world
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn client() -> ClientId {
    ClientId::new("web").unwrap()
}

impl World {
    fn sign_in(&self) -> &SignIn {
        self.fountain.sign_in().unwrap()
    }

    fn factors(&self) -> &SecondFactor {
        self.sign_in().second_factor()
    }

    async fn register(&self, subject: &Subject, name: &str) {
        let name = LoginName::new(name).unwrap();
        let new = NewCredential::new(subject.clone(), name, secret(GOOD));
        let login = self.sign_in().login();
        login.register(Authority::System, new).await.unwrap();
    }

    async fn begin(&self, name: &str, password: &str) -> Result<SignedIn, Error> {
        self.attempt(LoginAttempt::new(name, secret(password), client()))
            .await
    }

    async fn attempt(&self, attempt: LoginAttempt) -> Result<SignedIn, Error> {
        match self.sign_in().login().begin(attempt).await? {
            LoginOutcome::SignedIn(done) => Ok(done),
            LoginOutcome::SecondFactor(_) => panic!("no factor is enrolled"),
        }
    }

    /// Alice shows her password, and is asked for more.
    async fn asked(&self) -> IssuedChallenge {
        let attempt = LoginAttempt::new("alice@x", secret(GOOD), client());
        match self.sign_in().login().begin(attempt).await.unwrap() {
            LoginOutcome::SecondFactor(asked) => asked,
            LoginOutcome::SignedIn(_) => panic!("signed in without a second factor"),
        }
    }

    async fn finish(
        &self,
        asked: &IssuedChallenge,
        answer: SecondFactorAnswer<'_>,
    ) -> Result<SignedIn, Error> {
        let answer = LoginAnswer::new(asked.id.clone(), answer);
        self.sign_in().login().finish(answer).await
    }

    async fn pending_app(&self) -> (Enrolment, Totp) {
        let by = Authority::System;
        let enrol = self
            .factors()
            .enrol_totp(by, &self.tenant, &self.alice, "alice", None);
        let shown = enrol.await.unwrap();
        let totp = Totp::new(OtpSecret::from_base32(shown.secret.expose()).unwrap());
        (shown, totp)
    }

    /// An app that is confirmed, two steps ago.
    async fn app(&self) -> (Enrolment, Totp) {
        let (shown, totp) = self.pending_app().await;
        let code = self.code(&totp);
        let confirm = self
            .factors()
            .confirm(&self.tenant, &self.alice, &shown.factor, &code);
        confirm.await.unwrap();
        self.clock.advance(Duration::from_secs(60));
        (shown, totp)
    }

    /// What the app shows now.
    fn code(&self, totp: &Totp) -> String {
        let code = totp.code_at(self.clock.now()).unwrap();
        code.expose().to_owned()
    }

    /// What it shows neither now nor a step ago.
    fn wrong(&self, totp: &Totp) -> String {
        let before = totp.code_at(self.clock.now() - Duration::from_secs(30));
        let shown = [self.code(totp), before.unwrap().expose().to_owned()];
        let mut codes = ["111111", "222222", "333333"]
            .map(str::to_owned)
            .into_iter();
        codes.find(|code| !shown.contains(code)).unwrap()
    }

    /// A mailbox or a phone that is confirmed, a day ago.
    async fn address(&self, channel: Channel, text: &str) {
        let (factors, tenant, alice) = (self.factors(), &self.tenant, &self.alice);
        let to = DeliveryAddress::new(channel, text).unwrap();
        let enrol = factors.enrol_address(Authority::System, tenant, alice, &to, None);
        let factor = enrol.await.unwrap();
        let asked = factors.challenge_to_confirm(tenant, alice, &factor).await;
        let id = asked.unwrap().id;
        let purpose = SecondFactor::confirm_purpose().unwrap();
        let send = factors.send_code(tenant, &id, &purpose, channel, None);
        send.await.unwrap();
        let code = self.outbox.code();
        let confirm = factors.confirm_address(tenant, alice, &id, &code);
        confirm.await.unwrap();
        self.clock.advance(Duration::from_secs(86_400));
    }

    async fn sheet(&self) -> Vec<String> {
        let by = Authority::System;
        let codes = self
            .factors()
            .replace_recovery_codes(by, &self.tenant, &self.alice, None);
        let codes = codes.await.unwrap().into_iter();
        codes
            .map(|code| code.reveal().expose().to_owned())
            .collect()
    }

    async fn set_password(&self, new: &str) {
        let login = self.sign_in().login();
        let (by, new) = (Authority::System, secret(new));
        let set = login.set_password(by, &self.tenant, &self.alice, &new);
        set.await.unwrap();
    }

    /// How many times this was recorded, of this kind where one is given.
    async fn recorded(&self, action: AuditAction, kind: Option<&str>) -> usize {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.store.page(&self.tenant, after, 1_000).await.unwrap();
            let events = page.items.iter().map(|item| &item.event);
            count += events
                .filter(|event| event.action == action)
                .filter(|event| match (kind, event.details.get("kind")) {
                    (Some(kind), of) => of.is_some_and(|of| of == kind),
                    (None, _) => true,
                })
                .count();
            match page.next {
                Some(next) => after = Some(next),
                None => return count,
            }
        }
    }

    /// Uses up what is counted for one kind of attempt.
    async fn lock(&self, kind: AttemptKind) {
        let lockout = self.sign_in().lockout();
        let whose = Whose::Subject(&self.alice);
        for _ in 0..5 {
            let counted = lockout.attempt(&self.tenant, whose, kind, None).await;
            assert!(counted.unwrap().is_some());
        }
    }
}

/// The one face, and its reason.
fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    let rejection = result.unwrap_err().rejection();
    assert_eq!(*rejection.kind(), RejectionKind::AuthenticationFailed);
    rejection.reason()
}
