//! The link is cut while a change is under way: nobody knows whether it was made, until somebody looks.

use fountain_core::access::Authority;
use fountain_core::api_key::Rotation;
use fountain_core::identity::ClientId;
use fountain_core::token::{IssuedTokens, RefreshRequest};
use fountain_core::{Actor, Error, ErrorKind, Fountain, Secret, Tenant};
use fountain_tests_faults::{Cut, Direction, Seen, within};

use crate::world::{
    RECOVERY, World, accepts, accepts_token, idle_in_transaction, issue, number, revoke, sign_in,
};

/// At which moment the link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The request that carries the word does not arrive.
    Request,
    /// It arrives, and its answer goes nowhere.
    Answer,
}

const MOMENTS: [Moment; 2] = [Moment::Request, Moment::Answer];

fn cut_at(world: &World, moment: Moment, word: &str) {
    let word = Seen::Pattern(word.as_bytes().to_vec());
    let cut = match moment {
        Moment::Request => Cut::Before,
        Moment::Answer => Cut::After,
    };
    world.proxy.cut_when(Direction::ToServer, word, cut);
}

async fn refresh(fountain: &Fountain, tokens: &IssuedTokens) -> Result<IssuedTokens, Error> {
    let token = Secret::from(tokens.refresh_token.expose().to_owned());
    let request = RefreshRequest::new(token, ClientId::new("web").unwrap());
    fountain.tokens().refresh(request).await
}

/// F-10, F-11, R-43, R-104
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_link_is_cut_has_one_child_and_its_client_gets_it() {
    let world = World::new().await;
    let fountain = &world.node.fountain;
    let mut beside = world.beside().await;
    let mut unheard = 0;
    // The word in the request's event, and the family in the answer: half of an answer is none.
    for half_an_answer in [false, true] {
        for moment in [Moment::Request, Moment::Answer, Moment::Answer] {
            let tokens = sign_in(fountain, "alice").await.unwrap();
            if half_an_answer {
                let word = Seen::Pattern(tokens.family.as_str().into());
                world.proxy.cut_when(Direction::ToClient, word, Cut::Before);
            } else {
                cut_at(&world, moment, "token.refreshed");
            }
            let first = refresh(fountain, &tokens).await;
            assert!(first.is_err(), "{moment:?}");
            let family = format!(
                "SELECT count(*) FROM fountain.refresh_tokens WHERE family = '{}'",
                tokens.family
            );
            let live = format!("{family} AND spent_at IS NULL");
            settled(&world).await;
            assert_eq!(number(&mut beside, &live).await, 1, "{moment:?}");
            let made = number(&mut beside, &family).await == 2;
            assert_eq!(made, half_an_answer || moment == Moment::Answer);
            unheard += usize::from(made);
            // The client tries again with what it has, and gets the one child that there is.
            let child = refresh(fountain, &tokens).await.unwrap();
            assert_eq!(number(&mut beside, &live).await, 1, "{moment:?}");
            assert_eq!(number(&mut beside, &family).await, 2, "{moment:?}");
            drop(refresh(fountain, &child).await.unwrap());
        }
    }
    assert_eq!((world.proxy.sprung(), unheard), (6, 5));
    assert_eq!(idle_in_transaction(&world.server).await, 0);
}

/// Until the server has done what it was asked, and noticed that nobody waits for the answer.
async fn settled(world: &World) {
    let mut beside = world.beside().await;
    within("the server has come to rest", RECOVERY, async || {
        let active = number(
            &mut beside,
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'",
        );
        (active.await == 0).then_some(())
    })
    .await;
}

/// F-10: what was revoked stays revoked, whether or not anybody heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_link_is_cut_is_made_or_reported_and_never_undone() {
    let world = World::new().await;
    let fountain = &world.node.fountain;
    let mut unheard = 0;
    for _round in 0..3 {
        for moment in MOMENTS {
            let key = issue(fountain).await.unwrap();
            cut_at(&world, moment, key.record.id.as_str());
            let first = revoke(fountain, &key).await;
            world.proxy.disarm();
            if let Err(error) = &first {
                assert_eq!(*error.kind(), ErrorKind::Unavailable);
            }
            settled(&world).await;
            let accepted = accepts(fountain, &key).await.unwrap();
            assert!(first.is_err());
            assert_eq!(accepted, moment == Moment::Request);
            unheard += usize::from(!accepted);
            revoke(fountain, &key).await.unwrap();
            assert_eq!(accepts(fountain, &key).await, Ok(false));

            let tokens = sign_in(fountain, "bob").await.unwrap();
            cut_at(&world, moment, tokens.family.as_str());
            let (actor, tenant) = (Actor::System, Tenant::default());
            let first = fountain
                .tokens()
                .revoke_family(&actor, &tenant, &tokens.family)
                .await;
            world.proxy.disarm();
            settled(&world).await;
            let accepted = accepts_token(fountain, &tokens).await.unwrap();
            assert!(first.is_err());
            assert_eq!(accepted, moment == Moment::Request);
            fountain
                .tokens()
                .revoke_family(&actor, &tenant, &tokens.family)
                .await
                .unwrap();
            assert_eq!(accepts_token(fountain, &tokens).await, Ok(false));
        }
    }
    assert_eq!(unheard, 3);
}

/// F-10: a rotation has one successor at most.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_link_is_cut_has_one_successor_or_none() {
    let world = World::new().await;
    let fountain = &world.node.fountain;
    let mut beside = world.beside().await;
    let mut heard = 0;
    for _round in 0..3 {
        for moment in MOMENTS {
            let key = issue(fountain).await.unwrap();
            cut_at(&world, moment, "api_key.rotated");
            let rotate = || {
                let keys = fountain.api_keys();
                keys.rotate(
                    Authority::System,
                    &key.record.tenant,
                    &key.record.id,
                    Rotation::new(),
                )
            };
            let first = rotate().await;
            world.proxy.disarm();
            let successors = format!(
                "SELECT count(*) FROM fountain.api_keys WHERE predecessor = '{}'",
                key.record.id
            );
            settled(&world).await;
            let stored = number(&mut beside, &successors).await;
            assert_eq!(stored, i64::from(moment == Moment::Answer));
            // What is not known is looked up: mostly the caller has the new key all the same.
            assert!(first.is_err() || moment == Moment::Answer, "{first:?}");
            heard += usize::from(first.is_ok());
            match rotate().await {
                Ok(_) => assert_eq!(stored, 0),
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Conflict(_)), "{error:?}"),
            }
            assert_eq!(number(&mut beside, &successors).await, 1);
        }
    }
    assert_eq!(world.proxy.sprung(), 6);
    assert!(heard > 0);
}
