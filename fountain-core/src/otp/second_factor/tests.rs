use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::access::{Authority, StepUpAction, SteppedUp};
use crate::clock::ManualClock;
use crate::danger::InsecureSeededRandom;
use crate::error::{ErrorKind, RejectionKind};
use crate::identity::{ClientId, Principal};
use crate::lockout::LockoutBuilder;
use crate::memory::MemoryStore;
use crate::otp::{
    ChallengeId, ChallengePurpose, DeliveryAddress, DeliveryContent, DeliveryError,
    DeliveryErrorKind, DeliveryMessage, DeliveryReceipt, Notice, OtpSecret, Totp, VerifiedFactor,
};
use crate::seal::{KekId, LocalKeys};
use crate::secret::{Digest, Secret};

mod answers;
mod codes;
mod dropped;

mod enrolment;
mod recovery;

/// Keeps what it was to send, and fails when it was told to.
#[derive(Debug, Default)]
struct Outbox {
    messages: Mutex<Vec<DeliveryMessage>>,
    fault: Mutex<Option<DeliveryErrorKind>>,
}

#[async_trait]
impl OtpDelivery for Outbox {
    fn carries(&self, _channel: Channel) -> bool {
        true
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        let messages = self.messages.lock();
        messages
            .unwrap_or_else(PoisonError::into_inner)
            .push(message.clone());
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(kind) => Err(DeliveryError::new(kind)),
            None => Ok(DeliveryReceipt::default()),
        }
    }
}

impl Outbox {
    fn taken(&self) -> Vec<DeliveryMessage> {
        let mut messages = self.messages.lock().unwrap();
        std::mem::take(&mut *messages)
    }

    fn fail(&self, kind: impl Into<Option<DeliveryErrorKind>>) {
        *self.fault.lock().unwrap() = kind.into();
    }

    /// The code that was sent last; nothing else was sent since.
    fn code(&self) -> String {
        match self.taken().pop().unwrap().content {
            DeliveryContent::Code { code, .. } => code.expose().to_owned(),
            DeliveryContent::Notice(notice) => panic!("{notice:?}"),
        }
    }

    fn notices(&self) -> Vec<Notice> {
        let messages = self.taken().into_iter();
        messages
            .filter_map(|message| match message.content {
                DeliveryContent::Notice(notice) => Some(notice),
                DeliveryContent::Code { .. } => None,
            })
            .collect()
    }
}

struct World {
    service: SecondFactor,
    lockout: Lockout,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    outbox: Arc<Outbox>,
    tenant: Tenant,
    alice: Subject,
    purpose: ChallengePurpose,
    binding: Digest,
}

fn world() -> World {
    world_with(|lockout| lockout, |service| service)
}

fn world_with(
    lockout: impl FnOnce(LockoutBuilder) -> LockoutBuilder,
    service: impl FnOnce(SecondFactorBuilder) -> SecondFactorBuilder,
) -> World {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)));
    let random = Arc::new(InsecureSeededRandom::new(1));
    let outbox = Arc::new(Outbox::default());
    let builder = Lockout::builder(store.clone(), Pepper::new(&[7; 32]))
        .clock(clock.clone())
        .random(random.clone());
    let lockout = lockout(builder).build().unwrap();
    let mut kek = [0; 32];
    random.fill(&mut kek).unwrap();
    let keys = LocalKeys::new(KekId::new("k1").unwrap(), &kek, random.clone()).unwrap();
    let builder = SecondFactor::builder(
        store.clone(),
        store.clone(),
        lockout.clone(),
        Sealer::new(Arc::new(keys), random.clone()),
        Pepper::new(&[9; 32]),
    )
    .service_name("Example Shop")
    .delivery(outbox.clone())
    .clock(clock.clone())
    .random(random);
    World {
        service: service(builder).build().unwrap(),
        lockout,
        store,
        clock,
        outbox,
        tenant: Tenant::default(),
        alice: Subject::new("alice").unwrap(),
        purpose: ChallengePurpose::new("login").unwrap(),
        binding: Digest::of(b"session 1"),
    }
}

