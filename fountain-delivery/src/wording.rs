use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fountain_core::Error;
use fountain_core::otp::{ChallengePurpose, DeliveredCode, DeliveryContent, Notice};

/// Puts messages into words.
///
/// A code is to be said exactly once, with what it is for and how long it is good, and without a link. The adapters look
/// at the text and refuse, as `Misconfigured`, one with a link, with the code twice or without it.
///
/// ```
/// use fountain_core::otp::{DeliveryContent, Notice};
/// use fountain_delivery::{EmailText, Wording};
///
/// #[derive(Debug)]
/// struct German;
/// impl Wording for German {
///     fn sms(&self, content: &DeliveryContent) -> String {
///         match content {
///             DeliveryContent::Code { code, .. } => format!("{} ist Ihr Code. Sagen Sie ihn niemandem.", code.expose()),
///             _ => "An Ihrer Anmeldung wurde etwas geändert.".into(),
///         }
///     }
///     fn email(&self, content: &DeliveryContent) -> EmailText {
///         EmailText { subject: "Ihre Anmeldung".into(), body: self.sms(content) }
///     }
/// }
/// let notice = DeliveryContent::Notice(Notice::FactorRemoved);
/// assert!(German.sms(&notice).starts_with("An Ihrer"));
/// ```
pub trait Wording: fmt::Debug + Send + Sync + 'static {
    /// A text message: at most 480 characters. Those outside of GSM's alphabet make it dearer.
    fn sms(&self, content: &DeliveryContent) -> String;

    /// A mail.
    fn email(&self, content: &DeliveryContent) -> EmailText;
}

/// A mail's words. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailText {
    /// Its subject: one line of at most 120 characters, without the code, which locked screens would show.
    pub subject: String,
    /// Its body: plain text of at most 4,000 characters, lines ended by `\n`.
    pub body: String,
}

impl fmt::Debug for EmailText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailText(..)")
    }
}

/// English words: which service, the code, what for, how long, and that nobody else is to be told.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::Timestamp;
/// use fountain_core::otp::{ChallengePurpose, DeliveredCode, DeliveryContent, Digits};
/// use fountain_delivery::{English, Wording};
///
/// let content = DeliveryContent::Code {
///     code: DeliveredCode::parse("271828", Digits::Six).expect("six digits"),
///     purpose: ChallengePurpose::new("payout")?,
///     life: Duration::from_secs(300),
///     expires_at: Timestamp::from_unix_seconds(1_900_000_300),
/// };
/// let words = English::new("Example Shop")?.purpose("payout", "to pay out 120 EUR")?;
/// assert_eq!(
///     words.sms(&content),
///     "Example Shop: 271828 is your code to pay out 120 EUR. It is good for 5 minutes. Never tell anyone this code.",
/// );
///
/// // browsers offer the code on the pages of this domain only
/// let words = words.bound_to("shop.example")?;
/// assert!(words.sms(&content).ends_with("\n\n@shop.example #271828"));
///
/// assert!(English::new("Shop\r\nhttps://evil.example").is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct English {
    service: String,
    purposes: BTreeMap<ChallengePurpose, String>,
    domain: Option<String>,
}

impl English {
    /// Words in the name of this service: 1 to 40 characters on one line.
    ///
    /// # Errors
    /// `InvalidInput` when the name is of another form, or is a link.
    pub fn new(service: &str) -> Result<Self, Error> {
        let service = line(service, 40).ok_or(Error::invalid(
            "service name",
            "write 1 to 40 characters on one line, no address of a page",
        ))?;
        Ok(Self {
            service,
            purposes: BTreeMap::new(),
            domain: None,
        })
    }

    /// Says what codes of this purpose are for: words that follow "your code", such as `to change your address`.
    ///
    /// Without it a code of the purpose `login` is "to sign in" and every other "to confirm what you asked for".
    ///
    /// # Errors
    /// `InvalidInput` when the purpose is none, or the words are not 1 to 80 characters on one line.
    pub fn purpose(mut self, purpose: &str, words: &str) -> Result<Self, Error> {
        let words = line(words, 80).ok_or(Error::invalid(
            "purpose",
            "write 1 to 80 characters on one line, no address of a page",
        ))?;
        self.purposes.insert(ChallengePurpose::new(purpose)?, words);
        Ok(self)
    }

