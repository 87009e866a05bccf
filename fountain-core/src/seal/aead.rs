//! AES-256-GCM with the nonce given, over aws-lc-rs.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::SealError;
use crate::secret::SecretBytes;

pub(super) const NONCE_LEN: usize = 12;
pub(super) const TAG_LEN: usize = 16;

pub(super) struct Key(LessSafeKey);

impl Key {
    pub(super) fn new(bytes: &[u8; 32]) -> Result<Self, SealError> {
        UnboundKey::new(&AES_256_GCM, bytes)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| SealError::WeakKek("AES-256 takes 32 bytes"))
    }

    /// The ciphertext with its tag behind it.
    ///
    /// # Security
    /// One nonce must not be used twice with one key: the caller draws it at random, and bounds how often.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        // room for the tag from the start: growing would leave a copy of the plaintext behind
        let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG_LEN));
        buffer.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(nonce, Aad::from(aad), &mut *buffer)
            .map_err(|_| SealError::TooLarge)?;
        Ok(std::mem::take(&mut *buffer))
    }

    /// The plaintext, when key, nonce, `aad` and every bit of the ciphertext are those that it was sealed with.
    ///
    /// What is decrypted before the tag has been checked is wiped, not handed out (RUSTSEC-2023-0096).
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<SecretBytes, SealError> {
        let (body, tag) = ciphertext
            .len()
            .checked_sub(TAG_LEN)
            .and_then(|len| ciphertext.split_at_checked(len))
            .ok_or(SealError::Tampered)?;
        let mut plaintext = Zeroizing::new(vec![0; body.len()]);
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .open_separate_gather(nonce, Aad::from(aad), body, tag, &mut plaintext)
            .map_err(|_| SealError::Tampered)?;
        Ok(SecretBytes::new(std::mem::take(&mut *plaintext)))
    }
}
