use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::audit::AuditEvent;
use crate::change::{Change, RevocationKey};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{FamilyId, Subject, Tenant};
use crate::secret::Digest;
use crate::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, Revocation,
    RevocationQuery, RevocationStore, RevokeOutcome,
};

#[derive(Default)]
pub(super) struct Tokens {
    families: HashMap<FamilyId, Family>,
    by_digest: HashMap<Digest, FamilyId>,
    by_subject: HashMap<(Tenant, Subject), BTreeSet<FamilyId>>,
    by_end: BTreeSet<(Timestamp, FamilyId)>,
}

struct Family {
    family: RefreshFamily,
    tokens: HashMap<Digest, Token>,
}

struct Token {
    expires_at: Timestamp,
    spent: Option<Spent>,
}

struct Spent {
    at: Timestamp,
    successor: Digest,
    sealed_successor: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Revocations {
    all: HashMap<RevocationKey, Revocation>,
    by_end: BTreeSet<(Timestamp, RevocationKey)>,
}

impl Tokens {
    fn insert(&mut self, family: RefreshFamily, first: &RefreshTokenRecord) {
        self.by_digest.insert(first.digest, family.id.clone());
        self.by_end.insert((family.expires_at, family.id.clone()));
        self.by_subject
            .entry((family.tenant.clone(), family.subject.clone()))
            .or_default()
            .insert(family.id.clone());
        let token = Token {
            expires_at: first.expires_at.min(family.expires_at),
            spent: None,
        };
        self.families.insert(
            family.id.clone(),
            Family {
                family,
                tokens: HashMap::from([(first.digest, token)]),
            },
        );
    }

    fn find(&self, tenant: &Tenant, digest: &Digest) -> Option<(&Family, &Token)> {
        let family = self.families.get(self.by_digest.get(digest)?)?;
        let token = family.tokens.get(digest)?;
        (family.family.tenant == *tenant).then_some((family, token))
    }

    /// The families of a subject that are neither revoked nor expired.
    fn living_of(&self, owner: &(Tenant, Subject), now: Timestamp) -> Vec<FamilyId> {
        let ids = self.by_subject.get(owner).into_iter().flatten();
        ids.filter(|id| {
            self.families.get(*id).is_some_and(|family| {
                family.family.revoked_at.is_none() && now < family.family.expires_at
            })
        })
        .cloned()
        .collect()
    }

    fn remove(&mut self, id: &FamilyId) {
        let Some(Family { family, tokens }) = self.families.remove(id) else {
            return;
        };
        tokens.keys().for_each(|digest| {
            self.by_digest.remove(digest);
        });
        self.by_end.remove(&(family.expires_at, id.clone()));
        let owner = (family.tenant, family.subject);
        if let Some(ids) = self.by_subject.get_mut(&owner) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_subject.remove(&owner);
            }
        }
    }
}

impl Revocations {
    /// Adds a revocation or makes the one that stands stricter; `false` when it is as strict already.
    fn add(&mut self, revocation: Revocation) -> bool {
        let Revocation {
            key,
            mut not_before,
            mut expires_at,
        } = revocation;
        if let Some(standing) = self.all.get(&key) {
            if standing.not_before >= not_before && standing.expires_at >= expires_at {
                return false;
            }
            not_before = not_before.max(standing.not_before);
            expires_at = expires_at.max(standing.expires_at);
            self.by_end.remove(&(standing.expires_at, key.clone()));
        }
        self.by_end.insert((expires_at, key.clone()));
        self.all.insert(
            key.clone(),
            Revocation {
                key,
                not_before,
                expires_at,
            },
        );
        true
    }
}

/// How a use of a token is judged, in the order of the contract.
enum Verdict {
    Rotate,
    Repeat(Vec<u8>),
    Reuse,
    Revoked,
    Expired,
    Mismatched,
}

