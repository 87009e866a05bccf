//! The audit trail and the change feed: every change leaves its trace in both, in its own statement; whoever reads gives
//! the places.

use async_trait::async_trait;
use fountain_core::audit::{
    AuditEvent, AuditPage, AuditSequence, AuditStore, RecordedEvent, check_batch,
};
use fountain_core::change::{
    Change, ChangeBatch, ChangeCursor, ChangeFeed, RecordedChange, RevocationKey,
};
use fountain_core::{StoreError, Tenant};
use sqlx::postgres::PgRow;

use crate::error::{corrupt, standby};
use crate::link::Link;
use crate::sql::{Fields, Statement, counter, json, limit as sql_limit};
use crate::store::PostgresStore;

const AUDIT: &str = "audit";
const CHANGES: &str = "changes";

/// How many events or changes one statement gives a place: some 100 ms of work.
const PLACES_IN_A_STEP: i64 = 10_000;

/// What names a revocation in `revocations` and in the feed: its kind, and in which scope which id.
pub(crate) fn name(key: &RevocationKey) -> (&'static str, &str, &str) {
    match key {
        RevocationKey::Token { issuer, id } => ("token", issuer.as_str(), id.as_str()),
        RevocationKey::Family { tenant, id } => ("family", tenant.as_str(), id.as_str()),
        RevocationKey::Subject { tenant, subject } => {
            ("subject", tenant.as_str(), subject.as_str())
        }
    }
}

impl PostgresStore {
    /// Gives places until nothing waits. Within a host's transaction nothing gets a place: the lock for it would be
    /// held until that ends, and everybody who reads would wait.
    async fn place_all(&self, place: Statement<'_>) -> Result<(), StoreError> {
        if let Link::Carried(_) = self.link() {
            return Ok(());
        }
        loop {
            let row = self.one(place.clone()).await?;
            let fields = Fields {
                row: &row,
                table: "heads",
            };
            // A standby lags behind its primary by nobody knows how much: its feed says nothing.
            if fields.value("standby")? {
                return Err(standby());
            }
            if fields.value::<i64>("placed")? < PLACES_IN_A_STEP {
                return Ok(());
            }
        }
    }

    async fn place_events(&self) -> Result<(), StoreError> {
        let place = Statement::new(
            "SELECT pg_is_in_recovery() AS standby, fountain.place_events($1) AS placed",
        );
        self.place_all(place.number(PLACES_IN_A_STEP)).await
    }

    async fn place_changes(&self) -> Result<(), StoreError> {
        let place = Statement::new(
            "SELECT pg_is_in_recovery() AS standby, fountain.place_changes($1, $2) AS placed",
        );
        self.place_all(
            place
                .number(PLACES_IN_A_STEP)
                .number(i64::from(self.feed_length())),
        )
        .await
    }

    /// Gives places to what waits even where nobody reads, and cuts the feed: part of every purge.
    pub(crate) async fn tidy(&self) -> Result<(), StoreError> {
        self.place_events().await?;
        self.place_changes().await
    }

    async fn changes_since(&self, behind: i64, most: i64) -> Result<Vec<PgRow>, StoreError> {
        self.place_changes().await?;
        let select = Statement::look_up(
            "SELECT head, oldest, position, kind, scope, id, at FROM fountain.timed_changes_since($1, $2)",
        );
        self.rows(select.number(behind).number(most)).await
    }
}

