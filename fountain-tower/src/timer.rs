//! Who waits for the deadline of a decision: the one place of the library where time is awaited.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Waits. Injected, so that no runtime is forced on a host and no test sleeps.
///
/// It is asked only when a credential was not recalled and its verification did not end at once.
pub trait Timer: Debug + Send + Sync + 'static {
    /// Ends after `duration`.
    fn wait(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Waits with tokio's timer: the default where the feature `tokio` is on.
///
/// Outside of a tokio runtime it ends at once, with an event at level error: the decision is then refused with 503,
/// not taken without a deadline. The runtime's time driver must be enabled, as `#[tokio::main]` does.
#[cfg(feature = "tokio")]
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioTimer;

#[cfg(feature = "tokio")]
impl Timer for TokioTimer {
    #[expect(
        clippy::disallowed_methods,
        reason = "the deadline of R-90 has to be waited for; this is its one home"
    )]
    fn wait(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if tokio::runtime::Handle::try_current().is_ok() {
            Box::pin(tokio::time::sleep(duration))
        } else {
            tracing::error!("no tokio runtime to wait in: give the AuthLayer a Timer of yours");
            Box::pin(std::future::ready(()))
        }
    }
}
