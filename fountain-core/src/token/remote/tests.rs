use std::sync::Arc;
use std::time::Duration;

use super::doubles::{NOW, Partner, at_once, catalog, claims, clock, pass};
use super::*;
use crate::audit::{AuditAction, AuditEvent};
use crate::clock::Timestamp;
use crate::error::RejectionKind;
use crate::identity::{Actor, TokenId};
use crate::memory::MemoryStore;
use crate::random::OsRandom;
use crate::signing::Algorithm;
use crate::token::{Revocation, RevocationKey, RevocationStore};

const A: &str = "https://a.example";
const B: &str = "https://b.example";

fn verify(issuer: &RemoteIssuer, token: &str) -> Result<Principal, Reason> {
    at_once(issuer.verify(token))
        .unwrap()
        .map_err(|refusal| refusal.reason())
}

/// What a token of A gives under a configuration.
#[expect(
    clippy::unwrap_in_result,
    reason = "what is under test is the result; the rest is set-up"
)]
fn under(
    claims: &AccessClaims,
    configure: impl FnOnce(RemoteIssuerBuilder) -> RemoteIssuerBuilder,
) -> Result<Principal, Reason> {
    let partner = Partner::new();
    let issuer = configure(partner.builder(A, clock())).build().unwrap();
    verify(&issuer, &partner.sign(claims))
}

fn may(principal: &Principal, scope: &str) -> bool {
    principal
        .grants()
        .is_superset(&catalog().resolve_scopes([scope]))
}

#[test]
fn a_token_speaks_for_a_prefixed_subject_in_the_tenant_of_its_issuer_and_may_do_nothing() {
    let mut claims = claims(A);
    claims.tenant = Tenant::new("acme").unwrap();
    claims.roles = Some(vec!["admin".into()]);
    claims.scopes = Some(vec!["orders:read".into(), "keys:rotate".into()]);
    claims.family = Some("0123456789012345678901".parse().unwrap());
    claims.assurance = Assurance {
        acr: Some("urn:fountain:acr:mfa".into()),
        amr: vec!["mfa".into()],
        auth_time: Some(Timestamp::from_unix_seconds(NOW)),
    };
    let principal = under(&claims, |builder| builder).unwrap();
    assert_eq!(principal.tenant().as_str(), "partner");
    assert_eq!(principal.subject().as_str(), "partner:alice");
    assert!(principal.grants().is_empty());
    assert!(principal.roles().is_empty() && principal.scopes().is_empty());
    assert_eq!(principal.assurance(), &Assurance::default());
    assert_eq!(principal.expires_at(), claims.expires_at);
    let Credential::AccessToken { issuer, family, .. } = principal.credential() else {
        panic!("not a token's principal");
    };
    assert_eq!((issuer.as_str(), family), (A, &None));
}

#[test]
fn subjects_are_taken_as_they_are_when_the_host_says_so() {
    let principal = under(&claims(A), RemoteIssuerBuilder::subjects_are_ours).unwrap();
    assert_eq!(principal.subject().as_str(), "alice");
}

/// R-16: issuer A's key, in the name of issuer B, to either of them.
#[test]
fn the_key_of_one_issuer_does_not_sign_for_another() {
    let (a, b) = (Partner::new(), Partner::new());
    let as_a = a.builder(A, clock()).build().unwrap();
    let as_b = b.builder(B, clock()).build().unwrap();
    let forged = a.sign(&claims(B));
    assert_eq!(verify(&as_a, &forged).unwrap_err(), Reason::TokenIssuer);
    assert_eq!(verify(&as_b, &forged).unwrap_err(), Reason::TokenSignature);
    assert!(verify(&as_b, &b.sign(&claims(B))).is_ok());
    assert!(verify(&as_a, &a.sign(&claims(A))).is_ok());
    for near in [
        "https://a.example/",
        "https://A.example",
        "https://a.exampl",
        "http://a.example",
    ] {
        let token = a.sign(&claims(near));
        assert_eq!(
            verify(&as_a, &token).unwrap_err(),
            Reason::TokenIssuer,
            "{near}"
        );
    }
}

