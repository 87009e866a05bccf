//! `SecondFactor` on the store: what its calls promise when many come at once, or are dropped, holds only as well as the store's
//! atomic steps do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::access::Authority;
use fountain_core::danger::InsecureSeededRandom;
use fountain_core::lockout::{Lockout, LockoutRules};
use fountain_core::otp::{
    ChallengePurpose, Channel, DeliveryAddress, DeliveryContent, DeliveryError, DeliveryMessage,
    DeliveryReceipt, NewChallenge, OtpDelivery, OtpSecret, RecoveryCode, SecondFactor,
    SecondFactorAnswer, Totp, VerifiedFactor,
};
use fountain_core::seal::{KekId, LocalKeys, Sealer};
use fountain_core::{
    Clock, Digest, Error, ErrorKind, ManualClock, Pepper, Random, Reason, Subject, Tenant,
};

use crate::context::{Context, Stores};
use crate::fixtures::NOW;
use crate::race::{count, drop_after, race};

/// R-48, F-24
pub(crate) async fn second_factor_of_parallel_uses_of_one_step_exactly_one_is_good(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.service_races {
        let node = Node::new(&cx, &s, lenient());
        let (person, code) = node.with_app(&cx).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (node, person, code) = (node.clone(), person.clone(), code.clone());
            async move { node.verify(&person, Shown::App(&code)).await }
        })
        .await;
        let good = count(&outcomes, Result::is_ok);
        assert_eq!(good, 1, "of {} uses of one step", outcomes.len());
        for outcome in outcomes.iter().filter(|outcome| outcome.is_err()) {
            assert_eq!(why(outcome), Reason::CodeReplayed);
        }
    }
}

/// R-52, F-24
pub(crate) async fn second_factor_of_parallel_answers_with_one_code_exactly_one_is_good(
    cx: Context,
) {
    let s = cx.fresh().await;
    for round in 0..cx.rounds.service_races {
        let node = Node::new(&cx, &s, lenient());
        let person = node.with_phone(&cx, round).await;
        let asked = node.asked(&person).await;
        let purpose = login();
        let send = node
            .service
            .send_code(&person.tenant, &asked, &purpose, Channel::Sms, None);
        send.await.expect("a code is sent");
        let code = node.outbox.last();
        let outcomes = race(cx.rounds.tasks, |_| {
            let (node, person) = (node.clone(), person.clone());
            let (asked, code) = (asked.clone(), code.clone());
            async move {
                let answer = SecondFactorAnswer::Delivered(&code);
                let tenant = &person.tenant;
                node.service
                    .answer(tenant, &asked, &login(), &BINDING, answer, None)
                    .await
            }
        })
        .await;
        let good = count(&outcomes, Result::is_ok);
        assert_eq!(good, 1, "of {} answers with one code", outcomes.len());
        for outcome in outcomes.iter().filter(|outcome| outcome.is_err()) {
            let why = why(outcome);
            let expected = [Reason::ChallengeEnded, Reason::ChallengeExhausted];
            assert!(expected.contains(&why), "{why:?}");
        }
    }
}

/// R-55, F-24
pub(crate) async fn second_factor_of_parallel_uses_of_one_recovery_code_exactly_one_is_good(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.service_races {
        let node = Node::new(&cx, &s, lenient());
        let (person, code) = node.with_recovery_code(&cx, &s).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (node, person, code) = (node.clone(), person.clone(), code.clone());
            async move { node.verify(&person, Shown::Paper(&code)).await }
        })
        .await;
        let good = count(&outcomes, Result::is_ok);
        assert_eq!(good, 1, "of {} uses of one recovery code", outcomes.len());
        for outcome in outcomes.iter().filter(|outcome| outcome.is_err()) {
            assert_eq!(why(outcome), Reason::CodeWrong);
        }
    }
}

/// R-62, F-26: of 200 wrong codes at once, on four nodes, as many are judged as the threshold says.
pub(crate) async fn second_factor_of_parallel_wrong_codes_on_four_nodes_five_are_judged(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.service_races {
        let nodes: [_; 4] = std::array::from_fn(|_| Node::new(&cx, &s, LockoutRules::default()));
        let (person, code) = nodes[0].with_app(&cx).await;
        // Another last digit: six digits of which none is a code of the steps at hand.
        let wrong = nodes[0].none_of(&code);
        let attempts = 3 * cx.rounds.tasks + 8;
        let outcomes = race(attempts, |n| {
            let (node, person, wrong) = (nodes[n % 4].clone(), person.clone(), wrong.clone());
            async move { node.verify(&person, Shown::App(&wrong)).await }
        })
        .await;
        let judged = count(&outcomes, |outcome| why(outcome) == Reason::CodeWrong);
        assert_eq!(judged, 5, "judged of {attempts} wrong codes at once");
        let locked = count(&outcomes, |outcome| why(outcome) == Reason::Locked);
        assert_eq!(judged + locked, attempts);
    }
}

