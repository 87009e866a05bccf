//! Bad headers.

use fountain_core::Reason;
use fountain_core::signing::Algorithm;
use serde_json::json;

use super::{Row, headers, row};
use crate::token_world::*;

pub(super) fn about_the_algorithm() -> Vec<Row> {
    let mut rows = headers(
        "B-01 B-05",
        "alg",
        &[
            "\"none\"",
            "\"None\"",
            "\"NONE\"",
            "\"nOnE\"",
            "\"none \"",
            "\"\"",
            "null",
            "0",
            "true",
            "[\"RS256\"]",
            "{}",
            "\"XX999\"",
            "\" RS256\"",
            "\"RS256\\t\"",
            "\"eddsa\"",
            "\"EDDSA\"",
            "\"es256\"",
            "\"ES256K\"",
            "\"HS256\"",
            "\"HS384\"",
            "\"HS512\"",
            "\"RS384\"",
            "\"RS512\"",
            "\"PS256\"",
            "\"PS384\"",
            "\"PS512\"",
            "\"ES384\"",
            "\"Ed25519\"",
            "\"ES512\"",
            "\"ES521\"",
            "\"es512\"",
            "\"HS512 \"",
            "\"RS1\"",
            "\"PBES2-HS256+A128KW\"",
        ],
        Reason::TokenAlgorithm,
    );
    rows.push(row(
        "B-05 alg missing",
        WORLD.token_under(without(header(Algorithm::EdDsa), "alg").to_string()),
        Reason::TokenAlgorithm,
    ));
    let none = json!({"alg": "none", "typ": "at+jwt", "kid": "EdDSA"});
    let unsigned = format!(
        "{}.{}.",
        encode(none.to_string()),
        encode(claims().to_string())
    );
    rows.push(row(
        "B-01 none and no signature",
        unsigned,
        Reason::TokenMalformed,
    ));
    rows.extend(headers(
        "B-04 another key's algorithm",
        "alg",
        &["\"ES256\"", "\"RS256\""],
        Reason::TokenAlgorithmMismatch,
    ));
    rows
}

pub(super) fn about_the_header() -> Vec<Row> {
    let mut rows = Vec::new();
    let own_key =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    rows.extend(headers(
        "B-10",
        "jwk",
        &[own_key, "null", "{}"],
        Reason::TokenHeader,
    ));
    for member in ["jku", "x5u"] {
        let urls = [
            "\"http://127.0.0.1:1/\"",
            "\"http://169.254.169.254/latest\"",
            "\"file:///etc/passwd\"",
            "\"data:,x\"",
            "\"https://redirecting.example.com\"",
            "null",
            "[]",
        ];
        rows.extend(headers("B-11", member, &urls, Reason::TokenHeader));
    }
    rows.extend(headers(
        "R-12",
        "x5c",
        &["[\"MII\"]", "[]"],
        Reason::TokenHeader,
    ));
    let crit = [
        "[\"x\"]",
        "[]",
        "[\"alg\"]",
        "[\"exp\",\"exp\"]",
        "\"exp\"",
        "null",
        "[\"absent\"]",
        "[\"b64\"]",
    ];
    rows.extend(headers("B-15", "crit", &crit, Reason::TokenHeader));
    rows.extend(headers(
        "B-16",
        "b64",
        &["false", "true", "null"],
        Reason::TokenHeader,
    ));
    let both = r#"{"alg":"EdDSA","kid":"EdDSA","typ":"at+jwt","crit":["b64"],"b64":false}"#;
    rows.push(row(
        "B-16 b64 with crit",
        WORLD.token_under(both),
        Reason::TokenHeader,
    ));
    rows.extend(headers(
        "B-17",
        "zip",
        &["\"DEF\"", "\"GZ\"", "null"],
        Reason::TokenHeader,
    ));
    let long = format!("\"{}\"", "k".repeat(129));
    rows.extend(headers(
        "B-12",
        "kid",
        &[
            "\"../../dev/null\"",
            "\"k' OR 1=1--\"",
            "\"$(id)\"",
            "\"\"",
            &long,
            "[\"EdDSA\"]",
            "1",
            "null",
            "{}",
            "\"EdDSA\\u0000\"",
            "\"EdDSA \"",
            "\"EdDSA@/../x\"",
            "\"k@h;x\"",
        ],
        Reason::TokenKeyId,
    ));
    let nameless = without(header(Algorithm::EdDsa), "kid").to_string();
    rows.push(row(
        "R-13 kid missing",
        WORLD.token_under(nameless),
        Reason::TokenKeyId,
    ));
    rows.extend(headers(
        "R-13 B-13",
        "kid",
        &[
            "\"unknown\"",
            "\"eddsa\"",
            "\"EdDS\"",
            "\"EdDSA@\"",
            "\"bilbo.baggins@hobbiton.example\"",
        ],
        Reason::TokenUnknownKey,
    ));
    rows.extend(headers(
        "B-14",
        "kid",
        &["\"pending\"", "\"removed\"", "\"revoked\""],
        Reason::TokenKeyState,
    ));
    rows.extend(headers(
        "B-37",
        "typ",
        &[
            "\"JWT\"",
            "\"jwt\"",
            "\"dpop+jwt\"",
            "\"logout+jwt\"",
            "\"rt+jwt\"",
            "\"\"",
            "\"at+jwt \"",
            "\"text/at+jwt\"",
            "\"fountain-step-up+jwt\"",
            "null",
            "1",
            "[\"at+jwt\"]",
        ],
        Reason::TokenType,
    ));
    let untyped = without(header(Algorithm::EdDsa), "typ").to_string();
    rows.push(row(
        "B-37 typ missing",
        WORLD.token_under(untyped),
        Reason::TokenType,
    ));
    rows.extend(headers(
        "B-29",
        "alg",
        &[
            "\"EdDSA\",\"alg\":\"EdDSA\"",
            "\"EdDSA\",\"\\u0061lg\":\"none\"",
            "\"EdDSA\",\"kid\":\"x\"",
        ],
        Reason::TokenJson,
    ));
    let nested = format!("{}{}", "[".repeat(900), "]".repeat(900));
    rows.extend(headers("B-27", "x", &[&nested], Reason::TokenJson));
    let text = header(Algorithm::EdDsa).to_string();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bad in [
        &b"[]"[..],
        b"null",
        b"\"x\"",
        format!("\u{feff}{text}").as_bytes(),
        &utf16,
        format!("{text}{{}}").as_bytes(),
        &text.replace("at+jwt", "at+jwt\\ud800").into_bytes(),
        b"{\"alg\":\"EdDSA\xff\"}",
    ] {
        let name = format!("B-30 B-31 header {}", String::from_utf8_lossy(bad));
        rows.push(row(name, WORLD.token_under(bad), Reason::TokenJson));
    }
    rows
}
