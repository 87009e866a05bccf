use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use zeroize::Zeroizing;

use super::blocks::{Blocks, HashFailed};
use super::cost::HashCost;
use super::hash::{PasswordHash, SALT_LEN, TAG_LEN};
use super::normal::normal;
use super::pool::{Pool, PoolError};
use crate::error::{ConfigError, ConfigErrors, Error, ErrorKind, Reason, Rejection};
use crate::metrics::{Labelled, PASSWORD_HASHES};
use crate::random::{OsRandom, Random, array};
use crate::secret::Secret;

/// Hashes and verifies passwords, off the threads of requests. Cheap to clone; clones share the workers.
///
/// A password is 1 to 1,024 bytes of UTF-8, taken in normal form C. See the [module](super) for an example, and
/// [`PasswordRules`](super::PasswordRules) for what may be chosen as one.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool<Blocks>,
    cost: HashCost,
    random: Arc<dyn Random>,
    /// What an unknown subject's password is held against: of the cost that known subjects' hashes have.
    nobody: PasswordHash,
    outcomes: Labelled,
}

/// What came of verifying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum PasswordCheck {
    /// It is the password.
    Match,
    /// It is the password, and its hash is weaker than new ones are: [`Passwords::hash`] it again and store that.
    MatchNeedsRehash,
    /// It is not, or there is no such subject.
    Mismatch,
}

impl PasswordCheck {
    /// Whether it is the password.
    #[must_use]
    pub const fn is_match(self) -> bool {
        matches!(self, Self::Match | Self::MatchNeedsRehash)
    }
}

/// What the metric is labelled with.
#[derive(Clone, Copy)]
enum Outcome {
    Hashed,
    Matched,
    Mismatched,
    Busy,
    Failed,
}

impl Outcome {
    const COUNT: usize = 5;

    const fn label(self) -> (usize, &'static str) {
        match self {
            Self::Hashed => (0, "hashed"),
            Self::Matched => (1, "matched"),
            Self::Mismatched => (2, "mismatched"),
            Self::Busy => (3, "busy"),
            Self::Failed => (4, "failed"),
        }
    }
}

impl Passwords {
    /// Starts to wire one up.
    pub fn builder() -> PasswordsBuilder {
        PasswordsBuilder {
            cost: HashCost::default(),
            workers: None,
            queue: 256,
            random: Arc::new(OsRandom),
        }
    }

    /// The cost of new hashes.
    #[must_use]
    pub fn cost(&self) -> HashCost {
        self.0.cost
    }

    /// Hashes a new password under a new salt, at the cost of this service.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty or longer than 1,024 bytes; `Refused` as unavailable (503) when the queue is full;
    /// `Entropy`; `Crypto` when there is no memory to hash in.
    ///
    /// # Cancel safety
    /// A dropped call leaves nothing behind: if a worker was at it, it finishes first.
    pub async fn hash(&self, password: &Secret) -> Result<PasswordHash, Error> {
        let password = normal(password.expose())
            .filter(|password| !password.is_empty())
            .ok_or(Error::invalid("password", "give 1 to 1024 bytes"))?;
        let salt: [u8; SALT_LEN] = array(&*self.0.random)?;
        let cost = self.0.cost;
        let kept = self.kept();
        let tag = self
            .work(move |blocks| {
                let mut tag = [0; TAG_LEN];
                blocks.hash(password.as_bytes(), &salt, cost, kept, &mut tag)?;
                Ok(tag)
            })
            .await?;
        self.count(Outcome::Hashed);
        PasswordHash::new(cost, &salt, &tag)
    }

    /// Whether this is the password of `stored`. With none stored, since there is no such subject or it has no
    /// password, the same work is done, at the cost of this service, and the answer is `Mismatch`.
    ///
    /// In this order: an input of more than 1,024 bytes is a mismatch; a full queue is a refusal; then it is hashed, and
    /// compared in constant time.
    ///
    /// # Errors
    /// `Refused` as unavailable (503) when the queue is full; `Crypto` when there is no memory to hash in. Neither says
    /// anything about the password, and neither may be taken for a match.
    ///
    /// # Security
    /// Count the attempt before this is called, and call it for unknown subjects as well. While subjects remain whose
    /// hash is of another cost than this service's, their answers take another time than those for unknown subjects.
    ///
    /// # Cancel safety
    /// A dropped call has no answer and leaves nothing behind: if a worker was at it, it finishes first.
    pub async fn verify(
        &self,
        password: &Secret,
        stored: Option<&PasswordHash>,
    ) -> Result<PasswordCheck, Error> {
        let Some(password) = normal(password.expose()) else {
            self.count(Outcome::Mismatched);
            return Ok(PasswordCheck::Mismatch);
        };
        let against = stored.unwrap_or(&self.0.nobody).clone();
        let kept = self.kept();
        let is_tag = self
            .work(move |blocks| {
                let mut tag = Zeroizing::new([0; phc_tag::MAX]);
                let (tag, _) = tag.split_at_mut(against.tag().len().min(phc_tag::MAX));
                let salt = against.salt();
                blocks.hash(password.as_bytes(), salt, against.cost(), kept, tag)?;
                Ok(against.is_tag(tag))
            })
            .await?;
        // The dummy's tag is random and of no password; that it cannot match is not left to chance.
        let check = match stored {
            Some(stored) if is_tag && stored.is_below(self.0.cost) => {
                PasswordCheck::MatchNeedsRehash
            }
            Some(_) if is_tag => PasswordCheck::Match,
            _ => PasswordCheck::Mismatch,
        };
        self.count(if check.is_match() {
            Outcome::Matched
        } else {
            Outcome::Mismatched
        });
        Ok(check)
    }

