use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits::object(65_536);

fn check(document: impl AsRef<[u8]>) -> Result<(), Fault> {
    read_object(document.as_ref(), LIMITS, |_, value| value.skip())
}

fn refused(document: impl AsRef<[u8]>) {
    let document = document.as_ref();
    assert_eq!(
        check(document),
        Err(Fault::Malformed),
        "{:.80}",
        String::from_utf8_lossy(document)
    );
}

#[test]
fn every_kind_of_value_is_read() {
    let document =
        r#" { "a" : "x\u00e9\ud83d\ude00\n" , "b":[1,-2.5e+3,true,false,null,{}],"c":"é" } "#;
    let mut seen = Vec::new();
    read_object::<Fault>(document.as_bytes(), LIMITS, |name, value| {
        seen.push((name.to_owned(), value.raw()?.to_owned()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen[1].1, "[1,-2.5e+3,true,false,null,{}]");
    assert_eq!(seen.len(), 3);
    read_object::<Fault>(document.as_bytes(), LIMITS, |name, value| {
        match name {
            "a" => assert_eq!(value.string()?, "xé😀\n"),
            "b" => {
                let mut elements = Vec::new();
                value.elements::<Fault>(|element| {
                    elements.push(element.raw()?);
                    Ok(())
                })?;
                assert_eq!(elements, ["1", "-2.5e+3", "true", "false", "null", "{}"]);
            }
            _ => assert!(matches!(value.string()?, Cow::Borrowed("é"))),
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_value_of_another_type_is_told_apart_from_bad_json() {
    for (value, fault) in [
        ("1", Fault::WrongType),
        ("[]", Fault::WrongType),
        ("\"", Fault::Malformed),
    ] {
        let document = format!("{{\"a\":{value}}}");
        let read = read_object(document.as_bytes(), LIMITS, |_, value| {
            value.string().map(drop)
        });
        assert_eq!(read, Err(fault), "{document}");
    }
}

#[test]
fn a_value_that_is_left_unread_does_not_pass() {
    for value in ["1", "[]", "{}", "\"x\"", "null"] {
        let document = format!("{{\"a\":{value}}}");
        let read = read_object(document.as_bytes(), LIMITS, |_, _| Ok(()));
        assert_eq!(read, Err(Fault::Malformed), "{document}");
    }
}

/// R-09, B-29
#[test]
fn a_name_is_never_read_twice_however_it_is_spelled() {
    for document in [
        r#"{"exp":1,"exp":1}"#,
        r#"{"exp":1,"\u0065xp":1}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":[{"b":1,"c":0,"\u0062":2}]}"#,
        r#"{"":1,"":1}"#,
        r#"{"a":1,"b":{"a":1},"a":2}"#,
    ] {
        refused(document);
    }
    check(r#"{"a":1,"b":{"a":{"a":1}},"A":[{"a":1},{"a":1}]}"#).unwrap();
}

/// R-10, B-30
#[test]
fn only_utf8_without_a_mark_is_read() {
    refused(b"\xef\xbb\xbf{}");
    refused(b"\xff\xfe{\0}\0");
    refused(b"\0{\0}");
    for bad in [
        &b"\xc0\xaf"[..],
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xe2\x82",
    ] {
        refused([b"{\"a\":\"", bad, b"\"}"].concat());
    }
    for lone in [
        r"\ud800",
        r"\udc00",
        r"\ud800x",
        r"\ud800\u0041",
        r"\ud800\ud800",
    ] {
        refused(format!("{{\"a\":\"{lone}\"}}"));
    }
}

/// B-22, B-31
#[test]
fn only_one_object_and_nothing_behind_it_is_read() {
    for document in [
        "",
        " ",
        "[]",
        "\"x\"",
        "1",
        "null",
        "true",
        "{}{}",
        "{},",
        "{}x",
        "{}\0",
        "{",
        "}",
        "{]",
        "{\"a\":1",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":[}",
        "//x\n{}",
        "{}//x",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":nul}",
        "{\"a\":True}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "\u{a0}{}",
    ] {
        refused(document);
    }
    check(" \t\r\n{ }\n").unwrap();
}

#[test]
fn numbers_follow_the_grammar() {
    for bad in [
        "01", "-", "+1", ".5", "1.", "1e", "1e+", "--1", "0x1", "1_0", "1.e3", "-01", "1.2.3",
    ] {
        refused(format!("{{\"a\":{bad}}}"));
    }
    for good in ["0", "-0", "10", "0.5", "1e3", "1E-3", "-1.25e+07"] {
        let document = format!("{{\"a\":{good}}}");
        let mut read = None;
        read_object(document.as_bytes(), LIMITS, |_, value| {
            value.number().map(|n| read = Some(n.to_owned()))
        })
        .unwrap();
        assert_eq!(read.as_deref(), Some(good));
    }
}

/// R-09: other readers refuse such a number, or take it for infinity, wherever it stands.
#[test]
fn a_number_that_no_double_holds_is_refused_even_where_nobody_needs_it() {
    for bad in ["1e309", "-1E+400", "1e99999999999999999999", "0.5e310"] {
        refused(format!("{{\"a\":[{{\"b\":{bad}}}]}}"));
    }
    for good in [
        "1.7976931348623157e308",
        "0e400",
        "1e-400",
        "9e-99999999999",
    ] {
        check(format!("{{\"a\":{good}}}")).unwrap();
    }
}

/// R-08, B-27, B-28
#[test]
fn depth_numbers_and_counts_are_bounded() {
    let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
    check(nested(15)).unwrap();
    refused(nested(16));
    refused(nested(20_000));
    refused(format!("{{\"a\":{}", "{\"a\":".repeat(5_000)));

    let digits = |n: usize| format!("{{\"a\":{}}}", "1".repeat(n));
    check(digits(64)).unwrap();
    refused(digits(65));

    let members = |n: usize| {
        let members: Vec<_> = (0..n).map(|i| format!("\"m{i}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    check(members(128)).unwrap();
    refused(members(129));
    // Spread over objects they count together.
    refused(format!("{{\"a\":{},\"b\":{}}}", members(64), members(64)));
    let wide = Limits {
        members: 4_096,
        ..LIMITS
    };
    assert!(read_object::<Fault>(members(129).as_bytes(), wide, |_, value| value.skip()).is_err());

    let elements = |n: usize| format!("{{\"a\":[{}]}}", vec!["0"; n].join(","));
    check(elements(1_023)).unwrap();
    refused(elements(1_024));

    let long = |n: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(n));
    check(long(65_536 - 8)).unwrap();
    refused(long(65_536 - 7));
}

/// The word-wise search agrees with looking at each byte, for every special byte at every place.
#[test]
fn strings_end_at_the_first_special_byte_wherever_it_stands() {
    for before in 0..24 {
        for byte in 0..=0x7f_u8 {
            let document = [
                b"{\"a\":\"",
                "é~".repeat(before).as_bytes(),
                &[byte],
                b"zzzzzzzz\"}",
            ]
            .concat();
            let read = check(&document);
            assert_eq!(read.is_ok(), !is_special(byte), "{before} {byte}");
        }
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u32>().prop_map(|n| f64::from(n).sqrt().into()),
        ".{0,20}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-e\"\\\\é]{0,2}", inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = serde_json::Value> {
    prop::collection::btree_map("[a-e\"\\\\é]{0,2}", value(), 1..5)
        .prop_map(|members| serde_json::Value::Object(members.into_iter().collect()))
}

/// The JSON text of a value whose `target`th object, counted from the outside, repeats one of its members.
fn with_duplicate(value: &serde_json::Value, target: &mut usize, escaped: bool) -> String {
    match value {
        serde_json::Value::Array(elements) => {
            let elements: Vec<_> = elements
                .iter()
                .map(|v| with_duplicate(v, target, escaped))
                .collect();
            format!("[{}]", elements.join(","))
        }
        serde_json::Value::Object(members) => {
            let here = !members.is_empty() && {
                let here = *target == 0;
                *target = target.wrapping_sub(1);
                here
            };
            let mut texts: Vec<_> = members
                .iter()
                .map(|(name, v)| {
                    format!(
                        "{}:{}",
                        serde_json::json!(name),
                        with_duplicate(v, target, escaped)
                    )
                })
                .collect();
            if here {
                let name = members.keys().next().unwrap();
                let name = if escaped {
                    let units: String = name
                        .encode_utf16()
                        .map(|unit| format!("\\u{unit:04X}"))
                        .collect();
                    format!("\"{units}\"")
                } else {
                    serde_json::json!(name).to_string()
                };
                texts.push(format!("{name}:0"));
            }
            format!("{{{}}}", texts.join(","))
        }
        leaf => leaf.to_string(),
    }
}

fn objects_with_members(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(elements) => elements.iter().map(objects_with_members).sum(),
        serde_json::Value::Object(members) => {
            usize::from(!members.is_empty())
                + members.values().map(objects_with_members).sum::<usize>()
        }
        _ => 0,
    }
}

/// What serde_json reads, refused when an object repeats a name: the reference for what [`check`] decides.
struct Unambiguous(serde_json::Value);

impl<'de> serde::Deserialize<'de> for Unambiguous {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = serde_json::Value;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(serde_json::Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(Unambiguous(value)) = access.next_element()? {
                    elements.push(value);
                }
                Ok(elements.into())
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = serde_json::Map::new();
                while let Some((name, Unambiguous(value))) = access.next_entry::<String, _>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("duplicate"));
                    }
                }
                Ok(members.into())
            }
        }
        deserializer.deserialize_any(Visitor).map(Self)
    }
}

proptest! {
    /// R-09: a duplicate anywhere is refused, and without it the same document is read.
    #[test]
    fn a_duplicate_anywhere_is_refused(object in object(), at: prop::sample::Index, escaped: bool) {
        let mut target = at.index(objects_with_members(&object));
        prop_assert_eq!(check(with_duplicate(&object, &mut usize::MAX.clone(), false)), Ok(()));
        prop_assert_eq!(check(with_duplicate(&object, &mut target, escaped)), Err(Fault::Malformed));
    }

    /// Without duplicates and within the bounds, what is JSON is decided as serde_json decides it.
    #[test]
    fn validity_agrees_with_serde_json(object in object(), edits in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}:,\"\\\\0-9.eE+ untrf-]?"), 0..3)) {
        let mut text = object.to_string();
        for (at, with) in edits {
            let places: Vec<_> = text.char_indices().map(|(place, c)| place..place + c.len_utf8()).collect();
            if !places.is_empty() {
                text.replace_range(places[at.index(places.len())].clone(), &with);
            }
        }
        match (check(&text), serde_json::from_str::<Unambiguous>(&text)) {
            (Ok(()), Ok(Unambiguous(value))) => {
                let mut read = serde_json::Map::new();
                read_object::<Fault>(text.as_bytes(), LIMITS, |name, value| {
                    read.insert(name.to_owned(), serde_json::from_str(value.raw()?).unwrap());
                    Ok(())
                }).unwrap();
                prop_assert_eq!(serde_json::Value::Object(read), value);
            }
            (Err(_), Err(_)) => {}
            (Ok(()), Err(error)) => prop_assert!(false, "{} {}", text, error),
            (Err(_), Ok(Unambiguous(value))) => prop_assert!(!value.is_object(), "{}", text),
        }
    }

    /// R-23
    #[test]
    fn no_bytes_panic(document: Vec<u8>) {
        let _ = check(document);
    }
}
