use std::sync::Arc;
use std::time::Duration;

use super::{
    AssuranceLevel, ChallengeId, ChallengeOutcome, ChallengePurpose, ChallengeRecord,
    ChallengeStore, FactorKind, ShownFactor, VerifiedFactor, assess,
};
use crate::access::{
    Authorized, CompiledRequirement, Require, RoleCatalog, StepUpAction, SteppedUp,
};
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Reason, Rejection};
use crate::identity::{Credential, Principal};
use crate::metrics::Outcomes;
use crate::random::Random;
use crate::secret::{Digest, Pepper, Secret};

mod builder;
mod text;

pub use builder::StepUpBuilder;
use text::{Grant, keyed};

/// Turns a second factor that was just shown into a grant for one act, and the grant into the proof that the act may be done.
/// Cheap to clone; clones are one service.
///
/// A grant is bound to its tenant, subject, session, act and resource, works once, and ends [`life`](StepUpBuilder::life) after the
/// factor was shown (L-06, R-60). Its text is signed, so that garbage, and a grant for anything else, never reaches the store.
///
/// 1. The act is refused for the lack of a grant: the refusal names the act, and the resource if there is one (RFC 9470, R-58).
/// 2. The client has the person show a second factor for both: [`purpose`](Self::purpose) and [`binding`](Self::binding) are what to
///    ask for it with. What was verified is turned into a grant by [`grant`](Self::grant).
/// 3. The client repeats its request with the grant, which [`authorize`](Self::authorize) or [`redeem`](Self::redeem) spends.
///
/// ```
/// use std::sync::Arc;
/// use fountain_core::access::{Require, Requirement, Role, RoleCatalog};
/// use fountain_core::memory::MemoryStore;
/// use fountain_core::otp::StepUp;
/// use fountain_core::{Pepper, Reason, RejectionKind};
/// # use fountain_core::{Assurance, Principal, Subject, Tenant, Timestamp};
/// # use fountain_core::identity::{ClientId, Credential, Issuer, PrincipalParts, TokenId};
/// # fn principal(catalog: &RoleCatalog, role: &str) -> Principal {
/// #     Principal::new(PrincipalParts {
/// #         tenant: Tenant::default(),
/// #         subject: Subject::new("alice").unwrap(),
/// #         credential: Credential::AccessToken {
/// #             id: TokenId::new("t1").unwrap(),
/// #             issuer: Issuer::new("https://auth.example.com").unwrap(),
/// #             family: None,
/// #             client: ClientId::new("web").unwrap(),
/// #         },
/// #         roles: vec![],
/// #         scopes: vec![],
/// #         grants: catalog.resolve_roles([role]),
/// #         assurance: Assurance::default(),
/// #         expires_at: Timestamp::MAX,
/// #         superseded_at: None,
/// #     })
/// # }
///
/// struct RotateKeys;
/// impl Require for RotateKeys {
///     fn requirement() -> Requirement {
///         Requirement::permission("keys:rotate").step_up("keys:rotate")
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let pepper = Pepper::new(b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12\xbd\x48\xf1\x6a\x0c\x95\xd3\x5e\x27\x80\xba\x64");
/// let step_up = StepUp::builder(Arc::new(MemoryStore::new()), pepper).build()?;
/// let catalog = RoleCatalog::builder()
///     .permission("keys:rotate")
///     .role(Role::new("admin").grant("keys:rotate"))
///     .require::<RotateKeys>()
///     .build()?;
///
/// // Who may rotate keys is told for what to step up, and that is all that anybody learns of a grant that is no good.
/// let admin = principal(&catalog, "admin");
/// for (presented, reason) in [(None, Reason::GrantMissing), (Some("fsu1.forged"), Reason::GrantInvalid)] {
///     let refused = step_up.authorize::<RotateKeys>(&catalog, admin.clone(), Some("key-1"), presented).await;
///     let refused = refused.unwrap_err();
///     let RejectionKind::StepUpRequired { action, resource, .. } = refused.kind() else { panic!() };
///     assert_eq!((action.as_deref(), resource.as_deref()), (Some("keys:rotate"), Some("key-1")));
///     assert_eq!(refused.reason(), reason);
/// }
/// // Who may not is told so, and not asked to step up.
/// let nobody = principal(&catalog, "nobody");
/// let refused = step_up.authorize::<RotateKeys>(&catalog, nobody, Some("key-1"), None).await;
/// assert!(matches!(refused.unwrap_err().kind(), RejectionKind::InsufficientScope { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StepUp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    challenges: Arc<dyn ChallengeStore>,
    pepper: Pepper,
    life: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    grants: Outcomes,
    step_ups: Outcomes,
}