    async fn work<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Blocks) -> Result<T, HashFailed> + Send + 'static,
        T: Clone + Send + Sync + 'static,
    {
        match self.0.pool.run(work).await {
            Ok(Ok(value)) => Ok(value),
            Err(PoolError::Full) => {
                self.count(Outcome::Busy);
                Err(Rejection::unavailable(Reason::PasswordWorkersBusy).into())
            }
            Ok(Err(HashFailed)) | Err(PoolError::Lost) => {
                self.count(Outcome::Failed);
                Err(Error::new(ErrorKind::Crypto("hashing a password")))
            }
        }
    }

    /// How many blocks of 1 KiB a worker keeps: what its usual work needs.
    fn kept(&self) -> usize {
        usize::try_from(self.0.cost.memory_kib()).unwrap_or(0)
    }

    fn count(&self, outcome: Outcome) {
        let (index, label) = outcome.label();
        self.0.outcomes.increment(index, label);
    }
}

/// The longest tag that a PHC string can hold.
mod phc_tag {
    pub(super) const MAX: usize = argon2::password_hash::phc::Output::MAX_LENGTH;
}

/// Wires [`Passwords`].
///
/// Unless told otherwise: OWASP's cost, one worker fewer than there are processors (at least one), 256 waiting, the
/// operating system's randomness.
#[derive(Debug)]
#[must_use]
pub struct PasswordsBuilder {
    cost: HashCost,
    workers: Option<usize>,
    queue: usize,
    random: Arc<dyn Random>,
}

impl PasswordsBuilder {
    /// The cost of new hashes. Raise it at any time: verifying tells which hashes are to be made anew.
    pub fn cost(mut self, cost: HashCost) -> Self {
        self.cost = cost;
        self
    }

    /// How many passwords are hashed at once: one fewer than there are processors, so that one is left for all that
    /// takes microseconds. At most one for each processor. Each keeps as much memory as a hash costs.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How many may wait for a worker, 256; at most 65,536. Who comes after that is refused with 503.
    ///
    /// 256 are worked through by one worker in about 4 s. A longer queue keeps people waiting who have left by then.
    pub fn queue(mut self, waiting: usize) -> Self {
        self.queue = waiting;
        self
    }

    /// Where salts come from.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    /// When there are no workers or more than processors, when nobody may wait or more than 65,536, when the operating
    /// system gives no randomness or no threads.
    pub fn build(self) -> Result<Passwords, ConfigErrors> {
        let mut errors = Vec::new();
        let mut mistake = |setting, hint| errors.push(ConfigError::Invalid { setting, hint });
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = self.workers.unwrap_or(processors.saturating_sub(1).max(1));
        if workers == 0 || workers > processors {
            mistake("workers", "give 1 to the number of processors");
        }
        if !(1..=65_536).contains(&self.queue) {
            mistake("queue", "give 1 to 65536");
        }
        let nobody = array(&*self.random)
            .and_then(|salt| PasswordHash::new(self.cost, &salt, &array(&*self.random)?))
            .map_err(|_| mistake("random", "give a source of randomness that works"));
        ConfigErrors::from_iter(errors).into_result()?;
        let no_threads = ConfigError::Invalid {
            setting: "workers",
            hint: "the operating system gave no thread: give fewer, or raise its limit",
        };
        let (Ok(nobody), Ok(pool)) = (
            nobody,
            Pool::start("fountain-password", workers, self.queue),
        ) else {
            return Err(no_threads.into());
        };
        Ok(Passwords(Arc::new(Inner {
            pool,
            cost: self.cost,
            random: self.random,
            nobody,
            outcomes: Labelled::new(PASSWORD_HASHES, Outcome::COUNT),
        })))
    }
}

#[cfg(test)]
mod tests;
