//! The list of all cases, and how they are run.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::context::{Context, Harness};

type CaseFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    run: fn(Context) -> CaseFuture,
}

/// Every case, by module: the one list that [`names`], [`run_all`] and [`conformance_tests!`](crate::conformance_tests) read.
#[doc(hidden)]
#[macro_export]
macro_rules! __cases {
    ([$($callback:tt)*] $given:tt) => {
        $($callback)*! { $given
            key_store: [
                key_store_a_insert_stores_the_record_as_given,
            ]
        }
    };
}

macro_rules! case_table {
    (() $($module:ident: [$($name:ident,)+])+) => {
        const CASES: &[Case] = &[
            $($(Case { name: stringify!($name), run: |cx| Box::pin(crate::$module::$name(cx)) },)+)+
        ];
    };
}
__cases! { [case_table] () }

/// One `#[test]` for every case of the suite, each named for the sentence of a contract that it proves.
///
/// Takes an expression that makes a [`Harness`]; it is evaluated for each test, inside of a tokio runtime. Use it
/// once in a module.
///
/// ```
/// # #[derive(Debug)]
/// # struct Memory;
/// # #[async_trait::async_trait]
/// # impl fountain_conformance::Harness for Memory {
/// #     async fn fresh(&self) -> std::sync::Arc<dyn fountain_core::Store> {
/// #         std::sync::Arc::new(fountain_core::memory::MemoryStore::new())
/// #     }
/// # }
/// fountain_conformance::conformance_tests!(Memory);
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::__cases! { [$crate::__tests] ($harness) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    (($harness:expr) $($module:ident: [$($name:ident,)+])+) => {
        $($(
            #[test]
            fn $name() {
                $crate::run_on_own_runtime(stringify!($name), || $harness);
            }
        )+)+
    };
}

/// The names of all cases, in the order of the contracts.
#[must_use]
pub fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

/// Runs one case on a runtime of its own with two workers; it is what [`conformance_tests!`](crate::conformance_tests)
/// makes of each.
///
/// # Panics
/// When the case fails, when there is no case of this name, or when no runtime can be made.
pub fn run_on_own_runtime<H: Harness>(name: &str, harness: impl FnOnce() -> H) {
    let case = find(name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime can be made");
    runtime.block_on(async {
        let cx = Context::new(Arc::new(harness()));
        let deadline = cx.rounds.deadline;
        if tokio::time::timeout(deadline, (case.run)(cx))
            .await
            .is_err()
        {
            panic!("{}", overdue(deadline));
        }
    });
}

/// Runs one case on the current tokio runtime.
///
/// # Panics
/// When there is no case of this name.
///
/// # Cancel safety
/// A dropped future stops the case; its store is left with whatever the case had put there.
pub async fn run(harness: Arc<dyn Harness>, name: &str) -> Verdict {
    let case = find(name);
    let cx = Context::new(harness);
    let deadline = cx.rounds.deadline;
    let failure = match tokio::time::timeout(deadline, spawn((case.run)(cx))).await {
        Ok(Ok(())) => None,
        Ok(Err(panic)) => Some(panic),
        Err(_) => Some(overdue(deadline)),
    };
    Verdict {
        name: case.name,
        failure,
    }
}

/// Runs every case on the current tokio runtime, one after the other. It should have at least two workers: on one,
/// calls take turns only where they wait.
///
/// ```
/// # use std::sync::Arc;
/// # #[derive(Debug)]
/// # struct Memory;
/// # #[async_trait::async_trait]
/// # impl fountain_conformance::Harness for Memory {
/// #     async fn fresh(&self) -> Arc<dyn fountain_core::Store> {
/// #         Arc::new(fountain_core::memory::MemoryStore::new())
/// #     }
/// #     fn rounds(&self) -> fountain_conformance::Rounds {
/// #         fountain_conformance::Rounds::default().races(2).polls(2).sequences(2)
/// #     }
/// #     fn feed_capacity(&self) -> Option<usize> {
/// #         Some(100_000)
/// #     }
/// # }
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let report = fountain_conformance::run_all(Arc::new(Memory)).await;
/// assert!(report.is_pass(), "{report}");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Cancel safety
/// A dropped future stops the current case and runs no more.
pub async fn run_all(harness: Arc<dyn Harness>) -> Report {
    let mut verdicts = Vec::with_capacity(CASES.len());
    for case in CASES {
        verdicts.push(run(harness.clone(), case.name).await);
    }
    Report { verdicts }
}

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The case's name.
    pub name: &'static str,
    /// What it found; none when it passed.
    pub failure: Option<String>,
}

/// How all cases ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One verdict for each case, in the order of the contracts.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether every case passed.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|case| case.failure.is_some())
    }
}

impl fmt::Display for Report {
    /// A line for each failed case, then the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.failures() {
            let why = case.failure.as_deref().unwrap_or_default();
            writeln!(f, "{}: {why}", case.name)?;
        }
        let failed = self.failures().count();
        write!(
            f,
            "{} passed, {failed} failed",
            self.verdicts.len() - failed
        )
    }
}

fn find(name: &str) -> Case {
    *CASES
        .iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("the suite has no case {name}"))
}

/// Runs a case in a task of its own, so that its panic can be told from ours; dropping this ends the task.
async fn spawn(case: CaseFuture) -> Result<(), String> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(case);
    match tasks.join_next().await {
        None | Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(match error.try_into_panic() {
            Ok(panic) => message(panic.as_ref()),
            Err(error) => error.to_string(),
        }),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "it panicked with something that is no text".into())
}

fn overdue(deadline: std::time::Duration) -> String {
    format!(
        "it did not end within {deadline:?}: a call never completed, or Rounds asks for too much"
    )
}
