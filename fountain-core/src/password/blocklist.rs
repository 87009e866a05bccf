use std::fmt;
use std::io::{self, BufRead, Read};

use async_trait::async_trait;
use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::normal::MAX_INPUT;
use crate::error::Error;
use crate::secret::Secret;

mod file;
pub use file::FileBlocklist;

/// Says whether a password is known: common, expected or once compromised (NIST SP 800-63B-4 section 3.1.1.2).
///
/// [`WordBlocklist`] holds a list of words in memory, [`FileBlocklist`] searches a file of any size; a host may ask a
/// service instead.
///
/// # Contract
/// - A: the whole password is compared, never a part of it.
/// - B: what cannot be asked is an error and never `false`: a password is then not accepted.
#[async_trait]
pub trait PasswordBlocklist: fmt::Debug + Send + Sync + 'static {
    /// Whether this password, in normal form C, is on the list.
    ///
    /// # Errors
    /// `Unavailable` when the list cannot be asked, `Corrupt` when it cannot be read.
    ///
    /// # Security
    /// Who is asked learns the password. Send at most a part of its hash to another machine.
    ///
    /// # Cancel safety
    /// A dropped call has no answer and changes nothing.
    async fn holds(&self, password: &Secret) -> Result<bool, Error>;
}

/// A list of words in memory, one a line: 16 bytes each, however long they are.
///
/// Upper and lower case are one: who capitalises a known password has not made another.
///
/// ```
/// use fountain_core::Secret;
/// use fountain_core::password::{PasswordBlocklist, WordBlocklist};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let list = WordBlocklist::read(&b"trustno1\niloveyou\n"[..])?;
/// assert!(list.holds(&Secret::from(String::from("ILoveYou"))).await?);
/// assert!(!list.holds(&Secret::from(String::from("iloveyou, all of you"))).await?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WordBlocklist(Box<[[u8; 16]]>);

impl WordBlocklist {
    /// The most lines that are taken: 5 million, 80 MB of digests. A longer list is for [`FileBlocklist`].
    pub const MAX_LINES: usize = 5_000_000;

    /// Reads one word a line, UTF-8, until the end. Empty lines are nothing, blanks are part of a word.
    ///
    /// # Errors
    /// Those of reading; `InvalidData` when a line is not UTF-8 or longer than 1,024 bytes, when there are more than
    /// 5 million, or when there is none, since an empty list protects nobody.
    pub fn read(words: impl Read) -> io::Result<Self> {
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut words = io::BufReader::new(words);
        let mut digests = Vec::new();
        let mut line = String::new();
        loop {
            line.clear();
            let at_most = u64::try_from(MAX_INPUT + 2).unwrap_or(u64::MAX);
            if words.by_ref().take(at_most).read_line(&mut line)? == 0 {
                break;
            }
            let word = line.strip_suffix('\n').unwrap_or(&line);
            let word = word.strip_suffix('\r').unwrap_or(word);
            if word.len() > MAX_INPUT {
                return Err(wrong("a line of a password list is longer than 1024 bytes"));
            }
            if digests.len() >= Self::MAX_LINES {
                return Err(wrong(
                    "a password list has more than 5 million lines: give it as a sorted file",
                ));
            }
            if !word.is_empty() {
                digests.push(folded(word));
            }
        }
        if digests.is_empty() {
            return Err(wrong("a password list is empty"));
        }
        digests.sort_unstable();
        digests.dedup();
        Ok(Self(digests.into()))
    }

    /// How many words it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Half of the SHA-256 of a word in lower case: for two words of millions to share it takes 2^83 tries.
fn folded(word: &str) -> [u8; 16] {
    let lower = Zeroizing::new(word.to_lowercase());
    let digest = digest::digest(&digest::SHA256, lower.as_bytes());
    let mut half = [0; 16];
    half.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    half
}

#[async_trait]
impl PasswordBlocklist for WordBlocklist {
    async fn holds(&self, password: &Secret) -> Result<bool, Error> {
        Ok(self.0.binary_search(&folded(password.expose())).is_ok())
    }
}

impl fmt::Debug for WordBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WordBlocklist({} words)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(list: &WordBlocklist, word: &str) -> bool {
        crate::password::testing::block_on(list.holds(&Secret::from(word.to_owned()))).unwrap()
    }

    #[test]
    fn whole_words_are_found_whatever_their_case_and_line_ends() {
        let list =
            WordBlocklist::read("password1\r\n\nÄrger im Büro\n  two \nlast".as_bytes()).unwrap();
        assert_eq!((list.len(), list.is_empty()), (4, false));
        for known in ["password1", "PassWord1", "ärger im büro", "  two ", "last"] {
            assert!(holds(&list, known), "{known}");
        }
        for unknown in ["password", "password12", "two", "", "las", "password1\r"] {
            assert!(!holds(&list, unknown), "{unknown}");
        }
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        let long = format!("{}\n", "x".repeat(1_025));
        for bad in [&b""[..], b"\n\n", b"fine\n\xff\xfe\n", long.as_bytes()] {
            let error = WordBlocklist::read(bad).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let longest = format!("{}\r\n", "x".repeat(1_024));
        assert!(holds(
            &WordBlocklist::read(longest.as_bytes()).unwrap(),
            &"x".repeat(1_024)
        ));
    }
}
