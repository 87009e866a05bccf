use std::ops::RangeInclusive;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::digits::{Digits, OtpAlgorithm};
use super::hotp::Hotp;
use super::secret::OtpSecret;
use super::totp::Totp;
use crate::error::Error;
use crate::secret::Secret;
use crate::text::is_line;

/// All but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The seconds that a step may last.
pub(super) const PERIODS: RangeInclusive<u32> = 15..=300;
const MAX_ISSUER: usize = 64;
const MAX_ACCOUNT: usize = 255;
/// Every issuer, account and secret within their bounds, fully escaped, is shorter.
const MAX_TEXT: usize = 2_048;

/// What an otpauth URI says, read strictly: to take over somebody's authenticator from another system.
///
/// ```
/// use fountain_core::otp::{OtpauthUri, OtpauthUriError, OtpauthUse};
///
/// let uri = "otpauth://totp/Shop:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR&issuer=Shop";
/// let read = OtpauthUri::parse(uri)?;
/// assert_eq!((read.issuer(), read.account()), (Some("Shop"), "alice"));
/// assert_eq!(read.usage(), OtpauthUse::Totp { period: 30 });
/// assert!(read.totp().is_some());
///
/// let weak = OtpauthUri::parse("otpauth://totp/Shop:alice?secret=JBSWY3DPEHPK3PXP");
/// assert_eq!(weak.unwrap_err(), OtpauthUriError::Secret);
/// # Ok::<(), OtpauthUriError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OtpauthUri {
    usage: OtpauthUse,
    issuer: Option<String>,
    account: String,
    secret: OtpSecret,
    algorithm: OtpAlgorithm,
    digits: Digits,
}

/// Which kind of code an otpauth URI is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OtpauthUse {
    /// By time, RFC 6238.
    Totp {
        /// Seconds of a step: 15 to 300.
        period: u32,
    },
    /// By counter, RFC 4226.
    Hotp {
        /// The counter of the first code.
        counter: u64,
    },
}

/// Why a text is not taken as an otpauth URI. It tells nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OtpauthUriError {
    /// Not `otpauth://totp/…?…` or `otpauth://hotp/…?…`, or more than 2,048 bytes.
    #[error("it is not an otpauth URI for totp or hotp")]
    Malformed,
    /// The label is not an account, or an issuer and an account, or its issuer is not the parameter's.
    #[error("the label or the issuer of the otpauth URI is not valid")]
    Label,
    /// A parameter that is not known, is there twice, or belongs to the other kind.
    #[error("a parameter of the otpauth URI is unknown, repeated or out of place")]
    Parameter,
    /// No secret, or not 16 to 64 random bytes in canonical base32.
    #[error("the secret of the otpauth URI is missing or not valid")]
    Secret,
    /// Not `SHA1`, `SHA256` or `SHA512`.
    #[error("the algorithm of the otpauth URI is not SHA1, SHA256 or SHA512")]
    Algorithm,
    /// Not 6 or 8.
    #[error("the digits of the otpauth URI are not 6 or 8")]
    Digits,
    /// Not 15 to 300 seconds.
    #[error("the period of the otpauth URI is not 15 to 300 seconds")]
    Period,
    /// No counter where there must be one, or not a number of 64 bits.
    #[error("the counter of the otpauth URI is missing or not valid")]
    Counter,
}

impl OtpauthUri {
    /// Reads one: the label with or without an issuer, each parameter at most once and in its canonical form.
    ///
    /// # Errors
    /// Why it is refused. Unknown parameters are, too: what they would change is not known either.
    pub fn parse(text: &str) -> Result<Self, OtpauthUriError> {
        use OtpauthUriError as Refused;

        if text.len() > MAX_TEXT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refused::Malformed);
        }
        let rest = text.strip_prefix("otpauth://").ok_or(Refused::Malformed)?;
        let (kind, rest) = rest.split_once('/').ok_or(Refused::Malformed)?;
        let (label, query) = rest.split_once('?').ok_or(Refused::Malformed)?;
        let is_totp = match kind {
            "totp" => true,
            "hotp" => false,
            _ => return Err(Refused::Malformed),
        };

        let mut parameters = Parameters::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').ok_or(Refused::Parameter)?;
            let place = parameters.place(name).ok_or(Refused::Parameter)?;
            if place.replace(value).is_some() {
                return Err(Refused::Parameter);
            }
        }
        if is_totp && parameters.counter.is_some() || !is_totp && parameters.period.is_some() {
            return Err(Refused::Parameter);
        }

        let (issuer, account) = parse_label(label).ok_or(Refused::Label)?;
        let issuer = match (issuer, parameters.issuer) {
            (in_label, None) => in_label,
            (in_label, Some(value)) => {
                let value = decode(value).filter(|value| is_issuer(value));
                let value = value.ok_or(Refused::Label)?;
                if in_label.is_some_and(|in_label| in_label != value) {
                    return Err(Refused::Label);
                }
                Some(value)
            }
        };
        let usage = if is_totp {
            let period = parameters.period.map_or(Some(30), number);
            let period = period.filter(|period| PERIODS.contains(period));
            OtpauthUse::Totp {
                period: period.ok_or(Refused::Period)?,
            }
        } else {
            let counter = parameters.counter.and_then(number);
            OtpauthUse::Hotp {
                counter: counter.ok_or(Refused::Counter)?,
            }
        };
        let algorithm = match parameters.algorithm {
            None => OtpAlgorithm::default(),
            Some(name) => OtpAlgorithm::from_name(name).ok_or(Refused::Algorithm)?,
        };
        let digits = match parameters.digits {
            None | Some("6") => Digits::Six,
            Some("8") => Digits::Eight,
            Some(_) => return Err(Refused::Digits),
        };
        let secret = parameters.secret.ok_or(Refused::Secret)?;
        Ok(Self {
            usage,
            issuer,
            account,
            secret: OtpSecret::from_base32(secret).map_err(|_| Refused::Secret)?,
            algorithm,
            digits,
        })
    }

    /// By time or by counter.
    #[must_use]
    pub const fn usage(&self) -> OtpauthUse {
        self.usage
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &OtpSecret {
        &self.secret
    }

    /// The hash.
    #[must_use]
    pub const fn algorithm(&self) -> OtpAlgorithm {
        self.algorithm
    }

    /// How many digits.
    #[must_use]
    pub const fn digits(&self) -> Digits {
        self.digits
    }

    /// Its TOTP; none when it goes by counter.
    #[must_use]
    pub fn totp(&self) -> Option<Totp> {
        let OtpauthUse::Totp { period } = self.usage else {
            return None;
        };
        let totp = Totp::new(self.secret.clone())
            .algorithm(self.algorithm)
            .digits(self.digits);
        totp.period(period).ok()
    }

    /// Its HOTP with the counter that it begins at; none when it goes by time.
    #[must_use]
    pub fn hotp(&self) -> Option<(Hotp, u64)> {
        let OtpauthUse::Hotp { counter } = self.usage else {
            return None;
        };
        let hotp = Hotp::new(self.secret.clone())
            .algorithm(self.algorithm)
            .digits(self.digits);
        Some((hotp, counter))
    }
}

