//! What `Cache-Control` and `Age` say about how long an answer may be used (RFC 9111 sections 4.2.1 and 5).

use std::time::Duration;

/// How long the answer is fresh from now on; none when the server does not say.
///
/// The shortest answer counts: of several `max-age` the smallest, none at all for `no-store`, `no-cache` or a
/// number that cannot be read.
pub(crate) fn left<'a>(
    cache_control: impl Iterator<Item = &'a str>,
    age: Option<&str>,
) -> Option<Duration> {
    let max_age = cache_control
        .flat_map(|value| value.split(','))
        .filter_map(seconds)
        .min()?;
    let age = age.map_or(0, |age| digits(age.trim()).unwrap_or(u64::MAX));
    Some(Duration::from_secs(max_age.saturating_sub(age)))
}

/// The seconds that one directive allows, if it says anything about that.
fn seconds(directive: &str) -> Option<u64> {
    let (name, value) = match directive.split_once('=') {
        Some((name, value)) => (name.trim(), value.trim()),
        None => (directive.trim(), ""),
    };
    if name.eq_ignore_ascii_case("max-age") {
        let bare = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        Some(digits(bare.unwrap_or(value)).unwrap_or(0))
    } else {
        let forbidden =
            name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache");
        forbidden.then_some(0)
    }
}

/// A number of seconds; one that is too large is the largest (RFC 9111 section 1.2.2).
fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_answer_counts() {
        let cases: [(&[&str], Option<&str>, Option<u64>); 14] = [
            (&[], None, None),
            (&["public, must-revalidate"], None, None),
            (&["s-maxage=600"], None, None),
            (&["public, max-age=600"], None, Some(600)),
            (&["Max-Age = \"600\""], None, Some(600)),
            (&["max-age=600, max-age=60"], None, Some(60)),
            (&["max-age=600", "max-age=60"], None, Some(60)),
            (&["max-age=600, no-store"], None, Some(0)),
            (&["no-cache"], None, Some(0)),
            (&["max-age=-1"], None, Some(0)),
            (&["max-age"], None, Some(0)),
            (&["max-age=600"], Some("500"), Some(100)),
            (&["max-age=600"], Some("nonsense"), Some(0)),
            (&["max-age=99999999999999999999"], None, Some(u64::MAX)),
        ];
        for (headers, age, expected) in cases {
            assert_eq!(
                left(headers.iter().copied(), age),
                expected.map(Duration::from_secs),
                "{headers:?} {age:?}"
            );
        }
    }
}
