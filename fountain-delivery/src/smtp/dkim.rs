use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fountain_core::{Error, Secret, Timestamp};

use super::is_domain;

/// What is signed. A name that stands twice is signed once more than it is there, so that nobody can add one (RFC 6376 section
/// 8.15); `Reply-To` and `Cc` are never there.
const SIGNED: &[&str] = &[
    "From",
    "From",
    "To",
    "To",
    "Subject",
    "Subject",
    "Date",
    "Date",
    "Message-ID",
    "Message-ID",
    "Reply-To",
    "Cc",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// A key that signs mails, by RFC 6376 with RSA of 2048 bits or more, or by RFC 8463 with Ed25519.
///
/// ```
/// use fountain_core::Secret;
/// use fountain_delivery::smtp::DkimKey;
///
/// // openssl genpkey -algorithm ed25519
/// let pem = Secret::from(String::from(
///     "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n",
/// ));
/// let key = DkimKey::from_pem("example.com", "2030-01", &pem)?;
///
/// // to be published, at the name of the first and with the text of the second
/// assert_eq!(key.record_name(), "2030-01._domainkey.example.com");
/// assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
///
/// assert!(DkimKey::from_pem("example.com", "2030-01", &Secret::from(String::new())).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// Who has it writes mails as the domain. Sign with both kinds while there are receivers that know only RSA, and
/// change keys by publishing a new selector first.
#[derive(Clone)]
pub struct DkimKey {
    domain: String,
    selector: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Ed25519(Arc<Ed25519KeyPair>),
    Rsa(Arc<RsaKeyPair>),
}

impl DkimKey {
    /// A key of this domain and selector, from PEM: `PRIVATE KEY` (PKCS #8) of either kind, or `RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// `InvalidInput` when the domain or the selector is none, or the key cannot be read or is weaker than RSA of 2048 bits.
    pub fn from_pem(domain: &str, selector: &str, pem: &Secret) -> Result<Self, Error> {
        if !is_domain(domain) || !domain.contains('.') || !is_domain(selector) {
            return Err(Error::invalid(
                "DKIM domain and selector",
                "write them as they stand in DNS, such as example.com and 2030-01",
            ));
        }
        let unreadable = Error::invalid(
            "DKIM key",
            "give an unencrypted PEM of Ed25519, or of RSA with 2048 to 8192 bits",
        );
        let Some(key) = Key::read(pem.expose()) else {
            return Err(unreadable);
        };
        Ok(Self {
            domain: domain.to_ascii_lowercase(),
            selector: selector.to_ascii_lowercase(),
            key,
        })
    }

    /// Where its record is published.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The text of its record. It holds the public half only.
    #[must_use]
    pub fn record(&self) -> String {
        let (kind, public) = match &self.key {
            Key::Ed25519(key) => ("ed25519", STANDARD.encode(key.public_key())),
            Key::Rsa(key) => {
                let der: Option<PublicKeyX509Der<'_>> = key.public_key().as_der().ok();
                (
                    "rsa",
                    der.map(|der| STANDARD.encode(&*der)).unwrap_or_default(),
                )
            }
        };
        format!("v=DKIM1; k={kind}; p={public}")
    }

    #[cfg(feature = "sender-check")]
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    #[cfg(feature = "sender-check")]
    pub(crate) fn selector(&self) -> &str {
        &self.selector
    }

    /// Whether DMARC counts its signature for mails from this domain: it is the same, or one above it.
    pub(super) fn is_aligned(&self, from: &str) -> bool {
        from == self.domain
            || from
                .strip_suffix(&self.domain)
                .is_some_and(|rest| rest.ends_with('.'))
    }

    /// The value of a `DKIM-Signature` for these headers and this body, whose lines end by CRLF.
    pub(super) fn sign(
        &self,
        headers: &[(&str, &str)],
        body: &str,
        now: Timestamp,
    ) -> Option<String> {
        let algorithm = match self.key {
            Key::Ed25519(_) => "ed25519-sha256",
            Key::Rsa(_) => "rsa-sha256",
        };
        let mut value = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n s={}; t={};\r\n h={};\r\n bh={};\r\n b=",
            self.domain,
            self.selector,
            now.as_unix_seconds(),
            SIGNED.join(":\r\n  "),
            body_hash(body),
        );
        let signature = self
            .key
            .sign(signed_text(headers, SIGNED, &value).as_bytes())?;
        for (at, char) in STANDARD.encode(signature).chars().enumerate() {
            if at > 0 && at % 70 == 0 {
                value.push_str("\r\n  ");
            }
            value.push(char);
        }
        Some(value)
    }
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimKey({}, ..)", self.record_name())
    }
}

impl Key {
    fn read(pem: &str) -> Option<Self> {
        let section = |label: &str| {
            let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
            let (base64, _) = rest.split_once(&format!("-----END {label}-----"))?;
            let base64 = base64
                .chars()
                .filter(|char| !char.is_ascii_whitespace())
                .collect::<String>();
            STANDARD
                .decode(zeroize::Zeroizing::new(base64).as_bytes())
                .map(zeroize::Zeroizing::new)
                .ok()
        };
        if let Some(der) = section("RSA PRIVATE KEY") {
            return RsaKeyPair::from_der(&der).ok().and_then(Self::rsa);
        }
        let der = section("PRIVATE KEY")?;
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            Ok(key) => Some(Self::Ed25519(Arc::new(key))),
            Err(_) => RsaKeyPair::from_pkcs8(&der).ok().and_then(Self::rsa),
        }
    }

    /// R-79: at least 2048 bits.
    fn rsa(key: RsaKeyPair) -> Option<Self> {
        (key.public_modulus_len() >= 256).then(|| Self::Rsa(Arc::new(key)))
    }

    fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            // RFC 8463 section 3: the signature is of the hash.
            Self::Ed25519(key) => Some(key.sign(digest(&SHA256, text).as_ref()).as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    text,
                    &mut signature,
                )
                .ok()?;
                Some(signature)
            }
        }
    }
}