#[derive(Default)]
struct Parameters<'a> {
    secret: Option<&'a str>,
    issuer: Option<&'a str>,
    algorithm: Option<&'a str>,
    digits: Option<&'a str>,
    period: Option<&'a str>,
    counter: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn place(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        Some(match name {
            "secret" => &mut self.secret,
            "issuer" => &mut self.issuer,
            "algorithm" => &mut self.algorithm,
            "digits" => &mut self.digits,
            "period" => &mut self.period,
            "counter" => &mut self.counter,
            _ => return None,
        })
    }
}

/// Writes a URI: what differs from the usual, the issuer in both places.
pub(super) fn write(
    secret: &OtpSecret,
    algorithm: OtpAlgorithm,
    digits: Digits,
    usage: OtpauthUse,
    issuer: &str,
    account: &str,
) -> Result<Secret, Error> {
    if !is_issuer(issuer) {
        return Err(Error::invalid(
            "issuer",
            "give 1 to 64 bytes without ':', control characters or blanks at the ends",
        ));
    }
    if !is_account(account) {
        return Err(Error::invalid(
            "account",
            "give 1 to 255 bytes without ':', control characters or blanks at the ends",
        ));
    }
    let kind = match usage {
        OtpauthUse::Totp { .. } => "totp",
        OtpauthUse::Hotp { .. } => "hotp",
    };
    let (issuer, account) = (
        utf8_percent_encode(issuer, ESCAPED),
        utf8_percent_encode(account, ESCAPED),
    );
    let base32 = secret.to_base32();
    // Reserved at once, since a text that grows leaves copies of itself behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(MAX_TEXT));
    for part in ["otpauth://", kind, "/"] {
        text.push_str(part);
    }
    text.extend(issuer.clone());
    text.push(':');
    text.extend(account);
    text.push_str("?secret=");
    text.push_str(base32.expose());
    text.push_str("&issuer=");
    text.extend(issuer);
    if algorithm != OtpAlgorithm::default() {
        text.push_str("&algorithm=");
        text.push_str(algorithm.as_str());
    }
    if digits != Digits::default() {
        text.push_str(&format!("&digits={}", digits.count()));
    }
    match usage {
        OtpauthUse::Totp { period: 30 } => {}
        OtpauthUse::Totp { period } => text.push_str(&format!("&period={period}")),
        OtpauthUse::Hotp { counter } => text.push_str(&format!("&counter={counter}")),
    }
    Ok(Secret::from(String::clone(&text)))
}

pub(super) fn is_issuer(text: &str) -> bool {
    is_line(text, 1, MAX_ISSUER) && !text.contains(':')
}

fn is_account(text: &str) -> bool {
    is_line(text, 1, MAX_ACCOUNT) && !text.contains(':')
}

/// `account`, or `issuer:account`, the colon escaped or not, blanks allowed after it.
fn parse_label(label: &str) -> Option<(Option<String>, String)> {
    let label = decode(label)?;
    // Steps of a path, escaped or not, to whoever reads this as an address: they lose the account.
    if matches!(label.as_str(), "." | "..") {
        return None;
    }
    let (issuer, account) = match label.split_once(':') {
        None => (None, label.as_str()),
        Some((issuer, account)) => (Some(issuer.to_owned()), account.trim_start_matches(' ')),
    };
    let valid = issuer.as_deref().is_none_or(is_issuer) && is_account(account);
    valid.then(|| (issuer, account.to_owned()))
}

/// Undoes percent-encoding, where nothing but unreserved characters, `:`, `@` and whole escapes of UTF-8 stand.
///
/// A `+` is refused: half of the world reads it as a blank.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let known = match byte {
            b'%' => bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            b'-' | b'.' | b'_' | b'~' | b':' | b'@' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !known {
            return None;
        }
    }
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// A number in its one decimal form: no sign, no blank, no zero before it.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
