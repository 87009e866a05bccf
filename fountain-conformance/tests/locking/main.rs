//! The locking of `MemoryStore`, and of the questions that callers share, under the model checker shuttle: thousands of
//! schedules of a race, each of which shuttle chooses at every lock, instead of those few that a machine happens to run.
//!
//! Their source is compiled here a second time, with shuttle's locks in the place of std's ([`memory`], [`flight`]). So no
//! build of Fountain has a feature, a `cfg` or a dependency for it, and the tests run with all others. *Rejected:*
//! `RUSTFLAGS="--cfg shuttle"`, which compiles every dependency anew, aws-lc among them.
//!
//! A failing schedule is printed; give it to `shuttle::replay`.

// What their source finds under `crate`.
use fountain_core::{
    access, api_key, audit, change, identity, lockout, login, otp, password, signing, token,
};
mod clock {
    pub(crate) use fountain_core::{Clock, Timestamp};
}
mod error {
    pub(crate) use fountain_core::{StoreError, StoreErrorKind};
}
mod secret {
    pub(crate) use fountain_core::Digest;
}

#[cfg(test)]
mod broken;
#[cfg(test)]
mod check;
#[cfg(test)]
mod factors;
#[cfg(test)]
mod flight;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lockouts;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod signing_keys;
