//! Random sequences over few identifiers and few instants, so that calls meet each other's records and boundaries.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use fountain_core::access::SubjectRecord;
use fountain_core::api_key::{ApiKeyRecord, KeyId};
use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::change::RevocationKey;
use fountain_core::identity::{ClientId, FamilyId, Issuer, Kid, TokenId};
use fountain_core::lockout::LockoutKey;
use fountain_core::login::LoginName;
use fountain_core::otp::{ChallengeId, FactorId};
use fountain_core::signing::{KeyTransition, SigningKeyRecord, SigningKeyState};
use fountain_core::token::{RefreshFamily, RefreshTokenRecord, RefreshUse, Revocation};
use fountain_core::{Digest, Subject, Tenant, Timestamp};

use super::operation::{KeyChange, Operation, SubjectChange};
use crate::context::Context;
use crate::fixtures::{Fixtures, NOW, TICK, names};

mod login;

/// How many instants there are, one microsecond apart.
const INSTANTS: u32 = 8;

/// The identifiers of one random sequence.
#[derive(Debug)]
pub(crate) struct Walk {
    f: Fixtures,
    pub(super) tenants: Vec<Tenant>,
    pub(super) subjects: Vec<Subject>,
    pub(super) keys: Vec<KeyId>,
    pub(super) key_digests: Vec<Digest>,
    pub(super) issuers: Vec<Issuer>,
    kids: Vec<Kid>,
    families: Vec<FamilyId>,
    clients: Vec<ClientId>,
    token_ids: Vec<TokenId>,
    pub(super) digests: Vec<Digest>,
    pub(super) names: Vec<LoginName>,
    pub(super) factors: Vec<FactorId>,
    pub(super) challenges: Vec<ChallengeId>,
    /// Of recovery codes and of codes that were sent.
    pub(super) codes: Vec<Digest>,
    pub(super) lockout_keys: Vec<LockoutKey>,
    /// How many calls about locks there were.
    calls: AtomicU32,
}

fn some<T>(count: usize, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}

impl Walk {
    pub(crate) fn new(cx: &Context) -> Self {
        let f = cx.fixtures.clone();
        Self {
            tenants: some(2, || f.tenant()),
            subjects: some(3, || f.subject()),
            keys: some(5, || f.key_id()),
            key_digests: some(8, || f.digest()),
            issuers: some(2, || f.issuer()),
            kids: some(4, || f.kid()),
            families: some(3, || f.family_id()),
            clients: some(2, || f.client()),
            token_ids: some(2, || f.token_id()),
            digests: some(5, || f.digest()),
            names: some(3, || f.login_name()),
            factors: some(2, || f.factor_id()),
            challenges: some(2, || f.challenge_id()),
            codes: some(4, || f.digest()),
            lockout_keys: some(2, || f.lockout_key()),
            calls: AtomicU32::new(0),
            f,
        }
    }

