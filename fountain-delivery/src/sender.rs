//! Whether a domain may send mails that arrive: its SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489), as findings.

use std::fmt;

use async_trait::async_trait;
use fountain_core::Error;

mod dkim;
mod dmarc;
mod dns;
mod spf;

pub use dns::Dns;

/// Looks up TXT records. [`Dns`] asks a resolver; tests answer by themselves.
#[async_trait]
pub trait TxtLookup: fmt::Debug + Send + Sync + 'static {
    /// The TXT records of this name, the strings of each one joined; none when there is no such name.
    ///
    /// # Errors
    /// When nobody answered: then it is not known whether there is one.
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookupFailed>;
}

/// No name server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no name server answered")]
pub struct LookupFailed;

/// Something that a receiver may hold against a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub what: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// The name whose records it is about.
    pub name: String,
    /// What to do.
    pub hint: &'static str,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Could be better.
    Note,
    /// Some receivers will treat mails worse.
    Warning,
    /// Mails will be lost, or anybody can write in the domain's name.
    Error,
}

/// What a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// Nobody answered: nothing is known of this name.
    Unanswered,
    /// There is no SPF record.
    SpfMissing,
    /// There is more than one, which counts as none.
    SpfTwice,
    /// It has a term that receivers do not know.
    SpfUnreadable,
    /// It does not say what becomes of everybody else.
    SpfOpenEnded,
    /// It, or one that it includes, allows everybody.
    SpfAllowsAll,
    /// It needs more than 10 look-ups, which counts as none.
    SpfTooManyLookups,
    /// It includes or redirects to a name without a record, which counts as none.
    SpfIncludeMissing,
    /// No DKIM selector was named to be looked at.
    DkimUnchecked,
    /// There is no record for the selector.
    DkimMissing,
    /// There is more than one.
    DkimTwice,
    /// It cannot be read, or its key cannot.
    DkimUnreadable,
    /// Its key was revoked.
    DkimRevoked,
    /// Its key has fewer than 2048 bits.
    DkimWeak,
    /// It is in test mode: signatures do not count.
    DkimTesting,
    /// It holds another key than the one that signs.
    DkimOtherKey,
    /// There is no DMARC record.
    DmarcMissing,
    /// There is more than one, which counts as none.
    DmarcTwice,
    /// It cannot be read.
    DmarcUnreadable,
    /// Its policy is to do nothing.
    DmarcPolicyNone,
    /// Its policy is for a part of the mails.
    DmarcPartial,
    /// Nobody is sent reports.
    DmarcNoReports,
    /// A DKIM domain is not the sender's in the way that the record demands.
    DmarcUnaligned,
}

/// A domain that mails are from, and the selectors that sign them.
///
/// ```
/// use async_trait::async_trait;
/// use fountain_delivery::sender::{FindingKind, LookupFailed, SenderDomain, Severity, TxtLookup};
///
/// #[derive(Debug)]
/// struct Zone;
/// #[async_trait]
/// impl TxtLookup for Zone {
///     async fn txt(&self, name: &str) -> Result<Vec<String>, LookupFailed> {
///         Ok(match name {
///             "example.com" => vec!["v=spf1 ip4:192.0.2.1 -all".into()],
///             "_dmarc.example.com" => vec!["v=DMARC1; p=none; rua=mailto:d@example.com".into()],
///             "s1._domainkey.example.com" => vec!["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".into()],
///             _ => vec![],
///         })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fountain_core::Error> {
/// let findings = SenderDomain::new("example.com")?.selector("s1")?.check(&Zone).await;
/// let [finding] = findings.as_slice() else { panic!() };
/// assert_eq!((finding.what, finding.severity), (FindingKind::DmarcPolicyNone, Severity::Warning));
/// assert!(finding.hint.contains("p=quarantine"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SenderDomain {
    domain: String,
    keys: Vec<dkim::Selector>,
}

impl SenderDomain {
    /// A domain in ASCII.
    ///
    /// # Errors
    /// `InvalidInput` when it is none.
    pub fn new(domain: &str) -> Result<Self, Error> {
        Ok(Self {
            domain: checked(domain, 2)?,
            keys: Vec::new(),
        })
    }

    /// Looks at this selector of the domain too.
    ///
    /// # Errors
    /// `InvalidInput` when it is none.
    pub fn selector(mut self, selector: &str) -> Result<Self, Error> {
        self.keys.push(dkim::Selector {
            domain: self.domain.clone(),
            selector: checked(selector, 1)?,
            record: None,
        });
        Ok(self)
    }

    /// Looks at the record of this key too, and whether it is this key that is published.
    #[cfg(feature = "smtp")]
    #[must_use]
    pub fn key(mut self, key: &crate::smtp::DkimKey) -> Self {
        self.keys.push(dkim::Selector {
            domain: key.domain().to_owned(),
            selector: key.selector().to_owned(),
            record: Some(key.record()),
        });
        self
    }

    /// Looks everything up, one after the other, and says what a receiver may hold against a mail. Nothing found is good.
    ///
    /// The worst stands first. At most 10 look-ups are made for SPF, 8 for DMARC and one for each selector.
    ///
    /// # Cancel safety
    /// Nothing is kept.
    pub async fn check(&self, lookup: &dyn TxtLookup) -> Vec<Finding> {
        let mut findings = Findings::default();
        spf::check(lookup, &self.domain, &mut findings).await;
        if self.keys.is_empty() {
            findings.add(
                FindingKind::DkimUnchecked,
                Severity::Warning,
                &self.domain,
                "name the selectors that sign, or sign with one",
            );
        }
        for key in &self.keys {
            key.check(lookup, &mut findings).await;
        }
        let signers = self.keys.iter().map(|key| key.domain.as_str());
        dmarc::check(lookup, &self.domain, signers, &mut findings).await;
        let mut found = findings.0;
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found
    }
}

fn checked(name: &str, labels: usize) -> Result<String, Error> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let valid =
        name.len() <= 200 && name.split('.').count() >= labels && name.split('.').all(label);
    valid
        .then(|| name.to_ascii_lowercase())
        .ok_or(Error::invalid(
            "domain or selector",
            "write it as it stands in DNS, in ASCII, such as example.com",
        ))
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: FindingKind, severity: Severity, name: &str, hint: &'static str) {
        let finding = Finding {
            what,
            severity,
            name: name.to_owned(),
            hint,
        };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// The records, or the finding that nobody answered.
    async fn look_up(&mut self, lookup: &dyn TxtLookup, name: &str) -> Option<Vec<String>> {
        let records = lookup.txt(name).await.ok();
        if records.is_none() {
            self.add(
                FindingKind::Unanswered,
                Severity::Error,
                name,
                "look whether the domain's name servers answer, and check again",
            );
        }
        records
    }
}

/// `a=b; c=d`: the tags in their order, names in lower case; none when a tag has no `=` or stands twice (RFC 6376 section 3.2).
fn tags(record: &str) -> Option<Vec<(String, &str)>> {
    let mut tags: Vec<(String, &str)> = Vec::new();
    for part in record.split(';').map(str::trim) {
        if part.is_empty() {
            continue;
        }
        let (name, value) = part.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        if tags.iter().any(|(of, _)| *of == name) {
            return None;
        }
        tags.push((name, value.trim()));
    }
    Some(tags)
}

fn tag<'a>(tags: &[(String, &'a str)], name: &str) -> Option<&'a str> {
    tags.iter()
        .find(|(of, _)| of == name)
        .map(|(_, value)| *value)
}
