use super::*;
use std::io::Write as _;

fn list(lines: impl IntoIterator<Item = String>) -> (tempfile::NamedTempFile, File) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    lines
        .into_iter()
        .for_each(|line| file.write_all(line.as_bytes()).unwrap());
    let opened = File::open(file.path()).unwrap();
    (file, opened)
}

fn hex(key: Key) -> String {
    String::from_utf8(key.to_vec()).unwrap()
}

fn sorted(count: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..count).map(|n| key_of(&format!("word {n}"))).collect();
    keys.sort_unstable();
    keys
}

fn holds(list: &FileBlocklist, word: &str) -> Result<bool, Error> {
    crate::password::testing::block_on(list.holds(&Secret::from(word.to_owned())))
}

#[test]
fn the_key_is_the_sha_1_in_upper_case() {
    assert_eq!(
        hex(key_of("password")),
        "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"
    );
}

/// Every size of file, every form of line: each key that is there is found, and each that is not is not.
#[test]
fn every_key_of_a_file_is_found_and_no_other() {
    let forms: [fn(usize, Key) -> String; 4] = [
        |_, key| format!("{}\n", hex(key)),
        |at, key| {
            format!(
                "{}:{}\r\n",
                hex(key),
                7_usize.pow(u32::try_from(at % 20).unwrap())
            )
        },
        |at, key| format!("{}{}\n", hex(key), if at % 3 == 0 { ":1" } else { "" }),
        |_, key| format!("{}:18446744073709551615\r\n", hex(key)),
    ];
    for form in forms {
        for count in (1..40).chain([500]) {
            let keys = sorted(count);
            let (_kept, mut file) = list(keys.iter().enumerate().map(|(at, key)| form(at, *key)));
            assert!(sample(&mut file).is_ok());
            for key in &keys {
                assert!(search(&mut file, key).unwrap(), "{count}");
            }
            for n in 0..200 {
                assert!(!search(&mut file, &key_of(&format!("other {n}"))).unwrap());
            }
            for edge in [[b'0'; HEX], [b'F'; HEX]] {
                assert!(!search(&mut file, &edge).unwrap());
            }
        }
    }
}

#[test]
fn the_last_line_needs_no_end_and_lines_may_repeat() {
    let mut keys = sorted(50);
    keys.push(keys[49]);
    keys.insert(20, keys[20]);
    let text = keys
        .iter()
        .map(|key| hex(*key))
        .collect::<Vec<_>>()
        .join("\n");
    let (_kept, mut file) = list([text]);
    assert!(sample(&mut file).is_ok());
    for key in &keys {
        assert!(search(&mut file, key).unwrap());
    }
}

#[test]
fn a_file_that_is_no_such_list_is_not_opened() {
    let lines = |keys: Vec<Key>| keys.into_iter().map(|key| format!("{}\n", hex(key)));
    let mut reversed = sorted(100);
    reversed.reverse();
    let key = hex(key_of("x"));
    for bad in [
        vec![],
        vec!["\n".to_owned()],
        lines(reversed).collect(),
        vec!["password\nletmein\n".to_owned()],
        vec![format!("{}\n", key.to_lowercase())],
        vec![format!("{key}:a\n")],
        vec![format!("{key} \n")],
        vec![format!("{}\n", &key[1..])],
        vec![format!("{key}0\n")],
        vec![format!("{key}\n"), "cut off".to_owned()],
        vec![format!("{key}\n"), "x".repeat(10_000)],
        vec!["x".repeat(10_000)],
    ] {
        let (kept, _) = list(bad.clone());
        let error = FileBlocklist::open(kept.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bad:?}");
    }
    assert!(FileBlocklist::open("/nowhere/at/all").is_err());
}

/// A miss in a file that is not sorted would accept a leaked password: what can be seen of it is an error.
#[test]
fn a_file_that_is_not_sorted_is_an_error_or_a_hit_but_hardly_a_miss() {
    let mut keys = sorted(1_000);
    let (left, right) = keys.split_at_mut(500);
    left.swap_with_slice(right);
    let (_kept, mut file) = list(keys.iter().map(|key| format!("{}\n", hex(*key))));
    let missed = keys
        .iter()
        .filter(|key| matches!(search(&mut file, key), Ok(false)))
        .count();
    assert_eq!(missed, 0);
}

#[test]
fn a_password_is_looked_up_and_what_cannot_be_read_is_an_error() {
    let mut keys: Vec<_> = ["password", "letmein", "iloveyou"].map(key_of).to_vec();
    keys.sort_unstable();
    let (kept, _) = list(keys.iter().map(|key| format!("{}:3\r\n", hex(*key))));
    let list = FileBlocklist::open(kept.path()).unwrap();
    assert!(holds(&list, "letmein").unwrap());
    assert!(!holds(&list, "letmeout").unwrap());
    assert!(format!("{list:?}").contains("FileBlocklist"));

    std::fs::write(kept.path(), "no list any more\n").unwrap();
    assert_eq!(
        *holds(&list, "letmein").unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    drop(kept);
    let error = holds(&list, "letmein").unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(error.rejection().kind() != &crate::RejectionKind::InvalidToken);
}
