use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use constant_time_eq::constant_time_eq;
use fountain_core::{Error, SecretBytes, Timestamp};

pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";

/// How far `webhook-timestamp` may be from the receiver's clock, before it and after it: 5 minutes, as Standard Webhooks has it.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// How many signatures of a header are looked at.
const SIGNATURES: usize = 8;

/// The secret that sender and receiver share: 32 to 256 bytes.
///
/// ```
/// use fountain_core::{OsRandom, Random, Secret, SecretBytes};
/// use fountain_delivery::webhook::WebhookSecret;
///
/// let mut bytes = vec![0; 32];
/// OsRandom.fill(&mut bytes)?;
/// let secret = WebhookSecret::new(&SecretBytes::new(bytes))?;
/// assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
///
/// // as other tools write it
/// let text = Secret::from(String::from("whsec_mgv12CFuPEfikB1/qFvEMwbueRK9SPFqDJXTXieAumQ="));
/// assert!(WebhookSecret::parse(&text).is_ok());
/// assert!(WebhookSecret::parse(&Secret::from(String::from("whsec_c2hvcnQ="))).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    /// A secret of these bytes.
    ///
    /// # Errors
    /// `InvalidInput` when they are fewer than 32 or more than 256, or one byte again and again.
    pub fn new(bytes: &SecretBytes) -> Result<Self, Error> {
        let bytes = bytes.expose();
        let varied = bytes.iter().any(|byte| Some(byte) != bytes.first());
        if (32..=256).contains(&bytes.len()) && varied {
            Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
        } else {
            Err(Error::invalid(
                "webhook secret",
                "give 32 to 256 random bytes",
            ))
        }
    }

    /// The secret of a text in the form of Standard Webhooks: `whsec_` and base64.
    ///
    /// # Errors
    /// `InvalidInput` when it has another form, or the bytes are not as [`new`](Self::new) wants them.
    pub fn parse(text: &fountain_core::Secret) -> Result<Self, Error> {
        let bytes = text
            .expose()
            .strip_prefix("whsec_")
            .and_then(|base64| STANDARD.decode(base64).ok())
            .ok_or(Error::invalid(
                "webhook secret",
                "write whsec_ and the base64 of 32 to 256 random bytes",
            ))?;
        Self::new(&SecretBytes::new(bytes))
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        STANDARD.encode(context.sign())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// One secret, or two while one takes the place of the other.
#[derive(Debug, Clone)]
pub struct WebhookSecrets(Vec<WebhookSecret>);

impl From<WebhookSecret> for WebhookSecrets {
    fn from(secret: WebhookSecret) -> Self {
        Self(vec![secret])
    }
}

impl WebhookSecrets {
    /// This one beside the first: the sender signs with both, the receiver takes either. Of three the last counts.
    #[must_use]
    pub fn and(mut self, secret: WebhookSecret) -> Self {
        self.0.truncate(1);
        self.0.push(secret);
        self
    }

    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let signatures = self
            .0
            .iter()
            .map(|secret| format!("v1,{}", secret.sign(id, &timestamp, body)));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// Why a webhook is not taken. Answer all of them alike, with 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookRefused {
    /// A header is missing, empty or of another form.
    #[error("a header of the webhook is not of its form")]
    Malformed,
    /// It is more than the tolerance away from now.
    #[error("the webhook is too old, or of the future")]
    Stale,
    /// No signature is by one of the secrets.
    #[error("no signature of the webhook is good")]
    Signature,
}

/// Checks a webhook that came in: that one of the secrets signed exactly this id, time and body, and that this was within
/// [`TOLERANCE`] of `now`.
///
/// ```
/// use fountain_core::{SecretBytes, Timestamp};
/// use fountain_delivery::webhook::{WebhookRefused, WebhookSecret, WebhookSecrets, verify};
/// # let bytes = SecretBytes::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64".to_vec());
///
/// let secrets = WebhookSecrets::from(WebhookSecret::new(&bytes)?);
/// let now = Timestamp::from_unix_seconds(1_900_000_000);
/// let forged = verify(&secrets, "msg-1", "1900000000", "v1,AAAA", b"{}", now);
/// assert_eq!(forged, Err(WebhookRefused::Signature));
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Errors
/// Why it is not to be taken.
///
/// # Security
/// Give the body's bytes as they came, before anything parses them. A good webhook can be sent again within the tolerance
/// by who saw it: take each `id` once.
pub fn verify(
    secrets: &WebhookSecrets,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookRefused> {
    let digits =
        (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let named = (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let (true, true, Ok(seconds)) = (digits, named, timestamp.parse()) else {
        return Err(WebhookRefused::Malformed);
    };
    let sent = Timestamp::from_unix_seconds(seconds);
    let apart = now
        .since(sent)
        .max(Timestamp::from_unix_seconds(seconds).since(now));
    if apart > TOLERANCE {
        return Err(WebhookRefused::Stale);
    }
    let mut given = signature
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"))
        .take(SIGNATURES)
        .peekable();
    if given.peek().is_none() {
        return Err(WebhookRefused::Malformed);
    }
    let good = secrets
        .0
        .iter()
        .map(|secret| secret.sign(id, timestamp, body))
        .collect::<Vec<_>>();
    let matches = given.any(|given| {
        good.iter()
            .any(|good| constant_time_eq(good.as_bytes(), given.as_bytes()))
    });
    matches.then_some(()).ok_or(WebhookRefused::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> WebhookSecret {
        WebhookSecret::new(&SecretBytes::new((byte..byte + 32).collect())).unwrap()
    }

    /// The vector that the libraries of Standard Webhooks share. Its secret has 24 bytes, which `new` refuses.
    #[test]
    fn the_published_vector_is_signed_alike() {
        let bytes = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert!(WebhookSecret::new(&SecretBytes::new(bytes.clone())).is_err());
        let secrets =
            WebhookSecrets::from(WebhookSecret(hmac::Key::new(hmac::HMAC_SHA256, &bytes)));
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signature = secrets.sign(id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let at = |seconds| {
            let now = Timestamp::from_unix_seconds(seconds);
            verify(&secrets, id, "1614265330", &signature, body, now)
        };
        assert_eq!(at(1_614_265_330 + 300), Ok(()));
        assert_eq!(at(1_614_265_330 - 300), Ok(()));
        assert_eq!(at(1_614_265_330 + 301), Err(WebhookRefused::Stale));
        assert_eq!(at(1_614_265_330 - 301), Err(WebhookRefused::Stale));
    }

    #[test]
    fn during_a_rotation_either_secret_is_good_and_a_third_is_not() {
        let now = Timestamp::from_unix_seconds(1_900_000_000);
        let check = |sender: &WebhookSecrets, receiver: &WebhookSecrets| {
            let signature = sender.sign("m", 1_900_000_000, b"{}");
            verify(receiver, "m", "1900000000", &signature, b"{}", now)
        };
        let (old, new, third) = (secret(1), secret(2), secret(3));
        let both = WebhookSecrets::from(new.clone()).and(old.clone());
        for one in [&old, &new] {
            assert_eq!(check(&both, &one.clone().into()), Ok(()));
            assert_eq!(check(&one.clone().into(), &both), Ok(()));
        }
        assert_eq!(
            check(&both, &third.clone().into()),
            Err(WebhookRefused::Signature)
        );
        assert_eq!(check(&third.into(), &both), Err(WebhookRefused::Signature));
    }

    #[test]
    fn what_was_changed_or_is_no_header_is_refused() {
        let secrets = WebhookSecrets::from(secret(1));
        let now = Timestamp::from_unix_seconds(1_900_000_000);
        let good = secrets.sign("m", 1_900_000_000, b"{}");
        let check = |id: &str, timestamp: &str, signature: &str, body: &[u8]| {
            verify(&secrets, id, timestamp, signature, body, now)
        };
        assert_eq!(check("m", "1900000000", &good, b"{}"), Ok(()));
        let (malformed, forged) = (
            Err(WebhookRefused::Malformed),
            Err(WebhookRefused::Signature),
        );
        assert_eq!(check("n", "1900000000", &good, b"{}"), forged);
        assert_eq!(check("m", "1900000001", &good, b"{}"), forged);
        assert_eq!(check("m", "1900000000", &good, b"{ }"), forged);
        assert_eq!(check("m.1900000000", "1900000000", &good, b"{}"), forged);
        for timestamp in [
            "",
            "+1900000000",
            "1900000000.0",
            " 1900000000",
            "-1",
            "9999999999999",
        ] {
            assert_eq!(
                check("m", timestamp, &good, b"{}"),
                malformed,
                "{timestamp}"
            );
        }
        for id in ["", "m\r\n", &"m".repeat(257)] {
            assert_eq!(check(id, "1900000000", &good, b"{}"), malformed);
        }
        let bare = good.replace("v1,", "");
        for signature in ["", "v1", &bare, &good.replace("v1", "v2"), "v1a,AAAA"] {
            assert_eq!(check("m", "1900000000", signature, b"{}"), malformed);
        }
        assert_eq!(check("m", "1900000000", "v1,", b"{}"), forged);
        assert_eq!(
            check("m", "1900000000", &good[..good.len() - 1], b"{}"),
            forged
        );
        // one that is good behind more than are looked at
        let flood = format!("{} {good}", ["v1,AAAA"; SIGNATURES].join(" "));
        assert_eq!(check("m", "1900000000", &flood, b"{}"), forged);
    }
}
