//! The form of a sealed record:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version |
//! | 1, n | length and id of the key-encryption key |
//! | 2, n | length and bytes of the wrapped data key |
//! | 12 | nonce |
//! | 4, n | length and bytes of the ciphertext with its tag |
//!
//! Lengths are big-endian. Nothing follows.

use super::aead::{NONCE_LEN, TAG_LEN};
use super::{KekId, SealError, Sealer};

/// The version that is written.
pub(super) const CURRENT_VERSION: u8 = 1;
/// The oldest version that is opened (L-12). It rises when an old form is found wanting, never with data in use.
const VERSION_FLOOR: u8 = 1;
/// The longest wrapped data key: what a key-management service gives is a few hundred bytes.
const MAX_WRAPPED: usize = 2048;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) version: u8,
    pub(super) kek: KekId,
    pub(super) wrapped: &'a [u8],
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn write(&self) -> Result<Vec<u8>, SealError> {
        if self.wrapped.len() > MAX_WRAPPED {
            return Err(SealError::Malformed);
        }
        let kek = self.kek.as_str();
        let kek_len = u8::try_from(kek.len()).map_err(|_| SealError::Malformed)?;
        let wrapped_len = u16::try_from(self.wrapped.len()).map_err(|_| SealError::Malformed)?;
        let len = u32::try_from(self.ciphertext.len()).map_err(|_| SealError::TooLarge)?;
        Ok([
            &[self.version, kek_len],
            kek.as_bytes(),
            &wrapped_len.to_be_bytes(),
            self.wrapped,
            &self.nonce,
            &len.to_be_bytes(),
            self.ciphertext,
        ]
        .concat())
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, SealError> {
        let mut rest = bytes;
        let [version] = take(&mut rest)?;
        if !(VERSION_FLOOR..=CURRENT_VERSION).contains(&version) {
            return Err(SealError::Version(version));
        }
        let [kek_len] = take(&mut rest)?;
        let kek = split(&mut rest, usize::from(kek_len))?;
        let wrapped_len = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let wrapped = split(&mut rest, wrapped_len)?;
        let nonce = take(&mut rest)?;
        let len = usize::try_from(u32::from_be_bytes(take(&mut rest)?))
            .map_err(|_| SealError::Malformed)?;
        if wrapped_len > MAX_WRAPPED
            || len != rest.len()
            || !(TAG_LEN..=Sealer::MAX_PLAINTEXT + TAG_LEN).contains(&len)
        {
            return Err(SealError::Malformed);
        }
        Ok(Self {
            version,
            kek: std::str::from_utf8(kek)
                .ok()
                .and_then(|id| KekId::new(id).ok())
                .ok_or(SealError::Malformed)?,
            wrapped,
            nonce,
            ciphertext: rest,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (first, after) = rest.split_first_chunk().ok_or(SealError::Malformed)?;
    *rest = after;
    Ok(*first)
}

fn split<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], SealError> {
    let (first, after) = rest.split_at_checked(len).ok_or(SealError::Malformed)?;
    *rest = after;
    Ok(first)
}
