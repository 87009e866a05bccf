use std::fmt;

use serde::{Deserialize, Serialize};

use super::digits::{Digits, OtpAlgorithm};
use super::secret::OtpSecret;
use super::uri::{self, OtpauthUse};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::secret::Secret;

/// A time-based one-time password (RFC 6238): what an authenticator app shows.
///
/// Six digits, 30 s, SHA-1, and the step before the present one accepted as well, unless told otherwise (R-46, R-47). An
/// example is in the [module](super).
///
/// # Security
/// [`Totp::verify`] decides nothing by itself: the step that it gives has to be taken in one atomic step, which fails when
/// this secret's last step is not before it (R-48). Count the attempt first.
#[derive(Clone)]
pub struct Totp {
    secret: OtpSecret,
    algorithm: OtpAlgorithm,
    digits: Digits,
    period: u32,
    window: TotpWindow,
}

/// A time step: how many periods have passed since 1970 (RFC 6238 section 4.2), in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TotpStep(u64);

impl TotpStep {
    /// A step read back from a store.
    #[must_use]
    pub const fn new(step: u64) -> Self {
        Self(step)
    }

    /// Its number. It fits into 63 bits.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// How many steps around the present one are accepted.
///
/// ```
/// use fountain_core::otp::TotpWindow;
///
/// assert_eq!(TotpWindow::default(), TotpWindow::new(1, 0)?);
/// assert!(TotpWindow::new(3, 0).is_err()); // each step is one more guess that hits
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct TotpWindow {
    past: u8,
    future: u8,
}

impl TotpWindow {
    /// So many steps before and after the present one: at most 2 each (R-47).
    ///
    /// # Errors
    /// `InvalidInput` when either is more than 2.
    pub const fn new(past: u8, future: u8) -> Result<Self, Error> {
        if past > 2 || future > 2 {
            return Err(Error::invalid(
                "TOTP window",
                "give at most 2 steps before and 2 after",
            ));
        }
        Ok(Self { past, future })
    }
}

impl Default for TotpWindow {
    /// The present step and the one before it: a code lives as long as a person takes to type it.
    fn default() -> Self {
        Self { past: 1, future: 0 }
    }
}

impl TryFrom<(u8, u8)> for TotpWindow {
    type Error = Error;
    fn try_from((past, future): (u8, u8)) -> Result<Self, Error> {
        Self::new(past, future)
    }
}

impl From<TotpWindow> for (u8, u8) {
    fn from(window: TotpWindow) -> Self {
        (window.past, window.future)
    }
}

/// What came of a submitted TOTP code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum TotpOutcome {
    /// It is the code of this step, which lies after the last one. Take the step in the store; it decides who was first.
    Accepted {
        /// The step to take.
        step: TotpStep,
    },
    /// It is the code of a step that is not after the last one taken: somebody uses it again.
    Replayed {
        /// Its step.
        step: TotpStep,
    },
    /// The last step taken lies after every step that could be accepted now. This node's clock is behind, or it or another
    /// was once ahead: nothing is accepted until time has caught up, so tell an operator. Answer as if it were wrong.
    ClockBehind {
        /// The last step taken.
        last: TotpStep,
        /// The step of now.
        now: TotpStep,
    },
    /// It is not the code of any step in the window.
    Wrong,
    /// It is not so many ASCII digits.
    Malformed,
}

impl Totp {
    /// Six digits, 30 s, SHA-1; the present step and the one before.
    #[must_use]
    pub fn new(secret: OtpSecret) -> Self {
        Self {
            secret,
            algorithm: OtpAlgorithm::default(),
            digits: Digits::default(),
            period: 30,
            window: TotpWindow::default(),
        }
    }

