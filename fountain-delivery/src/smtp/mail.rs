//! A mail as it is sent: ASCII, CRLF, each header once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fountain_core::Timestamp;
use fountain_core::otp::{DeliveryAddress, DeliveryMessage};

use super::dkim::DkimKey;

/// The longest line that is sent as it is; RFC 5322 allows 998.
const LINE: usize = 900;

/// Who a mail is from.
pub(super) struct Sender {
    mailbox: String,
    header: String,
}

impl Sender {
    pub(super) fn new(mailbox: &DeliveryAddress, name: &str) -> Option<Self> {
        let valid = (1..=60).contains(&name.chars().count())
            && name.trim().len() == name.len()
            && !name.chars().any(char::is_control);
        let mailbox = mailbox.expose();
        valid.then(|| Self {
            mailbox: mailbox.to_owned(),
            header: format!("{} <{mailbox}>", phrase(name)),
        })
    }

    pub(super) fn mailbox(&self) -> &str {
        &self.mailbox
    }

    pub(super) fn domain(&self) -> &str {
        self.mailbox
            .split_once('@')
            .map_or("", |(_, domain)| domain)
    }
}

/// Headers in their order, and a body whose lines end by CRLF.
pub(super) struct Mail {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Mail {
    /// None when the clock is at a time that cannot be written.
    pub(super) fn new(
        sender: &Sender,
        message: &DeliveryMessage,
        subject: &str,
        text: &str,
        now: Timestamp,
    ) -> Option<Self> {
        let date = jiff::Timestamp::from_microsecond(now.as_unix_micros()).ok()?;
        let date = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_string(&date)
            .ok()?;
        let plain = text.is_ascii() && text.split('\n').all(|line| line.len() <= LINE);
        let (encoding, body) = if plain {
            ("7bit", lines(text))
        } else {
            ("base64", folded(&STANDARD.encode(lines(text))))
        };
        Some(Self {
            headers: vec![
                ("From", sender.header.clone()),
                ("To", format!("<{}>", message.to.expose())),
                ("Subject", unstructured(subject)),
                ("Date", date),
                // The message's id is the same for every try at it, so that a mailbox may know it again.
                (
                    "Message-ID",
                    format!("<{}@{}>", message.id, sender.domain()),
                ),
                // RFC 3834: no vacation notice answers it.
                ("Auto-Submitted", "auto-generated".into()),
                ("MIME-Version", "1.0".into()),
                ("Content-Type", "text/plain; charset=utf-8".into()),
                ("Content-Transfer-Encoding", encoding.into()),
            ],
            body,
        })
    }

    /// The mail with a signature of each key in front, without the line end that the protocol adds. None when a key fails.
    pub(super) fn signed(&self, keys: &[DkimKey], now: Timestamp) -> Option<Vec<u8>> {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect::<Vec<_>>();
        let mut mail = String::new();
        for key in keys {
            let value = key.sign(&headers, &self.body, now)?;
            mail.push_str(&format!("DKIM-Signature: {value}\r\n"));
        }
        for (name, value) in headers {
            mail.push_str(&format!("{name}: {value}\r\n"));
        }
        mail.push_str("\r\n");
        mail.push_str(self.body.trim_end_matches("\r\n"));
        Some(mail.into_bytes())
    }
}

/// With CRLF for every LF, and exactly one at the end.
fn lines(text: &str) -> String {
    format!("{}\r\n", text.trim_end().replace('\n', "\r\n"))
}

fn folded(base64: &str) -> String {
    let mut folded = String::new();
    for (at, char) in base64.chars().enumerate() {
        if at > 0 && at % 76 == 0 {
            folded.push_str("\r\n");
        }
        folded.push(char);
    }
    folded.push_str("\r\n");
    folded
}

/// A name before an address: a quoted string, or encoded words when it is not ASCII.
fn phrase(name: &str) -> String {
    if name.is_ascii() {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    } else {
        encoded_words(name)
    }
}

/// A text that is read as such, unless it is not ASCII or looks like encoded words.
fn unstructured(text: &str) -> String {
    if text.is_ascii() && !text.contains("=?") {
        text.to_owned()
    } else {
        encoded_words(text)
    }
}

/// RFC 2047: words of at most 75 characters, each of whole characters.
fn encoded_words(text: &str) -> String {
    let mut words = vec![String::new()];
    for char in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + char.len_utf8() <= 45 => word.push(char),
            _ => words.push(char.to_string()),
        }
    }
    let words = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
    words.collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fountain_core::otp::Channel;

    #[test]
    fn names_and_subjects_cannot_leave_their_header() {
        let mailbox = DeliveryAddress::new(Channel::Email, "no-reply@example.com").unwrap();
        let header = |name: &str| Sender::new(&mailbox, name).map(|sender| sender.header);
        assert_eq!(
            header(r#"A "B" \ C"#).as_deref(),
            Some(r#""A \"B\" \\ C" <no-reply@example.com>"#)
        );
        assert_eq!(
            header("Müller").as_deref(),
            Some("=?utf-8?B?TcO8bGxlcg==?= <no-reply@example.com>")
        );
        for bad in ["", " a", "a\r\nBcc: b", "a\nb", "a\0", &"a".repeat(61)] {
            assert!(header(bad).is_none(), "{bad:?}");
        }
        assert_eq!(unstructured("Your code"), "Your code");
        assert_eq!(
            unstructured("=?utf-8?B?eA==?="),
            "=?utf-8?B?PT91dGYtOD9CP2VBPT0/PQ==?="
        );
        let long = encoded_words(&"ü".repeat(60));
        assert!(long.split("\r\n ").all(|word| word.len() <= 75), "{long}");
    }

    #[test]
    fn lines_end_as_mail_wants_them() {
        assert_eq!(lines("a\nb\n\n"), "a\r\nb\r\n");
        let folded = folded(&"x".repeat(153));
        assert_eq!(
            folded.split("\r\n").map(str::len).collect::<Vec<_>>(),
            [76, 76, 1, 0]
        );
    }
}
