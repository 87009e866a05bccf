use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::AuditEvent;
use crate::change::RevocationKey;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::identity::{Assurance, ClientId, FamilyId, Issuer, Scope, Subject, Tenant, TokenId};
use crate::secret::Digest;

/// A token family: what one sign-in led to. Every refresh token belongs to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshFamily {
    /// Its id, unique over all tenants.
    pub id: FamilyId,
    /// The tenant that it belongs to.
    pub tenant: Tenant,
    /// For whom.
    pub subject: Subject,
    /// To which application its tokens were issued.
    pub client: ClientId,
    /// The widest scope that its access tokens may have.
    pub scopes: BTreeSet<Scope>,
    /// The roles its access tokens carry when the subject is not in a `SubjectStore`.
    pub roles: Vec<String>,
    /// The digest of the key or certificate that its holder must prove to have; none when it is a bearer family.
    pub binding: Option<Digest>,
    /// How the subject authenticated.
    pub assurance: Assurance,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// When it was ended before; none while it lives.
    pub revoked_at: Option<Timestamp>,
}

/// The first or next refresh token of a family, as a store holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshTokenRecord {
    /// The digest of the token.
    pub digest: Digest,
    /// It is not good from this instant on: its idle life, never past the family's end.
    pub expires_at: Timestamp,
}

/// One use of a refresh token: the evidence, and what to put in its place.
#[derive(Debug, Clone)]
pub struct RefreshUse {
    /// The tenant that the caller is in.
    pub tenant: Tenant,
    /// The digest of the token that was presented.
    pub presented: Digest,
    /// The client that presented it.
    pub client: ClientId,
    /// The digest of the key or certificate that the presenter proved to have.
    pub binding: Option<Digest>,
    /// The token to put in its place. Its `expires_at` is cut to the family's end by the store.
    pub successor: RefreshTokenRecord,
    /// The successor's text, sealed under the presented token: only who presents that again can read it (L-08).
    pub sealed_successor: Vec<u8>,
    /// When.
    pub now: Timestamp,
    /// How long after its use the same token gets the same successor.
    pub grace: Duration,
    /// Until when the family's access tokens must be refused if this ends the family: their longest life.
    pub revoke_until: Timestamp,
    /// Recorded when the token is replaced.
    pub on_rotated: AuditEvent,
    /// Recorded when the family is ended because a spent token came back.
    pub on_reuse: AuditEvent,
}

/// What came of a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The token was live: it is spent now, and the successor stands.
    Rotated {
        /// Its family.
        family: RefreshFamily,
    },
    /// The token was spent no longer than the grace ago, its successor is unused, and client and binding are
    /// the family's: the same successor again. Nothing changed.
    Repeated {
        /// Its family.
        family: RefreshFamily,
        /// The sealed text that stands.
        sealed_successor: Vec<u8>,
    },
    /// A spent token came back in any other way: the family was ended by this call.
    Reused {
        /// The family that ended.
        family: RefreshFamily,
    },
    /// The family had ended before. Nothing changed.
    Revoked,
    /// The token is past its own or its family's end. Nothing changed.
    Expired,
    /// The token is live, but client or binding are not the family's. Nothing changed.
    Mismatched,
    /// No such token in this tenant. Nothing changed.
    Unknown,
}

/// What came of revoking a family or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// It was revoked now.
    Revoked,
    /// It was revoked before, at least as strictly; nothing changed, no event was recorded.
    AlreadyRevoked,
    /// No such record in this tenant.
    NotFound,
}

