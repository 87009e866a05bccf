use zeroize::Zeroizing;

use crate::error::{ConfigError, ConfigErrors, Error};
use crate::identity::KeyId;
use crate::random::{Random, array};
use crate::secret::Secret;
use crate::text::{base62, base62_crc32_digits, is_all};

/// Characters of the id: 95 random bits.
const ID_LEN: usize = 16;
/// Characters of the secret: 256 random bits (R-32).
const SECRET_LEN: usize = 43;
/// Characters of the checksum: 62^6 > 2^32.
const CHECKSUM_LEN: usize = 6;
/// Everything behind the last `_`.
const BODY_LEN: usize = ID_LEN + SECRET_LEN + CHECKSUM_LEN;

/// How API keys are written: `<brand>_<environment>_<id><secret><checksum>`.
///
/// The id has 16 base62 characters, the secret 43 (256 random bits), and the checksum, CRC-32 of all before it in
/// base62, has 6 (R-32). The prefix lets secret scanners find a key, and the checksum lets garbage be refused
/// without asking a store (R-33).
///
/// ```
/// use fountain_core::api_key::{KeyFormat, KeyFormatError};
///
/// let format = KeyFormat::new("acme", ["live", "test"])?;
/// let refused = format.parse("acme_live_0123456789abcdef").unwrap_err();
/// assert_eq!(refused, KeyFormatError::Length);
/// assert!(KeyFormat::new("Acme Inc", ["live"]).is_err());
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFormat {
    brand: Box<str>,
    environments: Box<[Environment]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Environment {
    name: Box<str>,
    /// Brand and environment as they begin a key, both `_` included.
    prefix: Box<str>,
}

impl KeyFormat {
    /// A format of this brand (`[a-z0-9]{2,8}`) that admits keys of these environments (`[a-z0-9]{2,12}`, 1 to 16).
    ///
    /// The first environment is the one of keys that are issued without naming one.
    ///
    /// # Errors
    /// Everything that is not of that form, at once.
    pub fn new(
        brand: &str,
        environments: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let mut mistake = |setting, hint| errors.push(ConfigError::Invalid { setting, hint });
        if !is_name(brand, 8) {
            mistake("brand", "write 2 to 8 characters of a-z, 0-9");
        }
        let mut known: Vec<Environment> = Vec::new();
        for name in environments {
            let name = name.as_ref();
            if !is_name(name, 12) {
                mistake(
                    "environments",
                    "write each as 2 to 12 characters of a-z, 0-9",
                );
            } else if known.iter().all(|other| *other.name != *name) {
                known.push(Environment {
                    name: name.into(),
                    prefix: format!("{brand}_{name}_").into(),
                });
            }
        }
        if known.is_empty() || known.len() > 16 {
            mistake("environments", "name 1 to 16, such as live and test");
        }
        ConfigErrors::from_iter(errors).into_result()?;
        Ok(Self {
            brand: brand.into(),
            environments: known.into(),
        })
    }

    /// The brand.
    #[must_use]
    pub fn brand(&self) -> &str {
        &self.brand
    }

    /// The environments whose keys are admitted; the first is the default.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.environments.iter().map(|known| &*known.name)
    }

    /// Takes a key apart. Allocates nothing and asks nobody.
    ///
    /// # Errors
    /// The first that fails, in this order: length, alphabet, brand, environment, checksum.
    pub fn parse<'a>(&'a self, text: &'a str) -> Result<KeyParts<'a>, KeyFormatError> {
        let bytes = text.as_bytes();
        if !self
            .environments
            .iter()
            .any(|known| known.prefix.len() + BODY_LEN == bytes.len())
        {
            return Err(KeyFormatError::Length);
        }
        let (prefix, body) = bytes
            .split_last_chunk::<BODY_LEN>()
            .ok_or(KeyFormatError::Length)?;
        // Without early exit, so that it is done many bytes at a time.
        let alphabet = body
            .iter()
            .fold(true, |ok, b| ok & b.is_ascii_alphanumeric())
            & prefix.iter().fold(true, |ok, b| {
                ok & (b.is_ascii_alphanumeric() | (*b == b'_'))
            });
        if !alphabet {
            return Err(KeyFormatError::Alphabet);
        }
        let after_brand = prefix
            .strip_prefix(self.brand.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"_"));
        if after_brand.is_none() {
            return Err(KeyFormatError::Brand);
        }
        let environment = self
            .environments
            .iter()
            .find(|known| known.prefix.as_bytes() == prefix)
            .ok_or(KeyFormatError::Environment)?;
        if !is_checked(bytes) {
            return Err(KeyFormatError::Checksum);
        }
        // All of it is ASCII, so the id can be cut out at these places.
        let at = environment.prefix.len();
        let id = text.get(at..at + ID_LEN).ok_or(KeyFormatError::Length)?;
        Ok(KeyParts {
            environment: &environment.name,
            id,
        })
    }

    /// A regular expression that finds keys of this brand in any environment: for secret scanners (L-18).
    ///
    /// In the dialect that GitHub, gitleaks and trufflehog read. Confirm a match offline with [`KeyFormat::inspect`].
    #[must_use]
    pub fn scanner_regex(&self) -> String {
        format!(
            r"\b{}_[a-z0-9]{{2,12}}_[0-9A-Za-z]{{{BODY_LEN}}}\b",
            self.brand
        )
    }

    /// What a found text says about itself, without asking anybody: for whoever handles a leak (L-18).
    ///
    /// Any brand and environment will do, and blanks around the key are passed over. `None` when the text has not
    /// the shape of a key at all.
    ///
    /// # Security
    /// A right checksum means that the text was not mistyped. Whether it is a key, and whether it still works, only
    /// the store knows.
    ///
    /// ```
    /// use fountain_core::api_key::KeyFormat;
    ///
    /// let found = format!("fnt_live_{}\n", "0".repeat(65));
    /// let seen = KeyFormat::inspect(&found).unwrap();
    /// assert_eq!((seen.brand, seen.environment), ("fnt", "live"));
    /// assert!(!seen.is_intact);
    /// assert!(KeyFormat::inspect("fnt_live_0123").is_none());
    /// ```
    #[must_use]
    pub fn inspect(text: &str) -> Option<KeyInspection<'_>> {
        let text = text.trim();
        let (prefix, body) = text.rsplit_once('_')?;
        let (brand, environment) = prefix.split_once('_')?;
        let is_key = is_name(brand, 8)
            && is_name(environment, 12)
            && is_all(body, BODY_LEN, BODY_LEN, |b| b.is_ascii_alphanumeric());
        is_key.then_some(())?;
        Some(KeyInspection {
            brand,
            environment,
            id: KeyId::new(body.get(..ID_LEN)?).ok()?,
            is_intact: is_checked(text.as_bytes()),
        })
    }

    /// Makes a new key of this environment.
    pub(super) fn generate(
        &self,
        environment: &str,
        random: &dyn Random,
    ) -> Result<(KeyId, Secret), Error> {
        let known = self
            .environments
            .iter()
            .find(|known| *known.name == *environment)
            .ok_or_else(|| Error::invalid("environment", "name one that the key format admits"))?;
        let mut id = array::<12>(random)?;
        // 2^95 < 62^16: what is left fits into the id's width.
        id[0] &= 0x7f;
        let id = base62(&id, ID_LEN);
        let secret = Zeroizing::new(array::<32>(random)?);
        let secret = Zeroizing::new(base62(&*secret, SECRET_LEN));
        let key = assemble(&known.prefix, &id, &secret);
        Ok((KeyId::new(id)?, key))
    }
}

