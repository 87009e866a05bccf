//! The audit trail and the change feed: every step ends here, in the same transaction as its change.

use async_trait::async_trait;
use fountain_core::audit::{
    AuditEvent, AuditPage, AuditSequence, AuditStore, RecordedEvent, check_batch,
};
use fountain_core::change::{Change, ChangeBatch, ChangeCursor, ChangeFeed, RecordedChange};
use fountain_core::{StoreError, Tenant};
use sqlx::sqlite::SqliteConnection;

use crate::sql::{Fields, counter, execute, json, limit as sql_limit, query};
use crate::store::SqliteStore;

const AUDIT: &str = "fountain_audit";
const CHANGES: &str = "fountain_changes";

// Not ON CONFLICT: that would use up a place in the sequence for a row that is not inserted.
macro_rules! insert_event {
    () => {
        "INSERT INTO fountain_audit (id, tenant, event) SELECT ?1, ?2, ?3
         WHERE NOT EXISTS (SELECT 1 FROM fountain_audit WHERE id = ?1)"
    };
}

/// How a step leaves its trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trail {
    /// How many changes the feed keeps.
    pub(crate) feed_length: u32,
}

impl Trail {
    /// The feed is cut once in this many changes, by at most twice as many: no step pays for a long cut.
    const CUT_EVERY: i64 = 64;

    /// Records an event, once for each event id.
    pub(crate) async fn record(
        self,
        connection: &mut SqliteConnection,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let insert = query(insert_event!())
            .bind(event.id.as_str())
            .bind(event.tenant.as_str())
            .bind(json(event)?);
        execute(connection, insert).await.map(drop)
    }

    /// Records an event and appends its change to the feed: what every change ends with.
    pub(crate) async fn commit(
        self,
        connection: &mut SqliteConnection,
        event: &AuditEvent,
        change: &Change,
    ) -> Result<(), StoreError> {
        // Two statements in one trip to the connection's thread; ?4 and ?5 count from the start of both.
        let insert = query(concat!(
            insert_event!(),
            "; INSERT INTO fountain_changes (change, at) VALUES (?4, ?5)"
        ))
        .bind(event.id.as_str())
        .bind(event.tenant.as_str())
        .bind(json(event)?)
        .bind(json(change)?)
        .bind(event.at.as_unix_micros());
        let position = execute(connection, insert).await?.last_insert_rowid();
        if position % Self::CUT_EVERY == 0 {
            let cut = query(
                "DELETE FROM fountain_changes WHERE position IN (
                     SELECT position FROM fountain_changes WHERE position <= ?1 ORDER BY position LIMIT ?2)",
            )
            .bind(position.saturating_sub(i64::from(self.feed_length)))
            .bind(2 * Self::CUT_EVERY);
            execute(connection, cut).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move { trail.record(connection, &event).await })
        })
        .await
    }

    async fn record_all(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        check_batch(&events)?;
        if events.is_empty() {
            return Ok(());
        }
        let trail = self.trail();
        self.write(move |connection| {
            Box::pin(async move {
                // One that fails takes the others back with it: the step has a savepoint.
                for event in &events {
                    trail.record(connection, event).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        let select = query(
            "SELECT sequence, event FROM fountain_audit WHERE tenant = ?1 AND sequence > ?2
             ORDER BY sequence LIMIT ?3",
        )
        .bind(tenant.as_str())
        .bind(counter(after.unwrap_or_default().0))
        .bind(sql_limit(limit.saturating_add(1)));
        let found = self.readers().rows(select).await?;
        let items = found
            .iter()
            .take(limit)
            .map(|row| recorded(&Fields { row, table: AUDIT }))
            .collect::<Result<Vec<_>, _>>()?;
        let next = if found.len() > items.len() {
            items.last().map(|item| item.sequence)
        } else {
            None
        };
        Ok(AuditPage { items, next })
    }
}

fn recorded(fields: &Fields<'_>) -> Result<RecordedEvent, StoreError> {
    Ok(RecordedEvent {
        sequence: AuditSequence(fields.counter("sequence")?),
        event: fields.json("event")?,
    })
}

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn head(&self) -> Result<ChangeCursor, StoreError> {
        let select = query(
            "SELECT coalesce(max(seq), 0) AS head FROM sqlite_sequence WHERE name = 'fountain_changes'",
        );
        match self.readers().row(select).await? {
            None => Ok(ChangeCursor::default()),
            Some(row) => head(&Fields {
                row: &row,
                table: CHANGES,
            }),
        }
    }

    async fn since(&self, cursor: ChangeCursor, limit: usize) -> Result<ChangeBatch, StoreError> {
        // One statement, so that the bounds and the changes are of one moment. The left join gives the bounds
        // even when no change follows.
        let select = query(
            "WITH bounds AS MATERIALIZED (
                 SELECT (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'fountain_changes') AS head,
                        (SELECT min(position) FROM fountain_changes) AS oldest)
             SELECT head, oldest, position, change, at
             FROM bounds LEFT JOIN (
                 SELECT position, change, at FROM fountain_changes WHERE position > ?1 ORDER BY position LIMIT ?2)
             ORDER BY position",
        )
        .bind(counter(cursor.0))
        .bind(sql_limit(limit));
        let found = self.readers().rows(select).await?;
        let Some(first) = found.first() else {
            return Ok(ChangeBatch {
                changes: Vec::new(),
                cursor,
                gap: true,
            });
        };
        let bounds = Fields {
            row: first,
            table: CHANGES,
        };
        let head = head(&bounds)?;
        let oldest = bounds
            .value::<Option<i64>>("oldest")?
            .unwrap_or_else(|| counter(head.0).saturating_add(1));
        let lost = ChangeBatch {
            changes: Vec::new(),
            cursor: head,
            gap: true,
        };
        // Behind what is kept, or of another life of this file: the reader must forget everything.
        if counter(cursor.0).saturating_add(1) < oldest || cursor > head {
            return Ok(lost);
        }
        let mut batch = ChangeBatch {
            changes: Vec::new(),
            cursor,
            gap: false,
        };
        for row in &found {
            let fields = Fields {
                row,
                table: CHANGES,
            };
            if fields.value::<Option<i64>>("position")?.is_none() {
                break;
            }
            batch.cursor = ChangeCursor(fields.counter("position")?);
            match recorded_change(&fields) {
                Ok(change) => batch.changes.push(change),
                // What cannot be read may have been about anything (F-35).
                Err(_) => return Ok(lost),
            }
        }
        Ok(batch)
    }
}

fn recorded_change(fields: &Fields<'_>) -> Result<RecordedChange, StoreError> {
    Ok(RecordedChange {
        change: fields.json("change")?,
        at: fields.time_option("at")?,
    })
}

fn head(fields: &Fields<'_>) -> Result<ChangeCursor, StoreError> {
    fields.counter("head").map(ChangeCursor)
}
