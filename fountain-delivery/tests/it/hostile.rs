//! What strangers send, in random pieces: nothing panics, and nothing of it is believed.

use std::sync::Mutex;

use async_trait::async_trait;
use fountain_core::danger::InsecureSeededRandom;
use fountain_core::{Random as _, Secret, SecretBytes, Timestamp};
use fountain_delivery::sender::{LookupFailed, SenderDomain, TxtLookup};
use fountain_delivery::twilio::Callbacks;
use fountain_delivery::webhook::{WebhookSecret, WebhookSecrets, verify};

const PIECES: &[&str] = &[
    "v=spf1",
    "v=DKIM1",
    "v=DMARC1",
    " ",
    ";",
    "=",
    ":",
    "/",
    "%",
    "%2",
    "%ff",
    "&",
    "+",
    "-",
    "~",
    "?",
    "all",
    "include:",
    "a",
    "redirect=",
    "ip4:",
    "ip6:::",
    "1.2.3.4",
    "/0",
    "p=",
    "p=none",
    "sp=",
    "k=rsa",
    "k=ed25519",
    "t=y",
    "AAAA",
    "MEgCQQ==",
    "v1,",
    "1900000000",
    "MessageSid",
    "SM0123456789abcdef0123456789abcdef",
    "MessageStatus=sent",
    "bodySHA256=",
    "\0",
    "ä",
    "\u{202e}",
    "\r\n",
    "99999999999999999999",
];

struct Pieces(InsecureSeededRandom);

impl Pieces {
    fn byte(&self) -> usize {
        let mut byte = [0];
        self.0.fill(&mut byte).unwrap();
        usize::from(byte[0])
    }

    fn text(&self) -> String {
        let count = self.byte() % 12;
        (0..count)
            .map(|_| PIECES[self.byte() % PIECES.len()])
            .collect()
    }
}

#[derive(Debug)]
struct Zone(Mutex<Vec<String>>);

#[async_trait]
impl TxtLookup for Zone {
    async fn txt(&self, _: &str) -> Result<Vec<String>, LookupFailed> {
        let records = self.0.lock().unwrap();
        Ok(records.clone())
    }
}

#[tokio::test]
async fn random_pieces_neither_panic_nor_pass() {
    let pieces = Pieces(InsecureSeededRandom::new(94));
    let secret = WebhookSecret::new(&SecretBytes::new((0..32).collect())).unwrap();
    let secrets = WebhookSecrets::from(secret);
    let callbacks = Callbacks::new(&Secret::from("0123456789abcdef".repeat(2))).unwrap();
    let now = Timestamp::from_unix_seconds(1_900_000_000);
    let sender = SenderDomain::new("example.com")
        .unwrap()
        .selector("s1")
        .unwrap();
    for _ in 0..20_000 {
        let [a, b, c, d] = [0; 4].map(|_| pieces.text());
        assert!(verify(&secrets, &a, &b, &c, d.as_bytes(), now).is_err());
        assert!(verify(&secrets, "m", "1900000000", &c, d.as_bytes(), now).is_err());
        assert!(callbacks.read_form(&a, b.as_bytes(), &c).is_err());
        assert!(callbacks.check_json(&a, b.as_bytes(), &c).is_err());
        let zone = Zone(Mutex::new(vec![a, b, c, d]));
        assert!(!sender.check(&zone).await.is_empty());
    }
}
