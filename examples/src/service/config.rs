//! The configuration: environment variables, checked before anything is opened.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser};
use fountain_core::Secret;
use fountain_core::signing::Algorithm;

use super::duration;
use super::secrets::{Secrets, given};
use super::serve::Bounds;

/// What a host decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where state is kept.
    pub store: StoreChoice,
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
    /// Whether development aids are on.
    pub dev: bool,
    /// What is logged: 0 what an operator wants to know, 1 debug events, too, 2 everything.
    pub verbose: u8,
    /// What connections may take.
    pub bounds: Bounds,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// In this process; gone with it.
    Memory,
    /// In one file.
    Sqlite(PathBuf),
}

/// Fountain's reference service. Configured by environment variables.
#[derive(Parser)]
#[command(name = "service")]
struct Arguments {
    /// Address to listen on; port 0 picks a free one and prints it
    #[arg(long, env = "FOUNTAIN_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// memory, or sqlite:PATH
    #[arg(long, env = "FOUNTAIN_STORE", default_value = "sqlite:fountain.db", value_parser = store, hide_env_values = true)]
    store: StoreChoice,
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
    /// Development: makes secrets, prints an admin key at the first start, serves /v1/dev/tokens
    #[arg(long, action = ArgAction::SetTrue)]
    dev: bool,
    /// Logs debug events, too; given twice, everything
    #[arg(long, action = ArgAction::Count)]
    verbose: u8,
}

/// Variables of capabilities that this version does not have. Set, they would promise what is not kept.
const NOT_YET: [(&str, &str); 14] = [
    ("FOUNTAIN_ADMIN_PASSWORD", "login by password"),
    ("FOUNTAIN_ADMIN_PASSWORD_FILE", "login by password"),
    ("FOUNTAIN_DELIVERY", "delivery of one-time codes"),
    ("FOUNTAIN_DELIVERY_FILE", "delivery of one-time codes"),
    ("FOUNTAIN_LIMIT_API", "rate limits"),
    ("FOUNTAIN_LIMIT_LOGIN", "rate limits"),
    ("FOUNTAIN_LIMIT_OTP", "rate limits"),
    ("FOUNTAIN_LOCKOUT", "lockout"),
    ("FOUNTAIN_OTP_TTL", "one-time codes"),
    ("FOUNTAIN_REDIS_URL", "a Redis store"),
    ("FOUNTAIN_REDIS_URL_FILE", "a Redis store"),
    (
        "FOUNTAIN_TRUSTED_PROXIES",
        "client addresses behind proxies",
    ),
    ("FOUNTAIN_TWILIO_TOKEN", "delivery of one-time codes"),
    ("FOUNTAIN_TWILIO_TOKEN_FILE", "delivery of one-time codes"),
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
        let found = Arguments::from_arg_matches(&matches).map_err(Refusal::Arguments)?;
        let mut mistakes: Vec<_> = NOT_YET
            .iter()
            .filter(|(name, _)| is_set(name))
            .map(|(name, what)| format!("{name} is set, and this version has no {what}: unset it"))
            .collect();
        for (id, name) in [("kek", "FOUNTAIN_KEK"), ("pepper", "FOUNTAIN_PEPPER")] {
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                mistakes.push(format!(
                    "--{id} shows a secret to every user of the machine: set {name} or {name}_FILE"
                ));
            }
        }
        if found.dev && !mistakes.is_empty() {
            // Nothing is made beside a database that will not be opened.
            return Err(Refusal::Mistakes(mistakes));
        }
        match found.secrets() {
            Ok(secrets) if mistakes.is_empty() => Ok(found.with(secrets)),
            Ok(_) => Err(Refusal::Mistakes(mistakes)),
            Err(more) => {
                mistakes.extend(more);
                Err(Refusal::Mistakes(mistakes))
            }
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
            issuer: None,
            audience: "fountain".to_owned(),
            access_ttl: Duration::from_secs(600),
            refresh_ttl: Duration::from_secs(30 * 86_400),
            signing_alg: Algorithm::EdDsa,
            signing_rotation: Duration::from_secs(30 * 86_400),
            jwks_max_age: Duration::from_secs(300),
            secrets: Secrets::generate()?,
            dev: true,
            verbose: 0,
            bounds: Bounds::default(),
        })
    }
}