/// B-41: a token of the staging issuer, which has the production audience.
#[test]
fn a_token_of_the_staging_issuer_is_refused_in_production() {
    let staging = Partner::new();
    let production = Partner::new();
    let issuer = production
        .builder("https://auth.example.com", clock())
        .build()
        .unwrap();
    let token = staging.sign(&claims("https://staging.example.com"));
    assert_eq!(verify(&issuer, &token).unwrap_err(), Reason::TokenSignature);
    // Even where both publish the same keys.
    let token = production.sign(&claims("https://staging.example.com"));
    assert_eq!(verify(&issuer, &token).unwrap_err(), Reason::TokenIssuer);
}

/// R-17, R-18, R-19
#[test]
fn the_issuers_own_rules_hold() {
    type Change = fn(&mut AccessClaims);
    let changes: [(Reason, Change); 3] = [
        (Reason::TokenAudience, |c| {
            c.audience = vec!["other".parse().unwrap()]
        }),
        (Reason::TokenExpired, |c| {
            c.expires_at = Timestamp::from_unix_seconds(NOW - 30)
        }),
        (Reason::TokenLifetime, |c| {
            c.expires_at = Timestamp::from_unix_seconds(NOW + 901)
        }),
    ];
    for (reason, change) in changes {
        let mut claims = claims(A);
        change(&mut claims);
        assert_eq!(under(&claims, |builder| builder).unwrap_err(), reason);
    }
}

#[test]
fn scopes_grant_what_is_allowed_and_nothing_beyond() {
    let mut claims = claims(A);
    claims.scopes = Some(
        ["orders:*", "keys:rotate", "*:*", "openid", "no:such"]
            .map(str::to_owned)
            .to_vec(),
    );
    let allowed = under(&claims, |builder| builder.allow_scope("orders:read")).unwrap();
    assert!(may(&allowed, "orders:read"));
    assert!(!may(&allowed, "orders:write") && !may(&allowed, "keys:rotate"));
    assert_eq!(allowed.scopes(), ["orders:*", "*:*"]);

    claims.scopes = Some(Vec::new());
    let none = under(&claims, |builder| builder.allow_scope("orders:read")).unwrap();
    assert!(none.grants().is_empty());
}

#[test]
fn roles_are_read_through_a_closed_table() {
    let mut claims = claims(A);
    claims.roles = Some(["admin", "staff", "clerk"].map(str::to_owned).to_vec());
    let mapped = under(&claims, |builder| builder.map_role("staff", "clerk")).unwrap();
    assert_eq!(mapped.roles(), ["clerk"]);
    assert!(may(&mapped, "orders:write") && !may(&mapped, "keys:rotate"));

    claims.roles = Some(vec!["admin".into()]);
    let unmapped = under(&claims, |builder| builder.map_role("staff", "clerk")).unwrap();
    assert!(unmapped.roles().is_empty() && unmapped.grants().is_empty());
}

#[test]
fn scopes_narrow_mapped_roles_and_never_add_to_them() {
    let configure = |builder: RemoteIssuerBuilder| {
        builder
            .map_role("staff", "clerk")
            .allow_scope("orders:read")
            .allow_scope("keys:rotate")
    };
    let mut claims = claims(A);
    claims.roles = Some(vec!["staff".into()]);
    let roles_only = under(&claims, configure).unwrap();
    assert!(may(&roles_only, "orders:write"));

    claims.scopes = Some(vec!["orders:*".into(), "keys:rotate".into()]);
    let both = under(&claims, configure).unwrap();
    assert!(may(&both, "orders:read"));
    assert!(!may(&both, "orders:write") && !may(&both, "keys:rotate"));

    claims.roles = Some(Vec::new());
    let lost_the_role = under(&claims, configure).unwrap();
    assert!(lost_the_role.grants().is_empty());
}

