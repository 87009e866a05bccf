//! Prints what the Redis store does beside the bare script, on the server that `FOUNTAIN_TEST_REDIS` names.
//!
//! `redis [--quick]`

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::ExitCode;

use fountain_benches::redis::{Bench, Figures, Load};

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let url = std::env::var_os("FOUNTAIN_TEST_REDIS").and_then(|url| url.into_string().ok());
    let Some(url) = url else {
        println!("FOUNTAIN_TEST_REDIS is not set: eval \"$(scripts/services start redis)\"");
        return ExitCode::FAILURE;
    };
    let quick = std::env::args()
        .nth(1)
        .is_some_and(|word| word == "--quick");
    let load = if quick { Load::QUICK } else { Load::FULL };
    let bench = Bench::open(&url, "benches").await;
    println!(
        "| {} callers on one connection | bare script | ours | share |",
        load.callers
    );
    println!("|---|--:|--:|--:|");
    print("find an API key by its digest", bench.find(load).await);
    print(
        "rotate a refresh token, with its audit event",
        bench.rotate(load).await,
    );
    bench.end().await;
    ExitCode::SUCCESS
}

fn print(name: &str, figures: Figures) {
    let Figures { bare, ours, share } = figures;
    println!(
        "| {name} | {:.1}k/s | {:.1}k/s | {:.0} % |",
        bare / 1e3,
        ours / 1e3,
        share * 1e2
    );
}
