//! Just enough DER and PEM to tell key formats apart and to read public numbers.

use super::PublicNumbers;
use super::error::KeyKind;
use crate::secret::SecretBytes;
use crate::signing::Curve;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const CONTEXT_0: u8 = 0xa0;

/// Reads one element after the other; every step fails on what is not canonical DER.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let len = if first < 0x80 {
            usize::from(first)
        } else {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = after;
            if digits.len() > 3 || digits.first().is_none_or(|digit| *digit == 0) {
                return None;
            }
            let len = digits
                .iter()
                .fold(0, |len, digit| len << 8 | usize::from(*digit));
            (len >= 0x80).then_some(len)?
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(content)
    }

    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.next(SEQUENCE).map(Self)
    }

    /// The next integer, positive, big-endian without its leading zero.
    pub(super) fn positive(&mut self) -> Option<&'a [u8]> {
        match self.next(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|byte| byte & 0x80 != 0) => Some(rest),
            [first, ..] if *first == 0 || first & 0x80 != 0 => None,
            whole => (!whole.is_empty()).then_some(whole),
        }
    }

    /// The next integer as a version number below 128.
    pub(super) fn version(&mut self) -> Option<u8> {
        match self.next(INTEGER)? {
            [version @ 0..=0x7f] => Some(*version),
            _ => None,
        }
    }

    /// The next element, an `AlgorithmIdentifier`, as the kind of key that it names.
    pub(super) fn key_kind(&mut self) -> Option<KeyKind> {
        let mut identifier = self.sequence()?;
        Some(match identifier.next(OID)? {
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" => KeyKind::Rsa,
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" => KeyKind::RsaPss,
            b"\x2a\x86\x48\xce\x3d\x02\x01" => identifier.curve(),
            b"\x2b\x65\x70" => KeyKind::Ed25519,
            b"\x2b\x65\x71" => KeyKind::Ed448,
            b"\x2b\x65\x6e" => KeyKind::X25519,
            _ => KeyKind::Other,
        })
    }

    /// The next element as the name of a curve.
    pub(super) fn curve(&mut self) -> KeyKind {
        match self.next(OID) {
            Some(b"\x2a\x86\x48\xce\x3d\x03\x01\x07") => KeyKind::P256,
            Some(b"\x2b\x81\x04\x00\x22") => KeyKind::P384,
            Some(b"\x2b\x81\x04\x00\x23") => KeyKind::P521,
            Some(b"\x2b\x81\x04\x00\x0a") => KeyKind::Secp256k1,
            _ => KeyKind::Other,
        }
    }

    /// The next element, a bit string of whole bytes.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        match self.next(BIT_STRING)? {
            [0, bytes @ ..] => Some(bytes),
            _ => None,
        }
    }
}

/// The numbers of a `SubjectPublicKeyInfo`, when it is one that we know, whole and with nothing behind it.
pub(super) fn spki_numbers(der: &[u8]) -> Option<PublicNumbers> {
    let mut outer = Reader::new(der);
    let mut info = outer.sequence()?;
    let kind = info.key_kind()?;
    let key = info.bits()?;
    if !outer.is_empty() || !info.is_empty() {
        return None;
    }
    match kind {
        KeyKind::Ed25519 => Some(PublicNumbers::Edwards(key.try_into().ok()?)),
        KeyKind::P256 => point_numbers(Curve::P256, key),
        KeyKind::P384 => point_numbers(Curve::P384, key),
        KeyKind::P521 => point_numbers(Curve::P521, key),
        KeyKind::Rsa => rsa_numbers(key),
        _ => None,
    }
}

/// The coordinates of an uncompressed point.
pub(super) fn point_numbers(curve: Curve, point: &[u8]) -> Option<PublicNumbers> {
    let coordinates = point.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
    Some(PublicNumbers::Curve {
        curve,
        x: x.to_vec(),
        y: y.to_vec(),
    })
}

/// The numbers of an `RSAPublicKey` (RFC 8017).
pub(super) fn rsa_numbers(der: &[u8]) -> Option<PublicNumbers> {
    let mut outer = Reader::new(der);
    let mut key = outer.sequence()?;
    let (n, e) = (key.positive()?, key.positive()?);
    (outer.is_empty() && key.is_empty()).then(|| PublicNumbers::Rsa {
        n: n.to_vec(),
        e: e.to_vec(),
    })
}

/// An `RSAPublicKey` (RFC 8017) of positive numbers without leading zeros.
pub(super) fn rsa_public_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[integer(n), integer(e)].concat())
}

fn integer(positive: &[u8]) -> Vec<u8> {
    if positive.first().is_some_and(|first| first & 0x80 != 0) {
        element(INTEGER, &[&[0], positive].concat())
    } else {
        element(INTEGER, positive)
    }
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let len = content.len().to_be_bytes();
    match (u8::try_from(content.len()), len) {
        (Ok(short @ ..0x80), _) => bytes.push(short),
        (Ok(byte), _) => bytes.extend([0x81, byte]),
        // keys are bounded far below 64 KiB: a modulus has at most 1024 bytes
        (Err(_), [.., high, low]) => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}

/// The content of the first PEM block that holds a key or a certificate.
pub(super) fn pem_body(text: &str) -> Option<SecretBytes> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once("-----BEGIN ")?;
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        if label == "EC PARAMETERS" {
            continue;
        }
        let base64 = SecretBytes::new(
            body.bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect(),
        );
        return base64_simd::STANDARD
            .decode_to_vec(base64.expose())
            .ok()
            .map(SecretBytes::new);
    }
}
