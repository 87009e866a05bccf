use super::*;
use crate::access::tests::{principal, token};

/// What R-81 says, as plainly as it can be said: the model that the catalogue is held against.
mod model {
    pub(super) fn matches(pattern: &[&str], permission: &[&str]) -> bool {
        match (pattern, permission) {
            ([], []) | (["*"], [_, ..]) => true,
            (["*", pattern @ ..], [_, permission @ ..]) => matches(pattern, permission),
            ([a, pattern @ ..], [b, permission @ ..]) => a == b && matches(pattern, permission),
            _ => false,
        }
    }

    pub(super) fn grants(pattern: &str, permission: &str) -> bool {
        let split = |text| str::split(text, ':').collect::<Vec<_>>();
        matches(&split(pattern), &split(permission))
    }

    pub(super) struct Role {
        pub(super) patterns: Vec<String>,
        pub(super) parents: Vec<usize>,
    }

    pub(super) fn role_grants(roles: &[Role], role: usize, permission: &str) -> bool {
        roles[role].patterns.iter().any(|p| grants(p, permission))
            || roles[role]
                .parents
                .iter()
                .any(|parent| role_grants(roles, *parent, permission))
    }
}

/// A xorshift generator: the cases are the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn text(&mut self, alphabet: &[&str]) -> String {
        let most = if self.below(4) == 0 { 8 } else { 3 };
        let segments = 1 + self.below(most);
        (0..segments)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect::<Vec<_>>()
            .join(":")
    }
}

fn names(catalog: &RoleCatalog, grants: &Grants) -> Vec<String> {
    catalog.describe(grants).map(ToString::to_string).collect()
}

/// R-81: 10^5 random cases, each the whole set of what a role, or a handful of scopes, permits.
#[test]
fn the_catalogue_agrees_with_the_model_on_a_hundred_thousand_cases() {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let (mut cases, mut granted) = (0, 0);
    while cases < 100_000 {
        let permissions: Vec<_> = (0..1 + draw.below(90))
            .map(|_| draw.text(&["a", "b", "c"]))
            .collect();
        let roles: Vec<_> = (0..8)
            .map(|n| model::Role {
                patterns: (0..draw.below(3))
                    .map(|_| draw.text(&["a", "b", "*"]))
                    .filter(|p| permissions.iter().any(|q| model::grants(p, q)))
                    .collect(),
                parents: (0..n).filter(|_| draw.below(4) == 0).collect(),
            })
            .collect();
        let catalog = RoleCatalog::builder()
            .permissions(permissions)
            .roles(roles.iter().enumerate().rev().map(|(n, role)| {
                let own = role
                    .patterns
                    .iter()
                    .fold(Role::new(format!("r{n}")), Role::grant);
                role.parents
                    .iter()
                    .fold(own, |r, p| r.inherit(format!("r{p}")))
            }))
            .build()
            .unwrap();

        for n in 0..roles.len() {
            let got = names(&catalog, &catalog.resolve_roles([format!("r{n}")]));
            let mut want = Vec::new();
            for p in catalog.permissions() {
                if model::role_grants(&roles, n, p.as_str()) {
                    want.push(p.to_string());
                }
            }
            assert_eq!(got, want, "role r{n}");
            granted += got.len();
            cases += 1;
        }
        for _ in 0..192 {
            let scopes: Vec<_> = (0..draw.below(4))
                .map(|_| draw.text(&["a", "b", "d", "*"]))
                .collect();
            let got = names(&catalog, &catalog.resolve_scopes(&scopes));
            let want: Vec<_> = catalog
                .permissions()
                .iter()
                .filter(|p| scopes.iter().any(|s| model::grants(s, p.as_str())))
                .map(ToString::to_string)
                .collect();
            assert_eq!(got, want, "scopes {scopes:?}");
            granted += got.len();
            cases += 1;
        }
    }
    assert!(
        granted > cases / 2,
        "the cases are too empty to say anything"
    );
}

