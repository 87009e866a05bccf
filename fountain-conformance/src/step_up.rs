//! `StepUp` on the store: that a grant is good for one act holds only as well as the store consumes a challenge once.

use fountain_core::access::StepUpAction;
use fountain_core::identity::{Assurance, Credential, Grants, PrincipalParts};
use fountain_core::otp::{SecondFactorAnswer, StepUp};
use fountain_core::{Pepper, Principal, Reason, Secret, Timestamp};

use crate::context::{Context, Stores};
use crate::race::{count, drop_after, race};
use crate::second_factor::{Node, Person, lenient};

/// R-60, B-58: two nodes, one pepper, one grant.
pub(crate) async fn step_up_of_parallel_redemptions_of_one_grant_exactly_one_gives_the_proof(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.service_races {
        let session = Session::new(&cx, &s).await;
        let other_node = session.on_another_node(&s);
        let grant = session.grant().await;
        let outcomes = race(cx.rounds.tasks, |task| {
            let session = [&session, &other_node][task % 2].clone();
            let grant = grant.clone();
            async move { session.redeem(&grant).await }
        })
        .await;
        let proofs = count(&outcomes, Result::is_ok);
        assert_eq!(proofs, 1, "of {} redemptions of one grant", outcomes.len());
        let spent = count(&outcomes, |outcome| *outcome == Err(Reason::GrantSpent));
        assert_eq!(proofs + spent, outcomes.len(), "{outcomes:?}");
    }
}

/// whoever is dropped while it redeems has spent the grant or has not, and nobody acts twice.
pub(crate) async fn step_up_a_redemption_that_is_dropped_leaves_its_grant_good_once(cx: Context) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls.min(60) {
        let session = Session::new(&cx, &s).await;
        let grant = session.grant().await;
        let first = drop_after(polls, session.redeem(&grant)).await;
        let mut proofs = usize::from(matches!(first, Some(Ok(()))));
        for _ in 0..2 {
            match session.redeem(&grant).await {
                Ok(()) => proofs += 1,
                Err(why) => assert_eq!(why, Reason::GrantSpent, "after {polls} polls"),
            }
        }
        assert!(proofs <= 1, "{proofs} proofs after {polls} polls");
        if polls == 0 {
            assert_eq!(proofs, 1, "a call that was never polled spent the grant");
        }
    }
}

/// Somebody who signed in by a password, has an app, and is about to step up.
#[derive(Debug, Clone)]
struct Session {
    node: Node,
    step_up: StepUp,
    principal: Principal,
    code: String,
}

impl Session {
    async fn new(cx: &Context, s: &Stores) -> Self {
        let node = Node::new(cx, s, lenient());
        let (Person { tenant, subject }, code) = node.with_app(cx).await;
        let principal = Principal::new(PrincipalParts {
            tenant,
            subject,
            credential: Credential::AccessToken {
                id: cx.fixtures.token_id(),
                issuer: cx.fixtures.issuer(),
                family: Some(cx.fixtures.family_id()),
                client: cx.fixtures.client(),
            },
            roles: Vec::new(),
            scopes: Vec::new(),
            grants: Grants::none(),
            assurance: Assurance {
                amr: vec!["pwd".to_owned()],
                ..Assurance::default()
            },
            expires_at: Timestamp::MAX,
            superseded_at: None,
        });
        Self {
            step_up: step_up(&node, s),
            node,
            principal,
            code,
        }
    }

    /// The same session, seen by a service of its own.
    fn on_another_node(&self, s: &Stores) -> Self {
        Self {
            step_up: step_up(&self.node, s),
            ..self.clone()
        }
    }

    async fn grant(&self) -> Secret {
        let (principal, action) = (&self.principal, rotate());
        let binding = self.step_up.binding(principal, &action, RESOURCE);
        let purpose = StepUp::purpose();
        let shown = self.node.service.verify(
            principal.tenant(),
            principal.subject(),
            &purpose,
            &binding,
            SecondFactorAnswer::Authenticator(&self.code),
            None,
        );
        let shown = shown.await.expect("the code is good");
        let granted = self.step_up.grant(principal, &action, RESOURCE, shown);
        granted.await.expect("two factors make a grant").grant
    }

    async fn redeem(&self, grant: &Secret) -> Result<(), Reason> {
        let presented = Some(grant.expose());
        let action = rotate();
        let redeem = self
            .step_up
            .redeem(&self.principal, &action, RESOURCE, presented);
        redeem
            .await
            .map(drop)
            .map_err(|rejection| rejection.reason())
    }
}

const RESOURCE: Option<&str> = Some("key-1");

fn rotate() -> StepUpAction {
    StepUpAction::new("keys:rotate").expect("it is an action")
}

fn step_up(node: &Node, s: &Stores) -> StepUp {
    StepUp::builder(s.challenges.clone(), Pepper::new(&[3; 32]))
        .clock(node.clock.clone())
        .random(node.random.clone())
        .build()
        .expect("the settings are in bounds")
}