/// A grant for one act, to be shown once to who stepped up.
#[derive(Debug, Clone)]
#[must_use = "nobody can see it again"]
pub struct IssuedGrant {
    /// Its text: `fsu1.` and 22 + up to 19 + 43 characters of `[A-Za-z0-9_-]`, joined by dots.
    pub grant: Secret,
    /// It cannot be spent from this instant on.
    pub expires_at: Timestamp,
}

impl StepUp {
    /// The longest life of a grant: 5 minutes (R-60).
    pub const LONGEST_LIFE: Duration = Duration::from_secs(300);
    /// The life of a grant unless told otherwise: 2 minutes.
    pub const DEFAULT_LIFE: Duration = Duration::from_secs(120);
    /// The shortest: 10 s.
    pub const SHORTEST_LIFE: Duration = Duration::from_secs(10);
    /// The longest resource, in bytes.
    pub const LONGEST_RESOURCE: usize = 1_024;

    /// Starts to wire one; see [`StepUpBuilder`] for what is chosen unless told otherwise.
    ///
    /// # Security
    /// Every node has the same pepper, and it is kept outside the store: whoever has both makes grants.
    pub fn builder(challenges: Arc<dyn ChallengeStore>, pepper: Pepper) -> StepUpBuilder {
        StepUpBuilder::new(challenges, pepper)
    }

