//! The text of a refresh token, and how its successor is kept for the one who may see it again.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use crate::error::{Error, ErrorKind};
use crate::random::{Random, array};
use crate::secret::{Digest, Pepper, Secret};
use crate::text::{base62, base62_crc32};

/// `fntr_`, 43 base62 characters that hold 256 random bits, 6 characters of checksum.
const PREFIX: &str = "fntr_";
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
const LEN: usize = PREFIX.len() + SECRET_LEN + CHECKSUM_LEN;

/// A new refresh token.
pub(super) fn generate(random: &dyn Random) -> Result<Secret, Error> {
    let secret = zeroize::Zeroizing::new(array::<32>(random)?);
    let mut text = String::with_capacity(LEN);
    text.push_str(PREFIX);
    text.push_str(&zeroize::Zeroizing::new(base62(
        secret.as_slice(),
        SECRET_LEN,
    )));
    let checksum = base62_crc32(text.as_bytes());
    text.push_str(&checksum);
    Ok(Secret::from(text))
}

/// Whether a text has the form of a refresh token of ours, checksum included: garbage never reaches a store.
pub(super) fn is_well_formed(text: &str) -> bool {
    text.len() == LEN
        && text.starts_with(PREFIX)
        && text
            .bytes()
            .skip(PREFIX.len())
            .all(|byte| byte.is_ascii_alphanumeric())
        && text
            .split_at_checked(LEN - CHECKSUM_LEN)
            .is_some_and(|(body, checksum)| base62_crc32(body.as_bytes()) == checksum)
}

/// What a store holds in place of the token.
pub(super) fn digest(text: &str, pepper: Option<&Pepper>) -> Digest {
    match pepper {
        Some(pepper) => Digest::keyed(pepper, text.as_bytes()),
        None => Digest::of(text.as_bytes()),
    }
}

/// The successor's text, readable only by who presents the parent again (L-08).
///
/// The key is derived from the parent's own 256 random bits, so the store, which holds only the parent's
/// digest, cannot read it. A key seals a handful of candidates at most (those that raced), each under a
/// random nonce.
pub(super) fn seal_successor(
    parent: &str,
    successor: &Secret,
    random: &dyn Random,
) -> Result<Vec<u8>, Error> {
    let nonce = array::<NONCE_LEN>(random)?;
    let mut sealed = successor.expose().as_bytes().to_vec();
    successor_key(parent)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(CONTEXT),
            &mut sealed,
        )
        .map_err(|_| Error::new(ErrorKind::Crypto("sealing a refresh token")))?;
    sealed.splice(0..0, nonce);
    Ok(sealed)
}

/// The successor's text again.
pub(super) fn open_successor(parent: &str, sealed: &[u8]) -> Result<Secret, Error> {
    let broken = || Error::new(ErrorKind::Corrupt);
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
    let mut buffer = zeroize::Zeroizing::new(ciphertext.to_vec());
    let text = successor_key(parent)?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(CONTEXT),
            &mut buffer,
        )
        .map_err(|_| broken())?;
    let text = std::str::from_utf8(text).map_err(|_| broken())?;
    if is_well_formed(text) {
        Ok(Secret::from(text.to_owned()))
    } else {
        Err(broken())
    }
}

const CONTEXT: &[u8] = b"fountain refresh successor v1";