fn judge(family: &Family, token: &Token, attempt: &RefreshUse) -> Verdict {
    let same_holder =
        family.family.client == attempt.client && family.family.binding == attempt.binding;
    if family.family.revoked_at.is_some() {
        return Verdict::Revoked;
    }
    if let Some(spent) = &token.spent {
        let in_grace = !attempt.grace.is_zero() && attempt.now <= spent.at + attempt.grace;
        let successor_is_live = family
            .tokens
            .get(&spent.successor)
            .is_some_and(|successor| {
                successor.spent.is_none() && attempt.now < successor.expires_at
            });
        return if in_grace && successor_is_live && same_holder {
            Verdict::Repeat(spent.sealed_successor.clone())
        } else {
            Verdict::Reuse
        };
    }
    if attempt.now >= token.expires_at || attempt.now >= family.family.expires_at {
        return Verdict::Expired;
    }
    if !same_holder {
        return Verdict::Mismatched;
    }
    Verdict::Rotate
}

impl State {
    /// Ends a family and revokes its access tokens; gives the key of what it revoked.
    fn end_family(
        &mut self,
        id: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
    ) -> Option<RevocationKey> {
        let family = self.tokens.families.get_mut(id)?;
        family.family.revoked_at.get_or_insert(now);
        let key = RevocationKey::Family {
            tenant: family.family.tenant.clone(),
            id: id.clone(),
        };
        self.revocations.add(Revocation {
            key: key.clone(),
            not_before: now,
            expires_at: revoke_until,
        });
        Some(key)
    }

    /// As [`State::end_family`]; records `event`.
    fn end_one_family(
        &mut self,
        id: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) {
        if let Some(key) = self.end_family(id, now, revoke_until) {
            self.commit(event, Change::Revocation { key });
        }
    }
}

