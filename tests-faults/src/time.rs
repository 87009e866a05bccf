//! Waiting, bounded. The rest of the workspace does not sleep; who waits for a server has to.

use std::time::{Duration, Instant};

/// Waits for `duration`, in real time.
#[expect(
    clippy::disallowed_methods,
    reason = "faults of real servers take real time; this is the one place that waits"
)]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Tries until the answer is `Some`, at most for `bound`; gives it with the time that it took.
///
/// # Panics
/// When the bound runs out, naming `what`.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is real time; see `pause`"
)]
pub async fn within<T, F>(what: &str, bound: Duration, mut attempt: F) -> (T, Duration)
where
    F: AsyncFnMut() -> Option<T>,
{
    let began = Instant::now();
    loop {
        // An attempt that hangs must not outlive the bound.
        let left = bound.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, attempt()).await {
            Ok(Some(answer)) => return (answer, began.elapsed()),
            Ok(None) if began.elapsed() < bound => pause(STEP).await,
            Ok(None) | Err(_) => panic!("not within {bound:?}: {what}"),
        }
    }
}

/// How long is waited between two attempts: 5 ms.
const STEP: Duration = Duration::from_millis(5);
