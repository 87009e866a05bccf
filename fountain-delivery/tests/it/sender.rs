use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use fountain_delivery::sender::{
    Dns, Finding, FindingKind, LookupFailed, SenderDomain, Severity, TxtLookup,
};

use FindingKind::*;

const RSA_2048: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw0ZJzfu6mU7KeNDBYvaQ3gT6vKMFNnCZjo9XQ1q9pfTkSdVhPdo7Unos/h8wzdz4gntKg9VitWINA3r3foS4HIormwQxyRpHkxCdoCV3Pl8WWxfb+eR6HP2a+B5aTfnNEqyuHUs06CGIT4vlyTK6eGN+w31OAk//kcrOy9OHKxphpILVbun2ddQAk3lUveX+MmNJh+ukOCUxxiSCGmVN7ZRvpcTctpydojQvUYmhMhOLwo8QuDH5kH4Hwrnrv2DolENH9gbAkdVdhnL3jIHfYMlpR2vO66yNjHTS2wqtpfq62+Arf4FWSkCJbaDyH1SPwJ99t1wz49RSg2v6Ngo/6wIDAQAB";
const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCTnS62IkS4bmV+XXkFKZole0PKUPIFbRev09VFP18J4FuYfHYZDQBtmnl9geGq4xU+QWw2liRt7o0yEuT2WEcZo32GnFqcUlqZAOsWeuHqVCfbwcUynhFrmveCNrdunbou6m/eqmItNHTICf/bk75TRamDbqVwWmpFECwxgG5xtwIDAQAB";
const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const DMARC: &str = "v=DMARC1; p=reject; rua=mailto:d@example.com";

/// Answers from a table; the value `!` is no answer.
#[derive(Debug, Default)]
struct Zone(BTreeMap<String, Vec<String>>, AtomicUsize);

impl Zone {
    fn with(mut self, name: &str, record: impl Into<String>) -> Self {
        self.0.entry(name.into()).or_default().push(record.into());
        self
    }

    /// In order, but for what is given.
    fn but(name: &str, records: &[&str]) -> Self {
        let mut zone = Self::default()
            .with("example.com", "some other record")
            .with(
                "example.com",
                "v=spf1 ip4:192.0.2.0/24 include:mail.example.net -all",
            )
            .with("mail.example.net", "v=spf1 ip6:2001:db8::/32 ~all")
            .with(
                "s1._domainkey.example.com",
                format!("v=DKIM1; k=rsa; p={RSA_2048}"),
            )
            .with("_dmarc.example.com", DMARC);
        zone.0.insert(
            name.into(),
            records.iter().map(|&record| record.into()).collect(),
        );
        zone
    }
}

#[async_trait]
impl TxtLookup for Zone {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupFailed> {
        assert!(
            self.1.fetch_add(1, Ordering::SeqCst) < 40,
            "look-ups are bounded"
        );
        let records = self.0.get(name).cloned().unwrap_or_default();
        if records.iter().any(|record| record == "!") {
            return Err(LookupFailed);
        }
        Ok(records)
    }
}

async fn check(zone: &Zone) -> Vec<Finding> {
    let sender = SenderDomain::new("Example.com")
        .unwrap()
        .selector("s1")
        .unwrap();
    sender.check(zone).await
}

async fn found(name: &str, records: &[&str]) -> Vec<FindingKind> {
    check(&Zone::but(name, records))
        .await
        .iter()
        .map(|finding| finding.what)
        .collect()
}

#[tokio::test]
async fn a_domain_that_is_in_order_has_no_finding() {
    assert_eq!(check(&Zone::but("unrelated", &[])).await, []);
}

