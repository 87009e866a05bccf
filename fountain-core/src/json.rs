//! Strict JSON, read once from front to back: what tokens, JWKs and key sets are written in.
//!
//! Two parsers that read one text differently are how a check is passed by one value and a decision taken by
//! another, so everything ambiguous is refused: duplicate names at any depth, compared after unescaping;
//! a byte-order mark and anything but UTF-8; lone surrogates; anything behind the one top-level object.
//! And everything is bounded before memory is spent on it.

use std::borrow::Cow;

/// How much of a document is read at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of the whole document.
    pub(crate) bytes: usize,
    /// Objects and arrays inside one another, the top-level object included.
    pub(crate) depth: usize,
    /// Members of all objects together. One object never has more than 128.
    pub(crate) members: usize,
    /// Members and array elements together.
    pub(crate) values: usize,
}

impl Limits {
    /// Bounds for one object that a token or a JWK is made of, in at most `bytes` bytes.
    pub(crate) const fn object(bytes: usize) -> Self {
        Self {
            bytes,
            depth: 16,
            members: 128,
            values: 1_024,
        }
    }
}

/// Members of one object: names are compared with one another, so their number is what that costs.
const MEMBERS_OF_ONE_OBJECT: usize = 128;
/// Bytes of one number: more than any double or 64-bit integer needs.
const NUMBER_BYTES: usize = 64;

/// Why a document was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not strict JSON, or beyond a bound.
    Malformed,
    /// A value is not of the type that was asked for.
    WrongType,
}

/// Reads a document that is exactly one object: `member` takes each of its members, in their order.
pub(crate) fn read_object<'a, E: From<Fault>>(
    document: &'a [u8],
    limits: Limits,
    member: impl FnMut(&str, Value<'_, 'a>) -> Result<(), E>,
) -> Result<(), E> {
    if document.len() > limits.bytes {
        return Err(Fault::Malformed.into());
    }
    let text = str::from_utf8(document).map_err(|_| Fault::Malformed)?;
    let mut reader = Reader {
        text,
        at: 0,
        depth: limits.depth,
        members: limits.members,
        values: limits.values,
        names: Vec::with_capacity(16),
    };
    reader.whitespace();
    reader.object(member)?;
    reader.whitespace();
    if reader.at == text.len() {
        Ok(())
    } else {
        Err(Fault::Malformed.into())
    }
}

/// One value that has not been read yet.
///
/// Each method consumes it. A value that is dropped unread makes the document malformed, since the reader
/// then finds it where a comma must stand: forgetting one cannot let it pass unchecked.
#[derive(Debug)]
pub(crate) struct Value<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl<'a> Value<'_, 'a> {
    /// Whether it is a string, as far as its first byte tells.
    pub(crate) fn is_string(&self) -> bool {
        self.reader.peek() == Some(b'"')
    }

    /// The text of a string, unescaped; borrowed unless it held an escape.
    pub(crate) fn string(self) -> Result<Cow<'a, str>, Fault> {
        if self.is_string() {
            self.reader.string()
        } else {
            Err(Fault::WrongType)
        }
    }

    /// A number as it is written, checked against the grammar of RFC 8259 section 6; at most 64 bytes.
    pub(crate) fn number(self) -> Result<&'a str, Fault> {
        match self.reader.peek() {
            Some(b'-' | b'0'..=b'9') => self.reader.number(),
            _ => Err(Fault::WrongType),
        }
    }

    /// The elements of an array, in their order.
    pub(crate) fn elements<E: From<Fault>>(
        self,
        element: impl FnMut(Value<'_, 'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.reader.peek() == Some(b'[') {
            self.reader.array(element)
        } else {
            Err(Fault::WrongType.into())
        }
    }

    /// The text of any value, checked to its end as strictly as everything else.
    pub(crate) fn raw(self) -> Result<&'a str, Fault> {
        let start = self.reader.at;
        self.reader.check()?;
        self.reader.slice(start, self.reader.at)
    }

    /// Checks a value that nobody needs.
    pub(crate) fn skip(self) -> Result<(), Fault> {
        self.reader.check()
    }
}

