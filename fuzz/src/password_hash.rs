//! A text that may be a stored password hash.
//!
//! By a plain reading of its five fields it is accepted exactly when it is Argon2id of version 19 in canonical form within
//! the bounds. Nothing is hashed: what it asks for must not cost anything yet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use fountain_core::password::PasswordHash;

use crate::{Seed, Verdict, hold};

pub fn check(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let (read, expected) = (PasswordHash::parse(text), plain(text));
    assert_eq!(read.is_ok(), expected.is_some(), "{text:?}");
    let Ok(read) = read else {
        return Verdict::Refused;
    };
    assert_eq!(read.expose(), text);
    let cost = read.cost();
    assert_eq!(
        Some([cost.memory_kib(), cost.passes(), cost.lanes()]),
        expected
    );
    Verdict::Accepted
}

/// Memory, passes and lanes.
fn plain(text: &str) -> Option<[u32; 3]> {
    if text.len() > 256 {
        return None;
    }
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", cost, salt, tag] = fields.as_slice() else {
        return None;
    };
    let parts: Vec<&str> = cost.split(',').collect();
    let [memory, passes, lanes] = parts.as_slice() else {
        return None;
    };
    let number = |part: &str, name: &str| {
        let digits = part.strip_prefix(name)?;
        let number: u32 = digits.parse().ok()?;
        (number.to_string() == digits).then_some(number)
    };
    let (memory, passes, lanes) = (
        number(memory, "m=")?,
        number(passes, "t=")?,
        number(lanes, "p=")?,
    );
    let bounded = memory <= 256 << 10 && (1..=10).contains(&passes) && (1..=16).contains(&lanes);
    let bytes = |field: &str| STANDARD_NO_PAD.decode(field).ok().map(|bytes| bytes.len());
    // As long as the PHC format and Argon2 allow, and tags of at least 16 bytes.
    let sized = (8..=48).contains(&bytes(salt)?) && (16..=64).contains(&bytes(tag)?);
    (bounded && memory >= 8 * lanes && sized).then_some([memory, passes, lanes])
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    const GOOD: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$A8iGzqqPcRJWOP5hDaYcWnVhTLGVSaNzjVdtGrfGVfU";
    let seed = |name, good: &str, bad: &str| (name, GOOD.replace(good, bad).into_bytes());
    vec![
        seed("accepted-usual", "", ""),
        seed("accepted-most", "m=19456,t=2,p=1", "m=262144,t=10,p=16"),
        seed("accepted-least", "m=19456,t=2,p=1", "m=8,t=1,p=1"),
        seed("refused-4-gib", "m=19456", "m=4194304"),
        seed("refused-passes", "t=2", "t=4294967296"),
        seed("refused-lanes", "p=1", "p=16777216"),
        seed("refused-zero", "t=2", "t=02"),
        seed("refused-accent", "A8iG", "A8ï"),
        seed("refused-argon2i", "argon2id", "argon2i"),
        seed("refused-key-id", "p=1", "p=1,keyid=AAAA"),
        seed("refused-bits", "fU", "fV"),
        seed("refused-blank", "$argon2id", " $argon2id"),
    ]
}