#[test]
fn assurance_is_believed_only_for_a_mapped_class() {
    let mut claims = claims(A);
    claims.assurance = Assurance {
        acr: Some("phr".into()),
        amr: vec!["hwk".into()],
        auth_time: Some(Timestamp::from_unix_seconds(NOW - 60)),
    };
    let mapped = under(&claims, |builder| builder.map_acr("phr", "urn:ours:strong")).unwrap();
    assert_eq!(mapped.assurance().acr.as_deref(), Some("urn:ours:strong"));
    assert_eq!(mapped.assurance().auth_time, claims.assurance.auth_time);
    let other = under(&claims, |builder| {
        builder.map_acr("other", "urn:ours:strong")
    })
    .unwrap();
    assert_eq!(other.assurance(), &Assurance::default());
}

#[test]
fn a_policy_can_refuse_what_the_rules_allow() {
    #[derive(Debug)]
    struct NoAlice;
    impl TokenPolicy for NoAlice {
        fn may_issue(&self, _: &AccessClaims, _: Timestamp) -> Result<(), Reason> {
            Err(Reason::TokenPolicy)
        }
        fn may_accept(&self, claims: &AccessClaims, _: Timestamp) -> Result<(), Reason> {
            match claims.subject.as_str() {
                "alice" => Err(Reason::TokenPolicy),
                _ => Ok(()),
            }
        }
    }
    let refused = under(&claims(A), |builder| builder.policy(NoAlice));
    assert_eq!(refused.unwrap_err(), Reason::TokenPolicy);
}

/// R-21: a token by (issuer, id), and a subject under the name that it has here.
#[tokio::test]
async fn a_revoked_token_or_subject_is_refused() {
    let partner = Partner::new();
    let token = partner.sign(&claims(A));
    let tenant = Tenant::new("partner").unwrap();
    for (key, refused) in [
        (
            RevocationKey::Token {
                issuer: A.parse().unwrap(),
                id: TokenId::new("t1").unwrap(),
            },
            true,
        ),
        (
            RevocationKey::Token {
                issuer: B.parse().unwrap(),
                id: TokenId::new("t1").unwrap(),
            },
            false,
        ),
        (
            RevocationKey::Subject {
                tenant: tenant.clone(),
                subject: "partner:alice".parse().unwrap(),
            },
            true,
        ),
        (
            RevocationKey::Subject {
                tenant: tenant.clone(),
                subject: "alice".parse().unwrap(),
            },
            false,
        ),
    ] {
        let store = Arc::new(MemoryStore::default());
        let at = Timestamp::from_unix_seconds;
        let revocation = Revocation {
            key: key.clone(),
            not_before: at(NOW + 1),
            expires_at: at(NOW + 1_000),
        };
        let event = AuditEvent::new(
            &OsRandom,
            at(NOW),
            tenant.clone(),
            Actor::System,
            AuditAction::TokenRevoked,
        )
        .unwrap();
        RevocationStore::revoke(&*store, revocation, event)
            .await
            .unwrap();
        let issuer = partner
            .builder(A, clock())
            .revocations(store)
            .build()
            .unwrap();
        let verified = issuer.verify(&token).await;
        let reason = verified.map_err(|refusal| refusal.reason()).err();
        assert_eq!(reason, refused.then_some(Reason::TokenRevoked), "{key:?}");
    }
}

