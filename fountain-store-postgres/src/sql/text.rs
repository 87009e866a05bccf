//! A statement as one text, its values quoted: for poolers that cannot keep prepared statements apart.

use std::fmt::Write;

use super::Argument;

/// Puts each value in the place of its `$n`. None when a text holds a NUL, which PostgreSQL has no form for, or when
/// there is no such argument.
pub(super) fn render(sql: &str, arguments: &[Argument<'_>]) -> Option<String> {
    let mut rendered = String::with_capacity(sql.len() * 2);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        rendered.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = after.split_at_checked(digits)?;
        let at: usize = number.parse().ok()?;
        push(&mut rendered, arguments.get(at.checked_sub(1)?)?)?;
        rest = behind;
    }
    rendered.push_str(rest);
    Some(rendered)
}

/// Each with its type, as a prepared statement would have it.
fn push(to: &mut String, argument: &Argument<'_>) -> Option<()> {
    match argument {
        Argument::Text(Some(text)) => {
            quote(to, text)?;
            to.push_str("::text");
        }
        Argument::Text(None) => to.push_str("NULL::text"),
        Argument::Texts(Some(texts)) => {
            list(to, texts, |to, text| quote(to, text))?;
            to.push_str("::text[]");
        }
        Argument::Texts(None) => to.push_str("NULL::text[]"),
        Argument::Number(Some(number)) => quote_number(to, *number)?,
        Argument::Number(None) => to.push_str("NULL::bigint"),
        Argument::Numbers(numbers) => {
            list(to, numbers, |to, number| quote_number(to, *number))?;
            to.push_str("::bigint[]");
        }
        Argument::Bytes(Some(bytes)) => quote_bytes(to, bytes)?,
        Argument::AllBytes(all) => {
            list(to, all, |to, bytes| quote_bytes(to, bytes))?;
            to.push_str("::bytea[]");
        }
        Argument::Bytes(None) => to.push_str("NULL::bytea"),
        Argument::Truth(Some(true)) => to.push_str("true"),
        Argument::Truth(Some(false)) => to.push_str("false"),
        Argument::Truth(None) => to.push_str("NULL::boolean"),
    }
    Some(())
}

fn list<T>(
    to: &mut String,
    items: &[T],
    mut item: impl FnMut(&mut String, &T) -> Option<()>,
) -> Option<()> {
    to.push_str("ARRAY[");
    for (at, one) in items.iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        item(to, one)?;
    }
    to.push(']');
    Some(())
}

/// Quoted, since a bare minus would bind weaker than the cast behind it.
fn quote_number(to: &mut String, number: i64) -> Option<()> {
    write!(to, "'{number}'::bigint").ok()
}

fn quote_bytes(to: &mut String, bytes: &[u8]) -> Option<()> {
    to.push_str(r"E'\\x");
    for byte in bytes {
        write!(to, "{byte:02x}").ok()?;
    }
    to.push_str("'::bytea");
    Some(())
}

/// An escape string constant: it means the same whatever `standard_conforming_strings` is.
fn quote(to: &mut String, text: &str) -> Option<()> {
    if text.contains('\0') {
        return None;
    }
    to.push_str("E'");
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            to.push(character);
        }
        to.push(character);
    }
    to.push('\'');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_come_where_they_belong() {
        let arguments = [
            Argument::Text(Some(r"it's \ a $1".into())),
            Argument::Number(Some(-5)),
            Argument::Bytes(Some(&[0, 255])),
            Argument::Texts(Some(vec!["'", ""])),
            Argument::Truth(None),
            Argument::Numbers(vec![]),
            Argument::AllBytes(vec![&[1], &[]]),
        ];
        assert_eq!(
            render("$2, $1::json, $3, $4, $5, $6, $7, $1 = 'x'", &arguments).unwrap(),
            r"'-5'::bigint, E'it''s \\ a $1'::text::json, E'\\x00ff'::bytea, ARRAY[E'''',E'']::text[], NULL::boolean, ARRAY[]::bigint[], ARRAY[E'\\x01'::bytea,E'\\x'::bytea]::bytea[], E'it''s \\ a $1'::text = 'x'"
        );
    }

    #[test]
    fn what_has_no_form_is_refused() {
        assert_eq!(render("$1", &[Argument::Text(Some("a\0b".into()))]), None);
        for wrong in ["$0", "$2", "$", "$x", "$99999999999999999999"] {
            assert_eq!(render(wrong, &[Argument::Number(None)]), None, "{wrong}");
        }
    }
}
