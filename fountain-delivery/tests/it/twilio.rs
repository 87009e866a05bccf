use std::sync::Arc;
use std::time::Duration;

use fountain_core::Secret;
use fountain_core::otp::{Channel, DeliveryErrorKind, Notice};
use fountain_delivery::danger::insecure_loopback_twilio;
use fountain_delivery::twilio::{Twilio, TwilioBuilder};
use fountain_delivery::{EmailText, English, Wording};

use crate::conformance::{BOUND, CODE, carries_only, code, deliver, notice, shows_nothing};
use crate::http::{Carrier, Script, answer, broken};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const KEY: &str = "SK0123456789abcdef0123456789abcdef";
const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";
const SID: &str = "SM0123456789abcdef0123456789abcdef";

fn hidden() -> Secret {
    Secret::from(String::from("hidden secret"))
}

fn ready(builder: TwilioBuilder) -> TwilioBuilder {
    builder
        .api_key(KEY, hidden())
        .messaging_service(SERVICE)
        .wording(Arc::new(English::new("Example Shop").unwrap()))
        .within(BOUND)
}

fn twilio(carrier: &Carrier) -> Twilio {
    ready(insecure_loopback_twilio(&carrier.url, ACCOUNT))
        .build()
        .unwrap()
}

fn created() -> Script {
    answer(
        "201 Created",
        "",
        &format!(r#"{{"sid": "{SID}", "status": "queued"}}"#),
    )
}

fn error(status: &str, code: u32) -> Script {
    let message = "The 'To' number +436641234567 is not valid; 271828";
    answer(
        status,
        "",
        &format!(r#"{{"code": {code}, "message": "{message}", "status": 400}}"#),
    )
}

#[tokio::test]
async fn a_code_is_posted_once_as_twilio_wants_it() {
    let carrier = Carrier::start([created()]).await;
    let twilio = twilio(&carrier);
    carries_only(&twilio, &[Channel::Sms]).await;
    assert_eq!(carrier.count(), 0);
    let receipt = deliver(&twilio, &code(Channel::Sms)).await.unwrap();
    assert_eq!(receipt.reference.as_deref(), Some(SID));
    let request = carrier.last();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!(
        "POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1\r\n"
    )));
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/x-www-form-urlencoded"));
    // SK…:hidden secret
    assert!(
        carrier
            .last()
            .contains("Basic U0swMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpoaWRkZW4gc2VjcmV0")
    );
    assert_eq!(
        body,
        format!(
            "To=%2B436641234567&MessagingServiceSid={SERVICE}&Body=Example%20Shop%3A%20271828%20is%20your%20code%20to%20sign%20in\
             %2E%20It%20is%20good%20for%205%20minutes%2E%20Never%20tell%20anyone%20this%20code%2E&ValidityPeriod=300"
        ),
    );
    deliver(&twilio, &notice(Channel::Sms, Notice::FactorRemoved))
        .await
        .unwrap();
    assert!(!carrier.last().contains("ValidityPeriod"));
    assert_eq!(carrier.count(), 2);

    let other = insecure_loopback_twilio(&carrier.url, ACCOUNT)
        .auth_token(hidden())
        .from("+15005550006")
        .wording(Arc::new(English::new("Example Shop").unwrap()))
        .status_callback("https://shop.example/twilio?a=1")
        .build()
        .unwrap();
    deliver(&other, &code(Channel::Sms)).await.unwrap();
    let request = carrier.last();
    assert!(request.contains("&From=%2B15005550006&"), "{request}");
    assert!(
        request.ends_with("&StatusCallback=https%3A%2F%2Fshop%2Eexample%2Ftwilio%3Fa%3D1"),
        "{request}"
    );
    assert!(request.contains("Basic QUMwMTIz"), "{request}");
}

/// F-38, contract B: what may have been taken is not posted again.
#[tokio::test]
async fn an_api_that_breaks_may_have_taken_it_and_is_not_asked_again() {
    let mut tries = tokio::task::JoinSet::new();
    for script in broken() {
        tries.spawn(async move {
            let carrier = Carrier::start([script.clone(), created()]).await;
            let outcome = deliver(&twilio(&carrier), &code(Channel::Sms)).await;
            assert_eq!(outcome, Err(DeliveryErrorKind::Unknown), "{script:?}");
            assert_eq!(carrier.count(), 1, "{script:?}");
        });
    }
    tries.join_all().await;
}

