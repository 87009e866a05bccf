//! Counts of attempts, locks, and what was taken of budgets.

use std::time::Duration;

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutRules,
    LockoutState, LockoutStore,
};
use fountain_core::{StoreError, StoreErrorKind, Tenant, Timestamp};

use crate::error::corrupt;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

const LOCKOUTS: &str = "lockouts";
const BUDGETS: &str = "budgets";

/// From the first time that there is to the last, in microseconds: what is longer ends where that ends.
const LONGEST: i64 = Timestamp::MAX.as_unix_micros() - Timestamp::MIN.as_unix_micros();

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).map_or(LONGEST, |micros| micros.min(LONGEST))
}

/// How long each lock lasts, in microseconds, up to the first that is the longest; nothing when each lasts for good. A few
/// numbers: they double, and a lock is never shorter than a second nor longer than a month.
fn lengths(rules: LockoutRules) -> Vec<i64> {
    let longest = rules.length(u32::MAX);
    let mut lengths = Vec::new();
    for number in 1_u32.. {
        let length = rules.length(number);
        lengths.extend(length.map(micros));
        if length == longest {
            break;
        }
    }
    lengths
}

fn decode(fields: &Fields<'_>) -> Result<LockoutState, StoreError> {
    Ok(LockoutState {
        failures: fields.small_counter("failures")?,
        locks: fields.small_counter("locks")?,
        locked_until: fields.time_option("locked_until")?,
        forget_at: fields.time("forget_at")?,
    })
}

/// A call names 1 to 16 of something.
fn check_count(count: usize) -> Result<(), StoreError> {
    if (1..=16).contains(&count) {
        Ok(())
    } else {
        Err(StoreErrorKind::Conflict.into())
    }
}

#[async_trait]
impl LockoutStore for PostgresStore {
    async fn attempt(&self, attempt: LockoutAttempt) -> Result<AttemptOutcome, StoreError> {
        let count = Statement::new(
            "SELECT verdict, failures, until
             FROM fountain.count_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .text(attempt.tenant.as_str())
        .digest(attempt.key.digest())
        .time(attempt.now)
        .number(attempt.rules.threshold().into())
        .numbers(lengths(attempt.rules))
        .number(micros(attempt.rules.kept_for()))
        .event(&attempt.on_counted)?
        .event(&attempt.on_locked)?;
        let row = self.one(count).await?;
        let fields = Fields {
            row: &row,
            table: LOCKOUTS,
        };
        match fields.value("verdict")? {
            "counted" => Ok(AttemptOutcome::Counted {
                failures: fields.small_counter("failures")?,
                locked_until: fields.time_option("until")?,
            }),
            "locked" => Ok(AttemptOutcome::Locked {
                until: fields.time("until")?,
            }),
            _ => Err(corrupt(LOCKOUTS, "verdict")),
        }
    }

    async fn locked_until(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        check_count(keys.len())?;
        let select = Statement::look_up(on_primary!(
            "failures, locks, locked_until, forget_at FROM fountain.lockouts WHERE tenant = $1 AND key = ANY ($2)",
            ""
        ))
        .text(tenant.as_str())
        .digests(keys.iter().map(LockoutKey::digest));
        let mut latest = None;
        // One that cannot be read may be a lock: then nobody knows (F-35).
        for row in &self.look_up(select).await? {
            let fields = Fields {
                row,
                table: LOCKOUTS,
            };
            latest = latest.max(decode(&fields)?.lock_at(now));
        }
        Ok(latest)
    }

    async fn clear(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        event: AuditEvent,
    ) -> Result<bool, StoreError> {
        check_count(keys.len())?;
        // Locked in the order of the keys, so that two calls do not wait for each other. Not decoded: what cannot be read
        // can still be cleared.
        let clear = Statement::new(
            "WITH held AS MATERIALIZED (
                 SELECT key FROM fountain.lockouts WHERE tenant = $1 AND key = ANY ($2) ORDER BY key FOR UPDATE),
             gone AS (
                 DELETE FROM fountain.lockouts AS old USING held WHERE old.tenant = $1 AND old.key = held.key
                 RETURNING old.key),
             counted AS MATERIALIZED (SELECT count(*) AS keys FROM gone)
             SELECT keys, CASE WHEN keys > 0 THEN fountain.note($3, $4, $5, NULL, NULL, NULL) END FROM counted",
        )
        .text(tenant.as_str())
        .digests(keys.iter().map(LockoutKey::digest))
        .event(&event)?;
        let row = self.one(clear).await?;
        let fields = Fields {
            row: &row,
            table: LOCKOUTS,
        };
        Ok(fields.counter("keys")? > 0)
    }

