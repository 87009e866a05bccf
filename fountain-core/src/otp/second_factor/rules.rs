use crate::error::Error;
use crate::otp::{Digits, Hotp, LookAhead, OtpAlgorithm, OtpSecret, Totp, TotpWindow};

/// What new authenticators are like. Those that were enrolled before stay as they were.
///
/// ```
/// use fountain_core::otp::{AuthenticatorRules, Digits, TotpWindow};
///
/// let rules = AuthenticatorRules::default() // 6 digits, SHA-1, 30 s, the step before the present one; 5 codes looked ahead
///     .digits(Digits::Eight)
///     .period(60)?
///     .window(TotpWindow::new(1, 1)?);
/// assert!(rules.period(10).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// Leave them as they are for authenticator apps: many read other values and do not heed them. Each step or code more that is
/// accepted is one more guess that hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorRules {
    pub(super) algorithm: OtpAlgorithm,
    pub(super) digits: Digits,
    pub(super) period: u32,
    pub(super) window: TotpWindow,
    pub(super) look_ahead: LookAhead,
}

impl AuthenticatorRules {
    /// With this hash.
    #[must_use]
    pub const fn algorithm(mut self, algorithm: OtpAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// With this many digits.
    #[must_use]
    pub const fn digits(mut self, digits: Digits) -> Self {
        self.digits = digits;
        self
    }

    /// With steps of this many seconds: 15 to 300.
    ///
    /// # Errors
    /// `InvalidInput` when it is less or more.
    pub const fn period(mut self, seconds: u32) -> Result<Self, Error> {
        if seconds < 15 || seconds > 300 {
            return Err(Error::invalid("TOTP period", "give 15 to 300 seconds"));
        }
        self.period = seconds;
        Ok(self)
    }

    /// With this window of steps.
    #[must_use]
    pub const fn window(mut self, window: TotpWindow) -> Self {
        self.window = window;
        self
    }

    /// With so many codes of a token with a counter looked ahead.
    #[must_use]
    pub const fn look_ahead(mut self, codes: LookAhead) -> Self {
        self.look_ahead = codes;
        self
    }

    pub(super) fn totp(self, secret: OtpSecret) -> Result<Totp, Error> {
        Totp::new(secret)
            .algorithm(self.algorithm)
            .digits(self.digits)
            .window(self.window)
            .period(self.period)
    }

    pub(super) fn hotp(self, secret: OtpSecret) -> Hotp {
        Hotp::new(secret)
            .algorithm(self.algorithm)
            .digits(self.digits)
            .look_ahead(self.look_ahead)
    }
}

impl Default for AuthenticatorRules {
    /// 6 digits, SHA-1, 30 s, the present step and the one before; 5 codes looked ahead (R-46, R-47, R-49).
    fn default() -> Self {
        Self {
            algorithm: OtpAlgorithm::default(),
            digits: Digits::default(),
            period: 30,
            window: TotpWindow::default(),
            look_ahead: LookAhead::default(),
        }
    }
}