/// An authenticator app, and the factor that it is.
struct App {
    factor: FactorId,
    totp: Totp,
}

impl World {
    fn app_of(shown: &Enrolment) -> App {
        let secret = OtpSecret::from_base32(shown.secret.expose()).unwrap();
        App {
            factor: shown.factor.clone(),
            totp: Totp::new(secret),
        }
    }

    /// An app that is confirmed, a period ago.
    async fn app(&self) -> App {
        let shown = self
            .service
            .enrol_totp(Authority::System, &self.tenant, &self.alice, "alice", None)
            .await
            .unwrap();
        let app = Self::app_of(&shown);
        let code = self.code(&app);
        self.service
            .confirm(&self.tenant, &self.alice, &app.factor, code.expose())
            .await
            .unwrap();
        self.clock.advance(Duration::from_secs(30));
        app
    }

    fn code(&self, app: &App) -> Secret {
        app.totp.code_at(self.clock.now()).unwrap()
    }

    /// What no app shows now.
    fn wrong(&self, app: &App) -> String {
        let right = self.code(app);
        let before = app
            .totp
            .code_at(self.clock.now() - Duration::from_secs(30))
            .unwrap();
        ["111111", "222222", "333333"]
            .into_iter()
            .find(|code| *code != right.expose() && *code != before.expose())
            .unwrap()
            .to_owned()
    }

    async fn ask(&self) -> Result<IssuedChallenge, Error> {
        let new = NewChallenge {
            tenant: self.tenant.clone(),
            subject: self.alice.clone(),
            purpose: self.purpose.clone(),
            binding: self.binding,
            context: b"context".to_vec(),
        };
        self.service.challenge(new).await
    }

    async fn answer(
        &self,
        challenge: &ChallengeId,
        answer: SecondFactorAnswer<'_>,
    ) -> Result<VerifiedFactor, Error> {
        self.service
            .answer(
                &self.tenant,
                challenge,
                &self.purpose,
                &self.binding,
                answer,
                None,
            )
            .await
    }

    async fn send(&self, challenge: &ChallengeId, channel: Channel) -> Result<SentCode, Error> {
        self.service
            .send_code(&self.tenant, challenge, &self.purpose, channel, None)
            .await
    }

    /// An address that is confirmed.
    async fn address(&self, channel: Channel, text: &str) -> FactorId {
        let (service, tenant, alice) = (&self.service, &self.tenant, &self.alice);
        let to = DeliveryAddress::new(channel, text).unwrap();
        let factor = service
            .enrol_address(Authority::System, tenant, alice, &to, None)
            .await
            .unwrap();
        let asked = service
            .challenge_to_confirm(tenant, alice, &factor)
            .await
            .unwrap();
        let purpose = SecondFactor::confirm_purpose().unwrap();
        service
            .send_code(tenant, &asked.id, &purpose, channel, None)
            .await
            .unwrap();
        let code = self.outbox.code();
        service
            .confirm_address(tenant, alice, &asked.id, &code)
            .await
            .unwrap();
        self.outbox.taken();
        factor
    }

    async fn phone(&self) -> FactorId {
        self.address(Channel::Sms, "+436641234567").await
    }

    async fn mailbox(&self) -> FactorId {
        self.address(Channel::Email, "alice@example.com").await
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

    async fn verify(&self, answer: SecondFactorAnswer<'_>) -> Result<VerifiedFactor, Error> {
        self.service
            .verify(
                &self.tenant,
                &self.alice,
                &self.purpose,
                &self.binding,
                answer,
                None,
            )
            .await
    }
}

/// Why it was refused: with the one face that all have.
fn why<T: fmt::Debug>(result: Result<T, Error>) -> Reason {
    match result.unwrap_err().kind() {
        ErrorKind::Refused(rejection)
            if *rejection.kind() == RejectionKind::AuthenticationFailed =>
        {
            rejection.reason()
        }
        other => panic!("{other:?}"),
    }
}