    /// How long after its factor was shown a grant can be spent.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.0.life
    }

    /// What a second factor for a step-up is asked for. The same for every act: which one is in the [`binding`](Self::binding).
    #[must_use]
    pub fn purpose() -> ChallengePurpose {
        ChallengePurpose::step_up()
    }

    /// The digest of what a second factor, and the grant that it becomes, is for: the tenant, the subject, the session, the act, and
    /// the resource or that there is none.
    ///
    /// The session is the token family, so that a refresh in between does no harm; without one it is the token itself.
    #[must_use]
    pub fn binding(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
    ) -> Digest {
        let of = session(principal, "binding");
        let act = std::iter::once(action.as_str()).chain(resource);
        keyed(&self.0.pepper, of.into_iter().chain(act).map(str::as_bytes))
    }

    /// What a code is bound to that is sent before the act is known: the tenant, the subject and the session, and no act.
    ///
    /// # Security
    /// Such a code makes a grant for whichever act it is handed in with, as that of an authenticator does, and the message that it
    /// comes in cannot say for which. Bind it to the act where the client knows that before: [`binding`](Self::binding).
    #[must_use]
    pub fn session_binding(&self, principal: &Principal) -> Digest {
        keyed(
            &self.0.pepper,
            session(principal, "session").map(str::as_bytes),
        )
    }

    /// Makes the grant for an act of a second factor that was shown for it.
    ///
    /// # Errors
    /// `InvalidInput` when the resource is longer than 1,024 bytes. `Refused`, in this order: with `InvalidToken` for an API key,
    /// which no person is behind; with `AuthenticationFailed` when the factor was shown by another subject, for another purpose,
    /// session, act or resource, or is older than a grant lives; with `StepUpRequired` when it makes no two factors of different
    /// classes together with the password of the session's sign-in (`pwd` in `amr`), as e-mail never does (R-56).
    /// `Unavailable` when the store does not answer, `Entropy`; nothing is granted then.
    ///
    /// # Cancel safety
    /// When dropped, a grant may have been stored that nobody has; it ends by itself. The factor is used up.
    pub async fn grant(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
        factor: VerifiedFactor,
    ) -> Result<IssuedGrant, Error> {
        if resource.is_some_and(is_too_long) {
            return Err(Error::invalid("resource", "give at most 1024 bytes"));
        }
        let (now, binding) = (
            self.0.clock.now(),
            self.binding(principal, action, resource),
        );
        let judged = self.judge(principal, action, resource, &factor, &binding, now);
        let expires_at = judged.inspect_err(|rejection| {
            self.0.grants.refused(rejection.reason());
        })?;
        let id = ChallengeId::generate(&*self.0.random)?;
        let event = self.event(
            principal,
            AuditAction::StepUpGranted,
            &id,
            action,
            resource,
            now,
        )?;
        let event = event.detail("factor", factor.shown.kind.as_str());
        let context = serde_json::json!({ "action": action });
        let record = ChallengeRecord {
            id: id.clone(),
            tenant: principal.tenant().clone(),
            subject: principal.subject().clone(),
            purpose: ChallengePurpose::grant(),
            binding,
            context: context.to_string().into_bytes(),
            created_at: now,
            expires_at,
            attempts: 0,
            attempt_limit: 1,
            code: None,
            consumed_at: None,
        };
        if !self.0.challenges.insert(record, event).await? {
            // An id of 128 random bits that exists already was not random.
            return Err(ErrorKind::Entropy.into());
        }
        self.0.grants.accepted();
        Ok(IssuedGrant {
            grant: Grant { id, expires_at }.write(&self.0.pepper, &binding),
            expires_at,
        })
    }

    /// Spends a grant, and gives the proof for its act.
    ///
    /// Judge first whether the principal may do the act at all, so that no grant is spent on a refusal: [`redeem_for`](Self::redeem_for)
    /// and [`authorize`](Self::authorize) do so.
    ///
    /// # Errors
    /// `InvalidRequest` when the resource is longer than 1,024 bytes: nothing is granted on such. `InvalidToken` for an API key.
    /// `StepUpRequired` in all other cases, with the same answer whether there is no grant, or one that is garbage, has ended, was spent,
    /// or is for another subject, session, act or resource; only the [`Reason`] tells. `Unavailable` when the store does not answer.
    ///
    /// # Cancel safety
    /// When dropped, the grant was spent or was not. Nothing may be done for it: there is no proof.
    pub async fn redeem(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
        presented: Option<&str>,
    ) -> Result<SteppedUp, Rejection> {
        let redeemed = self
            .spend(principal, action, resource, presented)
            .await
            .inspect_err(|rejection| self.0.step_ups.refused(rejection.reason()))?;
        self.0.step_ups.accepted();
        Ok(redeemed)
    }

    /// As [`redeem`](Self::redeem), for the act that a requirement names, once the rest of it is met.
    ///
    /// # Errors
    /// As [`CompiledRequirement::check`] for the rest of the requirement, and nothing is spent then; as [`redeem`](Self::redeem) for
    /// the grant. `Unavailable` when the requirement names no act.
    ///
    /// # Cancel safety
    /// As [`redeem`](Self::redeem).
    pub async fn redeem_for(
        &self,
        requirement: &CompiledRequirement,
        principal: &Principal,
        resource: Option<&str>,
        presented: Option<&str>,
    ) -> Result<SteppedUp, Rejection> {
        requirement.check_all_but_step_up(principal, self.0.clock.now())?;
        let Some(action) = requirement.step_up() else {
            return Err(Rejection::unavailable(Reason::Unwired));
        };
        self.redeem(principal, action, resource, presented).await
    }

    /// Checks the requirement of the type `R`, spends the grant for its act, and gives the witness (L-05).
    ///
    /// Roles, the kind of credential and assurance are judged first: who is refused for them keeps the grant. A requirement without
    /// an act needs no grant, and spends none.
    ///
    /// # Errors
    /// As [`RoleCatalog::authorize`] and [`redeem`](Self::redeem).
    ///
    /// # Cancel safety
    /// As [`redeem`](Self::redeem).
    pub async fn authorize<R: Require>(
        &self,
        catalog: &RoleCatalog,
        principal: Principal,
        resource: Option<&str>,
        presented: Option<&str>,
    ) -> Result<Authorized<R>, Rejection> {
        let requirement = catalog.required::<R>()?;
        if requirement.step_up().is_none() {
            return catalog.authorize(principal, self.0.clock.now());
        }
        let stepped_up = self
            .redeem_for(&requirement, &principal, resource, presented)
            .await?;
        catalog.authorize_stepped_up(principal, stepped_up, resource, self.0.clock.now())
    }

    /// Whether a factor makes a grant, and when that ends.
    fn judge(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
        factor: &VerifiedFactor,
        binding: &Digest,
        now: Timestamp,
    ) -> Result<Timestamp, Rejection> {
        no_api_key(principal)?;
        let is_for_this = factor.tenant == *principal.tenant()
            && factor.subject == *principal.subject()
            && factor.purpose == ChallengePurpose::step_up()
            && (factor.binding == *binding || factor.binding == self.session_binding(principal));
        if !is_for_this {
            return Err(Rejection::authentication_failed(Reason::ChallengeUnknown));
        }
        // One from the future is taken as of now: clocks of two nodes differ a little.
        let expires_at = factor.shown.at.min(now) + self.0.life;
        if now >= expires_at || factor.shown.at.since(now) >= self.0.life {
            return Err(Rejection::authentication_failed(Reason::ChallengeEnded));
        }
        let password = ShownFactor {
            kind: FactorKind::Password,
            at: now,
        };
        let signed_in = principal.assurance().amr.iter();
        let signed_in = signed_in.filter(|amr| Some(amr.as_str()) == FactorKind::Password.amr());
        let shown: Vec<_> = signed_in.map(|_| password).chain([factor.shown]).collect();
        if assess(&shown).level() < Some(AssuranceLevel::Multi) {
            return Err(action.required(resource, Some(self.0.life), Reason::AssuranceTooLow));
        }
        Ok(expires_at)
    }

    async fn spend(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
        presented: Option<&str>,
    ) -> Result<SteppedUp, Rejection> {
        no_api_key(principal)?;
        if resource.is_some_and(is_too_long) {
            return Err(Rejection::invalid_request(Reason::GrantInvalid));
        }
        let refused = |reason| action.required(resource, Some(self.0.life), reason);
        let presented = presented.ok_or_else(|| refused(Reason::GrantMissing))?;
        let (now, binding) = (
            self.0.clock.now(),
            self.binding(principal, action, resource),
        );
        let grant = Grant::read(presented, &self.0.pepper, &binding)
            .filter(|grant| now < grant.expires_at)
            .ok_or_else(|| refused(Reason::GrantInvalid))?;
        let event = self.event(
            principal,
            AuditAction::StepUpRedeemed,
            &grant.id,
            action,
            resource,
            now,
        )?;
        let (tenant, challenges) = (principal.tenant(), &self.0.challenges);
        match challenges
            .consume(tenant, &grant.id, None, now, event)
            .await?
        {
            // The signature says all of it already: this is for a pepper that got out.
            ChallengeOutcome::Done(record)
                if record.purpose == ChallengePurpose::grant()
                    && record.subject == *principal.subject()
                    && record.binding == binding =>
            {
                Ok(SteppedUp {
                    tenant: tenant.clone(),
                    subject: principal.subject().clone(),
                    action: action.clone(),
                    resource: resource.map(str::to_owned),
                })
            }
            ChallengeOutcome::Consumed => Err(refused(Reason::GrantSpent)),
            _ => Err(refused(Reason::GrantInvalid)),
        }
    }

    fn event(
        &self,
        principal: &Principal,
        what: AuditAction,
        id: &ChallengeId,
        action: &StepUpAction,
        resource: Option<&str>,
        now: Timestamp,
    ) -> Result<AuditEvent, Error> {
        let tenant = principal.tenant().clone();
        let event = AuditEvent::new(&*self.0.random, now, tenant, principal.actor(), what)?
            .target("grant", id)
            .detail("action", action);
        Ok(match resource {
            Some(resource) => event.detail("resource", resource),
            None => event,
        })
    }
}

/// The session of a principal, as parts of a digest.
fn session<'p>(principal: &'p Principal, label: &'p str) -> [&'p str; 6] {
    let [kind, issuer, session] = match principal.credential() {
        Credential::ApiKey { id } => ["key", "", id.as_str()],
        Credential::AccessToken {
            issuer,
            family: Some(family),
            ..
        } => ["family", issuer.as_str(), family.as_str()],
        Credential::AccessToken { id, issuer, .. } => ["token", issuer.as_str(), id.as_str()],
    };
    [
        label,
        principal.tenant().as_str(),
        principal.subject().as_str(),
        kind,
        issuer,
        session,
    ]
}

/// No person is behind an API key who could show anything.
fn no_api_key(principal: &Principal) -> Result<(), Rejection> {
    match principal.credential() {
        Credential::ApiKey { .. } => Err(Rejection::invalid_token(Reason::CredentialKind)),
        Credential::AccessToken { .. } => Ok(()),
    }
}

const fn is_too_long(resource: &str) -> bool {
    resource.len() > StepUp::LONGEST_RESOURCE
}

#[cfg(test)]
mod tests;
