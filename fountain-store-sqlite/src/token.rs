use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::change::{Change, RevocationKey};
use fountain_core::identity::{FamilyId, Subject};
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshTokenStore, RefreshUse, Revocation,
    RevokeOutcome,
};
use fountain_core::{Digest, StoreError, StoreErrorKind, Tenant, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::revocation;
use crate::sql::{Fields, Query, changes, execute, json, query, row};
use crate::store::SqliteStore;
use crate::trail::Trail;

const FAMILIES: &str = "fountain_families";
const TOKENS: &str = "fountain_refresh_tokens";

/// A token, its family, and what became of its successor.
struct Found {
    family: RefreshFamily,
    expires_at: Timestamp,
    spent: Option<Spent>,
}

struct Spent {
    at: Timestamp,
    sealed_successor: Vec<u8>,
    /// When the successor expires, if it is unspent.
    successor_until: Option<Timestamp>,
}

fn select<'q>(tenant: &'q Tenant, token: &'q Digest) -> Query<'q> {
    query(
        "SELECT family.id, family.tenant, family.subject, family.client, family.scopes, family.roles,
                family.binding, family.assurance, family.created_at, family.expires_at, family.revoked_at,
                token.expires_at AS token_expires_at, token.spent_at, token.sealed_successor,
                next.expires_at AS successor_until
         FROM fountain_refresh_tokens AS token
         JOIN fountain_families AS family ON family.id = token.family
         LEFT JOIN fountain_refresh_tokens AS next ON next.digest = token.successor AND next.spent_at IS NULL
         WHERE token.digest = ?1 AND family.tenant = ?2",
    )
    .bind(token.as_bytes().as_slice())
    .bind(tenant.as_str())
}

fn decode(row: &SqliteRow) -> Result<Found, StoreError> {
    let token = Fields { row, table: TOKENS };
    let spent = match token.time_option("spent_at")? {
        None => None,
        Some(at) => Some(Spent {
            at,
            sealed_successor: token.value("sealed_successor")?,
            successor_until: token.time_option("successor_until")?,
        }),
    };
    Ok(Found {
        family: decode_family(&Fields {
            row,
            table: FAMILIES,
        })?,
        expires_at: token.time("token_expires_at")?,
        spent,
    })
}

fn decode_family(fields: &Fields<'_>) -> Result<RefreshFamily, StoreError> {
    Ok(RefreshFamily {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        subject: fields.parsed("subject")?,
        client: fields.parsed("client")?,
        scopes: fields.json("scopes")?,
        roles: fields.json("roles")?,
        binding: fields.digest_option("binding")?,
        assurance: fields.json("assurance")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time("expires_at")?,
        revoked_at: fields.time_option("revoked_at")?,
    })
}

/// How a use of a token is judged.
enum Verdict {
    Rotate,
    Repeat(Vec<u8>),
    Reuse,
    Revoked,
    Expired,
    Mismatched,
}

/// The checks, in the order of the contract.
fn judge(found: &Found, attempt: &RefreshUse) -> Verdict {
    let family = &found.family;
    let same_holder = family.client == attempt.client && family.binding == attempt.binding;
    if family.revoked_at.is_some() {
        return Verdict::Revoked;
    }
    if let Some(spent) = &found.spent {
        let in_grace = !attempt.grace.is_zero() && attempt.now <= spent.at + attempt.grace;
        let successor_is_live = spent
            .successor_until
            .is_some_and(|until| attempt.now < until);
        return if in_grace && successor_is_live && same_holder {
            Verdict::Repeat(spent.sealed_successor.clone())
        } else {
            Verdict::Reuse
        };
    }
    if attempt.now >= found.expires_at || attempt.now >= family.expires_at {
        return Verdict::Expired;
    }
    if !same_holder {
        return Verdict::Mismatched;
    }
    Verdict::Rotate
}

/// Spends the presented token and puts its successor in its place.
async fn replace(
    connection: &mut SqliteConnection,
    family: &RefreshFamily,
    attempt: &RefreshUse,
) -> Result<(), StoreError> {
    let spend = query(
        "UPDATE fountain_refresh_tokens SET spent_at = ?2, successor = ?3, sealed_successor = ?4 WHERE digest = ?1",
    )
    .bind(attempt.presented.as_bytes().as_slice())
    .bind(attempt.now.as_unix_micros())
    .bind(attempt.successor.digest.as_bytes().as_slice())
    .bind(attempt.sealed_successor.as_slice());
    execute(connection, spend).await?;
    add_token(connection, family, &attempt.successor).await
}

/// Adds a token. One whose digest exists is a `Conflict`, which undoes the whole step.
async fn add_token(
    connection: &mut SqliteConnection,
    family: &RefreshFamily,
    token: &RefreshTokenRecord,
) -> Result<(), StoreError> {
    let insert = query(
        "INSERT INTO fountain_refresh_tokens (digest, family, expires_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(token.digest.as_bytes().as_slice())
    .bind(family.id.as_str())
    .bind(token.expires_at.min(family.expires_at).as_unix_micros());
    if changes(connection, insert).await? {
        Ok(())
    } else {
        Err(StoreErrorKind::Conflict.into())
    }
}

/// Ends a family and revokes its access tokens.
async fn end(
    connection: &mut SqliteConnection,
    trail: Trail,
    key: RevocationKey,
    now: Timestamp,
    revoke_until: Timestamp,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    if let RevocationKey::Family { id, .. } = &key {
        let update = query(
            "UPDATE fountain_families SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
        )
        .bind(id.as_str())
        .bind(now.as_unix_micros());
        execute(connection, update).await?;
    }
    let revocation = Revocation {
        key,
        not_before: now,
        expires_at: revoke_until,
    };
    revocation::add(connection, &revocation).await?;
    let change = Change::Revocation {
        key: revocation.key,
    };
    trail.commit(connection, event, &change).await
}

fn key_of(family: &RefreshFamily) -> RevocationKey {
    RevocationKey::Family {
        tenant: family.tenant.clone(),
        id: family.id.clone(),
    }
}

#[async_trait]
impl RefreshTokenStore for SqliteStore {
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let taken = query("SELECT 1 FROM fountain_refresh_tokens WHERE digest = ?1")
                    .bind(first.digest.as_bytes().as_slice());
                if row(connection, taken).await?.is_some() {
                    return Ok(false);
                }
                let insert = query(
                    "INSERT INTO fountain_families (
                         id, tenant, subject, client, scopes, roles, binding, assurance, created_at, expires_at,
                         revoked_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind(family.id.as_str())
                .bind(family.tenant.as_str())
                .bind(family.subject.as_str())
                .bind(family.client.as_str())
                .bind(json(&family.scopes)?)
                .bind(json(&family.roles)?)
                .bind(family.binding.as_ref().map(|binding| binding.as_bytes().as_slice()))
                .bind(json(&family.assurance)?)
                .bind(family.created_at.as_unix_micros())
                .bind(family.expires_at.as_unix_micros())
                .bind(family.revoked_at.map(Timestamp::as_unix_micros));
                if !changes(connection, insert).await? {
                    return Ok(false);
                }
                add_token(connection, &family, &first).await?;
                trail.record(connection, &event).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let presented = select(&attempt.tenant, &attempt.presented);
                let Some(found) = row(connection, presented).await? else {
                    return Ok(RefreshOutcome::Unknown);
                };
                let found = decode(&found)?;
                let verdict = judge(&found, &attempt);
                let mut family = found.family;
                match verdict {
                    Verdict::Revoked => Ok(RefreshOutcome::Revoked),
                    Verdict::Expired => Ok(RefreshOutcome::Expired),
                    Verdict::Mismatched => Ok(RefreshOutcome::Mismatched),
                    Verdict::Repeat(sealed_successor) => Ok(RefreshOutcome::Repeated {
                        family,
                        sealed_successor,
                    }),
                    Verdict::Reuse => {
                        end(
                            connection,
                            trail,
                            key_of(&family),
                            attempt.now,
                            attempt.revoke_until,
                            &attempt.on_reuse,
                        )
                        .await?;
                        family.revoked_at = Some(attempt.now);
                        Ok(RefreshOutcome::Reused { family })
                    }
                    Verdict::Rotate => {
                        replace(connection, &family, &attempt).await?;
                        trail.record(connection, &attempt.on_rotated).await?;
                        Ok(RefreshOutcome::Rotated { family })
                    }
                }
            })
        })
        .await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError> {
        let found = self.readers().row(select(tenant, token)).await?;
        let found = found.as_ref().map(decode).transpose()?;
        Ok(found.map(|found| {
            let live = found.family.revoked_at.is_none()
                && found.spent.is_none()
                && now < found.expires_at
                && now < found.family.expires_at;
            (found.family, live)
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
        let (tenant, id, trail) = (tenant.clone(), family.clone(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                // Not decoded: a family that cannot be read can still be ended.
                let select = query(
                    "SELECT revoked_at IS NOT NULL AS revoked FROM fountain_families WHERE id = ?1 AND tenant = ?2",
                )
                .bind(id.as_str())
                .bind(tenant.as_str());
                let Some(found) = row(connection, select).await? else {
                    return Ok(RevokeOutcome::NotFound);
                };
                if (Fields { row: &found, table: FAMILIES }).value("revoked")? {
                    return Ok(RevokeOutcome::AlreadyRevoked);
                }
                let key = RevocationKey::Family { tenant, id };
                end(connection, trail, key, now, revoke_until, &event).await?;
                Ok(RevokeOutcome::Revoked)
            })
        })
        .await
    }

    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        let (tenant, subject, trail) = (tenant.clone(), subject.clone(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                revocation::add_families_of(connection, &tenant, &subject, now, revoke_until)
                    .await?;
                let update = query(
                    "UPDATE fountain_families SET revoked_at = ?3
                     WHERE tenant = ?1 AND subject = ?2 AND revoked_at IS NULL AND expires_at > ?3",
                )
                .bind(tenant.as_str())
                .bind(subject.as_str())
                .bind(now.as_unix_micros());
                let ended = execute(connection, update).await?.rows_affected();
                if ended > 0 {
                    let key = RevocationKey::Subject { tenant, subject };
                    trail
                        .commit(connection, &event, &Change::Revocation { key })
                        .await?;
                }
                Ok(ended)
            })
        })
        .await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.purge_in_batches(limit, move |batch| {
            query(
                "DELETE FROM fountain_families WHERE id IN (
                     SELECT id FROM fountain_families WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            )
            .bind(before.as_unix_micros())
            .bind(batch)
        })
        .await
    }
}
