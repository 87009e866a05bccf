use OtpauthUriError as Refused;

use super::*;
use crate::secret::SecretBytes;

const GOOD: &str = "otpauth://totp/Shop:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR&issuer=Shop";

fn secret() -> OtpSecret {
    OtpSecret::from_bytes(SecretBytes::new((1..=20).collect())).unwrap()
}

fn refused(text: &str) -> OtpauthUriError {
    OtpauthUri::parse(text).expect_err(text)
}

#[test]
fn what_is_written_is_read_back_as_it_was() {
    let names = [
        ("Shop", "alice"),
        ("Example Shop & Co", "alice+tag@example.com"),
        ("Ärger/Büro?#%", "ü=1&secret=x"),
        ("a", "b"),
        ("日本語", "🦀"),
        (&"i".repeat(64), &"é".repeat(127)),
    ];
    let usages = [
        OtpauthUse::Totp { period: 30 },
        OtpauthUse::Totp { period: 15 },
        OtpauthUse::Totp { period: 300 },
        OtpauthUse::Hotp { counter: 0 },
        OtpauthUse::Hotp { counter: u64::MAX },
    ];
    for (issuer, account) in names {
        for usage in usages {
            for algorithm in [
                OtpAlgorithm::Sha1,
                OtpAlgorithm::Sha256,
                OtpAlgorithm::Sha512,
            ] {
                for digits in [Digits::Six, Digits::Eight] {
                    let text = write(&secret(), algorithm, digits, usage, issuer, account).unwrap();
                    let read = OtpauthUri::parse(text.expose()).unwrap();
                    assert_eq!((read.issuer(), read.account()), (Some(issuer), account));
                    assert_eq!(
                        (read.usage(), read.algorithm(), read.digits()),
                        (usage, algorithm, digits)
                    );
                    assert_eq!(read.secret().expose(), secret().expose());
                    let is_totp = matches!(usage, OtpauthUse::Totp { .. });
                    assert_eq!(
                        (read.totp().is_some(), read.hotp().is_some()),
                        (is_totp, !is_totp)
                    );
                }
            }
        }
    }
}

#[test]
fn the_usual_uri_is_short() {
    let totp = Totp::new(secret());
    assert_eq!(
        totp.uri("Example Shop", "alice@example.com")
            .unwrap()
            .expose(),
        "otpauth://totp/Example%20Shop:alice%40example.com?secret=AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU&issuer=Example%20Shop"
    );
    assert_eq!(
        Hotp::new(secret())
            .uri("Shop", "alice", 7)
            .unwrap()
            .expose(),
        "otpauth://hotp/Shop:alice?secret=AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU&issuer=Shop&counter=7"
    );
}

/// The longest of everything is read back, so it can be written into a QR code as well.
#[test]
fn the_longest_uri_is_within_the_bound() {
    let longest = OtpSecret::from_bytes(SecretBytes::new((0..64).collect())).unwrap();
    let totp = Totp::new(longest)
        .algorithm(OtpAlgorithm::Sha512)
        .digits(Digits::Eight)
        .period(299)
        .unwrap();
    let uri = totp.uri(&"é".repeat(32), &"é".repeat(127)).unwrap();
    assert!(uri.expose().len() <= MAX_TEXT && OtpauthUri::parse(uri.expose()).is_ok());
}

/// B-64
#[test]
fn names_that_cannot_be_told_apart_from_the_rest_are_not_written() {
    let totp = Totp::new(secret());
    for bad in [
        "",
        "a:b",
        ":",
        "a\0",
        "a\nb",
        " a",
        "a ",
        &"x".repeat(256),
        "\u{85}",
    ] {
        assert!(totp.uri(bad, "alice").is_err(), "{bad:?}");
        assert!(totp.uri("Shop", bad).is_err(), "{bad:?}");
    }
    assert!(totp.uri(&"x".repeat(65), "alice").is_err());
}

