use std::fmt;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::random::Random;
use crate::secret::{Secret, SecretBytes, is_repetition};

/// The secret that an authenticator and a verifier share: 16 to 64 bytes, 20 unless told otherwise (R-46).
///
/// Stored sealed, by a [`Sealer`](crate::seal::Sealer); shown once, when it is enrolled.
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::otp::OtpSecret;
///
/// let secret = OtpSecret::generate(&OsRandom)?;
/// assert_eq!(secret.expose().len(), 20);
/// let typed = secret.to_base32(); // for who cannot scan a QR code
/// assert_eq!(OtpSecret::from_base32(typed.expose())?.expose(), secret.expose());
///
/// assert!(OtpSecret::from_base32("JBSWY3DPEHPK3PXP").is_err()); // 80 bits are too few
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Clone)]
pub struct OtpSecret(SecretBytes);

/// RFC 4226 section 4, R6: at least 128 bits, 160 recommended.
const MIN: usize = 16;
const USUAL: usize = 20;
/// A block of SHA-512: what is longer is hashed first and no stronger.
const MAX: usize = 64;

impl OtpSecret {
    /// A new secret of 160 bits.
    ///
    /// # Errors
    /// `Entropy`.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; USUAL]);
        random.fill(&mut *bytes)?;
        Self::from_bytes(SecretBytes::new(bytes.to_vec()))
    }

    /// Takes over a secret that was made elsewhere, or was unsealed.
    ///
    /// # Errors
    /// `InvalidInput` when it has less than 16 bytes or more than 64, or repeats itself and so is no random one.
    pub fn from_bytes(bytes: SecretBytes) -> Result<Self, Error> {
        if is_repetition(bytes.expose()) {
            return Err(Error::invalid(
                "OTP secret",
                "it repeats itself: give random bytes",
            ));
        }
        Self::of_length(bytes)
    }

    /// As [`OtpSecret::from_bytes`], however guessable it is.
    pub(crate) fn of_length(bytes: SecretBytes) -> Result<Self, Error> {
        if !(MIN..=MAX).contains(&bytes.expose().len()) {
            return Err(Error::invalid("OTP secret", "give 16 to 64 random bytes"));
        }
        Ok(Self(bytes))
    }

    /// Reads base32 (RFC 4648 section 6) as otpauth URIs have it: upper case, without padding, canonical.
    ///
    /// # Errors
    /// `InvalidInput` when it is not that, or as [`OtpSecret::from_bytes`].
    pub fn from_base32(text: &str) -> Result<Self, Error> {
        const MALFORMED: Error = Error::invalid(
            "OTP secret",
            "write it in base32: A to Z and 2 to 7, in upper case, without padding",
        );
        if text.len() > MAX * 8 / 5 + 1 {
            return Err(MALFORMED);
        }
        let secret = totp_rs::Secret::try_from_base32(text).map_err(|_| MALFORMED)?;
        let secret = Self::from_bytes(SecretBytes::new(secret.as_bytes().to_vec()))?;
        // The decoder forgives lower case and more; a secret has one text.
        if secret.to_base32().expose() == text {
            Ok(secret)
        } else {
            Err(MALFORMED)
        }
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// In base32, for a person to type: upper case, without padding.
    #[must_use]
    pub fn to_base32(&self) -> Secret {
        Secret::from(self.theirs().to_base32())
    }

    pub(super) fn theirs(&self) -> totp_rs::Secret {
        totp_rs::Secret::from(self.expose())
    }
}

impl fmt::Debug for OtpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtpSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};

    fn bytes(count: u8) -> SecretBytes {
        SecretBytes::new((0..count).collect())
    }

    /// R-46, B-64
    #[test]
    fn a_secret_has_128_to_512_bits() {
        for refused in [0, 1, 9, 10, 15, 65, 255] {
            assert!(OtpSecret::from_bytes(bytes(refused)).is_err(), "{refused}");
        }
        for accepted in [16, 20, 32, 64] {
            assert!(OtpSecret::from_bytes(bytes(accepted)).is_ok());
        }
        assert!(OtpSecret::from_bytes(SecretBytes::new(vec![0; 20])).is_err());
    }

    /// R-46
    #[test]
    fn a_new_secret_has_160_bits_and_needs_entropy() {
        let random = InsecureSeededRandom::new(1);
        let (one, two) = (
            OtpSecret::generate(&random).unwrap(),
            OtpSecret::generate(&random).unwrap(),
        );
        assert_eq!(one.expose().len(), 20);
        assert_ne!(one.expose(), two.expose());
        assert!(OtpSecret::generate(&InsecureFailingRandom).is_err());
    }

    /// B-64
    #[test]
    fn base32_is_read_in_one_form_only() {
        for length in 16..=64 {
            let secret = OtpSecret::from_bytes(bytes(length)).unwrap();
            let text = secret.to_base32();
            assert_eq!(
                OtpSecret::from_base32(text.expose()).unwrap().expose(),
                secret.expose()
            );
        }
        let good = "AAAQEAYEAUDAOCAJBIFQYDIOB4"; // 0..16: the last character holds 3 bits
        assert!(OtpSecret::from_base32(good).is_ok());
        for bad in [
            good.to_lowercase(),
            good.replace("QE", "0E"),
            good.replace("QE", "1E"),
            good.replace("QE", "8E"),
            format!("{good}======"),
            format!("{} {}", &good[..4], &good[4..]),
            format!("{}5", &good[..good.len() - 1]), // bits that no byte holds
            format!("{good}A"),
            format!(" {good}"),
            "MZXW6YTBMZXW6".to_owned(), // 64 bits
            String::new(),
            "A".repeat(100_000),
            "é".repeat(16),
        ] {
            assert!(OtpSecret::from_base32(&bad).is_err(), "{bad}");
        }
    }

    /// R-77
    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", OtpSecret::from_bytes(bytes(20)).unwrap()),
            "OtpSecret(..)"
        );
    }
}
