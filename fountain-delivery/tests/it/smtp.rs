use std::io::Write as _;
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fountain_core::otp::{Channel, DeliveryContent, DeliveryErrorKind, Notice};
use fountain_core::{ManualClock, Secret, Timestamp};
use fountain_delivery::danger::insecure_loopback_smtp;
use fountain_delivery::smtp::{DkimKey, Smtp, SmtpBuilder};
use fountain_delivery::{EmailText, English, Wording};

use crate::conformance::{
    BOUND, CODE, carries_only, code, deliver, notice, says_the_code_once, shows_nothing,
};
use crate::mail::{MailServer, Step, Talk};

fn plain(builder: SmtpBuilder) -> SmtpBuilder {
    builder
        .from("no-reply@mail.example.com", "Müller's \"Shop\"")
        .wording(Arc::new(English::new("Example Shop").unwrap()))
        .clock(ManualClock::at(Timestamp::from_unix_seconds(1_750_000_000)))
        .within(BOUND)
}

fn talking(talk: &Talk) -> Smtp {
    plain(insecure_loopback_smtp("127.0.0.1", talk.port))
        .build()
        .unwrap()
}

fn pem(der: &[u8]) -> Secret {
    let base64 = STANDARD.encode(der);
    Secret::from(format!(
        "-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"
    ))
}

fn keys() -> [DkimKey; 2] {
    let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let random = aws_lc_rs::rand::SystemRandom::new();
    let ed25519 = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    [
        DkimKey::from_pem("mail.example.com", "rsa", &pem(rsa.as_ref())).unwrap(),
        DkimKey::from_pem("example.com", "ed", &pem(ed25519.as_ref())).unwrap(),
    ]
}

/// A real server, with both ways to TLS; and dkimpy finds both signatures good, and none of what was changed.
#[tokio::test]
async fn a_real_server_takes_a_signed_mail_over_verified_tls() {
    let keys = keys();
    let dns = keys
        .iter()
        .map(|key| (key.record_name(), key.record()))
        .collect::<Vec<_>>();
    for mode in ["implicit", "starttls"] {
        let mut server = MailServer::start(mode, &dns, None).await;
        let port = server.port;
        let builder = || {
            let host = "127.0.0.1";
            let to = if mode == "implicit" {
                Smtp::implicit_tls(host)
            } else {
                Smtp::starttls(host)
            };
            plain(to)
                .port(port)
                .within(std::time::Duration::from_secs(8))
        };
        let login = |builder: SmtpBuilder, password: &str| {
            builder.credentials("shop", Secret::from(password.to_owned()))
        };
        let good = login(builder(), "hidden password").trust_only_pem(server.root.clone());
        let [rsa, ed25519] = keys.clone();
        let smtp = good.sign(rsa).sign(ed25519).build().unwrap();
        carries_only(&smtp, &[Channel::Email]).await;
        let receipt = deliver(&smtp, &code(Channel::Email)).await.unwrap();
        assert_eq!(receipt.reference.as_deref(), Some("4ZbX7f0"));

        let first = server.message().await;
        assert_eq!(first["from"], "no-reply@mail.example.com");
        assert_eq!(first["to"], serde_json::json!(["alice@example.com"]));
        assert_eq!(first["tls"], true);
        assert_eq!(first["user"], "shop");
        assert_eq!(first["dkim"], serde_json::json!([true, true]));
        assert_eq!(
            first["tampered"],
            serde_json::json!([false, false, false, false, false, false])
        );
        let data = STANDARD.decode(first["data"].as_str().unwrap()).unwrap();
        let data = String::from_utf8(data).unwrap();
        says_the_code_once(data.split_once("\r\n\r\n").unwrap().1);
        for line in [
            "From: =?utf-8?B?TcO8bGxlcidzICJTaG9wIg==?= <no-reply@mail.example.com>\r\n",
            "To: <alice@example.com>\r\n",
            "Subject: Your code for Example Shop\r\n",
            "Date: Sun, 15 Jun 2025 15:06:40 ",
            "Message-ID: <3vQB7B6MrGQZaxCuFg4oh2.1@mail.example.com>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ] {
            assert_eq!(data.matches(line).count(), 1, "{line} in {data}");
        }

        // the same connection again
        deliver(&smtp, &notice(Channel::Email, Notice::FactorRemoved))
            .await
            .unwrap();
        let second = server.message().await;
        assert_eq!(first["peer"], second["peer"]);
        assert_eq!(second["dkim"], serde_json::json!([true, true]));

        let wrong = login(builder(), "hidden guess")
            .trust_only_pem(server.root.clone())
            .build()
            .unwrap();
        let outcome = deliver(&wrong, &code(Channel::Email)).await;
        assert_eq!(outcome, Err(DeliveryErrorKind::Misconfigured));
        let none = builder()
            .trust_only_pem(server.root.clone())
            .build()
            .unwrap();
        let outcome = deliver(&none, &code(Channel::Email)).await;
        assert_eq!(outcome, Err(DeliveryErrorKind::Misconfigured));
        // another authority's certificate; the platform's do not know the server either
        let (other, _) = crate::mail::certificate();
        for wary in [builder().trust_only_pem(other), builder()] {
            let wary = login(wary, "hidden password").build().unwrap();
            let outcome = deliver(&wary, &code(Channel::Email)).await;
            assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
        }
        server.no_message().await;
    }
}

