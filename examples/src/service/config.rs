//! The configuration: environment variables, checked before anything is opened.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser};
use fountain_core::Secret;
use fountain_core::signing::Algorithm;

use super::duration;
use super::secrets::{Secrets, from_file, given};
use super::serve::Bounds;
use super::stores;

mod sign_in;

use sign_in::SignInArguments;
pub use sign_in::SignInConfig;

/// What a host decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where state is kept.
    pub store: StoreChoice,
    /// The Redis by which nodes on a durable store wake each other.
    pub redis_url: Option<Secret>,
    /// `iss`; the address of the service unless given.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: String,
    /// How long access tokens live.
    pub access_ttl: Duration,
    /// How long token families live.
    pub refresh_ttl: Duration,
    /// The algorithm of signing keys.
    pub signing_alg: Algorithm,
    /// How long a signing key signs.
    pub signing_rotation: Duration,
    /// How long others may keep the published keys.
    pub jwks_max_age: Duration,
    /// The key-encryption key and the pepper.
    pub secrets: Secrets,
    /// How people sign in.
    pub sign_in: SignInConfig,
    /// Whether development aids are on.
    pub dev: bool,
    /// What is logged: 0 what an operator wants to know, 1 debug events, too, 2 everything.
    pub verbose: u8,
    /// What connections may take.
    pub bounds: Bounds,
}

/// Where state is kept.
#[derive(Debug, Clone)]
pub enum StoreChoice {
    /// In this process; gone with it.
    Memory,
    /// In one file.
    Sqlite(PathBuf),
    /// In a PostgreSQL.
    Postgres {
        /// Its address, which may hold a password.
        url: Secret,
        /// Whether the address is that of a pooler in transaction mode.
        pooler: bool,
    },
    /// In a Redis alone.
    Redis {
        /// Its address, which may hold a password.
        url: Secret,
        /// Whether it was said in words that what a Redis loses may re-open what was closed.
        accept_volatile: bool,
    },
}

/// Fountain's reference service. Configured by environment variables.
#[derive(Parser)]
#[command(name = "service")]
struct Arguments {
    /// Address to listen on; port 0 picks a free one and prints it
    #[arg(long, env = "FOUNTAIN_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// memory, sqlite:PATH, postgres://… or redis://… (rediss://… with TLS)
    #[arg(id = "store", long = "store", env = "FOUNTAIN_STORE", default_value = "sqlite:fountain.db", value_parser = secret, hide_env_values = true)]
    store_text: Secret,
    /// What becomes of it: clap's own refusal would repeat the text.
    #[arg(skip = StoreChoice::Memory)]
    store: StoreChoice,
    /// File that holds the store's address
    #[arg(long, env = "FOUNTAIN_STORE_FILE")]
    store_file: Option<PathBuf>,
    /// PostgreSQL is reached through a pooler in transaction mode, as PgBouncer: no prepared statements, no LISTEN
    #[arg(long, env = "FOUNTAIN_STORE_POOLER", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    store_pooler: bool,
    /// Lets a Redis be the only store, although what it loses lets revoked keys and tokens work again
    #[arg(long, env = "FOUNTAIN_ACCEPT_VOLATILE_SECURITY_STATE", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    accept_volatile_security_state: bool,
    /// Redis by which nodes on a durable store wake each other: redis://… or rediss://…
    #[arg(long, env = "FOUNTAIN_REDIS_URL", value_parser = secret, hide_env_values = true)]
    redis_url: Option<Secret>,
    /// File that holds that address
    #[arg(long, env = "FOUNTAIN_REDIS_URL_FILE")]
    redis_url_file: Option<PathBuf>,
    /// iss of the tokens [default: http://<listen>]
    #[arg(long, env = "FOUNTAIN_ISSUER")]
    issuer: Option<String>,
    /// aud of the tokens
    #[arg(long, env = "FOUNTAIN_AUDIENCE", default_value = "fountain")]
    audience: String,
    /// Key-encryption key, 32 bytes in base64; environment only
    #[arg(long, env = "FOUNTAIN_KEK", hide = true, hide_env_values = true, value_parser = secret)]
    kek: Option<Secret>,
    /// File that holds the key-encryption key, 32 bytes in base64
    #[arg(long, env = "FOUNTAIN_KEK_FILE")]
    kek_file: Option<PathBuf>,
    /// Pepper of the digests, 32 bytes in base64; environment only
    #[arg(long, env = "FOUNTAIN_PEPPER", hide = true, hide_env_values = true, value_parser = secret)]
    pepper: Option<Secret>,
    /// File that holds the pepper, 32 bytes in base64
    #[arg(long, env = "FOUNTAIN_PEPPER_FILE")]
    pepper_file: Option<PathBuf>,
    /// Life of access tokens
    #[arg(long, env = "FOUNTAIN_ACCESS_TTL", default_value = "10m", value_parser = duration::parse)]
    access_ttl: Duration,
    /// Life of refresh tokens
    #[arg(long, env = "FOUNTAIN_REFRESH_TTL", default_value = "30d", value_parser = duration::parse)]
    refresh_ttl: Duration,
    /// Algorithm of signing keys: EdDSA, Ed25519, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384 or PS512
    #[arg(long, env = "FOUNTAIN_SIGNING_ALG", default_value = "EdDSA", value_parser = algorithm)]
    signing_alg: Algorithm,
    /// How long a signing key signs
    #[arg(long, env = "FOUNTAIN_SIGNING_ROTATION", default_value = "30d", value_parser = duration::parse)]
    signing_rotation: Duration,
    /// How long others may keep the published keys
    #[arg(long, env = "FOUNTAIN_JWKS_MAX_AGE", default_value = "5m", value_parser = duration::parse)]
    jwks_max_age: Duration,
    #[command(flatten)]
    sign_in: SignInArguments,
    /// Development: makes secrets, prints the password of admin at the first start, serves /v1/dev/subjects
    #[arg(long, action = ArgAction::SetTrue)]
    dev: bool,
    /// Logs debug events, too; given twice, everything
    #[arg(long, action = ArgAction::Count)]
    verbose: u8,
}

