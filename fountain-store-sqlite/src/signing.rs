use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::change::Change;
use fountain_core::identity::{Issuer, Kid};
use fountain_core::signing::{
    Algorithm, KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, SigningKeyStore,
    TransitionOutcome,
};
use fountain_core::{StoreError, StoreErrorKind, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::error::corrupt;
use crate::sql::{Fields, changes, counter, execute, query, row};
use crate::store::SqliteStore;

const TABLE: &str = "fountain_signing_keys";

fn decode(fields: &Fields<'_>) -> Result<SigningKeyRecord, StoreError> {
    let algorithm = fields.value("algorithm")?;
    Ok(SigningKeyRecord {
        issuer: fields.parsed("issuer")?,
        kid: fields.parsed("kid")?,
        algorithm: Algorithm::from_name(algorithm).ok_or_else(|| corrupt(TABLE, "algorithm"))?,
        state: state(fields)?,
        public_jwk: fields.value("public_jwk")?,
        sealed: fields.value("sealed")?,
        published_at: fields.time("published_at")?,
        activate_from: fields.time("activate_from")?,
        activated_at: fields.time_option("activated_at")?,
        retired_at: fields.time_option("retired_at")?,
        remove_from: fields.time_option("remove_from")?,
        ended_at: fields.time_option("ended_at")?,
    })
}

fn state(fields: &Fields<'_>) -> Result<SigningKeyState, StoreError> {
    let name: &str = fields.value("state")?;
    [
        SigningKeyState::Pending,
        SigningKeyState::Active,
        SigningKeyState::Retired,
        SigningKeyState::Removed,
        SigningKeyState::Revoked,
    ]
    .into_iter()
    .find(|state| state.as_str() == name)
    .ok_or_else(|| corrupt(TABLE, "state"))
}

/// What the state machine asks of a key.
struct Standing {
    state: SigningKeyState,
    activate_from: Timestamp,
    remove_from: Option<Timestamp>,
}

/// The steps of one issuer's state machine, on an open transaction.
struct Ring<'c> {
    connection: &'c mut SqliteConnection,
    issuer: &'c Issuer,
    now: Timestamp,
}

/// Why nothing changed, or that something did.
type Applied = Result<Option<TransitionOutcome>, StoreError>;

const NOT_APPLICABLE: Applied = Ok(Some(TransitionOutcome::NotApplicable));

