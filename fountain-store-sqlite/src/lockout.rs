use std::collections::HashMap;

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutState,
    LockoutStore,
};
use fountain_core::{StoreError, StoreErrorKind, Tenant, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::budget::{self, Takes};
use crate::sql::{Fields, changes, execute, query, row};
use crate::store::SqliteStore;

const TABLE: &str = "fountain_lockouts";

/// How many keys or budgets one call may name.
const MOST_KEYS: usize = 16;

// One more parameter for each of MOST_KEYS; those that no key needs are NULL, which equals nothing.
macro_rules! of_keys {
    ($verb:literal) => {
        concat!(
            $verb,
            " FROM fountain_lockouts WHERE tenant = ?1 AND key IN (
                 ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        )
    };
}

fn decode(row: &SqliteRow) -> Result<LockoutState, StoreError> {
    let fields = Fields { row, table: TABLE };
    Ok(LockoutState {
        failures: fields.integer("failures")?,
        locks: fields.integer("locks")?,
        locked_until: fields.time_option("locked_until")?,
        forget_at: fields.time("forget_at")?,
    })
}

async fn standing(
    connection: &mut SqliteConnection,
    attempt: &LockoutAttempt,
) -> Result<Option<LockoutState>, StoreError> {
    let select = query(
        "SELECT failures, locks, locked_until, forget_at FROM fountain_lockouts WHERE tenant = ?1 AND key = ?2",
    )
    .bind(attempt.tenant.as_str())
    .bind(attempt.key.digest().as_bytes().as_slice());
    let found = row(connection, select).await?;
    found.as_ref().map(decode).transpose()
}

async fn put(
    connection: &mut SqliteConnection,
    attempt: &LockoutAttempt,
    state: LockoutState,
) -> Result<(), StoreError> {
    let upsert = query(
        "INSERT INTO fountain_lockouts (tenant, key, failures, locks, locked_until, forget_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant, key) DO UPDATE
         SET failures = excluded.failures, locks = excluded.locks, locked_until = excluded.locked_until,
             forget_at = excluded.forget_at",
    )
    .bind(attempt.tenant.as_str())
    .bind(attempt.key.digest().as_bytes().as_slice())
    .bind(i64::from(state.failures))
    .bind(i64::from(state.locks))
    .bind(state.locked_until.map(Timestamp::as_unix_micros))
    .bind(state.forget_at.as_unix_micros());
    execute(connection, upsert).await.map(drop)
}

/// The keys of a call as parameters; the rest of them is NULL.
fn key_parameters(keys: &[LockoutKey]) -> Result<[Option<[u8; 32]>; MOST_KEYS], StoreError> {
    check_count(keys.len())?;
    let mut parameters = [None; MOST_KEYS];
    for (parameter, key) in parameters.iter_mut().zip(keys) {
        *parameter = Some(*key.digest().as_bytes());
    }
    Ok(parameters)
}

fn check_count(count: usize) -> Result<(), StoreError> {
    if (1..=MOST_KEYS).contains(&count) {
        Ok(())
    } else {
        Err(StoreErrorKind::Conflict.into())
    }
}

#[async_trait]
impl LockoutStore for SqliteStore {
    async fn attempt(&self, attempt: LockoutAttempt) -> Result<AttemptOutcome, StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                let standing = standing(connection, &attempt).await?;
                let (next, outcome) = LockoutState::count(standing, attempt.rules, attempt.now);
                if let Some(next) = next {
                    put(connection, &attempt, next).await?;
                    trail.record(connection, &attempt.on_counted).await?;
                    if next.locked_until.is_some() {
                        trail.record(connection, &attempt.on_locked).await?;
                    }
                }
                Ok(outcome)
            })
        })
        .await
    }

    async fn locked_until(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let keys = key_parameters(keys)?;
        let select = query(of_keys!("SELECT failures, locks, locked_until, forget_at"))
            .bind(tenant.as_str());
        let select = keys.iter().fold(select, |select, key| {
            select.bind(key.as_ref().map(<[u8; 32]>::as_slice))
        });
        let mut latest = None;
        for row in &self.readers().rows(select).await? {
            latest = latest.max(decode(row)?.lock_at(now));
        }
        Ok(latest)
    }

    async fn clear(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        let (tenant, keys) = (tenant.clone(), key_parameters(keys)?);
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                // Not decoded: what cannot be read locks until it is cleared.
                let delete = query(of_keys!("DELETE")).bind(tenant.as_str());
                let delete = keys.iter().fold(delete, |delete, key| {
                    delete.bind(key.as_ref().map(<[u8; 32]>::as_slice))
                });
                if !changes(connection, delete).await? {
                    return Ok(false);
                }
                trail.record(connection, &event).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn take(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError> {
        check_count(budgets.len())?;
        let (tenant, budgets, trail) = (tenant.clone(), budgets.to_vec(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                let mut all: HashMap<LockoutKey, Takes> = HashMap::new();
                let mut until = now;
                for budget in &budgets {
                    let key = budget.key();
                    if !all.contains_key(key) {
                        all.insert(*key, budget::find(connection, &tenant, key, now).await?);
                    }
                    if let Some(takes) = all.get_mut(key) {
                        until = until.max(takes.admit(budget, now));
                    }
                }
                if until > now {
                    return Ok(BudgetOutcome::Exhausted { until });
                }
                for (key, takes) in all {
                    budget::put(connection, &tenant, &key, &takes.with_one_at(now)).await?;
                }
                trail.record(connection, &event).await?;
                Ok(BudgetOutcome::Taken)
            })
        })
        .await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let counts = self
            .purge_in_batches(limit, move |batch| {
                query(
                    "DELETE FROM fountain_lockouts WHERE (tenant, key) IN (
                         SELECT tenant, key FROM fountain_lockouts
                         WHERE forget_at < ?1 ORDER BY forget_at LIMIT ?2)",
                )
                .bind(before.as_unix_micros())
                .bind(batch)
            })
            .await?;
        let rest = limit.saturating_sub(usize::try_from(counts).unwrap_or(usize::MAX));
        let takes = self
            .purge_in_batches(rest, move |batch| {
                query(
                    "DELETE FROM fountain_budgets WHERE (tenant, key) IN (
                         SELECT tenant, key FROM fountain_budgets
                         WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
                )
                .bind(before.as_unix_micros())
                .bind(batch)
            })
            .await?;
        Ok(counts.saturating_add(takes))
    }
}
