use std::fmt;

use argon2::password_hash::phc;
use constant_time_eq::constant_time_eq;

use super::cost::HashCost;
use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

/// The salt of a new hash, in bytes: 128 bits (RFC 9106 section 3.1).
pub(super) const SALT_LEN: usize = 16;
/// The tag of a new hash, in bytes.
pub(super) const TAG_LEN: usize = 32;
/// Longer than any text of our form: 8 + 5 + 21 characters and two fields of at most 86.
const MAX_TEXT: usize = 256;
const VERSION: u32 = 0x13;

/// A stored password hash: an Argon2id PHC string, read strictly, its cost within bounds.
///
/// `Debug` is redacted and there is no `Display`: who has the text can guess at the password at leisure.
///
/// ```
/// use fountain_core::password::{PasswordHash, PasswordHashError};
///
/// let stored = PasswordHash::parse(concat!(
///     "$argon2id$v=19$m=19456,t=2,p=1",
///     "$c2FsdHNhbHRzYWx0c2FsdA$A8iGzqqPcRJWOP5hDaYcWnVhTLGVSaNzjVdtGrfGVfU",
/// ))?;
/// assert_eq!(stored.cost().memory_kib(), 19_456);
///
/// // 4 GiB for one login: refused before anything is allocated
/// let hostile = stored.expose().replace("m=19456", "m=4194304");
/// assert_eq!(PasswordHash::parse(&hostile).unwrap_err(), PasswordHashError::TooCostly);
/// # Ok::<(), PasswordHashError>(())
/// ```
#[derive(Clone)]
pub struct PasswordHash {
    text: Secret,
    cost: HashCost,
    salt: Box<[u8]>,
    tag: Box<[u8]>,
}

/// Why a stored text is not taken as a password hash. It tells nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordHashError {
    /// Not a PHC string in canonical form.
    #[error("the stored password hash is not a PHC string in canonical form")]
    Malformed,
    /// Another algorithm than Argon2id in version 1.3, or other parameters than `m`, `t` and `p`.
    #[error("the stored password hash is not Argon2id version 19 with m, t and p")]
    Algorithm,
    /// More than 256 MiB, 10 passes or 16 lanes, or less than Argon2 can work with.
    #[error("the stored password hash asks for more work than is allowed, or for none")]
    TooCostly,
    /// A salt of less than 8 bytes, or a tag of less than 16.
    #[error("the stored password hash has too short a salt or tag")]
    TooShort,
}

impl From<PasswordHashError> for Error {
    fn from(error: PasswordHashError) -> Self {
        Self::with_source(ErrorKind::Corrupt, error)
    }
}

impl PasswordHash {
    /// Reads what was stored. No password is hashed, and nothing is allocated in proportion to what the text asks for.
    ///
    /// Accepted are at most 256 ASCII characters of the form `$argon2id$v=19$m=…,t=…,p=…$salt$tag`, in canonical form.
    ///
    /// # Errors
    /// Why it is refused; [`Error`] takes it as `Corrupt`.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        use PasswordHashError::{Algorithm, Malformed, TooCostly, TooShort};