#[tokio::test]
async fn what_twilio_answers_is_told_apart() {
    use DeliveryErrorKind::{Misconfigured, Refused, Unavailable};
    let elsewhere = Carrier::start([created()]).await;
    let to = format!("Location: {}/\r\n", elsewhere.url);
    for (script, expected) in [
        (error("400 Bad Request", 21211), Err(Refused)),
        (error("400 Bad Request", 21214), Err(Refused)),
        (error("400 Bad Request", 21408), Err(Refused)),
        (error("400 Bad Request", 21610), Err(Refused)),
        (error("400 Bad Request", 21614), Err(Refused)),
        (error("400 Bad Request", 21606), Err(Misconfigured)),
        (error("400 Bad Request", 0), Err(Misconfigured)),
        (error("401 Unauthorized", 20003), Err(Misconfigured)),
        (error("404 Not Found", 20404), Err(Misconfigured)),
        (error("429 Too Many Requests", 20429), Err(Unavailable)),
        (answer("302 Found", &to, ""), Err(Misconfigured)),
        (
            answer("308 Permanent Redirect", &to, ""),
            Err(Misconfigured),
        ),
        // taken, whatever follows: none of it is an id
        (answer("201 Created", "", "garbage"), Ok(None)),
        (
            answer("201 Created", "", r#"{"sid": "alice@example.com"}"#),
            Ok(None),
        ),
        (answer("201 Created", "", r#"{"sid": 7}"#), Ok(None)),
        (
            Script::Endless(r#"HTTP/1.1 201 Created\r\n\r\n{"sid":"#.replace("\\r\\n", "\r\n")),
            Ok(None),
        ),
    ] {
        let carrier = Carrier::start([script.clone(), created()]).await;
        let outcome = deliver(&twilio(&carrier), &code(Channel::Sms)).await;
        assert_eq!(
            outcome.map(|receipt| receipt.reference),
            expected,
            "{script:?}"
        );
        assert_eq!(carrier.count(), 1, "{script:?}");
    }
    assert_eq!(elsewhere.count(), 0, "no redirect is followed");
}

#[tokio::test]
async fn a_wait_that_twilio_names_is_kept_if_the_bound_allows_it() {
    let busy = |seconds: &str| {
        answer(
            "429 Too Many Requests",
            &format!("Retry-After: {seconds}\r\n"),
            r#"{"code": 20429}"#,
        )
    };
    let patient = |carrier: &Carrier| {
        let builder = ready(insecure_loopback_twilio(&carrier.url, ACCOUNT));
        builder.within(Duration::from_secs(5)).build().unwrap()
    };
    let carrier = Carrier::start([busy("1"), created()]).await;
    deliver(&patient(&carrier), &code(Channel::Sms))
        .await
        .unwrap();
    assert_eq!(carrier.count(), 2);
    for (wait, asked) in [
        ("3600", 1),
        ("5", 1),
        ("soon", 1),
        ("-1", 1),
        ("99999999999999999999", 1),
        ("1", 3),
    ] {
        let carrier = Carrier::start([busy(wait)]).await;
        let outcome = deliver(&patient(&carrier), &code(Channel::Sms)).await;
        assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
        assert_eq!(carrier.count(), asked, "{wait}");
    }
    // the second answer may be to a message that was taken
    let carrier = Carrier::start([busy("1"), Script::Close]).await;
    let outcome = deliver(&patient(&carrier), &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unknown));
    assert_eq!(carrier.count(), 2);
}

#[tokio::test]
async fn an_api_that_is_not_there_was_surely_not_given_the_code() {
    let carrier = Carrier {
        url: "http://127.0.0.1:9".into(),
        requests: Arc::default(),
    };
    let outcome = deliver(&twilio(&carrier), &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
    let (carrier, root) = Carrier::start_tls(created()).await;
    let (_, other) = Carrier::start_tls(created()).await;
    let builder = || ready(Twilio::builder(ACCOUNT).base_url(&carrier.url));
    let trusting = builder().trust_only_pem(root).build().unwrap();
    deliver(&trusting, &code(Channel::Sms)).await.unwrap();
    let wary = builder().trust_only_pem(other).build().unwrap();
    let outcome = deliver(&wary, &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
    assert_eq!(carrier.count(), 1);
}

#[derive(Debug)]
struct Twice;

impl Wording for Twice {
    fn sms(&self, _: &fountain_core::otp::DeliveryContent) -> String {
        format!("{CODE} {CODE}")
    }
    fn email(&self, _: &fountain_core::otp::DeliveryContent) -> EmailText {
        unreachable!("it carries text messages")
    }
}

/// Contract E
#[tokio::test]
async fn words_that_break_the_contract_are_not_sent() {
    let carrier = Carrier::start([created()]).await;
    let builder = ready(insecure_loopback_twilio(&carrier.url, ACCOUNT));
    let twilio = builder.wording(Arc::new(Twice)).build().unwrap();
    let outcome = deliver(&twilio, &code(Channel::Sms)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Misconfigured));
    assert_eq!(carrier.count(), 0);
}

#[test]
fn wirings_that_cannot_work_or_would_show_a_code_are_refused() {
    let refused = |builder: TwilioBuilder, what: &str| {
        let errors = builder.build().unwrap_err().to_string();
        assert!(errors.contains(what), "{errors}");
        shows_nothing(&errors);
    };
    let good = || ready(Twilio::builder(ACCOUNT));
    assert!(good().build().is_ok());
    for what in [
        "api_key is missing",
        "from is missing",
        "wording is missing",
    ] {
        refused(Twilio::builder(ACCOUNT), what);
    }
    refused(ready(Twilio::builder("AC0/../x")), "account");
    refused(good().api_key("alice", hidden()), "api_key");
    refused(good().api_key(KEY, Secret::from(String::new())), "api_key");
    refused(good().from("+15005550006"), "one sender");
    refused(good().within(Duration::ZERO), "within");
    refused(
        good().status_callback("http://shop.example"),
        "status_callback",
    );
    refused(good().trust_only_pem("none"), "trust_only_pem");
    for base in [
        "http://api.twilio.com",
        "http://127.0.0.1",
        "https://a@api.twilio.com",
        "https://api.twilio.com/x",
    ] {
        refused(good().base_url(base), "base_url");
    }
    refused(
        ready(insecure_loopback_twilio("http://api.twilio.com", ACCOUNT)),
        "base_url",
    );
    for sender in ["", "12", "much too long a name", "A\nB", "+1"] {
        let builder = Twilio::builder(ACCOUNT).api_key(KEY, hidden()).from(sender);
        refused(builder, "from is not");
    }
    shows_nothing(&format!("{:?} {:?}", good(), good().build().unwrap()));
}
