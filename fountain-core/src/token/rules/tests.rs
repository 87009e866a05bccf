use super::*;
use crate::clock::{Clock, ManualClock};
use crate::token::claims::tests::claims;

fn builder() -> TokenRulesBuilder {
    TokenRules::builder()
        .issuer("https://auth.example.com")
        .audience("orders")
        .algorithm(Algorithm::EdDsa)
        .max_life(Duration::from_secs(600))
}

fn rules() -> TokenRules {
    builder().build().unwrap()
}

const TICK: Duration = Duration::from_micros(1);
const IAT: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

/// What the rules say of the claims after `change`, at their `iat`.
fn check(change: impl FnOnce(&mut AccessClaims)) -> Result<(), Reason> {
    let mut claims = claims();
    change(&mut claims);
    rules().check(&claims, IAT)
}

/// L-07: nothing can be built without the four, and everything wrong is said at once.
#[test]
fn all_that_is_missing_or_weak_is_said_at_once() {
    let settings = |builder: TokenRulesBuilder| {
        let text = builder.build().unwrap_err().to_string();
        [
            "issuer",
            "audience",
            "algorithm",
            "max_life",
            "access_life",
            "leeway",
            "max_token_bytes",
        ]
        .into_iter()
        .filter(|setting| text.contains(&format!("; {setting} is")))
        .collect::<Vec<_>>()
    };
    assert_eq!(
        settings(TokenRules::builder()),
        ["issuer", "audience", "algorithm", "max_life"]
    );
    assert_eq!(
        settings(builder().issuer("").audience("a b")),
        ["issuer", "audience"]
    );
    assert_eq!(
        settings(
            TokenRules::builder()
                .algorithm(Algorithm::Hs256)
                .algorithm(Algorithm::Es256)
                .max_life(Duration::from_secs(86_401))
                .access_life(Duration::from_secs(86_402))
                .leeway(Duration::from_millis(300_001))
                .max_token_bytes(65_537)
        ),
        [
            "issuer",
            "audience",
            "algorithm",
            "max_life",
            "access_life",
            "leeway",
            "max_token_bytes"
        ]
    );
    assert_eq!(
        settings(builder().max_life(Duration::ZERO)),
        ["max_life", "access_life"]
    );
    assert_eq!(
        settings(builder().access_life(Duration::from_secs(601))),
        ["access_life"]
    );
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let rules = rules();
    assert_eq!(rules.leeway(), Duration::from_secs(30));
    assert_eq!(rules.access_life(), Duration::from_secs(600));
    assert_eq!(rules.max_token_bytes(), 8_192);
    let short = builder().max_life(Duration::from_secs(60)).build().unwrap();
    assert_eq!(short.access_life(), Duration::from_secs(60));
    let twice = builder().algorithm(Algorithm::EdDsa).build().unwrap();
    assert_eq!(twice.algorithms(), [Algorithm::EdDsa]);
}

/// R-18, B-42
#[test]
fn a_token_is_good_until_its_end_and_the_leeway_and_not_a_tick_longer() {
    for leeway in [0, 1, 30, 300] {
        let leeway = Duration::from_secs(leeway);
        let rules = builder().leeway(leeway).build().unwrap();
        let claims = claims();
        let clock = ManualClock::at(claims.expires_at);
        clock.advance(leeway);
        assert_eq!(rules.check(&claims, clock.now()), Err(Reason::TokenExpired));
        clock.advance(TICK);
        assert_eq!(rules.check(&claims, clock.now()), Err(Reason::TokenExpired));
        clock.jump_to(claims.expires_at + leeway - TICK);
        assert_eq!(rules.check(&claims, clock.now()), Ok(()));
    }
}

/// R-19, B-33
#[test]
fn a_start_in_the_future_is_refused_beyond_the_leeway() {
    let leeway = TokenRules::DEFAULT_LEEWAY;
    assert_eq!(
        check(|claims| claims.not_before = Some(IAT + leeway)),
        Ok(())
    );
    let late = |claims: &mut AccessClaims| claims.not_before = Some(IAT + leeway + TICK);
    assert_eq!(check(late), Err(Reason::TokenNotYetValid));
}

