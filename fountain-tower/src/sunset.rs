//! Tells the holder of a rotated API key when it ends.

use fountain_core::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
static SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Adds `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), both with the instant at which the key stops working.
///
/// A handler that has written either for its own resource keeps it.
#[cold]
pub(crate) fn announce(headers: &mut HeaderMap, ends_at: Timestamp) {
    // A date of a structured field: '@' and seconds (RFC 9651 section 3.3.7).
    let deprecation = format!("@{}", ends_at.as_unix_seconds());
    if let Ok(value) = HeaderValue::try_from(deprecation) {
        headers.entry(&DEPRECATION).or_insert(value);
    }
    if let Some(value) = http_date(ends_at) {
        headers.entry(&SUNSET).or_insert(value);
    }
}

/// An HTTP date (RFC 9110 section 5.6.7); none before the year 0, which it cannot name.
fn http_date(at: Timestamp) -> Option<HeaderValue> {
    let at = jiff::Timestamp::from_second(at.as_unix_seconds()).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .ok()?;
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_name_the_end_of_the_key() {
        let mut headers = HeaderMap::new();
        announce(&mut headers, Timestamp::from_unix_seconds(1_700_000_000));
        assert_eq!(headers["deprecation"], "@1700000000");
        assert_eq!(headers["sunset"], "Tue, 14 Nov 2023 22:13:20 GMT");
    }

    #[test]
    fn a_handlers_own_headers_stay() {
        let mut headers = HeaderMap::new();
        headers.insert("sunset", HeaderValue::from_static("mine"));
        announce(&mut headers, Timestamp::from_unix_seconds(1));
        assert_eq!(headers["sunset"], "mine");
        assert_eq!(headers["deprecation"], "@1");
    }

    #[test]
    fn the_ends_of_time_make_no_malformed_header() {
        for end in [Timestamp::MIN, Timestamp::MAX] {
            announce(&mut HeaderMap::new(), end);
        }
        assert!(http_date(Timestamp::MIN).is_none());
        assert!(http_date(Timestamp::MAX).is_some());
    }
}
