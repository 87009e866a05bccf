//! How values are written: as words with a blank between them, so that no id can be taken for another (B-78).

use fountain_core::{Digest, Timestamp};

/// Added to the microseconds of an instant, so that all of them are positive and sort as text.
const BIAS: i64 = 1_000_000_000_000_000_000;
/// How many digits an instant has: the bias has 19, and so has whatever it is added to.
const DIGITS: usize = 19;

/// What stands where there is nothing.
pub(crate) const NONE: &str = "-";

/// Any text as one word of printable ASCII without a blank: other bytes, and `%`, as `%` and two digits.
///
/// Empty text is `%` alone. No two texts are written alike.
pub(crate) fn word(text: &str) -> String {
    if text.is_empty() {
        return String::from("%");
    }
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            word.push(char::from(byte));
        } else {
            word.push('%');
            word.extend([byte >> 4, byte & 15].map(digit));
        }
    }
    word
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

/// The text that was written as this word.
pub(crate) fn unword(word: &str) -> Option<String> {
    if word == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut next = || char::from(rest.next()?).to_digit(16);
            let value = (next()? << 4) | next()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

/// An instant, as 19 digits.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{:0DIGITS$}", at.as_unix_micros().saturating_add(BIAS))
}

pub(crate) fn time_option(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NONE.into(), time)
}

pub(crate) fn untime(word: &str) -> Option<Timestamp> {
    if word.len() != DIGITS || !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros = word.parse::<i64>().ok()?.checked_sub(BIAS)?;
    Some(Timestamp::from_unix_micros(micros)).filter(|at| at.as_unix_micros() == micros)
}

/// A digest, as 43 characters of base64url.
pub(crate) fn digest(digest: &Digest) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())
}

pub(crate) fn digest_option(of: Option<&Digest>) -> String {
    of.map_or_else(|| NONE.into(), digest)
}

pub(crate) fn undigest(word: &str) -> Option<Digest> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(word).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Digest::from_bytes)
}

/// Any bytes as one word: base64url behind a `:`, so that there is a word for none.
pub(crate) fn sealed(bytes: &[u8]) -> String {
    format!(":{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes))
}

pub(crate) fn unsealed(word: &str) -> Option<Vec<u8>> {
    let text = word.strip_prefix(':')?;
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// B-78
    #[test]
    fn no_two_texts_are_the_same_word_and_none_holds_a_blank() {
        let texts = [
            "",
            "%",
            "%%",
            "%25",
            "%20",
            " ",
            "  ",
            "a b",
            "a%20b",
            "*",
            "a:b",
            "{tag}",
            "user:1:lock",
            "-",
            "!",
            "é",
            "a\nb",
            "a\0b",
            "\u{1f511}",
        ];
        let words: BTreeSet<_> = texts.iter().map(|text| word(text)).collect();
        assert_eq!(words.len(), texts.len());
        for text in texts {
            let word = word(text);
            assert!(word.bytes().all(|byte| byte.is_ascii_graphic()), "{word}");
            assert_eq!(unword(&word).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_no_text_is_written_as_is_no_word() {
        for wrong in ["", "%2", "%zz", "a%", "%ff", "%%"] {
            assert_eq!(unword(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_and_digests_are_read_back() {
        for bytes in [&b""[..], b"\0", b"a b", &[0xff; 100]] {
            let word = sealed(bytes);
            assert!(word.bytes().all(|byte| byte.is_ascii_graphic()), "{word}");
            assert_eq!(unsealed(&word).as_deref(), Some(bytes));
        }
        let one = Digest::of(b"x");
        assert_eq!(undigest(&digest(&one)), Some(one));
        for wrong in ["", "-", "AAAA", "=", " "] {
            assert_eq!(undigest(wrong), None, "{wrong}");
            assert_eq!(unsealed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn instants_have_one_length_and_sort_as_text() {
        let instants = [
            Timestamp::MIN,
            Timestamp::from_unix_micros(-1),
            Timestamp::from_unix_micros(0),
            Timestamp::from_unix_micros(1),
            Timestamp::from_unix_micros(1_700_000_000_000_000),
            Timestamp::MAX,
        ];
        let words = instants.map(time);
        assert!(words.is_sorted() && words.iter().all(|word| word.len() == DIGITS));
        assert_eq!(
            words.each_ref().map(|word| untime(word)),
            instants.map(Some)
        );
        for wrong in [
            "",
            "1",
            "-",
            "9999999999999999999",
            "0000000000000000000",
            "+001700000000000000",
        ] {
            assert_eq!(untime(wrong), None, "{wrong}");
        }
    }
}
