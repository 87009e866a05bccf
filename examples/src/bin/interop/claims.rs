//! Claims of access tokens: random ones that everybody must accept, and bad ones that nobody may.

use serde_json::{Map, Value, json};

use crate::seeded::Seeded;

/// Who issues every token of the exchange.
pub(crate) const ISSUER: &str = "https://auth.example.com";
/// Whom every token of the exchange is for.
pub(crate) const AUDIENCE: &str = "orders";

const GRAPHIC: &[(u32, u32)] = &[(0x21, 0x7e)];
/// As `GRAPHIC` without the quote and the backslash: RFC 6749 section 3.3.
const SCOPE: &[(u32, u32)] = &[(0x21, 0x21), (0x23, 0x5b), (0x5d, 0x7e)];
const BASE62: &[(u32, u32)] = &[(0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a)];
/// No blanks and no control characters: one to four bytes of UTF-8, right to left, combining, beyond the BMP, and
/// what JSON escapes.
const LETTERS: &[(u32, u32)] = &[
    (0x21, 0x7e),
    (0xa1, 0xac),
    (0xc0, 0xff),
    (0x300, 0x30f),
    (0x3b1, 0x3c9),
    (0x5d0, 0x5ea),
    (0x4e00, 0x4eff),
    (0xfffd, 0xfffd),
    (0x1_f600, 0x1_f64f),
    (0x10_fffd, 0x10_fffd),
];
/// Anything: also NUL, line ends, DEL, the line separators of Unicode, and a byte order mark.
const ANYTHING: &[(u32, u32)] = &[
    (0x00, 0x20),
    (0x21, 0x7e),
    (0x7f, 0x9f),
    (0x2028, 0x2029),
    (0xfeff, 0xfeff),
    (0x3b1, 0x3c9),
    (0xe000, 0xe00f),
    (0x1_f600, 0x1_f64f),
];

/// Claims that are good for at least an hour from `now` on.
///
/// `wide`: private claims may hold integers of 64 bits. Without it they stay within 2^53, which is what every
/// implementation of JSON can hold (RFC 7493 section 2.2).
pub(crate) fn random(seed: u64, count: u64, wide: bool, now: i64) -> Vec<String> {
    let mut seeded = Seeded::new(seed);
    (0..count)
        .map(|_| one(&mut seeded, wide, now).to_string())
        .collect()
}

/// Claims that are well-formed and not good: each must be refused although its signature is.
pub(crate) fn faults(now: i64) -> Vec<(&'static str, String)> {
    let with = |changes: Value| {
        let mut claims = json!({
            "iss": ISSUER, "sub": "u1", "aud": AUDIENCE, "client_id": "web", "jti": "t1",
            "iat": now - 7_200, "exp": now + 3_600,
        });
        if let (Some(claims), Value::Object(changes)) = (claims.as_object_mut(), changes) {
            claims.extend(changes);
        }
        claims.to_string()
    };
    vec![
        ("expired", with(json!({ "exp": now - 3_600 }))),
        (
            "expired, in fractions",
            with(json!({ "exp": fraction(now - 3_600, 1) })),
        ),
        ("not yet valid", with(json!({ "nbf": now + 1_800 }))),
        (
            "of another issuer",
            with(json!({ "iss": "https://auth.example.com/" })),
        ),
        ("for another audience", with(json!({ "aud": "order" }))),
        (
            "for other audiences",
            with(json!({ "aud": ["orders2", "Orders"] })),
        ),
    ]
}

