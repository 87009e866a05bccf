//! A text that may be an API key.
//!
//! What is accepted begins with the brand and an environment, has an id and ends in the CRC-32 of all before it, by an
//! implementation of its own; a scanner that inspects it says the same. The input is tried as it stands, and once more
//! with its end replaced by the right checksum, which a fuzzer would not find.

use std::sync::LazyLock;

use fountain_core::api_key::{KeyFormat, KeyFormatError};

use crate::{Seed, Verdict, hold};

static FORMAT: LazyLock<KeyFormat> =
    LazyLock::new(|| KeyFormat::new("fnt", ["live", "test", "eu1"]).expect("well-formed"));

const BODY: usize = 65;

pub fn check(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let verdict = alone(text);
    if let Some(repaired) = repaired(text) {
        let refused = FORMAT.parse(&repaired).err();
        assert_ne!(
            refused,
            Some(KeyFormatError::Checksum),
            "a right checksum was refused"
        );
        alone(&repaired);
    }
    verdict
}

fn alone(text: &str) -> Verdict {
    let inspected = KeyFormat::inspect(text);
    if let Some(seen) = &inspected {
        let key = text.trim();
        assert_eq!(
            seen.is_intact,
            key.ends_with(&checksum(&key[..key.len() - 6]))
        );
        let admitted =
            seen.brand == "fnt" && FORMAT.environments().any(|known| known == seen.environment);
        assert_eq!(FORMAT.parse(key).is_ok(), admitted && seen.is_intact);
    }
    let Ok(parts) = FORMAT.parse(text) else {
        return Verdict::Refused;
    };
    let (prefix, body) = text.split_at(text.len() - BODY);
    assert_eq!(prefix, format!("fnt_{}_", parts.environment));
    assert!(
        FORMAT
            .environments()
            .any(|known| known == parts.environment)
    );
    assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(&body[..16], parts.id);
    assert!(text.ends_with(&checksum(&text[..text.len() - 6])));
    let seen = inspected.expect("a scanner finds what is accepted");
    assert!(seen.is_intact && seen.id.as_str() == parts.id);
    Verdict::Accepted
}

fn repaired(text: &str) -> Option<String> {
    let kept = text.get(..text.len().checked_sub(6)?)?;
    Some(format!("{kept}{}", checksum(kept)))
}

/// CRC-32 (ISO 3309, the one of zip), bit by bit, as six base62 digits.
fn checksum(text: &str) -> String {
    let crc = !text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    let digit = |place| {
        let value = u8::try_from(crc / 62_u32.pow(place) % 62).expect("less than 62");
        char::from(match value {
            0..10 => b'0' + value,
            10..36 => b'A' + value - 10,
            _ => b'a' + value - 36,
        })
    };
    (0..6).rev().map(digit).collect()
}

pub fn controls() {
    // The check value of this CRC is 0xcbf43926 for "123456789".
    assert_eq!(checksum("123456789"), "3jZRME");
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let key = |prefix: &str| {
        let kept = format!(
            "{prefix}7Kq3nX0aVb2LmZ9T{}",
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
        );
        format!("{kept}{}", checksum(&kept))
    };
    let seed = |name, text: String| (name, text.into_bytes());
    vec![
        seed("accepted-live", key("fnt_live_")),
        seed("accepted-eu", key("fnt_eu1_")),
        seed("refused-brand", key("gnt_live_")),
        seed("refused-environment", key("fnt_prod_")),
        seed("refused-checksum", key("fnt_live_").replace("7Kq", "8Kq")),
        seed("refused-blank", format!(" {}\n", key("fnt_live_"))),
        seed("refused-short", "fnt_live_0123".to_owned()),
        seed("refused-accent", key("fnt_live_").replace("7Kq", "é0")),
    ]
}
