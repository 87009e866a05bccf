use crate::error::Error;

/// The longest `scope` text that is read, in bytes.
const MAX_BYTES: usize = 4_096;

/// The scopes in the text of an OAuth `scope` parameter or claim, exactly as RFC 6749 section 3.3 writes them.
///
/// One or more texts of printable ASCII (without `"` and `\`), parted by single blanks; at most 4096 bytes.
/// A tab, a doubled, leading or trailing blank, or anything else is an error, not a guess (B-40). A scope that
/// stands twice is given twice, and means the same.
///
/// What is given may be any OAuth scope. Turn it into a [`Scope`](super::Scope) where one of ours is expected;
/// [`RoleCatalog::resolve_scopes`](super::RoleCatalog::resolve_scopes) gives nothing for what it does not know.
///
/// ```
/// use fountain_core::access::parse_scope_text;
///
/// let scopes: Vec<_> = parse_scope_text("orders:read orders:write")?.collect();
/// assert_eq!(scopes, ["orders:read", "orders:write"]);
/// assert!(parse_scope_text("orders:read\torders:write").is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` when the text is not of that form. An empty text is not: a parameter without a value counts
/// as absent (RFC 6749 section 3.1), which is for the caller to see first.
pub fn parse_scope_text(text: &str) -> Result<impl Iterator<Item = &str> + Clone, Error> {
    let well_formed = text.len() <= MAX_BYTES
        && text
            .bytes()
            .all(|b| matches!(b, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        && text.split(' ').all(|scope| !scope.is_empty());
    if well_formed {
        Ok(text.split(' '))
    } else {
        Err(Error::invalid(
            "scope",
            "write at most 4096 bytes of scopes parted by single blanks",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-40
    #[test]
    fn a_scope_text_that_is_not_exact_is_refused() {
        let long = "a ".repeat(5_120) + "a";
        for bad in [
            "", " ", "a\tb", "a  b", " a", "a ", "a\nb", "a\u{0}", "a\"b", "a\\b", "ä", "a\u{a0}b",
            &long,
        ] {
            assert!(parse_scope_text(bad).is_err(), "{bad:?}");
        }
    }

    /// B-40
    #[test]
    fn duplicates_and_foreign_scopes_are_given_as_they_stand() {
        let text = "a a https://example.com/x !";
        let scopes: Vec<_> = parse_scope_text(text).unwrap().collect();
        assert_eq!(scopes, ["a", "a", "https://example.com/x", "!"]);
    }
}