/// Variables of capabilities that this version does not have. Set, they would promise what is not kept.
const NOT_YET: [(&str, &str); 3] = [
    ("FOUNTAIN_LIMIT_API", "rate limits"),
    ("FOUNTAIN_LIMIT_LOGIN", "rate limits"),
    (
        "FOUNTAIN_TRUSTED_PROXIES",
        "client addresses behind proxies",
    ),
];

/// Why there is no configuration.
#[derive(Debug)]
pub enum Refusal {
    /// clap's answer: help, or a mistake in one argument.
    Arguments(clap::Error),
    /// Everything else that is wrong, a line for each.
    Mistakes(Vec<String>),
}

impl Config {
    /// Reads the program's arguments and environment.
    ///
    /// # Errors
    /// Everything that is missing, weak or not supported, with what to write instead; no value of a secret.
    pub fn read() -> Result<Self, Refusal> {
        Self::read_from(std::env::args_os(), |name| std::env::var_os(name).is_some())
    }

    fn read_from(
        arguments: impl IntoIterator<Item = OsString>,
        is_set: impl Fn(&str) -> bool,
    ) -> Result<Self, Refusal> {
        let matches = Arguments::command()
            .try_get_matches_from(arguments)
            .map_err(Refusal::Arguments)?;
        let mut found = Arguments::from_arg_matches(&matches).map_err(Refusal::Arguments)?;
        let mut mistakes: Vec<_> = NOT_YET
            .iter()
            .filter(|(name, _)| is_set(name))
            .map(|(name, what)| format!("{name} is set, and this version has no {what}: unset it"))
            .collect();
        let is_given = matches.value_source("store") != Some(ValueSource::DefaultValue);
        mistakes.extend(found.settle_stores(is_given));
        let is_default = matches.value_source("delivery") == Some(ValueSource::DefaultValue);
        let sign_in = found
            .sign_in
            .settle(found.dev, is_default)
            .map_err(|more| mistakes.extend(more));
        for (id, name) in [
            ("kek", "FOUNTAIN_KEK"),
            ("pepper", "FOUNTAIN_PEPPER"),
            ("store", "FOUNTAIN_STORE"),
            ("redis_url", "FOUNTAIN_REDIS_URL"),
            ("delivery", "FOUNTAIN_DELIVERY"),
            ("admin_password", "FOUNTAIN_ADMIN_PASSWORD"),
            ("twilio_token", "FOUNTAIN_TWILIO_TOKEN"),
            ("webhook_secret", "FOUNTAIN_WEBHOOK_SECRET"),
        ] {
            if matches.value_source(id) == Some(ValueSource::CommandLine) && found.is_secret(id) {
                mistakes.push(format!(
                    "--{} shows a secret to every user of the machine: set {name} or {name}_FILE",
                    id.replace('_', "-")
                ));
            }
        }
        if found.dev && !mistakes.is_empty() {
            // Nothing is made beside a database that will not be opened.
            return Err(Refusal::Mistakes(mistakes));
        }
        let secrets = found.secrets().map_err(|more| mistakes.extend(more));
        match (secrets, sign_in) {
            (Ok(secrets), Ok(sign_in)) if mistakes.is_empty() => Ok(found.with(secrets, sign_in)),
            _ => Err(Refusal::Mistakes(mistakes)),
        }
    }

