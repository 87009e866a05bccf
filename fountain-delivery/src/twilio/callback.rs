use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use constant_time_eq::constant_time_eq;
use fountain_core::{Error, Secret};
use percent_encoding::percent_decode_str;

/// The longest body that is read, in bytes, and the most parameters.
const BODY: usize = 64 * 1024;
const PARAMETERS: usize = 256;

/// Checks and reads the requests by which Twilio reports what became of a message.
///
/// ```
/// use fountain_core::Secret;
/// use fountain_delivery::twilio::{CallbackRefused, Callbacks};
///
/// let callbacks = Callbacks::new(&Secret::from(String::from("0123456789abcdef0123456789abcdef")))?;
/// let body = b"MessageSid=SM0123456789abcdef0123456789abcdef&MessageStatus=delivered";
/// let forged = callbacks.read_form("https://shop.example/twilio", body, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
/// assert_eq!(forged, Err(CallbackRefused::Signature));
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// The signature is an HMAC-SHA1 with the account's token, of the address and the parameters; there is no time in it, so a
/// report can be sent again by who saw it. It changes nothing about a challenge, and means the same however often it comes.
#[derive(Clone)]
pub struct Callbacks(Vec<hmac::Key>);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// Twilio's id of the message: what [`DeliveryReceipt::reference`](fountain_core::otp::DeliveryReceipt) held.
    pub sid: String,
    /// What became of it.
    pub status: MessageStatus,
    /// Why it was not delivered: a number of <https://www.twilio.com/docs/api/errors>.
    pub error: Option<u32>,
}

/// The states of a message. Reports may come twice and in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageStatus {
    /// Twilio has it: `accepted`, `scheduled`, `queued`, `sending`.
    Pending,
    /// A carrier has it.
    Sent,
    /// It arrived: `delivered`, `read`.
    Delivered,
    /// It did not arrive: `undelivered`, `failed`, `canceled`.
    Failed,
    /// A state that this version does not know.
    Other,
}

impl MessageStatus {
    /// The state with this word.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "accepted" | "scheduled" | "queued" | "sending" => Self::Pending,
            "sent" => Self::Sent,
            "delivered" | "read" => Self::Delivered,
            "undelivered" | "failed" | "canceled" => Self::Failed,
            _ => Self::Other,
        }
    }

    /// Whether nothing more becomes of the message.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed)
    }
}

/// Why a request is not Twilio's, or is none that can be read. Answer all of them alike, with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackRefused {
    /// The signature is not by one of the tokens, or there is none.
    #[error("the signature of the callback is not good")]
    Signature,
    /// It is signed, and is no report of a message.
    #[error("the callback cannot be read")]
    Malformed,
}

impl Callbacks {
    /// With the account's token. An API key's secret does not do: Twilio signs with the token.
    ///
    /// # Errors
    /// `InvalidInput` when it has fewer than 32 characters.
    pub fn new(token: &Secret) -> Result<Self, Error> {
        Self(Vec::new()).and(token)
    }

    /// Takes this token too, while it takes the place of the other one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn and(mut self, token: &Secret) -> Result<Self, Error> {
        if token.expose().len() < 32 {
            return Err(Error::invalid(
                "Twilio's token",
                "give the account's token, which has 32 characters",
            ));
        }
        self.0.push(key(token.expose()));
        Ok(self)
    }

    /// Reads a report in the form that Twilio sends: `application/x-www-form-urlencoded`.
    ///
    /// Give the address exactly as it was given to Twilio, with its query; the body as it came; and the header
    /// `X-Twilio-Signature`.
    ///
    /// # Errors
    /// Why it is not to be taken.
    pub fn read_form(
        &self,
        url: &str,
        body: &[u8],
        signature: &str,
    ) -> Result<StatusCallback, CallbackRefused> {
        // What cannot be parsed cannot be checked either.
        let mut parameters = parse(body).ok_or(CallbackRefused::Signature)?;
        parameters.sort();
        parameters.dedup();
        self.check(url, &parameters, signature)?;
        let one = |name: &str| {
            let mut values = parameters
                .iter()
                .filter(|(of, _)| of == name)
                .map(|(_, value)| value.as_str());
            values.next().filter(|_| values.next().is_none())
        };
        let sid = one("MessageSid")
            .filter(|sid| super::is_sid("SM", sid) || super::is_sid("MM", sid))
            .ok_or(CallbackRefused::Malformed)?;
        let status = one("MessageStatus").ok_or(CallbackRefused::Malformed)?;
        Ok(StatusCallback {
            sid: sid.to_owned(),
            status: MessageStatus::from_name(status),
            error: one("ErrorCode").and_then(|code| code.parse().ok()),
        })
    }

    /// Checks a request with a JSON body: its address holds the body's SHA-256 as `bodySHA256`, and is signed.
    ///
    /// # Errors
    /// When the body is another one, or the signature is not good.
    pub fn check_json(
        &self,
        url: &str,
        body: &[u8],
        signature: &str,
    ) -> Result<(), CallbackRefused> {
        let (_, query) = url.split_once('?').ok_or(CallbackRefused::Signature)?;
        let mut hashes = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("bodySHA256="));
        let (Some(claimed), None) = (hashes.next(), hashes.next()) else {
            return Err(CallbackRefused::Signature);
        };
        let hash = digest::digest(&digest::SHA256, body);
        let hash = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        if !constant_time_eq(hash.as_bytes(), claimed.to_ascii_lowercase().as_bytes()) {
            return Err(CallbackRefused::Signature);
        }
        self.check(url, &[], signature)
    }

    fn check(
        &self,
        url: &str,
        parameters: &[(String, String)],
        signature: &str,
    ) -> Result<(), CallbackRefused> {
        let given = STANDARD
            .decode(signature)
            .map_err(|_| CallbackRefused::Signature)?;
        let mut text = url.to_owned();
        for (name, value) in parameters {
            text.push_str(name);
            text.push_str(value);
        }
        self.0
            .iter()
            .any(|key| hmac::verify(key, text.as_bytes(), &given).is_ok())
            .then_some(())
            .ok_or(CallbackRefused::Signature)
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callbacks(..)")
    }
}