/// Holds token families and the digests of their refresh tokens.
///
/// # Contract
/// - A: `insert` stores the family with its first token; it fails with `false`, without a change, when the family's
///   id or the token's digest exists in any tenant.
/// - B: `use_token` is one step. Of parallel uses of one live token exactly one is `Rotated`; no family ever
///   has more than one live token.
/// - C: the order of its checks: unknown (or another tenant's) - family revoked - spent (then `Repeated` or
///   `Reused`) - expired - mismatched - the successor's digest exists, in any tenant (the error `Conflict`, nothing
///   changes) - rotated. A spent token is judged by the evidence whether or not it has expired since.
/// - D: a spent token is `Repeated` only when `now` is at most `grace` after its use, its successor is live,
///   and client and binding equal the family's; with a grace of zero it never is. An instant before its use is
///   within the grace: another node's clock is behind.
/// - E: any other spent token ends the family: `revoked_at` is set, and `RevocationKey::Family` is revoked
///   until `revoke_until`, in the same step.
/// - F: a token is expired from its `expires_at` on, and the stored successor never outlives the family.
/// - G: `find` gives the family of a token, whatever its state, and whether that token is live at `now`.
/// - H: `revoke_family` ends a family of the tenant and revokes `RevocationKey::Family`, once.
/// - I: `revoke_subject` ends every family of a subject that is neither revoked nor at or past its `expires_at`, revokes
///   the `RevocationKey::Family` of each until `revoke_until`, and says how many; when there is none it records nothing.
/// - J: every change is recorded with its event in the same step; what ends families is also appended to the change
///   feed, as `Change::Revocation` of the family (E, H) or, once for all of them, of the subject (I): who remembers a
///   token of a family forgets it with its subject. No change, no event.
/// - K: `purge` removes families (with their tokens) whose `expires_at` is before the given instant, at most `limit`.
#[async_trait]
pub trait RefreshTokenStore: Debug + Send + Sync + 'static {
    /// Begins a family. `false` when the id or the digest exists; nothing changed then.
    async fn insert(
        &self,
        family: RefreshFamily,
        first: RefreshTokenRecord,
        event: AuditEvent,
    ) -> Result<bool, StoreError>;

    /// Judges and carries out one use of a refresh token.
    async fn use_token(&self, attempt: RefreshUse) -> Result<RefreshOutcome, StoreError>;

    /// The family of a token of this tenant, and whether that token would be good at `now`.
    async fn find(
        &self,
        tenant: &Tenant,
        token: &Digest,
        now: Timestamp,
    ) -> Result<Option<(RefreshFamily, bool)>, StoreError>;

    /// Ends a family; its access tokens are refused until `revoke_until`.
    async fn revoke_family(
        &self,
        tenant: &Tenant,
        family: &FamilyId,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError>;

    /// Ends all live families of a subject; gives their number. Their access tokens are refused until `revoke_until`;
    /// those that came without a family are the `RevocationStore`'s part.
    async fn revoke_subject(
        &self,
        tenant: &Tenant,
        subject: &Subject,
        now: Timestamp,
        revoke_until: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError>;

    /// Removes families that ended before `before`, at most `limit`; gives the number removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}

/// A revocation of access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What is revoked.
    pub key: RevocationKey,
    /// Tokens issued before this instant are refused. Only for subjects; for tokens and families every token is.
    pub not_before: Timestamp,
    /// From when on no token that this is about can be alive, so that it may be forgotten.
    pub expires_at: Timestamp,
}

/// What a verifier asks: everything that can have been revoked about one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationQuery<'a> {
    /// `iss`.
    pub issuer: &'a Issuer,
    /// `jti`.
    pub id: &'a TokenId,
    /// The tenant.
    pub tenant: &'a Tenant,
    /// `sub`.
    pub subject: &'a Subject,
    /// `sid`.
    pub family: Option<&'a FamilyId>,
    /// `iat`.
    pub issued_at: Timestamp,
}

/// Holds revoked token ids, families and per-subject not-before instants.
///
/// # Contract
/// - A: after `revoke` returns, `is_revoked` answers `true` for every token that it is about, and only for those.
/// - B: a subject's token is revoked when it was issued before `not_before`; one issued at that instant or later is not.
/// - C: a second `revoke` of one key keeps the later `not_before` and the later `expires_at`; when both were
///   already at least as late it is `AlreadyRevoked` and records nothing.
/// - D: the change, its event and its place in the change feed are one step.
/// - E: `purge` removes only revocations whose `expires_at` is before the given instant, at most `limit`.
/// - F: tenants and issuers do not see each other's revocations.
#[async_trait]
pub trait RevocationStore: Debug + Send + Sync + 'static {
    /// Revokes.
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError>;

    /// Whether a token is revoked, by its id, its family or its subject: one look-up.
    async fn is_revoked(&self, query: RevocationQuery<'_>) -> Result<bool, StoreError>;

    /// Removes revocations that ended before `before`, at most `limit`; gives the number removed.
    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}
