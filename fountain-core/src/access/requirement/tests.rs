use super::*;
use crate::access::tests::{api_key, principal, principal_with, token};
use crate::access::{Role, RoleCatalog};
use crate::identity::Assurance;

const NOW: Timestamp = Timestamp::from_unix_seconds(10_000);

fn catalog() -> RoleCatalog {
    RoleCatalog::builder()
        .permissions(["keys:rotate", "orders:read", "orders:write"])
        .role(Role::new("admin").grant("*"))
        .role(Role::new("clerk").grant("orders:read"))
        .build()
        .unwrap()
}

fn compiled(requirement: &Requirement) -> CompiledRequirement {
    catalog().compile(requirement).unwrap()
}

fn check(requirement: &Requirement, principal: &Principal) -> Result<(), Rejection> {
    compiled(requirement).check(principal, NOW)
}

fn holder(role: &str) -> Principal {
    principal(token(), catalog().resolve_roles([role]))
}

fn authenticated(acr: Option<&str>, auth_time: Option<Timestamp>) -> Principal {
    principal_with(
        token(),
        catalog().resolve_roles(["admin"]),
        Assurance {
            acr: acr.map(str::to_owned),
            amr: Vec::new(),
            auth_time,
        },
    )
}

#[test]
fn every_permission_and_one_of_each_choice_is_needed() {
    let choice = Requirement::any_of(["orders:write", "orders:read"]);
    assert!(check(&choice, &holder("clerk")).is_ok());
    let both = choice.and(Requirement::permission("keys:rotate"));
    assert!(check(&both, &holder("admin")).is_ok());
    let refused = check(&both, &holder("clerk")).unwrap_err();
    assert_eq!(
        refused.kind(),
        &RejectionKind::InsufficientScope {
            scope: "orders:write keys:rotate".into()
        }
    );
}

///
#[test]
fn whoever_is_authenticated_meets_only_the_requirement_that_says_so() {
    let nobody = principal(token(), Grants::none());
    assert!(check(&Requirement::authenticated(), &nobody).is_ok());
    assert!(check(&Requirement::permission("orders:read"), &nobody).is_err());
}

/// The order that the service's contract fixes: who lacks the role gets 403 before any talk of step-up.
#[test]
fn a_missing_permission_is_said_before_a_wrong_credential_and_that_before_step_up() {
    let strict = Requirement::permission("keys:rotate")
        .credential(CredentialKind::AccessToken)
        .max_age(Duration::from_secs(60));
    let reason = |p: &Principal| check(&strict, p).unwrap_err().reason();
    let admin = catalog().resolve_roles(["admin"]);
    assert_eq!(
        reason(&principal(api_key(), Grants::none())),
        Reason::PermissionMissing
    );
    assert_eq!(reason(&principal(api_key(), admin)), Reason::CredentialKind);
    assert_eq!(reason(&holder("admin")), Reason::AssuranceTooLow);
}

///
#[test]
fn an_authentication_is_fresh_up_to_max_age_and_not_one_tick_longer() {
    let fresh = Requirement::authenticated().max_age(Duration::from_secs(300));
    let at = |t| check(&fresh, &authenticated(None, Some(t)));
    let limit = NOW - Duration::from_secs(300);
    assert!(at(limit).is_ok());
    assert_eq!(
        at(limit - Duration::from_micros(1)).unwrap_err().kind(),
        &RejectionKind::StepUpRequired {
            acr: None,
            max_age: Some(Duration::from_secs(300)),
            action: None,
            resource: None,
        }
    );
    assert!(at(NOW + MAX_SKEW).is_ok());
    assert!(at(NOW + MAX_SKEW + Duration::from_micros(1)).is_err());
    assert!(at(Timestamp::MAX).is_err());
    assert!(check(&fresh, &authenticated(None, None)).is_err());
}

///
#[test]
fn a_class_is_compared_whole_and_named_in_the_challenge() {
    let mfa = Requirement::authenticated().acr("urn:fountain:acr:mfa");
    let with = |acr| check(&mfa, &authenticated(acr, Some(NOW)));
    assert!(with(Some("urn:fountain:acr:mfa")).is_ok());
    for other in [
        None,
        Some(""),
        Some("urn:fountain:acr:mfa "),
        Some("urn:fountain:acr"),
    ] {
        assert_eq!(
            with(other).unwrap_err().kind(),
            &RejectionKind::StepUpRequired {
                acr: Some("urn:fountain:acr:mfa".into()),
                max_age: None,
                action: None,
                resource: None,
            }
        );
    }
}

#[test]
fn adding_to_a_requirement_never_makes_it_laxer() {
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(9));
    let of = |a, b| Requirement::authenticated().max_age(a).max_age(b);
    assert_eq!(of(short, long), of(long, short));
    assert_eq!(of(short, long), Requirement::authenticated().max_age(short));
    let kept = Requirement::authenticated()
        .max_age(short)
        .and(Requirement::permission("keys:rotate"));
    assert!(check(&kept, &holder("admin")).is_err());
}

/// B-79, R-80
#[test]
fn what_nobody_or_everybody_could_meet_does_not_compile() {
    let open = Requirement::authenticated;
    for (bad, hint) in [
        (Requirement::permission("keys:rotat"), "not declared"),
        (Requirement::permission("keys:*"), "without '*'"),
        (Requirement::permission("*"), "without '*'"),
        (Requirement::permission(""), "without '*'"),
        (
            Requirement::any_of(["orders:read", "orders:reed"]),
            "not declared",
        ),
        (Requirement::any_of(Vec::<String>::new()), "at least one"),
        (open().and(Requirement::any_of([""; 0])), "at least one"),
        (open().acr("a").acr("b"), "one only"),
        (open().acr("a\" scope=\"x"), "without blank, quote"),
        (open().acr(""), "1 to 255"),
        (open().max_age(Duration::ZERO), "nobody can meet zero"),
        (
            open()
                .credential(CredentialKind::ApiKey)
                .credential(CredentialKind::AccessToken),
            "one kind only",
        ),
    ] {
        let error = catalog().compile(&bad).unwrap_err().to_string();
        assert!(error.contains(hint), "{bad:?}: {error}");
    }
    assert!(catalog().compile(&open().acr("a").acr("a")).is_ok());
}

/// L-05: the same number is another permission elsewhere.
#[test]
fn what_another_catalogue_resolved_permits_nothing_here() {
    let theirs = RoleCatalog::builder()
        .permissions(["orders:read", "keys:rotate"])
        .build()
        .unwrap();
    let reader = principal(token(), theirs.resolve_scopes(["orders:read"]));
    assert!(
        theirs
            .compile(&Requirement::permission("orders:read"))
            .unwrap()
            .check(&reader, NOW)
            .is_ok()
    );
    for permission in ["keys:rotate", "orders:read"] {
        assert!(check(&Requirement::permission(permission), &reader).is_err());
    }
    assert!(check(&Requirement::authenticated(), &reader).is_ok());
    assert_eq!(catalog().describe(reader.grants()).count(), 0);

    // Declared alike, it is the same catalogue, whatever its roles.
    let alike = RoleCatalog::builder()
        .permissions(["keys:rotate", "orders:read", "orders:write"])
        .build()
        .unwrap();
    let reader = principal(token(), alike.resolve_scopes(["orders:read"]));
    assert!(check(&Requirement::permission("orders:read"), &reader).is_ok());
    assert!(check(&Requirement::permission("keys:rotate"), &reader).is_err());
}