#[tokio::test]
async fn what_spf_lacks_is_named() {
    let many = format!("v=spf1 {} -all", "a ".repeat(11));
    let networks = format!("v=spf1 {} -all", "ip4:192.0.2.1 ".repeat(200));
    let cases: &[(&[&str], &[FindingKind])] = &[
        (&[], &[SpfMissing]),
        (&["v=spf10 -all", "V=SPF"], &[SpfMissing]),
        (&["v=spf1 -all", "v=spf1 mx -all"], &[SpfTwice]),
        (&["v=spf1 -all"], &[]),
        (&["V=SPF1 MX ~ALL"], &[]),
        (&["v=spf1"], &[SpfOpenEnded]),
        (&["v=spf1 mx"], &[SpfOpenEnded]),
        (&["v=spf1 ?all"], &[SpfOpenEnded]),
        (&["v=spf1 +all"], &[SpfAllowsAll]),
        (&["v=spf1 all"], &[SpfAllowsAll]),
        (&["v=spf1 -all +all"], &[]),
        (&["v=spf1 ip4:0.0.0.0/0 -all"], &[SpfAllowsAll]),
        (&["v=spf1 ip6:::/0 -all"], &[SpfAllowsAll]),
        (&["v=spf1 include:open.example -all"], &[SpfAllowsAll]),
        (&["v=spf1 redirect=mail.example.net"], &[]),
        (&["v=spf1 redirect=nowhere.example"], &[SpfIncludeMissing]),
        (
            &["v=spf1 include:nowhere.example -all"],
            &[SpfIncludeMissing],
        ),
        (&["v=spf1 include:deaf.example -all"], &[Unanswered]),
        (&["v=spf1 include:example.com -all"], &[SpfTooManyLookups]),
        (&["v=spf1 redirect=example.com"], &[SpfTooManyLookups]),
        (
            &[
                "v=spf1 include:%{i}.example.com exists:%{i}.example.com exp=x.example.com new=1 -all",
            ],
            &[],
        ),
        (&[&many], &[SpfTooManyLookups]),
        (&[&networks], &[]),
        (&["v=spf1 ipv4:192.0.2.1 -all"], &[SpfUnreadable]),
        (&["v=spf1 ip4:192.0.2 -all"], &[SpfUnreadable]),
        (&["v=spf1 ip4:192.0.2.1/999 -all"], &[SpfUnreadable]),
        (&["v=spf1 ip6:192.0.2.1 -all"], &[SpfUnreadable]),
        (&["v=spf1 include: -all"], &[SpfUnreadable]),
        (&["v=spf1 include -all"], &[SpfUnreadable]),
        (&["v=spf1 redirect= "], &[SpfUnreadable]),
        (&["v=spf1 =x -all"], &[SpfUnreadable]),
        (&["v=spf1 all:x"], &[SpfUnreadable]),
        (&["v=spf1 \u{0}\u{7f}ä -all"], &[SpfUnreadable]),
        (&["v=spf1 +-all"], &[SpfUnreadable]),
        (&["!"], &[Unanswered]),
    ];
    for (records, expected) in cases {
        let zone = Zone::but("example.com", records)
            .with("open.example", "v=spf1 +all")
            .with("deaf.example", "!");
        let found = check(&zone).await;
        let kinds = found.iter().map(|finding| finding.what).collect::<Vec<_>>();
        assert_eq!(kinds, *expected, "{records:?}");
        assert!(found.iter().all(|finding| !finding.hint.is_empty()));
    }
}

#[tokio::test]
async fn what_dkim_lacks_is_named() {
    let rsa = |tags: &str| format!("v=DKIM1; {tags} p={RSA_2048}");
    let cases = [
        (vec![], vec![DkimMissing]),
        (vec![rsa(""), rsa("")], vec![DkimTwice]),
        (vec![rsa("")], vec![]),
        (vec![rsa("h=sha256; s=email; n=a note;")], vec![]),
        (
            vec![format!(" p = {} ", RSA_2048.replace('A', "A "))],
            vec![],
        ),
        (vec![format!("v=DKIM1; k=ed25519; p={ED25519}")], vec![]),
        (vec![rsa("t=y;")], vec![DkimTesting]),
        (vec![rsa("t=s : y;")], vec![DkimTesting]),
        (vec!["v=DKIM1; p=".to_owned()], vec![DkimRevoked]),
        (vec![format!("v=DKIM1; p={RSA_1024}")], vec![DkimWeak]),
        (vec![rsa("h=sha1;")], vec![DkimUnreadable]),
        (vec![rsa("s=tlsrpt;")], vec![DkimUnreadable]),
        (vec![rsa("k=ed25519;")], vec![DkimUnreadable]),
        (vec![rsa("k=ml-dsa;")], vec![DkimUnreadable]),
        (vec![rsa("p=; ")], vec![DkimUnreadable]),
        (vec![format!("p={RSA_2048}; v=DKIM1")], vec![DkimUnreadable]),
        (vec![format!("v=DKIM2; p={RSA_2048}")], vec![DkimUnreadable]),
        (
            vec![format!("v=DKIM1; k=ed25519; p={RSA_1024}")],
            vec![DkimUnreadable],
        ),
        (vec!["v=DKIM1; p=AAAA".to_owned()], vec![DkimUnreadable]),
        (vec!["v=DKIM1; p=!".to_owned()], vec![DkimUnreadable]),
        (vec!["v=DKIM1".to_owned()], vec![DkimUnreadable]),
        (vec![";;;=;".to_owned()], vec![DkimUnreadable]),
        (vec![String::new()], vec![DkimUnreadable]),
        (vec!["x".repeat(100_000)], vec![DkimUnreadable]),
        (vec!["!".to_owned()], vec![Unanswered]),
    ];
    for (records, expected) in cases {
        let records = records.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(
            found("s1._domainkey.example.com", &records).await,
            expected,
            "{records:?}"
        );
    }
    let nothing_named = SenderDomain::new("example.com")
        .unwrap()
        .check(&Zone::but("unrelated", &[]))
        .await;
    assert_eq!(
        nothing_named
            .iter()
            .map(|finding| finding.what)
            .collect::<Vec<_>>(),
        [DkimUnchecked]
    );
}

