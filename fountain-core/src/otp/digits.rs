use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How many digits a code has.
///
/// Seven are allowed by RFC 4226 and left out: hardly an authenticator shows them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u8", into = "u8")]
pub enum Digits {
    /// Six, what every authenticator shows.
    #[default]
    Six,
    /// Eight.
    Eight,
}

impl Digits {
    /// The number itself.
    #[must_use]
    pub const fn count(self) -> u8 {
        match self {
            Self::Six => 6,
            Self::Eight => 8,
        }
    }

    /// Ten to the power of it: how many codes there are.
    pub(super) const fn codes(self) -> u32 {
        match self {
            Self::Six => 1_000_000,
            Self::Eight => 100_000_000,
        }
    }

    /// Whether this is such a code: exactly so many ASCII digits and nothing else. No blank is forgiven, since a
    /// code that can be written in two ways can be used twice by whatever compares texts (CVE-2025-6014).
    pub(super) fn is_code(self, text: &str) -> bool {
        text.len() == usize::from(self.count()) && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// A number below [`Digits::codes`] as a code.
    pub(super) fn write(self, number: u32) -> Zeroizing<String> {
        let width = usize::from(self.count());
        Zeroizing::new(format!("{number:0width$}"))
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> Self {
        digits.count()
    }
}

impl TryFrom<u8> for Digits {
    type Error = crate::Error;

    fn try_from(count: u8) -> Result<Self, Self::Error> {
        match count {
            6 => Ok(Self::Six),
            8 => Ok(Self::Eight),
            _ => Err(crate::Error::invalid("digits", "give 6 or 8")),
        }
    }
}

/// The hash of a TOTP or HOTP.
///
/// # Security
/// SHA-1 is safe here, since HMAC does not need a hash without collisions (RFC 4226 appendix B.2), and it is what
/// authenticator apps know: many take a QR code that says SHA-256 and compute SHA-1 all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum OtpAlgorithm {
    /// SHA-1.
    #[default]
    #[serde(rename = "SHA1")]
    Sha1,
    /// SHA-256: for hardware that is known to compute it.
    #[serde(rename = "SHA256")]
    Sha256,
    /// SHA-512: for hardware that is known to compute it.
    #[serde(rename = "SHA512")]
    Sha512,
}

impl OtpAlgorithm {
    /// The name in an otpauth URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    pub(super) const fn theirs(self) -> totp_rs::Algorithm {
        match self {
            Self::Sha1 => totp_rs::Algorithm::SHA1,
            Self::Sha256 => totp_rs::Algorithm::SHA256,
            Self::Sha512 => totp_rs::Algorithm::SHA512,
        }
    }
}

impl fmt::Display for OtpAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a submitted text can be that is no code: B-57 and B-58 in one place, for the tests of every kind of code.
#[cfg(test)]
pub(super) fn malformed(good: &str) -> Vec<String> {
    let mut bad: Vec<String> = [
        "",
        "12345",
        "1234567",
        "123456789",
        "abcdef",
        "-12345",
        "+12345",
        "1e5",
        "0x1234",
        "12345\n",
        "12.345",
        "１２３４５６",
        "١٢٣٤٥٦",
        "12345\0",
    ]
    .map(str::to_owned)
    .into();
    let (left, right) = good.split_at(3);
    bad.extend([
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{left} {right}"),
        format!("{left}-{right}"),
        format!("0{good}"),
        format!("{good}{good}"),
        "1".repeat(10_240),
    ]);
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-50, B-57, B-58
    #[test]
    fn only_exactly_so_many_ascii_digits_are_a_code() {
        assert!(Digits::Six.is_code("000000") && Digits::Eight.is_code("12345678"));
        assert!(!Digits::Six.is_code("12345678") && !Digits::Eight.is_code("123456"));
        for bad in malformed("123456") {
            assert!(!Digits::Six.is_code(&bad), "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_written_with_all_their_digits() {
        assert_eq!(*Digits::Six.write(7), "000007");
        assert_eq!(*Digits::Eight.write(99_999_999), "99999999");
        for digits in [Digits::Six, Digits::Eight] {
            assert!(digits.is_code(&digits.write(digits.codes() - 1)));
        }
    }

    #[test]
    fn other_numbers_of_digits_are_refused() {
        for bad in [0, 5, 7, 9, 10, 11, 255] {
            assert!(Digits::try_from(bad).is_err());
        }
        assert!(serde_json::from_str::<Digits>("7").is_err());
        assert_eq!(serde_json::from_str::<Digits>("8").unwrap(), Digits::Eight);
    }
}