        // Ahead of the parser: it had a panic on what is not ASCII (RUSTSEC-2026-0199).
        if text.len() > MAX_TEXT || !text.is_ascii() {
            return Err(Malformed);
        }
        let parsed = phc::PasswordHash::new(text).map_err(|_| Malformed)?;
        if parsed.to_string() != text {
            return Err(Malformed);
        }
        if parsed.algorithm.as_str() != "argon2id" || parsed.version != Some(VERSION) {
            return Err(Algorithm);
        }
        let mut numbers = [0; 3];
        let mut parameters = parsed.params.iter();
        for (number, wanted) in numbers.iter_mut().zip(["m", "t", "p"]) {
            let (name, value) = parameters.next().ok_or(Algorithm)?;
            if name.as_str() != wanted {
                return Err(Algorithm);
            }
            // Only a number too large for 32 bits is none.
            *number = value.decimal().map_err(|_| TooCostly)?;
        }
        if parameters.next().is_some() {
            return Err(Algorithm);
        }
        let [memory, passes, lanes] = numbers;
        let cost = HashCost::within_bounds(memory, passes, lanes).ok_or(TooCostly)?;
        let (salt, tag) = parsed.salt.zip(parsed.hash).ok_or(Malformed)?;
        if salt.len() < argon2::MIN_SALT_LEN || tag.len() < 16 {
            return Err(TooShort);
        }
        Ok(Self {
            text: Secret::from(text.to_owned()),
            cost,
            salt: (&*salt).into(),
            tag: tag.as_bytes().into(),
        })
    }

    /// What was computed, as it is to be stored.
    pub(super) fn new(
        cost: HashCost,
        salt: &[u8; SALT_LEN],
        tag: &[u8; TAG_LEN],
    ) -> Result<Self, Error> {
        const FAILED: Error = Error::new(ErrorKind::Crypto("writing a password hash"));

        let parameters = argon2::Params::new(cost.memory_kib(), cost.passes(), cost.lanes(), None)
            .ok()
            .and_then(|parameters| phc::ParamsString::try_from(&parameters).ok())
            .ok_or(FAILED)?;
        let text = phc::PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(VERSION),
            params: parameters,
            salt: Some(phc::Salt::new(salt).map_err(|_| FAILED)?),
            hash: Some(phc::Output::new(tag).map_err(|_| FAILED)?),
        }
        .to_string();
        Ok(Self {
            text: Secret::from(text),
            cost,
            salt: salt.as_slice().into(),
            tag: tag.as_slice().into(),
        })
    }

    /// The PHC string, for the store.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What it costs to verify against it.
    #[must_use]
    pub const fn cost(&self) -> HashCost {
        self.cost
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// Whether this is the tag, in constant time.
    pub(super) fn is_tag(&self, tag: &[u8]) -> bool {
        constant_time_eq(&self.tag, tag)
    }

    /// Whether a password of it should be hashed anew: its cost is below `cost`, or its salt or tag is shorter than ours.
    pub(super) fn is_below(&self, cost: HashCost) -> bool {
        self.cost.is_below(cost) || self.salt.len() < SALT_LEN || self.tag.len() < TAG_LEN
    }
}

/// Equality of the stored texts, in constant time. It says nothing of whether two passwords are the same.
impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