    async fn take(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError> {
        check_count(budgets.len())?;
        let take = Statement::new(
            "SELECT verdict, until FROM fountain.take_budgets($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .text(tenant.as_str())
        .digests(budgets.iter().map(|budget| budget.key().digest()))
        .numbers(budgets.iter().map(|budget| budget.limit().into()).collect())
        .numbers(
            budgets
                .iter()
                .map(|budget| micros(budget.window()))
                .collect(),
        )
        .time(now)
        .event(&event)?;
        let row = self.one(take).await?;
        let fields = Fields {
            row: &row,
            table: BUDGETS,
        };
        match fields.value("verdict")? {
            "taken" => Ok(BudgetOutcome::Taken),
            "exhausted" => Ok(BudgetOutcome::Exhausted {
                until: fields.time("until")?,
            }),
            _ => Err(corrupt(BUDGETS, "verdict")),
        }
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        // A row that somebody counts on at this moment is locked, and so left; one that was counted on since the statement
        // began is looked at again once it is locked.
        let counts = Statement::new(
            "WITH ended AS MATERIALIZED (
                 SELECT tenant, key FROM fountain.lockouts WHERE forget_at < $1 ORDER BY forget_at LIMIT $2
                 FOR UPDATE SKIP LOCKED)
             DELETE FROM fountain.lockouts AS old USING ended
             WHERE old.tenant = ended.tenant AND old.key = ended.key AND old.forget_at < $1 RETURNING 1",
        );
        let removed = self.purge_in_batches(limit, counts.time(before)).await?;
        let takes = Statement::new(
            "WITH ended AS MATERIALIZED (
                 SELECT tenant, key FROM fountain.budgets WHERE ends_at < $1 ORDER BY ends_at LIMIT $2
                 FOR UPDATE SKIP LOCKED)
             DELETE FROM fountain.budgets AS old USING ended
             WHERE old.tenant = ended.tenant AND old.key = ended.key AND old.ends_at < $1 RETURNING 1",
        );
        let left = limit.saturating_sub(usize::try_from(removed).unwrap_or(usize::MAX));
        Ok(removed + self.purge_in_batches(left, takes.time(before)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn rules(first: Duration, longest: Duration) -> LockoutRules {
        LockoutRules::new(5, first, longest).unwrap()
    }

    /// what SQL takes from this is what the rules say, whichever lock it is.
    #[test]
    fn the_lengths_are_those_of_the_rules() {
        assert_eq!(
            lengths(LockoutRules::default()),
            [900 * SECOND, 1_800 * SECOND, 3_600 * SECOND]
        );
        assert!(lengths(LockoutRules::for_good(3).unwrap()).is_empty());
        let month = Duration::from_secs(31 * 24 * 3_600);
        for (first, longest) in [
            (Duration::from_secs(1), month),
            (Duration::from_secs(7), Duration::from_secs(7)),
            (month, month),
            // Twice half a microsecond is one: the rules double first and round then.
            (Duration::new(1, 500), Duration::new(5, 999)),
        ] {
            let rules = rules(first, longest);
            let lengths = lengths(rules);
            assert!(lengths.len() <= 23, "{lengths:?}");
            for number in 1..40_u32 {
                let at = usize::try_from(number).unwrap().min(lengths.len()) - 1;
                assert_eq!(lengths[at], micros(rules.length(number).unwrap()));
            }
        }
    }

    #[test]
    fn what_lasts_longer_than_time_itself_lasts_as_long() {
        assert_eq!(micros(Duration::MAX), LONGEST);
        let last = Timestamp::MIN.as_unix_micros() + LONGEST;
        assert_eq!(last, Timestamp::MAX.as_unix_micros());
        assert_eq!(micros(Duration::from_nanos(1_999)), 1);
    }
}