/// R-19, B-33
#[test]
fn a_start_that_is_not_before_the_end_is_refused() {
    let at_end = |claims: &mut AccessClaims| {
        claims.expires_at = IAT + TICK;
        claims.not_before = Some(IAT + TICK);
    };
    assert_eq!(check(at_end), Err(Reason::TokenLifetime));
    let before_end = |claims: &mut AccessClaims| {
        claims.expires_at = IAT + TICK + TICK;
        claims.not_before = Some(IAT + TICK);
    };
    assert_eq!(check(before_end), Ok(()));
}

/// R-19, B-34
#[test]
fn an_issue_in_the_future_is_refused_beyond_the_leeway() {
    let issued = |after: Duration| {
        move |claims: &mut AccessClaims| {
            claims.issued_at = IAT + after;
            claims.not_before = None;
        }
    };
    assert_eq!(check(issued(TokenRules::DEFAULT_LEEWAY)), Ok(()));
    assert_eq!(
        check(issued(TokenRules::DEFAULT_LEEWAY + TICK)),
        Err(Reason::TokenIssuedInFuture)
    );
    assert_eq!(
        check(issued(Duration::from_secs(86_400))),
        Err(Reason::TokenIssuedInFuture)
    );
}

/// R-19, B-34
#[test]
fn a_life_beyond_the_longest_is_refused() {
    assert_eq!(
        check(|claims| claims.expires_at = IAT + Duration::from_secs(600)),
        Ok(())
    );
    let longer =
        |claims: &mut AccessClaims| claims.expires_at = IAT + Duration::from_secs(600) + TICK;
    assert_eq!(check(longer), Err(Reason::TokenLifetime));
    let century = |claims: &mut AccessClaims| {
        claims.expires_at = IAT + Duration::from_secs(100 * 365 * 86_400)
    };
    assert_eq!(check(century), Err(Reason::TokenLifetime));
    let none = |claims: &mut AccessClaims| {
        claims.not_before = None;
        claims.expires_at = claims.issued_at;
    };
    assert_eq!(check(none), Err(Reason::TokenLifetime));
    let backwards = |claims: &mut AccessClaims| {
        claims.not_before = None;
        claims.expires_at = claims.issued_at - TICK;
    };
    assert_eq!(check(backwards), Err(Reason::TokenLifetime));
}

/// R-16, B-35, B-41
#[test]
fn only_exactly_the_issuer_is_the_issuer() {
    for other in [
        "https://auth.example.com/",
        "https://auth.example.co",
        "https://AUTH.example.com",
        "https://staging.example.com",
        "auth.example.com",
        "https://auth.example.com.evil.example",
    ] {
        let change = |claims: &mut AccessClaims| claims.issuer = Issuer::new(other).unwrap();
        assert_eq!(check(change), Err(Reason::TokenIssuer), "{other}");
    }
}

/// R-17, B-36
#[test]
fn one_entry_must_be_exactly_the_audience() {
    let audience = |texts: &[&str]| {
        let audience: Vec<_> = texts
            .iter()
            .map(|text| Audience::new(text).unwrap())
            .collect();
        check(|claims| claims.audience = audience)
    };
    assert_eq!(audience(&["billing", "orders"]), Ok(()));
    for others in [
        &["billing"][..],
        &["orders/"],
        &["order"],
        &["Orders"],
        &["orderss", "billing"],
        &[],
    ] {
        assert_eq!(audience(others), Err(Reason::TokenAudience), "{others:?}");
    }
}

/// a hostile instant saturates, and neither wraps nor panics.
#[test]
fn instants_at_the_ends_of_time_are_judged_like_others() {
    let rules = rules();
    let mut claims = claims();
    claims.expires_at = Timestamp::MAX;
    assert_eq!(rules.check(&claims, IAT), Err(Reason::TokenLifetime));
    claims.issued_at = Timestamp::MAX - Duration::from_secs(60);
    claims.not_before = None;
    assert_eq!(rules.check(&claims, IAT), Err(Reason::TokenIssuedInFuture));
    assert_eq!(
        rules.check(&claims, Timestamp::MAX),
        Err(Reason::TokenExpired)
    );
}
