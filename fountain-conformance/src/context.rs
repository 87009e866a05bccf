//! What a case is given: a way to an empty store, fixtures, and how often to try.

use std::ffi::OsString;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fountain_core::Store;
use fountain_core::access::SubjectStore;
use fountain_core::api_key::KeyStore;
use fountain_core::audit::AuditStore;
use fountain_core::change::ChangeFeed;
use fountain_core::lockout::LockoutStore;
use fountain_core::login::CredentialStore;
use fountain_core::otp::{ChallengeStore, FactorStore};
use fountain_core::signing::SigningKeyStore;
use fountain_core::token::{RefreshTokenStore, RevocationStore};

use crate::fixtures::Fixtures;

/// Makes the stores that the suite tries.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use fountain_conformance::Harness;
/// use fountain_core::Store;
/// use fountain_core::memory::MemoryStore;
///
/// #[derive(Debug)]
/// struct Memory;
///
/// #[async_trait]
/// impl Harness for Memory {
///     async fn fresh(&self) -> Arc<dyn Store> {
///         Arc::new(MemoryStore::new())
///     }
/// }
/// ```
#[async_trait]
pub trait Harness: Debug + Send + Sync + 'static {
    /// A new store with nothing in it, which no other store that this gave can see: a file, a schema or a key
    /// prefix of its own. Called several times by some cases. It may panic when it cannot make one.
    async fn fresh(&self) -> Arc<dyn Store>;

    /// How often to try. The default is made for stores whose calls take microseconds.
    fn rounds(&self) -> Rounds {
        Rounds::default()
    }

    /// After how many changes, at the latest, the feed drops its oldest ones; none when it never does.
    ///
    /// With a number, the suite makes that many changes and one more, and demands a gap. With none, it demands
    /// that 2,000 changes (two full batches) are all still there.
    fn feed_capacity(&self) -> Option<usize> {
        None
    }
}

/// How often the suite tries what depends on luck.
///
/// ```
/// use fountain_conformance::Rounds;
///
/// let slow_store = Rounds::default().races(20).polls(50).sequences(100);
/// let nightly = Rounds::default().sequences(10_000);
/// # let _ = (slow_store, nightly);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    pub(crate) races: usize,
    pub(crate) service_races: usize,
    pub(crate) tasks: usize,
    pub(crate) polls: usize,
    pub(crate) sequences: usize,
    pub(crate) seed: u64,
    pub(crate) deadline: Duration,
}

impl Default for Rounds {
    /// 1,000 rounds of every race of calls of the store (R-40, R-48) and 10 of those through a service, 64 tasks each; futures dropped after 1 to 200 polls (R-103);
    /// 300 random sequences; 300 s for a case.
    fn default() -> Self {
        Self {
            races: 1_000,
            service_races: 10,
            tasks: 64,
            polls: 200,
            sequences: 300,
            seed: 0,
            deadline: Duration::from_secs(300),
        }
    }
}

impl Rounds {
    /// How often each race is run, at least once.
    #[must_use]
    pub fn races(mut self, rounds: usize) -> Self {
        self.races = rounds.max(1);
        self
    }

    /// How often each race of calls to a service on the store is run, at least once. Each of them makes many calls of the store.
    #[must_use]
    pub fn service_races(mut self, rounds: usize) -> Self {
        self.service_races = rounds.max(1);
        self
    }

    /// How many tasks race, at least two.
    #[must_use]
    pub fn tasks(mut self, tasks: usize) -> Self {
        self.tasks = tasks.max(2);
        self
    }

    /// After up to how many polls calls are dropped, at least one. A call that never waits is done at its first.
    #[must_use]
    pub fn polls(mut self, polls: usize) -> Self {
        self.polls = polls.max(1);
        self
    }

    /// How many random sequences of calls are held against the memory store, at least one.
    #[must_use]
    pub fn sequences(mut self, sequences: usize) -> Self {
        self.sequences = sequences.max(1);
        self
    }

    /// From which seed identifiers and random sequences are made; 0 unless told otherwise.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same, but with as many random sequences as `FOUNTAIN_MODEL_SEQUENCES` says, and from the seed in
    /// `FOUNTAIN_MODEL_SEED`; a variable that is not set changes nothing. So the tests of a store run few sequences at
    /// every change and 10,000 (R-102) when somebody asks for them, and a sequence that failed can be run again. A case
    /// may then take 1 s a sequence, if that is longer than its deadline. `FOUNTAIN_SERVICE_RACES` says how often races through a
    /// service are run, for each of which 5 s are allowed.
    ///
    /// ```
    /// # use fountain_conformance::Rounds;
    /// let rounds = Rounds::default().sequences(50).or_from_environment();
    /// # let _ = rounds;
    /// ```
    ///
    /// # Panics
    /// When a variable holds something that is no number.
    #[must_use]
    pub fn or_from_environment(self) -> Self {
        self.or_from(&|name| std::env::var_os(name))
    }

