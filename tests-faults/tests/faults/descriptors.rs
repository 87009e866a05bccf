//! A process that has no file descriptor left (F-41).
//!
//! The process is this test binary again, told to run [`a_child_runs_out_of_descriptors`] alone. It says on its standard error
//! how far it is, and goes on when it is told to on its standard input.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fountain_core::{Fountain, Reason};
use fountain_tests_faults::{Proxy, Server, within};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::redis::store;
use crate::world::{
    DECISION, RECOVERY, SLACK, accepts, accepts_token, issue, options, postgres, revoke, sign_in,
    timed, wiring,
};

const POSTGRES: &str = "FOUNTAIN_FAULT_POSTGRES";
const REDIS: &str = "FOUNTAIN_FAULT_REDIS";
const EXHAUSTED: &str = "the child has no descriptor left";
const RECOVERED: &str = "the child has recovered";

/// F-41: every call is an error in time, nobody is let in, nothing aborts; and all is well once there are descriptors again.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_descriptors_answers_with_errors_and_recovers() {
    let (postgres, redis) = (Server::postgres(&[]).await, Server::redis(&[]).await);
    let (to_postgres, to_redis) = (
        Proxy::to(postgres.address()).await,
        Proxy::to(redis.address()).await,
    );
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("descriptors::a_child_runs_out_of_descriptors")
        .env(POSTGRES, postgres.url_through(to_postgres.address()))
        .env(REDIS, redis.url_through(to_redis.address()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (said, mut tell) = (child.stderr.take().unwrap(), child.stdin.take().unwrap());
    let heard = tokio::task::spawn_blocking(move || {
        let mut heard = String::new();
        for line in BufReader::new(said).lines() {
            let line = line.unwrap();
            if line == EXHAUSTED {
                // From here on it needs new connections.
                to_postgres.cut();
                to_redis.cut();
                tell.write_all(b"go on\n").unwrap();
            }
            heard.push_str(&line);
            heard.push('\n');
        }
        heard
    });
    let heard = heard.await.unwrap();
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}: {heard}");
    assert!(
        heard.contains(EXHAUSTED) && heard.contains(RECOVERED),
        "{heard}"
    );
}

/// Not a test: the child of the one above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only as the child of a_process_without_descriptors_answers_with_errors_and_recovers"]
async fn a_child_runs_out_of_descriptors() {
    let nodes = [
        node_on_postgres(&ordered(POSTGRES)).await,
        node_on_redis(&ordered(REDIS)).await,
    ];
    let mut known = Vec::new();
    for node in &nodes {
        let (good, bad) = (issue(node).await.unwrap(), issue(node).await.unwrap());
        revoke(node, &bad).await.unwrap();
        known.push((good, bad, sign_in(node, "alice").await.unwrap()));
    }
    // What is open stays open. Nothing new gets a descriptor, not even that of something that is closed now.
    let usual = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..usual
    };
    setrlimit(Resource::Nofile, none).unwrap();
    let full = File::open("/dev/null").unwrap_err();
    assert_eq!(full.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
    eprintln!("{EXHAUSTED}");
    let mut told = String::new();
    std::io::stdin().read_line(&mut told).unwrap();
    assert_eq!(told, "go on\n");

    for (node, (good, bad, tokens)) in nodes.iter().zip(&known) {
        for key in [good, bad, good, bad] {
            let (answer, took) = timed(accepts(node, key)).await;
            assert_eq!(answer, Err(Reason::StoreUnavailable));
            assert!(took <= DECISION + SLACK, "{took:?}");
        }
        assert_eq!(
            accepts_token(node, tokens).await,
            Err(Reason::StoreUnavailable)
        );
        assert!(issue(node).await.is_err());
        assert!(revoke(node, good).await.is_err());
        assert!(node.ready().await.is_err());
        // Many at once end as well, all of them.
        let mut many = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (node, key) = (node.clone(), bad.clone());
            many.spawn(async move { accepts(&node, &key).await });
        }
        for answer in many.join_all().await {
            assert_eq!(answer, Err(Reason::StoreUnavailable));
        }
    }

    setrlimit(Resource::Nofile, usual).unwrap();
    for (node, (good, bad, tokens)) in nodes.iter().zip(&known) {
        let (_, took) = within("it is well again", RECOVERY, async || {
            accepts(node, good).await.ok()
        })
        .await;
        assert_eq!(accepts(node, good).await, Ok(true), "{took:?}");
        assert_eq!(accepts(node, bad).await, Ok(false));
        assert_eq!(accepts_token(node, tokens).await, Ok(true));
        revoke(node, good).await.unwrap();
        assert_eq!(accepts(node, good).await, Ok(false));
    }
    eprintln!("{RECOVERED}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "how a parent tells its child what to do"
)]
fn ordered(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable}: started without a parent"))
}

async fn node_on_postgres(url: &str) -> Fountain {
    let store = postgres(options(url), 4).await;
    wiring(Arc::new(store))
        .staleness(Duration::ZERO)
        .build()
        .await
        .unwrap()
}

async fn node_on_redis(url: &str) -> Fountain {
    wiring(Arc::new(store(url).await))
        .staleness(Duration::ZERO)
        .build()
        .await
        .unwrap()
}
