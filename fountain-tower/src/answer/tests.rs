use super::*;
use crate::responder::{Grpc, ProblemJson};
use bytes::Bytes;
use fountain_core::Reason;

/// A refusal; its status, type, challenges, wait and gRPC status.
type Row = (
    Rejection,
    u16,
    &'static str,
    String,
    Option<&'static str>,
    &'static str,
);

fn step_up() -> Rejection {
    Rejection::new(
        RejectionKind::StepUpRequired {
            acr: Some("urn:fountain:acr:mfa".into()),
            max_age: Some(Duration::from_secs(300)),
            action: None,
            resource: None,
        },
        Reason::AssuranceTooLow,
    )
}

fn scope(scope: &'static str) -> Rejection {
    Rejection::new(
        RejectionKind::InsufficientScope {
            scope: scope.into(),
        },
        Reason::PermissionMissing,
    )
}

fn limited(retry_after: Duration) -> Rejection {
    Rejection::new(
        RejectionKind::RateLimited { retry_after },
        Reason::QuotaExceeded,
    )
}

fn grant() -> Rejection {
    Rejection::invalid_grant(Reason::RefreshReused)
}

fn json(rejection: &Rejection) -> Response<Bytes> {
    Answers::new("x", "https://e.example/", true)
        .unwrap()
        .respond(&ProblemJson, rejection, None)
}

fn grpc(rejection: &Rejection) -> Response<Bytes> {
    Answers::default().respond(&Grpc, rejection, None)
}

/// the whole table of the module's documentation.
#[test]
fn every_kind_has_its_status_challenge_type_and_grpc_code() {
    let invalid_request = Rejection::invalid_request(Reason::CredentialMalformed);
    let invalid_token = Rejection::invalid_token(Reason::TokenExpired);
    let unavailable = Rejection::unavailable(Reason::StoreUnavailable);
    let wrong_password = Rejection::authentication_failed(Reason::PasswordWrong);
    let x = "Bearer realm=\"x\"";
    #[rustfmt::skip]
    let rows: [Row; 9] = [
        (Rejection::missing_credential(), 401, "missing-credentials", format!("{x}|ApiKey realm=\"x\""), None, "16"),
        (invalid_request, 400, "invalid-request", format!("{x}, error=\"invalid_request\""), None, "3"),
        (invalid_token, 401, "invalid-token", format!("{x}, error=\"invalid_token\""), None, "16"),
        (grant(), 400, "invalid-grant", String::new(), None, "3"),
        (wrong_password, 401, "authentication-failed", x.to_owned(), None, "16"),
        (scope("keys:rotate"), 403, "insufficient-scope", format!("{x}, error=\"insufficient_scope\", scope=\"keys:rotate\""), None, "7"),
        (step_up(), 401, "step-up-required", format!("{x}, error=\"insufficient_user_authentication\", acr_values=\"urn:fountain:acr:mfa\", max_age=\"300\""), None, "16"),
        (limited(Duration::from_millis(1_500)), 429, "rate-limited", String::new(), Some("2"), "8"),
        (unavailable, 503, "unavailable", String::new(), Some("1"), "14"),
    ];
    for (rejection, status, slug, challenge, retry_after, grpc_status) in rows {
        let response = json(&rejection);
        assert_eq!(response.status(), status, "{rejection:?}");
        let challenges: Vec<_> = response
            .headers()
            .get_all("www-authenticate")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(challenges.join("|"), challenge);
        let retry = response.headers().get("retry-after");
        assert_eq!(retry.map(|value| value.to_str().unwrap()), retry_after);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );

        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["type"], format!("https://e.example/{slug}"));
        assert_eq!(problem["status"], status);
        for text in ["title", "detail", "code"] {
            assert!(!problem[text].as_str().unwrap().is_empty());
        }

        let response = grpc(&rejection);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], grpc_status);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert!(response.body().is_empty());
    }
}

///
#[test]
fn every_cause_behind_a_kind_has_a_byte_identical_answer() {
    let expected = json(&Rejection::invalid_token(Reason::TokenExpired));
    for reason in Reason::ALL {
        let response = json(&Rejection::invalid_token(*reason));
        assert_eq!(response.body(), expected.body());
        assert_eq!(response.headers(), expected.headers());
        assert_eq!(response.status(), expected.status());
    }
}

