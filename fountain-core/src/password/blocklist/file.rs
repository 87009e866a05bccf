use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest;

use super::PasswordBlocklist;
use crate::error::{Error, ErrorKind, Reason, Rejection};
use crate::password::pool::{Pool, PoolError};
use crate::secret::Secret;

/// The hexadecimal digits of a SHA-1.
const HEX: usize = 40;
/// No line is longer: 40 digits, a colon, a count of up to 20 digits, the line's end.
const MAX_LINE: usize = 64;
/// Read at once: a whole line lies in any two of the longest.
const WINDOW: usize = 2 * MAX_LINE;

type Key = [u8; HEX];

/// A sorted file of SHA-1 digests, such as [Pwned Passwords](https://haveibeenpwned.com/Passwords) gives: one a line, in
/// upper-case hexadecimal, with or without `:` and a count. Of any size; it is searched where it lies, in about 35 reads
/// for a thousand million lines, by a thread of its own.
///
/// ```no_run
/// use std::sync::Arc;
/// use fountain_core::password::{FileBlocklist, PasswordRules};
///
/// let leaked = FileBlocklist::open("/var/lib/pwned-passwords-sha1-ordered-by-hash.txt")?;
/// let rules = PasswordRules::builder().blocklist(Arc::new(leaked)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each question opens the file anew, so that it can be replaced by renaming another one over it. SHA-1 is what such lists
/// are made of and protects nothing here.
pub struct FileBlocklist {
    path: Arc<Path>,
    thread: Pool<()>,
}

/// What a search found wrong.
#[derive(Debug)]
enum SearchError {
    Read(io::Error),
    NotSorted,
    NotDigests,
}

impl From<io::Error> for SearchError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl FileBlocklist {
    /// How many questions can wait; who comes after that is refused with 503.
    const QUEUE: usize = 256;

    /// Opens a list, and looks at lines all over it.
    ///
    /// # Errors
    /// Those of reading; `InvalidData` when a line is not a SHA-1 in upper-case hexadecimal, or is not sorted after those
    /// before it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path: Arc<Path> = path.into().into();
        sample(&mut File::open(&path)?).map_err(|error| match error {
            SearchError::Read(error) => error,
            SearchError::NotSorted => io::Error::new(
                io::ErrorKind::InvalidData,
                "the password list is not sorted: sort it by its digests",
            ),
            SearchError::NotDigests => io::Error::new(
                io::ErrorKind::InvalidData,
                "the password list has a line that is not a SHA-1 in upper-case hexadecimal",
            ),
        })?;
        Ok(Self {
            path,
            thread: Pool::start("fountain-blocklist", 1, Self::QUEUE)?,
        })
    }
}

#[async_trait]
impl PasswordBlocklist for FileBlocklist {
    async fn holds(&self, password: &Secret) -> Result<bool, Error> {
        let key = key_of(password.expose());
        let path = self.path.clone();
        let search = move |(): &mut ()| {
            let found = File::open(&path)
                .map_err(SearchError::Read)
                .and_then(|mut file| search(&mut file, &key));
            // An `io::Error` cannot be handed on twice, and its kind is all that an operator needs.
            found.map_err(|error| match error {
                SearchError::Read(error) => Some(error.kind()),
                SearchError::NotSorted | SearchError::NotDigests => None,
            })
        };
        match self.thread.run(search).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Some(kind))) => Err(Error::with_source(
                ErrorKind::Unavailable,
                io::Error::from(kind),
            )),
            Ok(Err(None)) => Err(Error::new(ErrorKind::Corrupt)),
            Err(PoolError::Full) => Err(Rejection::unavailable(Reason::PasswordWorkersBusy).into()),
            Err(PoolError::Lost) => Err(Error::new(ErrorKind::Unavailable)),
        }
    }
}

impl fmt::Debug for FileBlocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBlocklist")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The SHA-1 of a password as such a list writes it.
fn key_of(password: &str) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let mut key = [b'0'; HEX];
    let nibbles = digest
        .as_ref()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    for (digit, nibble) in key.iter_mut().zip(nibbles) {
        *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    }
    key
}

