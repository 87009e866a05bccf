//! Calls that run at once, and calls that are dropped.

use std::panic::resume_unwind;
use std::pin::pin;
use std::task::Poll;

use tokio::task::JoinSet;

/// Runs `tasks` futures at once, each in a task of its own, and gives what came of them, in the order in which they
/// ended. A task that panics fails the case.
pub(crate) async fn race<F>(tasks: usize, make: impl FnMut(usize) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let mut running: JoinSet<_> = (0..tasks).map(make).collect();
    let mut outcomes = Vec::with_capacity(tasks);
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
    outcomes
}

/// How many of these there are.
pub(crate) fn count<T>(outcomes: &[T], is: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|outcome| is(outcome)).count()
}

/// Polls a call at most so many times, each time when it asked to be, and drops it then. None when it was dropped
/// before it had ended.
pub(crate) async fn drop_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F-21
    #[tokio::test]
    async fn a_call_that_waits_three_times_ends_at_its_fourth_poll() {
        let waits = || async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(drop_after(0, waits()).await, None);
        assert_eq!(drop_after(3, waits()).await, None);
        assert_eq!(drop_after(4, waits()).await, Some(()));
    }

    #[tokio::test]
    #[should_panic(expected = "lost")]
    async fn a_panic_in_a_task_is_a_panic_of_the_race() {
        race(2, |n| async move { assert_eq!(n, 0, "lost") }).await;
    }
}