/// F-12: whoever is dropped while it answers leaves a code that is good or used, and a store that goes on.
pub(crate) async fn second_factor_an_answer_that_is_dropped_leaves_its_code_good_once(cx: Context) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls.min(60) {
        let node = Node::new(&cx, &s, lenient());
        let (person, code) = node.with_app(&cx).await;
        let first = drop_after(polls, node.verify(&person, Shown::App(&code))).await;
        let mut good = usize::from(matches!(first, Some(Ok(_))));
        for _ in 0..2 {
            match node.verify(&person, Shown::App(&code)).await {
                Ok(_) => good += 1,
                Err(refused) => assert_eq!(
                    why::<VerifiedFactor>(&Err(refused)),
                    Reason::CodeReplayed,
                    "after {polls} polls"
                ),
            }
        }
        assert!(good <= 1, "good {good} times after {polls} polls");
        if polls == 0 {
            assert_eq!(good, 1, "a call that was never polled took the code");
        }
    }
}

const BINDING: Digest = Digest::from_bytes([5; 32]);

/// So many that no lock stands in the way of a race.
pub(crate) fn lenient() -> LockoutRules {
    LockoutRules::new(100, Duration::from_secs(1), Duration::from_secs(1)).expect("it is in bounds")
}

fn login() -> ChallengePurpose {
    ChallengePurpose::new("login").expect("letters are a purpose")
}

/// Why it was refused. What was not refused fails the case.
fn why<T>(outcome: &Result<T, Error>) -> Reason {
    match outcome {
        Ok(_) => panic!("it was good"),
        Err(error) => match error.kind() {
            ErrorKind::Refused(rejection) => rejection.reason(),
            other => panic!("{other:?}: {:?}", std::error::Error::source(error)),
        },
    }
}

#[derive(Clone, Copy)]
enum Shown<'a> {
    App(&'a str),
    Paper(&'a str),
}

#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) tenant: Tenant,
    pub(crate) subject: Subject,
}

/// A node of the service: its own services above the one store, with the secrets that all nodes have.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) service: SecondFactor,
    pub(crate) clock: Arc<ManualClock>,
    outbox: Arc<Outbox>,
    pepper: Pepper,
    pub(crate) random: Arc<InsecureSeededRandom>,
    app: Arc<Mutex<Option<Totp>>>,
}

impl Node {
    pub(crate) fn new(cx: &Context, s: &Stores, rules: LockoutRules) -> Self {
        let number = u64::try_from(cx.fixtures.below(usize::MAX)).expect("it has 64 bits at most");
        let random = Arc::new(InsecureSeededRandom::new(number));
        let clock = Arc::new(ManualClock::at(NOW));
        let outbox = Arc::new(Outbox::default());
        let pepper = Pepper::new(&[7; 32]);
        let lockout = Lockout::builder(s.lockouts.clone(), pepper.clone())
            .otp(rules)
            .recovery(rules)
            .authenticator(100)
            .clock(clock.clone())
            .random(random.clone())
            .build()
            .expect("the rules are in bounds");
        let mut kek = [0; 32];
        let seeded = InsecureSeededRandom::new(9);
        seeded.fill(&mut kek).expect("it never fails");
        let id = KekId::new("k1").expect("it is an id");
        let keys = LocalKeys::new(id, &kek, random.clone()).expect("it is no weak key");
        let sealer = Sealer::new(Arc::new(keys), random.clone());
        let service = SecondFactor::builder(
            s.factors.clone(),
            s.challenges.clone(),
            lockout,
            sealer,
            pepper.clone(),
        )
        .service_name("Conformance")
        .delivery(outbox.clone())
        .clock(clock.clone())
        .random(random.clone())
        .build()
        .expect("the settings are in bounds");
        Self {
            service,
            clock,
            outbox,
            pepper,
            random,
            app: Arc::default(),
        }
    }

    fn somebody(cx: &Context) -> Person {
        Person {
            tenant: cx.fixtures.tenant(),
            subject: cx.fixtures.subject(),
        }
    }

