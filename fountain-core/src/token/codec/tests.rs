use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as SCALAR;
use proptest::prelude::*;

use super::*;

fn split(token: &str) -> Result<CompactToken<'_>, Reason> {
    CompactToken::split(token, DEFAULT_TOKEN_BYTES)
}

/// R-07, R-22, B-19, B-23
#[test]
fn only_three_parts_that_hold_something_are_a_token() {
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        ".a.b",
        "a.b.",
        "a.b.c.d",
        "a.b.c.",
        ".a.b.c",
        "a.b.c.d.e",
        "a.b.c.d.e.f",
        "....",
    ] {
        assert_eq!(split(bad).unwrap_err(), Reason::TokenMalformed, "{bad}");
    }
    let token = split("aa.bb.cc").unwrap();
    assert_eq!(token.signing_input(), b"aa.bb");
    assert_eq!(token.encoded_header(), "aa");
}

/// R-08, B-26
#[test]
fn a_token_beyond_its_bound_is_refused_by_its_length_alone() {
    let token = |bytes: usize| format!("aa.{}.cc", "b".repeat(bytes - 6));
    assert!(split(&token(8_192)).is_ok());
    assert_eq!(split(&token(8_193)).unwrap_err(), Reason::TokenTooLarge);
    assert_eq!(
        split(&".".repeat(10_000_000)).unwrap_err(),
        Reason::TokenTooLarge
    );

    let header = |bytes: usize| format!("{}.bb.cc", "a".repeat(bytes));
    assert!(split(&header(2_731)).is_ok());
    assert_eq!(split(&header(2_732)).unwrap_err(), Reason::TokenTooLarge);
    assert_eq!(
        Header::parse(&[b' '; 2_049]).unwrap_err(),
        Reason::TokenTooLarge
    );
}

/// R-07, B-24, B-25
#[test]
fn parts_are_read_in_their_one_canonical_form_only() {
    for bad in [
        "e30=", "e30+", "e3/0", "e3 0", "e30\n", "\re30", "e\0", "é", "e", "eeeee", "e31", "e3x",
        "4QB", "4V", "QR",
    ] {
        let token = format!("{bad}.{bad}.{bad}");
        let token = split(&token).unwrap();
        assert_eq!(
            token.payload().unwrap_err(),
            Reason::TokenMalformed,
            "{bad:?}"
        );
        assert_eq!(
            token.signature().unwrap_err(),
            Reason::TokenMalformed,
            "{bad:?}"
        );
        assert_eq!(
            token.header().unwrap_err(),
            Reason::TokenMalformed,
            "{bad:?}"
        );
    }
    assert_eq!(split("aa.e30.cc").unwrap().payload().unwrap(), b"{}");
}

fn header(json: &str) -> Result<Header, Reason> {
    Header::parse(json.as_bytes())
}

/// R-01, B-01, B-05
#[test]
fn an_algorithm_is_taken_by_its_exact_name_or_not_at_all() {
    for bad in [
        "\"none\"",
        "null",
        "[\"RS256\"]",
        "\"RS256\\u0000\"",
        "\"rs256\"",
        "\"Rs256\"",
        "\"HS1\"",
        "\"HS\"",
        "\"ed25519\"",
        "\"dir\"",
        "\"RSA1_5\"",
        "\"HMAC\"",
    ] {
        let json = format!("{{\"alg\":{bad}}}");
        assert_eq!(header(&json).unwrap_err(), Reason::TokenAlgorithm, "{bad}");
    }
    assert_eq!(header("{}").unwrap_err(), Reason::TokenAlgorithm);
    for algorithm in Algorithm::ALL {
        assert_eq!(
            header(&format!("{{\"alg\":\"{algorithm}\"}}"))
                .unwrap()
                .algorithm,
            *algorithm
        );
    }
}

