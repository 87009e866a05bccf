//! Sample records, seeded and unique per call.

#![expect(
    clippy::missing_panics_doc,
    reason = "what is made here is valid by its making; nothing that a caller gives can make it panic"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::SubjectRecord;
use fountain_core::api_key::{ApiKeyRecord, KeyId};
use fountain_core::audit::{AuditAction, AuditEvent};
use fountain_core::change::RevocationKey;
use fountain_core::danger::InsecureSeededRandom;
use fountain_core::identity::{ClientId, FamilyId, Issuer, Kid, Scope, TokenId};
use fountain_core::lockout::{LockoutAttempt, LockoutKey, LockoutRules};
use fountain_core::login::{CredentialRecord, LoginName};
use fountain_core::otp::{
    ChallengeId, ChallengePurpose, ChallengeRecord, FactorId, FactorKind, FactorRecord, PendingCode,
};
use fountain_core::password::PasswordHash;
use fountain_core::signing::{Algorithm, SigningKeyRecord, SigningKeyState};
use fountain_core::token::{RefreshFamily, RefreshTokenRecord, RefreshUse, Revocation};
use fountain_core::{Actor, Assurance, Digest, Random, Subject, Tenant, Timestamp};

/// The instant at which the fixtures live: 2100-01-01T00:00:00.123457Z.
///
/// Far from the time of any server, so that a store that judges by a clock of its own instead of `now` is found out
/// and one whose server drops what is past keeps it; with microseconds, so that a store that rounds is found out.
pub const NOW: Timestamp = Timestamp::from_unix_micros(4_102_444_800_123_457);

/// The smallest step of time: a boundary is tried this much before and after.
pub(crate) const TICK: Duration = Duration::from_micros(1);

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Makes records: valid, each with identifiers that no other call of the same `Fixtures` gave.
///
/// ```
/// use fountain_conformance::Fixtures;
///
/// let fixtures = Fixtures::seeded(7);
/// let tenant = fixtures.tenant();
/// assert_ne!(fixtures.api_key(&tenant).id, fixtures.api_key(&tenant).id);
/// ```
#[derive(Debug, Clone)]
pub struct Fixtures {
    random: Arc<InsecureSeededRandom>,
}