    /// Somebody with an app that is confirmed, and the code that it shows now.
    pub(crate) async fn with_app(&self, cx: &Context) -> (Person, String) {
        let person = Self::somebody(cx);
        let Person { tenant, subject } = &person;
        let by = Authority::System;
        let enrol = self
            .service
            .enrol_totp(by, tenant, subject, "somebody", None);
        let shown = enrol.await.expect("it is enrolled");
        let secret = OtpSecret::from_base32(shown.secret.expose()).expect("it is base32");
        let app = Totp::new(secret);
        let code = || {
            let code = app.code_at(self.clock.now()).expect("it is after 1970");
            code.expose().to_owned()
        };
        let first = code();
        let confirm = self.service.confirm(tenant, subject, &shown.factor, &first);
        confirm.await.expect("it is confirmed");
        self.clock.advance(Duration::from_secs(60));
        let now = code();
        *self.app.lock().unwrap_or_else(PoisonError::into_inner) = Some(app);
        (person, now)
    }

    /// A code that the app does not show now, and did not a step ago.
    fn none_of(&self, code: &str) -> String {
        let app = self.app.lock().unwrap_or_else(PoisonError::into_inner);
        let app = app.as_ref().expect("there is an app");
        let before = app.code_at(self.clock.now() - Duration::from_secs(30));
        let before = before.expect("it is after 1970");
        let mut others = ["111111", "222222", "333333"].into_iter();
        let other = others.find(|other| *other != code && *other != before.expose());
        other.expect("two are no three").to_owned()
    }

    /// Somebody with a phone that is confirmed, a day ago.
    async fn with_phone(&self, cx: &Context, number: usize) -> Person {
        let person = Self::somebody(cx);
        let Person { tenant, subject } = &person;
        let to = DeliveryAddress::new(Channel::Sms, &format!("+43664{number:07}"));
        let to = to.expect("it is a number");
        let (service, by) = (&self.service, Authority::System);
        let enrol = service.enrol_address(by, tenant, subject, &to, None);
        let factor = enrol.await.expect("it is enrolled");
        let asked = service.challenge_to_confirm(tenant, subject, &factor);
        let asked = asked.await.expect("it is pending").id;
        let purpose = SecondFactor::confirm_purpose().expect("it is a purpose");
        let send = service.send_code(tenant, &asked, &purpose, Channel::Sms, None);
        send.await.expect("a code is sent");
        let code = self.outbox.last();
        let confirm = service.confirm_address(tenant, subject, &asked, &code);
        confirm.await.expect("it is confirmed");
        self.clock.advance(Duration::from_secs(86_400));
        person
    }

    /// Somebody with a recovery code.
    async fn with_recovery_code(&self, cx: &Context, s: &Stores) -> (Person, String) {
        let person = Self::somebody(cx);
        let Person { tenant, subject } = &person;
        let codes = RecoveryCode::generate(&*self.random, 2).expect("it has entropy");
        let digests: Vec<_> = codes.iter().map(|code| code.digest(&self.pepper)).collect();
        let action = fountain_core::audit::AuditAction::RecoveryCodesReplaced;
        let event = cx.fixtures.event(tenant, action);
        s.factors
            .replace_recovery_codes(tenant, subject, &digests, event)
            .await
            .expect("they are stored");
        (person, codes[0].reveal().expose().to_owned())
    }

    async fn asked(&self, person: &Person) -> fountain_core::otp::ChallengeId {
        let new = NewChallenge {
            tenant: person.tenant.clone(),
            subject: person.subject.clone(),
            purpose: login(),
            binding: BINDING,
            context: Vec::new(),
        };
        let asked = self.service.challenge(new).await;
        asked.expect("there is a way to answer").id
    }

    async fn verify(&self, person: &Person, shown: Shown<'_>) -> Result<VerifiedFactor, Error> {
        let answer = match shown {
            Shown::App(code) => SecondFactorAnswer::Authenticator(code),
            Shown::Paper(code) => SecondFactorAnswer::Recovery(code),
        };
        let Person { tenant, subject } = person;
        self.service
            .verify(tenant, subject, &login(), &BINDING, answer, None)
            .await
    }
}

/// Keeps the last code.
#[derive(Debug, Default)]
struct Outbox(Mutex<Option<String>>);

impl Outbox {
    fn last(&self) -> String {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().expect("a code was sent")
    }
}

#[async_trait]
impl OtpDelivery for Outbox {
    fn carries(&self, _channel: Channel) -> bool {
        true
    }

    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError> {
        if let DeliveryContent::Code { code, .. } = &message.content {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(code.expose().to_owned());
        }
        Ok(DeliveryReceipt::default())
    }
}