/// B-64
#[test]
fn a_hostile_uri_is_refused_for_what_is_wrong_with_it() {
    let with = |more: &str| refused(&format!("{GOOD}{more}"));
    let secret = |text: &str| refused(&GOOD.replace("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR", text));
    let label = |text: &str| refused(&GOOD.replace("Shop:alice", text));

    for digits in [
        "0", "5", "7", "9", "10", "11", "-6", "+6", "06", "6.0", "", "%36",
    ] {
        assert_eq!(
            with(&format!("&digits={digits}")),
            Refused::Digits,
            "{digits}"
        );
    }
    for period in [
        "0",
        "-1",
        "2147483648",
        "14",
        "301",
        "030",
        "30s",
        "",
        "3e1",
        "99999999999999999999",
    ] {
        assert_eq!(
            with(&format!("&period={period}")),
            Refused::Period,
            "{period}"
        );
    }
    for algorithm in ["MD5", "sha1", "SHA-1", "SHA224", "", "HmacSHA1", "STEAM"] {
        assert_eq!(
            with(&format!("&algorithm={algorithm}")),
            Refused::Algorithm,
            "{algorithm}"
        );
    }
    for text in [
        "",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ0",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ8",
        "gezdgnbvgy3tqojqgezdgnbvgy3tqojr",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR====",
        "GEZDGNBVGY3TQOJQ",                 // 80 bits
        "GEZDGNBVGY3TQOI",                  // 72 and 3 bits
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", // one text twice
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQO%4A",
    ] {
        assert_eq!(secret(text), Refused::Secret, "{text}");
    }
    assert_eq!(
        refused("otpauth://totp/Shop:alice?issuer=Shop"),
        Refused::Secret
    );
    for text in [
        "",
        ":",
        "Shop:",
        ":alice",
        "Shop:alice:x",
        "Shop%3Aalice%3Ax",
        "Shop%00:alice",
        "Shop:al%00ice",
        "Shop:al%0Aice",
        "Other:alice",
        "shop:alice",
        "Shop%20:alice",
        "Shop:alice%20",
        "Sh+op:alice",
        "Shop:al%FFice",
        "Shop:al%2ice",
        "Shop:alice%",
        "Shop:alice%4",
        "Shop:al/ice",
        "Shop:al;ice",
        "Shop/alice:x",
        ".",
        "..",
        "%2e",
        "%2E.",
    ] {
        assert_eq!(label(text), Refused::Label, "{text}");
    }
    for issuer in [
        "", "Sh%3Aop", "Sh%00op", "Sho+p", "Shop%20", "%20Shop", "Other",
    ] {
        let text = GOOD.replace("issuer=Shop", &format!("issuer={issuer}"));
        assert_eq!(refused(&text), Refused::Label, "{issuer}");
    }
    for more in [
        "&",
        "&x=1",
        "&image=https",
        "&issuer=Shop",
        "&digits=6&digits=8",
        "&digits",
        "&Digits=6",
        "&counter=1",
        "&=",
        "&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR",
    ] {
        assert_eq!(with(more), Refused::Parameter, "{more}");
    }
    for text in [
        String::new(),
        GOOD.replace("otpauth", "OTPAUTH"),
        GOOD.replace("otpauth", "https"),
        GOOD.replace("totp", "TOTP"),
        GOOD.replace("totp", "steam"),
        GOOD.replace("totp/", "totp"),
        GOOD.replace('?', "&"),
        GOOD.replace("alice", "al ice"),
        GOOD.replace("alice", "álice"),
        format!("{GOOD}\n"),
        format!("{GOOD}{}", "&x".repeat(2_000)),
    ] {
        assert_eq!(refused(&text), Refused::Malformed, "{text}");
    }
    assert_eq!(with("#fragment"), Refused::Label);
}

#[test]
fn a_counter_is_for_hotp_and_there_it_must_be() {
    let hotp = GOOD.replace("totp", "hotp");
    assert_eq!(refused(&hotp), Refused::Counter);
    for bad in ["", "-1", "+1", "01", "1.0", "18446744073709551616"] {
        assert_eq!(
            refused(&format!("{hotp}&counter={bad}")),
            Refused::Counter,
            "{bad}"
        );
    }
    assert_eq!(
        refused(&format!("{hotp}&counter=0&period=30")),
        Refused::Parameter
    );
    let read = OtpauthUri::parse(&format!("{hotp}&counter=18446744073709551615")).unwrap();
    assert_eq!(read.usage(), OtpauthUse::Hotp { counter: u64::MAX });
}

#[test]
fn what_others_write_is_read() {
    for (text, issuer, account) in [
        (GOOD.to_owned(), Some("Shop"), "alice"),
        (GOOD.replace("&issuer=Shop", ""), Some("Shop"), "alice"),
        (GOOD.replace("Shop:alice", "alice"), Some("Shop"), "alice"),
        (
            GOOD.replace("Shop:alice", "alice")
                .replace("&issuer=Shop", ""),
            None,
            "alice",
        ),
        (
            GOOD.replace("Shop:alice", "Shop%3Aalice"),
            Some("Shop"),
            "alice",
        ),
        (
            GOOD.replace("Shop:alice", "Shop:%20alice"),
            Some("Shop"),
            "alice",
        ),
        (
            GOOD.replace("alice", "alice@example.com"),
            Some("Shop"),
            "alice@example.com",
        ),
        (
            format!("{GOOD}&algorithm=SHA1&digits=6&period=30"),
            Some("Shop"),
            "alice",
        ),
    ] {
        let read = OtpauthUri::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((read.issuer(), read.account()), (issuer, account), "{text}");
    }
}

///
#[test]
fn debug_shows_no_secret() {
    let read = OtpauthUri::parse(GOOD).unwrap();
    let shown = format!("{read:?}");
    assert!(
        shown.contains("alice") && !shown.contains("GEZD") && !shown.contains("49, 50"),
        "{shown}"
    );
}
