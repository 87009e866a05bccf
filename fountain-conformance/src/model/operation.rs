//! One call of a random sequence, and what its answer says must have been recorded.

use std::collections::BTreeSet;

use fountain_core::access::{SubjectChangeOutcome, SubjectRecord};
use fountain_core::api_key::{
    ApiKeyRecord, InsertKeyOutcome, KeyChangeOutcome, KeyId, RotateKeyOutcome,
};
use fountain_core::audit::{AuditEvent, EventId};
use fountain_core::change::{Change, RecordedChange, RevocationKey};
use fountain_core::identity::{FamilyId, Issuer};
use fountain_core::lockout::{AttemptOutcome, BudgetOutcome};
use fountain_core::login::ReplaceOutcome;
use fountain_core::otp::{ChallengeOutcome, FactorOutcome};
use fountain_core::signing::{KeyTransition, TransitionOutcome};
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshUse, Revocation, RevokeOutcome,
};
use fountain_core::{Digest, StoreError, StoreErrorKind, Subject, Tenant, Timestamp};

use crate::context::Stores;

mod login;

pub(crate) use login::{ChallengeChange, FactorChange, LoginOperation};

/// How a key is changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyChange {
    Revoke,
    Disable,
    Enable,
}

/// How a subject is changed.
#[derive(Debug, Clone)]
pub(crate) enum SubjectChange {
    Assign(BTreeSet<String>),
    Disable,
    Enable,
}

/// A call with its arguments. Those that take an event carry it beside them.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    InsertKey(ApiKeyRecord, AuditEvent),
    RotateKey(Tenant, KeyId, ApiKeyRecord, [Timestamp; 2], AuditEvent),
    ChangeKey(Tenant, KeyId, KeyChange, Timestamp, AuditEvent),
    UseKeys(Vec<(KeyId, Timestamp)>),
    PurgeKeys(Timestamp),
    FindKey(Digest),
    /// Expects the generation that stands, or one that many before it (of an empty ring: after it).
    Apply(Issuer, u64, KeyTransition, Timestamp, AuditEvent),
    InsertFamily(RefreshFamily, RefreshTokenRecord, AuditEvent),
    UseToken(Box<RefreshUse>),
    RevokeFamily(Tenant, FamilyId, [Timestamp; 2], AuditEvent),
    RevokeSubject(Tenant, Subject, [Timestamp; 2], AuditEvent),
    PurgeFamilies(Timestamp),
    Revoke(Revocation, AuditEvent),
    PurgeRevocations(Timestamp),
    InsertSubject(SubjectRecord, AuditEvent),
    ChangeSubject(
        Tenant,
        Subject,
        SubjectChange,
        Option<&'static str>,
        Timestamp,
        AuditEvent,
    ),
    Login(LoginOperation),
    Record(AuditEvent),
    RecordAll(Vec<AuditEvent>),
}

/// The answer to a call, of whatever type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Key(InsertKeyOutcome),
    FoundKey(Option<Box<ApiKeyRecord>>),
    Rotate(RotateKeyOutcome),
    KeyChange(KeyChangeOutcome),
    Transition(TransitionOutcome),
    Use(RefreshOutcome),
    Revoke(RevokeOutcome),
    Subject(SubjectChangeOutcome),
    Replace(ReplaceOutcome),
    Factor(FactorOutcome),
    Challenge(ChallengeOutcome),
    Attempt(AttemptOutcome),
    Budget(BudgetOutcome),
    /// Recovery codes.
    Left(Option<u32>),
    Inserted(bool),
    Removed(bool),
    Count(u64),
    Done,
    /// The error of this kind, to this call. A contract demands it, so it is an answer like any other.
    Conflict(&'static str),
}

impl Outcome {
    /// The answer to a call that may be a `Conflict`.
    fn of<T>(call: &'static str, result: Result<T, StoreError>, answer: fn(T) -> Self) -> Self {
        match result {
            Err(error) if error.kind() == StoreErrorKind::Conflict => Self::Conflict(call),
            result => answer(result.unwrap()),
        }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) outcome: Outcome,
    /// What it must have recorded, in this order.
    pub(crate) events: Vec<AuditEvent>,
    /// What it must have appended to the feed.
    pub(crate) change: Option<Change>,
}

impl Answer {
    /// A call that recorded `event` and `change` if it says that it `changed` something.
    fn new(outcome: Outcome, changed: bool, event: &AuditEvent, change: Option<Change>) -> Self {
        Self {
            outcome,
            events: changed.then(|| event.clone()).into_iter().collect(),
            change: change.filter(|_| changed),
        }
    }

    /// What it must have appended to the feed, with the time of the event that it must have recorded.
    pub(crate) fn entry(&self) -> Option<RecordedChange> {
        let at = self.events.first().map(|event| event.at);
        let change = self.change.clone()?;
        Some(RecordedChange { change, at })
    }

