//! A text that may be an otpauth URI.
//!
//! What is accepted holds only what our bounds allow, and is accepted by totp-rs with the same secret, digits, period,
//! hash, issuer and account, if it is a TOTP. Written again it is a URI that reads the same.

use fountain_core::otp::{OtpauthUri, OtpauthUse};

use crate::{Seed, Verdict, hold};

pub fn check(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else {
        return Verdict::Refused;
    };
    let Ok(read) = OtpauthUri::parse(text) else {
        return Verdict::Refused;
    };
    assert!(text.is_ascii() && text.len() <= 2_048);
    assert!((16..=64).contains(&read.secret().expose().len()));
    assert!(text.contains(&format!("secret={}", read.secret().to_base32().expose())));
    for name in read.issuer().into_iter().chain([read.account()]) {
        assert!(!name.is_empty() && name.trim() == name && !name.contains(':'));
        assert!(!name.chars().any(char::is_control));
    }
    match read.usage() {
        OtpauthUse::Totp { period } => {
            assert!((15..=300).contains(&period) && read.hotp().is_none());
            same_as_theirs(text, &read, period);
        }
        OtpauthUse::Hotp { counter } => {
            assert!(text.contains(&format!("counter={counter}")) && read.totp().is_none());
        }
    }
    if let Some(issuer) = read.issuer() {
        let written = match (read.totp(), read.hotp()) {
            (Some(totp), None) => totp.uri(issuer, read.account()),
            (None, Some((hotp, counter))) => hotp.uri(issuer, read.account(), counter),
            _ => panic!("it goes by time or by counter"),
        }
        .expect("what is read can be written");
        let again = OtpauthUri::parse(written.expose()).expect("what is written is read");
        assert_eq!(again.secret().expose(), read.secret().expose());
        let parts = |uri: &OtpauthUri| {
            let names = (uri.issuer().map(str::to_owned), uri.account().to_owned());
            (names, uri.usage(), uri.algorithm(), uri.digits())
        };
        assert_eq!(parts(&again), parts(&read));
    }
    Verdict::Accepted
}

fn same_as_theirs(text: &str, ours: &OtpauthUri, period: u32) {
    let theirs = totp_rs::Totp::from_url(text).expect("totp-rs reads what is accepted");
    assert_eq!(theirs.secret().as_bytes(), ours.secret().expose());
    assert_eq!(theirs.digits(), ours.digits().count());
    assert_eq!(theirs.step(), u64::from(period));
    assert_eq!(theirs.algorithm().as_str(), ours.algorithm().as_str());
    assert_eq!(theirs.issuer(), ours.issuer());
    // The format lets blanks stand between the colon and the account, which are not the account's.
    assert_eq!(
        theirs.account_name().trim_start_matches(' '),
        ours.account()
    );
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    const GOOD: &str =
        "otpauth://totp/Shop:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR&issuer=Shop";
    let seed = |name, text: &str| (name, text.as_bytes().to_vec());
    vec![
        seed("accepted-usual", GOOD),
        seed(
            "accepted-all",
            &format!("{GOOD}&algorithm=SHA512&digits=8&period=60"),
        ),
        seed(
            "accepted-hotp",
            &GOOD
                .replace("totp", "hotp")
                .replace("&issuer", "&counter=7&issuer"),
        ),
        seed(
            "accepted-escaped",
            &GOOD.replace("Shop:alice", "Shop%3A%20%C3%A4lice%40example.com"),
        ),
        seed(
            "accepted-no-issuer",
            "otpauth://totp/alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR",
        ),
        seed(
            "refused-dot",
            "otpauth://totp/%2e?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR",
        ),
        seed("refused-md5", &format!("{GOOD}&algorithm=MD5")),
        seed("refused-digits", &format!("{GOOD}&digits=11")),
        seed("refused-period", &format!("{GOOD}&period=-1")),
        seed("refused-twice", &format!("{GOOD}&issuer=Shop")),
        seed("refused-lower-case", &GOOD.to_lowercase()),
        seed("refused-nul", &GOOD.replace("Shop:alice", "Shop%00:alice")),
        seed(
            "refused-80-bits",
            "otpauth://totp/alice?secret=JBSWY3DPEHPK3PXP",
        ),
    ]
}
