use aws_lc_rs::rsa::PublicEncryptingKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{FindingKind, Findings, Severity, TxtLookup, tag, tags};

/// A record to be looked at, and what should be in it.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    pub(super) domain: String,
    pub(super) selector: String,
    pub(super) record: Option<String>,
}

impl Selector {
    pub(super) async fn check(&self, lookup: &dyn TxtLookup, findings: &mut Findings) {
        let name = format!("{}._domainkey.{}", self.selector, self.domain);
        let Some(records) = findings.look_up(lookup, &name).await else {
            return;
        };
        let record = match records.as_slice() {
            [] => {
                return findings.add(
                    FindingKind::DkimMissing,
                    Severity::Error,
                    &name,
                    "publish the key's record (DkimKey::record) before it signs",
                );
            }
            [record] => record,
            _ => {
                return findings.add(
                    FindingKind::DkimTwice,
                    Severity::Error,
                    &name,
                    "publish one record for each selector: of two, receivers may take either",
                );
            }
        };
        let fields = tags(record).unwrap_or_default();
        match judge(&fields) {
            Key::Good => {}
            Key::Unreadable => findings.add(
                FindingKind::DkimUnreadable,
                Severity::Error,
                &name,
                "publish the record as DkimKey::record gives it, in strings of at most 255 bytes",
            ),
            Key::Revoked => findings.add(
                FindingKind::DkimRevoked,
                Severity::Error,
                &name,
                "sign with another key: an empty p= says that this one is revoked",
            ),
            Key::Weak => findings.add(
                FindingKind::DkimWeak,
                Severity::Error,
                &name,
                "sign with RSA of 2048 bits or more, or with Ed25519",
            ),
        }
        let flags = tag(&fields, "t").unwrap_or_default();
        if flags.split(':').any(|flag| flag.trim() == "y") {
            findings.add(
                FindingKind::DkimTesting,
                Severity::Warning,
                &name,
                "take t=y out: a key in test mode counts for nothing",
            );
        }
        let public = |record: &str| {
            tags(record)
                .and_then(|fields| tag(&fields, "p").map(compact))
                .filter(|key| !key.is_empty())
        };
        if let Some(expected) = self.record.as_deref().and_then(public)
            && public(record).is_some_and(|published| published != expected)
        {
            findings.add(
                FindingKind::DkimOtherKey,
                Severity::Error,
                &name,
                "publish the key that signs, or sign with the one that is published",
            );
        }
    }
}

enum Key {
    Good,
    Unreadable,
    Revoked,
    Weak,
}

fn judge(fields: &[(String, &str)]) -> Key {
    let version_first = match fields.iter().position(|(name, _)| name == "v") {
        None => true,
        Some(0) => tag(fields, "v") == Some("DKIM1"),
        Some(_) => false,
    };
    let allows = |name: &str, wanted: &[&str]| {
        tag(fields, name)
            .is_none_or(|list| list.split(':').any(|item| wanted.contains(&item.trim())))
    };
    let (true, true, true, Some(key)) = (
        version_first,
        allows("h", &["sha256"]),
        allows("s", &["*", "email"]),
        tag(fields, "p"),
    ) else {
        return Key::Unreadable;
    };
    let key = compact(key);
    if key.is_empty() {
        return Key::Revoked;
    }
    let Ok(key) = STANDARD.decode(key) else {
        return Key::Unreadable;
    };
    match tag(fields, "k").unwrap_or("rsa") {
        "ed25519" if key.len() == 32 => Key::Good,
        "rsa" => match PublicEncryptingKey::from_der(&key) {
            Ok(key) if key.key_size_bits() >= 2048 => Key::Good,
            Ok(_) => Key::Weak,
            Err(_) if is_short(&key) => Key::Weak,
            Err(_) => Key::Unreadable,
        },
        _ => Key::Unreadable,
    }
}

/// Whether it is shaped as the public key of RSA and too short for 2048 bits, whose SubjectPublicKeyInfo has 294 bytes.
fn is_short(der: &[u8]) -> bool {
    const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    der.starts_with(b"\x30")
        && der.len() < 290
        && der
            .windows(RSA_ENCRYPTION.len())
            .take(16)
            .any(|part| part == RSA_ENCRYPTION)
}

fn compact(base64: &str) -> String {
    base64
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .collect()
}