fn successor_key(parent: &str) -> Result<LessSafeKey, Error> {
    let key = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, CONTEXT),
        parent.as_bytes(),
    );
    UnboundKey::new(&AES_256_GCM, key.as_ref())
        .map(LessSafeKey::new)
        .map_err(|_| Error::new(ErrorKind::Crypto("deriving a key")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::danger::InsecureFailingRandom;
    use crate::random::OsRandom;

    /// Gives exactly these 32 bytes.
    #[derive(Debug)]
    struct Given([u8; 32]);

    impl Random for Given {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
            buffer.copy_from_slice(&self.0);
            Ok(())
        }
    }

    /// The number that base62 digits say, as 32 bytes.
    fn number(digits: &str) -> [u8; 32] {
        let mut bytes = [0_u8; 32];
        for digit in digits.chars() {
            let digit = match digit {
                '0'..='9' => u32::from(digit) - u32::from('0'),
                'A'..='Z' => u32::from(digit) - u32::from('A') + 10,
                _ => u32::from(digit) - u32::from('a') + 36,
            };
            let mut carry = digit;
            for byte in bytes.iter_mut().rev() {
                let value = u32::from(*byte) * 62 + carry;
                *byte = u8::try_from(value & 0xff).unwrap();
                carry = value >> 8;
            }
            assert_eq!(carry, 0, "more than 256 bits");
        }
        bytes
    }

    /// all 256 random bits are in the text, so a guess is right once in 2^256 times; the rest of it follows
    /// from them or is the same in every token, so it says nothing about its holder.
    #[test]
    fn a_token_is_256_random_bits_and_nothing_else() {
        let mut drawn = vec![[0; 32], [0xff; 32]];
        drawn.extend((0..256).map(|bit| {
            let mut bytes = [0x5a; 32];
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        }));
        for bytes in drawn {
            let token = generate(&Given(bytes)).unwrap();
            let (secret, checksum) = token
                .expose()
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split_at_checked(SECRET_LEN))
                .unwrap();
            assert_eq!(number(secret), bytes);
            assert_eq!(
                checksum,
                base62_crc32(format!("{PREFIX}{secret}").as_bytes())
            );
        }
    }

    ///
    #[test]
    fn what_is_stored_is_a_hash_of_the_token_keyed_where_there_is_a_pepper() {
        let token = generate(&OsRandom).unwrap();
        let (text, pepper) = (token.expose(), Pepper::new(&[7; 32]));
        assert!(digest(text, None).matches(&Digest::of(text.as_bytes())));
        assert!(digest(text, Some(&pepper)).matches(&Digest::keyed(&pepper, text.as_bytes())));
        assert!(!digest(text, Some(&pepper)).matches(&digest(text, None)));
    }

    #[test]
    fn a_new_token_is_well_formed_and_every_changed_character_is_noticed() {
        let token = generate(&OsRandom).unwrap();
        assert!(is_well_formed(token.expose()));
        for at in 0..LEN {
            let mut changed = token.expose().as_bytes().to_vec();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            assert!(
                !is_well_formed(std::str::from_utf8(&changed).unwrap()),
                "at {at}"
            );
        }
    }

    /// B-66
    #[test]
    fn truncated_padded_and_foreign_texts_are_not_well_formed() {
        let token = generate(&OsRandom).unwrap();
        let text = token.expose();
        for bad in [
            "",
            "fntr_",
            &text[..LEN - 1],
            &format!("{text} "),
            &format!("{text}\n"),
            &format!(" {text}"),
            &text.replace("fntr_", "fnta_"),
            "eyJhbGciOiJFZERTQSJ9.e30.AAAA",
        ] {
            assert!(!is_well_formed(bad), "{bad:?}");
        }
    }

    /// L-08
    #[test]
    fn only_the_parent_opens_its_successor() {
        let (parent, child) = (generate(&OsRandom).unwrap(), generate(&OsRandom).unwrap());
        let sealed = seal_successor(parent.expose(), &child, &OsRandom).unwrap();
        assert_eq!(
            open_successor(parent.expose(), &sealed).unwrap().expose(),
            child.expose()
        );
        assert!(open_successor(child.expose(), &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                open_successor(parent.expose(), &changed).is_err(),
                "byte {at}"
            );
            assert!(
                open_successor(parent.expose(), &sealed[..at]).is_err(),
                "cut at {at}"
            );
        }
    }

    /// F-42
    #[test]
    fn without_entropy_there_is_no_token() {
        assert!(generate(&InsecureFailingRandom).is_err());
    }
}