#[async_trait]
impl RefreshTokenStore for MemoryStore {
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut state = self.write();
        if state.tokens.families.contains_key(&family.id)
            || state.tokens.by_digest.contains_key(&first.digest)
        {
            return Ok(false);
        }
        self.room(state.tokens.by_digest.len(), 1)?;
        self.room_for_events(&state, 1)?;
        state.tokens.insert(family, &first);
        state.log.record(event);
        Ok(true)
    }

    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError> {
        let mut guard = self.write();
        let state = &mut *guard;
        let Some((family, token)) = state.tokens.find(&attempt.tenant, &attempt.presented) else {
            return Ok(RefreshOutcome::Unknown);
        };
        let verdict = judge(family, token, &attempt);
        let mut found = family.family.clone();
        match verdict {
            Verdict::Revoked => Ok(RefreshOutcome::Revoked),
            Verdict::Expired => Ok(RefreshOutcome::Expired),
            Verdict::Mismatched => Ok(RefreshOutcome::Mismatched),
            Verdict::Repeat(sealed_successor) => Ok(RefreshOutcome::Repeated {
                family: found,
                sealed_successor,
            }),
            Verdict::Reuse => {
                self.room(state.revocations.all.len(), 1)?;
                self.room_for_events(state, 1)?;
                state.end_one_family(
                    &found.id,
                    attempt.now,
                    attempt.revoke_until,
                    attempt.on_reuse,
                );
                found.revoked_at = Some(attempt.now);
                Ok(RefreshOutcome::Reused { family: found })
            }
            Verdict::Rotate => {
                if state
                    .tokens
                    .by_digest
                    .contains_key(&attempt.successor.digest)
                {
                    return Err(StoreErrorKind::Conflict.into());
                }
                self.room(state.tokens.by_digest.len(), 1)?;
                self.room_for_events(state, 1)?;
                let Some(family) = state.tokens.families.get_mut(&found.id) else {
                    return Ok(RefreshOutcome::Unknown);
                };
                if let Some(token) = family.tokens.get_mut(&attempt.presented) {
                    token.spent = Some(Spent {
                        at: attempt.now,
                        successor: attempt.successor.digest,
                        sealed_successor: attempt.sealed_successor,
                    });
                }
                family.tokens.insert(
                    attempt.successor.digest,
                    Token {
                        expires_at: attempt.successor.expires_at.min(found.expires_at),
                        spent: None,
                    },
                );
                state
                    .tokens
                    .by_digest
                    .insert(attempt.successor.digest, found.id.clone());
                state.log.record(attempt.on_rotated);
                Ok(RefreshOutcome::Rotated { family: found })
            }
        }
    }

    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        let state = self.read();
        Ok(state.tokens.find(tenant, token).map(|(family, token)| {
            let live = family.family.revoked_at.is_none()
                && token.spent.is_none()
                && now < token.expires_at
                && now < family.family.expires_at;
            (family.family.clone(), live)
        }))
    }

    async fn revoke_family(
        &self,
        tenant: &Tenant,
        family: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let mut state = self.write();
        let found = match state.tokens.families.get(family) {
            Some(found) if found.family.tenant == *tenant => &found.family,
            _ => return Ok(RevokeOutcome::NotFound),
        };
        if found.revoked_at.is_some() {
            return Ok(RevokeOutcome::AlreadyRevoked);
        }
        self.room(state.revocations.all.len(), 1)?;
        self.room_for_events(&state, 1)?;
        state.end_one_family(family, now, revoke_until, event);
        Ok(RevokeOutcome::Revoked)
    }

    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        let mut state = self.write();
        let owner = (tenant.clone(), subject.clone());
        let ending = state.tokens.living_of(&owner, now);
        if ending.is_empty() {
            return Ok(0);
        }
        self.room(state.revocations.all.len(), ending.len())?;
        self.room_for_events(&state, 1)?;
        for id in &ending {
            state.end_family(id, now, revoke_until);
        }
        let (tenant, subject) = owner;
        let key = RevocationKey::Subject { tenant, subject };
        state.commit(event, Change::Revocation { key });
        Ok(u64::try_from(ending.len()).unwrap_or(u64::MAX))
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut state = self.write();
        let ended: Vec<_> = state
            .tokens
            .by_end
            .iter()
            .take_while(|(end, _)| *end < before)
            .take(limit)
            .map(|(_, id)| id.clone())
            .collect();
        ended.iter().for_each(|id| state.tokens.remove(id));
        Ok(u64::try_from(ended.len()).unwrap_or(u64::MAX))
    }
}

#[async_trait]
impl RevocationStore for MemoryStore {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        let mut state = self.write();
        self.room(state.revocations.all.len(), 1)?;
        self.room_for_events(&state, 1)?;
        let key = revocation.key.clone();
        if !state.revocations.add(revocation) {
            return Ok(RevokeOutcome::AlreadyRevoked);
        }
        state.commit(event, Change::Revocation { key });
        Ok(RevokeOutcome::Revoked)
    }

    async fn is_revoked(&self, query: RevocationQuery<'_>) -> Result<bool, StoreError> {
        let state = self.read();
        let all = &state.revocations.all;
        let token = RevocationKey::Token {
            issuer: query.issuer.clone(),
            id: query.id.clone(),
        };
        let family = query.family.map(|id| RevocationKey::Family {
            tenant: query.tenant.clone(),
            id: id.clone(),
        });
        let subject = RevocationKey::Subject {
            tenant: query.tenant.clone(),
            subject: query.subject.clone(),
        };
        Ok(all.contains_key(&token)
            || family.is_some_and(|family| all.contains_key(&family))
            || all
                .get(&subject)
                .is_some_and(|revocation| query.issued_at < revocation.not_before))
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut state = self.write();
        let revocations = &mut state.revocations;
        let mut removed = 0;
        while removed < limit {
            match revocations.by_end.first() {
                Some((end, key)) if *end < before => {
                    revocations.all.remove(key);
                    revocations.by_end.pop_first();
                    removed += 1;
                }
                _ => break,
            }
        }
        Ok(u64::try_from(removed).unwrap_or(u64::MAX))
    }
}