impl Arguments {
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
            }
            .map_err(|problem| vec![problem]),
            (kek, pepper) => match (one(kek, "FOUNTAIN_KEK"), one(pepper, "FOUNTAIN_PEPPER")) {
                (Ok(kek), Ok(pepper)) => Secrets::new(kek, pepper).map_err(|problem| vec![problem]),
                (kek, pepper) => Err(kek.err().into_iter().chain(pepper.err()).collect()),
            },
        }
    }

    fn with(self, secrets: Secrets) -> Config {
        Config {
            listen: self.listen,
            store: self.store,
            issuer: self.issuer,
            audience: self.audience,
            access_ttl: self.access_ttl,
            refresh_ttl: self.refresh_ttl,
            signing_alg: self.signing_alg,
            signing_rotation: self.signing_rotation,
            jwks_max_age: self.jwks_max_age,
            secrets,
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
    match text.split_once(':') {
        None if text == "memory" => Ok(StoreChoice::Memory),
        Some(("sqlite", path)) if !path.is_empty() && !path.starts_with("//") => {
            Ok(StoreChoice::Sqlite(path.into()))
        }
        Some(("postgres" | "postgresql" | "redis" | "rediss", _)) => {
            Err("this version has no store for that scheme; write memory or sqlite:PATH")
        }
        _ => Err("write memory or sqlite:PATH"),
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
mod tests {
    use super::*;

    fn read(arguments: &[&str], set: &[&str]) -> Result<Config, Refusal> {
        let all = ["service"].iter().chain(arguments).map(OsString::from);
        Config::read_from(all, |name| set.contains(&name))
    }

    fn mistakes(arguments: &[&str], set: &[&str]) -> String {
        match read(arguments, set).unwrap_err() {
            Refusal::Mistakes(mistakes) => mistakes.join("\n"),
            Refusal::Arguments(error) => error.to_string(),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = read(&["--dev", "--store", "memory"], &[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.audience, "fountain");
        assert_eq!(config.access_ttl, Duration::from_secs(600));
        assert_eq!(config.refresh_ttl, Duration::from_secs(30 * 86_400));
        assert_eq!(config.jwks_max_age, Duration::from_secs(300));
        assert_eq!(config.signing_alg, Algorithm::EdDsa);
    }

    #[test]
    fn stores_that_are_not_there_are_refused_with_those_that_are() {
        for url in [
            "postgres://u:canary@h/db",
            "redis://:canary@h",
            "mysql://x",
            "sqlite:",
            "sqlite://x",
            "",
        ] {
            let text = store(url).unwrap_err();
            assert!(text.contains("memory or sqlite:PATH"), "{url}: {text}");
        }
        assert_eq!(
            store("sqlite:/var/f.db"),
            Ok(StoreChoice::Sqlite("/var/f.db".into()))
        );
    }

    #[test]
    fn both_missing_secrets_are_named_with_a_hint() {
        let text = mistakes(&["--store", "memory"], &[]);
        assert!(
            text.contains("FOUNTAIN_KEK is missing") && text.contains("FOUNTAIN_PEPPER is missing")
        );
        assert!(text.contains("openssl rand -base64 32") && text.contains("--dev"));
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        let text = mistakes(&["--dev", "--store", "memory", "--kek", "canary"], &[]);
        assert!(
            text.contains("FOUNTAIN_KEK_FILE") && !text.contains("canary"),
            "{text}"
        );
    }

    #[test]
    fn one_secret_of_the_pair_is_not_enough_even_for_development() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kek");
        std::fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        let file = file.to_str().unwrap();
        let text = mistakes(&["--dev", "--store", "memory", "--kek-file", file], &[]);
        assert!(text.contains("FOUNTAIN_PEPPER is missing") && !text.contains("FOUNTAIN_KEK "));
    }

    #[test]
    fn variables_of_what_is_not_there_are_named_and_not_ignored() {
        for (name, _) in NOT_YET {
            let text = mistakes(&["--dev", "--store", "memory"], &[name]);
            assert!(text.starts_with(name), "{text}");
        }
    }

    #[test]
    fn a_shared_secret_signs_nothing_here() {
        assert!(algorithm("HS256").is_err() && algorithm("none").is_err());
        assert_eq!(algorithm("ES256"), Ok(Algorithm::Es256));
    }

    #[test]
    fn every_algorithm_that_can_be_chosen_is_named_where_one_is_chosen() {
        let help = Arguments::command().render_long_help().to_string();
        let hint = algorithm("none").unwrap_err();
        for known in Algorithm::ALL.iter().filter(|a| !a.is_symmetric()) {
            assert_eq!(algorithm(known.as_str()), Ok(*known));
            let is_named = |text: &str| {
                text.split(|c: char| !c.is_ascii_alphanumeric())
                    .any(|word| word == known.as_str())
            };
            assert!(is_named(&help) && is_named(hint), "{known:?}");
        }
    }
}
