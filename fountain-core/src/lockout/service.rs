use std::sync::Arc;

use super::{
    AttemptOutcome, KnownDevice, LockoutAttempt, LockoutBuilder, LockoutKey, LockoutRules,
    LockoutStore,
};
use crate::access::Authority;
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;
use crate::identity::{Actor, LoginName, Subject, Tenant};
use crate::metrics::Labelled;
use crate::random::Random;
use crate::secret::{Digest, Pepper};

/// What is attempted: each kind has a budget of its own, so that wrong passwords do not use up the codes, nor the other way round
/// (L-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AttemptKind {
    /// A password.
    Password,
    /// A one-time password of whatever factor.
    Otp,
    /// A recovery code.
    Recovery,
}

impl AttemptKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[Self::Password, Self::Otp, Self::Recovery];

    /// Its label, in metrics and in the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Otp => "otp",
            Self::Recovery => "recovery",
        }
    }

    const fn index(self) -> usize {
        // A fieldless enum's discriminants count up from 0.
        self as usize
    }
}

/// Whose attempts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// A subject that exists.
    Subject(&'a Subject),
    /// A name that nobody has: counted like any other, so that no answer tells that nobody has it (R-63).
    Unknown(&'a LoginName),
}

/// Counts attempts, locks, and unlocks. Cheap to clone; clones are one service.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::lockout::{AttemptKind, Lockout, Whose};
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::{Actor, Pepper, Subject, Tenant};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let pepper = Pepper::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64");
/// let lockout = Lockout::builder(Arc::new(MemoryStore::new()), pepper).build()?;
/// let (tenant, alice) = (Tenant::default(), Subject::new("alice")?);
///
/// for _ in 0..5 {
///     let counted = lockout.attempt(&tenant, Whose::Subject(&alice), AttemptKind::Password, None).await?;
///     assert!(counted.is_some()); // and now, only now, the password is looked at, and is wrong
/// }
/// // the right password would not be looked at any more
/// assert!(lockout.attempt(&tenant, Whose::Subject(&alice), AttemptKind::Password, None).await?.is_none());
/// assert!(lockout.locked_until(&tenant, Whose::Subject(&alice), None).await?.is_some());
///
/// // at home, where alice signed in before, she has attempts of her own
/// let cookie = lockout.remember_device(&tenant, &alice)?;
/// let home = lockout.known_device(&tenant, &alice, cookie.expose()).expect("genuine");
/// let counted = lockout.attempt(&tenant, Whose::Subject(&alice), AttemptKind::Password, Some(&home)).await?;
/// lockout.succeeded(counted.expect("not locked at home"), Actor::Subject(alice)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lockout(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Arc<dyn LockoutStore>,
    pub(super) pepper: Pepper,
    pub(super) rules: Rules,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) metrics: Metrics,
}

/// The rules of each kind of attempt, and of a single authenticator.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) password: LockoutRules,
    pub(super) otp: LockoutRules,
    pub(super) recovery: LockoutRules,
    pub(super) authenticator: LockoutRules,
}

#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) counted: Labelled,
    pub(super) refused: Labelled,
    pub(super) locked: Labelled,
}

/// An attempt that was counted, and may be judged now: the right to do so once.
///
/// Hand it to [`Lockout::succeeded`] if the attempt was right. If it was not, drop it: it was counted before it was judged, and
/// stays so whatever becomes of the caller (R-51).
#[derive(Debug)]
#[must_use = "an attempt that was right clears what was counted: see `Lockout::succeeded`"]
pub struct CountedAttempt {
    tenant: Tenant,
    key: LockoutKey,
    target: (&'static str, String),
    label: &'static str,
    failures: u32,
    locked_until: Option<Timestamp>,
}

impl CountedAttempt {
    /// Attempts up to this one since the last that was right, or since the last lock ended.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The end of the lock that began with this attempt, if one did: it stands unless the attempt turns out right.
    #[must_use]
    pub const fn locked_until(&self) -> Option<Timestamp> {
        self.locked_until
    }
}

impl Lockout {
    /// Starts to wire one; see [`LockoutBuilder`] for what is chosen unless told otherwise.
    pub fn builder(store: Arc<dyn LockoutStore>, pepper: Pepper) -> LockoutBuilder {
        LockoutBuilder::new(store, pepper)
    }