impl Ring<'_> {
    async fn generation(&mut self) -> Result<u64, StoreError> {
        let select = query("SELECT generation FROM fountain_key_rings WHERE issuer = ?1")
            .bind(self.issuer.as_str());
        match row(self.connection, select).await? {
            None => Ok(0),
            Some(row) => Fields {
                row: &row,
                table: "fountain_key_rings",
            }
            .counter("generation"),
        }
    }

    async fn set_generation(&mut self, generation: u64) -> Result<(), StoreError> {
        let upsert = query(
            "INSERT INTO fountain_key_rings (issuer, generation) VALUES (?1, ?2)
             ON CONFLICT (issuer) DO UPDATE SET generation = excluded.generation",
        )
        .bind(self.issuer.as_str())
        .bind(counter(generation));
        execute(self.connection, upsert).await.map(drop)
    }

    /// Carries a transition out, or says why it does not apply, before anything is written.
    async fn step(&mut self, transition: &KeyTransition) -> Applied {
        match transition {
            KeyTransition::Publish(record) => {
                if record.state != SigningKeyState::Pending
                    || self.find(&record.kid).await?.is_some()
                {
                    return NOT_APPLICABLE;
                }
                self.add(record).await?;
            }
            KeyTransition::Activate { kid, remove_from } => {
                let Some(key) = self.find(kid).await? else {
                    return NOT_APPLICABLE;
                };
                if key.state != SigningKeyState::Pending {
                    return NOT_APPLICABLE;
                }
                if self.now < key.activate_from {
                    return Ok(Some(TransitionOutcome::TooEarly {
                        until: key.activate_from,
                    }));
                }
                self.retire_active(*remove_from).await?;
                self.activate(kid).await?;
            }
            KeyTransition::Remove { kid } => {
                let Some(key) = self.find(kid).await? else {
                    return NOT_APPLICABLE;
                };
                if key.state != SigningKeyState::Retired {
                    return NOT_APPLICABLE;
                }
                let until = key.remove_from.unwrap_or(Timestamp::MAX);
                if self.now < until {
                    return Ok(Some(TransitionOutcome::TooEarly { until }));
                }
                self.end(kid, SigningKeyState::Removed).await?;
            }
            KeyTransition::Revoke { kid, replacement } => {
                let Some(key) = self.find(kid).await? else {
                    return NOT_APPLICABLE;
                };
                if matches!(
                    key.state,
                    SigningKeyState::Removed | SigningKeyState::Revoked
                ) {
                    return NOT_APPLICABLE;
                }
                let replacement = replacement
                    .as_ref()
                    .filter(|_| key.state == SigningKeyState::Active);
                if let Some(replacement) = replacement
                    && (replacement.state != SigningKeyState::Active
                        || self.find(&replacement.kid).await?.is_some())
                {
                    return NOT_APPLICABLE;
                }
                self.end(kid, SigningKeyState::Revoked).await?;
                if let Some(replacement) = replacement {
                    self.add(replacement).await?;
                }
            }
        }
        Ok(None)
    }

    async fn find(&mut self, kid: &Kid) -> Result<Option<Standing>, StoreError> {
        let select = query(
            "SELECT state, activate_from, remove_from FROM fountain_signing_keys WHERE issuer = ?1 AND kid = ?2",
        )
        .bind(self.issuer.as_str())
        .bind(kid.as_str());
        let Some(row) = row(self.connection, select).await? else {
            return Ok(None);
        };
        let fields = Fields {
            row: &row,
            table: TABLE,
        };
        Ok(Some(Standing {
            state: state(&fields)?,
            activate_from: fields.time("activate_from")?,
            remove_from: fields.time_option("remove_from")?,
        }))
    }

    async fn add(&mut self, record: &SigningKeyRecord) -> Result<(), StoreError> {
        let insert = query(
            "INSERT INTO fountain_signing_keys (
                 issuer, kid, algorithm, state, public_jwk, sealed, published_at, activate_from, activated_at,
                 retired_at, remove_from, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(self.issuer.as_str())
        .bind(record.kid.as_str())
        .bind(record.algorithm.as_str())
        .bind(record.state.as_str())
        .bind(record.public_jwk.as_str())
        .bind(record.sealed.as_slice())
        .bind(record.published_at.as_unix_micros())
        .bind(record.activate_from.as_unix_micros())
        .bind(record.activated_at.map(Timestamp::as_unix_micros))
        .bind(record.retired_at.map(Timestamp::as_unix_micros))
        .bind(record.remove_from.map(Timestamp::as_unix_micros))
        .bind(record.ended_at.map(Timestamp::as_unix_micros));
        execute(self.connection, insert).await.map(drop)
    }

    async fn retire_active(&mut self, remove_from: Timestamp) -> Result<(), StoreError> {
        let update = query(
            "UPDATE fountain_signing_keys SET state = 'retired', retired_at = ?2, remove_from = ?3
             WHERE issuer = ?1 AND state = 'active'",
        )
        .bind(self.issuer.as_str())
        .bind(self.now.as_unix_micros())
        .bind(remove_from.as_unix_micros());
        execute(self.connection, update).await.map(drop)
    }

    async fn activate(&mut self, kid: &Kid) -> Result<(), StoreError> {
        let update = query(
            "UPDATE fountain_signing_keys SET state = 'active', activated_at = ?3 WHERE issuer = ?1 AND kid = ?2",
        )
        .bind(self.issuer.as_str())
        .bind(kid.as_str())
        .bind(self.now.as_unix_micros());
        execute(self.connection, update).await.map(drop)
    }

    /// Ends a key and wipes what it had sealed.
    async fn end(&mut self, kid: &Kid, state: SigningKeyState) -> Result<(), StoreError> {
        let update = query(
            "UPDATE fountain_signing_keys SET state = ?3, ended_at = ?4, sealed = x'' WHERE issuer = ?1 AND kid = ?2",
        )
        .bind(self.issuer.as_str())
        .bind(kid.as_str())
        .bind(state.as_str())
        .bind(self.now.as_unix_micros());
        changes(self.connection, update).await.map(drop)
    }
}

#[async_trait]
impl SigningKeyStore for SqliteStore {
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError> {
        // One statement, so that the generation and the keys are of one moment.
        let select = query(
            "SELECT generation, issuer, kid, algorithm, state, public_jwk, sealed, published_at, activate_from,
                    activated_at, retired_at, remove_from, ended_at
             FROM fountain_key_rings LEFT JOIN fountain_signing_keys USING (issuer)
             WHERE issuer = ?1 ORDER BY published_at, kid",
        )
        .bind(issuer.as_str());
        let mut ring = KeyRing::default();
        // A ring that lacks a key is no ring: one that cannot be read makes the whole answer `Corrupt` (F-35).
        for row in &self.readers().rows(select).await? {
            let fields = Fields { row, table: TABLE };
            ring.generation = fields.counter("generation")?;
            if fields.value::<Option<&str>>("kid")?.is_none() {
                break;
            }
            ring.keys.push(decode(&fields)?);
        }
        Ok(ring)
    }

    async fn apply(
        &self,
        issuer: &Issuer,
        expected: u64,
        transition: KeyTransition,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<TransitionOutcome, StoreError> {
        if transition.record().is_some_and(|key| key.issuer != *issuer) {
            return Err(StoreErrorKind::Conflict.into());
        }
        let (issuer, trail) = (issuer.clone(), self.trail());
        self.write(move |connection| {
            Box::pin(async move {
                let mut ring = Ring {
                    connection,
                    issuer: &issuer,
                    now,
                };
                let generation = ring.generation().await?;
                if generation != expected {
                    return Ok(TransitionOutcome::Moved { generation });
                }
                let generation = generation.saturating_add(1);
                if let Some(outcome) = ring.step(&transition).await? {
                    return Ok(outcome);
                }
                ring.set_generation(generation).await?;
                let connection = ring.connection;
                let change = Change::SigningKeys {
                    issuer: issuer.clone(),
                };
                trail.commit(connection, &event, &change).await?;
                Ok(TransitionOutcome::Applied { generation })
            })
        })
        .await
    }
}
