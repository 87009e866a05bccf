//! The reference service: what a host could have written in an afternoon on top of Fountain's crates.
//!
//! | file | what is in it |
//! |---|---|
//! | `config.rs`, `secrets.rs`, `duration.rs` | the environment, checked before anything is opened |
//! | `stores.rs` | where state is kept, and how a node hears of other nodes' changes |
//! | `access.rs` | permissions, roles, requirements as types |
//! | `app.rs`, `serve.rs` | the routes, and what lies around all of them; the connections, and what they may take |
//! | `keys.rs`, `tokens.rs`, `signing_keys.rs`, `subjects.rs`, `audit.rs`, `orders.rs`, `health.rs` | the calls |
//! | `dev.rs` | a development aid, which goes when login comes |
//! | `problem.rs`, `answer.rs`, `openapi.rs` | the forms of answers |
//!
//! The program around it is `src/bin/service.rs`: arguments, logs, signals.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fountain_core::access::Authority;
use fountain_core::api_key::NewApiKey;
use fountain_core::metrics::{CHANGE_LAG, CHANGE_LAG_BUCKETS};
use fountain_core::token::RefreshRules;
use fountain_core::{Error, Fountain, Secret, Tenant};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

mod access;
mod answer;
mod app;
mod audit;
pub mod config;
mod dev;
pub mod duration;
mod health;
mod keys;
mod openapi;
mod orders;
mod problem;
mod secrets;
mod serve;
mod signing_keys;
mod stores;
mod subjects;
mod tokens;

use app::App;
pub use config::{Config, StoreChoice};
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
    admin_key: Option<Secret>,
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
            .build()
            .await?;
        let admin_key = if config.dev {
            bootstrap(&fountain).await?
        } else {
            None
        };
        let app = App::new(
            fountain.clone(),
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
            admin_key,
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

    /// The admin key that `--dev` issued, because the store had no keys.
    #[must_use]
    pub const fn admin_key(&self) -> Option<&Secret> {
        self.admin_key.as_ref()
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

/// The first key of an empty store: it may do everything. Under `--dev` only; it goes when login comes.
async fn bootstrap(fountain: &Fountain) -> Result<Option<Secret>, Error> {
    let (keys, tenant) = (fountain.api_keys(), Tenant::default());
    if !keys.list(&tenant, None, 1).await?.items.is_empty() {
        return Ok(None);
    }
    let new = NewApiKey::for_service("admin-bootstrap").scope("*");
    let issued = keys.issue(Authority::System, &tenant, new).await?;
    Ok(Some(issued.key))
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
