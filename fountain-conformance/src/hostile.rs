//! Identifiers that are valid and mean something to a store that builds its keys, patterns or statements from them
//! (B-12, B-78).

use fountain_core::login::LoginName;
use fountain_core::{Subject, Tenant};

/// Pairwise different subjects that patterns, separators, quotes, case folding, normalisation or a cast to a number
/// take for each other.
pub(crate) fn subjects() -> Vec<Subject> {
    let long = "x".repeat(254);
    [
        "%",
        "_",
        "*",
        "?",
        "[a-z]",
        "^",
        "a",
        "A",
        "aa",
        "ab",
        "a%",
        "a*",
        "a:b",
        "a:b:c",
        "a::b",
        "{tag}",
        "{",
        "user:1:lock",
        "user:1",
        "user:10",
        "user:1:*",
        "1",
        "01",
        "1.0",
        "1e0",
        "null",
        "NULL",
        "true",
        "' OR 1=1 --",
        "''",
        "\"",
        "\\",
        "\\\\",
        "$1",
        "${x}",
        "$(id)",
        "`",
        "a b",
        "a  b",
        "a/b",
        "../a",
        "a,b",
        "a|b",
        "a;b",
        "a\u{e9}",
        "ae\u{301}",
        "\u{df}",
        "ss",
        "\u{131}",
        "i",
        "I",
        "\u{130}",
        "\u{1f600}",
        "\u{ff41}",
        "a\u{200b}",
        "a\u{ad}",
        &format!("{long}a"),
        &format!("{long}b"),
    ]
    .iter()
    .map(|text| Subject::new(text).expect("a hostile subject is valid"))
    .collect()
}

/// Pairwise different names of the same kind.
pub(crate) fn names() -> Vec<LoginName> {
    let long = "n".repeat(254);
    [
        "%",
        "_",
        "*",
        "?",
        "[a-z]",
        "a",
        "aa",
        "a%",
        "a_",
        "ab",
        "a:b",
        "a::b",
        "{tag}",
        "1",
        "01",
        "1.0",
        "1e0",
        "null",
        "true",
        "'or'1'='1'--",
        "''",
        "\"",
        "\\",
        "\\\\",
        "$1",
        "${x}",
        "`",
        "a/b",
        "../a",
        "a,b",
        "a|b",
        "a;b",
        "alice@example.com",
        "alice@example.com.",
        "alice+x@example.com",
        "\u{430}lice@example.com",
        "e",
        "\u{e9}",
        "\u{df}",
        "ss",
        "\u{131}",
        "i",
        &format!("{long}a"),
        &format!("{long}b"),
    ]
    .iter()
    .map(|text| LoginName::new(text).expect("a hostile name is valid"))
    .collect()
}

/// Pairwise different tenants of the same kind.
pub(crate) fn tenants() -> Vec<Tenant> {
    let long = "t".repeat(63);
    [
        "a",
        "A",
        "aa",
        "ab",
        "a_",
        "_",
        "__",
        "a_b",
        "a-b",
        "a.b",
        "axb",
        "-",
        ".",
        "..",
        "1",
        "01",
        "null",
        "default",
        &format!("{long}a"),
        &format!("{long}b"),
    ]
    .iter()
    .map(|text| Tenant::new(text).expect("a hostile tenant is valid"))
    .collect()
}

/// All of these as pairs, each with something of its own beside it: pairwise different.
pub(crate) fn people(tenant: &Tenant, subject: &Subject) -> Vec<(Tenant, Subject)> {
    let subjects = subjects().into_iter();
    let tenants = tenants().into_iter();
    joined()
        .into_iter()
        .chain(subjects.map(|subject| (tenant.clone(), subject)))
        .chain(tenants.map(|tenant| (tenant, subject.clone())))
        .collect()
}

/// Pairs of tenant and subject that read alike once they are joined by any of the usual separators.
pub(crate) fn joined() -> Vec<(Tenant, Subject)> {
    [
        ("a", "b.c"),
        ("a.b", "c"),
        ("a", "b-c"),
        ("a-b", "c"),
        ("a", "b_c"),
        ("a_b", "c"),
        ("a", "bc"),
        ("ab", "c"),
        ("a", ".b"),
        ("a.", "b"),
        ("a", ":b"),
        ("a", "b"),
        ("a", "a:b"),
        ("b", "a:b"),
        ("b", "a"),
    ]
    .iter()
    .map(|(tenant, subject)| {
        let tenant = Tenant::new(tenant).expect("a hostile tenant is valid");
        (
            tenant,
            Subject::new(subject).expect("a hostile subject is valid"),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let different =
            |texts: Vec<String>| texts.iter().collect::<BTreeSet<_>>().len() == texts.len();
        assert!(different(
            subjects().iter().map(ToString::to_string).collect()
        ));
        assert!(different(names().iter().map(ToString::to_string).collect()));
        assert!(different(
            tenants().iter().map(ToString::to_string).collect()
        ));
        assert!(different(
            joined().iter().map(|(t, s)| format!("{t}\n{s}")).collect()
        ));
    }
}
