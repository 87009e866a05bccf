use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Claims as an issuer would write them, with every optional one.
pub(crate) fn claims() -> AccessClaims {
    let mut claims = AccessClaims::new(
        Issuer::new("https://auth.example.com").unwrap(),
        Subject::new("u1").unwrap(),
        Audience::new("orders").unwrap(),
        ClientId::new("web").unwrap(),
        TokenId::new("t1").unwrap(),
        Timestamp::from_unix_seconds(1_700_000_000),
        Timestamp::from_unix_seconds(1_700_000_600),
    );
    claims.not_before = Some(claims.issued_at);
    claims.tenant = Tenant::new("acme").unwrap();
    claims.family = Some(FamilyId::new("f".repeat(27)).unwrap());
    claims.scopes = Some(vec!["orders:read".to_owned(), "orders:write".to_owned()]);
    claims.roles = Some(vec!["clerk".to_owned()]);
    claims.assurance = Assurance {
        acr: Some("urn:fountain:acr:mfa".to_owned()),
        amr: vec!["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()],
        auth_time: Some(Timestamp::from_unix_seconds(1_699_999_999)),
    };
    claims
}

fn json() -> Json {
    serde_json::from_slice(&claims().encode().unwrap()).unwrap()
}

/// The claims with one of them replaced.
fn with(name: &str, value: &str) -> Result<AccessClaims, Reason> {
    let Json::Object(mut members) = json() else {
        unreachable!()
    };
    members.remove(name);
    let rest = Json::Object(members).to_string();
    AccessClaims::decode(format!("{{\"{name}\":{value},{}", &rest[1..]).as_bytes())
}

#[test]
fn claims_are_written_compactly_and_in_one_order() {
    let mut claims = claims();
    claims
        .extra
        .insert("plan".to_owned(), json!({"b": [1, null], "a": "é\n"}));
    claims.expires_at = Timestamp::from_unix_micros(1_700_000_600_250_000);
    assert_eq!(
        String::from_utf8(claims.encode().unwrap()).unwrap(),
        r#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1","iat":1700000000,"exp":1700000600.25,"nbf":1700000000,"tenant":"acme","sid":"fffffffffffffffffffffffffff","scope":"orders:read orders:write","roles":["clerk"],"acr":"urn:fountain:acr:mfa","amr":["pwd","otp","mfa"],"auth_time":1699999999,"plan":{"a":"é\n","b":[1,null]}}"#
    );
    assert_eq!(AccessClaims::decode(&claims.encode().unwrap()), Ok(claims));
}

#[test]
fn what_is_absent_is_not_written() {
    let all = claims();
    let bare = AccessClaims::new(
        all.issuer,
        all.subject,
        all.audience[0].clone(),
        all.client,
        all.id,
        all.issued_at,
        all.expires_at,
    );
    assert_eq!(
        String::from_utf8(bare.encode().unwrap()).unwrap(),
        r#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1","iat":1700000000,"exp":1700000600}"#
    );
    assert_eq!(AccessClaims::decode(&bare.encode().unwrap()), Ok(bare));
}

/// R-15
#[test]
fn each_required_claim_must_be_there() {
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let Json::Object(mut members) = json() else {
            unreachable!()
        };
        assert!(members.remove(name).is_some());
        let payload = Json::Object(members).to_string();
        assert_eq!(
            AccessClaims::decode(payload.as_bytes()),
            Err(Reason::TokenClaims),
            "{name}"
        );
    }
    for name in [
        "nbf",
        "tenant",
        "sid",
        "scope",
        "roles",
        "acr",
        "amr",
        "auth_time",
    ] {
        let Json::Object(mut members) = json() else {
            unreachable!()
        };
        assert!(members.remove(name).is_some());
        assert!(
            AccessClaims::decode(Json::Object(members).to_string().as_bytes()).is_ok(),
            "{name}"
        );
    }
}

/// R-15, R-18, R-19, B-32, B-33: a value of another type is malformed, never absent.
#[test]
fn no_claim_takes_a_value_of_another_type() {
    for name in [
        "iss",
        "sub",
        "client_id",
        "jti",
        "tenant",
        "sid",
        "scope",
        "acr",
    ] {
        for value in ["1", "null", "true", "[]", "[\"x\"]", "{}"] {
            assert_eq!(
                with(name, value),
                Err(Reason::TokenClaims),
                "{name} {value}"
            );
        }
    }
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for value in [
            "\"9999999999\"",
            "null",
            "true",
            "[]",
            "{}",
            "[1700000000]",
            "-1",
            "0",
            "1e30",
            "1e999",
            "9223372036854775808",
            "18446744073709551616",
            "253402300800",
            "\"NaN\"",
        ] {
            assert_eq!(
                with(name, value),
                Err(Reason::TokenClaims),
                "{name} {value}"
            );
        }
        for value in ["NaN", "Infinity", "01", "+1"] {
            assert!(with(name, value).is_err(), "{name} {value}");
        }
    }
    for name in ["roles", "amr"] {
        for value in [
            "\"admin\"",
            "null",
            "1",
            "{}",
            "[1]",
            "[null]",
            "[[\"admin\"]]",
            "[{}]",
            "[\"a\",1]",
            "[\"\"]",
        ] {
            assert_eq!(
                with(name, value),
                Err(Reason::TokenClaims),
                "{name} {value}"
            );
        }
    }
    for value in [
        "1",
        "null",
        "true",
        "{}",
        "[]",
        "[1]",
        "[null]",
        "[[\"orders\"]]",
        "\"\"",
        "[\"\"]",
        "[\"orders\",1]",
    ] {
        assert_eq!(with("aud", value), Err(Reason::TokenClaims), "{value}");
    }
}

