//! Bad inputs B-01 to B-41 as one table: each is refused for its own reason, and all are answered alike.

use std::io::ErrorKind;
use std::net::TcpListener;

use fountain_core::signing::Algorithm;
use fountain_core::{Reason, Rejection};
use serde_json::json;

use crate::token_world::*;

struct Row {
    name: String,
    token: String,
    reason: Reason,
}

fn row(name: impl Into<String>, token: impl Into<String>, reason: Reason) -> Row {
    Row {
        name: name.into(),
        token: token.into(),
        reason,
    }
}

/// Headers with one member replaced, over good claims, signed by the issuer.
fn headers(id: &str, member: &str, values: &[&str], reason: Reason) -> Vec<Row> {
    values
        .iter()
        .map(|value| {
            let header = with_text(header(Algorithm::EdDsa), member, value);
            row(
                format!("{id} {member} {value:.60}"),
                WORLD.token_under(header),
                reason,
            )
        })
        .collect()
}

/// Claims with one member replaced, signed by the issuer.
fn payloads(id: &str, member: &str, values: &[&str], reason: Reason) -> Vec<Row> {
    values
        .iter()
        .map(|value| {
            let payload = with_text(claims(), member, value);
            row(
                format!("{id} {member} {value:.60}"),
                WORLD.token(payload),
                reason,
            )
        })
        .collect()
}

fn about_the_algorithm() -> Vec<Row> {
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
            "\"PS256\"",
            "\"ES384\"",
            "\"Ed25519\"",
            "\"ES512\"",
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

fn about_the_header() -> Vec<Row> {
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
        &["\"unknown\"", "\"eddsa\"", "\"EdDS\""],
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

fn about_the_form() -> Vec<Row> {
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

fn about_the_payload() -> Vec<Row> {
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

fn about_the_claims() -> Vec<Row> {
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

/// R-20: every hostile input is refused for its reason, and every answer is the same to the byte.
#[test]
fn every_hostile_token_is_refused_for_its_reason_and_answered_alike() {
    // The means by which the rows are made give good tokens too.
    assert!(WORLD.verify(&WORLD.token(claims().to_string())).is_ok());
    assert!(
        WORLD
            .verify(&WORLD.token_under(header(Algorithm::EdDsa).to_string()))
            .is_ok()
    );
    assert!(
        WORLD
            .verify(&WORLD.token(with_text(claims(), "x", "0")))
            .is_ok()
    );

    let face = Rejection::invalid_token(Reason::TokenSignature);
    let rows = [
        about_the_algorithm(),
        about_the_header(),
        about_the_form(),
        about_the_payload(),
        about_the_claims(),
    ];
    let mut wrong = Vec::new();
    for Row {
        name,
        token,
        reason,
    } in rows.into_iter().flatten()
    {
        match WORLD.verify(&token) {
            Ok(_) => wrong.push(format!("{name}: accepted")),
            Err(rejection) => {
                assert_eq!(rejection.kind(), face.kind(), "{name}");
                assert_eq!(rejection.to_string(), face.to_string(), "{name}");
                if rejection.reason() != reason {
                    wrong.push(format!("{name}: {}, not {reason}", rejection.reason()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// R-01, B-01, B-05: a bad algorithm ends everything before a key is looked for.
#[test]
fn a_bad_algorithm_is_refused_before_any_key_is_looked_up() {
    let keys = CountingKeys::new(&WORLD.keys);
    let verify = |token: &str| fountain_core::token::verify_access(token, &WORLD.rules, &keys, NOW);
    let rows: Vec<_> = about_the_algorithm()
        .into_iter()
        .filter(|row| row.reason == Reason::TokenAlgorithm)
        .collect();
    assert!(rows.len() >= 20);
    for row in rows {
        assert!(verify(&row.token).is_err(), "{}", row.name);
    }
    assert_eq!(keys.look_ups(), 0);
    // The counter counts.
    let reordered = r#"{"typ":"at+jwt","kid":"EdDSA","alg":"EdDSA"}"#;
    assert!(verify(&WORLD.token_under(reordered)).is_ok());
    assert_eq!(keys.look_ups(), 1);
}

/// R-12, B-11: an address in a header is never asked.
#[test]
fn no_address_in_a_header_is_ever_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for n in 0..10_000 {
        let member = ["jku", "x5u", "jwk"][n % 3];
        let header = with(
            header(Algorithm::EdDsa),
            member,
            json!(format!("http://{address}/{n}")),
        );
        // Unsigned: nothing that is refused here is refused for its signature.
        let token = format!(
            "{}.{}.AAAA",
            encode(header.to_string()),
            encode(claims().to_string())
        );
        assert_eq!(
            WORLD.verify(&token).unwrap_err().reason(),
            Reason::TokenHeader
        );
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// B-39, B-40: what stands in a claim is taken byte for byte.
#[test]
fn odd_roles_and_scopes_are_kept_as_they_are() {
    let payload = with(
        claims(),
        "roles",
        json!(["admin ", "Admin", "*", "admin\u{a0}"]),
    );
    let payload = with(payload, "scope", json!("orders:read *:* orders:read"));
    let claims = WORLD.verify(&WORLD.token(payload.to_string())).unwrap();
    assert_eq!(claims.roles, ["admin ", "Admin", "*", "admin\u{a0}"]);
    assert_eq!(claims.scopes, ["orders:read", "*:*", "orders:read"]);
}
