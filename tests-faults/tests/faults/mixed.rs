//! Challenges and grants in a Redis, all that must last in a PostgreSQL: what the loss of that Redis costs.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::{Authority, StepUpAction};
use fountain_core::authenticate::PresentedCredential;
use fountain_core::identity::ClientId;
use fountain_core::login::{
    LoginAnswer, LoginAttempt, LoginName, LoginOutcome, NewCredential, SignIn,
};
use fountain_core::otp::{
    IssuedChallenge, OtpSecret, RecoveryCode, SecondFactorAnswer, StepUp, Totp,
};
use fountain_core::{
    Clock as _, ErrorKind, Fountain, Pepper, Principal, Reason, RejectionKind, Secret, Subject,
    SystemClock, Tenant,
};
use fountain_tests_faults::{Link, Proxy, Server, within};

use crate::redis::store;
use crate::world::{CALL, RECOVERY, SLACK, World, timed, wiring};

const PASSWORD: &str = "correct horse battery staple";

struct Shop {
    fountain: Fountain,
    codes: Vec<RecoveryCode>,
}

impl Shop {
    /// With a subject that has an authenticator and recovery codes, which work without waiting.
    async fn open(fountain: Fountain) -> Self {
        let (by, tenant) = (Authority::System, Tenant::default());
        let alice = Subject::new("alice").unwrap();
        let sign_in = fountain.sign_in().unwrap();
        fountain
            .subjects()
            .register(by, &tenant, &alice, ["clerk"])
            .await
            .unwrap();
        let name = LoginName::new("alice").unwrap();
        let new = NewCredential::new(alice.clone(), name, Secret::from(PASSWORD.to_owned()));
        sign_in.login().register(by, new).await.unwrap();
        let factors = sign_in.second_factor();
        let begun = factors.enrol_totp(by, &tenant, &alice, "alice", None).await;
        let begun = begun.unwrap();
        let app = Totp::new(OtpSecret::from_base32(begun.secret.expose()).unwrap());
        let code = app.code_at(SystemClock::new().now()).unwrap();
        let confirmed = factors.confirm(&tenant, &alice, &begun.factor, code.expose());
        confirmed.await.unwrap();
        let codes = factors.replace_recovery_codes(by, &tenant, &alice, None);
        let codes = codes.await.unwrap();
        Self { fountain, codes }
    }

    fn sign_in(&self) -> &SignIn {
        self.fountain.sign_in().unwrap()
    }

    fn code(&mut self) -> Secret {
        self.codes.pop().unwrap().reveal()
    }

    async fn begin(&self) -> Result<IssuedChallenge, fountain_core::Error> {
        let password = Secret::from(PASSWORD.to_owned());
        let attempt = LoginAttempt::new("alice", password, ClientId::new("web").unwrap());
        match self.sign_in().login().begin(attempt).await? {
            LoginOutcome::SecondFactor(asked) => Ok(asked),
            LoginOutcome::SignedIn(_) => panic!("signed in without the second factor"),
        }
    }

    async fn finish(&mut self, asked: &IssuedChallenge) -> Result<Principal, fountain_core::Error> {
        let code = self.code();
        let answer = SecondFactorAnswer::Recovery(code.expose());
        let answer = LoginAnswer::new(asked.id.clone(), answer);
        let done = self.sign_in().login().finish(answer).await?;
        let token = PresentedCredential::AccessToken(done.tokens.access.access_token.expose());
        Ok(self.fountain.authenticate(token).await?)
    }

    async fn grant(&mut self, by: &Principal) -> Secret {
        let code = self.code();
        let (sign_in, action) = (self.sign_in(), act());
        let binding = sign_in.step_up().binding(by, &action, None);
        let answer = SecondFactorAnswer::Recovery(code.expose());
        let purpose = StepUp::purpose();
        let shown = sign_in.second_factor().verify(
            by.tenant(),
            by.subject(),
            &purpose,
            &binding,
            answer,
            None,
        );
        let shown = shown.await.unwrap();
        let granted = sign_in.step_up().grant(by, &action, None, shown).await;
        granted.unwrap().grant
    }

