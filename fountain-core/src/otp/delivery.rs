use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{ChallengePurpose, DeliveredCode};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::Tenant;
use crate::text::is_all;

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// How a code gets to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Channel {
    /// A text message to a telephone.
    Sms,
    /// A message to a mailbox.
    Email,
}

impl Channel {
    /// Every channel.
    pub const ALL: &'static [Self] = &[Self::Sms, Self::Email];

    /// Its one word: `sms` or `email`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }

    /// The channel with exactly this word, case included.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|channel| channel.as_str() == name)
    }
}

/// Where a code goes: a telephone number or a mailbox, checked and in one form.
///
/// A number is written as E.164 has it: `+` and 8 to 15 digits, the first of them not 0. A mailbox is `local@domain`: ASCII, at most
/// 254 bytes, the local part a dot-atom of RFC 5322 (1 to 64 bytes), the domain two or more labels of letters, digits and inner
/// hyphens. Domains are kept in lower case. Quoted local parts and addresses in other scripts are not taken.
///
/// ```
/// use fountain_core::otp::{Channel, DeliveryAddress};
///
/// let address = DeliveryAddress::new(Channel::Email, "Alice@Example.COM")?;
/// assert_eq!(address.expose(), "Alice@example.com");
/// assert_eq!(address.masked(), "A***@example.com");
///
/// assert!(DeliveryAddress::new(Channel::Sms, "+43 664 1234567").is_err()); // no blanks
/// assert!(DeliveryAddress::new(Channel::Email, "a@b.example\r\nBcc: c@d.example").is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// It is personal data: `Debug` does not show it, and a store holds it sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryAddress {
    channel: Channel,
    text: String,
}

impl DeliveryAddress {
    /// Checks an address.
    ///
    /// # Errors
    /// `InvalidInput` when it is not of the form above.
    pub fn new(channel: Channel, text: &str) -> Result<Self, Error> {
        match channel {
            Channel::Sms => phone(text).ok_or(Error::invalid(
                "phone",
                "write it as E.164 has it: '+', then 8 to 15 digits, such as +436641234567",
            )),
            Channel::Email => mailbox(text).ok_or(Error::invalid(
                "email",
                "write local@domain in ASCII, without quotes, comments or blanks",
            )),
        }
        .map(|text| Self { channel, text })
    }

    /// The channel that it is of.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Enough of it for its owner to know it again: the last two digits of a number, the first character and the domain of a
    /// mailbox.
    #[must_use]
    pub fn masked(&self) -> String {
        let text = &self.text;
        match self.channel {
            Channel::Sms => format!("***{}", text.get(text.len() - 2..).unwrap_or_default()),
            Channel::Email => {
                let (local, domain) = text.split_once('@').unwrap_or_default();
                format!("{}***@{domain}", local.get(..1).unwrap_or_default())
            }
        }
    }

    /// The one form that budgets are counted by: nobody has two mailboxes that differ in case alone.
    pub(crate) fn canonical(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

impl fmt::Debug for DeliveryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeliveryAddress({}, ..)", self.channel.as_str())
    }
}

fn phone(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+')?;
    let valid = is_all(digits, 8, 15, |byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    valid.then(|| text.to_owned())
}

fn mailbox(text: &str) -> Option<String> {
    if text.len() > 254 {
        return None;
    }
    let (local, domain) = text.split_once('@')?;
    let atom = |atom: &str| {
        is_all(atom, 1, 64, |byte| {
            byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
        })
    };
    let label = |label: &str| {
        is_all(label, 1, 63, |byte| {
            byte.is_ascii_alphanumeric() || byte == b'-'
        }) && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let valid = local.len() <= 64
        && local.split('.').all(atom)
        && domain.contains('.')
        && domain.split('.').all(label);
    valid.then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// One message to one person.
#[derive(Debug, Clone)]
pub struct DeliveryMessage {
    /// The same for every try at the same message, and for no other: for services that know of idempotency. 1 to 64 bytes of
    /// `[A-Za-z0-9.-]`.
    pub id: String,
    /// In which tenant.
    pub tenant: Tenant,
    /// Where to.
    pub to: DeliveryAddress,
    /// What.
    pub content: DeliveryContent,
}

/// What a message says. An adapter puts it into words.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DeliveryContent {
    /// A code to be typed in.
    Code {
        /// The code.
        code: DeliveredCode,
        /// What it is for.
        purpose: ChallengePurpose,
        /// How long it is good from now on.
        life: Duration,
        /// It is not good from this instant on.
        expires_at: Timestamp,
    },
    /// Something happened that its owner should know of (R-55).
    Notice(Notice),
}

/// What a subject is told of, so that it notices when it was somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// New recovery codes were made; older ones are good no more.
    RecoveryCodesReplaced,
    /// A second factor was bound.
    FactorConfirmed,
    /// A second factor was removed.
    FactorRemoved,
    /// A second factor was disabled, after too many wrong codes: it is to be bound anew.
    FactorDisabled,
}

/// What a carrier says of a message that it took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryReceipt {
    /// The carrier's own id of the message, if it gave one: at most 128 printable ASCII characters.
    pub reference: Option<String>,
}

