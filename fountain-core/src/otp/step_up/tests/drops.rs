//! A caller that goes away.

use super::*;

/// Polls so often, and drops the future then; `true` when it was done before.
fn drop_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut cx).is_ready())
}

/// a redemption that is dropped at any await has spent its grant, or has not, and did it together with its event.
#[tokio::test]
async fn a_redemption_dropped_at_any_poll_gives_nobody_two_acts() {
    let mut polls = 0;
    loop {
        let world = world();
        let grant = world.grant(None).await;
        world.store.is_slow.store(true, Ordering::Relaxed);
        let done = drop_after(polls, world.redeem(None, Some(grant.expose())));
        world.store.is_slow.store(false, Ordering::Relaxed);

        let spent = world.events().await.len() == 2;
        let again = world.redeem(None, Some(grant.expose())).await;
        match again {
            Ok(_) => assert!(!done && !spent, "at {polls}"),
            Err(refused) => {
                assert!(spent, "at {polls}");
                assert_eq!(refused.reason(), Reason::GrantSpent);
            }
        }
        assert_eq!(world.events().await.len(), 2);
        if done {
            assert!(polls > 2, "it waited before and after the store's step");
            break;
        }
        polls += 1;
    }
}

///
#[tokio::test]
async fn a_grant_dropped_at_any_poll_is_stored_with_its_event_or_not_at_all() {
    let mut polls = 0;
    loop {
        let world = world();
        world.store.is_slow.store(true, Ordering::Relaxed);
        let (alice, rotate) = (alice(), rotate());
        let shown = world.shown(&alice, &rotate, None, FactorKind::Totp);
        let done = drop_after(polls, world.step_up.grant(&alice, &rotate, None, shown));
        let after_its_end = START + LIFE + TICK;
        let stored = ChallengeStore::purge(&world.store.inner, after_its_end, 9).await;
        let events = u64::try_from(world.events().await.len()).unwrap();
        assert_eq!(stored.unwrap(), events, "at {polls}");
        if done {
            assert!(polls > 2 && events == 1);
            break;
        }
        polls += 1;
    }
}
