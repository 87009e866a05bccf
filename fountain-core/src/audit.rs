//! The audit trail: who did what, when, to what, and how it ended (R-91).
//!
//! Every mutating store call takes the [`AuditEvent`] that it must record in the same atomic step, so
//! that there is no change without its trace and no trace without its change (R-92). Events never hold
//! a secret, a token or a code.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Reason};
use crate::identity::{Actor, Tenant};
use crate::random::Random;
use crate::text::{is_all, random_id, text_type};

mod bounds;
mod store;
pub use store::{AuditPage, AuditSequence, AuditStore, MAX_BATCH, RecordedEvent, check_batch};

text_type!(
    /// An audit event's own id: 22 base62 characters, 128 random bits.
    EventId,
    "event id",
    |t| is_all(t, 22, 22, |b| b.is_ascii_alphanumeric()),
    "it is made by Fountain"
);

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $label:literal,)+) => {
        /// What was done: a closed set, so that it can label a metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum AuditAction {
            $($(#[$doc])* #[serde(rename = $label)] $variant,)+
        }

        impl AuditAction {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name: the thing, a dot, what was done to it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

actions! {
    /// An API key was issued.
    ApiKeyIssued = "api_key.issued",
    /// An API key got a successor.
    ApiKeyRotated = "api_key.rotated",
    /// An API key was revoked.
    ApiKeyRevoked = "api_key.revoked",
    /// An API key was disabled.
    ApiKeyDisabled = "api_key.disabled",
    /// A disabled API key was enabled again.
    ApiKeyEnabled = "api_key.enabled",
    /// A signing key was published, not yet signing.
    SigningKeyPublished = "signing_key.published",
    /// A signing key began to sign; the one before it was retired.
    SigningKeyActivated = "signing_key.activated",
    /// A retired signing key was removed.
    SigningKeyRemoved = "signing_key.removed",
    /// A signing key was revoked in an emergency.
    SigningKeyRevoked = "signing_key.revoked",
    /// A token family began: a refresh token was issued.
    TokenIssued = "token.issued",
    /// A refresh token was used and replaced.
    TokenRefreshed = "token.refreshed",
    /// A spent refresh token came back; its family was ended.
    TokenReuseDetected = "token.reuse_detected",
    /// A token, a family or all of a subject's tokens were revoked.
    TokenRevoked = "token.revoked",
    /// A subject was registered.
    SubjectRegistered = "subject.registered",
    /// A subject's roles were changed.
    SubjectRolesAssigned = "subject.roles_assigned",
    /// A subject was disabled.
    SubjectDisabled = "subject.disabled",
    /// A disabled subject was enabled again.
    SubjectEnabled = "subject.enabled",
    /// A name and a password were registered.
    CredentialRegistered = "credential.registered",
    /// A password was set anew.
    PasswordChanged = "credential.password_changed",
    /// A password's hash was replaced by a stronger one of the same password.
    PasswordRehashed = "credential.rehashed",
    /// A name and its password were removed.
    CredentialRemoved = "credential.removed",
    /// The enrolment of a second factor began.
    FactorEnrolled = "factor.enrolled",
    /// A second factor was confirmed by a good code.
    FactorConfirmed = "factor.confirmed",
    /// A code of a second factor was accepted and taken.
    FactorUsed = "factor.used",
    /// A second factor was disabled for good.
    FactorDisabled = "factor.disabled",
    /// A second factor was removed.
    FactorRemoved = "factor.removed",
    /// A subject's recovery codes were made anew; older ones are good no more.
    RecoveryCodesReplaced = "recovery_codes.replaced",
    /// A recovery code was used.
    RecoveryCodeUsed = "recovery_codes.used",
    /// A subject was asked for a second factor.
    ChallengeIssued = "challenge.issued",
    /// An answer to a challenge was counted, before it was judged.
    ChallengeAttempted = "challenge.attempted",
    /// A code was sent, or is about to be.
    CodeIssued = "code.issued",
    /// A challenge was answered.
    ChallengeAnswered = "challenge.answered",
    /// A grant for one act was issued to a subject that had shown a second factor for it.
    StepUpGranted = "step_up.granted",
    /// A grant was spent on its act.
    StepUpRedeemed = "step_up.redeemed",
    /// An attempt at a password, a code or a recovery code was counted, before it was judged.
    AttemptCounted = "lockout.attempt_counted",
    /// A lock began, with the last attempt that was allowed.
    Locked = "lockout.locked",
    /// What was counted was cleared, and a lock ended with it: by an attempt that was right, or by an administrator.
    LockCleared = "lockout.cleared",
    /// A code or a notice was counted against the budgets of what may be sent, before it is.
    BudgetTaken = "lockout.budget_taken",
    /// A request was authenticated, or refused.
    Authenticated = "request.authenticated",
    /// A request was permitted, or refused.
    Authorized = "request.authorized",
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Refused,
}

/// One entry of the audit trail, before a store gives it its place in the sequence.
///
/// Its texts are short: 256 bytes without control characters, and 16 details at most. [`AuditEvent::detail`] and
/// [`AuditEvent::target`] see to that; an event that breaks it can be neither serialized nor deserialized.
///
/// ```
/// use fountain_core::{Actor, OsRandom, Tenant, Timestamp};
/// use fountain_core::audit::{AuditAction, AuditEvent};
///
/// let now = Timestamp::from_unix_seconds(1_700_000_000);
/// let event = AuditEvent::new(&OsRandom, now, Tenant::default(), Actor::System, AuditAction::ApiKeyRevoked)?
///     .target("api_key", "7Kq3nX0aVb2LmZ9T")
///     .detail("why", "found in a public repository");
/// assert_eq!(event.action.as_str(), "api_key.revoked");
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Its own id, chosen by the caller: recording the same id twice records it once (R-104).
    pub id: EventId,
    /// When, by the caller's clock.
    pub at: Timestamp,
    /// In which tenant.
    pub tenant: Tenant,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused, when it was.
    pub reason: Option<Reason>,
    /// What it was done to: a kind and an id.
    pub target: Option<Target>,
    /// The request that led to it.
    #[serde(default, with = "bounds::optional_text")]
    pub request_id: Option<String>,
    /// More, as short texts; never a secret. At most 16 entries of 256 bytes.
    #[serde(with = "bounds::details")]
    pub details: BTreeMap<String, String>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The kind of record, such as `api_key`.
    #[serde(with = "bounds::text")]
    pub kind: String,
    /// Its id.
    #[serde(with = "bounds::text")]
    pub id: String,
}

impl AuditEvent {
    /// An event that succeeded, without target or details.
    ///
    /// # Errors
    /// `Entropy` when no id can be made.
    pub fn new(
        random: &dyn Random,
        at: Timestamp,
        tenant: Tenant,
        actor: Actor,
        action: AuditAction,
    ) -> Result<Self, Error> {
        Ok(Self {
            id: EventId::new(random_id::<16>(random)?)?,
            at,
            tenant,
            actor,
            action,
            outcome: Outcome::Success,
            reason: None,
            target: None,
            request_id: None,
            details: BTreeMap::new(),
        })
    }

    /// What it is about.
    #[must_use]
    pub fn target(mut self, kind: &str, id: impl AsRef<str>) -> Self {
        self.target = Some(Target {
            kind: shorten(kind),
            id: shorten(id.as_ref()),
        });
        self
    }

    /// It was refused, for this reason.
    #[must_use]
    pub fn refused(mut self, reason: Reason) -> Self {
        self.outcome = Outcome::Refused;
        self.reason = Some(reason);
        self
    }

    /// One more detail. Control characters are escaped and long texts cut (R-95); past 16 details it is dropped.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if self.details.len() < bounds::MAX_DETAILS {
            self.details.insert(shorten(name), shorten(value.as_ref()));
        }
        self
    }
}

