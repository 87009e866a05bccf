use std::fmt;

use super::digits::{Digits, OtpAlgorithm};
use super::secret::OtpSecret;
use super::uri::{self, OtpauthUse};
use crate::error::Error;
use crate::secret::Secret;

/// A counter-based one-time password (RFC 4226): what a token with a button shows.
///
/// Six digits, SHA-1, and 5 codes looked ahead, unless told otherwise (R-49).
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::otp::{Hotp, HotpOutcome, OtpSecret};
///
/// let hotp = Hotp::new(OtpSecret::generate(&OsRandom)?);
/// let mut counter = 0; // the next that may be accepted: kept in a store
///
/// let third = hotp.code_at(2); // the button was pressed twice in a pocket
/// let HotpOutcome::Accepted { next } = hotp.verify(third.expose(), counter) else { panic!() };
/// counter = next;
/// assert_eq!(counter, 3);
/// // not again, and none before it
/// assert_eq!(hotp.verify(third.expose(), counter), HotpOutcome::Wrong);
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// The counter that [`Hotp::verify`] gives has to be taken in one atomic step, which fails when this secret's counter is not
/// the one that was given. Count the attempt first.
#[derive(Clone)]
pub struct Hotp {
    secret: OtpSecret,
    algorithm: OtpAlgorithm,
    digits: Digits,
    look_ahead: LookAhead,
}

/// How many codes beyond the expected one are tried (`s` of RFC 4226 section 7.4): 0 to 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookAhead(u8);

impl LookAhead {
    /// So many codes.
    ///
    /// # Errors
    /// `InvalidInput` when it is more than 20: each is one more guess that hits.
    pub const fn new(codes: u8) -> Result<Self, Error> {
        if codes > 20 {
            return Err(Error::invalid("HOTP look-ahead", "give at most 20 codes"));
        }
        Ok(Self(codes))
    }

    /// How many.
    #[must_use]
    pub const fn codes(self) -> u8 {
        self.0
    }
}

impl Default for LookAhead {
    fn default() -> Self {
        Self(5)
    }
}

/// What came of submitted HOTP codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum HotpOutcome {
    /// It is the code of a counter in the window. Take `next` in the store; it decides who was first.
    Accepted {
        /// The next counter that may be accepted: one after the code's, always more than it was.
        next: u64,
    },
    /// It is not, or it was used.
    Wrong,
    /// It is not so many ASCII digits.
    Malformed,
}

impl Hotp {
    /// How far a token can have run ahead for two codes to bring it back: 100.
    pub const RESYNC: u64 = 100;

    /// Six digits, SHA-1, 5 codes looked ahead.
    #[must_use]
    pub fn new(secret: OtpSecret) -> Self {
        Self {
            secret,
            algorithm: OtpAlgorithm::default(),
            digits: Digits::default(),
            look_ahead: LookAhead::default(),
        }
    }

    /// With this hash.
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

    /// With so many codes looked ahead.
    #[must_use]
    pub fn look_ahead(mut self, codes: LookAhead) -> Self {
        self.look_ahead = codes;
        self
    }

    /// The code of a counter.
    #[must_use]
    pub fn code_at(&self, counter: u64) -> Secret {
        Secret::from(self.theirs().generate(counter).to_string())
    }

    /// Holds a submitted code against the expected counter and those looked ahead. Never goes back.
    pub fn verify(&self, code: &str, counter: u64) -> HotpOutcome {
        if !self.digits.is_code(code) {
            return HotpOutcome::Malformed;
        }
        let theirs = self.theirs();
        let next = window(counter, u64::from(self.look_ahead.0))
            .find(|(tried, _)| theirs.check(code, *tried).is_some())
            .map(|(_, next)| next);
        next.map_or(HotpOutcome::Wrong, |next| HotpOutcome::Accepted { next })
    }

    /// Brings back a token that has run further ahead, by two of its codes one after the other: at most
    /// [`Hotp::RESYNC`] codes ahead. Two guessed codes hit as often as one in ten thousand million does.
    pub fn resynchronise(&self, first: &str, second: &str, counter: u64) -> HotpOutcome {
        if !self.digits.is_code(first) || !self.digits.is_code(second) {
            return HotpOutcome::Malformed;
        }
        let theirs = self.theirs();
        let next = window(counter, Self::RESYNC)
            .filter(|(tried, _)| theirs.check(first, *tried).is_some())
            .find_map(|(_, next)| {
                theirs.check(second, next)?;
                next.checked_add(1)
            });
        next.map_or(HotpOutcome::Wrong, |next| HotpOutcome::Accepted { next })
    }

    /// The otpauth URI that an authenticator scans, with the counter that it begins at.
    ///
    /// # Errors
    /// As [`Totp::uri`](super::Totp::uri).
    ///
    /// # Security
    /// It holds the secret: show it once, to its owner, and never log it.
    pub fn uri(&self, issuer: &str, account: &str, counter: u64) -> Result<Secret, Error> {
        let parameters = OtpauthUse::Hotp { counter };
        uri::write(
            &self.secret,
            self.algorithm,
            self.digits,
            parameters,
            issuer,
            account,
        )
    }

    /// totp-rs's: a TOTP with steps of one second is a HOTP whose counter is the second.
    fn theirs(&self) -> totp_rs::Totp {
        totp_rs::Builder::new()
            .with_algorithm(self.algorithm.theirs())
            .with_digits(self.digits.count())
            .with_step_duration(1)
            .with_skew(0)
            .with_secret(self.secret.theirs())
            // It has a secret and 6 or 8 digits, for which alone `build` could fail, and panics later if it had not.
            .build_noncompliant()
    }
}

/// A counter and `ahead` after it, each with the one that follows. The last of all counters has none, and is never tried.
fn window(counter: u64, ahead: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..=ahead).filter_map(move |steps| {
        let tried = counter.checked_add(steps)?;
        Some((tried, tried.checked_add(1)?))
    })
}

impl fmt::Debug for Hotp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hotp")
            .field("algorithm", &self.algorithm)
            .field("digits", &self.digits)
            .field("look_ahead", &self.look_ahead)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
