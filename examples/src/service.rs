//! The reference service: what a host could have written in an afternoon on top of Fountain's crates.
//!
//! | file | what is in it |
//! |---|---|
//! | `config.rs`, `secrets.rs`, `duration.rs` | the environment, checked before anything is opened |
//! | `stores.rs` | where state is kept, and how a node hears of other nodes' changes |
//! | `access.rs` | permissions, roles, requirements as types |
//! | `app.rs`, `serve.rs` | the routes, and what lies around all of them; the connections, and what they may take |
//! | `keys.rs`, `tokens.rs`, `signing_keys.rs`, `subjects.rs`, `audit.rs`, `orders.rs`, `health.rs` | the calls |
//! | `login.rs`, `factors.rs`, `step_up.rs`, `delivery.rs` | signing in, second factors, step-up, and who carries codes |
//! | `page.rs`, `page/` | the page at `/` |
//! | `dev.rs` | a development aid |
//! | `problem.rs`, `answer.rs`, `openapi.rs` | the forms of answers |
//!
//! The program around it is `src/bin/service.rs`: arguments, logs, signals.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fountain_core::access::Authority;
use fountain_core::login::{LoginName, NewCredential, SignIn, SignInBuilder};
use fountain_core::metrics::{CHANGE_LAG, CHANGE_LAG_BUCKETS};
use fountain_core::token::RefreshRules;
use fountain_core::{Error, ErrorKind, Fountain, OsRandom, Random, Secret, Subject, Tenant};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use zeroize::Zeroizing;

mod access;
mod answer;
mod app;
mod audit;
pub mod config;
mod delivery;
mod dev;
pub mod duration;
mod factors;
mod health;
mod keys;
mod login;
mod openapi;
mod orders;
mod page;
mod problem;
mod secrets;
mod serve;
mod signing_keys;
mod step_up;
mod stores;
mod subjects;
mod tokens;

use app::App;
pub use config::{Config, SignInConfig, StoreChoice};
pub use delivery::DeliveryChoice;
pub use secrets::Secrets;
pub use serve::Bounds;
use stores::{Close, Opened, Wakings};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long requests may take to end once the service is told to stop: 20 s, less than Kubernetes waits.
const DRAIN: Duration = Duration::from_secs(20);

/// The service, started.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    admin_password: Option<Secret>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    ticking: JoinHandle<()>,
    following: JoinHandle<()>,
    fountain: Fountain,
    close: Close,
}