/// `bh=`: of the body in its relaxed form (RFC 6376 section 3.4.4).
fn body_hash(body: &str) -> String {
    let lines = body
        .split("\r\n")
        .map(|line| collapsed(line).trim_end().to_owned())
        .collect::<Vec<_>>();
    let text = lines.join("\r\n");
    let text = text.trim_end_matches("\r\n");
    let relaxed = if text.is_empty() {
        String::new()
    } else {
        format!("{text}\r\n")
    };
    STANDARD.encode(digest(&SHA256, relaxed.as_bytes()))
}

/// What the signature is of: these headers in their relaxed form (section 3.4.2), the last of a name first, then the signature's
/// own with nothing behind `b=`.
fn signed_text(headers: &[(&str, &str)], names: &[&str], value: &str) -> String {
    let relaxed = |name: &str, value: &str| {
        format!(
            "{}:{}",
            name.to_ascii_lowercase(),
            collapsed(&value.replace("\r\n", "")).trim()
        )
    };
    let mut text = String::new();
    for (at, name) in names.iter().enumerate() {
        let before = names
            .iter()
            .take(at)
            .filter(|other| other.eq_ignore_ascii_case(name))
            .count();
        let found = headers
            .iter()
            .rev()
            .filter(|(of, _)| of.eq_ignore_ascii_case(name))
            .nth(before);
        if let Some((name, value)) = found {
            text.push_str(&relaxed(name, value));
            text.push_str("\r\n");
        }
    }
    text.push_str(&relaxed("DKIM-Signature", value));
    text
}

/// With one blank for each run of blanks and tabs.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            ' ' | '\t' if collapsed.ends_with(' ') => {}
            '\t' => collapsed.push(' '),
            char => collapsed.push(char),
        }
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &[(&str, &str)] = &[
        ("From", " Joe SixPack <joe@football.example.com>"),
        ("To", " Suzie Q <suzie@shopping.example.net>"),
        ("Subject", " Is dinner ready?"),
        ("Date", " Fri, 11 Jul 2003 21:00:37 -0700 (PDT)"),
        (
            "Message-ID",
            " <20030712040037.46341.5F8J@football.example.com>",
        ),
    ];
    const BODY: &str = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

    /// RFC 8463 appendix A: the key, the message, and the signature that Ed25519 must give.
    #[test]
    fn the_example_of_rfc_8463_is_signed_alike() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";
        let key = Key::read(pem).unwrap();
        assert_eq!(
            body_hash(BODY),
            "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
        );
        let names = [
            "from",
            "to",
            "subject",
            "date",
            "message-id",
            "from",
            "subject",
            "date",
        ];
        let value = " v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
                     q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
                     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let signature = key
            .sign(signed_text(HEADERS, &names, value).as_bytes())
            .unwrap();
        assert_eq!(
            STANDARD.encode(signature),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
        );
    }

    /// RFC 6376 section 3.4.5 and appendix: the relaxed forms.
    #[test]
    fn forms_are_relaxed_as_rfc_6376_shows() {
        let headers = [("A", " X"), ("B ", " Y\t\r\n\tZ  ")];
        let text = signed_text(&headers, &["A", "B "], "");
        assert!(text.starts_with("a:X\r\nb :Y Z\r\n"), "{text:?}");
        assert_eq!(
            body_hash(" C \r\nD \t E\r\n\r\n\r\n"),
            STANDARD.encode(digest(&SHA256, b" C\r\nD E\r\n"))
        );
        // section 3.4.4: the hash of an empty body
        assert_eq!(
            body_hash(""),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
        assert_eq!(body_hash("\r\n\r\n"), body_hash(""));
    }

    #[test]
    fn the_last_header_of_a_name_is_signed_first_and_a_missing_one_is_nothing() {
        let headers = [("From", "a"), ("From", "b")];
        let text = signed_text(&headers, &["From", "From", "From", "Cc"], "v");
        assert_eq!(text, "from:b\r\nfrom:a\r\ndkim-signature:v");
    }

    /// R-79
    #[test]
    fn weak_and_unreadable_keys_are_refused() {
        let cut = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----";
        for pem in [
            "",
            "x",
            cut,
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\n!\n-----END RSA PRIVATE KEY-----",
        ] {
            let pem = Secret::from(pem.to_owned());
            assert!(DkimKey::from_pem("example.com", "s", &pem).is_err());
        }
        let short = include_str!("../../tests/it/rsa-1024.pem");
        assert!(DkimKey::from_pem("example.com", "s", &Secret::from(short.to_owned())).is_err());
        for (domain, selector) in [
            ("", "s"),
            ("com", "s"),
            ("example.com", ""),
            ("example.com", "a b"),
            ("a;b.com", "s"),
        ] {
            let pem = Secret::from(String::new());
            assert!(DkimKey::from_pem(domain, selector, &pem).is_err());
        }
    }
}