/// R-20
#[test]
fn an_issuer_that_cannot_be_reached_means_503_and_a_bad_token_401() {
    let partner = Partner::new();
    let clock = clock();
    let issuer = partner.builder(A, Arc::clone(&clock)).build().unwrap();
    let token = partner.sign(&claims(A));
    partner.server.fails(FetchErrorKind::Unreachable);
    let refused = at_once(issuer.verify(&token)).unwrap().unwrap_err();
    assert!(matches!(refused.kind(), RejectionKind::Unavailable { .. }));

    partner
        .server
        .answers(partner.published.set(&["other"], None));
    pass(&clock, 30);
    let refused = at_once(issuer.verify(&token)).unwrap().unwrap_err();
    assert_eq!(refused.kind(), &RejectionKind::InvalidToken);
    assert_eq!(refused.reason(), Reason::TokenUnknownKey);
}

/// R-12, R-20: what is refused before a key is looked for causes no fetch.
#[test]
fn a_token_that_is_refused_without_a_key_asks_nobody() {
    let partner = Partner::new();
    let issuer = partner.builder(A, clock()).build().unwrap();
    let encode = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    for header in [
        r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#,
        r#"{"alg":"RS256","typ":"at+jwt","kid":"k"}"#,
        r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"../k"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","jku":"https://evil.example"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","crit":["exp"]}"#,
    ] {
        let token = format!("{}.e30.AAAA", encode(header));
        assert!(verify(&issuer, &token).is_err(), "{header}");
    }
    assert_eq!(partner.server.asked(), 0);
}

#[test]
fn an_empty_builder_names_all_that_is_missing() {
    let errors = RemoteIssuer::builder().build().unwrap_err();
    assert_eq!(errors.iter().count(), 7);
    for setting in [
        "rules",
        "jwks_url",
        "fetch",
        "tenant",
        "subject_prefix",
        "roles",
        "revocations",
    ] {
        assert!(
            errors
                .to_string()
                .contains(&format!("{setting} is missing")),
            "{setting}"
        );
    }
}

#[test]
fn what_is_weak_or_means_nothing_is_refused_when_building() {
    let refused = |configure: fn(RemoteIssuerBuilder) -> RemoteIssuerBuilder| {
        let errors = configure(Partner::new().builder(A, clock()))
            .build()
            .unwrap_err();
        assert_eq!(errors.iter().count(), 1, "{errors}");
        errors.to_string()
    };
    let symmetric = |builder: RemoteIssuerBuilder| {
        builder.rules(
            TokenRules::builder()
                .issuer(A)
                .audience("orders")
                .algorithm(Algorithm::Hs256)
                .max_life(Duration::from_secs(900))
                .build()
                .unwrap(),
        )
    };
    assert!(refused(symmetric).contains("rules"));
    assert!(refused(|b| b.max_stale(Duration::from_secs(86_401))).contains("max_stale"));
    assert!(refused(|b| b.map_role("staff", "clark")).contains("map_role"));
    assert!(refused(|b| b.allow_scope("order:read")).contains("allow_scope"));
    assert!(refused(|b| b.allow_scope("orders:re*")).contains("allow_scope"));
    assert!(refused(|b| b.subject_prefix("a\nb")).contains("subject_prefix"));
    assert!(refused(|b| b.subject_prefix("x".repeat(65))).contains("subject_prefix"));
}

/// R-29
#[test]
fn keys_are_fetched_from_an_https_url_only() {
    let with = |url: &str| Partner::new().builder(A, clock()).jwks_url(url).build();
    for good in [
        "https://a.example/jwks",
        "https://a.example:8443/x?tenant=1",
        "https://[::1]/k",
    ] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "http://a.example/jwks",
        "HTTPS://a.example/jwks",
        "ftp://a.example",
        "https://",
        "https:///jwks",
        "https://:443/jwks",
        "https://user:password@a.example/jwks",
        "https://a.example/jwks#keys",
        "https://a.example/a b",
        "https://a.example\\@evil.example/",
        "https://ä.example/",
    ] {
        let errors = with(bad).unwrap_err();
        assert!(errors.to_string().contains("jwks_url"), "{bad}");
    }
    let long = format!("https://a.example/{}", "x".repeat(2_048));
    assert!(with(&long).is_err());
}