/// R-18: sub-second instants are kept.
#[test]
fn a_date_keeps_its_fraction() {
    let claims = with("exp", "1700000600.25").unwrap();
    assert_eq!(claims.expires_at.as_unix_micros(), 1_700_000_600_250_000);
    assert_eq!(
        with("exp", "1.7e9").unwrap().expires_at.as_unix_seconds(),
        1_700_000_000
    );
}

/// B-35, B-38
#[test]
fn texts_are_bounded_and_without_control_characters() {
    let long = format!("\"{}\"", "x".repeat(10_240));
    for name in ["iss", "sub", "client_id", "jti", "tenant", "sid", "acr"] {
        for value in [
            "\"\"",
            "\"a\\nb\"",
            "\"a\\tb\"",
            "\"a\\u0000b\"",
            "\"a\\u001bb\"",
            &long,
        ] {
            assert_eq!(
                with(name, value),
                Err(Reason::TokenClaims),
                "{name} {value:.40}"
            );
        }
    }
}

/// B-39
#[test]
fn roles_are_kept_byte_for_byte_and_bounded_in_number() {
    assert_eq!(
        with("roles", r#"["admin ","Admin","unknown"]"#)
            .unwrap()
            .roles
            .unwrap(),
        ["admin ", "Admin", "unknown"]
    );
    let roles = |n: usize| format!("[{}]", vec!["\"r\""; n].join(","));
    assert_eq!(
        with("roles", &roles(128)).unwrap().roles.unwrap().len(),
        128
    );
    assert_eq!(with("roles", &roles(129)), Err(Reason::TokenClaims));
    assert!(with("roles", &roles(10_000)).is_err());
    assert_eq!(with("aud", &roles(129)), Err(Reason::TokenClaims));
}

/// B-40
#[test]
fn scopes_are_parted_by_one_blank_and_by_nothing_else() {
    assert_eq!(
        with("scope", "\"a b a\"").unwrap().scopes.unwrap(),
        ["a", "b", "a"]
    );
    assert_eq!(with("scope", "\"\"").unwrap().scopes, Some(Vec::new()));
    let long = format!("\"{}\"", "x".repeat(10_240));
    let many = format!("\"a{}\"", " a".repeat(128));
    for value in [
        "\" \"",
        "\"a  b\"",
        "\" a\"",
        "\"a \"",
        "\"a\\tb\"",
        "\"a\\nb\"",
        "\"a\\u00a0b\"",
        "\"é\"",
        "\"a\\\"b\"",
        "\"a\\\\b\"",
        &long,
        &many,
    ] {
        assert_eq!(
            with("scope", value),
            Err(Reason::TokenClaims),
            "{value:.40}"
        );
    }
}

/// R-08, R-09, R-10, B-27, B-28, B-30, B-31
#[test]
fn a_payload_is_strict_json() {
    let good = String::from_utf8(claims().encode().unwrap()).unwrap();
    assert!(AccessClaims::decode(good.as_bytes()).is_ok());
    let body = &good[..good.len() - 1];
    for bad in [
        String::new(),
        "[]".to_owned(),
        "\"x\"".to_owned(),
        "1".to_owned(),
        "null".to_owned(),
        format!("{good}{{}}"),
        format!("{good}x"),
        format!("\u{feff}{good}"),
        format!("{body},\"exp\":1}}"),
        format!("{body},\"\\u0065xp\":1}}"),
        format!("{body},\"x\":{{\"a\":1,\"a\":1}}}}"),
        format!("{body},\"x\":{}}}", "[".repeat(20_000)),
        format!("{body},\"x\":{}}}", "1".repeat(1_000_000)),
        format!("{body},\"x\":1e999}}"),
        format!("{body},\"x\":\"{}\"}}", "x".repeat(1 << 20)),
        format!(
            "{body}{}}}",
            (0..100_000)
                .map(|i| format!(",\"m{i}\":0"))
                .collect::<String>()
        ),
    ] {
        assert_eq!(
            AccessClaims::decode(bad.as_bytes()),
            Err(Reason::TokenJson),
            "{bad:.60}"
        );
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(AccessClaims::decode(&utf16), Err(Reason::TokenJson));
    let bad_utf8 = good
        .replace("u1", "u?")
        .replace('?', "\u{1}")
        .into_bytes()
        .into_iter();
    let bad_utf8: Vec<u8> = bad_utf8
        .map(|byte| if byte == 1 { 0xff } else { byte })
        .collect();
    assert_eq!(AccessClaims::decode(&bad_utf8), Err(Reason::TokenJson));
}

#[test]
fn claims_that_a_verifier_must_refuse_are_not_written() {
    fn refused(change: impl FnOnce(&mut AccessClaims)) {
        let mut claims = claims();
        change(&mut claims);
        assert!(claims.encode().is_err(), "{claims:?}");
    }
    refused(|claims| claims.audience.clear());
    refused(|claims| claims.audience = vec![claims.audience[0].clone(); 129]);
    refused(|claims| claims.roles = Some(vec!["r".to_owned(); 129]));
    refused(|claims| claims.roles = Some(vec![String::new()]));
    refused(|claims| claims.roles = Some(vec!["a\nb".to_owned()]));
    refused(|claims| claims.scopes = Some(vec!["two words".to_owned()]));
    refused(|claims| claims.scopes = Some(vec![String::new()]));
    refused(|claims| claims.scopes = Some(vec!["s".to_owned(); 129]));
    refused(|claims| claims.assurance.amr.push("x".repeat(256)));
    refused(|claims| claims.assurance.acr = Some(String::new()));
    refused(|claims| claims.issued_at = Timestamp::from_unix_seconds(0));
    refused(|claims| claims.expires_at = Timestamp::from_unix_seconds(-1));
    refused(|claims| drop(claims.extra.insert("exp".to_owned(), json!(1))));
    // A claim with a field of its own, even while that field is empty.
    refused(|claims| {
        claims.tenant = Tenant::default();
        claims.extra.insert("tenant".to_owned(), json!("acme"));
    });
    refused(|claims| {
        drop(
            claims
                .extra
                .insert("x".to_owned(), json!("x".repeat(MAX_TOKEN_BYTES))),
        )
    });
    refused(|claims| claims.roles = Some(vec!["\"".repeat(255); 128]));
    refused(|claims| {
        claims.extra = (0..128).map(|i| (format!("m{i}"), json!(0))).collect();
    });
    refused(|claims| {
        let deep = (0..16).fold(json!(0), |inner, _| json!([inner]));
        claims.extra.insert("deep".to_owned(), deep);
    });
}

#[test]
fn a_known_issuer_and_audience_change_nothing_but_where_their_text_lies() {
    let claims = claims();
    let payload = claims.encode().unwrap();
    let (issuer, audience) = (claims.issuer.clone(), claims.audience[0].clone());
    let shared = AccessClaims::decode_for(&payload, Some((&issuer, &audience))).unwrap();
    assert_eq!(shared, claims);
    assert_eq!(shared.issuer.as_str().as_ptr(), issuer.as_str().as_ptr());
    let other = (Issuer::new("x").unwrap(), Audience::new("x").unwrap());
    assert_eq!(
        AccessClaims::decode_for(&payload, Some((&other.0, &other.1))),
        Ok(claims)
    );
}

proptest! {
    /// R-23
    #[test]
    fn no_payload_panics(payload: Vec<u8>) {
        let _ = AccessClaims::decode(&payload);
    }

    /// What is read can be written, and what was written is read as the same.
    #[test]
    fn claims_survive_writing_and_reading(
        subject in "[^\\p{Cc}\\p{Z}]{1,40}",
        audience in prop::collection::vec("[!-~]{1,20}", 1..4),
        roles in prop::option::of(prop::collection::vec("[^\\p{Cc}]{1,20}", 0..4)),
        scopes in prop::option::of(prop::collection::vec("[!#-\\[\\]-~]{1,20}", 0..4)),
        micros in 1..253_402_207_200_000_000_i64,
        extra in prop::collection::btree_map("x[^\\p{Cc}]{0,9}", "(?s).{0,9}", 0..3),
        double in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
    ) {
        let mut claims = claims();
        claims.subject = Subject::new(subject).unwrap();
        claims.audience = audience.iter().map(|one| Audience::new(one).unwrap()).collect();
        claims.roles = roles;
        claims.scopes = scopes;
        claims.issued_at = Timestamp::from_unix_micros(micros);
        claims.extra = extra.into_iter().map(|(name, value)| (name, value.into())).collect();
        claims.extra.insert("double".to_owned(), double.into());
        let payload = claims.encode().unwrap();
        let peer: Json = serde_json::from_slice(&payload).unwrap();
        prop_assert_eq!(peer["sub"].as_str(), Some(claims.subject.as_str()));
        prop_assert_eq!(AccessClaims::decode(&payload), Ok(claims));
    }
}