fn one(seeded: &mut Seeded, wide: bool, now: i64) -> Value {
    let mut claims = Map::new();
    for _ in 0..seeded.below(5) {
        let name = format!("x_{}", seeded.text(ANYTHING, 0, 8));
        claims.insert(name, tree(seeded, wide, 3));
    }
    let mut optional = |seeded: &mut Seeded, name: &str, value: &dyn Fn(&mut Seeded) -> Value| {
        if seeded.one_in(2) {
            claims.insert(name.to_owned(), value(seeded));
        }
    };
    optional(seeded, "nbf", &|seeded| date(seeded, now - 600, 590));
    optional(seeded, "auth_time", &|seeded| {
        date(seeded, now - 86_400, 80_000)
    });
    optional(seeded, "tenant", &|seeded| {
        json!(seeded.text(BASE62, 1, 64))
    });
    optional(seeded, "sid", &|seeded| json!(seeded.text(BASE62, 22, 64)));
    optional(seeded, "acr", &|seeded| json!(seeded.text(LETTERS, 1, 20)));
    optional(seeded, "amr", &|seeded| list(seeded, LETTERS, 1));
    optional(seeded, "roles", &|seeded| list(seeded, LETTERS, 0));
    optional(seeded, "scope", &|seeded| {
        let scopes: Vec<_> = (0..seeded.below(5))
            .map(|_| seeded.text(SCOPE, 1, 12))
            .collect();
        json!(scopes.join(" "))
    });
    let required = json!({
        "iss": ISSUER,
        "sub": seeded.text(LETTERS, 1, 40),
        "aud": audience(seeded),
        "client_id": seeded.text(GRAPHIC, 1, 40),
        "jti": seeded.text(GRAPHIC, 1, 64),
        "iat": date(seeded, now - 3_600, 3_590),
        "exp": date(seeded, now + 3_600, 72_000),
    });
    if let Value::Object(required) = required {
        claims.extend(required);
    }
    Value::Object(claims)
}

/// The audience alone, or among others, or alone in a list.
fn audience(seeded: &mut Seeded) -> Value {
    if seeded.one_in(2) {
        return json!(AUDIENCE);
    }
    let mut audiences: Vec<_> = (0..seeded.below(4))
        .map(|_| seeded.text(GRAPHIC, 1, 30))
        .collect();
    if seeded.one_in(2) {
        audiences.insert(0, AUDIENCE.to_owned());
    } else {
        audiences.push(AUDIENCE.to_owned());
    }
    json!(audiences)
}

fn list(seeded: &mut Seeded, of: &[(u32, u32)], least: u32) -> Value {
    let length = seeded.between(least, 4);
    (0..length).map(|_| seeded.text(of, 1, 16)).collect()
}

/// An instant within `span` seconds from `from` on: whole seconds, or with one to six decimals.
fn date(seeded: &mut Seeded, from: i64, span: u32) -> Value {
    let seconds = from + i64::from(seeded.below(span));
    if seeded.one_in(2) {
        return json!(seconds);
    }
    let step = 10_u32.pow(seeded.below(6));
    fraction(seconds, seeded.below(1_000_000) / step * step)
}

/// A double holds the seconds of these centuries to a quarter of a microsecond, so the decimals survive.
fn fraction(seconds: i64, micros: u32) -> Value {
    serde_json::from_str(&format!("{seconds}.{micros:06}")).unwrap_or_default()
}

/// A private claim: anything that JSON can say, `depth` deep at most.
fn tree(seeded: &mut Seeded, wide: bool, depth: u32) -> Value {
    match seeded.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(seeded.one_in(2)),
        2 => integer(seeded, wide),
        3 => double(seeded),
        4 | 5 => json!(seeded.text(ANYTHING, 0, 24)),
        6 => (0..seeded.below(4))
            .map(|_| tree(seeded, wide, depth - 1))
            .collect(),
        _ => {
            let member =
                |seeded: &mut Seeded| (seeded.text(ANYTHING, 0, 6), tree(seeded, wide, depth - 1));
            let members: Map<_, _> = (0..seeded.below(4)).map(|_| member(seeded)).collect();
            Value::Object(members)
        }
    }
}

fn integer(seeded: &mut Seeded, wide: bool) -> Value {
    let bits = seeded.bits() >> seeded.below(64);
    let bits = if wide { bits } else { bits & ((1 << 53) - 1) };
    match i64::try_from(bits) {
        Ok(positive) if seeded.one_in(2) => json!(-positive),
        _ => json!(bits),
    }
}

/// Any finite double, of any size. There is no negative zero: JavaScript does not write it.
fn double(seeded: &mut Seeded) -> Value {
    let number = f64::from_bits(seeded.bits());
    if number.is_finite() && number != 0.0 {
        json!(number)
    } else {
        json!(0.5)
    }
}
