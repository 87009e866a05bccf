//! The Redis benchmark runs.

use fountain_benches::redis::{Bench, Load};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_and_the_bare_script_both_run() {
    let url = std::env::var_os("FOUNTAIN_TEST_REDIS").expect(
        "FOUNTAIN_TEST_REDIS is not set: run `eval \"$(scripts/services start redis)\"` first",
    );
    let bench = Bench::open(
        url.to_str().unwrap(),
        &format!("benches:{}", std::process::id()),
    )
    .await;
    for figures in [
        bench.find(Load::QUICK).await,
        bench.rotate(Load::QUICK).await,
    ] {
        assert!(
            figures.bare > 0.0 && figures.ours > 0.0 && figures.share > 0.0,
            "{figures:?}"
        );
    }
    bench.end().await;
}