/// At most 256 bytes, control characters escaped, cut at a character.
fn shorten(text: &str) -> String {
    let mut short = String::with_capacity(text.len().min(bounds::MAX_TEXT));
    for c in text.chars() {
        let piece: String = if c.is_control() {
            c.escape_default().collect()
        } else {
            c.into()
        };
        if short.len() + piece.len() > bounds::MAX_TEXT {
            break;
        }
        short.push_str(&piece);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    fn event() -> AuditEvent {
        AuditEvent::new(
            &OsRandom,
            Timestamp::from_unix_seconds(1),
            Tenant::default(),
            Actor::Anonymous,
            AuditAction::Authenticated,
        )
        .unwrap()
    }

    /// B-70
    #[test]
    fn hostile_details_are_escaped_and_cut() {
        let event = event().detail("agent", format!("a\r\n\u{1b}[31m{}", "x".repeat(1_000_000)));
        let text = &event.details["agent"];
        assert!(
            text.len() <= 256 && !text.chars().any(char::is_control),
            "{text}"
        );
        assert!(text.starts_with("a\\r\\n\\u{1b}[31m"));
    }

    #[test]
    fn details_are_bounded_in_number() {
        let event = (0..100).fold(event(), |e, n| e.detail(&n.to_string(), "x"));
        assert_eq!(event.details.len(), 16);
    }

    #[test]
    fn an_event_survives_json() {
        let event = event().refused(Reason::KeyUnknown).target("api_key", "x");
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<AuditEvent>(&json).unwrap(), event);
    }

    /// R-95: what a store was made to hold by something else is not let in, and what cannot be read is not written.
    #[test]
    fn no_event_breaks_its_bounds_on_the_way_through_json() {
        let full = (0..16).fold(event(), |event, n| {
            event.detail(&format!("{n:0256}"), "x".repeat(256))
        });
        let full = AuditEvent {
            request_id: Some("r".repeat(256)),
            ..full.target(&"k".repeat(256), "i".repeat(256))
        };
        let json = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<AuditEvent>(&json).unwrap(), full);

        let broken: [fn(&mut AuditEvent); 6] = [
            |e| _ = e.details.insert("one more".into(), String::new()),
            |e| _ = e.details.insert(format!("{:0256}", 0), "x".repeat(257)),
            |e| _ = e.details.insert(format!("{:0256}", 0), "a\nb".into()),
            |e| e.target.as_mut().unwrap().kind.push('x'),
            |e| e.target.as_mut().unwrap().id.push('x'),
            |e| e.request_id.as_mut().unwrap().push('x'),
        ];
        for breach in broken {
            let mut event = full.clone();
            breach(&mut event);
            assert!(serde_json::to_string(&event).is_err());
            let mut value = serde_json::to_value(&full).unwrap();
            value["details"] = event
                .details
                .iter()
                .map(|(n, v)| (n.clone(), v.clone().into()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let target = event.target.as_ref().unwrap();
            value["target"] = serde_json::json!({ "kind": target.kind, "id": target.id });
            value["request_id"] = event.request_id.clone().into();
            assert!(serde_json::from_value::<AuditEvent>(value).is_err());
        }
    }
}