impl Default for KeyFormat {
    /// The brand `fnt` and the environment `live`.
    fn default() -> Self {
        Self {
            brand: "fnt".into(),
            environments: Box::new([Environment {
                name: "live".into(),
                prefix: "fnt_live_".into(),
            }]),
        }
    }
}

/// What a key says about itself, without the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// Its environment, one that the format admits.
    pub environment: &'a str,
    /// Its id, 16 base62 characters.
    pub id: &'a str,
}

/// What a found text says about itself; see [`KeyFormat::inspect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInspection<'a> {
    /// The brand that it begins with.
    pub brand: &'a str,
    /// The environment that it names.
    pub environment: &'a str,
    /// The id to look for in the store.
    pub id: KeyId,
    /// Whether its checksum is right.
    pub is_intact: bool,
}

/// Why a text is not a key, in the order of the checks. For logs; a client is told no more than for a wrong key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFormatError {
    /// No key has this length.
    #[error("an api key has another length")]
    Length,
    /// A character that no key has.
    #[error("an api key has only A-Z, a-z, 0-9 and the two '_' of its prefix")]
    Alphabet,
    /// It begins with another brand.
    #[error("the api key is of another brand")]
    Brand,
    /// It is of an environment that is not admitted here.
    #[error("the api key is of an environment that is not admitted")]
    Environment,
    /// It was mistyped, cut or made up.
    #[error("the api key's checksum is wrong")]
    Checksum,
}

fn is_name(text: &str, max: usize) -> bool {
    is_all(text, 2, max, |b| {
        b.is_ascii_lowercase() || b.is_ascii_digit()
    })
}

fn assemble(prefix: &str, id: &str, secret: &str) -> Secret {
    // Its final size from the start: a text that grows leaves copies behind.
    let mut key = String::with_capacity(prefix.len() + BODY_LEN);
    key.push_str(prefix);
    key.push_str(id);
    key.push_str(secret);
    let checksum = base62_crc32_digits(key.as_bytes());
    key.extend(checksum.map(char::from));
    Secret::from(key)
}

/// Whether the last six bytes are the checksum of all before them.
fn is_checked(key: &[u8]) -> bool {
    key.split_last_chunk::<CHECKSUM_LEN>()
        .is_some_and(|(rest, given)| *given == base62_crc32_digits(rest))
}

#[cfg(test)]
mod tests;
