//! Bad payloads and bad claims, signed by the issuer.

use fountain_core::Reason;
use serde_json::json;

use super::{Row, payloads, row};
use crate::token_world::*;

pub(super) fn about_the_payload() -> Vec<Row> {
    let good = claims().to_string();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut rows = Vec::new();
    for bad in [
        &b"[]"[..],
        b"\"x\"",
        b"1",
        b"null",
        b" ",
        b"",
        b"foo",
        format!("{good}{{}}").as_bytes(),
        format!("{good}\0").as_bytes(),
        format!("\u{feff}{good}").as_bytes(),
        &utf16,
        b"{\"iss\":\"\xff\"}",
    ] {
        let name = format!("B-30 B-31 payload {}", String::from_utf8_lossy(bad));
        rows.push(row(name, WORLD.token(bad), Reason::TokenJson));
    }
    let nested = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let many: String = (0..129).map(|i| format!(",\"m{i}\":0")).collect();
    let values = [
        nested,
        "[".repeat(4_000),
        "1".repeat(4_000),
        "1e999".to_owned(),
        "NaN".to_owned(),
        "'x'".to_owned(),
        format!("0{many}"),
        "{\"a\":1,\"a\":1}".to_owned(),
        "[{\"a\":1,\"\\u0061\":1}]".to_owned(),
        "\"\\ud800\"".to_owned(),
    ];
    rows.extend(payloads(
        "B-27 B-28",
        "x",
        &values.each_ref().map(String::as_str),
        Reason::TokenJson,
    ));
    let open = &good[..good.len() - 1];
    for member in ["exp", "sub", "aud", "iss", "jti", "roles"] {
        let value = &claims()[member];
        for name in [
            member.to_owned(),
            format!("\\u{:04x}{}", u32::from(member.as_bytes()[0]), &member[1..]),
        ] {
            let payload = format!("{open},\"{name}\":{value}}}");
            rows.push(row(
                format!("B-29 {name}"),
                WORLD.token(payload),
                Reason::TokenJson,
            ));
        }
    }
    rows
}

pub(super) fn about_the_claims() -> Vec<Row> {
    let mut rows = Vec::new();
    for member in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let payload = without(claims(), member).to_string();
        rows.push(row(
            format!("R-15 {member} missing"),
            WORLD.token(payload),
            Reason::TokenClaims,
        ));
    }
    for member in ["exp", "iat", "nbf", "auth_time"] {
        let values = [
            "\"9999999999\"",
            "null",
            "true",
            "[]",
            "{}",
            "-1",
            "0",
            "1e30",
            "9223372036854775808",
            "18446744073709551616",
            "253402300800",
            "1e999",
        ];
        rows.extend(payloads("B-32 B-33", member, &values, Reason::TokenClaims));
    }
    rows.extend(payloads(
        "B-32 past",
        "exp",
        &["1799999970", "1799999969.9", "1"],
        Reason::TokenExpired,
    ));
    rows.extend(payloads(
        "B-32 far",
        "exp",
        &["253402300799"],
        Reason::TokenLifetime,
    ));
    rows.extend(payloads(
        "B-33",
        "nbf",
        &["1800000030.000001", "1.8001e9"],
        Reason::TokenNotYetValid,
    ));
    rows.extend(payloads(
        "B-34",
        "iat",
        &["1800000030.000001", "1800086400"],
        Reason::TokenIssuedInFuture,
    ));
    rows.extend(payloads(
        "B-34",
        "iat",
        &["1799999699", "1"],
        Reason::TokenLifetime,
    ));
    rows.extend(payloads(
        "B-34",
        "exp",
        &["1800000900.000001", "4953600000"],
        Reason::TokenLifetime,
    ));
    let at_end = with(
        with(
            with(claims(), "nbf", json!(1_800_000_001)),
            "exp",
            json!(1_800_000_001),
        ),
        "iat",
        json!(1_800_000_000),
    );
    rows.push(row(
        "B-33 nbf = exp",
        WORLD.token(at_end.to_string()),
        Reason::TokenLifetime,
    ));
    let issuers = [
        "\"https://auth.example.com/\"",
        "\"https://auth.example.co\"",
        "\"https://AUTH.example.com\"",
        "\"https://staging.example.com\"",
        "\"auth.example.com\"",
    ];
    rows.extend(payloads("B-35 B-41", "iss", &issuers, Reason::TokenIssuer));
    rows.extend(payloads(
        "B-35",
        "iss",
        &["[\"https://auth.example.com\"]", "\"\"", "null"],
        Reason::TokenClaims,
    ));
    let audiences = [
        "\"billing\"",
        "\"orders/\"",
        "\"order\"",
        "\"Orders\"",
        "[\"billing\",\"order\"]",
    ];
    rows.extend(payloads("B-36", "aud", &audiences, Reason::TokenAudience));
    rows.extend(payloads(
        "B-36",
        "aud",
        &["\"\"", "1", "[]", "null", "[\"orders\",1]"],
        Reason::TokenClaims,
    ));
    let long = format!("\"{}\"", "s".repeat(4_000));
    let subjects = ["\"\"", "\"a\\nb\"", "\"a\\tb\"", "\" a\"", "1", &long];
    rows.extend(payloads("B-38", "sub", &subjects, Reason::TokenClaims));
    let many = format!("[{}]", vec!["\"r\""; 129].join(","));
    let roles = [
        "\"admin\"",
        "null",
        "[[\"admin\"]]",
        "{\"admin\":true}",
        "[1]",
        "[\"a\\nb\"]",
        &many,
    ];
    rows.extend(payloads("B-39", "roles", &roles, Reason::TokenClaims));
    let scopes = [
        "\"a\\tb\"",
        "\"a  b\"",
        "\"a \"",
        "\" a\"",
        "[\"a\"]",
        "null",
        "\"a\\nb\"",
        &long,
    ];
    rows.extend(payloads("B-40", "scope", &scopes, Reason::TokenClaims));
    rows.extend(payloads(
        "R-18",
        "tenant",
        &["null", "1", "\"\"", "\"a b\""],
        Reason::TokenClaims,
    ));
    rows
}
