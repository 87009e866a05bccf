use async_trait::async_trait;
use fountain_core::audit::AuditEvent;
use fountain_core::identity::{Issuer, Kid};
use fountain_core::signing::{
    Algorithm, KeyRing, KeyTransition, SigningKeyRecord, SigningKeyState, SigningKeyStore,
    TransitionOutcome,
};
use fountain_core::{StoreError, StoreErrorKind, Timestamp};

use crate::error::corrupt;
use crate::sql::{Fields, Statement};
use crate::store::{PostgresStore, on_primary};

const TABLE: &str = "signing_keys";

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

/// A transition, as the function in the database takes it.
struct Step<'q> {
    name: &'static str,
    kid: Option<&'q Kid>,
    until: Option<Timestamp>,
    adds: Option<&'q SigningKeyRecord>,
}

impl<'q> Step<'q> {
    fn of(transition: &'q KeyTransition) -> Self {
        let (name, kid, until) = match transition {
            KeyTransition::Publish(_) => ("publish", None, None),
            KeyTransition::Activate { kid, remove_from } => {
                ("activate", Some(kid), Some(*remove_from))
            }
            KeyTransition::Remove { kid } => ("remove", Some(kid), None),
            KeyTransition::Revoke { kid, .. } => ("revoke", Some(kid), None),
        };
        Self {
            name,
            kid,
            until,
            adds: transition.record(),
        }
    }

    fn add_to(&self, statement: Statement<'q>, now: Timestamp) -> Statement<'q> {
        let adds = self.adds;
        statement
            .text(self.name)
            .text_option(self.kid.map(Kid::as_str))
            .time(now)
            .time_option(self.until)
            .text_option(adds.map(|key| key.kid.as_str()))
            .text_option(adds.map(|key| key.algorithm.as_str()))
            .text_option(adds.map(|key| key.state.as_str()))
            .text_option(adds.map(|key| key.public_jwk.as_str()))
            .bytes_option(adds.map(|key| key.sealed.as_slice()))
            .time_option(adds.map(|key| key.published_at))
            .time_option(adds.map(|key| key.activate_from))
            .time_option(adds.and_then(|key| key.activated_at))
            .time_option(adds.and_then(|key| key.retired_at))
            .time_option(adds.and_then(|key| key.remove_from))
            .time_option(adds.and_then(|key| key.ended_at))
    }
}

#[async_trait]
impl SigningKeyStore for PostgresStore {
    async fn ring(&self, issuer: &Issuer) -> Result<KeyRing, StoreError> {
        // One statement, so that the generation and the keys are of one moment.
        let select = Statement::look_up(on_primary!(
            "generation, issuer, kid, algorithm, state, public_jwk, sealed, published_at, activate_from,
             activated_at, retired_at, remove_from, ended_at
             FROM fountain.key_rings LEFT JOIN fountain.signing_keys USING (issuer) WHERE issuer = $1",
            "ORDER BY published_at, kid"
        ))
        .text(issuer.as_str());
        let mut ring = KeyRing::default();
        // A ring that lacks a key is no ring: one that cannot be read makes the whole answer `Corrupt` (F-35).
        for row in &self.look_up(select).await? {
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
        let apply = Statement::new(
            "SELECT verdict, value FROM fountain.apply_transition(
                 $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        )
        .text(issuer.as_str())
        .counter(expected);
        let apply = Step::of(&transition).add_to(apply, now).event(&event)?;
        let row = self.one(apply).await?;
        let fields = Fields {
            row: &row,
            table: TABLE,
        };
        Ok(match fields.value("verdict")? {
            "applied" => {
                self.tell().await?;
                TransitionOutcome::Applied {
                    generation: fields.counter("value")?,
                }
            }
            "moved" => TransitionOutcome::Moved {
                generation: fields.counter("value")?,
            },
            "too_early" => TransitionOutcome::TooEarly {
                until: fields.time_option("value")?.unwrap_or(Timestamp::MAX),
            },
            "not_applicable" => TransitionOutcome::NotApplicable,
            _ => return Err(corrupt(TABLE, "verdict")),
        })
    }
}