    /// Counts an attempt that is about to be judged; none when it must not be, since a lock stands.
    ///
    /// On a known device of the subject its own attempts are counted, and the account's lock does not matter.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer: nothing may be judged then. `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, the attempt was counted or was not; nothing was judged.
    pub async fn attempt(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        kind: AttemptKind,
        device: Option<&KnownDevice>,
    ) -> Result<Option<CountedAttempt>, Error> {
        let key = self.key(tenant, whose, kind, device);
        let rules = match kind {
            AttemptKind::Password => self.0.rules.password,
            AttemptKind::Otp => self.0.rules.otp,
            AttemptKind::Recovery => self.0.rules.recovery,
        };
        let counted = self
            .count(
                tenant,
                (key, kind.as_str()),
                self.target(tenant, whose),
                rules,
            )
            .await?;
        let Metrics {
            counted: counts,
            refused,
            locked,
        } = &self.0.metrics;
        let (index, label) = (kind.index(), kind.as_str());
        match &counted {
            None => refused.increment(index, label),
            Some(attempt) => {
                counts.increment(index, label);
                if attempt.locked_until.is_some() {
                    locked.increment(index, label);
                }
            }
        }
        Ok(counted)
    }

    /// Counts an attempt at one authenticator, beside [`attempt`](Self::attempt): after so many one after the other without one
    /// that is right it is to be disabled, and bound anew (R-51). None when that many were counted before.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    ///
    /// # Cancel safety
    /// As [`attempt`](Self::attempt).
    pub async fn attempt_at_authenticator(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        authenticator: &str,
    ) -> Result<Option<CountedAttempt>, Error> {
        let key = (
            self.authenticator_key(tenant, subject, authenticator),
            "authenticator",
        );
        let target = ("authenticator", authenticator.to_owned());
        self.count(tenant, key, target, self.0.rules.authenticator)
            .await
    }

    /// The attempt was right: what was counted for it is cleared, and a lock that began with it ends.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer: then nobody may be let in, and the attempt stays counted. `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, it was cleared or stays counted.
    pub async fn succeeded(&self, attempt: CountedAttempt, who: Actor) -> Result<(), Error> {
        let (kind, id) = &attempt.target;
        let event = self
            .event(&attempt.tenant, who, AuditAction::LockCleared)?
            .target(kind, id)
            .detail("kind", attempt.label)
            .detail("why", "the attempt was right");
        self.0
            .store
            .clear(&attempt.tenant, &[attempt.key], event)
            .await?;
        Ok(())
    }

    /// The end of the lock that lasts longest, of all kinds of attempts; none when none stands. For every path that ends in a
    /// token without an attempt of its own (R-64).
    ///
    /// On a known device the locks of that device are looked at, and not those of the account.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer: treat it as locked.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn locked_until(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        device: Option<&KnownDevice>,
    ) -> Result<Option<Timestamp>, Error> {
        let keys = self.keys(tenant, whose, device);
        let now = self.0.clock.now();
        Ok(self.0.store.locked_until(tenant, &keys, now).await?)
    }

    /// Ends every lock of a subject's account and forgets what was counted for it. `false` when there was nothing.
    ///
    /// Authenticators that were disabled stay so: they are to be bound anew.
    ///
    /// # Errors
    /// `NotFound` in another tenant; `Unavailable` when the store does not answer; `Entropy`.
    ///
    /// # Cancel safety
    /// When dropped, all of it was cleared with its event, or nothing.
    ///
    /// # Security
    /// Whether `by` may unlock anybody is for the host's requirement to say.
    pub async fn unlock(
        &self,
        by: impl Into<Authority<'_>>,
        tenant: &Tenant,
        subject: &Subject,
    ) -> Result<bool, Error> {
        let by = by.into();
        by.reaches(tenant)?;
        let keys = self.keys(tenant, Whose::Subject(subject), None);
        let event = self
            .event(tenant, by.actor(), AuditAction::LockCleared)?
            .target("subject", subject)
            .detail("why", "unlocked");
        Ok(self.0.store.clear(tenant, &keys, event).await?)
    }