/// RFC 9470: the body says what the challenge says.
#[test]
fn a_step_up_problem_holds_what_is_asked_for() {
    let problem: serde_json::Value = serde_json::from_slice(json(&step_up()).body()).unwrap();
    assert_eq!(problem["acr_values"], "urn:fountain:acr:mfa");
    assert_eq!(problem["max_age"], 300);
    let grpc = grpc(&step_up());
    let challenge = grpc.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("max_age=\"300\""), "{challenge}");
}

/// What a client is to step up for is in the body, however hostile the resource that it named.
#[test]
fn a_step_up_problem_names_the_act_and_the_resource_as_they_are() {
    let resource = "a\"}],\u{202e}\r\n\u{1b}[31m\0é";
    let rejection = Rejection::new(
        RejectionKind::StepUpRequired {
            acr: None,
            max_age: None,
            action: Some("keys:rotate".into()),
            resource: Some(resource.to_owned()),
        },
        Reason::GrantMissing,
    );
    let response = json(&rejection);
    let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["action"], "keys:rotate");
    assert_eq!(problem["resource"], resource);
    for value in response
        .headers()
        .values()
        .chain(grpc(&rejection).headers().values())
    {
        assert!(
            value
                .as_bytes()
                .iter()
                .all(|byte| (b' '..=b'~').contains(byte))
        );
    }
    let without: serde_json::Value = serde_json::from_slice(json(&step_up()).body()).unwrap();
    assert!(without.get("action").is_none() && without.get("resource").is_none());
}

#[test]
fn what_could_break_out_of_a_challenge_is_left_out() {
    let response = json(&scope("a\"\\\r\n, error=\"b\u{e9}"));
    assert_eq!(
        response.headers()["www-authenticate"],
        "Bearer realm=\"x\", error=\"insufficient_scope\", scope=\"a, error=b\""
    );
    let response = json(&scope(""));
    assert_eq!(
        response.headers()["www-authenticate"],
        "Bearer realm=\"x\", error=\"insufficient_scope\""
    );
}

/// B-73 in spirit: a malformed header is a mistake found when built.
#[test]
fn a_realm_or_type_that_breaks_out_is_refused() {
    for realm in ["", "a\"b", "a\\b", "a\nb", "\u{e9}", &"x".repeat(129)] {
        assert!(Answers::new(realm, "urn:x:", true).is_err(), "{realm:?}");
    }
    for types in ["", "a b", "a\"", "\u{e9}"] {
        let errors = Answers::new("x", types, true).unwrap_err();
        assert!(errors.to_string().contains("problem_types"), "{types:?}");
    }
    assert_eq!(
        Answers::new("\"", "\"", true).unwrap_err().iter().count(),
        2
    );
}

/// B-70
#[test]
fn only_a_harmless_request_id_is_repeated() {
    let body = |id: &[u8]| {
        let id = HeaderValue::from_bytes(id).unwrap();
        let response: Response<Bytes> =
            Answers::default().respond(&ProblemJson, &Rejection::missing_credential(), Some(&id));
        serde_json::from_slice::<serde_json::Value>(response.body()).unwrap()
    };
    assert_eq!(body(b"0af7-65:1")["request_id"], "0af7-65:1");
    for bad in [
        b"".as_slice(),
        b"a b",
        b"<script>",
        b"\"",
        b"\xff",
        &[b'a'; 129],
    ] {
        assert!(body(bad).get("request_id").is_none());
    }
}

#[test]
fn no_challenge_names_api_keys_where_they_are_not_admitted() {
    let answers = Answers::new("x", "urn:x:", false).unwrap();
    let response: Response<Bytes> =
        answers.respond(&ProblemJson, &Rejection::missing_credential(), None);
    assert_eq!(
        response
            .headers()
            .get_all("www-authenticate")
            .iter()
            .count(),
        1
    );
}

#[test]
fn a_wait_is_rounded_up_and_never_zero() {
    for (wait, seconds) in [(0, "1"), (1, "1"), (999, "1"), (1_000, "1"), (1_001, "2")] {
        let response = json(&limited(Duration::from_millis(wait)));
        assert_eq!(response.headers()["retry-after"], seconds, "{wait} ms");
    }
    assert!(
        json(&limited(Duration::MAX))
            .headers()
            .contains_key("retry-after")
    );
}
