use super::*;
use crate::seal::{DataKey, KeyEncryption, SealError, WrappedKey};

/// at once here, within the bound elsewhere, whether or not the feed works.
#[tokio::test]
async fn a_revoked_key_neither_signs_nor_verifies_from_then_on() {
    let world = World::edwards();
    let (here, there) = (world.node(), world.node());
    let leaked = here.bootstrap().await.unwrap();
    let token = world.issue(&here).await;
    assert_eq!(world.verify(&there, &token).await, Ok(()));

    let Revoked::Revoked { replacement } =
        here.revoke(&leaked, Actor::System, "leaked").await.unwrap()
    else {
        panic!("the key was active");
    };
    let replacement = replacement.unwrap();
    assert_eq!(*here.signer().await.unwrap().kid(), replacement);
    assert_eq!(
        world.verify(&here, &token).await,
        Err(Reason::TokenKeyState)
    );
    assert!(!here.jwks().await.unwrap().json().contains(leaked.as_str()));

    // elsewhere the new key is found as soon as it is met, and the old one goes with it
    let fresh = world.issue(&here).await;
    assert_eq!(world.verify(&there, &fresh).await, Ok(()));
    assert_eq!(
        world.verify(&there, &token).await,
        Err(Reason::TokenKeyState)
    );
    assert_eq!(
        here.revoke(&leaked, Actor::System, "again").await.unwrap(),
        Revoked::AlreadyEnded
    );
    assert!(
        world
            .ring()
            .await
            .keys
            .iter()
            .all(|record| record.kid != leaked || record.sealed.is_empty())
    );
}

/// R-31, L-13
#[tokio::test]
async fn no_node_uses_a_revoked_key_for_longer_than_the_bound() {
    let world = World::edwards();
    let (here, there) = (world.node(), world.node());
    let leaked = here.bootstrap().await.unwrap();
    let token = world.issue(&here).await;
    assert_eq!(world.verify(&there, &token).await, Ok(()));
    here.revoke(&leaked, Actor::System, "leaked").await.unwrap();
    world.clock.advance(KeyringConfig::MAX_STALENESS);
    assert_eq!(
        *there.signer().await.unwrap().kid(),
        leaked,
        "still within the bound"
    );
    world.clock.advance(MICRO);
    assert_ne!(*there.signer().await.unwrap().kid(), leaked);
    assert_eq!(
        world.verify(&there, &token).await,
        Err(Reason::TokenKeyState)
    );
}

/// and at once when the feed tells.
#[tokio::test]
async fn a_node_that_hears_of_a_change_asks_before_it_signs_again() {
    let world = World::edwards();
    let (here, there) = (world.node(), world.node());
    let leaked = here.bootstrap().await.unwrap();
    there.signer().await.unwrap();
    here.revoke(&leaked, Actor::System, "leaked").await.unwrap();
    there.trust.forget(world.rules.issuer());
    assert_ne!(*there.signer().await.unwrap().kid(), leaked);
}

/// B-14
#[tokio::test]
async fn a_pending_or_retired_key_can_be_revoked_and_the_active_one_goes_on() {
    let world = World::edwards();
    let node = world.node();
    let first = node.bootstrap().await.unwrap();
    let Rotation::Published { kid: pending, .. } = node.rotate(Actor::System).await.unwrap() else {
        panic!("nothing was pending");
    };
    let ended = node.revoke(&pending, Actor::System, "x").await.unwrap();
    assert_eq!(ended, Revoked::Revoked { replacement: None });
    assert_eq!(*node.signer().await.unwrap().kid(), first);

    node.rotate(Actor::System).await.unwrap();
    world.clock.advance(node.config().lead());
    let token = world.issue(&node).await;
    node.advance().await.unwrap();
    assert_eq!(world.verify(&node, &token).await, Ok(()));
    let ended = node.revoke(&first, Actor::System, "x").await.unwrap();
    assert_eq!(ended, Revoked::Revoked { replacement: None });
    assert_eq!(
        world.verify(&node, &token).await,
        Err(Reason::TokenKeyState)
    );
    assert_eq!(world.in_state(SigningKeyState::Active).await.len(), 1);

    let unknown = Kid::new("unknown").unwrap();
    let error = node.revoke(&unknown, Actor::System, "x").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
}