#[tokio::test]
async fn a_real_server_that_refuses_the_recipient_is_not_shown() {
    for (status, expected) in [
        (550, DeliveryErrorKind::Refused),
        (450, DeliveryErrorKind::Unavailable),
    ] {
        let server = MailServer::start("plain", &[], Some(status)).await;
        let smtp = plain(insecure_loopback_smtp("127.0.0.1", server.port))
            .build()
            .unwrap();
        let outcome = deliver(&smtp, &code(Channel::Email)).await;
        assert_eq!(outcome, Err(expected));
    }
}

/// F-38, contracts B and C: what is known of the message at each step, and that nothing is sent twice.
#[tokio::test]
async fn every_step_may_be_refused_or_break_and_says_whether_the_mail_may_be_out() {
    use DeliveryErrorKind::{Misconfigured, Refused, Unavailable, Unknown};
    let steps = [
        (Step::Greeting, Unavailable, Unavailable),
        (Step::Ehlo, Unavailable, Unavailable),
        (Step::Mail, Misconfigured, Unavailable),
        (Step::Rcpt, Refused, Unavailable),
        (Step::Data, Misconfigured, Unavailable),
        (Step::End, Refused, Unknown),
    ];
    let mut tries = tokio::task::JoinSet::new();
    for (step, permanent, broken) in steps {
        for (answer, expected) in [
            ("450 4.2.0 alice@example.com hidden\r\n", Unavailable),
            ("550 5.1.1 alice@example.com hidden\r\n", permanent),
            // closes
            ("", broken),
            // and stalls
            ("...", broken),
            ("250-half", broken),
            ("\0\u{1}garbage alice@example.com\r\n", broken),
        ] {
            // Two of them take the whole bound: all at once.
            tries.spawn(async move {
                let talk = Talk::start(step, answer).await;
                let outcome = deliver(&talking(&talk), &code(Channel::Email)).await;
                assert_eq!(outcome, Err(expected), "{step:?} {answer:?}");
                let heard = usize::from(step == Step::End);
                assert_eq!(talk.messages(), heard, "{step:?} {answer:?}");
            });
        }
    }
    assert_eq!(tries.join_all().await.len(), 36);
    for (status, expected) in [
        ("552", Refused),
        ("554", Misconfigured),
        ("451", Unavailable),
    ] {
        let talk = Talk::start(Step::End, &format!("{status} alice@example.com\r\n")).await;
        let outcome = deliver(&talking(&talk), &code(Channel::Email)).await;
        assert_eq!(outcome, Err(expected));
    }
    let talk = Talk::start(Step::Rcpt, "530 5.7.0 log in\r\n").await;
    let outcome = deliver(&talking(&talk), &code(Channel::Email)).await;
    assert_eq!(outcome, Err(Misconfigured));
}

#[tokio::test]
async fn a_server_without_starttls_or_login_gets_neither_password_nor_code() {
    let talk = Talk::start(Step::Never, "").await;
    let smtp = plain(Smtp::starttls("127.0.0.1"))
        .port(talk.port)
        .build()
        .unwrap();
    let outcome = deliver(&smtp, &code(Channel::Email)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Misconfigured));
    assert!(!talk.heard().contains("MAIL"), "{}", talk.heard());

    let nobody = plain(insecure_loopback_smtp("127.0.0.1", 9))
        .build()
        .unwrap();
    let outcome = deliver(&nobody, &code(Channel::Email)).await;
    assert_eq!(outcome, Err(DeliveryErrorKind::Unavailable));
}

#[tokio::test]
async fn a_connection_that_died_while_it_waited_is_replaced_and_the_mail_goes_out_once() {
    let talk = Talk::start(Step::SecondMail, "").await;
    let smtp = talking(&talk);
    for sent in 1..=3 {
        let outcome = deliver(&smtp, &code(Channel::Email)).await;
        outcome.unwrap();
        assert_eq!(talk.messages(), sent);
    }
    assert_eq!(talk.connections(), 3, "each of them broke at its NOOP");
}