    /// A call that records nothing.
    fn silent(outcome: Outcome) -> Self {
        Self {
            outcome,
            events: Vec::new(),
            change: None,
        }
    }
}

/// As many as there are.
const ALL: usize = 1000;

impl Operation {
    /// The ids of the events that it may record.
    pub(super) fn events(&self) -> Vec<EventId> {
        match self {
            Self::InsertKey(_, event)
            | Self::RotateKey(.., event)
            | Self::ChangeKey(.., event)
            | Self::Apply(.., event)
            | Self::InsertFamily(_, _, event)
            | Self::RevokeFamily(.., event)
            | Self::RevokeSubject(.., event)
            | Self::Revoke(_, event)
            | Self::InsertSubject(_, event)
            | Self::ChangeSubject(.., event)
            | Self::Record(event) => vec![event.id.clone()],
            Self::UseToken(attempt) => {
                vec![attempt.on_rotated.id.clone(), attempt.on_reuse.id.clone()]
            }
            Self::Login(operation) => operation.events(),
            Self::RecordAll(events) => events.iter().map(|event| event.id.clone()).collect(),
            Self::UseKeys(_)
            | Self::PurgeKeys(_)
            | Self::FindKey(_)
            | Self::PurgeFamilies(_)
            | Self::PurgeRevocations(_) => Vec::new(),
        }
    }

    /// Makes the call.
    pub(crate) async fn run(&self, s: &Stores) -> Answer {
        match self {
            Self::InsertKey(..)
            | Self::RotateKey(..)
            | Self::ChangeKey(..)
            | Self::UseKeys(..)
            | Self::PurgeKeys(..)
            | Self::FindKey(_) => self.run_on_keys(s).await,
            Self::InsertFamily(..)
            | Self::UseToken(..)
            | Self::RevokeFamily(..)
            | Self::RevokeSubject(..)
            | Self::PurgeFamilies(..) => self.run_on_families(s).await,
            Self::InsertSubject(..) | Self::ChangeSubject(..) => self.run_on_subjects(s).await,
            Self::Apply(issuer, behind, transition, now, event) => {
                let standing = s.signing.ring(issuer).await.unwrap().generation;
                let expected = standing.checked_sub(*behind).unwrap_or(1);
                let applied = s
                    .signing
                    .apply(issuer, expected, transition.clone(), *now, event.clone())
                    .await;
                let outcome = Outcome::of("apply", applied, Outcome::Transition);
                let applied = matches!(
                    outcome,
                    Outcome::Transition(TransitionOutcome::Applied { .. })
                );
                let change = Change::SigningKeys {
                    issuer: issuer.clone(),
                };
                Answer::new(outcome, applied, event, Some(change))
            }
            Self::Revoke(revocation, event) => {
                let outcome = s
                    .revocations
                    .revoke(revocation.clone(), event.clone())
                    .await
                    .unwrap();
                let revoked = outcome == RevokeOutcome::Revoked;
                let key = revocation.key.clone();
                let change = Change::Revocation { key };
                Answer::new(Outcome::Revoke(outcome), revoked, event, Some(change))
            }
            Self::PurgeRevocations(before) => {
                let removed = s.revocations.purge(*before, ALL).await.unwrap();
                Answer::silent(Outcome::Count(removed))
            }
            Self::Login(operation) => operation.run(s).await,
            Self::Record(event) => {
                s.audit.record(event.clone()).await.unwrap();
                Answer::new(Outcome::Done, true, event, None)
            }
            Self::RecordAll(events) => {
                s.audit.record_all(events.clone()).await.unwrap();
                let mut recorded: Vec<AuditEvent> = Vec::new();
                for event in events {
                    if recorded.iter().all(|other| other.id != event.id) {
                        recorded.push(event.clone());
                    }
                }
                Answer {
                    outcome: Outcome::Done,
                    events: recorded,
                    change: None,
                }
            }
        }
    }

