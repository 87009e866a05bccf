//! One operation, done in several ways.

use std::fmt;

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The bare primitive: nobody can be faster who does the work.
    Limit,
    /// Another library.
    Peer,
    /// Fountain.
    Ours,
}

impl Role {
    /// Its name in tables and arguments.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Peer => "peer",
            Self::Ours => "ours",
        }
    }
}

/// What Fountain is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// At most this many times the limit's time.
    TimesLimit(f64),
    /// At most this many times the peer's time.
    TimesPeer(f64),
    /// At most this many nanoseconds.
    Nanoseconds(f64),
    /// At most this many nanoseconds more than the limit.
    Added(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesLimit(times) => write!(f, "{times:.2}x limit"),
            Self::TimesPeer(times) => write!(f, "{times:.2}x peer"),
            Self::Nanoseconds(ns) => write!(f, "{ns:.0} ns"),
            Self::Added(ns) => write!(f, "{ns:.0} ns over limit"),
        }
    }
}

/// One way to do an operation: does it as often as it is told.
pub struct Case {
    /// Who does it.
    pub role: Role,
    /// What is done, in a few words.
    pub what: &'static str,
    /// Makes ready for a block, which is not measured.
    pub prepare: Box<dyn FnMut()>,
    /// How often it is done at most after having been made ready.
    pub at_most: u32,
    /// Does it this many times.
    pub run: Box<dyn FnMut(u32)>,
}

impl Case {
    /// A case from one operation.
    pub fn new<T>(role: Role, what: &'static str, mut once: impl FnMut() -> T + 'static) -> Self {
        let run = move |times| {
            for _ in 0..times {
                std::hint::black_box(once());
            }
        };
        Self {
            role,
            what,
            prepare: Box::new(|| {}),
            at_most: u32::MAX,
            run: Box::new(run),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({}: {})", self.role.as_str(), self.what)
    }
}

/// One operation, done in several ways.
#[derive(Debug)]
pub struct Group {
    /// The operation.
    pub name: &'static str,
    /// What Fountain is to reach.
    pub target: Target,
    /// The ways, Fountain's among them.
    pub cases: Vec<Case>,
}
