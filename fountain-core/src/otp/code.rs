use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::digits::Digits;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::random::{Random, array};
use crate::secret::{Digest, Pepper, Secret};
use crate::text::{is_all, random_id, text_type};

text_type!(
    /// The id of a challenge: one question for a second factor, of one subject for one purpose. 22 base62 characters.
    ChallengeId,
    "challenge id",
    |t| is_all(t, 22, 22, |b| b.is_ascii_alphanumeric()),
    "it is made by Fountain"
);

impl ChallengeId {
    /// A new id of 128 random bits.
    ///
    /// # Errors
    /// `Entropy`.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        Self::new(random_id::<16>(random)?)
    }
}

/// A code that is sent to a person, or what a person submitted as one.
///
/// ```
/// use fountain_core::otp::{ChallengeId, DeliveredCode, Digits};
/// use fountain_core::{OsRandom, Pepper};
///
/// let pepper = Pepper::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64");
/// let challenge = ChallengeId::generate(&OsRandom)?;
/// let sent = DeliveredCode::generate(&OsRandom, Digits::Six)?; // by SMS
/// let stored = sent.digest(&pepper, &challenge); // and nothing else of it
///
/// let submitted = DeliveredCode::parse(sent.expose(), Digits::Six).expect("six digits");
/// assert!(submitted.digest(&pepper, &challenge).matches(&stored));
///
/// // the same digits for another challenge, and what is no code at all
/// let other = ChallengeId::generate(&OsRandom)?;
/// assert!(!submitted.digest(&pepper, &other).matches(&stored));
/// assert!(DeliveredCode::parse(" 123456", Digits::Six).is_none());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Clone)]
pub struct DeliveredCode(Secret);

impl DeliveredCode {
    /// A new code: each of them as likely as any other.
    ///
    /// # Errors
    /// `Entropy`, also of a source whose numbers are not random.
    pub fn generate(random: &dyn Random, digits: Digits) -> Result<Self, Error> {
        let codes = digits.codes();
        // What is at or above the last whole multiple would make the low codes likelier; it comes once in 45 draws at most.
        let whole = u32::MAX - u32::MAX % codes;
        for _ in 0..64 {
            let drawn = u32::from_be_bytes(array(random)?);
            if drawn < whole {
                return Ok(Self(Secret::from(String::clone(
                    &digits.write(drawn % codes),
                ))));
            }
        }
        Err(Error::new(ErrorKind::Entropy))
    }

    /// What was submitted, if it is exactly so many ASCII digits (R-50).
    #[must_use]
    pub fn parse(text: &str, digits: Digits) -> Option<Self> {
        digits
            .is_code(text)
            .then(|| Self(Secret::from(text.to_owned())))
    }

    /// The digits, to be sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What a store may hold of it: an HMAC of the challenge and the code (R-54).
    ///
    /// # Security
    /// A code has 20 bits, so the pepper is all that keeps who reads the table from finding it. Keep it outside the store.
    #[must_use]
    pub fn digest(&self, pepper: &Pepper, challenge: &ChallengeId) -> Digest {
        // A challenge has one length, so no two pairs are written alike.
        let text = Zeroizing::new(format!(
            "fountain delivered code 1:{challenge}:{}",
            self.expose()
        ));
        Digest::keyed(pepper, text.as_bytes())
    }
}

impl fmt::Debug for DeliveredCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeliveredCode(..)")
    }
}

/// What delivered codes are like and how long they live.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::Timestamp;
/// use fountain_core::otp::{CodeRules, Digits};
///
/// let rules = CodeRules::new(Digits::Six, Duration::from_secs(600))?;
/// let issued = Timestamp::from_unix_seconds(1_900_000_000);
/// assert!(rules.is_live(issued, issued + Duration::from_micros(599_999_999)));
/// assert!(!rules.is_live(issued, issued + Duration::from_secs(600)));
/// assert!(CodeRules::new(Digits::Six, Duration::from_secs(601)).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRules {
    digits: Digits,
    life: Duration,
}

impl CodeRules {
    /// The longest life: 10 minutes (R-52; SP 800-63B-4 section 3.1.3.2).
    pub const LONGEST_LIFE: Duration = Duration::from_secs(600);

    /// Codes of so many digits that live so long.
    ///
    /// # Errors
    /// `InvalidInput` when they live less than 30 s or more than 10 minutes.
    pub const fn new(digits: Digits, life: Duration) -> Result<Self, Error> {
        if life.as_secs() < 30 || life.as_micros() > Self::LONGEST_LIFE.as_micros() {
            return Err(Error::invalid("life of a code", "give 30 to 600 seconds"));
        }
        Ok(Self { digits, life })
    }

    /// How many digits.
    #[must_use]
    pub const fn digits(self) -> Digits {
        self.digits
    }

    /// How long they live.
    #[must_use]
    pub const fn life(self) -> Duration {
        self.life
    }

    /// The first instant at which a code no longer works.
    #[must_use]
    pub fn expires_at(self, issued: Timestamp) -> Timestamp {
        issued + self.life
    }

    /// Whether a code can still be used. One that was issued further in the future than it lives cannot: a clock has
    /// jumped, and such a code would live for as long as the clock went back.
    #[must_use]
    pub fn is_live(self, issued: Timestamp, now: Timestamp) -> bool {
        now.since(issued) < self.life && issued.since(now) < self.life
    }
}

