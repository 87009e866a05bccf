//! Validated texts: every identifier is checked once, when it is made, and cheap to clone after.

/// Declares a newtype over `Arc<str>` whose constructor checks the text.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $valid:expr, $problem:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks the text and takes it over.
            ///
            /// # Errors
            /// `InvalidInput` when the text is not of the form that the type's documentation gives.
            pub fn new(text: impl AsRef<str>) -> Result<Self, $crate::error::Error> {
                let text = text.as_ref();
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err($crate::error::Error::invalid($field, $problem))
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use text_type;

/// Whether the text has `min..=max` bytes, each of them accepted by `byte`.
pub(crate) fn is_all(text: &str, min: usize, max: usize, byte: fn(u8) -> bool) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(byte)
}

/// Free text for people (names, labels): `min..=max` bytes, no control characters, no blank ends.
pub(crate) fn is_line(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len())
        && text.trim().len() == text.len()
        && !text.chars().any(char::is_control)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `bytes`, read as one big-endian number, as exactly `width` base62 digits (0-9, A-Z, a-z).
///
/// `width` must be large enough for the number; higher digits would be lost.
pub(crate) fn base62(bytes: &[u8], width: usize) -> String {
    let mut number = zeroize::Zeroizing::new(bytes.to_vec());
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(0);
            rest = value % 62;
        }
        *digit = usize::try_from(rest)
            .ok()
            .and_then(|at| BASE62.get(at))
            .copied()
            .unwrap_or(b'0');
    }
    String::from_utf8(digits).unwrap_or_default()
}

/// The CRC32 of these bytes, as the 6 base62 characters that end our keys and tokens.
pub(crate) fn base62_crc32(bytes: &[u8]) -> String {
    base62_crc32_digits(bytes).map(char::from).iter().collect()
}

/// As [`base62_crc32`], without allocating: garbage is refused before anything is.
pub(crate) fn base62_crc32_digits(bytes: &[u8]) -> [u8; 6] {
    let mut number = crc32fast::hash(bytes);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = usize::try_from(number % 62)
            .ok()
            .and_then(|at| BASE62.get(at))
            .copied()
            .unwrap_or(b'0');
        number /= 62;
    }
    digits
}

/// A random base62 text that holds `bits` bits, rounded up to whole bytes.
pub(crate) fn random_id<const BYTES: usize>(
    random: &dyn crate::random::Random,
) -> Result<String, crate::error::Error> {
    // ceil(8 * BYTES / log2(62)): 5.954 bits a digit.
    let width = (BYTES * 8 * 1_000).div_ceil(5_954);
    Ok(base62(&crate::random::array::<BYTES>(random)?, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_writes_known_numbers() {
        assert_eq!(base62(&[0], 2), "00");
        assert_eq!(base62(&[61], 2), "0z");
        assert_eq!(base62(&[62], 2), "10");
        assert_eq!(base62(&[0xff; 4], 6), "4gfFC3"); // 4294967295
        assert_eq!(base62(&[0xff; 32], 43).len(), 43);
        assert_ne!(base62(&[0xff; 32], 43).as_bytes()[0], b'0');
    }

    #[test]
    fn the_checksum_is_the_same_with_and_without_allocating() {
        for n in 0..1_000_u32 {
            let bytes = n.to_be_bytes();
            let long_way = base62(&crc32fast::hash(&bytes).to_be_bytes(), 6);
            assert_eq!(base62_crc32(&bytes), long_way);
        }
    }

    #[test]
    fn random_ids_have_the_width_of_their_bytes() {
        let id = random_id::<16>(&crate::random::OsRandom).unwrap();
        assert_eq!(id.len(), 22);
    }

    #[test]
    fn lines_have_no_control_characters_and_no_blank_ends() {
        assert!(is_line("Ünïcode is fine", 1, 64));
        for bad in ["", " x", "x ", "a\nb", "a\u{1b}[0m"] {
            assert!(!is_line(bad, 1, 64), "{bad:?}");
        }
    }
}
