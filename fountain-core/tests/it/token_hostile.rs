//! Bad inputs B-01 to B-41 as one table: each is refused for its own reason, and all are answered alike.

use std::io::ErrorKind;
use std::net::TcpListener;

use fountain_core::signing::Algorithm;
use fountain_core::{Reason, Rejection};
use serde_json::json;

use crate::token_world::*;

mod claims;
mod forms;
mod headers;

use claims::{about_the_claims, about_the_payload};
use forms::about_the_form;
use headers::{about_the_algorithm, about_the_header};

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
    assert_eq!(
        claims.roles.unwrap(),
        ["admin ", "Admin", "*", "admin\u{a0}"]
    );
    assert_eq!(
        claims.scopes.unwrap(),
        ["orders:read", "*:*", "orders:read"]
    );
}