    /// A configuration over a store in memory, on a free port of the loopback, with secrets of its own: for tests.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn in_memory() -> Result<Self, String> {
        Ok(Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            store: StoreChoice::Memory,
            redis_url: None,
            issuer: None,
            audience: "fountain".to_owned(),
            access_ttl: Duration::from_secs(600),
            refresh_ttl: Duration::from_secs(30 * 86_400),
            signing_alg: Algorithm::EdDsa,
            signing_rotation: Duration::from_secs(30 * 86_400),
            jwks_max_age: Duration::from_secs(300),
            secrets: Secrets::generate()?,
            sign_in: SignInConfig::default(),
            dev: true,
            verbose: 0,
            bounds: Bounds::default(),
        })
    }
}

impl Arguments {
    /// Whether the value of this argument is nobody else's business.
    fn is_secret(&self, id: &str) -> bool {
        match (id, &self.redis_url) {
            ("delivery", _) => self.sign_in.delivery.expose().contains('@'),
            ("store", _) => stores::has_password(&self.store_text),
            ("redis_url", Some(url)) => stores::has_password(url),
            _ => true,
        }
    }

    /// Puts together what says where state is kept; gives the mistakes in it.
    fn settle_stores(&mut self, is_given: bool) -> Vec<String> {
        let mut mistakes = Vec::new();
        let chosen = match from_file("FOUNTAIN_STORE", is_given, self.store_file.as_deref()) {
            Ok(Some(text)) => store(&text)
                .map_err(|problem| format!("the content of FOUNTAIN_STORE_FILE: {problem}")),
            Ok(None) => store(self.store_text.expose())
                .map_err(|problem| format!("FOUNTAIN_STORE is not acceptable: {problem}")),
            Err(problem) => Err(problem),
        };
        match chosen {
            Ok(choice) => self.store = choice,
            Err(problem) => mistakes.push(problem),
        }
        let (is_given, file) = (self.redis_url.is_some(), self.redis_url_file.as_deref());
        match from_file("FOUNTAIN_REDIS_URL", is_given, file) {
            Ok(Some(text)) => self.redis_url = Some(text.as_str().to_owned().into()),
            Ok(None) => {}
            Err(problem) => mistakes.push(problem),
        }
        let mut check = |good: bool, problem: &str| {
            if !good {
                mistakes.push(problem.to_owned());
            }
        };
        let mut in_postgres = false;
        match &mut self.store {
            StoreChoice::Postgres { pooler, .. } => {
                *pooler = self.store_pooler;
                in_postgres = true;
            }
            StoreChoice::Redis {
                accept_volatile, ..
            } => *accept_volatile = self.accept_volatile_security_state,
            StoreChoice::Memory | StoreChoice::Sqlite(_) => {}
        }
        check(
            in_postgres || !self.store_pooler,
            "FOUNTAIN_STORE_POOLER is set, and FOUNTAIN_STORE is no PostgreSQL: unset it",
        );
        if let Some(url) = &self.redis_url {
            check(
                stores::is_redis(url),
                "FOUNTAIN_REDIS_URL is no address of a Redis: write redis://… or rediss://…",
            );
            check(
                in_postgres || matches!(self.store, StoreChoice::Sqlite(_)),
                "FOUNTAIN_REDIS_URL is set, and wakes nodes on a durable store: unset it, or set FOUNTAIN_STORE to \
                 postgres://…",
            );
        }
        mistakes
    }

