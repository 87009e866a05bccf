//! The text of a grant: `fsu1.<id>.<expiry>.<signature>`.

use constant_time_eq::constant_time_eq;

use crate::clock::Timestamp;
use crate::otp::ChallengeId;
use crate::secret::{Digest, Pepper, Secret};
use crate::text::is_all;

const VERSION: &str = "fsu1";
/// 4 + 22 + 19 + 43 characters and three dots, at most.
const MAX_LEN: usize = 91;

/// What a genuine grant says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) id: ChallengeId,
    pub(super) expires_at: Timestamp,
}

impl Grant {
    /// The text, signed together with what it is for.
    pub(super) fn write(&self, pepper: &Pepper, binding: &Digest) -> Secret {
        let (id, expiry) = (&self.id, self.expires_at.as_unix_micros().to_string());
        let signature = sign(pepper, binding, id.as_str(), &expiry);
        Secret::from(format!("{VERSION}.{id}.{expiry}.{signature}"))
    }

    /// The grant of a text that [`write`](Self::write) made for the same thing; none for any other text.
    pub(super) fn read(text: &str, pepper: &Pepper, binding: &Digest) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let mut words = text.split('.');
        let (version, id, expiry, signature) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_well_formed = version == VERSION
            && words.next().is_none()
            && is_all(expiry, 1, 19, |byte| byte.is_ascii_digit())
            && signature.len() == 43;
        if !is_well_formed {
            return None;
        }
        let grant = Self {
            id: ChallengeId::new(id).ok()?,
            expires_at: Timestamp::from_unix_micros(expiry.parse().ok()?),
        };
        let expected = sign(pepper, binding, id, expiry);
        constant_time_eq(signature.as_bytes(), expected.as_bytes()).then_some(grant)
    }
}

fn sign(pepper: &Pepper, binding: &Digest, id: &str, expiry: &str) -> String {
    let digest = keyed(
        pepper,
        [
            b"text",
            id.as_bytes(),
            expiry.as_bytes(),
            binding.as_bytes(),
        ],
    );
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())
}

/// A digest of all of this under the pepper, each part with its length before it, so that no two lists of parts are written alike.
pub(super) fn keyed<'a>(pepper: &Pepper, parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut text = b"fountain step-up 1".to_vec();
    for part in parts {
        text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend_from_slice(part);
    }
    Digest::keyed(pepper, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper() -> Pepper {
        Pepper::new(&[7; 32])
    }

    fn grant(expires_at: Timestamp) -> Grant {
        Grant {
            id: ChallengeId::new("0123456789abcdefghijkl").unwrap(),
            expires_at,
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_micros(1_900_000_000_123_456)
    }

    #[test]
    fn what_was_written_is_read_again_for_the_same_thing_and_by_the_same_pepper_only() {
        let (written, of) = (grant(now()), Digest::of(b"this"));
        let text = written.write(&pepper(), &of);
        let read = |pepper: &Pepper, of: &Digest| Grant::read(text.expose(), pepper, of);
        assert_eq!(read(&pepper(), &of), Some(written));
        assert_eq!(read(&pepper(), &Digest::of(b"that")), None);
        assert_eq!(read(&Pepper::new(&[8; 32]), &of), None);
    }

    ///
    #[test]
    fn a_text_with_any_character_changed_added_or_missing_is_no_grant() {
        let of = Digest::of(b"this");
        let text = grant(now()).write(&pepper(), &of);
        let text = text.expose();
        assert!(text.len() <= MAX_LEN);
        let read = |text: &str| Grant::read(text, &pepper(), &of);
        for at in 0..text.len() {
            for byte in (0..=0x7f_u8).filter(|byte| *byte != text.as_bytes()[at]) {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(read(&changed), None, "{changed}");
            }
            let (before, after) = text.split_at(at);
            assert_eq!(read(before), None);
            assert_eq!(read(after).is_some(), at == 0);
            assert_eq!(read(&format!("{before}0{after}")), None);
        }
    }

    #[test]
    fn hostile_texts_are_no_grants() {
        let of = Digest::of(b"this");
        let text = grant(now()).write(&pepper(), &of);
        let text = text.expose();
        let long = "9".repeat(1_000_000);
        for bad in [
            "",
            ".",
            "...",
            "....",
            "fsu1...",
            &text.replace("fsu1", "FSU1"),
            &text.replace("fsu1", "fsu2"),
            &text.replace("fsu1.", "fsu1.."),
            &text.replace(".19", ".019"),
            &text.replace(".19", ".+19"),
            &text.replace(".19", ".-19"),
            &text.replace(".19", ".٣"),
            &format!("{text} "),
            &format!("{text}="),
            &format!("{text}."),
            &format!(" {text}"),
            &format!("{text}\n"),
            &long,
            &format!(
                "fsu1.0123456789abcdefghijkl.{}.{}",
                &long[..19],
                &long[..43]
            ),
        ] {
            assert_eq!(Grant::read(bad, &pepper(), &of), None);
        }
    }

    #[test]
    fn the_ends_of_time_are_no_way_in() {
        let of = Digest::of(b"this");
        for at in [Timestamp::MIN, Timestamp::from_unix_micros(-1)] {
            let text = grant(at).write(&pepper(), &of);
            assert_eq!(Grant::read(text.expose(), &pepper(), &of), None);
        }
        let text = grant(Timestamp::MAX).write(&pepper(), &of);
        assert_eq!(
            Grant::read(text.expose(), &pepper(), &of),
            Some(grant(Timestamp::MAX))
        );
    }

    #[test]
    fn no_two_lists_of_parts_have_one_digest() {
        let of = |parts: &[&str]| keyed(&pepper(), parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
        assert_ne!(of(&["", "ab"]), of(&["ab", ""]));
    }
}