impl Service {
    /// Listens, opens the store, makes the first signing key, and serves.
    ///
    /// # Errors
    /// When the address is taken, the store does not open, or the configuration is not acceptable: all of it at once.
    pub async fn start(config: &Config) -> Result<Self, BoxError> {
        // Before anything counts: a handle that was made before the recorder counts into nothing.
        let metrics = recorder()?;
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let Opened {
            builder,
            wakings,
            close,
        } = stores::open(&config.store, config.redis_url.as_ref()).await?;
        let issuer = config.issuer.clone();
        let fountain = builder
            .issuer(issuer.unwrap_or_else(|| format!("http://{address}")))
            .audience(config.audience.as_str())
            .roles(access::catalog()?)
            .key_encryption(Arc::new(config.secrets.key_encryption()?))
            .pepper(config.secrets.pepper())
            .algorithm(config.signing_alg)
            .access_life(config.access_ttl)
            .refresh(
                RefreshRules::aal1()
                    .absolute_life(config.refresh_ttl)
                    .idle_life(IDLE.min(config.refresh_ttl)),
            )
            .rotation(config.signing_rotation)
            .jwks_max_age(config.jwks_max_age)
            .sign_in(sign_in(config)?)
            .build()
            .await?;
        let sign_in = fountain.sign_in().cloned().ok_or("nobody can sign in")?;
        let admin_password = bootstrap(&fountain, &sign_in, config).await?;
        let app = App::new(
            fountain.clone(),
            sign_in,
            metrics.clone(),
            config.dev,
            config.bounds.patience,
        );
        let router = app::router(app)?;
        let (stop, stopped) = watch::channel(false);
        let ticking = tokio::spawn(tick(fountain.clone(), metrics, stopped.clone()));
        let following = tokio::spawn(follow(fountain.clone(), wakings, stopped.clone()));
        let serving = tokio::spawn(serve::serve(listener, router, config.bounds, stopped));
        Ok(Self {
            address,
            admin_password,
            stop,
            serving,
            ticking,
            following,
            fountain,
            close,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The password of `admin` that `--dev` made, because none was given and nobody of that name was there.
    #[must_use]
    pub const fn admin_password(&self) -> Option<&Secret> {
        self.admin_password.as_ref()
    }

    /// Takes no more connections, lets requests end for at most 20 s, writes what is left to write, closes the store.
    ///
    /// # Errors
    /// When a request did not end in time, or the last writes failed.
    pub async fn stop(mut self) -> Result<(), BoxError> {
        // Nobody listening any more means that it has stopped already.
        let _ = self.stop.send(true);
        let drained = tokio::time::timeout(DRAIN, &mut self.serving).await;
        if drained.is_err() {
            self.serving.abort();
        }
        self.ticking.await?;
        self.following.await?;
        let flushed = self.fountain.api_keys().flush_uses().await;
        self.close.close().await;
        drained.map_err(|_| "requests did not end within 20 s")??;
        flushed?;
        Ok(())
    }
}

/// How long a session lasts without use: 7 days (NIST SP 800-63B-4 leaves it to the host at AAL1).
const IDLE: Duration = Duration::from_secs(7 * 86_400);

/// The recorder of this process: one for all services in it.
fn recorder() -> Result<PrometheusHandle, BoxError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let lag = Matcher::Full(CHANGE_LAG.name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(lag, &CHANGE_LAG_BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// How people sign in.
fn sign_in(config: &Config) -> Result<SignInBuilder, BoxError> {
    let of = &config.sign_in;
    let mut builder = SignIn::builder(config.secrets.pepper())
        .service_name(delivery::NAME)
        .codes(of.codes)
        .budgets(of.budgets)
        .password_lock(of.lockout)
        .code_lock(of.lockout)
        .recovery_lock(of.lockout);
    if let Some(delivery) = delivery::open(&of.deliveries)? {
        builder = builder.delivery(delivery);
    }
    Ok(builder)
}

/// The first administrator, `admin`, unless there is one. Gives its password when that was made here, under `--dev`.
async fn bootstrap(
    fountain: &Fountain,
    sign_in: &SignIn,
    config: &Config,
) -> Result<Option<Secret>, Error> {
    const NAME: &str = "admin";
    let (by, tenant) = (Authority::System, Tenant::default());
    let given = config.sign_in.admin_password.clone();
    let Some(password) = given
        .clone()
        .or(if config.dev { Some(made()?) } else { None })
    else {
        return Ok(None);
    };
    let admin = Subject::new(NAME)?;
    // Another node may be at it as well, and an earlier start may have been cut off.
    let unless_there = |result: Result<bool, Error>| match result {
        Err(error) if matches!(error.kind(), ErrorKind::Conflict(_)) => Ok(false),
        result => result,
    };
    let registered = fountain
        .subjects()
        .register(by, &tenant, &admin, [NAME])
        .await;
    unless_there(registered.map(|_| true))?;
    let credential = NewCredential::new(admin, LoginName::new(NAME)?, password.clone());
    let is_new = sign_in.login().register(by, credential).await;
    let is_new = unless_there(is_new.map(|()| true))?;
    Ok((is_new && given.is_none()).then_some(password))
}

/// A password of 120 random bits.
fn made() -> Result<Secret, Error> {
    let mut bytes = Zeroizing::new([0; 15]);
    OsRandom.fill(bytes.as_mut_slice())?;
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Does what is due, once a second, until the service stops.
async fn tick(fountain: Fountain, metrics: PrometheusHandle, stopped: watch::Receiver<bool>) {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    every_second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = every_second.tick() => {}
        }
        if let Err(error) = fountain.tick().await {
            tracing::warn!(%error, "maintenance failed; it is tried again");
        }
        metrics.run_upkeep();
    }
}

/// Reads the change feed as soon as another node has changed something, until the service stops.
async fn follow(fountain: Fountain, mut wakings: Wakings, stopped: watch::Receiver<bool>) {
    if wakings.are_none() {
        return;
    }
    let mut stopped = std::pin::pin!(until(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = wakings.next() => {}
        }
        if let Err(error) = fountain.follow().await {
            // The tick, which follows as well, warns of it once a second.
            tracing::debug!(%error, "the change feed does not answer");
        }
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the service.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