    fn secrets(&self) -> Result<Secrets, Vec<String>> {
        let kek = given("FOUNTAIN_KEK", self.kek.clone(), self.kek_file.as_deref());
        let pepper = given(
            "FOUNTAIN_PEPPER",
            self.pepper.clone(),
            self.pepper_file.as_deref(),
        );
        let missing = |name: &str| {
            format!(
                "{name} is missing: set it, or {name}_FILE, to 32 random bytes in base64 \
                 (`openssl rand -base64 32`); to try things out, start with --dev"
            )
        };
        let one = |found: Result<Option<_>, String>, name| found?.ok_or_else(|| missing(name));
        match (kek, pepper) {
            (Ok(None), Ok(None)) if self.dev => match &self.store {
                StoreChoice::Memory => Secrets::generate(),
                StoreChoice::Sqlite(path) => Secrets::beside(path),
                StoreChoice::Postgres { .. } | StoreChoice::Redis { .. } => Err(format!(
                    "{}, the same on every node of this store",
                    missing("FOUNTAIN_KEK and FOUNTAIN_PEPPER")
                )),
            }
            .map_err(|problem| vec![problem]),
            (kek, pepper) => match (one(kek, "FOUNTAIN_KEK"), one(pepper, "FOUNTAIN_PEPPER")) {
                (Ok(kek), Ok(pepper)) => Secrets::new(kek, pepper).map_err(|problem| vec![problem]),
                (kek, pepper) => Err(kek.err().into_iter().chain(pepper.err()).collect()),
            },
        }
    }

    fn with(self, secrets: Secrets, sign_in: SignInConfig) -> Config {
        Config {
            listen: self.listen,
            store: self.store,
            redis_url: self.redis_url,
            issuer: self.issuer,
            audience: self.audience,
            access_ttl: self.access_ttl,
            refresh_ttl: self.refresh_ttl,
            signing_alg: self.signing_alg,
            signing_rotation: self.signing_rotation,
            jwks_max_age: self.jwks_max_age,
            secrets,
            sign_in,
            dev: self.dev,
            verbose: self.verbose,
            bounds: Bounds::default(),
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "clap wants a parser that may fail"
)]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::from(text.to_owned()))
}

/// The message does not repeat the text: an address may hold a password.
fn store(text: &str) -> Result<StoreChoice, &'static str> {
    let text = text.trim();
    let url = Secret::from(text.to_owned());
    match text.split_once(':') {
        None if text == "memory" => Ok(StoreChoice::Memory),
        Some(("sqlite", path)) if !path.is_empty() && !path.starts_with("//") => {
            Ok(StoreChoice::Sqlite(path.into()))
        }
        Some(("postgres" | "postgresql", _)) => match stores::postgres_options(&url) {
            Some(_) => Ok(StoreChoice::Postgres { url, pooler: false }),
            None => Err("write postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"),
        },
        Some(("redis" | "rediss", _)) if stores::is_redis(&url) => Ok(StoreChoice::Redis {
            url,
            accept_volatile: false,
        }),
        Some(("redis" | "rediss", _)) => Err("write rediss://USER:PASSWORD@HOST:PORT"),
        _ => Err("write memory, sqlite:PATH, postgres://… or redis://…"),
    }
}

fn algorithm(text: &str) -> Result<Algorithm, &'static str> {
    Algorithm::from_name(text)
        .filter(|algorithm| !algorithm.is_symmetric())
        .ok_or(
            "write EdDSA, Ed25519, ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384 or PS512",
        )
}

#[cfg(test)]
mod tests;