    /// Forgets what was counted for an authenticator that is no more, and whose id nothing ever has again.
    pub(crate) async fn forget_authenticator(
        &self,
        who: Actor,
        tenant: &Tenant,
        subject: &Subject,
        authenticator: &str,
    ) -> Result<(), Error> {
        let key = self.authenticator_key(tenant, subject, authenticator);
        let event = self
            .event(tenant, who, AuditAction::LockCleared)?
            .target("authenticator", authenticator)
            .detail("why", "the authenticator was removed");
        self.0.store.clear(tenant, &[key], event).await?;
        Ok(())
    }

    fn authenticator_key(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        authenticator: &str,
    ) -> LockoutKey {
        let whose = Whose::Subject(subject);
        LockoutKey::new(self.keyed("authenticator", tenant, whose, &[authenticator]))
    }

    async fn count(
        &self,
        tenant: &Tenant,
        (key, label): (LockoutKey, &'static str),
        target: (&'static str, String),
        rules: LockoutRules,
    ) -> Result<Option<CountedAttempt>, Error> {
        let event = |action| -> Result<AuditEvent, Error> {
            Ok(self
                .event(tenant, Actor::Anonymous, action)?
                .target(target.0, &target.1)
                .detail("kind", label))
        };
        let on_counted = event(AuditAction::AttemptCounted)?;
        let attempt = LockoutAttempt {
            tenant: tenant.clone(),
            key,
            rules,
            now: on_counted.at,
            on_counted,
            on_locked: event(AuditAction::Locked)?,
        };
        Ok(match self.0.store.attempt(attempt).await? {
            AttemptOutcome::Locked { .. } => None,
            AttemptOutcome::Counted {
                failures,
                locked_until,
            } => Some(CountedAttempt {
                tenant: tenant.clone(),
                key,
                target,
                label,
                failures,
                locked_until,
            }),
        })
    }

    fn keys(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        device: Option<&KnownDevice>,
    ) -> Vec<LockoutKey> {
        let kinds = AttemptKind::ALL.iter();
        kinds
            .map(|kind| self.key(tenant, whose, *kind, device))
            .collect()
    }

    fn key(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        kind: AttemptKind,
        device: Option<&KnownDevice>,
    ) -> LockoutKey {
        // Another subject's device is not known here: its attempts are the account's.
        let device = device.filter(|device| {
            matches!(whose, Whose::Subject(subject) if device.owner == (tenant.clone(), subject.clone()))
        });
        let digest = match device {
            Some(device) => self.keyed("device", tenant, whose, &[kind.as_str(), &device.id]),
            None => self.keyed("account", tenant, whose, &[kind.as_str()]),
        };
        LockoutKey::new(digest)
    }

    /// A digest of all of this.
    pub(super) fn keyed(
        &self,
        label: &str,
        tenant: &Tenant,
        whose: Whose<'_>,
        more: &[&str],
    ) -> Digest {
        let whose = match whose {
            Whose::Subject(subject) => ["subject", subject.as_str()],
            Whose::Unknown(name) => ["name", name.as_str()],
        };
        let parts = [label, tenant.as_str()].into_iter().chain(whose);
        self.digest(parts.chain(more.iter().copied()))
    }

    /// A digest of all of this, each part with its length before it, so that no two lists of parts are written alike.
    pub(super) fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Digest {
        let mut text = b"fountain lockout 1".to_vec();
        for part in parts {
            text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Digest::keyed(&self.0.pepper, &text)
    }

    /// What the trail calls it. A name that nobody has may be anything that was typed, a password too, so that only a digest of it
    /// under the pepper is written (R-94).
    fn target(&self, tenant: &Tenant, whose: Whose<'_>) -> (&'static str, String) {
        match whose {
            Whose::Subject(subject) => ("subject", subject.as_str().to_owned()),
            Whose::Unknown(_) => {
                let digest = self.keyed("target", tenant, whose, &[]);
                let text = base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes());
                ("unknown_name", text.chars().take(22).collect())
            }
        }
    }

    fn event(
        &self,
        tenant: &Tenant,
        actor: Actor,
        action: AuditAction,
    ) -> Result<AuditEvent, Error> {
        let now = self.0.clock.now();
        AuditEvent::new(&*self.0.random, now, tenant.clone(), actor, action)
    }
}
