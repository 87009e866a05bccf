//! Where a request's credential is: its `Authorization` and `X-API-Key` lines, its query and its cookies.
//!
//! Each line of the input is one of these, by its first byte: `A`, `K`, `Q`, `C`. At most one credential comes out, and
//! it is, byte for byte, what the one header holds behind its scheme. Two headers are never one credential.

use fountain_core::authenticate::PresentedCredential;
use fountain_core::{Reason, RejectionKind};
use fountain_tower::credential::{MAX_HEADER_BYTES, from_headers, is_misplaced};

use crate::{Seed, Verdict, hold};

pub fn check(data: &[u8]) -> Verdict {
    let lines = |kind: u8| {
        data.split(|byte| *byte == b'\n')
            .filter_map(move |line| line.strip_prefix(&[kind]))
    };
    let (bearers, keys): (Vec<_>, Vec<_>) = (lines(b'A').collect(), lines(b'K').collect());
    for query in lines(b'Q') {
        if let Ok(query) = std::str::from_utf8(query) {
            misplaced(query);
        }
    }
    let cookies = || lines(b'C');
    let has_mark = |line: &[u8]| {
        line.windows(4)
            .any(|at| at == b"fnt_" || at.starts_with(b"eyJ"))
    };
    assert!(cookies().any(has_mark) || !is_misplaced(None, cookies(), Some("fnt")));

    // Where API keys are not admitted, their header is nobody's concern, and nothing is taken for one.
    if let Ok(Some(found)) = from_headers(bearers.iter().copied(), keys.iter().copied(), None) {
        assert!(matches!(found, PresentedCredential::AccessToken(_)));
        exact(&bearers, &[], &found);
    }
    match from_headers(bearers.iter().copied(), keys.iter().copied(), Some("fnt")) {
        Ok(None) => {
            assert!(bearers.is_empty() && keys.is_empty());
            Verdict::Refused
        }
        Ok(Some(found)) => {
            exact(&bearers, &keys, &found);
            Verdict::Accepted
        }
        Err(refused) => {
            let expected = match refused.reason() {
                Reason::CredentialAmbiguous => bearers.len() + keys.len() > 1,
                Reason::TokenTooLarge => {
                    let mut values = bearers.iter().chain(&keys);
                    values.any(|value| value.len() > MAX_HEADER_BYTES)
                }
                Reason::CredentialScheme => {
                    assert_eq!(refused.kind(), &RejectionKind::MissingCredential);
                    bearers.len() == 1
                }
                Reason::CredentialMalformed => bearers.len() + keys.len() == 1,
                _ => false,
            };
            assert!(expected, "refused for {}", refused.reason());
            Verdict::Refused
        }
    }
}

/// Panics unless the credential is what the only header holds.
fn exact(bearers: &[&[u8]], keys: &[&[u8]], found: &PresentedCredential<'_>) {
    let (text, is_key) = match found {
        PresentedCredential::ApiKey(text) => (text, true),
        PresentedCredential::AccessToken(text) => (text, false),
    };
    match (bearers, keys) {
        ([value], []) => {
            let (scheme, rest) = value.split_at(7);
            assert!(scheme.eq_ignore_ascii_case(b"bearer "));
            assert_eq!(rest, text.as_bytes());
            assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(!text.contains(['"', '\'', ',', ';', '<', '>', '\\', '(', ')', '@', ':']));
            assert!(!is_key || text.starts_with("fnt_"));
        }
        ([], [value]) => {
            assert!(is_key);
            assert_eq!(*value, text.as_bytes());
            assert!(text.is_ascii());
        }
        _ => panic!("{} headers were taken for one", bearers.len() + keys.len()),
    }
    assert!(text.len() <= MAX_HEADER_BYTES);
}

fn misplaced(query: &str) {
    let has_mark = query.contains("fnt_") || query.contains("eyJ");
    assert!(has_mark || !is_misplaced(Some(query), [], Some("fnt")));
    for credential in [
        "key=fnt_live_0",
        "fnt_live_0",
        "Access_Token=eyJh.eyJz.c2ln",
    ] {
        let behind = format!("{query}&{credential}");
        assert!(is_misplaced(Some(&behind), [], Some("fnt")));
        let before = format!("{credential}&{query}");
        assert!(is_misplaced(Some(&before), [], Some("fnt")));
    }
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let seed = |name, input: &str| (name, input.into());
    vec![
        seed("accepted-token", "ABearer eyJhbGciOiJFZERTQSJ9.e30.AAAA"),
        seed("accepted-key", "Abearer fnt_live_0123456789"),
        seed(
            "accepted-key-header",
            "Kfnt_live_0123456789\nQpage=2\nCtheme=dark; a=\"b\"",
        ),
        seed("refused-both", "ABearer a\nKfnt_live_0"),
        seed("refused-two", "ABearer a\nABearer a"),
        seed("refused-basic", "ABasic dXNlcjpwYXNz"),
        seed("refused-list", "ABearer a, Bearer b"),
        seed("refused-blanks", "ABearer  a"),
        seed("refused-accent", "ABearer \u{e9}"),
        seed(
            "refused-misplaced",
            "Qkey=fnt_live_0&x\nCaccess_token=eyJh.eyJz.c2ln",
        ),
        seed("refused-nothing", ""),
    ]
}
