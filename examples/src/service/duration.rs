//! Durations as people write them: `90s`, `15m`, `24h`, `30d`.

use std::time::Duration;

/// Reads a duration as the service's variables and bodies write it: digits and one of `s`, `m`, `h`, `d`.
///
/// # Errors
/// What to write instead; nothing of the input.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "write a whole number and a unit, such as 90s, 15m, 24h or 30d";
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(FORM),
    };
    // The last byte is ASCII, so that this cut is at a character.
    let number = text.get(..text.len().saturating_sub(1)).unwrap_or("");
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    number
        .parse::<u32>()
        .ok()
        .and_then(|number| u64::from(number).checked_mul(unit))
        .map(Duration::from_secs)
        .ok_or("write less: at most 4294967295 of a unit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("30d", 2_592_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn everything_else_is_refused_without_repeating_it() {
        for bad in [
            "",
            "s",
            "90",
            "1.5h",
            "-1s",
            "+1s",
            " 1s",
            "1s ",
            "1 s",
            "1w",
            "1S",
            "é",
            "1é",
            "99999999999s",
            "१s",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.starts_with("write "), "{bad}: {error}");
        }
    }
}