impl Default for CodeRules {
    /// Six digits, 5 minutes.
    fn default() -> Self {
        Self {
            digits: Digits::Six,
            life: Duration::from_secs(300),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::*;
    use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};
    use crate::otp::digits::malformed;

    /// Gives these numbers, then nothing but the last.
    #[derive(Debug)]
    struct Numbers(Mutex<Vec<u32>>);

    impl Random for Numbers {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
            let mut left = self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let number = if left.len() > 1 {
                left.remove(0)
            } else {
                left[0]
            };
            buffer.copy_from_slice(&number.to_be_bytes());
            Ok(())
        }
    }

    fn code_of(numbers: &[u32], digits: Digits) -> Result<String, Error> {
        let random = Numbers(Mutex::new(numbers.to_vec()));
        DeliveredCode::generate(&random, digits).map(|code| code.expose().to_owned())
    }

    /// R-52: unbiased.
    #[test]
    fn numbers_that_would_make_some_codes_likelier_are_drawn_again() {
        for (digits, whole) in [
            (Digits::Six, 4_294_000_000),
            (Digits::Eight, 4_200_000_000_u32),
        ] {
            let count = usize::from(digits.count());
            assert_eq!(code_of(&[whole - 1], digits).unwrap(), "9".repeat(count));
            assert_eq!(code_of(&[0], digits).unwrap(), "0".repeat(count));
            for bad in [whole, u32::MAX] {
                assert_eq!(
                    code_of(&[bad, bad, 7], digits).unwrap(),
                    format!("{:0>count$}", 7)
                );
            }
        }
        assert!(code_of(&[u32::MAX], Digits::Six).is_err());
    }

    #[test]
    fn every_digit_comes_at_every_place_about_as_often() {
        let random = InsecureSeededRandom::new(7);
        let mut seen = [[0_u32; 10]; 6];
        for _ in 0..10_000 {
            let code = DeliveredCode::generate(&random, Digits::Six).unwrap();
            for (place, digit) in code.expose().bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] += 1;
            }
        }
        // 1000 expected, standard deviation 30
        assert!(
            seen.as_flattened()
                .iter()
                .all(|count| (850..1_150).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn without_entropy_there_is_no_code() {
        assert!(DeliveredCode::generate(&InsecureFailingRandom, Digits::Six).is_err());
        assert!(ChallengeId::generate(&InsecureFailingRandom).is_err());
    }

    /// R-50, B-57, B-58
    #[test]
    fn what_is_no_code_is_not_parsed() {
        for bad in malformed("123456") {
            assert!(DeliveredCode::parse(&bad, Digits::Six).is_none(), "{bad:?}");
        }
        assert!(DeliveredCode::parse("123456", Digits::Eight).is_none());
    }

    /// R-54, B-60
    #[test]
    fn a_digest_is_of_one_pepper_one_challenge_and_one_code() {
        let random = InsecureSeededRandom::new(1);
        let of = |code, pepper: u8, challenge: &ChallengeId| {
            DeliveredCode::parse(code, Digits::Six)
                .unwrap()
                .digest(&Pepper::new(&[pepper; 32]), challenge)
        };
        let (one, two) = (
            ChallengeId::generate(&random).unwrap(),
            ChallengeId::generate(&random).unwrap(),
        );
        let digests = [
            of("123456", 1, &one),
            of("123457", 1, &one),
            of("123456", 2, &one),
            of("123456", 1, &two),
        ];
        assert_eq!(
            digests
                .map(|digest| *digest.as_bytes())
                .into_iter()
                .collect::<HashSet<_>>()
                .len(),
            4
        );
        assert!(of("123456", 1, &one).matches(&digests[0]));
        assert_ne!(digests[0], Digest::of(b"123456"));
    }

    /// R-52
    #[test]
    fn a_code_lives_at_most_10_minutes_whatever_the_clock_does() {
        let issued = Timestamp::from_unix_seconds(1_900_000_000);
        for life in [30, 300, 600] {
            let life = Duration::from_secs(life);
            let rules = CodeRules::new(Digits::Six, life).unwrap();
            let last = life - Duration::from_micros(1);
            assert!(rules.is_live(issued, issued) && rules.is_live(issued, issued + last));
            assert!(!rules.is_live(issued, rules.expires_at(issued)));
            // F-30: nodes whose clocks differ a little, and a clock that jumped back
            assert!(rules.is_live(issued, issued - Duration::from_secs(2)));
            assert!(!rules.is_live(issued, issued - Duration::from_secs(3_600)));
            assert!(
                !rules.is_live(issued, Timestamp::MIN) && !rules.is_live(issued, Timestamp::MAX)
            );
        }
        for bad in [
            Duration::ZERO,
            Duration::from_secs(29),
            Duration::from_micros(600_000_001),
            Duration::MAX,
        ] {
            assert!(CodeRules::new(Digits::Six, bad).is_err());
        }
        assert_eq!(CodeRules::default().life(), Duration::from_secs(300));
    }

    /// R-77
    #[test]
    fn debug_shows_nothing() {
        let code = DeliveredCode::parse("123456", Digits::Six).unwrap();
        assert_eq!(format!("{code:?}"), "DeliveredCode(..)");
    }
}