#[derive(Debug)]
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How much deeper, and how many more, may come.
    depth: usize,
    members: usize,
    values: usize,
    /// The names of every object that is open, innermost last.
    names: Vec<Cow<'a, str>>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn slice(&self, start: usize, end: usize) -> Result<&'a str, Fault> {
        self.text.get(start..end).ok_or(Fault::Malformed)
    }

    fn whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Fault::Malformed)
        }
    }

    fn object<E: From<Fault>>(
        &mut self,
        mut member: impl FnMut(&str, Value<'_, 'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        self.depth = self.depth.checked_sub(1).ok_or(Fault::Malformed)?;
        let first_name = self.names.len();
        let mut filter = NameFilter::default();
        self.whitespace();
        if !self.take(b'}') {
            loop {
                spend(&mut self.members)?;
                spend(&mut self.values)?;
                self.expect(b'"')?;
                self.at -= 1;
                let name = self.string()?;
                let siblings = self.names.get(first_name..).unwrap_or_default();
                if siblings.len() >= MEMBERS_OF_ONE_OBJECT
                    || (filter.may_hold(&name) && siblings.contains(&name))
                {
                    return Err(Fault::Malformed.into());
                }
                self.whitespace();
                self.expect(b':')?;
                self.whitespace();
                member(&name, Value { reader: self })?;
                self.names.push(name);
                self.whitespace();
                if !self.take(b',') {
                    break;
                }
                self.whitespace();
            }
            self.expect(b'}')?;
        }
        self.names.truncate(first_name);
        self.depth += 1;
        Ok(())
    }

    fn array<E: From<Fault>>(
        &mut self,
        mut element: impl FnMut(Value<'_, 'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[')?;
        self.depth = self.depth.checked_sub(1).ok_or(Fault::Malformed)?;
        self.whitespace();
        if !self.take(b']') {
            loop {
                spend(&mut self.values)?;
                element(Value { reader: self })?;
                self.whitespace();
                if !self.take(b',') {
                    break;
                }
                self.whitespace();
            }
            self.expect(b']')?;
        }
        self.depth += 1;
        Ok(())
    }

    /// Any value. Recurses no deeper than the bound on depth.
    fn check(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(|_, value| value.skip()),
            Some(b'[') => self.array(|value| value.skip()),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(_) => self.double(),
            None => Err(Fault::Malformed),
        }
    }

    fn literal(&mut self, literal: &str) -> Result<(), Fault> {
        let end = self.at + literal.len();
        if self.slice(self.at, end)? != literal {
            return Err(Fault::Malformed);
        }
        self.at = end;
        Ok(())
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        if self.at - start > NUMBER_BYTES {
            return Err(Fault::Malformed);
        }
        self.slice(start, self.at)
    }

    /// A number that a double holds, as RFC 7493 section 2.2 asks: other readers refuse `1e400`, or take it for infinity.
    fn double(&mut self) -> Result<(), Fault> {
        let number = self.number()?;
        // Without an exponent its 64 bytes are far from the largest double.
        if number.contains(['e', 'E']) && serde_json::from_str::<f64>(number).is_err() {
            return Err(Fault::Malformed);
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(Fault::Malformed);
        }
        Ok(())
    }

    /// A string from its opening quote on.
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let start = self.at;
        self.plain()?;
        let plain = self.slice(start, self.at)?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while !self.take(b'"') {
            self.expect(b'\\')?;
            text.push(self.escape()?);
            let start = self.at;
            self.plain()?;
            text.push_str(self.slice(start, self.at)?);
        }
        Ok(Cow::Owned(text))
    }

    /// Moves to the next quote or backslash; a control character or the end of the text comes before its time.
    fn plain(&mut self) -> Result<(), Fault> {
        let mut rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        while let Some((word, tail)) = rest.split_first_chunk::<8>() {
            if let Some(before) = bytes_before_special(u64::from_le_bytes(*word)) {
                self.at += before;
                return self.quote_or_backslash();
            }
            self.at += word.len();
            rest = tail;
        }
        self.at += rest.iter().take_while(|byte| !is_special(**byte)).count();
        self.quote_or_backslash()
    }

    fn quote_or_backslash(&self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"' | b'\\') => Ok(()),
            _ => Err(Fault::Malformed),
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let byte = self.peek().ok_or(Fault::Malformed)?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut unit = self.hex4()?;
                if (0xd800..0xdc00).contains(&unit) {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(Fault::Malformed);
                    }
                    unit = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                }
                char::from_u32(unit).ok_or(Fault::Malformed)?
            }
            _ => return Err(Fault::Malformed),
        })
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits = self.slice(self.at, self.at + 4)?;
        // `from_str_radix` takes a sign as well, which JSON does not.
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Fault::Malformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Fault::Malformed)
    }
}

fn spend(left: &mut usize) -> Result<(), Fault> {
    *left = left.checked_sub(1).ok_or(Fault::Malformed)?;
    Ok(())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Where, in these eight bytes (first byte lowest), the first special one is.
///
/// The usual test for a zero or small byte in a word, which is exact up to and including the first hit: a borrow
/// only reaches bytes behind one.
fn bytes_before_special(word: u64) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    let control = below(word, 0x20);
    let hits = (quote | backslash | control) & HIGHS;
    (hits != 0).then(|| usize::try_from(hits.trailing_zeros() / 8).unwrap_or(0))
}

/// Tells most new names of an object apart from those it has had, without looking at them again.
#[derive(Debug, Default)]
struct NameFilter(u64);

impl NameFilter {
    /// Remembers the name; `false` only if it certainly is new.
    fn may_hold(&mut self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let end = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
        let mixed = bytes.len() ^ end(bytes.first()) ^ end(bytes.last()).rotate_left(3);
        let bit = 1_u64 << (mixed & 63);
        let held = self.0 & bit != 0;
        self.0 |= bit;
        held
    }
}

#[cfg(test)]
mod tests;
