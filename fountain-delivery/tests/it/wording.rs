use std::time::Duration;

use fountain_core::otp::{Channel, DeliveryContent, Notice};
use fountain_delivery::{English, Wording as _};

use crate::conformance::{CODE, code, says_the_code_once, shows_nothing};

fn content(life: u64) -> DeliveryContent {
    let mut content = code(Channel::Sms).content;
    if let DeliveryContent::Code { life: of, .. } = &mut content {
        *of = Duration::from_secs(life);
    }
    content
}

/// Contract E.
#[test]
fn english_says_the_code_once_what_for_and_how_long() {
    let words = English::new("Example Shop").unwrap();
    let bound = words.clone().bound_to("Shop.Example").unwrap();
    for words in [&words, &bound] {
        let sms = words.sms(&content(300));
        says_the_code_once(&sms);
        assert!(
            sms.is_ascii() && sms.len() <= 160,
            "one message of GSM's alphabet: {sms}"
        );
        assert!(
            sms.contains("to sign in") && sms.contains("5 minutes"),
            "{sms}"
        );
        let mail = words.email(&content(300));
        says_the_code_once(&mail.body);
        assert!(!mail.subject.contains(CODE));
        assert!(mail.body.contains("to sign in") && mail.body.contains("5 minutes"));
        shows_nothing(&format!("{mail:?}"));
    }
    let sms = bound.sms(&content(300));
    assert_eq!(sms.lines().last(), Some("@shop.example #271828"));
}

#[test]
fn a_life_is_never_said_to_be_longer_than_it_is() {
    let words = English::new("Example Shop").unwrap();
    for (life, said) in [
        (30, "30 seconds"),
        (59, "59 seconds"),
        (60, "1 minute."),
        (119, "1 minute."),
        (120, "2 minutes"),
        (599, "9 minutes"),
        (600, "10 minutes"),
    ] {
        assert!(words.sms(&content(life)).contains(said), "{life}");
    }
}

#[test]
fn a_notice_says_what_happened() {
    let words = English::new("Example Shop").unwrap();
    let said = |notice| words.sms(&DeliveryContent::Notice(notice));
    assert!(said(Notice::RecoveryCodeUsed { left: 7 }).contains("7 are left"));
    for notice in [
        Notice::RecoveryCodesReplaced,
        Notice::FactorConfirmed,
        Notice::FactorRemoved,
        Notice::FactorDisabled,
    ] {
        let mail = words.email(&DeliveryContent::Notice(notice));
        assert!(mail.body.contains("not you"));
        assert!(!said(notice).contains("something"));
    }
}

#[test]
fn what_would_break_a_message_is_refused() {
    for name in [
        "",
        " a",
        "a\nb",
        "a\r\nBcc: b",
        "https://evil.example",
        "WWW.evil.example",
        &"a".repeat(41),
    ] {
        assert!(English::new(name).is_err(), "{name:?}");
    }
    let words = English::new("Müller & Söhne").unwrap();
    for domain in [
        "",
        "localhost",
        "a b.example",
        "shop.example #000000",
        "shop..example",
        "ä.example",
    ] {
        assert!(words.clone().bound_to(domain).is_err(), "{domain:?}");
    }
    assert!(words.clone().purpose("Login", "to x").is_err());
    assert!(words.clone().purpose("login", "at http://x").is_err());
    assert!(
        words
            .purpose("login", "to enter")
            .unwrap()
            .sms(&content(60))
            .contains("to enter")
    );
}