impl Fixtures {
    /// The records that belong to `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            random: Arc::new(InsecureSeededRandom::new(seed)),
        }
    }

    /// A number below `bound`, or 0 when that is 0.
    #[must_use]
    pub fn below(&self, bound: usize) -> usize {
        let number = u64::from_le_bytes(self.bytes());
        usize::try_from(number % u64::try_from(bound.max(1)).expect("usize has at most 64 bits"))
            .expect("it is below a usize")
    }

    /// A tenant.
    #[must_use]
    pub fn tenant(&self) -> Tenant {
        Tenant::new(self.text("tenant-", 12)).expect("letters and digits are a tenant")
    }

    /// A subject.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::new(self.text("subject-", 12)).expect("letters and digits are a subject")
    }

    /// An issuer.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        Issuer::new(self.text("https://issuer.example/", 12)).expect("an https URL is an issuer")
    }

    /// An OAuth client.
    #[must_use]
    pub fn client(&self) -> ClientId {
        ClientId::new(self.text("client-", 12)).expect("letters and digits are a client")
    }

    /// The id of an API key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId::new(self.text("", 16)).expect("16 letters and digits are a key id")
    }

    /// The id of a signing key.
    #[must_use]
    pub fn kid(&self) -> Kid {
        Kid::new(self.text("kid-", 12)).expect("letters and digits are a kid")
    }

    /// The id of a token family.
    #[must_use]
    pub fn family_id(&self) -> FamilyId {
        FamilyId::new(self.text("", 22)).expect("22 letters and digits are a family")
    }

    /// A token id.
    #[must_use]
    pub fn token_id(&self) -> TokenId {
        TokenId::new(self.text("jti-", 12)).expect("letters and digits are a token id")
    }

    /// The digest of nothing that anybody knows.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.bytes())
    }

    /// An event in `tenant`.
    #[must_use]
    pub fn event(&self, tenant: &Tenant, action: AuditAction) -> AuditEvent {
        AuditEvent::new(&self.random, NOW, tenant.clone(), Actor::System, action)
            .expect("a seeded source never fails")
            .detail("fixture", self.text("", 8))
    }

    /// A key that is good at [`NOW`] and expires 90 days later.
    #[must_use]
    pub fn api_key(&self, tenant: &Tenant) -> ApiKeyRecord {
        ApiKeyRecord {
            id: self.key_id(),
            tenant: tenant.clone(),
            owner: self.subject(),
            name: self.text("key ", 8),
            environment: "live".into(),
            scopes: scopes(&["orders:read"]),
            limit: None,
            digest: self.digest(),
            created_at: NOW - DAY,
            created_by: Actor::System,
            not_before: NOW - DAY,
            expires_at: NOW + 90 * DAY,
            disabled_at: None,
            revoked_at: None,
            rotation: None,
            predecessor: None,
            successor: None,
            superseded_at: None,
            last_used_at: None,
        }
    }

    /// A key to put in the place of `predecessor`.
    #[must_use]
    pub fn successor_of(&self, predecessor: &ApiKeyRecord) -> ApiKeyRecord {
        ApiKeyRecord {
            owner: predecessor.owner.clone(),
            created_at: NOW,
            not_before: NOW,
            predecessor: Some(predecessor.id.clone()),
            ..self.api_key(&predecessor.tenant)
        }
    }

    /// A pending signing key of `issuer` that may sign from [`NOW`] on.
    #[must_use]
    pub fn signing_key(&self, issuer: &Issuer) -> SigningKeyRecord {
        SigningKeyRecord {
            issuer: issuer.clone(),
            kid: self.kid(),
            algorithm: Algorithm::EdDsa,
            state: SigningKeyState::Pending,
            public_jwk: format!(r#"{{"kty":"OKP","x":"{}"}}"#, self.text("", 43)),
            sealed: self.bytes::<48>().to_vec(),
            published_at: NOW - DAY,
            activate_from: NOW,
            activated_at: None,
            retired_at: None,
            remove_from: None,
            ended_at: None,
        }
    }

    /// A signing key that takes over at `now` from one that is revoked.
    #[must_use]
    pub fn replacement_key(&self, issuer: &Issuer, now: Timestamp) -> SigningKeyRecord {
        SigningKeyRecord {
            state: SigningKeyState::Active,
            published_at: now,
            activate_from: now,
            activated_at: Some(now),
            ..self.signing_key(issuer)
        }
    }

    /// A bearer family that began at [`NOW`] and ends 30 days later.
    #[must_use]
    pub fn family(&self, tenant: &Tenant) -> RefreshFamily {
        RefreshFamily {
            id: self.family_id(),
            tenant: tenant.clone(),
            subject: self.subject(),
            client: self.client(),
            scopes: scopes(&["orders:read", "orders:write"]),
            roles: vec!["clerk".into()],
            binding: None,
            assurance: Assurance {
                acr: Some("urn:fountain:acr:mfa".into()),
                amr: vec!["pwd".into(), "otp".into()],
                auth_time: Some(NOW),
            },
            created_at: NOW,
            expires_at: NOW + 30 * DAY,
            revoked_at: None,
        }
    }

    /// A refresh token with an idle life of 7 days from [`NOW`].
    #[must_use]
    pub fn refresh_token(&self) -> RefreshTokenRecord {
        RefreshTokenRecord {
            digest: self.digest(),
            expires_at: NOW + 7 * DAY,
        }
    }

    /// A use at [`NOW`] of the token `presented`, by the holder of `family`, with a grace of 10 s (R-41).
    #[must_use]
    pub fn use_of(&self, family: &RefreshFamily, presented: Digest) -> RefreshUse {
        RefreshUse {
            tenant: family.tenant.clone(),
            presented,
            client: family.client.clone(),
            binding: family.binding,
            successor: self.refresh_token(),
            sealed_successor: self.bytes::<64>().to_vec(),
            now: NOW,
            grace: Duration::from_secs(10),
            revoke_until: NOW + Duration::from_secs(900),
            on_rotated: self.event(&family.tenant, AuditAction::TokenRefreshed),
            on_reuse: self.event(&family.tenant, AuditAction::TokenReuseDetected),
        }
    }

    /// A revocation at [`NOW`] that may be forgotten 15 minutes later.
    #[must_use]
    pub fn revocation(&self, key: RevocationKey) -> Revocation {
        Revocation {
            key,
            not_before: NOW,
            expires_at: NOW + Duration::from_secs(900),
        }
    }

    /// An enabled subject with these roles.
    #[must_use]
    pub fn subject_record(&self, tenant: &Tenant, roles: &[&str]) -> SubjectRecord {
        SubjectRecord {
            tenant: tenant.clone(),
            subject: self.subject(),
            roles: names(roles),
            created_at: NOW,
            disabled_at: None,
            version: 1,
        }
    }

    /// A name to sign in by.
    #[must_use]
    pub fn login_name(&self) -> LoginName {
        LoginName::new(self.text("name-", 20)).expect("letters and digits are a name")
    }

    /// The hash of nothing that anybody knows; no password was hashed for it.
    #[must_use]
    pub fn password_hash(&self) -> PasswordHash {
        // 16 and 32 bytes in base64, of which the last letter holds no more than a few bits.
        let (salt, tag) = (self.text("", 21), self.text("", 42));
        PasswordHash::parse(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}A${tag}A"))
            .expect("it is a PHC string in canonical form")
    }

    /// How a new subject signs in.
    #[must_use]
    pub fn credential(&self, tenant: &Tenant) -> CredentialRecord {
        CredentialRecord {
            tenant: tenant.clone(),
            subject: self.subject(),
            name: self.login_name(),
            password: self.password_hash(),
            created_at: NOW,
            changed_at: NOW,
            version: 1,
        }
    }

    /// The id of a factor.
    #[must_use]
    pub fn factor_id(&self) -> FactorId {
        FactorId::new(self.text("", 22)).expect("22 letters and digits are a factor id")
    }

    /// A pending factor of a new subject, to be confirmed within 10 minutes of [`NOW`].
    #[must_use]
    pub fn factor(&self, tenant: &Tenant) -> FactorRecord {
        FactorRecord {
            id: self.factor_id(),
            tenant: tenant.clone(),
            subject: self.subject(),
            kind: FactorKind::Totp,
            sealed: self.bytes::<64>().to_vec(),
            mark: 0,
            created_at: NOW,
            confirmed_at: None,
            confirm_by: NOW + Duration::from_secs(600),
            disabled_at: None,
        }
    }

    /// The id of a challenge.
    #[must_use]
    pub fn challenge_id(&self) -> ChallengeId {
        ChallengeId::new(self.text("", 22)).expect("22 letters and digits are a challenge id")
    }

    /// A challenge of a new subject, to be answered by one of 5 attempts within 10 minutes of [`NOW`]; no code was sent.
    #[must_use]
    pub fn challenge(&self, tenant: &Tenant) -> ChallengeRecord {
        ChallengeRecord {
            id: self.challenge_id(),
            tenant: tenant.clone(),
            subject: self.subject(),
            purpose: ChallengePurpose::new("login").expect("it is a purpose"),
            binding: self.digest(),
            context: self.bytes::<32>().to_vec(),
            created_at: NOW,
            expires_at: NOW + Duration::from_secs(600),
            attempts: 0,
            attempt_limit: 5,
            code: None,
            consumed_at: None,
        }
    }

    /// A code that was sent at [`NOW`] and is good for 5 minutes.
    #[must_use]
    pub fn pending_code(&self) -> PendingCode {
        PendingCode {
            factor: self.factor_id(),
            digest: self.digest(),
            issued_at: NOW,
            expires_at: NOW + Duration::from_secs(300),
        }
    }

    /// What attempts are counted for.
    #[must_use]
    pub fn lockout_key(&self) -> LockoutKey {
        LockoutKey::new(self.digest())
    }

    /// An attempt at [`NOW`].
    #[must_use]
    pub fn attempt_on(
        &self,
        tenant: &Tenant,
        key: LockoutKey,
        rules: LockoutRules,
    ) -> LockoutAttempt {
        LockoutAttempt {
            tenant: tenant.clone(),
            key,
            rules,
            now: NOW,
            on_counted: self.event(tenant, AuditAction::AttemptCounted),
            on_locked: self.event(tenant, AuditAction::Locked),
        }
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random
            .fill(&mut bytes)
            .expect("a seeded source never fails");
        bytes
    }

    fn text(&self, prefix: &str, len: usize) -> String {
        const ALPHABET: [char; 62] = {
            let mut all = ['0'; 62];
            let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
            let mut at = 0;
            while at < all.len() {
                all[at] = letters[at] as char;
                at += 1;
            }
            all
        };
        let letters = self.bytes::<64>();
        let letters = letters.iter().take(len);
        prefix
            .chars()
            .chain(letters.filter_map(|byte| ALPHABET.get(usize::from(*byte) % 62).copied()))
            .collect()
    }
}

pub(crate) fn scopes(names: &[&str]) -> BTreeSet<Scope> {
    names
        .iter()
        .map(|name| Scope::new(name).expect("a scope of the suite is a scope"))
        .collect()
}

pub(crate) fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}
