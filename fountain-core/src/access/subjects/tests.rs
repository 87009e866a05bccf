use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use super::*;
use crate::access::tests::{principal, token};
use crate::access::{Permission, Role};
use crate::audit::AuditStore;
use crate::clock::ManualClock;
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::{Issuer, Principal, TokenId};
use crate::memory::MemoryStore;
use crate::random::OsRandom;
use crate::token::{RevocationQuery, RevokeOutcome};

/// A revocation store that is down, or slow, for the next few calls.
#[derive(Debug, Default)]
struct Failing {
    inner: Arc<MemoryStore>,
    down_for: AtomicU32,
    slow_for: AtomicU32,
}

fn take_one(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

#[async_trait]
impl RevocationStore for Failing {
    async fn revoke(
        &self,
        revocation: Revocation,
        event: AuditEvent,
    ) -> Result<RevokeOutcome, StoreError> {
        if take_one(&self.down_for) {
            return Err(StoreErrorKind::Unavailable.into());
        }
        while take_one(&self.slow_for) {
            tokio::task::yield_now().await;
        }
        self.inner.revoke(revocation, event).await
    }

    async fn is_revoked(&self, query: RevocationQuery<'_>) -> Result<bool, StoreError> {
        self.inner.is_revoked(query).await
    }

    async fn purge(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        RevocationStore::purge(&*self.inner, before, limit).await
    }
}

struct Bench {
    store: Arc<MemoryStore>,
    revocations: Arc<Failing>,
    clock: Arc<ManualClock>,
    trust: Arc<CacheTrust>,
    catalog: RoleCatalog,
    subjects: Subjects,
}

const START: Timestamp = Timestamp::from_unix_seconds(1_000);

fn bench() -> Bench {
    let catalog = RoleCatalog::builder()
        .permissions(["orders:read", "orders:write", "subjects:manage"])
        .role(Role::new("admin").grant("*"))
        .role(
            Role::new("support")
                .grant("subjects:manage")
                .inherit("clerk"),
        )
        .role(Role::new("clerk").grant("orders:read"))
        .build()
        .unwrap();
    let store = Arc::new(MemoryStore::new());
    let revocations = Arc::new(Failing {
        inner: store.clone(),
        ..Failing::default()
    });
    let clock = Arc::new(ManualClock::at(START));
    let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
    let subjects = Subjects::builder(store.clone(), revocations.clone(), catalog.clone())
        .clock(clock.clone())
        .random(Arc::new(OsRandom))
        .trust(trust.clone())
        .build()
        .unwrap();
    Bench {
        store,
        revocations,
        clock,
        trust,
        catalog,
        subjects,
    }
}

fn tenant() -> Tenant {
    Tenant::default()
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

impl Bench {
    fn acting(&self, role: &str) -> Principal {
        principal(token(), self.catalog.resolve_roles([role]))
    }

    async fn register(&self, name: &str, roles: &[&str]) {
        let roles = roles.iter().copied();
        self.subjects
            .register(Authority::System, &tenant(), &subject(name), roles)
            .await
            .unwrap();
    }

    async fn assign(&self, name: &str, roles: &[&str]) -> Result<SubjectRecord, Error> {
        let roles = roles.iter().copied();
        self.subjects
            .assign(Authority::System, &tenant(), &subject(name), roles)
            .await
    }

    async fn disable(&self, name: &str) -> Result<SubjectRecord, Error> {
        self.subjects
            .disable(Authority::System, &tenant(), &subject(name))
            .await
    }

    /// Whether a token of the subject with this `iat` is revoked.
    async fn is_revoked(&self, name: &str, issued_at: Timestamp) -> bool {
        let query = RevocationQuery {
            issuer: &Issuer::new("https://auth.example.com").unwrap(),
            id: &TokenId::new("t").unwrap(),
            tenant: &tenant(),
            subject: &subject(name),
            family: None,
            issued_at,
        };
        self.store.is_revoked(query).await.unwrap()
    }

    async fn actions(&self) -> Vec<AuditAction> {
        let page = AuditStore::page(&*self.store, &tenant(), None, 1_000)
            .await
            .unwrap();
        page.items.iter().map(|item| item.event.action).collect()
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind().clone()
}

/// a token of the very second of the change is revoked as well; the next second's is not.
#[tokio::test]
async fn a_change_of_roles_revokes_what_was_issued_before_it() {
    let bench = bench();
    bench.register("bob", &["clerk"]).await;
    bench.clock.advance(Duration::from_millis(2_500));
    let record = bench.assign("bob", &["support"]).await.unwrap();
    assert_eq!((record.version, record.roles.len()), (2, 1));
    let second = |n| START + Duration::from_secs(n);
    assert!(bench.is_revoked("bob", second(2)).await);
    assert!(!bench.is_revoked("bob", second(3)).await);

    bench.clock.jump_to(second(10));
    bench.disable("bob").await.unwrap();
    assert!(bench.is_revoked("bob", second(10)).await);
    assert!(!bench.is_revoked("bob", second(11)).await);
    assert!(!bench.is_revoked("alice", second(2)).await);
}

/// this node's caches do not wait for the feed.
#[tokio::test]
async fn the_nodes_own_caches_forget_at_once() {
    let bench = bench();
    bench.register("bob", &["clerk"]).await;
    let (tenant, bob) = (tenant(), subject("bob"));
    let revocation = RevocationKey::Subject {
        tenant: tenant.clone(),
        subject: bob.clone(),
    };
    let stamps = || {
        (
            bench.trust.stamp(&(&tenant, &bob)),
            bench.trust.stamp(&revocation),
        )
    };
    let before = stamps();
    bench.assign("bob", &["support"]).await.unwrap();
    let after = stamps();
    assert!(before.0 != after.0 && before.1 != after.1);
}

/// the revocation store is down after the roles have changed.
#[tokio::test]
async fn when_revoking_fails_the_call_fails_and_a_second_call_still_revokes() {
    let bench = bench();
    bench.register("bob", &["support"]).await;
    bench.revocations.down_for.store(1, Ordering::SeqCst);
    let error = bench.assign("bob", &["clerk"]).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(!bench.is_revoked("bob", START).await);

    let record = bench.assign("bob", &["clerk"]).await.unwrap();
    assert_eq!(record.version, 2, "the roles had changed before");
    assert!(bench.is_revoked("bob", START).await);

    bench.revocations.down_for.store(1, Ordering::SeqCst);
    bench.clock.advance(Duration::from_secs(60));
    let now = bench.clock.now();
    assert!(bench.disable("bob").await.unwrap_err().is_retryable());
    assert!(!bench.is_revoked("bob", now).await);
    bench.disable("bob").await.unwrap();
    assert!(bench.is_revoked("bob", now).await);
}

/// R-103, F-21
#[tokio::test]
async fn a_call_that_is_dropped_half_way_is_made_good_by_the_next() {
    let bench = bench();
    bench.register("bob", &["support"]).await;
    bench.revocations.slow_for.store(1, Ordering::SeqCst);
    {
        let mut call = std::pin::pin!(bench.assign("bob", &["clerk"]));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(call.as_mut().poll(&mut context), Poll::Pending));
    }
    let found = bench
        .subjects
        .find(&tenant(), &subject("bob"))
        .await
        .unwrap()
        .unwrap();
    assert!(found.roles.contains("clerk"));
    assert!(!bench.is_revoked("bob", START).await);
    bench.assign("bob", &["clerk"]).await.unwrap();
    assert!(bench.is_revoked("bob", START).await);
}

/// R-83, B-79: granting needs superset rights.
#[tokio::test]
async fn nobody_gives_a_role_that_permits_more_than_they_may_do() {
    let bench = bench();
    bench.register("bob", &["clerk"]).await;
    let (support, tenant, bob) = (bench.acting("support"), tenant(), subject("bob"));
    let assign = |roles: &'static [&'static str]| {
        let roles = roles.iter().copied();
        bench.subjects.assign(&support, &tenant, &bob, roles)
    };
    assert!(matches!(
        kind(assign(&["admin"]).await),
        ErrorKind::Forbidden(_)
    ));
    assert!(matches!(
        kind(assign(&["clerk", "admin"]).await),
        ErrorKind::Forbidden(_)
    ));
    assert!(
        !bench.is_revoked("bob", START).await,
        "a refused call changed something"
    );
    assert!(assign(&["support"]).await.is_ok());

    let eve = subject("eve");
    let registered = bench
        .subjects
        .register(&support, &tenant, &eve, ["admin"])
        .await;
    assert!(matches!(kind(registered), ErrorKind::Forbidden(_)));
    assert!(bench.subjects.find(&tenant, &eve).await.unwrap().is_none());
}

/// enabling gives the roles back, so it is granting.
#[tokio::test]
async fn nobody_enables_a_subject_that_may_do_more_than_they_may() {
    let bench = bench();
    bench.register("alice", &["admin"]).await;
    bench.register("root", &["admin"]).await;
    bench.disable("alice").await.unwrap();
    let (support, admin, alice) = (
        bench.acting("support"),
        bench.acting("admin"),
        subject("alice"),
    );
    let refused = bench.subjects.enable(&support, &tenant(), &alice).await;
    assert!(matches!(kind(refused), ErrorKind::Forbidden(_)));
    let enabled = bench
        .subjects
        .enable(&admin, &tenant(), &alice)
        .await
        .unwrap();
    assert_eq!(enabled.disabled_at, None);
}

///
#[tokio::test]
async fn unknown_roles_and_too_many_are_refused() {
    let bench = bench();
    bench.register("bob", &["clerk"]).await;
    for bad in ["", "nobody", "admin ", "*"] {
        let refused = kind(bench.assign("bob", &["clerk", bad]).await);
        assert!(matches!(
            refused,
            ErrorKind::InvalidInput { field: "roles", .. }
        ));
    }
    let many = (0..65).fold(RoleCatalog::builder(), |b, n| {
        b.role(Role::new(format!("r{n}")))
    });
    let subjects = Subjects::builder(
        bench.store.clone(),
        bench.store.clone(),
        many.build().unwrap(),
    )
    .build()
    .unwrap();
    let all = |n| (0..n).map(|n| format!("r{n}"));
    let (tenant, bob) = (tenant(), subject("bob"));
    assert!(
        subjects
            .assign(Authority::System, &tenant, &bob, all(65))
            .await
            .is_err()
    );
    assert!(
        subjects
            .assign(Authority::System, &tenant, &bob, all(64))
            .await
            .is_ok()
    );
}

///
#[tokio::test]
async fn the_last_enabled_admin_cannot_be_removed() {
    let bench = bench();
    bench.register("alice", &["admin"]).await;
    bench.register("bob", &["admin"]).await;
    bench.disable("bob").await.unwrap();
    assert!(matches!(
        kind(bench.disable("alice").await),
        ErrorKind::Conflict(_)
    ));
    assert!(matches!(
        kind(bench.assign("alice", &["clerk"]).await),
        ErrorKind::Conflict(_)
    ));
    assert!(!bench.is_revoked("alice", START).await);

    let bob = subject("bob");
    bench
        .subjects
        .enable(Authority::System, &tenant(), &bob)
        .await
        .unwrap();
    assert!(bench.assign("alice", &["clerk"]).await.is_ok());
}

/// a foreign id is not found, whoever asks.
#[tokio::test]
async fn another_tenants_subjects_are_not_there() {
    let bench = bench();
    let other = Tenant::new("other").unwrap();
    let (admin, eve) = (bench.acting("admin"), subject("eve"));
    let system = Authority::System;
    bench
        .subjects
        .register(system, &other, &eve, ["clerk"])
        .await
        .unwrap();
    assert_eq!(kind(bench.disable("eve").await), ErrorKind::NotFound);
    assert_eq!(
        kind(bench.subjects.disable(&admin, &other, &eve).await),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(bench.subjects.enable(&admin, &other, &eve).await),
        ErrorKind::NotFound
    );
    let assigned = bench.subjects.assign(&admin, &other, &eve, ["clerk"]).await;
    assert_eq!(kind(assigned), ErrorKind::NotFound);
    let registered = bench
        .subjects
        .register(&admin, &other, &subject("mal"), ["clerk"])
        .await;
    assert_eq!(kind(registered), ErrorKind::NotFound);
    assert!(
        bench
            .subjects
            .find(&tenant(), &eve)
            .await
            .unwrap()
            .is_none()
    );
}

///
#[tokio::test]
async fn every_change_leaves_its_event_and_a_call_without_a_change_none() {
    use AuditAction::{
        SubjectDisabled, SubjectEnabled, SubjectRegistered, SubjectRolesAssigned, TokenRevoked,
    };
    let bench = bench();
    bench.register("bob", &["clerk"]).await;
    for _ in 0..2 {
        bench.assign("bob", &["support"]).await.unwrap();
    }
    bench.clock.advance(Duration::from_secs(5));
    bench.disable("bob").await.unwrap();
    let bob = subject("bob");
    bench
        .subjects
        .enable(Authority::System, &tenant(), &bob)
        .await
        .unwrap();
    let again = bench
        .subjects
        .register(Authority::System, &tenant(), &bob, ["clerk"])
        .await;
    assert!(matches!(kind(again), ErrorKind::Conflict(_)));
    assert_eq!(
        bench.actions().await,
        [
            SubjectRegistered,
            SubjectRolesAssigned,
            TokenRevoked,
            SubjectDisabled,
            TokenRevoked,
            SubjectEnabled
        ]
    );
}

#[test]
fn the_kept_role_must_exist_and_is_admin_only_where_there_is_one() {
    let store = Arc::new(MemoryStore::new());
    let catalog = RoleCatalog::builder()
        .role(Role::new("owner"))
        .build()
        .unwrap();
    assert_eq!(catalog.permissions(), &[] as &[Permission]);
    let builder = || Subjects::builder(store.clone(), store.clone(), catalog.clone());
    assert_eq!(builder().build().unwrap().kept_role, None);
    assert!(builder().kept_role("owner").build().is_ok());
    assert!(builder().kept_role("admin").build().is_err());
    assert!(
        builder()
            .longest_token_life(Duration::ZERO)
            .build()
            .is_err()
    );
}