fn catalog() -> RoleCatalog {
    RoleCatalog::builder()
        .permissions([
            "orders:read",
            "orders:write",
            "keys:rotate",
            "orders:items:read",
        ])
        .role(Role::new("clerk").grant("orders:*"))
        .role(Role::new("admin").inherit("clerk").grant("keys:rotate"))
        .role(Role::new("empty"))
        .build()
        .unwrap()
}

/// B-39, R-80
#[test]
fn a_role_that_is_not_exactly_one_of_ours_gives_nothing() {
    let catalog = catalog();
    let many = vec![String::from("nobody"); 10_000];
    assert!(catalog.resolve_roles(&many).is_empty());
    for bad in [
        "",
        "admin ",
        " admin",
        "Admin",
        "admin\0",
        "*",
        "clerk,admin",
        "[\"admin\"]",
    ] {
        assert!(catalog.resolve_roles([bad]).is_empty(), "{bad:?}");
    }
    assert!(!catalog.resolve_roles(["nobody", "admin"]).is_empty());
}

/// B-40, B-79
#[test]
fn a_scope_that_is_not_exactly_one_of_ours_gives_nothing() {
    let catalog = catalog();
    for bad in [
        "",
        ":",
        "orders",
        "orders:",
        ":read",
        "orders:read:",
        "orders::read",
        "orders:read*",
        "orders:*read",
        "orders:**",
        "ORDERS:read",
        "orders:read ",
        "orders\t:read",
        "*:*:*:*",
        "orders:read:*",
        "*:*:*:*:*:*:*:*:*",
        &"*:".repeat(5_000),
    ] {
        assert!(catalog.resolve_scopes([bad]).is_empty(), "{bad:?}");
    }
}

#[test]
fn a_star_is_one_segment_and_at_the_end_one_or_more() {
    let catalog = catalog();
    let of = |scope| names(&catalog, &catalog.resolve_scopes([scope]));
    assert_eq!(of("*").len(), 4);
    assert_eq!(of("*:*").len(), 4);
    assert_eq!(of("*:read"), ["orders:read"]);
    assert_eq!(of("orders:*:read"), ["orders:items:read"]);
    assert_eq!(
        of("orders:*"),
        ["orders:read", "orders:write", "orders:items:read"]
    );
    assert_eq!(of("*:*:*"), ["orders:items:read"]);
}

/// R-80: scopes narrow roles and never add to them; an empty claim permits nothing.
#[test]
fn scopes_narrow_roles_and_an_empty_claim_is_not_a_missing_one() {
    let catalog = catalog();
    let of = |roles: Option<&[&str]>, scopes: Option<&[&str]>| {
        names(&catalog, &catalog.resolve(roles, scopes))
    };
    assert_eq!(
        of(Some(&["clerk"]), Some(&["*:read", "keys:*"])),
        ["orders:read"]
    );
    assert_eq!(of(Some(&["clerk"]), None).len(), 3);
    assert_eq!(of(None, Some(&["keys:rotate"])), ["keys:rotate"]);
    assert!(of(None, None).is_empty());
    assert!(of(Some(&[]), Some(&["keys:rotate"])).is_empty());
    assert!(of(Some(&["nobody"]), Some(&["keys:rotate"])).is_empty());
    assert!(of(Some(&["admin"]), Some(&[])).is_empty());
}

fn problems(builder: RoleCatalogBuilder) -> Vec<String> {
    builder
        .build()
        .map(|_| Vec::new())
        .unwrap_or_else(|errors| errors.iter().map(ToString::to_string).collect())
}

fn chain(length: usize) -> RoleCatalogBuilder {
    (1..length).fold(
        RoleCatalog::builder()
            .permission("a")
            .role(Role::new("r0").grant("a")),
        |b, n| b.role(Role::new(format!("r{n}")).inherit(format!("r{}", n - 1))),
    )
}

