//! Requirements that name an act.

use super::*;
use crate::access::{CredentialKind, Role};

struct RotateKeys;
impl Require for RotateKeys {
    fn requirement() -> Requirement {
        Requirement::permission("keys:rotate").step_up("keys:rotate")
    }
}

struct ReadKeys;
impl Require for ReadKeys {
    fn requirement() -> Requirement {
        Requirement::permission("keys:read")
    }
}

struct Broken;
impl Require for Broken {
    fn requirement() -> Requirement {
        Requirement::permission("keys:read")
            .step_up("keys:rotate")
            .step_up("keys:delete")
    }
}

fn catalog() -> RoleCatalog {
    RoleCatalog::builder()
        .permissions(["keys:read", "keys:rotate"])
        .role(Role::new("admin").grant("*"))
        .require::<RotateKeys>()
        .build()
        .unwrap()
}

fn holder(role: &str) -> Principal {
    altered(|parts| parts.grants = catalog().resolve_roles([role]))
}

fn compiled(requirement: &Requirement) -> CompiledRequirement {
    catalog().compile(requirement).unwrap()
}

impl World {
    async fn rotate(
        &self,
        principal: Principal,
        resource: Option<&str>,
        presented: Option<&str>,
    ) -> Result<Authorized<RotateKeys>, Rejection> {
        self.step_up
            .authorize(&catalog(), principal, resource, presented)
            .await
    }
}

/// L-05
#[tokio::test]
async fn a_grant_makes_the_witness_of_its_act_and_says_on_what() {
    let world = world();
    let grant = world.grant(Some("key-1")).await;
    let refused = world.rotate(holder("admin"), Some("key-1"), None).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), &needed(Some("key-1")));
    assert_eq!(refused.reason(), Reason::GrantMissing);

    let presented = Some(grant.expose());
    let proof = world
        .rotate(holder("admin"), Some("key-1"), presented)
        .await
        .unwrap();
    assert_eq!(proof.resource(), Some("key-1"));
    assert_eq!(proof.clone().resource(), Some("key-1"));
    let again = world
        .rotate(holder("admin"), Some("key-1"), presented)
        .await;
    assert_eq!(again.unwrap_err().reason(), Reason::GrantSpent);
}

/// The order of the service's contract: who lacks the role gets 403, and keeps the grant.
#[tokio::test]
async fn who_may_not_do_it_is_told_so_first_and_spends_nothing() {
    let world = world();
    let grant = world.grant(None).await;
    let (presented, calls) = (Some(grant.expose()), world.calls());
    for presented in [None, Some("garbage"), presented] {
        let refused = world.rotate(holder("nobody"), None, presented).await;
        let refused = refused.unwrap_err();
        assert!(matches!(
            refused.kind(),
            RejectionKind::InsufficientScope { .. }
        ));
    }
    assert_eq!(world.calls(), calls);
    assert!(world.rotate(holder("admin"), None, presented).await.is_ok());
}

#[tokio::test]
async fn a_requirement_without_an_act_needs_no_grant_and_spends_none() {
    let world = world();
    let grant = world.grant(None).await;
    let calls = world.calls();
    let read = world
        .step_up
        .authorize::<ReadKeys>(&catalog(), holder("admin"), None, Some(grant.expose()))
        .await
        .unwrap();
    assert_eq!((read.resource(), world.calls()), (None, calls));
    let requirement = compiled(&ReadKeys::requirement());
    let refused = world
        .step_up
        .redeem_for(&requirement, &holder("admin"), None, Some(grant.expose()))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::Unwired);
    assert!(world.redeem(None, Some(grant.expose())).await.is_ok());
}

/// No way around the grant: not by the principal alone, and not by a requirement that cannot be compiled.
#[tokio::test]
async fn a_check_of_the_principal_alone_never_meets_a_step_up() {
    let world = world();
    let direct = catalog().authorize::<RotateKeys>(holder("admin"), START);
    let refused = direct.unwrap_err();
    assert!(matches!(
        refused.kind(),
        RejectionKind::StepUpRequired { action: Some(action), resource: None, .. } if action == "keys:rotate"
    ));
    assert_eq!(refused.reason(), Reason::GrantMissing);
    let requirement = compiled(&RotateKeys::requirement());
    assert_eq!(
        requirement.check(&holder("admin"), START).unwrap_err(),
        refused
    );
    let denied = requirement.check(&holder("nobody"), START).unwrap_err();
    assert_eq!(denied.reason(), Reason::PermissionMissing);

    let grant = world.grant(None).await;
    let broken = world
        .step_up
        .authorize::<Broken>(&catalog(), holder("admin"), None, Some(grant.expose()))
        .await;
    assert_eq!(broken.unwrap_err().reason(), Reason::PermissionMissing);
    assert!(world.redeem(None, Some(grant.expose())).await.is_ok());
}

