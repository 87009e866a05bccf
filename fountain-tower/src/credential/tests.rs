use proptest::prelude::*;

use super::*;

type Found<'a> = Result<Option<PresentedCredential<'a>>, Rejection>;

fn authorization(value: &[u8]) -> Found<'_> {
    from_headers([value], [], Some("fnt"))
}

fn reason(found: Found<'_>) -> (RejectionKind, Reason) {
    let rejection = found.unwrap_err();
    (rejection.kind().clone(), rejection.reason())
}

/// B-67
#[test]
fn malformed_authorization_is_an_invalid_request() {
    let long = [b"Bearer ".as_slice(), &[b'a'; 64 * 1024]].concat();
    let cases: [(&[u8], Reason); 14] = [
        (b"", Reason::CredentialMalformed),
        (b" ", Reason::CredentialMalformed),
        (b"Bearer", Reason::CredentialMalformed),
        (b"Bearer ", Reason::CredentialMalformed),
        (b"Bearer  x", Reason::CredentialMalformed),
        (b" Bearer x", Reason::CredentialMalformed),
        (b"Bearer x ", Reason::CredentialMalformed),
        (b"Bearer x y", Reason::CredentialMalformed),
        (b"Bearer a, Bearer b", Reason::CredentialMalformed),
        (b"Bearer\tx", Reason::CredentialMalformed),
        (b"Bearer =", Reason::CredentialMalformed),
        (b"Bearer \xc3\xa9", Reason::CredentialMalformed),
        (b"Bearer \xff", Reason::CredentialMalformed),
        (&long, Reason::TokenTooLarge),
    ];
    for (value, expected) in cases {
        assert_eq!(
            reason(authorization(value)),
            (RejectionKind::InvalidRequest, expected),
            "{:?}",
            String::from_utf8_lossy(value).get(..32)
        );
    }
}

/// B-67: RFC 6750 section 3.1, an unsupported method gets no error code.
#[test]
fn another_scheme_is_no_credential_of_ours() {
    for value in [
        "Basic dTpw",
        "Basic",
        "DPoP x",
        "Bearertok",
        "Negotiate YII=",
    ] {
        assert_eq!(
            reason(authorization(value.as_bytes())),
            (RejectionKind::MissingCredential, Reason::CredentialScheme),
            "{value}"
        );
    }
}

/// B-67
#[test]
fn the_scheme_is_read_without_its_case() {
    for scheme in ["Bearer", "bearer", "bEaReR", "BEARER"] {
        assert_eq!(
            authorization(format!("{scheme} tok").as_bytes()),
            Ok(Some(PresentedCredential::AccessToken("tok")))
        );
    }
}

/// R-85, B-67
#[test]
fn more_than_one_credential_is_ambiguous() {
    let (a, b): (&[u8], &[u8]) = (b"Bearer a", b"fnt_live_b");
    let cases = [
        from_headers([a, a], [], Some("fnt")),
        from_headers([a], [b], Some("fnt")),
        from_headers([], [b, b], Some("fnt")),
        from_headers([b"Basic x".as_slice()], [b], Some("fnt")),
        from_headers([a, a], [], None),
    ];
    for case in cases {
        assert_eq!(
            reason(case),
            (RejectionKind::InvalidRequest, Reason::CredentialAmbiguous)
        );
    }
}

#[test]
fn the_brand_tells_a_key_from_a_token() {
    assert_eq!(
        authorization(b"Bearer fnt_live_x"),
        Ok(Some(PresentedCredential::ApiKey("fnt_live_x")))
    );
    for token in ["fnt", "fntx_live", "Fnt_live_x", "eyJh.eyJz.c2ln", "a=="] {
        assert_eq!(
            authorization(format!("Bearer {token}").as_bytes()),
            Ok(Some(PresentedCredential::AccessToken(token)))
        );
    }
}

/// B-51: what stands in `X-API-Key` is a key, good or not; the authenticator refuses it with 401.
#[test]
fn the_key_header_is_handed_on_as_it_is() {
    for key in ["", "fnt_", "eyJh.eyJz.c2ln", "two words"] {
        assert_eq!(
            from_headers([], [key.as_bytes()], Some("fnt")),
            Ok(Some(PresentedCredential::ApiKey(key)))
        );
    }
    let long = vec![b'a'; 64 * 1024];
    for bad in [b"\x80".as_slice(), &long] {
        let (kind, _) = reason(from_headers([], [bad], Some("fnt")));
        assert_eq!(kind, RejectionKind::InvalidRequest);
    }
}

#[test]
fn where_keys_are_not_admitted_their_header_is_not_read() {
    let key: &[u8] = b"fnt_live_x";
    assert_eq!(from_headers([], [key], None), Ok(None));
    assert_eq!(
        from_headers([b"Bearer fnt_live_x".as_slice()], [key], None),
        Ok(Some(PresentedCredential::AccessToken("fnt_live_x")))
    );
}

/// R-37, B-52
#[test]
fn a_credential_in_query_or_cookie_is_seen() {
    let jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln";
    let query = |q: &str| is_misplaced(Some(q), [], Some("fnt"));
    let cookie = |c: &str| is_misplaced(None, [c.as_bytes()], Some("fnt"));
    assert!(query("x=fnt_live_0"));
    assert!(query("fnt_live_0"));
    assert!(query(&format!("a=b&Access_Token={jwt}")));
    assert!(query(&format!("api_key={jwt}")));
    assert!(cookie("sid=1; k=\"fnt_live_0\""));
    assert!(cookie(&format!("jwt={jwt}")));

    assert!(!query("") && !query("a=b&&c=&=d") && !cookie(";;= ;"));
    assert!(!query(&format!("state={jwt}")));
    assert!(!query("access_token=opaque"));
    assert!(!is_misplaced(Some("x=fnt_live_0"), [], None));
    assert!(!is_misplaced(
        None,
        [b"\xff=fnt_live_0".as_slice()],
        Some("fnt")
    ));
}

/// RFC 6750 section 2.1, byte by byte and wherever it stands in a long token.
#[test]
fn exactly_the_bytes_of_a_b64token_may_stand_in_one() {
    let allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    for byte in 0..=u8::MAX {
        for at in [0, 1, 15, 16, 250, 498] {
            let mut value = [b"Bearer ".as_slice(), &[b'a'; 500]].concat();
            value[7 + at] = byte;
            let expected = allowed.as_bytes().contains(&byte);
            assert_eq!(authorization(&value).is_ok(), expected, "{byte} at {at}");
        }
    }
}

proptest! {
    /// Nothing panics, and what is accepted is a part of the input that may stand in a token.
    #[test]
    fn any_header_is_decided(value in proptest::collection::vec(any::<u8>(), 0..64), prefix in "(bearer |Bearer fnt_|)") {
        let value = [prefix.as_bytes(), &value].concat();
        if let Ok(found) = authorization(&value) {
            let (PresentedCredential::ApiKey(text) | PresentedCredential::AccessToken(text)) = found.unwrap();
            prop_assert!(!text.is_empty() && text.bytes().all(|b| is_b64token_byte(b) || b == b'='));
            prop_assert!(value.ends_with(text.as_bytes()));
        }
        let _ = is_misplaced(std::str::from_utf8(&value).ok(), [value.as_slice()], Some("fnt"));
    }
}