#[tokio::test]
async fn what_dmarc_lacks_is_named() {
    let cases: &[(&[&str], &[FindingKind])] = &[
        (&[], &[DmarcMissing]),
        (&["v=dmarc1; p=reject"], &[DmarcMissing]),
        (&["p=reject; v=DMARC1"], &[DmarcMissing]),
        (&[DMARC, DMARC], &[DmarcTwice]),
        (
            &["v=DMARC1; p=Quarantine; rua=mailto:d@example.com; adkim=s"],
            &[],
        ),
        (
            &["v=DMARC1; p=none; rua=mailto:d@example.com"],
            &[DmarcPolicyNone],
        ),
        (&["v=DMARC1; p=reject"], &[DmarcNoReports]),
        (
            &["v=DMARC1; p=reject; rua=mailto:d@example.com; pct=100"],
            &[],
        ),
        (
            &["v=DMARC1; p=reject; rua=mailto:d@example.com; pct=99"],
            &[DmarcPartial],
        ),
        (
            &["v=DMARC1; p=reject; rua=mailto:d@example.com; pct=x"],
            &[DmarcPartial],
        ),
        (&["v=DMARC1; rua=mailto:d@example.com"], &[DmarcUnreadable]),
        (
            &["v=DMARC1; p=maybe; rua=mailto:d@example.com"],
            &[DmarcUnreadable],
        ),
        (
            &["v=DMARC1; p=reject; p=none; rua=mailto:d@example.com"],
            &[DmarcUnreadable, DmarcNoReports],
        ),
        (&["v=DMARC1;;;;=;p"], &[DmarcUnreadable, DmarcNoReports]),
        (&["!"], &[Unanswered]),
    ];
    for (records, expected) in cases {
        assert_eq!(
            found("_dmarc.example.com", records).await,
            *expected,
            "{records:?}"
        );
    }
}

#[tokio::test]
async fn a_subdomain_is_under_the_record_above_it() {
    let zone = |dmarc: &str| {
        Zone::but("_dmarc.example.com", &[dmarc])
            .with("a.b.example.com", "v=spf1 -all")
            .with(
                "s1._domainkey.a.b.example.com",
                format!("k=ed25519; p={ED25519}"),
            )
    };
    let sender = SenderDomain::new("a.b.example.com")
        .unwrap()
        .selector("s1")
        .unwrap();
    assert_eq!(sender.check(&zone(DMARC)).await, []);
    let inherited = sender
        .check(&zone(
            "v=DMARC1; p=reject; sp=none; rua=mailto:d@example.com",
        ))
        .await;
    let [finding] = inherited.as_slice() else {
        panic!("{inherited:?}")
    };
    assert_eq!(
        (finding.what, finding.severity),
        (DmarcPolicyNone, Severity::Warning)
    );
    assert_eq!(finding.name, "_dmarc.example.com");
}

