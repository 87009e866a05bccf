//! A small host for the examples of signing in: everything in memory, and time that moves by hand, so that nobody waits for an
//! app's next code.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::{Authority, RoleCatalog};
use fountain_core::authenticate::PresentedCredential;
use fountain_core::identity::ClientId;
use fountain_core::login::{LoginAttempt, LoginName, NewCredential, SignIn};
use fountain_core::memory::MemoryStore;
use fountain_core::otp::Totp;
use fountain_core::seal::LocalKeys;
use fountain_core::token::IssuedTokens;
use fountain_core::{
    Clock as _, Fountain, ManualClock, OsRandom, Pepper, Principal, Random as _, Rejection, Secret,
    Subject, SystemClock, Tenant,
};

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery staple";

/// The host, wired.
#[derive(Debug)]
pub struct Shop {
    /// The services.
    pub fountain: Fountain,
    /// How people sign in.
    pub sign_in: SignIn,
    clock: Arc<ManualClock>,
}

impl Shop {
    /// With these roles.
    ///
    /// # Errors
    /// When there is no randomness, or the wiring is not acceptable.
    pub async fn open(roles: RoleCatalog) -> Result<Self, Box<dyn Error>> {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let mut bytes = [0; 32];
        OsRandom.fill(&mut bytes)?;
        let fountain = Fountain::builder(Arc::new(MemoryStore::new()))
            .issuer("https://auth.example.com")
            .audience("shop")
            .roles(roles)
            .key_encryption(Arc::new(LocalKeys::generate(Arc::new(OsRandom))?))
            .sign_in(SignIn::builder(Pepper::new(&bytes)).service_name("Example Shop"))
            .clock(clock.clone())
            .build()
            .await?;
        let sign_in = fountain.sign_in().cloned().ok_or("it was wired")?;
        Ok(Self {
            fountain,
            sign_in,
            clock,
        })
    }

    /// Registers somebody with this role, by the usual password.
    ///
    /// # Errors
    /// As those of the services.
    pub async fn register(&self, name: &str, role: &str) -> Result<(), fountain_core::Error> {
        let (by, tenant, subject) = (Authority::System, Tenant::default(), Subject::new(name)?);
        let subjects = self.fountain.subjects();
        subjects.register(by, &tenant, &subject, [role]).await?;
        let password = Secret::from(PASSWORD.to_owned());
        let credential = NewCredential::new(subject, LoginName::new(name)?, password);
        self.sign_in.login().register(by, credential).await
    }

    /// What somebody types in at the login.
    ///
    /// # Errors
    /// None that can happen: the client's name is one.
    pub fn attempt(&self, name: &str) -> Result<LoginAttempt, fountain_core::Error> {
        let password = Secret::from(PASSWORD.to_owned());
        Ok(LoginAttempt::new(name, password, ClientId::new("web")?))
    }

    /// Who tokens speak for, as each request asks.
    ///
    /// # Errors
    /// The refusal.
    pub async fn principal(&self, tokens: &IssuedTokens) -> Result<Principal, Rejection> {
        let token = PresentedCredential::AccessToken(tokens.access.access_token.expose());
        self.fountain.authenticate(token).await
    }

    /// What an app shows now.
    #[must_use]
    pub fn shown_by(&self, app: &Totp) -> Secret {
        // There is a code of every instant after 1970.
        app.code_at(self.clock.now())
            .unwrap_or_else(|| Secret::from(String::new()))
    }

    /// The app shows its next code.
    pub fn wait_for_the_next_code(&self) {
        self.clock.advance(Duration::from_secs(30));
    }
}