/// R-11, R-12, B-10, B-11, B-15, B-16, B-17
#[test]
fn members_that_change_what_a_signature_means_are_refused_whatever_they_hold() {
    for member in ["crit", "b64", "zip", "jku", "x5u", "jwk", "x5c"] {
        for value in [
            "[]",
            "[\"x\"]",
            "[\"alg\"]",
            "[\"exp\",\"exp\"]",
            "\"exp\"",
            "null",
            "false",
            "true",
            "\"DEF\"",
            "{}",
            "0",
            "\"http://127.0.0.1/keys\"",
            "\"file:///etc/passwd\"",
        ] {
            let json = format!("{{\"alg\":\"ES256\",\"{member}\":{value}}}");
            assert_eq!(header(&json).unwrap_err(), Reason::TokenHeader, "{json}");
        }
    }
    // Those that only describe have no effect, and are still read strictly.
    let described = r#"{"alg":"ES256","x5t":"AAAA","x5t#S256":1,"cty":"JWT","other":{"jwk":{}}}"#;
    assert_eq!(header(described).unwrap().kid, None);
    assert_eq!(
        header(r#"{"alg":"ES256","other":{"a":1,"a":2}}"#).unwrap_err(),
        Reason::TokenJson
    );
}

/// R-13, B-12
#[test]
fn a_key_id_is_an_opaque_name_or_refused() {
    let long = format!("\"{}\"", "k".repeat(129));
    for bad in [
        "\"../../dev/null\"",
        "\"k' OR 1=1--\"",
        "\"$(id)\"",
        "\"\"",
        &long,
        "[\"k\"]",
        "1",
        "null",
        "{}",
        "\"k\\n\"",
        "\"k\\u0000\"",
        "\"é\"",
        "\"k \"",
        "\"a|b\"",
    ] {
        let json = format!("{{\"alg\":\"ES256\",\"kid\":{bad}}}");
        assert_eq!(header(&json).unwrap_err(), Reason::TokenKeyId, "{bad}");
    }
    let json = format!("{{\"alg\":\"ES256\",\"kid\":\"{}\"}}", "k".repeat(128));
    assert!(header(&json).unwrap().kid.is_some());
}

/// R-08, R-09, R-10, B-27, B-29, B-30
#[test]
fn a_header_is_strict_json() {
    for bad in [
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"kid":"a","alg":"ES256","kid":"b"}"#,
        r#"{"alg":"ES256"}{}"#,
        r#"["ES256"]"#,
        "\u{feff}{\"alg\":\"ES256\"}",
        &format!("{{\"alg\":\"ES256\",\"x\":{}}}", "[".repeat(1_900)),
    ] {
        assert_eq!(header(bad).unwrap_err(), Reason::TokenJson, "{bad:.60}");
    }
    assert_eq!(
        Header::parse(b"{\"alg\":\"ES256\xff\"}").unwrap_err(),
        Reason::TokenJson
    );
    assert_eq!(
        header(r#"{"alg":"ES256","typ":1}"#).unwrap_err(),
        Reason::TokenType
    );
}

/// What a verifier compares as bytes says the same when it is read.
#[test]
fn every_header_that_is_issued_is_read_back() {
    let kid = Kid::new("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").unwrap();
    for algorithm in Algorithm::ALL {
        for kind in TokenKind::ALL {
            let encoded = Header::encode(*algorithm, &kid, *kind);
            let token = format!("{encoded}.e30.AAAA");
            let header = split(&token).unwrap().header().unwrap();
            assert_eq!(header.algorithm, *algorithm);
            assert_eq!(header.kid.as_ref(), Some(&kid));
            assert!(header.typ.is_some_and(|typ| kind.accepts(&typ)));
        }
    }
}

/// R-94
#[test]
fn a_token_shows_nothing_of_itself() {
    let token = format!("{:?}", split("c2VjcmV0.c2VjcmV0.c2VjcmV0").unwrap());
    assert!(!token.contains("c2Vj"), "{token}");
}

proptest! {
    /// R-23
    #[test]
    fn no_text_panics(token in "[ -~é\\n]{0,200}|[A-Za-z0-9_.-]{0,200}") {
        if let Ok(token) = split(&token) {
            let _ = (token.header(), token.payload(), token.signature());
        }
    }

    #[test]
    fn no_header_panics(bytes: Vec<u8>) {
        let _ = Header::parse(&bytes);
    }

    /// The word-wise decoder agrees with the plain one on every input, canonical or not, of every length.
    #[test]
    fn decoding_agrees_with_a_second_implementation(
        part in prop_oneof![
            "[A-Za-z0-9_-]{1,200}",
            "[A-Za-z0-9_-]{0,100}[ -~\\n=+/é\\x00][A-Za-z0-9_-]{0,100}",
            prop::collection::vec(any::<u8>(), 1..150).prop_map(|bytes| SCALAR.encode(bytes)),
        ],
    ) {
        prop_assert_eq!(decoded(&part).ok(), SCALAR.decode(&part).ok());
    }
}
