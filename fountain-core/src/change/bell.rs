use std::fmt::Debug;

/// Tells the other nodes that this one has changed something, so that they read the change feed at once and not at
/// their next poll.
///
/// A bell carries no truth, only haste: what changed is in the store and its feed. A ring that is lost costs the time
/// to the next poll; a ring for nothing costs each node one reading. So a bell may be less dependable than the store,
/// and may be another system: Redis, say, beside a PostgreSQL whose pooler lets nobody `LISTEN`.
///
/// # Contract
/// - A: `ring` returns at once. It waits for nobody, fails in no way that its caller could see, and never panics: it is
///   called when a store call has returned, by whoever made that call.
/// - B: after a `ring`, whoever listens is woken at least once, as far as the bell is heard at all.
/// - C: rings while one is under way may become one ring that follows it, never none.
pub trait ChangeBell: Debug + Send + Sync + 'static {
    /// Something was changed, or may have been.
    fn ring(&self);
}