#[async_trait]
impl AuditStore for PostgresStore {
    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let record = Statement::new("SELECT fountain.note($1, $2, $3, NULL, NULL, NULL)");
        self.rows(record.event(&event)?).await.map(drop)
    }

    async fn record_all(&self, events: Vec<AuditEvent>) -> Result<(), StoreError> {
        check_batch(&events)?;
        if events.is_empty() {
            return Ok(());
        }
        let texts = events.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        // Rows arrive, and so get their places, in the order of the list. Two batches that hold the same ids in different
        // orders may wait for each other: the server ends one of them, which the caller may send again.
        let record = Statement::new(
            "INSERT INTO fountain.audit (id, tenant, event)
             SELECT given.id, given.tenant, given.event::json
             FROM unnest($1, $2, $3) WITH ORDINALITY AS given (id, tenant, event, nth) ORDER BY given.nth
             ON CONFLICT (id) DO NOTHING",
        )
        .texts(events.iter().map(|event| event.id.as_str()))
        .texts(events.iter().map(|event| event.tenant.as_str()))
        .texts(texts.iter().map(String::as_str));
        self.rows(record).await.map(drop)
    }

    async fn page(
        &self,
        tenant: &Tenant,
        after: Option<AuditSequence>,
        limit: usize,
    ) -> Result<AuditPage, StoreError> {
        self.place_events().await?;
        let select = Statement::look_up(
            "SELECT sequence, event::text AS event FROM fountain.audit WHERE tenant = $1 AND sequence > $2
             ORDER BY sequence LIMIT $3",
        )
        .text(tenant.as_str())
        .counter(after.unwrap_or_default().0)
        .number(sql_limit(limit.saturating_add(1)));
        let found = self.rows(select).await?;
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
impl ChangeFeed for PostgresStore {
    async fn head(&self) -> Result<ChangeCursor, StoreError> {
        let found = self.changes_since(i64::MAX, 0).await?;
        let Some(row) = found.first() else {
            return Err(corrupt("heads", "place"));
        };
        head(&Fields {
            row,
            table: CHANGES,
        })
    }

    async fn since(&self, cursor: ChangeCursor, limit: usize) -> Result<ChangeBatch, StoreError> {
        let found = self
            .changes_since(counter(cursor.0), sql_limit(limit))
            .await?;
        let Some(first) = found.first() else {
            return Err(corrupt("heads", "place"));
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
        // Behind what is kept, or of another life of this database: the reader must forget everything.
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
            let place = fields.counter("position")?;
            match recorded_change(&fields) {
                // A hole is no work of ours: what was there may have been about anything.
                Ok(change) if place == batch.cursor.0.saturating_add(1) => {
                    batch.changes.push(change);
                    batch.cursor = ChangeCursor(place);
                }
                // What cannot be read may have been about anything, too (F-35).
                Ok(_) | Err(_) => return Ok(lost),
            }
        }
        Ok(batch)
    }
}

fn head(fields: &Fields<'_>) -> Result<ChangeCursor, StoreError> {
    fields.counter("head").map(ChangeCursor)
}

fn recorded_change(fields: &Fields<'_>) -> Result<RecordedChange, StoreError> {
    Ok(RecordedChange {
        change: change(fields)?,
        at: fields.time_option("at")?,
    })
}

fn change(fields: &Fields<'_>) -> Result<Change, StoreError> {
    let kind: &str = fields.value("kind")?;
    Ok(match kind {
        "api_key" => Change::ApiKey {
            id: fields.parsed("id")?,
        },
        "signing_keys" => Change::SigningKeys {
            issuer: fields.parsed("scope")?,
        },
        "subject" => Change::Subject {
            tenant: fields.parsed("scope")?,
            subject: fields.parsed("id")?,
        },
        "revocation.token" => Change::Revocation {
            key: RevocationKey::Token {
                issuer: fields.parsed("scope")?,
                id: fields.parsed("id")?,
            },
        },
        "revocation.family" => Change::Revocation {
            key: RevocationKey::Family {
                tenant: fields.parsed("scope")?,
                id: fields.parsed("id")?,
            },
        },
        "revocation.subject" => Change::Revocation {
            key: RevocationKey::Subject {
                tenant: fields.parsed("scope")?,
                subject: fields.parsed("id")?,
            },
        },
        _ => return Err(corrupt(CHANGES, "kind")),
    })
}
