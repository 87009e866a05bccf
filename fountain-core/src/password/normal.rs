//! One text for what a person types on any keyboard: Unicode's normal form C (NIST SP 800-63B-4 section 3.1.1.2).

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use zeroize::Zeroizing;

/// Longer than any input is, in bytes.
pub(super) const MAX_INPUT: usize = 1_024;

/// The password in normal form C; none when it is longer than 1,024 bytes.
///
/// What a normal form adds is bounded: at most three times the bytes (UAX #15).
pub(super) fn normal(password: &str) -> Option<Zeroizing<String>> {
    if password.len() > MAX_INPUT {
        return None;
    }
    // Reserved at once, since a text that grows leaves copies of itself behind that nobody wipes.
    let mut normal = Zeroizing::new(String::with_capacity(3 * password.len()));
    match is_nfc_quick(password.chars()) {
        IsNormalized::Yes => normal.push_str(password),
        _ => normal.extend(password.nfc()),
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_in_one_piece_or_in_two_is_one_password() {
        let (one, two) = (normal("caf\u{e9}"), normal("cafe\u{301}"));
        assert_eq!(one.as_deref(), two.as_deref());
        assert_ne!(normal("cafe").as_deref(), one.as_deref());
        // Compatibility is not equality: the ligature stays one.
        assert_ne!(normal("\u{fb01}").as_deref(), normal("fi").as_deref());
    }

    ///
    #[test]
    fn the_bound_is_1024_bytes_and_no_text_outgrows_its_buffer() {
        assert!(normal(&"x".repeat(1_024)).is_some());
        assert!(normal(&"x".repeat(1_025)).is_none());
        assert!(normal(&"é".repeat(513)).is_none());
        // U+1D160 is the text that grows most.
        let most = "\u{1d160}".repeat(256);
        assert_eq!(normal(&most).unwrap().capacity(), 3 * most.len());
        assert!(normal(&most).unwrap().len() > most.len());
    }
}
