//! The contract of `OtpDelivery`, as every adapter is held to it.

use std::error::Error;
use std::time::Duration;

use fountain_core::otp::{
    ChallengePurpose, Channel, DeliveredCode, DeliveryAddress, DeliveryContent, DeliveryErrorKind,
    DeliveryMessage, DeliveryReceipt, Digits, Notice, OtpDelivery,
};
use fountain_core::{Tenant, Timestamp};

pub(crate) const CODE: &str = "271828";
pub(crate) const PHONE: &str = "+436641234567";
pub(crate) const MAILBOX: &str = "alice@example.com";

/// The bound that tests give their adapters: the least that is allowed.
#[cfg(any(feature = "smtp", feature = "twilio", feature = "webhook"))]
pub(crate) const BOUND: Duration = Duration::from_secs(1);

pub(crate) fn code(channel: Channel) -> DeliveryMessage {
    DeliveryMessage {
        id: "3vQB7B6MrGQZaxCuFg4oh2.1".into(),
        tenant: Tenant::default(),
        to: address(channel),
        content: DeliveryContent::Code {
            code: DeliveredCode::parse(CODE, Digits::Six).unwrap(),
            purpose: ChallengePurpose::new("login").unwrap(),
            life: Duration::from_secs(300),
            expires_at: Timestamp::from_unix_seconds(1_900_000_300),
        },
    }
}

pub(crate) fn notice(channel: Channel, notice: Notice) -> DeliveryMessage {
    DeliveryMessage {
        content: DeliveryContent::Notice(notice),
        ..code(channel)
    }
}

fn address(channel: Channel) -> DeliveryAddress {
    let text = if channel == Channel::Sms {
        PHONE
    } else {
        MAILBOX
    };
    DeliveryAddress::new(channel, text).unwrap()
}

/// Contract A: what `carries` says holds, always; and a message whose id could forge a header goes nowhere.
pub(crate) async fn carries_only(adapter: &dyn OtpDelivery, carried: &[Channel]) {
    for channel in Channel::ALL {
        let carries = carried.contains(channel);
        assert_eq!(adapter.carries(*channel), carries);
        assert_eq!(adapter.carries(*channel), carries);
        if !carries {
            let outcome = deliver(adapter, &code(*channel)).await;
            assert_eq!(outcome, Err(DeliveryErrorKind::Channel));
            continue;
        }
        for id in [
            "",
            "a b",
            "a\r\nBcc: eve@example.com",
            "a>",
            &"a".repeat(65),
            "ä",
        ] {
            let message = DeliveryMessage {
                id: id.into(),
                ..code(*channel)
            };
            let outcome = deliver(adapter, &message).await;
            assert_eq!(outcome, Err(DeliveryErrorKind::Misconfigured), "{id:?}");
        }
    }
}

/// Delivers, and holds the call to C (it ends within a minute's sixth, by its own bound) and D (nothing shows).
pub(crate) async fn deliver(
    adapter: &dyn OtpDelivery,
    message: &DeliveryMessage,
) -> Result<DeliveryReceipt, DeliveryErrorKind> {
    shows_nothing(&format!("{adapter:?}"));
    let outcome = tokio::time::timeout(Duration::from_secs(10), adapter.deliver(message))
        .await
        .expect("contract C: a call ends by itself");
    shows_nothing(&format!("{outcome:?} {message:?}"));
    let error = match outcome {
        Ok(receipt) => return Ok(receipt),
        Err(error) => error,
    };
    let mut next: Option<&dyn Error> = Some(&error);
    while let Some(error) = next {
        shows_nothing(&format!("{error} {error:?}"));
        next = error.source();
    }
    Err(error.kind())
}

/// R-94, contract D. The secrets of the tests all hold the word "hidden".
pub(crate) fn shows_nothing(text: &str) {
    for secret in [CODE, &PHONE[1..], MAILBOX, "alice", "hidden"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// Contract E.
pub(crate) fn says_the_code_once(text: &str) {
    assert_eq!(text.matches(CODE).count(), 1, "{text}");
    assert!(!text.contains("://"), "{text}");
}

/// the check itself can fail.
#[test]
fn a_text_that_shows_a_code_is_noticed() {
    for text in [
        CODE,
        "to Alice <alice@example.com>",
        "SmtpError(550, 436641234567)",
    ] {
        assert!(std::panic::catch_unwind(|| shows_nothing(text)).is_err());
    }
    shows_nothing("the carrier cannot be reached");
}
