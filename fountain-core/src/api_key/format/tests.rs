use super::*;
use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};
use crate::random::OsRandom;

fn format() -> KeyFormat {
    KeyFormat::new("fnt", ["live", "sandbox"]).unwrap()
}

fn key(environment: &str) -> String {
    let (_, key) = format().generate(environment, &OsRandom).unwrap();
    key.expose().to_owned()
}

/// Puts the right checksum behind a text.
fn checked(text: &str) -> String {
    let checksum = base62_crc32_digits(text.as_bytes()).map(char::from);
    text.chars().chain(checksum).collect()
}

///
#[test]
fn a_key_has_its_parts_and_is_taken_apart_into_them() {
    for environment in ["live", "sandbox"] {
        let (id, key) = format().generate(environment, &OsRandom).unwrap();
        let key = key.expose();
        assert!(key.len() <= 255 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert_eq!(key.len(), environment.len() + 5 + 65);
        let format = format();
        let parts = format.parse(key).unwrap();
        assert_eq!((parts.environment, parts.id), (environment, id.as_str()));
    }
}

/// what is drawn is written out whole, so two keys of different draws differ.
#[test]
fn no_two_keys_are_the_same() {
    let count = if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    let random = InsecureSeededRandom::new(1);
    let mut ids = std::collections::HashSet::new();
    let mut secrets = std::collections::HashSet::new();
    let mut first = [0_usize; 128];
    for _ in 0..count {
        let (id, key) = format().generate("live", &random).unwrap();
        let secret = key.expose()[25..68].to_owned();
        first[usize::from(secret.as_bytes()[42])] += 1;
        assert!(ids.insert(id) && secrets.insert(secret));
    }
    // The last digit of a number of 256 random bits is even over all 62.
    let used: Vec<_> = first.iter().filter(|n| **n > 0).copied().collect();
    assert_eq!(used.len(), 62);
    let mean = count / 62;
    assert!(used.iter().all(|n| (mean / 2..mean * 2).contains(n)));
}

/// B-51: every way to be no key, each with the first check that fails.
#[test]
fn what_is_not_a_key_is_refused_by_the_first_check_that_fails() {
    use KeyFormatError::{Alphabet, Brand, Checksum, Environment, Length};
    let good = key("live");
    let body = &good[9..];
    let swapped = |at: usize, with: char| {
        let mut text = good.clone();
        text.replace_range(at..=at, &with.to_string());
        text
    };
    let other = |at: usize| {
        if good.as_bytes()[at] == b'x' {
            'y'
        } else {
            'x'
        }
    };
    let table = [
        (String::new(), Length),
        ("fnt_live_".to_owned(), Length),
        ("fnt_live_0".to_owned(), Length),
        (good[..good.len() - 1].to_owned(), Length),
        (format!("{good}0"), Length),
        (format!("{good} "), Length),
        (format!("{good}\n"), Length),
        (format!(" {good}"), Length),
        ("x".repeat(10_240), Length),
        (swapped(20, '-'), Alphabet),
        (swapped(20, '_'), Alphabet),
        (swapped(20, '\0'), Alphabet),
        (swapped(20, ' '), Alphabet),
        (swapped(good.len() - 1, '\n'), Alphabet),
        (swapped(2, '-'), Alphabet),
        (format!("fnt_live_{}é", &body[..63]), Alphabet),
        (format!("é{}", &good[2..]), Alphabet),
        (good.to_uppercase(), Brand),
        (checked(&format!("xyz_live_{}", &body[..59])), Brand),
        (checked(&format!("fntlive__{}", &body[..59])), Brand),
        (checked(&format!("fnt_prod_{}", &body[..59])), Environment),
        (checked(&format!("fnt_Live_{}", &body[..59])), Environment),
        (checked(&format!("fnt_liv__{}", &body[..59])), Environment),
        (checked(&format!("fnt__live{}", &body[..59])), Environment),
        (swapped(9, other(9)), Checksum),
        (swapped(40, other(40)), Checksum),
        (swapped(good.len() - 1, other(good.len() - 1)), Checksum),
        (format!("{}zzzzzz", &good[..good.len() - 6]), Checksum),
    ];
    for (bad, expected) in table {
        assert_eq!(format().parse(&bad).unwrap_err(), expected, "{bad:?}");
    }
    assert!(format().parse(&good).is_ok());
    assert!(
        format()
            .parse(&checked(&format!("fnt_live_{}", &body[..59])))
            .is_ok()
    );
}

/// B-51: the checksum finds every single wrong character, and every changed case.
#[test]
fn every_single_change_is_found() {
    let (good, format) = (key("sandbox"), format());
    for at in 0..good.len() {
        let old = good.as_bytes()[at];
        for new in (0x20..0x7f_u8).filter(|new| *new != old) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = new;
            let bad = String::from_utf8(bytes).unwrap();
            assert!(format.parse(&bad).is_err(), "{at} {new}");
        }
    }
}

