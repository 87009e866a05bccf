//! The reference service: arguments, logs and signals around [`fountain_examples::service`].
//!
//! ```text
//! cargo run -p fountain-examples --bin service -- --dev
//! ```

use std::io::Write as _;
use std::process::ExitCode;

use fountain_examples::service::Service;
use fountain_examples::service::config::{Config, Refusal};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::read() {
        Ok(config) => config,
        Err(Refusal::Arguments(error)) => {
            let asked_for = !error.use_stderr();
            // Nowhere to say that it cannot be said.
            let _ = error.print();
            return ExitCode::from(if asked_for { 0 } else { 2 });
        }
        Err(Refusal::Mistakes(mistakes)) => {
            let mut stderr = std::io::stderr().lock();
            for mistake in mistakes {
                let _ = writeln!(stderr, "error: {mistake}");
            }
            return ExitCode::from(2);
        }
    };
    let level = match config.verbose {
        0 => Level::INFO,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    tracing_subscriber::fmt()
        .json()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
    match run(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the service ends");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Before anything is announced: who reads the line may send the signal at once.
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let service = Service::start(config).await?;
    if config.dev {
        tracing::warn!("--dev: secrets and tokens are made here; not for anything that matters");
    }
    if let Some(password) = service.admin_password() {
        announce(
            &json!({ "event": "bootstrap", "username": "admin", "password": password.expose() }),
        )?;
    }
    announce(&json!({ "event": "listening", "address": service.address().to_string() }))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining");
    service.stop().await
}

/// One line on stdout, which is for programs; logs go to stderr.
fn announce(event: &Value) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{event}")?;
    stdout.flush()
}