    fn or_from(mut self, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let number = |name: &str| -> Option<u64> {
            let text = variable(name)?;
            let number = text.to_str().and_then(|text| text.parse().ok());
            Some(number.unwrap_or_else(|| panic!("{name} is no number: {text:?}")))
        };
        if let Some(sequences) = number("FOUNTAIN_MODEL_SEQUENCES") {
            self = self.sequences(usize::try_from(sequences).unwrap());
            self.deadline = self.deadline.max(Duration::from_millis(sequences * 1_000));
        }
        if let Some(races) = number("FOUNTAIN_SERVICE_RACES") {
            self = self.service_races(usize::try_from(races).unwrap());
            self.deadline = self.deadline.max(Duration::from_secs(races * 5));
        }
        if let Some(seed) = number("FOUNTAIN_MODEL_SEED") {
            self.seed = seed;
        }
        self
    }

    /// How long a case may take before it has failed. It is what ends a case whose call never completes.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// What every case is given.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    harness: Arc<dyn Harness>,
    pub(crate) rounds: Rounds,
    pub(crate) fixtures: Fixtures,
}

impl Context {
    pub(crate) fn new(harness: Arc<dyn Harness>) -> Self {
        let rounds = harness.rounds();
        Self {
            harness,
            rounds,
            fixtures: Fixtures::seeded(rounds.seed),
        }
    }

    /// An empty store.
    pub(crate) async fn fresh(&self) -> Stores {
        Stores::of(self.harness.fresh().await)
    }

    pub(crate) fn feed_capacity(&self) -> Option<usize> {
        self.harness.feed_capacity()
    }
}

/// One store, seen as each of its traits: several of them have a method of the same name.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) signing: Arc<dyn SigningKeyStore>,
    pub(crate) refresh: Arc<dyn RefreshTokenStore>,
    pub(crate) revocations: Arc<dyn RevocationStore>,
    pub(crate) subjects: Arc<dyn SubjectStore>,
    pub(crate) credentials: Arc<dyn CredentialStore>,
    pub(crate) factors: Arc<dyn FactorStore>,
    pub(crate) challenges: Arc<dyn ChallengeStore>,
    pub(crate) lockouts: Arc<dyn LockoutStore>,
    pub(crate) audit: Arc<dyn AuditStore>,
    pub(crate) feed: Arc<dyn ChangeFeed>,
}

impl Stores {
    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        Self {
            keys: store.clone(),
            signing: store.clone(),
            refresh: store.clone(),
            revocations: store.clone(),
            subjects: store.clone(),
            credentials: store.clone(),
            factors: store.clone(),
            challenges: store.clone(),
            lockouts: store.clone(),
            audit: store.clone(),
            feed: store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sequences: Option<&str>, seed: Option<&str>) -> Rounds {
        let (sequences, seed) = (sequences.map(OsString::from), seed.map(OsString::from));
        let races = seed.as_ref().map(|_| OsString::from("1000"));
        Rounds::default()
            .seed(3)
            .sequences(50)
            .or_from(&|name| match name {
                "FOUNTAIN_MODEL_SEQUENCES" => sequences.clone(),
                "FOUNTAIN_MODEL_SEED" => seed.clone(),
                "FOUNTAIN_SERVICE_RACES" => races.clone(),
                other => panic!("{other} is nobody's variable"),
            })
    }

    #[test]
    fn the_environment_says_how_many_sequences_and_from_which_seed() {
        let few = asked(None, None);
        assert_eq!((few.sequences, few.seed, few.service_races), (50, 3, 10));
        assert_eq!(few.deadline, Rounds::default().deadline);
        let many = asked(Some("10000"), Some("7"));
        assert_eq!((many.sequences, many.seed), (10_000, 7));
        assert_eq!(many.service_races, 1_000);
        assert_eq!(many.deadline, Duration::from_secs(10_000));
        assert_eq!(asked(Some("10"), None).deadline, few.deadline);
    }

    #[test]
    #[should_panic(expected = "FOUNTAIN_MODEL_SEQUENCES is no number")]
    fn what_is_no_number_is_not_taken_for_the_default() {
        let _ = asked(Some("many"), None);
    }
}
