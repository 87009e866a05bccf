use std::time::Duration;

use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::lockout::{
    AttemptOutcome, BudgetOutcome, IssueBudget, LockoutAttempt, LockoutKey, LockoutRules,
    LockoutState, LockoutStore,
};
use fountain_core::{StoreError, StoreErrorKind, Tenant, Timestamp};

use crate::error::unexpected;
use crate::fields::{Line, bytes, count, list, next, text};
use crate::script::{self, Table};
use crate::store::RedisStore;
use crate::words::{digest, time};

const TABLE: &str = "lockouts";

/// How many keys or budgets a call names at most: what the contract says.
const MOST_KEYS: usize = 16;

fn place(tenant: &Tenant, key: &LockoutKey) -> String {
    format!("{tenant} {}", digest(key.digest()))
}

fn check_count(count: usize) -> Result<(), StoreError> {
    if (1..=MOST_KEYS).contains(&count) {
        Ok(())
    } else {
        Err(StoreErrorKind::Conflict.into())
    }
}

/// The end of the first lock that begins at `now`, of the second and so on, until they grow no longer: a lock of a second
/// reaches the longest there is, 31 days, after 22.
fn locks(rules: LockoutRules, now: Timestamp) -> Vec<Timestamp> {
    let mut ends = Vec::new();
    let mut last = None;
    for number in 1..=32 {
        let length = rules.length(number);
        if number > 1 && length == last {
            break;
        }
        ends.push(length.map_or(Timestamp::MAX, |length| now + length));
        last = length;
    }
    ends
}

fn decode(line: &[u8]) -> Result<LockoutState, StoreError> {
    let mut line = Line::new(TABLE, line)?;
    let failures = line.parsed("failures")?;
    let locks = line.parsed("locks")?;
    let locked_until = line.time_option("locked_until")?;
    let forget_at = line.time("forget_at")?;
    line.agree("end", line.is_done())?;
    Ok(LockoutState {
        failures,
        locks,
        locked_until,
        forget_at,
    })
}

/// What is named in a call once for each key: the key, and until when one that is taken now is kept.
fn keys_of(budgets: &[IssueBudget], now: Timestamp) -> Vec<(LockoutKey, Timestamp)> {
    let mut keys: Vec<(LockoutKey, Duration)> = Vec::new();
    for budget in budgets {
        match keys.iter_mut().find(|(key, _)| key == budget.key()) {
            Some((_, window)) => *window = budget.window().max(*window),
            None => keys.push((*budget.key(), budget.window())),
        }
    }
    keys.into_iter()
        .map(|(key, window)| (key, now + window))
        .collect()
}

#[async_trait]
impl LockoutStore for RedisStore {
    async fn attempt(&self, attempt: LockoutAttempt) -> Result<AttemptOutcome, StoreError> {
        let (rules, now) = (attempt.rules, attempt.now);
        let mut call = self
            .call(&script::LOCKOUT_ATTEMPT)
            .change(&attempt.on_counted)?
            .event(&attempt.on_locked)?
            .tables([Table::Lockouts, Table::LockoutEnds])
            .text(place(&attempt.tenant, &attempt.key))
            .text(time(now))
            .text(rules.threshold().to_string())
            .text(time(now + rules.kept_for()));
        for end in locks(rules, now) {
            call = call.text(time(end)).text(time(end + rules.kept_for()));
        }
        let answer = list(call.write().await?)?
            .into_iter()
            .map(text)
            .collect::<Result<Vec<_>, _>>()?
            .join(" ");
        let mut line = Line::new(TABLE, answer.as_bytes())?;
        match line.word("outcome")? {
            "counted" => Ok(AttemptOutcome::Counted {
                failures: line.parsed("failures")?,
                locked_until: line.time_option("locked_until")?,
            }),
            "locked" => Ok(AttemptOutcome::Locked {
                until: line.time("locked_until")?,
            }),
            _ => Err(unexpected()),
        }
    }