    async fn run_on_keys(&self, s: &Stores) -> Answer {
        let change = |id: &KeyId| Some(Change::ApiKey { id: id.clone() });
        match self {
            Self::InsertKey(record, event) => {
                let outcome = s.keys.insert(record.clone(), event.clone()).await.unwrap();
                let inserted = outcome == InsertKeyOutcome::Inserted;
                Answer::new(Outcome::Key(outcome), inserted, event, change(&record.id))
            }
            Self::RotateKey(tenant, id, successor, [superseded_at, now], event) => {
                let (successor, event) = (successor.clone(), event.clone());
                let rotated = s
                    .keys
                    .rotate(tenant, id, successor, *superseded_at, *now, event.clone())
                    .await;
                let outcome = Outcome::of("rotate", rotated, Outcome::Rotate);
                let rotated = matches!(outcome, Outcome::Rotate(RotateKeyOutcome::Rotated { .. }));
                Answer::new(outcome, rotated, &event, change(id))
            }
            Self::ChangeKey(tenant, id, how, now, event) => {
                let outcome = match how {
                    KeyChange::Revoke => s.keys.revoke(tenant, id, *now, event.clone()).await,
                    KeyChange::Disable => s.keys.disable(tenant, id, *now, event.clone()).await,
                    KeyChange::Enable => s.keys.enable(tenant, id, event.clone()).await,
                };
                let outcome = outcome.unwrap();
                let changed = outcome == KeyChangeOutcome::Changed;
                Answer::new(Outcome::KeyChange(outcome), changed, event, change(id))
            }
            Self::UseKeys(uses) => {
                s.keys.record_use(uses).await.unwrap();
                Answer::silent(Outcome::Done)
            }
            Self::PurgeKeys(before) => {
                Answer::silent(Outcome::Count(s.keys.purge(*before, ALL).await.unwrap()))
            }
            Self::FindKey(digest) => {
                let found = s.keys.find_by_digest(digest).await.unwrap();
                Answer::silent(Outcome::FoundKey(found.map(Box::new)))
            }
            _ => unreachable!("only calls about keys come here"),
        }
    }

    async fn run_on_families(&self, s: &Stores) -> Answer {
        let change = |key| Some(Change::Revocation { key });
        let of_family = |tenant: &Tenant, id: &FamilyId| RevocationKey::Family {
            tenant: tenant.clone(),
            id: id.clone(),
        };
        match self {
            Self::InsertFamily(family, first, event) => {
                let (family, first) = (family.clone(), first.clone());
                let inserted = s
                    .refresh
                    .insert(family, first, event.clone())
                    .await
                    .unwrap();
                Answer::new(Outcome::Inserted(inserted), inserted, event, None)
            }
            Self::UseToken(attempt) => {
                let used = s.refresh.use_token((**attempt).clone()).await;
                let outcome = Outcome::of("use_token", used, Outcome::Use);
                let (event, change) = match &outcome {
                    Outcome::Use(RefreshOutcome::Rotated { .. }) => {
                        (Some(&attempt.on_rotated), None)
                    }
                    Outcome::Use(RefreshOutcome::Reused { family }) => (
                        Some(&attempt.on_reuse),
                        change(of_family(&family.tenant, &family.id)),
                    ),
                    _ => (None, None),
                };
                Answer {
                    outcome,
                    events: event.cloned().into_iter().collect(),
                    change,
                }
            }
            Self::RevokeFamily(tenant, id, [now, until], event) => {
                let outcome = s
                    .refresh
                    .revoke_family(tenant, id, *now, *until, event.clone())
                    .await;
                let outcome = outcome.unwrap();
                let revoked = outcome == RevokeOutcome::Revoked;
                let change = change(of_family(tenant, id));
                Answer::new(Outcome::Revoke(outcome), revoked, event, change)
            }
            Self::RevokeSubject(tenant, subject, [now, until], event) => {
                let ended = s
                    .refresh
                    .revoke_subject(tenant, subject, *now, *until, event.clone())
                    .await;
                let ended = ended.unwrap();
                let change = change(RevocationKey::Subject {
                    tenant: tenant.clone(),
                    subject: subject.clone(),
                });
                Answer::new(Outcome::Count(ended), ended > 0, event, change)
            }
            Self::PurgeFamilies(before) => {
                Answer::silent(Outcome::Count(s.refresh.purge(*before, ALL).await.unwrap()))
            }
            _ => unreachable!("only calls about families come here"),
        }
    }

    async fn run_on_subjects(&self, s: &Stores) -> Answer {
        let change = |tenant: &Tenant, subject: &Subject| {
            Some(Change::Subject {
                tenant: tenant.clone(),
                subject: subject.clone(),
            })
        };
        match self {
            Self::InsertSubject(record, event) => {
                let inserted = s
                    .subjects
                    .insert(record.clone(), event.clone())
                    .await
                    .unwrap();
                let change = change(&record.tenant, &record.subject);
                Answer::new(Outcome::Inserted(inserted), inserted, event, change)
            }
            Self::ChangeSubject(tenant, subject, how, keep, now, event) => {
                let (subjects, given) = (&s.subjects, event.clone());
                let outcome = match how {
                    SubjectChange::Assign(roles) => {
                        subjects
                            .assign(tenant, subject, roles.clone(), *keep, given)
                            .await
                    }
                    SubjectChange::Disable => {
                        subjects.disable(tenant, subject, *now, *keep, given).await
                    }
                    SubjectChange::Enable => subjects.enable(tenant, subject, given).await,
                };
                let outcome = outcome.unwrap();
                let changed = matches!(outcome, SubjectChangeOutcome::Changed(_));
                Answer::new(
                    Outcome::Subject(outcome),
                    changed,
                    event,
                    change(tenant, subject),
                )
            }
            _ => unreachable!("only calls about subjects come here"),
        }
    }
}