/// F-27: sixteen nodes revoke the key that signs, at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_revocations_leave_one_active_key() {
    for _ in 0..20 {
        let world = World::edwards();
        let nodes: Vec<_> = (0..16).map(|_| Arc::new(world.node())).collect();
        let leaked = nodes[0].bootstrap().await.unwrap();
        let outcomes = together(nodes.clone(), |node| async move {
            let first = node.active_now().await;
            node.revoke(&first, Actor::System, "leaked").await.unwrap()
        })
        .await;
        assert!(
            outcomes
                .iter()
                .any(|outcome| matches!(outcome, Revoked::Revoked { .. }))
        );
        let active = world.in_state(SigningKeyState::Active).await;
        assert_eq!(active.len(), 1);
        assert_ne!(active[0], leaked);
        for node in nodes {
            assert_ne!(*node.signer().await.unwrap().kid(), leaked);
        }
    }
}

impl Keyring {
    /// The key that signs by what this node knows.
    async fn active_now(&self) -> Kid {
        self.signer().await.unwrap().kid().clone()
    }
}

/// The holder of the key-encryption keys can be down.
#[derive(Debug)]
struct Holder {
    inner: LocalKeys,
    down: AtomicBool,
}

#[async_trait]
impl KeyEncryption for Holder {
    async fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<WrappedKey, SealError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(SealError::Unavailable("down".into())),
            false => self.inner.wrap(key, context).await,
        }
    }
    async fn unwrap(
        &self,
        kek: &KekId,
        bytes: &[u8],
        context: &[u8],
    ) -> Result<DataKey, SealError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(SealError::Unavailable("down".into())),
            false => self.inner.unwrap(kek, bytes, context).await,
        }
    }
}

fn node_with_holder(world: &World) -> (Keyring, Arc<Holder>) {
    let holder = Arc::new(Holder {
        inner: LocalKeys::generate(Arc::new(OsRandom)).unwrap(),
        down: AtomicBool::new(false),
    });
    let mut node = world.node();
    node.sealer = Sealer::new(holder.clone(), Arc::new(OsRandom));
    (node, holder)
}

/// F-33: an emergency does not wait for another one to end.
#[tokio::test]
async fn a_key_can_be_revoked_while_no_new_one_can_be_sealed() {
    let world = World::edwards();
    let (node, holder) = node_with_holder(&world);
    let leaked = node.bootstrap().await.unwrap();
    holder.down.store(true, Ordering::SeqCst);
    let ended = node.revoke(&leaked, Actor::System, "leaked").await.unwrap();
    assert_eq!(ended, Revoked::Revoked { replacement: None });
    let error = node.signer().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict(_)), "{error}");
    assert!(node.advance().await.unwrap_err().is_retryable());

    holder.down.store(false, Ordering::SeqCst);
    let done = node.advance().await.unwrap();
    assert_eq!(done.published, done.activated);
    assert_eq!(*node.signer().await.unwrap().kid(), done.activated[0]);
}

/// The same with a successor under way that may not sign yet: nothing is signed by it before its time.
#[tokio::test]
async fn after_a_revocation_without_replacement_a_key_signs_at_once() {
    let world = World::edwards();
    let (node, holder) = node_with_holder(&world);
    let leaked = node.bootstrap().await.unwrap();
    let Rotation::Published { kid: pending, .. } = node.rotate(Actor::System).await.unwrap() else {
        panic!("nothing was pending");
    };
    holder.down.store(true, Ordering::SeqCst);
    node.revoke(&leaked, Actor::System, "leaked").await.unwrap();
    holder.down.store(false, Ordering::SeqCst);
    let active = node.bootstrap().await.unwrap();
    assert!(active != leaked && active != pending);
    assert_eq!(world.in_state(SigningKeyState::Pending).await, [pending]);
}