impl Eq for PasswordHash {}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$A8iGzqqPcRJWOP5hDaYcWnVhTLGVSaNzjVdtGrfGVfU";

    fn refused(text: &str) -> PasswordHashError {
        PasswordHash::parse(text).expect_err(text)
    }

    /// B-75
    #[test]
    fn a_stored_cost_beyond_the_bounds_is_refused() {
        use PasswordHashError::TooCostly;
        for (good, bad) in [
            ("m=19456", "m=4194304"),
            ("m=19456", "m=262145"),
            ("m=19456", "m=4294967296"),
            ("m=19456", "m=7"),
            ("t=2", "t=4294967296"),
            ("t=2", "t=4294967295"),
            ("t=2", "t=11"),
            ("t=2", "t=0"),
            ("p=1", "p=16777216"),
            ("p=1", "p=16777215"),
            ("p=1", "p=17"),
            ("p=1", "p=0"),
        ] {
            assert_eq!(refused(&GOOD.replace(good, bad)), TooCostly, "{bad}");
        }
        assert!(PasswordHash::parse(&GOOD.replace("m=19456,t=2", "m=262144,t=10")).is_ok());
    }

    /// B-75: all of it together takes less than one such refusal may (1 ms), by far; what matters is that none works.
    #[test]
    fn hostile_texts_are_refused_without_work() {
        let clock = crate::clock::SystemClock::new();
        let hostile = [
            GOOD.replace("m=19456", "m=4194304"),
            GOOD.replace("t=2", "t=4294967296"),
            GOOD.replace("p=1", "p=16777216"),
            GOOD.replace("A8iG", "A8ï"),
            "é".repeat(5_000),
            "$".repeat(5_000),
        ];
        let best = (0..20)
            .map(|_| {
                let before = crate::clock::Clock::monotonic(&clock);
                hostile.iter().for_each(|text| {
                    refused(text);
                });
                crate::clock::Clock::monotonic(&clock).saturating_sub(before)
            })
            .min();
        assert!(best.unwrap() < std::time::Duration::from_millis(1));
    }

    /// B-75
    #[test]
    fn what_is_not_ascii_is_refused_wherever_it_stands() {
        for at in 0..GOOD.len() {
            let (before, after) = GOOD.split_at(at);
            for strange in ["é", "\u{0}", "\u{feff}", "\u{1f512}"] {
                refused(&format!("{before}{strange}{after}"));
            }
        }
    }

    #[test]
    fn only_argon2id_version_19_with_m_t_and_p_is_read() {
        use PasswordHashError::Algorithm;
        for (good, bad) in [
            ("argon2id", "argon2i"),
            ("argon2id", "argon2d"),
            ("argon2id", "scrypt"),
            ("v=19", "v=16"),
            ("m=19456,t=2,p=1", "t=2,m=19456,p=1"),
            ("m=19456,t=2,p=1", "m=19456,t=2"),
            ("p=1", "p=1,keyid=AAAA"),
            ("p=1", "p=1,data=AAAA"),
        ] {
            assert_eq!(refused(&GOOD.replace(good, bad)), Algorithm, "{bad}");
        }
        assert_eq!(refused(&GOOD.replace("$v=19", "")), Algorithm);
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        use PasswordHashError::Malformed;
        for bad in [
            String::new(),
            format!(" {GOOD}"),
            format!("{GOOD}\n"),
            format!("{GOOD}$"),
            format!("{GOOD}="),
            GOOD.replace("v=19", "v=019"),
            GOOD.replace("t=2", "t=02"),
            GOOD.replace("t=2", "t=+2"),
            GOOD.replace("$argon2id", "argon2id"),
            GOOD.rsplit_once('$').unwrap().0.to_owned(),
            GOOD.replace("fU", "fV"), // bits that no byte holds
            GOOD.replace("fU", "-_"),
            "x".repeat(100_000),
        ] {
            let refused = refused(&bad);
            // A number that is not written as a number is called one or the other.
            assert!(
                refused == Malformed
                    || bad.contains("t=") && refused == PasswordHashError::TooCostly,
                "{bad}: {refused}"
            );
        }
    }

    #[test]
    fn a_short_salt_or_tag_is_refused() {
        use PasswordHashError::TooShort;
        let short_tag = GOOD.replace(
            "A8iGzqqPcRJWOP5hDaYcWnVhTLGVSaNzjVdtGrfGVfU",
            "A8iGzqqPcRJWOP5h",
        );
        assert_eq!(refused(&short_tag), TooShort);
        // A salt of 7 bytes is refused by the parser already.
        refused(&GOOD.replace("c2FsdHNhbHRzYWx0c2FsdA", "c2FsdHNhbA"));
    }

    /// R-77
    #[test]
    fn debug_shows_the_cost_and_nothing_else() {
        let shown = format!("{:?}", PasswordHash::parse(GOOD).unwrap());
        assert!(shown.contains("19456"), "{shown}");
        assert!(
            !shown.contains("c2Fs") && !shown.contains("A8iG"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let cost = HashCost::default();
        let made = PasswordHash::new(cost, &[7; SALT_LEN], &[9; TAG_LEN]).unwrap();
        let read = PasswordHash::parse(made.expose()).unwrap();
        assert_eq!(read.cost(), cost);
        assert_eq!((read.salt(), read.tag()), (made.salt(), made.tag()));
        assert!(read.is_tag(&[9; TAG_LEN]) && !read.is_tag(&[9; 31]) && !read.is_tag(&[8; 32]));
    }
}