/// A line: where it begins, where the next one does, and what it holds.
struct Line {
    key: Key,
    begin: u64,
    end: u64,
}

/// The first line that begins at or after `from`; none when there is no more.
fn line_at(file: &mut File, from: u64) -> Result<Option<Line>, SearchError> {
    let mut window = [0; WINDOW];
    // A line begins after a line's end: look from the byte before.
    let start = from.saturating_sub(1);
    file.seek(SeekFrom::Start(start))?;
    let read = read_full(file, &mut window)?;
    let window = window.get(..read).unwrap_or_default();
    let begin = if from == 0 {
        0
    } else {
        match window.iter().position(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if read < WINDOW => return Ok(None),
            None => return Err(SearchError::NotDigests),
        }
    };
    let rest = window.get(begin..).unwrap_or_default();
    if rest.is_empty() && read < WINDOW {
        return Ok(None);
    }
    let length = match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => at,
        None if read < WINDOW => rest.len(),
        None => return Err(SearchError::NotDigests),
    };
    let (line, _) = rest.split_at(length);
    let key = key_in(line).ok_or(SearchError::NotDigests)?;
    let place = |at: usize| start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    Ok(Some(Line {
        key,
        begin: place(begin),
        end: place(begin + length + 1),
    }))
}

/// The digest of a line, which is followed by its end, or by `:` and a count.
fn key_in(line: &[u8]) -> Option<Key> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (key, rest) = line.split_first_chunk::<HEX>()?;
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    let is_count = |rest: &[u8]| {
        rest.split_first()
            .is_none_or(|(colon, count)| *colon == b':' && count.iter().all(u8::is_ascii_digit))
    };
    (key.iter().all(is_digit) && is_count(rest)).then_some(*key)
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let at_most = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
    let mut rest = buffer;
    let copied = io::copy(&mut file.take(at_most), &mut rest)?;
    Ok(usize::try_from(copied).unwrap_or(0))
}

/// The last line, by way of one that begins before it.
fn last_line(file: &mut File) -> Result<Line, SearchError> {
    let size = file.metadata()?.len();
    // Every line is shorter than this, so one begins at or after it.
    let near = size.saturating_sub(u64::try_from(MAX_LINE).unwrap_or(0));
    let mut last = line_at(file, near)?.ok_or(SearchError::NotDigests)?;
    while let Some(line) = line_at(file, last.end)? {
        last = line;
    }
    Ok(last)
}

/// Searches for a key. That each line read lies between those read before it, the first and the last line to begin with,
/// is checked on the way: in a file that is not sorted a search could miss, which would accept a leaked password.
fn search(file: &mut File, key: &Key) -> Result<bool, SearchError> {
    let first = line_at(file, 0)?.ok_or(SearchError::NotDigests)?;
    let (mut least, mut most) = (first.key, last_line(file)?.key);
    let (mut low, mut high) = (0, file.metadata()?.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(line) = line_at(file, middle)?.filter(|line| line.begin < high) else {
            // No line begins between the middle and the end: what is left begins before it.
            high = middle;
            continue;
        };
        if line.key < least || line.key > most {
            return Err(SearchError::NotSorted);
        }
        if line.key == *key {
            return Ok(true);
        }
        if line.key < *key {
            least = line.key;
            low = line.end;
        } else {
            most = line.key;
            high = middle;
        }
    }
    Ok(false)
}

/// Looks at 64 lines all over the file, the last among them.
fn sample(file: &mut File) -> Result<(), SearchError> {
    let last = last_line(file)?;
    let mut before: Option<Line> = None;
    for at in (0..64).map(|part| last.begin / 63 * part) {
        let line = line_at(file, at)?.ok_or(SearchError::NotDigests)?;
        // The same line twice is sorted.
        if before.is_some_and(|before| before.begin < line.begin && before.key > line.key)
            || line.key > last.key
        {
            return Err(SearchError::NotSorted);
        }
        before = Some(line);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
