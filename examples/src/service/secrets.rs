//! The two secrets that live outside the store: the key-encryption key and the pepper.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fountain_core::seal::{KekId, LocalKeys};
use fountain_core::{OsRandom, Pepper, Random, Secret};
use zeroize::Zeroizing;

/// 32 secret bytes, wiped on drop.
pub(super) type Bytes32 = Zeroizing<[u8; 32]>;

/// The pair. It has no `Debug` that shows it.
#[derive(Clone)]
pub struct Secrets {
    kek: Bytes32,
    pepper: Bytes32,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    /// Of these bytes.
    ///
    /// # Errors
    /// When one of them repeats itself, as all zeros do, or both are the same.
    pub(super) fn new(kek: Bytes32, pepper: Bytes32) -> Result<Self, String> {
        if kek == pepper {
            return Err(
                "FOUNTAIN_KEK and FOUNTAIN_PEPPER are the same: make each by itself, \
                        with `openssl rand -base64 32`"
                    .to_owned(),
            );
        }
        for (name, bytes) in [("FOUNTAIN_KEK", &kek), ("FOUNTAIN_PEPPER", &pepper)] {
            if is_repetition(bytes.as_slice()) {
                return Err(format!(
                    "{name} repeats itself: make it with `openssl rand -base64 32`"
                ));
            }
        }
        Ok(Self { kek, pepper })
    }

    /// A new pair, known to nobody else.
    pub(super) fn generate() -> Result<Self, String> {
        let (mut kek, mut pepper) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        for bytes in [&mut kek, &mut pepper] {
            OsRandom
                .fill(bytes.as_mut_slice())
                .map_err(|error| error.to_string())?;
        }
        Self::new(kek, pepper)
    }

    /// The pair that is kept beside this SQLite file, made when there is none. For `--dev`.
    ///
    /// The file is there whole or not at all, and only its owner may read it.
    pub(super) fn beside(database: &Path) -> Result<Self, String> {
        let path = dev_file(database);
        let said = |error: io::Error| format!("{}: {error}", path.display());
        match read_owned(&path) {
            Ok(text) => Self::from_lines(&text).map_err(|problem| {
                format!(
                    "{}: {problem}; restore it, or delete it and the store",
                    path.display()
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secrets = Self::generate()?;
                secrets.keep(&path).map_err(said)?;
                Ok(secrets)
            }
            Err(error) => Err(said(error)),
        }
    }

    fn from_lines(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let mut next = |name| decode(name, lines.next().unwrap_or(""));
        let (kek, pepper) = (next("its first line")?, next("its second line")?);
        Self::new(kek, pepper)
    }

    fn keep(&self, path: &Path) -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Made with mode 0600; takes its name only when it is whole, and never another file's.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for bytes in [&self.kek, &self.pepper] {
            let line = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
            writeln!(file, "{}", line.as_str())?;
        }
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    pub(super) fn key_encryption(&self) -> Result<LocalKeys, String> {
        let id = KekId::new("local").map_err(|error| error.to_string())?;
        LocalKeys::new(id, &self.kek, Arc::new(OsRandom)).map_err(|error| error.to_string())
    }

    pub(super) fn pepper(&self) -> Pepper {
        Pepper::new(&self.pepper)
    }
}

/// 32 bytes in base64, as `openssl rand -base64 32` writes them.
pub(super) fn decode(name: &str, text: &str) -> Result<Bytes32, String> {
    let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
    let mut found = Zeroizing::new([0; 32]);
    match bytes {
        Ok(bytes) if bytes.len() == found.len() => {
            found.copy_from_slice(&bytes);
            Ok(found)
        }
        _ => Err(format!(
            "{name} is not 32 bytes in base64: make it with `openssl rand -base64 32`"
        )),
    }
}

/// The secret in the variable, or in the file that the other variable names; not in both.
pub(super) fn given(
    name: &str,
    value: Option<Secret>,
    file: Option<&Path>,
) -> Result<Option<Bytes32>, String> {
    match (value, file) {
        (Some(_), Some(_)) => Err(format!("{name} and {name}_FILE are both given: give one")),
        (Some(value), None) => decode(name, value.expose()).map(Some),
        (None, file) => from_file(name, false, file)?
            .map(|text| decode(&format!("the content of {name}_FILE"), &text))
            .transpose(),
    }
}

/// The text in a variable's file, without the blanks around it.
pub(super) fn from_file(
    name: &str,
    is_given: bool,
    file: Option<&Path>,
) -> Result<Option<Zeroizing<String>>, String> {
    let Some(path) = file else { return Ok(None) };
    if is_given {
        return Err(format!("{name} and {name}_FILE are both given: give one"));
    }
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text =
        text.map_err(|error| format!("{name}_FILE cannot be read: {}: {error}", path.display()))?;
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}

/// Where `--dev` keeps the pair.
fn dev_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".dev-secrets");
    name.into()
}

/// Reads a file that only its owner may read; another one was put there by somebody else, or has been seen.
fn read_owned(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = OpenOptions::new().read(true).open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others may read it: chmod 600",
            ));
        }
    }
    io::read_to_string(file).map(Zeroizing::new)
}

/// Whether the bytes are a shorter text written more than once.
fn is_repetition(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| {
        let shifted = bytes.iter().skip(period);
        bytes.iter().zip(shifted).all(|(a, b)| a == b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_is_kept_for_its_owner_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("fountain.db");
        let first = Secrets::beside(&database).unwrap();
        let again = Secrets::beside(&database).unwrap();
        assert!(first.kek == again.kek && first.pepper == again.pepper);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let path = dev_file(&database);
            let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(
                Secrets::beside(&database)
                    .unwrap_err()
                    .contains("chmod 600")
            );
        }
    }

    #[test]
    fn a_damaged_pair_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("fountain.db");
        Secrets::beside(&database).unwrap();
        std::fs::write(dev_file(&database), "AAAA\n").unwrap();
        assert!(
            Secrets::beside(&database)
                .unwrap_err()
                .contains("restore it")
        );
        let left = std::fs::read_to_string(dev_file(&database)).unwrap();
        assert_eq!(left, "AAAA\n");
    }

    #[test]
    fn weak_and_equal_secrets_are_refused_without_showing_them() {
        let zeros = STANDARD.encode([0; 32]);
        let pair = |a: &str, b: &str| Secrets::new(decode("a", a)?, decode("b", b)?);
        let good = STANDARD.encode(std::array::from_fn::<u8, 32, _>(|n| n.try_into().unwrap()));
        assert!(pair(&zeros, &good).unwrap_err().contains("repeats"));
        assert!(pair(&good, &good).unwrap_err().contains("the same"));
        let error = pair("c2hvcnQ=", &good).unwrap_err();
        assert!(error.contains("openssl") && !error.contains("c2hvcnQ"));
    }
}