#[cfg(feature = "smtp")]
#[tokio::test]
async fn the_key_that_signs_must_be_the_one_that_is_published() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----";
    let pem = fountain_core::Secret::from(pem.to_owned());
    let key = fountain_delivery::smtp::DkimKey::from_pem("example.com", "s1", &pem).unwrap();
    let check = async |sender: &str, record: &str, dmarc: &str| {
        let zone = Zone::but(&key.record_name(), &[record])
            .with("mail.example.com", "v=spf1 -all")
            .with("_dmarc.mail.example.com", dmarc);
        let found = SenderDomain::new(sender)
            .unwrap()
            .key(&key)
            .check(&zone)
            .await;
        found.iter().map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(check("example.com", &key.record(), DMARC).await, []);
    let other = format!("v=DKIM1; p={RSA_2048}");
    assert_eq!(check("example.com", &other, DMARC).await, [DkimOtherKey]);
    assert_eq!(
        check("example.com", "v=DKIM1; p=", DMARC).await,
        [DkimRevoked]
    );
    // the domain above may sign, unless DMARC says otherwise
    assert_eq!(check("mail.example.com", &key.record(), DMARC).await, []);
    let strict = format!("{DMARC}; adkim=s");
    assert_eq!(
        check("mail.example.com", &key.record(), &strict).await,
        [DmarcUnaligned]
    );
}

#[tokio::test]
async fn the_worst_stands_first_and_a_deaf_server_is_no_missing_record() {
    let zone = Zone::default()
        .with("example.com", "v=spf1 mx")
        .with("s1._domainkey.example.com", "!");
    let found = check(&zone).await;
    let severities = found
        .iter()
        .map(|finding| finding.severity)
        .collect::<Vec<_>>();
    assert!(severities.is_sorted_by(|a, b| a >= b), "{severities:?}");
    assert_eq!(
        found.iter().map(|finding| finding.what).collect::<Vec<_>>(),
        [Unanswered, DmarcMissing, SpfOpenEnded],
    );
}

#[test]
fn what_is_no_domain_is_refused() {
    for domain in [
        "",
        "com",
        "a b.com",
        "a..com",
        ".com",
        "ä.com",
        "a.com.",
        &"a.".repeat(150),
    ] {
        assert!(SenderDomain::new(domain).is_err(), "{domain}");
    }
    for selector in ["", "a b", "a;b", "a..b"] {
        assert!(
            SenderDomain::new("example.com")
                .unwrap()
                .selector(selector)
                .is_err()
        );
    }
}

/// A name server on the loopback interface: for each name its answer, as the bytes behind the question and the response code.
async fn name_server() -> std::net::SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let question = packet[12..length]
                .iter()
                .position(|&byte| byte == 0)
                .unwrap()
                + 12
                + 5;
            let first = &packet[13..13 + usize::from(packet[12])];
            // two strings of one record, and a record of another one
            let record = |strings: &[&str]| {
                let data = strings.iter().flat_map(|text| {
                    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
                });
                let data = data.collect::<Vec<_>>();
                let length = u16::try_from(data.len()).unwrap().to_be_bytes();
                [&b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c"[..], &length, &data].concat()
            };
            let (code, answers): (u8, Vec<Vec<u8>>) = match first {
                b"good" => (0, vec![record(&["v=spf1 ", "-all"]), record(&["other"])]),
                b"empty" => (0, vec![]),
                b"missing" => (3, vec![]),
                b"broken" => (2, vec![]),
                _ => continue,
            };
            let mut reply = packet[..question].to_vec();
            reply[2] = 0x81;
            reply[3] = 0x80 | code;
            reply[4..12].copy_from_slice(&[
                0,
                1,
                0,
                u8::try_from(answers.len()).unwrap(),
                0,
                0,
                0,
                0,
            ]);
            reply.extend(answers.concat());
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_resolver_says_records_none_or_nothing() {
    let dns = Dns::asking(name_server().await).unwrap();
    let records = dns.txt("good.example").await.unwrap();
    assert_eq!(records, ["v=spf1 -all", "other"]);
    assert_eq!(dns.txt("empty.example").await, Ok(vec![]));
    assert_eq!(dns.txt("missing.example").await, Ok(vec![]));
    assert_eq!(dns.txt("broken.example").await, Err(LookupFailed));
    assert_eq!(dns.txt("not a name\0").await, Err(LookupFailed));
    // one that never answers
    let asked = tokio::time::timeout(std::time::Duration::from_secs(8), dns.txt("deaf.example"));
    assert_eq!(asked.await.expect("within 5 s"), Err(LookupFailed));
}
