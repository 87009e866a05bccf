//! Texts that are no token, or not in the one form that a token has.

use fountain_core::Reason;
use fountain_core::signing::Algorithm;
use serde_json::json;

use super::{Row, row};
use crate::token_world::*;

pub(super) fn about_the_form() -> Vec<Row> {
    let good = WORLD.token(claims().to_string());
    let parts: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        unreachable!()
    };
    let mut rows = Vec::new();
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "a..b".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{good}.{signature}"),
        format!("{good}..{signature}"),
        format!("{good}."),
        format!(".{good}"),
    ] {
        rows.push(row(
            format!("B-08 B-23 {bad:.40}"),
            bad,
            Reason::TokenMalformed,
        ));
    }
    for (name, bad) in [
        ("padded signature", format!("{good}==")),
        ("padded header", format!("{header}=.{payload}.{signature}")),
        ("blank in front", format!(" {good}")),
        ("line end behind", format!("{good}\n")),
        ("CR LF behind", format!("{good}\r\n")),
        ("NUL behind", format!("{good}\0")),
        ("not ASCII", format!("{header}.{payload}.é{signature}")),
        (
            "the other alphabet",
            format!("{header}.{payload}.+/{}", &signature[2..]),
        ),
        (
            "JSON form",
            json!({"protected": header, "payload": payload, "signature": signature}).to_string(),
        ),
        (
            "JSON form with two dots",
            json!({"protected": header, "x": ".", "signature": "."}).to_string(),
        ),
    ] {
        rows.push(row(
            format!("B-22 B-24 {name}"),
            bad,
            Reason::TokenMalformed,
        ));
    }
    let without = format!("{header}..{signature}");
    rows.push(row("B-23 no payload", without, Reason::TokenSignature));
    let blank = format!("{header}.{payload} .{signature}");
    rows.push(row("B-24 blank inside", blank, Reason::TokenSignature));
    // Signed as it stands, so that nothing but its form can refuse it.
    let padded_payload = format!("{header}.{}=", encode(format!("{} ", claims())));
    let key = WORLD.key(Algorithm::EdDsa);
    rows.push(row(
        "B-24 signed padding",
        signed_input(key, &padded_payload),
        Reason::TokenMalformed,
    ));
    let spaces = (0..3).map(|n| format!("{}{}", claims(), " ".repeat(n)));
    for payload in spaces.map(encode).filter(|payload| payload.len() % 4 != 0) {
        let input = format!("{header}.{}", with_other_unused_bits(&payload));
        rows.push(row(
            "B-25 payload",
            signed_input(key, &input),
            Reason::TokenMalformed,
        ));
    }
    let other = with_other_unused_bits(signature);
    rows.push(row(
        "B-25 signature",
        format!("{header}.{payload}.{other}"),
        Reason::TokenMalformed,
    ));

    let jwe = encode(json!({"alg": "RSA-OAEP", "enc": "A256GCM"}).to_string());
    rows.push(row(
        "B-19 JWE",
        format!("{jwe}.{payload}.{payload}.{payload}.{signature}"),
        Reason::TokenMalformed,
    ));
    // Nothing is decrypted, so nothing is inflated: what the zeroes would come to does not matter.
    let zipped = encode(json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}).to_string());
    for (bytes, reason) in [
        (4_096, Reason::TokenMalformed),
        (1 << 20, Reason::TokenTooLarge),
    ] {
        rows.push(row(
            format!("B-21 JWE of {bytes} zipped bytes"),
            format!("{zipped}..AAAA.{}.{signature}", encode(vec![0; bytes])),
            reason,
        ));
    }
    for count in ["2147483647", "1200001", "0", "\"1000\""] {
        let pbes2 =
            format!("{{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A128GCM\",\"p2c\":{count}}}");
        let five = format!(
            "{}.{payload}.{payload}.{payload}.{signature}",
            encode(&pbes2)
        );
        rows.push(row(
            format!("B-20 p2c {count}"),
            five,
            Reason::TokenMalformed,
        ));
        rows.push(row(
            format!("B-20 p2c {count}, 3 parts"),
            WORLD.token_under(pbes2),
            Reason::TokenAlgorithm,
        ));
    }
    let inner = format!(
        "{}.{}.",
        encode(r#"{"alg":"none"}"#),
        encode(claims().to_string())
    );
    let nested = r#"{"alg":"EdDSA","kid":"EdDSA","typ":"at+jwt","cty":"JWT"}"#;
    rows.push(row(
        "B-18 nested",
        signed(key, nested, inner),
        Reason::TokenJson,
    ));

    let filled = |bytes: usize| {
        format!(
            "{header}.{}.{signature}",
            "A".repeat(bytes - header.len() - signature.len() - 2)
        )
    };
    rows.push(row("B-26 8193 bytes", filled(8_193), Reason::TokenTooLarge));
    rows.push(row(
        "B-26 large header",
        format!("{}.{payload}.{signature}", "A".repeat(2_732)),
        Reason::TokenTooLarge,
    ));
    rows.push(row(
        "B-26 10^7 dots",
        ".".repeat(10_000_000),
        Reason::TokenTooLarge,
    ));
    rows
}

/// The last character, with one of the bits set that decode to nothing.
fn with_other_unused_bits(part: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(part.len() % 4, 0, "it has unused bits");
    let (rest, last) = part.split_at(part.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[value + 1..=value + 1])
}