    async fn redeem(&self, by: &Principal, grant: &Secret) -> Result<(), Reason> {
        let step_up = self.sign_in().step_up();
        let redeemed = step_up.redeem(by, &act(), None, Some(grant.expose())).await;
        redeemed.map(drop).map_err(|refused| {
            assert_ne!(refused.kind(), &RejectionKind::AuthenticationFailed);
            refused.reason()
        })
    }
}

fn act() -> StepUpAction {
    StepUpAction::new("orders:cancel").unwrap()
}

fn reason(error: &fountain_core::Error) -> Reason {
    error.rejection().reason()
}

/// F-15, F-17, R-107: nothing is answered or spent that is not there any more, nothing is spent twice, and locks stand.
#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_challenges_and_grants_lets_nobody_in_and_people_begin_again() {
    let world = World::new().await;
    let mut server = Server::redis(&[]).await;
    let proxy = Proxy::to(server.address()).await;
    let redis = store(&server.url_through(proxy.address())).await;
    let pepper = Pepper::new(&std::array::from_fn::<u8, 32, _>(|place| {
        u8::try_from(place * 5).unwrap()
    }));
    let fountain = wiring(Arc::new(world.node.store.clone()))
        .sign_in(SignIn::builder(pepper).service_name("Example Shop"))
        .challenge_store(Arc::new(redis))
        .build()
        .await
        .unwrap();
    let mut shop = Shop::open(fountain).await;
    let asked = shop.begin().await.unwrap();
    let alice = shop.finish(&asked).await.unwrap();
    let spent = shop.grant(&alice).await;
    assert_eq!(shop.redeem(&alice, &spent).await, Ok(()));
    assert_eq!(shop.redeem(&alice, &spent).await, Err(Reason::GrantSpent));
    let open = shop.grant(&alice).await;
    let waiting = shop.begin().await.unwrap();

    for link in [
        Link::Refused,
        Link::Slow(Duration::from_secs(2)),
        Link::BlackHole,
    ] {
        proxy.set_and_wait(link).await;
        let (begun, took) = timed(shop.begin()).await;
        assert_eq!(*begun.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(took <= CALL + SLACK, "{link:?}: {took:?}");
        let redeemed = shop.redeem(&alice, &open).await;
        assert_eq!(redeemed, Err(Reason::StoreUnavailable), "{link:?}");
    }
    proxy.set_and_wait(Link::Good).await;
    server.kill().await;
    server.wipe();
    server.start().await;
    within("it is asked again", RECOVERY, async || {
        shop.begin().await.ok()
    })
    .await;
    // Neither what was open nor what was spent is there.
    let gone = shop.finish(&waiting).await.unwrap_err();
    assert_eq!(reason(&gone), Reason::ChallengeUnknown);
    let gone = shop.finish(&asked).await.unwrap_err();
    assert_eq!(reason(&gone), Reason::ChallengeUnknown);
    for grant in [&open, &spent] {
        assert_eq!(shop.redeem(&alice, grant).await, Err(Reason::GrantInvalid));
    }
    // And all goes on anew.
    let asked = shop.begin().await.unwrap();
    let alice = shop.finish(&asked).await.unwrap();
    let grant = shop.grant(&alice).await;
    assert_eq!(shop.redeem(&alice, &grant).await, Ok(()));

    // A lock is PostgreSQL's, whatever Redis forgets.
    for _ in 0..5 {
        let password = Secret::from("a guess".to_owned());
        let client = ClientId::new("web").unwrap();
        let attempt = LoginAttempt::new("alice", password, client);
        assert!(shop.sign_in().login().begin(attempt).await.is_err());
    }
    server.kill().await;
    server.wipe();
    server.start().await;
    let locked = shop.begin().await.unwrap_err();
    assert_eq!(reason(&locked), Reason::Locked);
}
