//! The use of a refresh token that is in order: one statement that rotates it, or does nothing at all.
//!
//! It never judges, since it does not see what it would need for that: what was committed while it waited for a lock.
//! It only succeeds, in the one case that is certain. Its conditions on the family are those of the row that is locked,
//! in its newest version, and that on the token (unspent) is looked at once more in the version that is written; the
//! rest of a token never changes. Where any of them does not hold nothing was written, and `fountain.use_token` rules.

use fountain_core::StoreError;
use fountain_core::token::{RefreshFamily, RefreshUse};

use crate::sql::{Fields, Statement};
use crate::store::PostgresStore;
use crate::token::{FAMILIES, decode_family};

/// The family's lock is taken before the token's, as the function does it. A successor that exists breaks the primary
/// key, and the statement with it.
const ROTATE: &str = "
    WITH held AS MATERIALIZED (
        SELECT family.id, family.tenant, family.subject, family.client, family.scopes, family.roles, family.binding,
               family.assurance, family.created_at, family.expires_at, family.revoked_at
        FROM fountain.refresh_tokens AS token JOIN fountain.families AS family ON family.id = token.family
        WHERE token.digest = $2 AND token.spent_at IS NULL AND $8 < token.expires_at
          AND family.tenant = $1 AND family.revoked_at IS NULL AND $8 < family.expires_at
          AND family.client = $3 AND family.binding IS NOT DISTINCT FROM $4
        FOR NO KEY UPDATE OF family),
    spent AS (
        UPDATE fountain.refresh_tokens AS token SET spent_at = $8, successor = $5, sealed_successor = $7
        FROM held WHERE token.digest = $2 AND token.spent_at IS NULL
        RETURNING held.*),
    added AS (
        INSERT INTO fountain.refresh_tokens (digest, family, expires_at)
        SELECT $5, id, least($6, expires_at) FROM spent),
    noted AS (
        INSERT INTO fountain.audit (id, tenant, event) SELECT $9, $10, $11::json FROM spent
        ON CONFLICT (id) DO NOTHING)
    SELECT id, tenant, subject, client, scopes, roles, binding, assurance::text AS assurance, created_at, expires_at,
           revoked_at
    FROM spent";

impl PostgresStore {
    /// Rotates a token that is certainly in order; `None` when nothing was done and nothing is known.
    pub(crate) async fn rotate_at_once(
        &self,
        attempt: &RefreshUse,
    ) -> Result<Option<RefreshFamily>, StoreError> {
        let rotate = Statement::new(ROTATE)
            .text(attempt.tenant.as_str())
            .digest(&attempt.presented)
            .text(attempt.client.as_str())
            .bytes_option(
                attempt
                    .binding
                    .as_ref()
                    .map(|binding| binding.as_bytes().as_slice()),
            )
            .digest(&attempt.successor.digest)
            .time(attempt.successor.expires_at)
            .bytes(&attempt.sealed_successor)
            .time(attempt.now)
            .event(&attempt.on_rotated)?;
        let row = self.row(rotate).await?;
        let fields = row.as_ref().map(|row| Fields {
            row,
            table: FAMILIES,
        });
        fields.map(|fields| decode_family(&fields)).transpose()
    }
}
