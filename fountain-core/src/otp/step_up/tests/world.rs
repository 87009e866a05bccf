//! The world of these tests: a store that counts its calls, a principal, factors and grants.

use super::*;

/// A store that counts its calls, and answers late or not at all when told so.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) inner: MemoryStore,
    pub(super) calls: AtomicUsize,
    pub(super) is_down: AtomicBool,
    pub(super) is_slow: AtomicBool,
}

impl Counting {
    pub(super) async fn called(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.wait().await;
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreErrorKind::Unavailable.into());
        }
        Ok(())
    }

    pub(super) async fn wait(&self) {
        let mut waits = usize::from(self.is_slow.load(Ordering::Relaxed));
        std::future::poll_fn(|cx| match waits {
            0 => Poll::Ready(()),
            _ => {
                waits -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }
}

#[async_trait]
impl ChallengeStore for Counting {
    async fn insert(&self, record: ChallengeRecord, event: AuditEvent) -> Result<bool, StoreError> {
        self.called().await?;
        let done = ChallengeStore::insert(&self.inner, record, event).await;
        self.wait().await;
        done
    }

    async fn find(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
    ) -> Result<Option<ChallengeRecord>, StoreError> {
        self.called().await?;
        ChallengeStore::find(&self.inner, tenant, id).await
    }

    async fn count(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        self.called().await?;
        ChallengeStore::count(&self.inner, tenant, id, now, event).await
    }

    async fn put_code(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: PendingCode,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        self.called().await?;
        self.inner.put_code(tenant, id, code, now, event).await
    }

    async fn consume(
        &self,
        tenant: &Tenant,
        id: &ChallengeId,
        code: Option<&Digest>,
        now: Timestamp,
        event: AuditEvent,
    ) -> Result<ChallengeOutcome, StoreError> {
        self.called().await?;
        let done = ChallengeStore::consume(&self.inner, tenant, id, code, now, event).await;
        self.wait().await;
        done
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.called().await?;
        ChallengeStore::purge(&self.inner, before, limit).await
    }
}

pub(super) struct World {
    pub(super) step_up: StepUp,
    pub(super) store: Arc<Counting>,
    pub(super) clock: Arc<ManualClock>,
}

pub(super) fn world() -> World {
    let store = Arc::new(Counting::default());
    let clock = Arc::new(ManualClock::at(START));
    let step_up = StepUp::builder(store.clone(), Pepper::new(&[7; 32]))
        .life(LIFE)
        .clock(clock.clone())
        .random(Arc::new(InsecureSeededRandom::new(1)))
        .build()
        .unwrap();
    World {
        step_up,
        store,
        clock,
    }
}

pub(super) fn action(text: &str) -> StepUpAction {
    StepUpAction::new(text).unwrap()
}

pub(super) fn rotate() -> StepUpAction {
    action("keys:rotate")
}

/// Alice, in her session, signed in by a password.
pub(super) fn parts() -> PrincipalParts {
    PrincipalParts {
        tenant: Tenant::default(),
        subject: Subject::new("alice").unwrap(),
        credential: Credential::AccessToken {
            id: TokenId::new("t1").unwrap(),
            issuer: Issuer::new("https://auth.example.com").unwrap(),
            family: Some(FamilyId::new("f".repeat(22)).unwrap()),
            client: ClientId::new("web").unwrap(),
        },
        roles: vec![],
        scopes: vec![],
        grants: crate::identity::Grants::none(),
        assurance: Assurance {
            acr: None,
            amr: vec!["pwd".to_owned()],
            auth_time: Some(START),
        },
        expires_at: Timestamp::MAX,
        superseded_at: None,
    }
}

pub(super) fn alice() -> Principal {
    Principal::new(parts())
}

pub(super) fn altered(change: impl FnOnce(&mut PrincipalParts)) -> Principal {
    let mut parts = parts();
    change(&mut parts);
    Principal::new(parts)
}

pub(super) fn token(id: &str, family: Option<&str>, issuer: &str) -> Credential {
    Credential::AccessToken {
        id: TokenId::new(id).unwrap(),
        issuer: Issuer::new(issuer).unwrap(),
        family: family.map(|family| FamilyId::new(family).unwrap()),
        client: ClientId::new("web").unwrap(),
    }
}

impl World {
    /// A factor of this kind that was shown for just this, now.
    pub(super) fn shown(
        &self,
        principal: &Principal,
        action: &StepUpAction,
        resource: Option<&str>,
        kind: FactorKind,
    ) -> VerifiedFactor {
        VerifiedFactor {
            tenant: principal.tenant().clone(),
            subject: principal.subject().clone(),
            purpose: StepUp::purpose(),
            binding: self.step_up.binding(principal, action, resource),
            factor: None,
            shown: ShownFactor {
                kind,
                at: self.clock.now(),
            },
            context: vec![],
        }
    }

    /// A grant to rotate keys, for this factor.
    pub(super) async fn granted(
        &self,
        principal: &Principal,
        resource: Option<&str>,
        factor: VerifiedFactor,
    ) -> Result<IssuedGrant, Error> {
        let rotate = rotate();
        self.step_up
            .grant(principal, &rotate, resource, factor)
            .await
    }

    pub(super) async fn grant(&self, resource: Option<&str>) -> Secret {
        let (alice, rotate) = (alice(), rotate());
        let factor = self.shown(&alice, &rotate, resource, FactorKind::Totp);
        self.granted(&alice, resource, factor).await.unwrap().grant
    }

    pub(super) async fn redeem(
        &self,
        resource: Option<&str>,
        presented: Option<&str>,
    ) -> Result<SteppedUp, Rejection> {
        let (alice, rotate) = (alice(), rotate());
        self.step_up
            .redeem(&alice, &rotate, resource, presented)
            .await
    }

    pub(super) fn calls(&self) -> usize {
        self.store.calls.load(Ordering::Relaxed)
    }

    pub(super) async fn events(&self) -> Vec<AuditEvent> {
        let page = self.store.inner.page(&Tenant::default(), None, 1_000).await;
        let items = page.unwrap().items.into_iter();
        items.map(|item| item.event).collect()
    }
}

/// The one answer to every act for which no good grant came.
pub(super) fn needed(resource: Option<&str>) -> RejectionKind {
    RejectionKind::StepUpRequired {
        acr: Some("urn:fountain:acr:mfa".into()),
        max_age: Some(LIFE),
        action: Some("keys:rotate".into()),
        resource: resource.map(str::to_owned),
    }
}