    /// Ends text messages with `@domain #code`, by which browsers and telephones offer the code on that domain's pages
    /// only (WICG, "Origin-bound one-time codes delivered via SMS"). It is the one place where the code is said then.
    ///
    /// # Errors
    /// `InvalidInput` when it is no domain.
    pub fn bound_to(mut self, domain: &str) -> Result<Self, Error> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if domain.len() > 100 || !domain.contains('.') || !domain.split('.').all(label) {
            return Err(Error::invalid(
                "domain",
                "write a domain in ASCII, such as shop.example",
            ));
        }
        self.domain = Some(domain.to_ascii_lowercase());
        Ok(self)
    }

    fn what_for(&self, purpose: &ChallengePurpose) -> &str {
        match self.purposes.get(purpose) {
            Some(words) => words,
            None if purpose.as_str() == "login" => "to sign in",
            None => "to confirm what you asked for",
        }
    }

    fn code_line(
        &self,
        code: &DeliveredCode,
        purpose: &ChallengePurpose,
        life: Duration,
    ) -> String {
        format!(
            "{} is your code {}. It is good for {}. Never tell anyone this code.",
            code.expose(),
            self.what_for(purpose),
            how_long(life),
        )
    }
}

impl Wording for English {
    fn sms(&self, content: &DeliveryContent) -> String {
        let service = &self.service;
        match (content, &self.domain) {
            (
                DeliveryContent::Code {
                    code,
                    purpose,
                    life,
                    ..
                },
                None,
            ) => format!("{service}: {}", self.code_line(code, purpose, *life)),
            (
                DeliveryContent::Code {
                    code,
                    purpose,
                    life,
                    ..
                },
                Some(domain),
            ) => format!(
                "{service}: below is your code {}. It is good for {}. Never tell anyone this code.\n\n@{domain} #{}",
                self.what_for(purpose),
                how_long(*life),
                code.expose(),
            ),
            (DeliveryContent::Notice(notice), _) => {
                format!("{service}: {} {NOT_YOU}", happened(*notice))
            }
            _ => format!("{service}: something about your sign-in changed. {NOT_YOU}"),
        }
    }

    fn email(&self, content: &DeliveryContent) -> EmailText {
        let service = &self.service;
        match content {
            DeliveryContent::Code {
                code,
                purpose,
                life,
                ..
            } => EmailText {
                subject: format!("Your code for {service}"),
                body: format!(
                    "{}\n\n{service} never asks for it by telephone or by mail. If you did not ask for a code, somebody may know \
                     your password: change it.\n",
                    self.code_line(code, purpose, *life),
                ),
            },
            DeliveryContent::Notice(notice) => EmailText {
                subject: format!("A change to your sign-in at {service}"),
                body: format!("{service}: {}\n\n{NOT_YOU}\n", happened(*notice)),
            },
            _ => EmailText {
                subject: format!("A change to your sign-in at {service}"),
                body: format!("{service}: something about your sign-in changed.\n\n{NOT_YOU}\n"),
            },
        }
    }
}

const NOT_YOU: &str = "If this was not you, contact us at once.";

fn happened(notice: Notice) -> String {
    match notice {
        Notice::RecoveryCodeUsed { left } => {
            format!("one of your recovery codes was used; {left} are left.")
        }
        Notice::RecoveryCodesReplaced => {
            "your recovery codes were replaced; the old ones are good no more.".into()
        }
        Notice::FactorConfirmed => "a second factor was added to your account.".into(),
        Notice::FactorRemoved => "a second factor was removed from your account.".into(),
        Notice::FactorDisabled => {
            "a second factor was switched off after too many wrong codes; set it up anew.".into()
        }
        _ => "something about your second factors changed.".into(),
    }
}

/// Whole minutes, never more than there are.
fn how_long(life: Duration) -> String {
    match life.as_secs() {
        seconds @ ..60 => format!("{seconds} seconds"),
        60..120 => "1 minute".into(),
        seconds => format!("{} minutes", seconds / 60),
    }
}

fn line(text: &str, max: usize) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let valid = (1..=max).contains(&text.chars().count())
        && text.trim().len() == text.len()
        && !text.chars().any(char::is_control)
        && !lower.contains("://")
        && !lower.contains("www.");
    valid.then(|| text.to_owned())
}