/// random texts of the right shape get past the checksum once in 2^32 times.
#[test]
fn random_texts_of_the_right_shape_do_not_pass() {
    let count = if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    let (format, random) = (format(), InsecureSeededRandom::new(2));
    for _ in 0..count {
        let body = base62(&array::<48>(&random).unwrap(), BODY_LEN);
        let refused = format.parse(&format!("fnt_live_{body}")).unwrap_err();
        assert_eq!(refused, KeyFormatError::Checksum);
    }
}

/// L-18
#[test]
fn the_scanners_expression_finds_keys_and_nothing_that_is_not_shaped_like_one() {
    let find = regex::Regex::new(&format().scanner_regex()).unwrap();
    let key = key("live");
    for text in [
        key.clone(),
        format!("KEY={key}"),
        format!("\"{key}\","),
        format!("https://x/?k={key}&b"),
        key.replace("live", "staging"),
    ] {
        assert!(find.is_match(&text), "{text}");
    }
    for text in [
        format!("x{key}"),
        format!("{key}x"),
        format!("_{key}"),
        key[..73].to_owned(),
        key.replace("fnt", "abc"),
        key.replace("_live_", "_LIVE_"),
    ] {
        assert!(!find.is_match(&text), "{text}");
    }
}

/// L-18
#[test]
fn a_found_text_tells_offline_what_it_is() {
    let (id, key) = format().generate("live", &OsRandom).unwrap();
    let text = format!("\t{}\r\n", key.expose());
    let seen = KeyFormat::inspect(&text).unwrap();
    assert_eq!(
        (seen.brand, seen.environment, seen.is_intact),
        ("fnt", "live", true)
    );
    assert_eq!(seen.id, id);

    let foreign = checked(&format!("acme_prod_{}", "a".repeat(59)));
    assert!(KeyFormat::inspect(&foreign).unwrap().is_intact);
    let wrong = foreign.replace('a', "b");
    assert!(
        !KeyFormat::inspect(&wrong.replace("bcme", "acme"))
            .unwrap()
            .is_intact
    );
    for bad in [
        "",
        "_",
        "__",
        "fnt_live",
        "fnt_live_x",
        "a_b_c_d",
        "é_é_é",
        &"_".repeat(10_000),
    ] {
        assert!(KeyFormat::inspect(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn a_format_is_built_only_from_short_plain_names() {
    for brand in ["", "a", "toolongone", "Fnt", "f_t", "f t", "é"] {
        assert!(KeyFormat::new(brand, ["live"]).is_err(), "{brand:?}");
    }
    for environment in ["", "a", "thirteenchars", "Live", "li_ve"] {
        assert!(
            KeyFormat::new("fnt", [environment]).is_err(),
            "{environment:?}"
        );
    }
    assert!(KeyFormat::new("fnt", [""; 0]).is_err());
    assert!(KeyFormat::new("fnt", (0..17).map(|n| format!("e{n}"))).is_err());
    assert_eq!(
        KeyFormat::new("fnt", ["live", "live"]).unwrap(),
        KeyFormat::default()
    );
    assert_eq!(
        KeyFormat::new("X", ["Y", "Z"]).unwrap_err().iter().count(),
        4
    );
}

///
#[test]
fn without_entropy_there_is_no_key() {
    assert!(format().generate("live", &InsecureFailingRandom).is_err());
    assert!(format().generate("nowhere", &OsRandom).is_err());
}
