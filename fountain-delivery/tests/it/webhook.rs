use fountain_core::otp::{Channel, DeliveryErrorKind, Notice};
use fountain_core::{ManualClock, SecretBytes, Timestamp};
use fountain_delivery::danger::insecure_loopback_webhook;
use fountain_delivery::webhook::{Webhook, WebhookSecret, WebhookSecrets, verify};

use crate::conformance::{BOUND, CODE, carries_only, code, deliver, notice};
use crate::http::{Carrier, Script, answer, broken};

fn secret(of: &str) -> WebhookSecret {
    WebhookSecret::new(&SecretBytes::new(
        format!("{of} hidden secret of the webhook").into(),
    ))
    .unwrap()
}

fn webhook(carrier: &Carrier) -> Webhook {
    insecure_loopback_webhook(format!("{}/otp", carrier.url), secret("new"))
        .also_sign_with(secret("old"))
        .within(BOUND)
        .clock(ManualClock::at(Timestamp::from_unix_seconds(1_900_000_000)))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_code_arrives_once_as_json_that_the_receiver_can_check() {
    let carrier = Carrier::start([answer("202 Accepted", "", "")]).await;
    let webhook = webhook(&carrier);
    carries_only(&webhook, Channel::ALL).await;
    assert_eq!(carrier.count(), 0);
    deliver(&webhook, &code(Channel::Sms)).await.unwrap();
    assert_eq!(carrier.count(), 1);

    let request = carrier.last();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /otp HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        head.lines()
            .find_map(|line| {
                line.split_once(": ")
                    .filter(|(of, _)| of.eq_ignore_ascii_case(name))
            })
            .map_or_else(|| panic!("no {name}"), |(_, value)| value)
    };
    let body_json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body_json,
        serde_json::json!({
            "type": "otp.code",
            "timestamp": "2030-03-17T17:46:40Z",
            "data": {
                "id": "3vQB7B6MrGQZaxCuFg4oh2.1", "tenant": "default", "channel": "sms", "to": "+436641234567",
                "code": CODE, "purpose": "login", "life_seconds": 300, "expires_at": "2030-03-17T17:51:40Z",
            },
        }),
    );
    assert_eq!(request.matches(CODE).count(), 1);
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("webhook-id"), "3vQB7B6MrGQZaxCuFg4oh2.1");
    let now = Timestamp::from_unix_seconds(1_900_000_000);
    for known in ["old", "new"] {
        let checked = verify(
            &WebhookSecrets::from(secret(known)),
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
            body.as_bytes(),
            now,
        );
        assert_eq!(checked, Ok(()));
    }

    let used = notice(Channel::Email, Notice::RecoveryCodeUsed { left: 3 });
    deliver(&webhook, &used).await.unwrap();
    assert!(
        carrier
            .last()
            .contains(r#""left":3,"notice":"recovery_code_used""#)
    );
}

/// F-38, contract B: nothing is sent again by itself.
#[tokio::test]
async fn a_receiver_that_breaks_may_have_taken_it_and_is_not_asked_again() {
    for script in broken() {
        let carrier = Carrier::start([script.clone()]).await;
        let outcome = deliver(&webhook(&carrier), &code(Channel::Email)).await;
        assert_eq!(outcome, Err(DeliveryErrorKind::Unknown), "{script:?}");
        assert_eq!(carrier.count(), 1, "{script:?}");
    }
}

#[tokio::test]
async fn what_a_receiver_answers_is_told_apart() {
    let elsewhere = Carrier::start([answer("200 OK", "", "")]).await;
    let to = format!("Location: {}/otp\r\n", elsewhere.url);
    for (script, expected) in [
        (answer("200 OK", "", "fine"), Ok(())),
        (answer("204 No Content", "", ""), Ok(())),
        // taken, whatever follows
        (Script::Endless("HTTP/1.1 200 OK\r\n\r\nx".into()), Ok(())),
        (
            answer("307 Temporary Redirect", &to, ""),
            Err(DeliveryErrorKind::Misconfigured),
        ),
        (
            answer("302 Found", &to, ""),
            Err(DeliveryErrorKind::Misconfigured),
        ),
        (
            answer("401 Unauthorized", "", ""),
            Err(DeliveryErrorKind::Misconfigured),
        ),
        (
            answer("410 Gone", "", ""),
            Err(DeliveryErrorKind::Misconfigured),
        ),
        (
            answer("422 Unprocessable", "", "alice@example.com"),
            Err(DeliveryErrorKind::Refused),
        ),
        (
            answer("429 Too Many Requests", "Retry-After: 0\r\n", ""),
            Err(DeliveryErrorKind::Unavailable),
        ),
    ] {
        let carrier = Carrier::start([script.clone()]).await;
        let outcome = deliver(&webhook(&carrier), &code(Channel::Email)).await;
        assert_eq!(outcome.map(|_| ()), expected, "{script:?}");
        assert_eq!(carrier.count(), 1, "{script:?}");
    }
    assert_eq!(elsewhere.count(), 0, "no redirect is followed");
}

#[tokio::test]
async fn who_is_not_there_was_surely_not_given_the_code() {
    let carrier = Carrier {
        url: "http://127.0.0.1:9".into(),
        requests: std::sync::Arc::default(),
    };
    let outcome = deliver(&webhook(&carrier), &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
}

#[tokio::test]
async fn only_the_trusted_certificate_is_talked_to() {
    let (carrier, root) = Carrier::start_tls(answer("200 OK", "", "")).await;
    let (_, other) = Carrier::start_tls(answer("200 OK", "", "")).await;
    let builder = || {
        Webhook::builder(&carrier.url, secret("new"))
            .only(Channel::Sms)
            .within(BOUND)
    };
    let trusting = builder().trust_only_pem(root).build().unwrap();
    carries_only(&trusting, &[Channel::Sms]).await;
    deliver(&trusting, &code(Channel::Sms)).await.unwrap();
    let wary = builder().trust_only_pem(other).build().unwrap();
    let outcome = deliver(&wary, &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
    assert_eq!(carrier.count(), 1);
}

#[test]
fn addresses_without_encryption_or_with_a_user_are_refused() {
    for url in [
        "http://example.com",
        "http://127.0.0.1:80",
        "https://user:hidden@example.com",
        "https://example.com/#x",
        "ftp://example.com",
        "example.com",
        "",
    ] {
        assert!(
            Webhook::builder(url, secret("some")).build().is_err(),
            "{url}"
        );
    }
    for url in [
        "http://localhost",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "https://127.0.0.1",
        "http://0.0.0.0",
    ] {
        assert!(
            insecure_loopback_webhook(url, secret("some"))
                .build()
                .is_err(),
            "{url}"
        );
    }
    assert!(
        insecure_loopback_webhook("http://[::1]:8080/x", secret("some"))
            .build()
            .is_ok()
    );
    for seconds in [0, 61] {
        let built = Webhook::builder("https://example.com", secret("some"))
            .within(std::time::Duration::from_secs(seconds))
            .build();
        assert!(built.is_err());
    }
    let built = Webhook::builder("https://example.com", secret("some"))
        .trust_only_pem("")
        .build();
    assert!(built.is_err());
    assert!(WebhookSecret::new(&SecretBytes::new(vec![7; 31])).is_err());
    assert!(WebhookSecret::new(&SecretBytes::new(vec![7; 32])).is_err());
}