    /// The tenant in which most happens.
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenants[0]
    }

    /// A random sequence of calls.
    pub(crate) fn operations(&self, count: usize) -> Vec<Operation> {
        some(count, || self.operation())
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> + use<> {
        (0..INSTANTS).map(|step| NOW + step * TICK)
    }

    pub(super) fn revocation_keys(&self) -> Vec<RevocationKey> {
        let mut keys = Vec::new();
        for tenant in &self.tenants {
            keys.extend(self.families.iter().map(|id| RevocationKey::Family {
                tenant: tenant.clone(),
                id: id.clone(),
            }));
            keys.extend(self.subjects.iter().map(|subject| RevocationKey::Subject {
                tenant: tenant.clone(),
                subject: subject.clone(),
            }));
        }
        for issuer in &self.issuers {
            keys.extend(self.token_ids.iter().map(|id| RevocationKey::Token {
                issuer: issuer.clone(),
                id: id.clone(),
            }));
        }
        keys
    }

    fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.f.below(from.len())].clone()
    }

    fn one_in(&self, chances: usize) -> bool {
        self.f.below(chances) == 0
    }

    fn time(&self) -> Timestamp {
        let steps: Vec<_> = self.times().collect();
        self.pick(&steps)
    }

    /// The first tenant most of the time.
    fn any_tenant(&self) -> Tenant {
        self.tenants[usize::from(self.one_in(5))].clone()
    }

    /// What the call names, or now and then something else, which contradicts it.
    fn seldom_another<T: Clone>(&self, all: &[T], named: &T) -> T {
        if self.one_in(10) {
            self.pick(all)
        } else {
            named.clone()
        }
    }

    fn event(&self, tenant: &Tenant) -> AuditEvent {
        let event = self.f.event(tenant, self.pick(AuditAction::ALL));
        AuditEvent {
            at: self.time(),
            ..event
        }
    }

    fn operation(&self) -> Operation {
        let tenant = self.any_tenant();
        let event = self.event(&tenant);
        match self.f.below(66) {
            0..4 => Operation::InsertKey(self.key(&tenant), event),
            4..7 => {
                let its_tenant = self.seldom_another(&self.tenants, &tenant);
                let successor = ApiKeyRecord {
                    predecessor: Some(self.pick(&self.keys)),
                    ..self.key(&its_tenant)
                };
                let times = [self.time(), self.time()];
                Operation::RotateKey(tenant, self.pick(&self.keys), successor, times, event)
            }
            7..9 => {
                let how = [KeyChange::Revoke, KeyChange::Disable, KeyChange::Enable];
                let id = self.pick(&self.keys);
                Operation::ChangeKey(tenant, id, self.pick(&how), self.time(), event)
            }
            9 => Operation::UseKeys(some(3, || (self.pick(&self.keys), self.time()))),
            10 => self.purge(),
            39 => Operation::FindKey(self.pick(&self.key_digests)),
            11..16 => {
                let behind = u64::from(self.one_in(8));
                let issuer = self.issuers[usize::from(self.one_in(5))].clone();
                let transition = self.transition(&self.seldom_another(&self.issuers, &issuer));
                Operation::Apply(issuer, behind, transition, self.time(), event)
            }
            16..18 | 31..33 => Operation::InsertFamily(self.family(&tenant), self.token(), event),
            18..23 | 33..39 => Operation::UseToken(Box::new(self.attempt(&tenant))),
            23 => {
                let times = [self.time(), self.time()];
                Operation::RevokeFamily(tenant, self.pick(&self.families), times, event)
            }
            24 => {
                let times = [self.time(), self.time()];
                Operation::RevokeSubject(tenant, self.pick(&self.subjects), times, event)
            }
            25..27 => {
                let revocation = Revocation {
                    key: self.pick(&self.revocation_keys()),
                    not_before: self.time(),
                    expires_at: self.time(),
                };
                Operation::Revoke(revocation, event)
            }
            27 => Operation::InsertSubject(self.subject(&tenant), event),
            28..31 => {
                let roles: Vec<_> = ["admin", "clerk"]
                    .into_iter()
                    .filter(|_| self.one_in(2))
                    .collect();
                let how = [
                    SubjectChange::Assign(names(&roles)),
                    SubjectChange::Disable,
                    SubjectChange::Enable,
                ];
                let keep = self.pick(&[None, Some("admin"), Some("nobody")]);
                let subject = self.pick(&self.subjects);
                Operation::ChangeSubject(tenant, subject, self.pick(&how), keep, self.time(), event)
            }
            41 => Operation::RecordAll(self.batch(event)),
            42.. => Operation::Login(self.login_operation()),
            _ => Operation::Record(event),
        }
    }

    /// None to four events of either tenant. One may be there twice, the second time changed.
    fn batch(&self, first: AuditEvent) -> Vec<AuditEvent> {
        let mut events = some(self.f.below(4), || self.event(&self.any_tenant()));
        if self.one_in(2) {
            events.insert(0, first.clone());
            let at = self.time();
            events.push(AuditEvent { at, ..first });
        }
        events
    }

    fn purge(&self) -> Operation {
        let purges = [
            Operation::PurgeKeys(self.time()),
            Operation::PurgeFamilies(self.time()),
            Operation::PurgeRevocations(self.time()),
        ];
        self.pick(&purges)
    }

    fn key(&self, tenant: &Tenant) -> ApiKeyRecord {
        ApiKeyRecord {
            id: self.pick(&self.keys),
            digest: self.pick(&self.key_digests),
            owner: self.pick(&self.subjects),
            created_at: self.time(),
            expires_at: self.time(),
            ..self.f.api_key(tenant)
        }
    }

    fn transition(&self, issuer: &Issuer) -> KeyTransition {
        let record = SigningKeyRecord {
            kid: self.pick(&self.kids),
            published_at: self.time(),
            activate_from: self.time(),
            ..self.f.signing_key(issuer)
        };
        let kid = self.pick(&self.kids);
        match self.f.below(7) {
            0..3 => KeyTransition::Publish(record),
            3..5 => KeyTransition::Activate {
                kid,
                remove_from: self.time(),
            },
            5 => KeyTransition::Remove { kid },
            _ => {
                let replacement = SigningKeyRecord {
                    state: SigningKeyState::Active,
                    activated_at: Some(self.time()),
                    ..record
                };
                KeyTransition::Revoke {
                    kid,
                    replacement: self.one_in(2).then_some(replacement),
                }
            }
        }
    }

    fn family(&self, tenant: &Tenant) -> RefreshFamily {
        RefreshFamily {
            id: self.pick(&self.families),
            subject: self.pick(&self.subjects),
            client: self.pick(&self.clients),
            expires_at: self.time() + TICK,
            ..self.f.family(tenant)
        }
    }

    fn token(&self) -> RefreshTokenRecord {
        RefreshTokenRecord {
            digest: self.pick(&self.digests),
            expires_at: self.time() + TICK,
        }
    }

    /// A use of a token that may be known, and offers one that may be known.
    fn attempt(&self, tenant: &Tenant) -> RefreshUse {
        let presented = self.pick(&self.digests);
        let mut attempt = RefreshUse {
            client: self.pick(&self.clients),
            now: self.time(),
            grace: self.pick(&[Duration::ZERO, TICK, 3 * TICK]),
            revoke_until: self.time(),
            ..self.f.use_of(&self.f.family(tenant), presented)
        };
        attempt.successor.expires_at = self.time() + TICK;
        attempt.successor.digest = self.pick(&self.digests);
        attempt
    }

    fn subject(&self, tenant: &Tenant) -> SubjectRecord {
        SubjectRecord {
            subject: self.pick(&self.subjects),
            created_at: self.time(),
            ..self.f.subject_record(tenant, &["admin"])
        }
    }
}