/// B-79, R-81
#[test]
fn every_mistake_in_a_catalogue_is_named_at_once() {
    let role = Role::new;
    let found = problems(
        RoleCatalog::builder()
            .permissions(["users:read", "Users:write", "users:*"])
            .role(role("a").inherit("b"))
            .role(role("b").inherit("a"))
            .role(role("below-the-circle").inherit("a"))
            .role(role("self").inherit("self"))
            .role(role("orphan").inherit("nobody"))
            .role(role("twice"))
            .role(role("twice"))
            .role(role("Bad Name"))
            .role(role("half").grant("users:read*"))
            .role(role("typo").grant("user:read")),
    );
    let all = found.join("\n");
    for (needle, times) in [
        ("not a permission", 2),
        ("through others", 2),
        ("from itself: remove that", 1),
        ("does not exist", 1),
        ("there twice", 1),
        ("not a role's name", 1),
        ("whole segment either text or '*'", 1),
        ("no declared permission matches", 1),
    ] {
        assert_eq!(all.matches(needle).count(), times, "{needle}: {all}");
    }
    assert!(!all.contains("below-the-circle"), "{all}");
    assert_eq!(found.len(), 10, "{all}");
}

/// B-79, R-81
#[test]
fn a_chain_of_sixteen_roles_is_built_and_one_of_seventeen_is_not() {
    let catalog = chain(16).build().unwrap();
    assert!(!catalog.resolve_roles(["r15"]).is_empty());
    assert_eq!(problems(chain(17)).len(), 1);
    assert_eq!(problems(chain(40)).len(), 1);
}

#[test]
fn a_catalogue_has_bounds() {
    let of = |n: usize| RoleCatalog::builder().permissions((0..n).map(|n| format!("p{n}")));
    assert!(problems(of(4_096)).is_empty());
    assert_eq!(problems(of(4_097)).len(), 1);
    assert_eq!(problems(of(70_000)).len(), 1);
}

#[test]
fn roles_are_read_from_configuration_and_unknown_members_are_refused() {
    let role: Role = serde_json::from_str(r#"{"name":"a","grants":["x:*"]}"#).unwrap();
    assert_eq!(role, Role::new("a").grant("x:*"));
    assert!(serde_json::from_str::<Role>(r#"{"name":"a","grant":["x:*"]}"#).is_err());
}

struct RotateKeys;
impl Require for RotateKeys {
    fn requirement() -> Requirement {
        Requirement::permission("keys:rotate")
    }
}

struct Misspelt;
impl Require for Misspelt {
    fn requirement() -> Requirement {
        Requirement::permission("keys:rotat")
    }
}

/// L-05
#[test]
fn only_who_meets_the_requirement_gets_its_witness() {
    let catalog = catalog();
    let now = Timestamp::from_unix_seconds(1_000);
    for _ in 0..2 {
        let admin = principal(token(), catalog.resolve_roles(["admin"]));
        let witness = catalog.authorize::<RotateKeys>(admin.clone(), now).unwrap();
        assert_eq!(witness.principal(), &admin);
        let clerk = principal(token(), catalog.resolve_roles(["clerk"]));
        assert!(catalog.authorize::<RotateKeys>(clerk, now).is_err());
    }
}

/// R-80
#[test]
fn a_requirement_with_a_typing_error_is_found_when_building_and_met_by_nobody() {
    let builder = RoleCatalog::builder()
        .permission("keys:rotate")
        .require::<RotateKeys>();
    assert_eq!(problems(builder.require::<Misspelt>()).len(), 1);

    let catalog = catalog();
    let everything = principal(token(), catalog.resolve_scopes(["*"]));
    for _ in 0..2 {
        let refused = catalog
            .authorize::<Misspelt>(everything.clone(), Timestamp::from_unix_seconds(1))
            .unwrap_err();
        assert_eq!(refused.reason(), crate::Reason::PermissionMissing);
    }
}
