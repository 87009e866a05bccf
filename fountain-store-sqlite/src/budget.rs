//! What was taken of budgets: one row for each key, with all that count.

use std::time::Duration;

use fountain_core::lockout::{IssueBudget, LockoutKey};
use fountain_core::{StoreError, Tenant, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::error::corrupt;
use crate::sql::{Fields, execute, json, query, row};

const TABLE: &str = "fountain_budgets";

/// What was taken of one key, and the longest window that the call in hand names for it.
#[derive(Default)]
pub(crate) struct Takes {
    standing: Vec<Take>,
    window: Duration,
}

#[derive(Clone, Copy)]
struct Take {
    at: Timestamp,
    kept_until: Timestamp,
}

impl Takes {
    /// When `budget`, which is one of this key's, has one left: `now` or later.
    pub(crate) fn admit(&mut self, budget: &IssueBudget, now: Timestamp) -> Timestamp {
        self.window = self.window.max(budget.window());
        let taken: Vec<_> = self.standing.iter().map(|take| take.at).collect();
        budget.free_at(&taken, now)
    }

    /// One more, kept for the longest of the windows.
    pub(crate) fn with_one_at(mut self, now: Timestamp) -> Self {
        self.standing.push(Take {
            at: now,
            kept_until: now + self.window,
        });
        self
    }

    fn ends_at(&self) -> Option<Timestamp> {
        self.standing.iter().map(|take| take.kept_until).max()
    }
}

/// A row as it is written: pairs of microseconds, and the latest end of them.
fn decode(row: &SqliteRow) -> Result<Takes, StoreError> {
    let fields = Fields { row, table: TABLE };
    let pairs: Vec<(i64, i64)> = fields.json("takes")?;
    let standing = pairs
        .into_iter()
        .map(|(at, kept_until)| {
            Ok(Take {
                at: fields.instant("takes", at)?,
                kept_until: fields.instant("takes", kept_until)?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    let takes = Takes {
        standing,
        window: Duration::ZERO,
    };
    // A row that lost some of them would let more be taken.
    if takes.ends_at() == Some(fields.time("ends_at")?) {
        Ok(takes)
    } else {
        Err(corrupt(TABLE, "ends_at"))
    }
}

/// What was taken of a key and is still kept at `now`.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    key: &LockoutKey,
    now: Timestamp,
) -> Result<Takes, StoreError> {
    let select =
        query("SELECT takes, ends_at FROM fountain_budgets WHERE tenant = ?1 AND key = ?2")
            .bind(tenant.as_str())
            .bind(key.digest().as_bytes().as_slice());
    let Some(found) = row(connection, select).await? else {
        return Ok(Takes::default());
    };
    let mut takes = decode(&found)?;
    takes.standing.retain(|take| now < take.kept_until);
    Ok(takes)
}

/// Puts these in the place of what stands.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    tenant: &Tenant,
    key: &LockoutKey,
    takes: &Takes,
) -> Result<(), StoreError> {
    let Some(ends_at) = takes.ends_at() else {
        return Ok(());
    };
    let pairs: Vec<_> = takes
        .standing
        .iter()
        .map(|take| (take.at.as_unix_micros(), take.kept_until.as_unix_micros()))
        .collect();
    let upsert = query(
        "INSERT INTO fountain_budgets (tenant, key, takes, ends_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, key) DO UPDATE SET takes = excluded.takes, ends_at = excluded.ends_at",
    )
    .bind(tenant.as_str())
    .bind(key.digest().as_bytes().as_slice())
    .bind(json(&pairs)?)
    .bind(ends_at.as_unix_micros());
    execute(connection, upsert).await.map(drop)
}