/// lettre's own log lines, which these tests switch on, do not show the code.
#[tokio::test]
async fn nothing_is_traced() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("heard");
    let talk = Talk::start(Step::Never, "").await;
    deliver(&talking(&talk), &code(Channel::Email))
        .await
        .unwrap();
    assert!(talk.heard().contains(CODE));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("heard"));
    shows_nothing(&text);

    // the check can fail: without the silence lettre shows it
    log.0.lock().unwrap().flush().unwrap();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", talk.port))
        .await
        .unwrap();
    let hello = lettre::transport::smtp::extension::ClientId::default();
    let mut connection =
        lettre::transport::smtp::client::AsyncSmtpConnection::connect_with_transport(
            Box::new(stream),
            &hello,
        )
        .await
        .unwrap();
    let _ = connection.command(format!("NOOP {CODE}\r\n")).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains(CODE),
        "lettre's feature `tracing` is on in these tests"
    );
}

#[derive(Debug)]
struct Says(fn(&str) -> EmailText);

impl Wording for Says {
    fn sms(&self, content: &DeliveryContent) -> String {
        self.email(content).body
    }
    fn email(&self, content: &DeliveryContent) -> EmailText {
        let DeliveryContent::Code { code, .. } = content else {
            panic!()
        };
        (self.0)(code.expose())
    }
}

fn text(subject: &str, body: String) -> EmailText {
    EmailText {
        subject: subject.into(),
        body,
    }
}

/// Contract E, and header injection, for a host's own words.
#[tokio::test]
async fn words_that_break_the_contract_are_not_sent() {
    let talk = Talk::start(Step::Never, "").await;
    let wordings: [fn(&str) -> EmailText; 9] = [
        |code| text("Code", format!("{code} and again {code}")),
        |_| text("Code", "none".into()),
        |code| text("Code", format!("{code} https://evil.example")),
        |code| text("Code", format!("{code} WWW.evil.example")),
        |code| {
            text(
                "Code",
                format!("{code}\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"),
            )
        },
        |code| text("Code\r\nBcc: eve@example.com", code.to_owned()),
        |code| text("", code.to_owned()),
        |code| text(code, code.to_owned()),
        |code| text("Code", format!("{code}{}", "x".repeat(4000))),
    ];
    for says in wordings {
        let smtp = plain(insecure_loopback_smtp("127.0.0.1", talk.port))
            .wording(Arc::new(Says(says)))
            .build()
            .unwrap();
        let outcome = deliver(&smtp, &code(Channel::Email)).await;
        assert_eq!(outcome, Err(DeliveryErrorKind::Misconfigured));
    }
    assert_eq!(talk.connections(), 0);

    // dots, long lines and other scripts arrive as they were
    let smtp = plain(insecure_loopback_smtp("127.0.0.1", talk.port))
        .wording(Arc::new(Says(|code| {
            text(
                "Grüße",
                format!("Ihr Code: {code}\n.\n{}", "ü".repeat(1000)),
            )
        })))
        .build()
        .unwrap();
    deliver(&smtp, &code(Channel::Email)).await.unwrap();
    let heard = talk.heard();
    assert!(heard.is_ascii());
    assert!(heard.contains("Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"));
    assert!(heard.contains("Content-Transfer-Encoding: base64\r\n"));
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    let (body, _) = body.split_once("\r\n.\r\n").unwrap();
    let body = STANDARD.decode(body.replace("\r\n", "")).unwrap();
    assert!(
        String::from_utf8(body)
            .unwrap()
            .starts_with("Ihr Code: 271828\r\n.\r\nü")
    );
}

#[test]
fn wirings_that_would_show_a_code_or_be_rejected_are_refused() {
    let refused = |builder: SmtpBuilder, what: &str| {
        let errors = builder.build().unwrap_err().to_string();
        assert!(errors.contains(what), "{errors}");
    };
    let good = || plain(Smtp::implicit_tls("smtp.example.com"));
    assert!(good().build().is_ok());
    refused(Smtp::implicit_tls("smtp.example.com"), "from is missing");
    refused(Smtp::implicit_tls("smtp.example.com"), "wording is missing");
    refused(good().from("no mailbox", "Shop"), "from is not");
    refused(good().from("a@b.example", "Shop\r\nBcc: x"), "from is not");
    refused(good().hello("a b"), "hello");
    refused(good().within(std::time::Duration::ZERO), "within");
    refused(good().trust_only_pem(""), "trust_only_pem");
    refused(plain(Smtp::starttls("smtp example")), "host");
    for host in ["localhost", "10.0.0.1", "smtp.example.com"] {
        refused(
            plain(insecure_loopback_smtp(host, 25)),
            "insecure_loopback_smtp",
        );
    }
    let secret = || Secret::from(String::from("hidden"));
    refused(
        plain(insecure_loopback_smtp("127.0.0.1", 25)).credentials("a", secret()),
        "credentials",
    );
    let [rsa, ed25519] = keys();
    refused(
        good()
            .from("a@evil-example.com", "Shop")
            .sign(ed25519.clone()),
        "sign",
    );
    refused(
        good().sign(rsa.clone()).sign(rsa).sign(ed25519.clone()),
        "sign",
    );
    shows_nothing(&format!(
        "{:?} {:?}",
        good().credentials("alice", secret()),
        ed25519
    ));
}