///
#[tokio::test]
async fn a_proof_is_good_for_its_principal_its_act_and_its_resource_only() {
    let world = world();
    for (principal, resource, is_met) in [
        (holder("admin"), Some("key-1"), true),
        (holder("admin"), Some("key-2"), false),
        (holder("admin"), None, false),
        (holder("nobody"), Some("key-1"), false),
        (
            altered(|parts| {
                parts.grants = catalog().resolve_roles(["admin"]);
                parts.subject = Subject::new("mallory").unwrap();
            }),
            Some("key-1"),
            false,
        ),
        (
            altered(|parts| {
                parts.grants = catalog().resolve_roles(["admin"]);
                parts.tenant = Tenant::new("other").unwrap();
            }),
            Some("key-1"),
            false,
        ),
    ] {
        let grant = world.grant(Some("key-1")).await;
        let proof = world.redeem(Some("key-1"), Some(grant.expose())).await;
        let proof = proof.unwrap();
        let delete = Requirement::permission("keys:rotate").step_up("keys:delete");
        let other = compiled(&delete).check_stepped_up(&principal, &proof, resource, START);
        assert!(other.is_err());
        let met = catalog().authorize_stepped_up::<RotateKeys>(principal, proof, resource, START);
        assert_eq!(met.is_ok(), is_met, "{met:?}");
    }
}

#[test]
fn an_act_is_one_and_well_formed_and_not_for_api_keys() {
    let act = || Requirement::authenticated().step_up("keys:rotate");
    let open = Requirement::authenticated;
    assert!(catalog().compile(&act().and(act())).is_ok());
    assert!(
        catalog()
            .compile(&act().credential(CredentialKind::AccessToken))
            .is_ok()
    );
    for (bad, hint) in [
        (act().step_up("keys:delete"), "one only"),
        (open().step_up("keys:delete").and(act()), "one only"),
        (open().step_up(""), "1 to 64"),
        (open().step_up("Keys:Rotate"), "1 to 64"),
        (open().step_up("a\" b"), "1 to 64"),
        (open().step_up("a".repeat(65)), "1 to 64"),
        (act().credential(CredentialKind::ApiKey), "no API key"),
    ] {
        let error = catalog().compile(&bad).unwrap_err().to_string();
        assert!(error.contains(hint), "{bad:?}: {error}");
    }
}

/// One small requirement out of each of the ways to ask for something.
fn piece(number: u8) -> Requirement {
    let open = Requirement::authenticated();
    match number % 8 {
        0 => open,
        1 => Requirement::permission("keys:read"),
        2 => Requirement::any_of(["keys:read", "keys:rotate"]),
        3 => open.max_age(Duration::from_secs(60)),
        4 => open.acr("urn:fountain:acr:mfa"),
        5 => open.credential(CredentialKind::AccessToken),
        6 => open.step_up("keys:delete"),
        _ => open.step_up("keys:rotate"),
    }
}

/// `and` is stricter than either side, in either order: what passes both together passes each by itself, with a step-up or
/// without.
#[tokio::test]
async fn adding_a_step_up_to_a_requirement_never_makes_it_laxer() {
    let world = world();
    let grant = world.grant(None).await;
    let proof = world.redeem(None, Some(grant.expose())).await.unwrap();
    let catalog = catalog();
    let principals: Vec<_> = [("admin", true), ("admin", false), ("nobody", true)]
        .into_iter()
        .flat_map(|(role, is_fresh)| {
            [Some("urn:fountain:acr:mfa"), None].map(|acr| {
                altered(|parts| {
                    parts.grants = catalog.resolve_roles([role]);
                    parts.assurance.acr = acr.map(str::to_owned);
                    parts.assurance.auth_time = is_fresh.then_some(START);
                })
            })
        })
        .collect();
    let met = |requirement: &Requirement, principal: &Principal, proof: Option<&SteppedUp>| {
        let Ok(compiled) = catalog.compile(requirement) else {
            return false;
        };
        match proof {
            Some(proof) => compiled.check_stepped_up(principal, proof, None, START),
            None => compiled.check(principal, START),
        }
        .is_ok()
    };
    let passed = AtomicUsize::new(0);
    proptest::proptest!(|(left in proptest::collection::vec(0_u8..8, 0..4), right in proptest::collection::vec(0_u8..8, 0..4))| {
        let all = |of: &[u8]| {
            of.iter().fold(Requirement::authenticated(), |all, number| all.and(piece(*number)))
        };
        let (left, right) = (all(&left), all(&right));
        for joined in [left.clone().and(right.clone()), right.clone().and(left.clone())] {
            for principal in &principals {
                for proof in [Some(&proof), None] {
                    if met(&joined, principal, proof) {
                        passed.fetch_add(1, Ordering::Relaxed);
                        proptest::prop_assert!(met(&left, principal, proof) && met(&right, principal, proof));
                    }
                    proptest::prop_assert!(!met(&joined.clone().step_up("keys:rotate"), principal, None));
                }
            }
        }
    });
    assert!(
        passed.into_inner() > 0,
        "the property was tried on what passes"
    );
}