fn key(token: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes())
}

fn parse(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|text| text.len() <= BODY)?;
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .ok()
            .map(String::from)
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let mut parameters = Vec::new();
    for pair in pairs {
        if parameters.len() == PARAMETERS {
            return None;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((decoded(name)?, decoded(value)?));
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const SID: &str = "SM0123456789abcdef0123456789abcdef";

    /// With the token of Twilio's example, which `new` refuses.
    fn published() -> Callbacks {
        Callbacks(vec![key("12345")])
    }

    fn signed(callbacks: &Callbacks, text: &str) -> String {
        STANDARD.encode(hmac::sign(&callbacks.0[0], text.as_bytes()))
    }

    /// Twilio's documentation and the tests of its libraries.
    #[test]
    fn the_published_examples_are_checked_alike() {
        let check = |body: &str, signature: &str| {
            let mut parameters = parse(body.as_bytes()).unwrap();
            parameters.sort();
            parameters.dedup();
            published().check(URL, &parameters, signature)
        };
        let form = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
        assert_eq!(check(form, "RSOYDt4T1cUTdK1PDd93/VVr8B8="), Ok(()));
        let twice = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
        assert_eq!(check(twice, "IK+Dwps556ElfBT0I3Rgjkr1wJU="), Ok(()));
        let other = form.replace("1234", "1235");
        assert_eq!(
            check(&other, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            Err(CallbackRefused::Signature)
        );

        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let (url, body) = (
            format!("{URL}&bodySHA256={hash}"),
            br#"{"property": "value", "boolean": true}"#,
        );
        let good = "a9nBmqA0ju/hNViExpshrM61xv4=";
        assert_eq!(published().check_json(&url, body, good), Ok(()));
        let refused = Err(CallbackRefused::Signature);
        assert_eq!(published().check_json(&url, b"{}", good), refused);
        assert_eq!(published().check_json(URL, body, good), refused);
        assert_eq!(
            published().check_json(&format!("{url}&bodySHA256={hash}"), body, good),
            refused
        );
        assert_eq!(published().check_json(&url, body, ""), refused);
    }

    /// F-38: a report that comes twice says the same twice, and is nothing else.
    #[test]
    fn a_report_is_read_the_same_however_often_it_comes() {
        let body = format!(
            "ErrorCode=30003&MessageSid={SID}&MessageStatus=undelivered&To=%2B436641234567"
        );
        let text =
            format!("{URL}ErrorCode30003MessageSid{SID}MessageStatusundeliveredTo+436641234567");
        let signature = signed(&published(), &text);
        let expected = StatusCallback {
            sid: SID.into(),
            status: MessageStatus::Failed,
            error: Some(30003),
        };
        for _ in 0..2 {
            let read = published().read_form(URL, body.as_bytes(), &signature);
            assert_eq!(read.as_ref(), Ok(&expected));
        }
        let shown = format!("{expected:?} {:?}", published());
        assert!(!shown.contains("43664"), "{shown}");
        assert!(MessageStatus::from_name("delivered").is_final());
        assert!(!MessageStatus::from_name("sent").is_final());
        assert_eq!(MessageStatus::from_name("Delivered"), MessageStatus::Other);
    }

    #[test]
    fn what_is_signed_and_no_report_is_malformed() {
        for parameters in [
            vec![],
            vec![("MessageSid", SID)],
            vec![("MessageStatus", "sent")],
            vec![("MessageSid", "x"), ("MessageStatus", "sent")],
            // two that contradict each other
            vec![
                ("MessageSid", SID),
                ("MessageStatus", "failed"),
                ("MessageStatus", "sent"),
            ],
        ] {
            let body = parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            let body = body.collect::<Vec<_>>().join("&");
            let text = parameters
                .iter()
                .fold(URL.to_owned(), |text, (name, value)| text + name + value);
            let read = published().read_form(URL, body.as_bytes(), &signed(&published(), &text));
            assert_eq!(read, Err(CallbackRefused::Malformed), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_or_is_not_signed_is_refused() {
        let long = "a=".repeat(BODY);
        let many = "a=b&".repeat(PARAMETERS + 1);
        for body in [
            &b"\xff=1"[..],
            b"a=%ff",
            b"",
            long.as_bytes(),
            many.as_bytes(),
            b"a=%zz",
        ] {
            for signature in ["", "!", "AAAA", "RSOYDt4T1cUTdK1PDd93/VVr8B8="] {
                let read = published().read_form(URL, body, signature);
                assert_eq!(read, Err(CallbackRefused::Signature));
            }
        }
        assert!(Callbacks::new(&Secret::from("short".to_owned())).is_err());
    }

    #[test]
    fn during_a_rotation_either_token_is_good() {
        let token = |letter: &str| Secret::from(letter.repeat(32));
        let both = Callbacks::new(&token("a"))
            .unwrap()
            .and(&token("b"))
            .unwrap();
        let body = format!("MessageSid={SID}&MessageStatus=sent");
        let text = format!("{URL}MessageSid{SID}MessageStatussent");
        for (letter, good) in [("a", true), ("b", true), ("c", false)] {
            let one = Callbacks::new(&token(letter)).unwrap();
            let read = both.read_form(URL, body.as_bytes(), &signed(&one, &text));
            assert_eq!(read.is_ok(), good);
        }
    }
}