/// Why a message was not, or not surely, handed over.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct DeliveryError {
    kind: DeliveryErrorKind,
    #[source]
    source: Option<BoxError>,
}

/// What a [`DeliveryError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// The carrier will not take a message to this address, now or later.
    #[error("the carrier refuses the address")]
    Refused,
    /// The carrier cannot be reached, or cannot take the message now; it was surely not handed over.
    #[error("the carrier cannot be reached")]
    Unavailable,
    /// No answer: the message may have been handed over. It must not be sent again by itself.
    #[error("the carrier did not answer; the message may have been sent")]
    Unknown,
    /// The carrier refuses the sender: its credentials, its address, its account.
    #[error("the carrier refuses the sender")]
    Misconfigured,
    /// This adapter does not carry to this kind of address.
    #[error("there is no carrier for this channel")]
    Channel,
}

impl DeliveryError {
    /// An error of this kind without a source.
    #[must_use]
    pub const fn new(kind: DeliveryErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of this kind, caused by `source`, whose text must hold neither the address nor the code.
    pub fn with_source(kind: DeliveryErrorKind, source: impl Into<BoxError>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What the error is about.
    #[must_use]
    pub const fn kind(&self) -> DeliveryErrorKind {
        self.kind
    }
}

impl From<DeliveryErrorKind> for DeliveryError {
    fn from(kind: DeliveryErrorKind) -> Self {
        Self::new(kind)
    }
}

/// Carries codes and notices to people.
///
/// # Contract
/// - A: `carries` says at once, and always the same, whether messages of a channel are taken; of others `deliver` is
///   `Channel`.
/// - B: a call hands over at most one message, whatever is tried again inside: after an attempt that may have handed it over
///   nothing is tried again, and the error is `Unknown`.
/// - C: a call ends by itself within a bound that the adapter names, also when the carrier never answers.
/// - D: neither the address nor the code is in an error, in its source, in a log line or in `Debug`.
/// - E: the message says the code once, what it is for and how long it is good, and holds no link.
#[async_trait]
pub trait OtpDelivery: fmt::Debug + Send + Sync + 'static {
    /// Whether messages of this channel are taken.
    fn carries(&self, channel: Channel) -> bool;

    /// Hands a message over.
    ///
    /// # Errors
    /// Why it was not, or not surely, handed over.
    async fn deliver(&self, message: &DeliveryMessage) -> Result<DeliveryReceipt, DeliveryError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_mailboxes_have_one_form() {
        let of = |channel, text: &str| {
            DeliveryAddress::new(channel, text)
                .ok()
                .map(|address| address.expose().to_owned())
        };
        let sms = |text| of(Channel::Sms, text);
        let email = |text| of(Channel::Email, text);
        assert_eq!(sms("+436641234567").as_deref(), Some("+436641234567"));
        for bad in [
            "",
            "+",
            "436641234567",
            "+0436641234",
            "+1234567",
            "+1234567890123456",
            "+43 664 123456",
            "+43664123456a",
            "+43664123456\n",
            "++43664123456",
            "+٤٣٦٦٤١٢٣٤٥٦",
        ] {
            assert_eq!(sms(bad), None, "{bad:?}");
        }
        assert_eq!(
            email("A.b+c@MAIL.Example.com").as_deref(),
            Some("A.b+c@mail.example.com")
        );
        let long = format!("a@{}.example", "b".repeat(64));
        let longer = format!("a@{}example", "b.".repeat(126));
        for bad in [
            "",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a@b.",
            "a@.b",
            "a@-b.c",
            "a@b-.c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@b@c.d",
            "a b@c.d",
            "\"a\"@b.c",
            "a@[127.0.0.1]",
            "a@b.c\r\nBcc: d@e.f",
            "a@b.c,d@e.f",
            "<a@b.c>",
            "ä@b.c",
            "a@ä.c",
            &long,
            &longer,
            &format!("{}@b.c", "a".repeat(65)),
        ] {
            assert_eq!(email(bad), None, "{bad:?}");
        }
    }

    /// R-94, B-78: one person is one budget, and no log shows who.
    #[test]
    fn an_address_is_masked_and_has_one_canonical_form() {
        let address = |channel, text| DeliveryAddress::new(channel, text).unwrap();
        let (one, two) = (
            address(Channel::Email, "Alice@example.com"),
            address(Channel::Email, "alice@EXAMPLE.com"),
        );
        assert_eq!(one.canonical(), two.canonical());
        assert_eq!(format!("{one:?}"), "DeliveryAddress(email, ..)");
        let phone = address(Channel::Sms, "+436641234567");
        assert_eq!(phone.masked(), "***67");
        assert_eq!(format!("{phone:?}"), "DeliveryAddress(sms, ..)");
    }

    #[test]
    fn channels_are_known_by_their_word() {
        for channel in Channel::ALL {
            assert_eq!(Channel::from_name(channel.as_str()), Some(*channel));
        }
        assert_eq!(Channel::from_name("SMS"), None);
    }
}
