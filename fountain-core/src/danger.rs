//! What is unsafe outside tests. Every name says `Insecure` or `insecure_`, so that a search finds it.

use std::sync::Mutex;

use aws_lc_rs::digest;

use crate::error::{Error, ErrorKind};
use crate::otp::OtpSecret;
use crate::password::HashCost;
use crate::random::Random;
use crate::secret::SecretBytes;
use crate::signing::{Algorithm, KeyError, VerifyingKey};

/// Predictable "randomness" from a seed, for tests that must repeat. Never wire it into a service.
///
/// ```
/// use fountain_core::{Random, danger::InsecureSeededRandom};
///
/// let (a, b) = (InsecureSeededRandom::new(7), InsecureSeededRandom::new(7));
/// let (mut x, mut y) = ([0; 8], [0; 8]);
/// a.fill(&mut x)?;
/// b.fill(&mut y)?;
/// assert_eq!(x, y);
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug)]
pub struct InsecureSeededRandom {
    state: Mutex<(u64, u64)>,
}

impl InsecureSeededRandom {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new((seed, 0)),
        }
    }
}

impl Random for InsecureSeededRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in buffer.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let mut input = [0; 16];
            let (seed, counter) = input.split_at_mut(8);
            seed.copy_from_slice(&state.0.to_le_bytes());
            counter.copy_from_slice(&state.1.to_le_bytes());
            state.1 = state.1.wrapping_add(1);
            let block = digest::digest(&digest::SHA256, &input);
            chunk
                .iter_mut()
                .zip(block.as_ref())
                .for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }
}

/// A source that always fails, to show that nothing is made without entropy (F-42).
#[derive(Debug, Clone, Copy, Default)]
pub struct InsecureFailingRandom;

impl Random for InsecureFailingRandom {
    fn fill(&self, _buffer: &mut [u8]) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Entropy))
    }
}

/// A key that verifies HMACs under a secret that anybody could guess, such as the one of zero bytes that published
/// test vectors use. Never trust such a key: whoever guesses the secret signs with it.
///
/// Only the question whether the secret can be guessed is left out: it still must be as long as the algorithm's hash
/// (32, 48 or 64 bytes) and no key of another kind (R-03).
///
/// ```
/// use fountain_core::SecretBytes;
/// use fountain_core::danger::insecure_hmac_key;
/// use fountain_core::signing::{Algorithm, VerifyingKey};
///
/// let zeroes = SecretBytes::new(vec![0; 32]);
/// assert!(VerifyingKey::from_secret(Algorithm::Hs256, &zeroes).is_err());
/// assert!(insecure_hmac_key(Algorithm::Hs256, &zeroes).is_ok());
///
/// // 32 bytes are too few for the longer hash, whatever they are
/// assert!(insecure_hmac_key(Algorithm::Hs384, &zeroes).is_err());
/// ```
///
/// # Errors
/// `Format` when the algorithm is not symmetric or the secret is a key of another kind, `Weak` when it is too short.
///
/// # Security
/// For test vectors only.
pub fn insecure_hmac_key(
    algorithm: Algorithm,
    secret: &SecretBytes,
) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_guessable_secret(algorithm, secret)
}

/// A cost of hashing that is weaker than OWASP's recommendation, so that a test that hashes is quick. Never hash a real
/// password at it.
///
/// ```
/// use fountain_core::danger::insecure_hash_cost;
/// use fountain_core::password::HashCost;
///
/// assert!(HashCost::new(64, 1, 1).is_err());
/// assert!(insecure_hash_cost(64, 1, 1).is_ok());
/// assert!(insecure_hash_cost(1 << 30, 1, 1).is_err()); // 1 TiB stays refused
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` when it is more than 256 MiB, 10 passes or 16 lanes, or less than Argon2 can work with.
pub const fn insecure_hash_cost(
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<HashCost, Error> {
    match HashCost::within_bounds(memory_kib, passes, lanes) {
        Some(cost) => Ok(cost),
        None => Err(Error::invalid(
            "hash cost",
            "give at most 262144 KiB, 10 passes and 16 lanes, and 8 KiB or more for each lane",
        )),
    }
}

/// An OTP secret that anybody could guess, such as `12345678901234567890`, which the test vectors of RFC 4226 and RFC 6238
/// use. Never enrol one.
///
/// ```
/// use fountain_core::SecretBytes;
/// use fountain_core::danger::insecure_otp_secret;
/// use fountain_core::otp::{Hotp, OtpSecret};
///
/// let published = SecretBytes::new(b"12345678901234567890".to_vec());
/// assert!(OtpSecret::from_bytes(published.clone()).is_err());
/// let hotp = Hotp::new(insecure_otp_secret(&published)?);
/// assert_eq!(hotp.code_at(0).expose(), "755224"); // RFC 4226 appendix D
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` when it has less than 16 bytes or more than 64.
///
/// # Security
/// For test vectors only.
pub fn insecure_otp_secret(bytes: &SecretBytes) -> Result<OtpSecret, Error> {
    OtpSecret::of_length(bytes.clone())
}