    async fn locked_until(
        &self,
        tenant: &Tenant,
        keys: &[LockoutKey],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        check_count(keys.len())?;
        let mut call = self.call(&script::LOCKOUT_FIND).tables([Table::Lockouts]);
        for key in keys {
            call = call.text(place(tenant, key));
        }
        let mut latest = None;
        for line in list(call.read().await?)? {
            latest = latest.max(decode(&bytes(line)?)?.lock_at(now));
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
        let mut call = self
            .call(&script::LOCKOUT_CLEAR)
            .change(&event)?
            .tables([Table::Lockouts, Table::LockoutEnds]);
        for key in keys {
            call = call.text(place(tenant, key));
        }
        Ok(count(&call.write().await?)? == 1)
    }

    async fn take(
        &self,
        tenant: &Tenant,
        budgets: &[IssueBudget],
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<BudgetOutcome, StoreError> {
        check_count(budgets.len())?;
        let keys = keys_of(budgets, now);
        let mut call = self
            .call(&script::BUDGET_TAKE)
            .change(&event)?
            .tables([Table::Budgets, Table::BudgetEnds])
            .text(time(now))
            .text(keys.len().to_string());
        for (key, kept_until) in &keys {
            call = call.text(place(tenant, key)).text(time(*kept_until));
        }
        for budget in budgets {
            let before = keys.iter().take_while(|(key, _)| key != budget.key());
            call = call
                .text((before.count() + 1).to_string())
                .text(budget.limit().to_string())
                .text(time(now - budget.window()));
        }
        let mut parts = list(call.write().await?)?.into_iter();
        match text(next(&mut parts)?)?.as_str() {
            "taken" => return Ok(BudgetOutcome::Taken),
            "exhausted" => {}
            _ => return Err(unexpected()),
        }
        let mut until = now;
        for (key, _) in keys {
            let line = bytes(next(&mut parts)?)?;
            let taken = decode_taken(&line)?;
            let its = budgets.iter().filter(|budget| *budget.key() == key);
            until = its.fold(until, |until, budget| {
                until.max(budget.free_at(&taken, now))
            });
        }
        Ok(BudgetOutcome::Exhausted { until })
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        const TABLES: [Table; 4] = [
            Table::Lockouts,
            Table::LockoutEnds,
            Table::Budgets,
            Table::BudgetEnds,
        ];
        self.purge_in_batches(limit, |store, batch| {
            store
                .call(&script::LOCKOUT_PURGE)
                .tables(TABLES)
                .text(time(before))
                .text(batch.to_string())
        })
        .await
    }
}

fn decode_taken(line: &[u8]) -> Result<Vec<Timestamp>, StoreError> {
    if line.is_empty() {
        return Ok(Vec::new());
    }
    let mut line = Line::new("budgets", line)?;
    let mut taken = Vec::new();
    while !line.is_done() {
        taken.push(line.time("taken_at")?);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::NONE;

    ///
    #[test]
    fn the_locks_that_a_script_may_choose_from_are_all_there_are() {
        let now = Timestamp::from_unix_seconds(1_900_000_000);
        let seconds = Duration::from_secs;
        for rules in [
            LockoutRules::default(),
            LockoutRules::for_good(100).unwrap(),
            LockoutRules::new(1, seconds(1), seconds(31 * 24 * 3_600)).unwrap(),
            LockoutRules::new(1, seconds(7), seconds(7)).unwrap(),
        ] {
            let ends = locks(rules, now);
            assert!(ends.len() <= 23, "{rules:?}");
            for number in 1..100 {
                let end = ends.get(number - 1).or(ends.last()).unwrap();
                let length = rules.length(u32::try_from(number).unwrap());
                assert_eq!(*end, length.map_or(Timestamp::MAX, |length| now + length));
            }
        }
    }

    #[test]
    fn nothing_stands_for_no_lock_in_a_line() {
        let line = format!("1 0 {NONE} {}", time(Timestamp::MAX));
        assert_eq!(decode(line.as_bytes()).unwrap().locked_until, None);
        for wrong in ["", "1", "x 0 - 1", "1 0 - 1", "1 0 x", "-1 0 - 1"] {
            assert!(decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
