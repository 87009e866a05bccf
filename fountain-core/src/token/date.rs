//! `NumericDate` (RFC 7519 section 2): seconds since the epoch, to the microsecond.

use crate::clock::Timestamp;
use crate::error::Reason;
use crate::json::Value;

/// The last second that is accepted: 9999-12-31T23:59:59Z.
const MAX_SECONDS: u64 = 253_402_300_799;
const MICROS: u64 = 1_000_000;

/// Reads a date: a finite JSON number `v` with `0 < v <= 253402300799`.
///
/// It is read from its digits, exactly. What is below a microsecond is cut off: no clock here can tell it.
pub(super) fn read(value: Value<'_, '_>) -> Result<Timestamp, Reason> {
    let micros = micros(value.number()?).ok_or(Reason::TokenClaims)?;
    i64::try_from(micros)
        .map(Timestamp::from_unix_micros)
        .map_err(|_| Reason::TokenClaims)
}

/// Microseconds of a JSON number; none when it is out of range.
fn micros(number: &str) -> Option<u64> {
    let micros = match whole_seconds(number) {
        Some(seconds) => seconds * MICROS,
        None => decimal_micros(number)?,
    };
    (1..=MAX_SECONDS * MICROS)
        .contains(&micros)
        .then_some(micros)
}

/// The value of at most twelve digits and nothing else, which are enough for every whole second in range.
fn whole_seconds(number: &str) -> Option<u64> {
    if number.len() > 12 {
        return None;
    }
    number.bytes().try_fold(0, |seconds: u64, byte| {
        byte.is_ascii_digit()
            .then(|| seconds * 10 + u64::from(byte & 0x0f))
    })
}

/// Microseconds of a number with a sign, a fraction or an exponent.
fn decimal_micros(number: &str) -> Option<u64> {
    // A number is at most 64 bytes long, so an exponent beyond this has no value in range.
    const MAX_EXPONENT: usize = 128;
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<isize>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = whole.len().checked_add_signed(exponent.checked_add(6)?)?;
    if places > MAX_EXPONENT {
        return None;
    }
    // Not a digit: the sign of a negative number, which is out of range.
    let digits = whole
        .bytes()
        .chain(fraction.bytes())
        .map(|byte| char::from(byte).to_digit(10).map(u64::from));
    digits
        .chain(std::iter::repeat(Some(0)))
        .take(places)
        .try_fold(0_u64, |micros, digit| {
            micros.checked_mul(10)?.checked_add(digit?)
        })
}

/// Whether [`read`] gives back the same instant after [`write`].
pub(super) fn is_writable(at: Timestamp) -> bool {
    at.as_unix_micros() > 0
}

/// Writes whole seconds as an integer, and otherwise as many decimals as are needed.
pub(super) fn write(at: Timestamp, out: &mut Vec<u8>) {
    let seconds = at.as_unix_seconds();
    let micros = at.as_unix_micros().rem_euclid(1_000_000);
    if micros == 0 {
        out.extend_from_slice(seconds.to_string().as_bytes());
    } else {
        let text = format!("{seconds}.{micros:06}");
        out.extend_from_slice(text.trim_end_matches('0').as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    ///
    #[test]
    fn numbers_in_range_are_read_exactly() {
        for (number, expected) in [
            ("1", MICROS),
            ("0.000001", 1),
            ("1e-6", 1),
            ("1700000000", 1_700_000_000 * MICROS),
            ("1700000000.0", 1_700_000_000 * MICROS),
            ("1700000000.123456", 1_700_000_000_123_456),
            ("1700000000.1234569", 1_700_000_000_123_456),
            ("1.7e9", 1_700_000_000 * MICROS),
            ("17E+8", 1_700_000_000 * MICROS),
            ("17000000001234567e-7", 1_700_000_000_123_456),
            (
                "0.0000000000000000000000000000000017e+42",
                1_700_000_000 * MICROS,
            ),
            ("253402300799", MAX_SECONDS * MICROS),
            ("2.53402300799E11", MAX_SECONDS * MICROS),
        ] {
            assert_eq!(micros(number), Some(expected), "{number}");
        }
    }

    /// R-18, B-32
    #[test]
    fn numbers_out_of_range_are_refused() {
        for number in [
            "0",
            "-0",
            "0.0",
            "0e5",
            "0e999999999999999999999",
            "-1",
            "-1700000000",
            "-1e9",
            "1e-7",
            "0.0000009",
            "253402300800",
            "253402300799.000001",
            "999999999999",
            "1e12",
            "1e30",
            "1e999",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "9223372036854775808",
            "18446744073709551616",
            "18446744073709551617",
            "111111111111111111111111111111111111111111111111111111111111111",
        ] {
            assert_eq!(micros(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in 1..253_402_207_200_000_000_i64) {
            let at = Timestamp::from_unix_micros(micros);
            let mut text = Vec::new();
            write(at, &mut text);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(super::micros(&text), u64::try_from(micros).ok(), "{}", text);
            prop_assert!(!text.contains('.') || !text.ends_with('0'), "{}", text);
        }

        /// Every double in range is read as serde_json reads it, to the microsecond.
        #[test]
        fn fractions_agree_with_serde_json(value in 0.001..253_402_300_799.0_f64) {
            let text = serde_json::to_string(&value).unwrap();
            let read = micros(&text).unwrap();
            let error = (value * 1e6 - f64::from(u32::try_from(read >> 32).unwrap()) * 4_294_967_296.0
                - f64::from(u32::try_from(read & 0xffff_ffff).unwrap())).abs();
            prop_assert!(error <= 1.0 + value * 1e6 * f64::EPSILON, "{} {}", text, read);
        }
    }
}
