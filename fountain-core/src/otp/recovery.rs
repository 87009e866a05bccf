use std::fmt;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::random::Random;
use crate::secret::{Digest, Pepper, Secret};

/// Crockford's base32: no I, L, O and U, so that what is read wrongly from paper is put right.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 26 characters of 5 bits: 130 bits.
const LENGTH: usize = 26;
/// A hyphen after every fifth character; the last group has six.
const GROUP: usize = 5;
/// Longer than any way to write a code down.
const MAX_TEXT: usize = 64;

/// A recovery code: one of ten on a sheet of paper, each good for once.
///
/// It has 130 random bits (R-55: 64 at least), so its digest is a fast one, like that of an API key.
///
/// ```
/// use fountain_core::otp::RecoveryCode;
/// use fountain_core::{OsRandom, Pepper};
///
/// let pepper = Pepper::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64");
/// let codes = RecoveryCode::generate(&OsRandom, RecoveryCode::USUAL)?;
/// let stored: Vec<_> = codes.iter().map(|code| code.digest(&pepper)).collect();
///
/// let first = codes[0].reveal(); // shown once: `7ZK4M-…`
/// let typed = first.expose().to_lowercase().replace('-', " ");
/// let typed = RecoveryCode::parse(&typed).expect("well-formed");
/// assert!(stored.contains(&typed.digest(&pepper))); // and now the store takes it away, in one step
///
/// assert!(RecoveryCode::parse(&first.expose()[1..]).is_none());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Clone)]
pub struct RecoveryCode(Zeroizing<[u8; LENGTH]>);

impl RecoveryCode {
    /// How many a person is given, unless told otherwise: 10.
    pub const USUAL: usize = 10;

    /// New codes: 1 to 20.
    ///
    /// # Errors
    /// `InvalidInput` when none or more than 20 are asked for; `Entropy`.
    pub fn generate(random: &dyn Random, count: usize) -> Result<Vec<Self>, Error> {
        if !(1..=20).contains(&count) {
            return Err(Error::invalid("recovery codes", "ask for 1 to 20"));
        }
        let new = |_| {
            let mut text = Zeroizing::new([0; LENGTH]);
            random.fill(&mut *text)?;
            // A byte has 8 random bits, of which 5 choose the character.
            text.iter_mut()
                .for_each(|byte| *byte = character(*byte & 31));
            Ok(Self(text))
        };
        (0..count).map(new).collect()
    }

    /// What somebody typed, if it can be a code: upper or lower case, with or without hyphens and blanks, O for 0, I and L
    /// for 1. All that is left of it is the one canonical form, so that one code has one digest.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut canonical = Zeroizing::new([0; LENGTH]);
        let mut places = canonical.iter_mut();
        for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
            let byte = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            if !ALPHABET.contains(&byte) {
                return None;
            }
            *places.next()? = byte;
        }
        places.next().is_none().then_some(Self(canonical))
    }

    /// The code with hyphens, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> Secret {
        let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 && at % GROUP == 0 && LENGTH - at >= GROUP {
                text.push('-');
            }
            text.push(char::from(*byte));
        }
        Secret::from(text)
    }

    /// What a store may hold of it.
    #[must_use]
    pub fn digest(&self, pepper: &Pepper) -> Digest {
        const LABEL: &[u8] = b"fountain recovery code 1:";
        let mut text = Zeroizing::new([0; LABEL.len() + LENGTH]);
        text.iter_mut()
            .zip(LABEL.iter().chain(self.0.iter()))
            .for_each(|(to, from)| *to = *from);
        Digest::keyed(pepper, &*text)
    }
}

/// The character of a number below 32.
fn character(number: u8) -> u8 {
    ALPHABET.get(usize::from(number)).copied().unwrap_or(b'0')
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};

    const CODE: &str = "0123456789ABCDEFGHJKMNPQRS";

    fn digest(text: &str) -> Option<Digest> {
        RecoveryCode::parse(text).map(|code| code.digest(&Pepper::new(&[7; 32])))
    }

    /// R-55, B-65
    #[test]
    fn a_code_has_one_digest_however_it_is_written() {
        let expected = digest(CODE).unwrap();
        for same in [
            "01234-56789-ABCDE-FGHJK-MNPQRS",
            "01234-56789-abcde-fghjk-mnpqrs",
            "0123456789abcdefghjkmnpqrs",
            "0123 4567 89ab cdef ghjk mnpq rs",
            "O1234-56789-ABCDE-FGHJK-MNPQRS",
            "oI23456789ABCDEFGHJKMNPQRS",
            "oL23456789ABCDEFGHJKMNPQRS",
            " 0123456789ABCDEFGHJKMNPQRS-",
        ] {
            assert_eq!(digest(same), Some(expected), "{same}");
        }
        assert_ne!(digest(&CODE.replace('S', "T")), Some(expected));
    }

    #[test]
    fn what_is_no_code_is_not_parsed() {
        for bad in [
            String::new(),
            "-".repeat(26),
            CODE[1..].to_owned(),
            format!("{CODE}0"),
            CODE.replace('S', "U"),
            CODE.replace('S', "_"),
            CODE.replace('S', "\n"),
            CODE.replace('S', "ſ"),
            CODE.replace('0', "０"),
            format!("{}{CODE}", "-".repeat(64)),
            "0".repeat(100_000),
        ] {
            assert!(digest(&bad).is_none(), "{bad}");
        }
    }

    /// R-55
    #[test]
    fn new_codes_have_130_bits_and_are_read_as_they_are_shown() {
        let codes = RecoveryCode::generate(&InsecureSeededRandom::new(1), 20).unwrap();
        let shown: HashSet<String> = codes
            .iter()
            .map(|code| code.reveal().expose().to_owned())
            .collect();
        assert_eq!(shown.len(), 20);
        for (code, shown) in codes.iter().map(|code| (code, code.reveal())) {
            assert_eq!(shown.expose().len(), 30);
            assert_eq!(
                shown.expose().split('-').map(str::len).collect::<Vec<_>>(),
                [5, 5, 5, 5, 6]
            );
            assert_eq!(*RecoveryCode::parse(shown.expose()).unwrap().0, *code.0);
        }
        let used: HashSet<u8> = codes.iter().flat_map(|code| code.0.to_vec()).collect();
        assert_eq!(used, ALPHABET.iter().copied().collect());
    }

    #[test]
    fn how_many_there_may_be_is_bounded_and_entropy_is_needed() {
        for bad in [0, 21, usize::MAX] {
            assert!(RecoveryCode::generate(&InsecureSeededRandom::new(1), bad).is_err());
        }
        assert!(RecoveryCode::generate(&InsecureFailingRandom, 10).is_err());
    }

    /// R-77
    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", RecoveryCode::parse(CODE).unwrap()),
            "RecoveryCode(..)"
        );
    }
}