    /// With this hash. Authenticator apps may ignore it; see [`OtpAlgorithm`].
    #[must_use]
    pub fn algorithm(mut self, algorithm: OtpAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// With this many digits.
    #[must_use]
    pub fn digits(mut self, digits: Digits) -> Self {
        self.digits = digits;
        self
    }

    /// With steps of this many seconds: 15 to 300. Authenticator apps may ignore it.
    ///
    /// # Errors
    /// `InvalidInput` when it is less or more.
    pub fn period(mut self, seconds: u32) -> Result<Self, Error> {
        if !uri::PERIODS.contains(&seconds) {
            return Err(Error::invalid("TOTP period", "give 15 to 300 seconds"));
        }
        self.period = seconds;
        Ok(self)
    }

    /// With this window.
    #[must_use]
    pub fn window(mut self, window: TotpWindow) -> Self {
        self.window = window;
        self
    }

    /// The step of an instant; none before 1970.
    #[must_use]
    pub fn step_at(&self, now: Timestamp) -> Option<TotpStep> {
        let seconds = u64::try_from(now.as_unix_seconds()).ok()?;
        Some(TotpStep(seconds / u64::from(self.period)))
    }

    /// The code that an authenticator shows at an instant; none before 1970.
    #[must_use]
    pub fn code_at(&self, now: Timestamp) -> Option<Secret> {
        let step = self.step_at(now)?;
        let token = self.theirs().generate(self.seconds(step));
        Some(Secret::from(token.to_string()))
    }

    /// Holds a submitted code against the window around `now`. `last` is the last step taken of this secret, none if none
    /// ever was; a store's atomic step decides it again.
    ///
    /// In this order: is it a code at all; is the clock behind the last step; is it the code of a step of the window, the
    /// present one first, then those before it, then those after; was that step taken.
    pub fn verify(&self, code: &str, now: Timestamp, last: Option<TotpStep>) -> TotpOutcome {
        if !self.digits.is_code(code) {
            return TotpOutcome::Malformed;
        }
        let Some(present) = self.step_at(now) else {
            return TotpOutcome::Wrong;
        };
        let (past, future) = (u64::from(self.window.past), u64::from(self.window.future));
        if let Some(last) = last.filter(|last| last.0 > present.0.saturating_add(future)) {
            return TotpOutcome::ClockBehind { last, now: present };
        }
        let theirs = self.theirs();
        let before = (1..=past).filter_map(|steps| present.0.checked_sub(steps));
        let after = (1..=future).filter_map(|steps| present.0.checked_add(steps));
        let matched = std::iter::once(present.0)
            .chain(before)
            .chain(after)
            .map(TotpStep)
            .find(|step| theirs.check(code, self.seconds(*step)).is_some());
        match matched {
            None => TotpOutcome::Wrong,
            Some(step) if last.is_some_and(|last| step <= last) => TotpOutcome::Replayed { step },
            Some(step) => TotpOutcome::Accepted { step },
        }
    }

    /// The otpauth URI that an authenticator scans: with the issuer in both places, and only what differs from the usual.
    ///
    /// # Errors
    /// `InvalidInput` when the issuer or the account is empty, longer than 64 or 255 bytes, has a `:`, a control character
    /// or a blank at its ends.
    ///
    /// # Security
    /// It holds the secret: show it once, to its owner, and never log it.
    pub fn uri(&self, issuer: &str, account: &str) -> Result<Secret, Error> {
        let parameters = OtpauthUse::Totp {
            period: self.period,
        };
        uri::write(
            &self.secret,
            self.algorithm,
            self.digits,
            parameters,
            issuer,
            account,
        )
    }

    /// The first second of a step, which does not overflow: a step comes from a timestamp, and those end in the year 9999.
    fn seconds(&self, step: TotpStep) -> u64 {
        step.0.saturating_mul(u64::from(self.period))
    }

    /// totp-rs's, with a window of nothing: which steps are tried is decided here, since its window is symmetric.
    fn theirs(&self) -> totp_rs::Totp {
        totp_rs::Builder::new()
            .with_algorithm(self.algorithm.theirs())
            .with_digits(self.digits.count())
            .with_step_duration(u64::from(self.period))
            .with_skew(0)
            .with_secret(self.secret.theirs())
            // It has a secret and 6 or 8 digits, for which alone `build` could fail, and panics later if it had not.
            .build_noncompliant()
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp")
            .field("algorithm", &self.algorithm)
            .field("digits", &self.digits)
            .field("period", &self.period)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
