use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use super::*;
use crate::access::Requirement;
use crate::audit::AuditStore;
use crate::clock::ManualClock;
use crate::danger::{InsecureFailingRandom, InsecureSeededRandom};
use crate::error::{RejectionKind, StoreError, StoreErrorKind};
use crate::identity::{
    Assurance, ClientId, FamilyId, Issuer, KeyId, PrincipalParts, Subject, Tenant, TokenId,
};
use crate::memory::MemoryStore;
use crate::otp::PendingCode;

mod authorize;
mod drops;
mod world;

use world::{World, action, alice, altered, needed, rotate, token, world};

const START: Timestamp = Timestamp::from_unix_seconds(1_900_000_000);
const LIFE: Duration = Duration::from_secs(120);
const TICK: Duration = Duration::from_micros(1);

#[test]
fn what_is_asked_for_is_the_class_of_two_factors() {
    assert_eq!(AssuranceLevel::Multi.acr(), crate::access::MULTI_FACTOR);
}

/// L-06, R-60, R-91
#[tokio::test]
async fn a_grant_is_spent_on_its_act_once_and_both_are_on_the_trail() {
    let world = world();
    let grant = world.grant(Some("key-1")).await;
    let proof = world.redeem(Some("key-1"), Some(grant.expose())).await;
    let proof = proof.unwrap();
    assert_eq!(proof.subject(), alice().subject());
    assert_eq!(proof.action(), &rotate());
    assert_eq!(proof.resource(), Some("key-1"));

    let again = world.redeem(Some("key-1"), Some(grant.expose())).await;
    let again = again.unwrap_err();
    assert_eq!(again.kind(), &needed(Some("key-1")));
    assert_eq!(again.reason(), Reason::GrantSpent);

    let events = world.events().await;
    let actions: Vec<_> = events.iter().map(|event| event.action).collect();
    let (granted, redeemed) = (AuditAction::StepUpGranted, AuditAction::StepUpRedeemed);
    assert_eq!(actions, [granted, redeemed]);
    assert_eq!(events[0].target, events[1].target);
    assert_eq!(events[0].details["factor"], "totp");
    for event in &events {
        assert_eq!(event.details["action"], "keys:rotate");
        assert_eq!(event.details["resource"], "key-1");
        assert!(!format!("{event:?}").contains(grant.expose()));
    }
}

/// R-58: nobody learns why a grant was no good.
#[tokio::test]
async fn whatever_is_wrong_with_a_grant_the_answer_is_the_same() {
    let world = world();
    let spent = world.grant(None).await;
    let _ = world.redeem(None, Some(spent.expose())).await.unwrap();
    let of_a_key = world.grant(Some("key-1")).await;
    for (presented, reason) in [
        (None, Reason::GrantMissing),
        (Some(""), Reason::GrantInvalid),
        (Some("fsu1.x.y.z"), Reason::GrantInvalid),
        (Some(of_a_key.expose()), Reason::GrantInvalid),
        (Some(spent.expose()), Reason::GrantSpent),
    ] {
        let refused = world.redeem(None, presented).await.unwrap_err();
        assert_eq!((refused.kind(), refused.reason()), (&needed(None), reason));
    }
}

/// R-60
#[tokio::test]
async fn a_grant_is_good_until_its_life_is_over_and_not_one_tick_longer() {
    let world = world();
    let (early, late) = (world.grant(None).await, world.grant(None).await);
    world.clock.advance(LIFE - TICK);
    assert!(world.redeem(None, Some(early.expose())).await.is_ok());
    world.clock.advance(TICK);
    let calls = world.calls();
    let refused = world.redeem(None, Some(late.expose())).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::GrantInvalid);
    assert_eq!(world.calls(), calls, "the text says when it ends");
}

/// R-60: for another session, subject, tenant, act or resource; and none of it reaches the store.
#[tokio::test]
async fn a_grant_for_anything_else_is_refused_before_the_store_is_asked() {
    let world = world();
    let grant = world.grant(Some("key-1")).await;
    let calls = world.calls();
    let family = "f".repeat(22);
    let here = "https://auth.example.com";
    let others = [
        altered(|parts| parts.tenant = Tenant::new("other").unwrap()),
        altered(|parts| parts.subject = Subject::new("mallory").unwrap()),
        altered(|parts| parts.credential = token("t1", Some(&"g".repeat(22)), here)),
        altered(|parts| parts.credential = token("t1", None, here)),
        altered(|parts| parts.credential = token(&family, None, here)),
        altered(|parts| parts.credential = token("t1", Some(&family), "https://evil.example")),
    ];
    let presented = Some(grant.expose());
    for other in &others {
        let refused = world
            .step_up
            .redeem(other, &rotate(), Some("key-1"), presented)
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::GrantInvalid, "{other:?}");
    }
    for resource in [None, Some(""), Some("key-2"), Some("key-1 "), Some("KEY-1")] {
        let refused = world.redeem(resource, presented).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::GrantInvalid, "{resource:?}");
    }
    for other in ["keys:delete", "keys:rotat", "keys:rotatekey-1"] {
        let refused = world
            .step_up
            .redeem(&alice(), &action(other), Some("key-1"), presented)
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::GrantInvalid, "{other}");
    }
    assert_eq!(world.calls(), calls);

    // The session goes on after a refresh: another token, the same family.
    let refreshed = altered(|parts| parts.credential = token("t2", Some(&family), here));
    let redeemed = world
        .step_up
        .redeem(&refreshed, &rotate(), Some("key-1"), presented)
        .await;
    assert!(redeemed.is_ok());
}

/// R-60
#[tokio::test]
async fn a_grant_with_any_character_changed_makes_no_call_to_the_store() {
    let world = world();
    let grant = world.grant(None).await;
    let calls = world.calls();
    for at in 0..grant.expose().len() {
        let mut changed = grant.expose().as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let refused = world.redeem(None, Some(&changed)).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::GrantInvalid, "{changed}");
    }
    assert_eq!(world.calls(), calls);
    assert!(world.redeem(None, Some(grant.expose())).await.is_ok());
}

/// B-58, R-60
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_that_spend_one_grant_at_once_one_has_the_proof() {
    let world = Arc::new(world());
    let grant = world.grant(None).await;
    let barrier = Arc::new(tokio::sync::Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (world, grant, barrier) = (world.clone(), grant.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                world.redeem(None, Some(grant.expose())).await
            })
        })
        .collect();
    let mut proofs = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => proofs += 1,
            Err(refused) => assert_eq!(refused.reason(), Reason::GrantSpent),
        }
    }
    assert_eq!(proofs, 1);
    assert_eq!(world.events().await.len(), 2);
}

/// B-60
#[tokio::test]
async fn a_factor_that_was_shown_for_something_else_makes_no_grant() {
    let world = world();
    let (alice, rotate) = (alice(), rotate());
    let shown = || world.shown(&alice, &rotate, None, FactorKind::Totp);
    let others = [
        VerifiedFactor {
            tenant: Tenant::new("other").unwrap(),
            ..shown()
        },
        VerifiedFactor {
            subject: Subject::new("mallory").unwrap(),
            ..shown()
        },
        VerifiedFactor {
            purpose: ChallengePurpose::new("login").unwrap(),
            ..shown()
        },
        VerifiedFactor {
            purpose: ChallengePurpose::grant(),
            ..shown()
        },
        VerifiedFactor {
            binding: Digest::of(b""),
            ..shown()
        },
        world.shown(&alice, &rotate, Some(""), FactorKind::Totp),
        world.shown(&alice, &action("keys:delete"), None, FactorKind::Totp),
    ];
    for other in others {
        let refused = world.step_up.grant(&alice, &rotate, None, other).await;
        let refused = refused.unwrap_err().rejection();
        assert_eq!(refused.kind(), &RejectionKind::AuthenticationFailed);
        assert_eq!(refused.reason(), Reason::ChallengeUnknown);
    }
    assert_eq!(world.calls(), 0);
}

/// R-60: a code that was sent before the act was known is good for an act of this session, and of no other.
#[tokio::test]
async fn a_factor_that_was_shown_for_the_session_makes_a_grant_for_one_act_of_it() {
    let world = world();
    let (alice, rotate) = (alice(), rotate());
    let of = |principal: &Principal| VerifiedFactor {
        binding: world.step_up.session_binding(principal),
        ..world.shown(&alice, &rotate, None, FactorKind::Sms)
    };
    let granted = world.granted(&alice, Some("key-1"), of(&alice)).await;
    let grant = granted.unwrap().grant;
    let other = world.redeem(Some("key-2"), Some(grant.expose())).await;
    assert_eq!(other.unwrap_err().reason(), Reason::GrantInvalid);
    let done = world.redeem(Some("key-1"), Some(grant.expose())).await;
    assert_eq!(done.unwrap().resource(), Some("key-1"));

    let another = Some("0123456789abcdefghijkX");
    let issuer = "https://auth.example.com";
    let elsewhere = altered(|parts| parts.credential = token("t1", another, issuer));
    assert_ne!(
        world.step_up.session_binding(&alice),
        world.step_up.session_binding(&elsewhere)
    );
    let refused = world.granted(&alice, None, of(&elsewhere)).await;
    let refused = refused.unwrap_err().rejection();
    assert_eq!(refused.reason(), Reason::ChallengeUnknown);
}

/// R-60: a grant ends `life` after the factor was shown, however late it was asked for.
#[tokio::test]
async fn the_life_of_a_grant_begins_when_the_factor_was_shown() {
    let world = world();
    let (alice, rotate) = (alice(), rotate());
    let shown_at = |at| {
        let mut shown = world.shown(&alice, &rotate, None, FactorKind::Totp);
        shown.shown.at = at;
        shown
    };
    for (at, expires_at) in [
        (START, Some(START + LIFE)),
        (START - (LIFE - TICK), Some(START + TICK)),
        (START - LIFE, None),
        (Timestamp::MIN, None),
        // two nodes' clocks
        (START + Duration::from_secs(2), Some(START + LIFE)),
        (START + LIFE, None),
        (Timestamp::MAX, None),
    ] {
        let granted = world.step_up.grant(&alice, &rotate, None, shown_at(at));
        match granted.await {
            Ok(granted) => assert_eq!(Some(granted.expires_at), expires_at, "{at}"),
            Err(refused) => {
                assert_eq!(expires_at, None, "{at}");
                assert_eq!(refused.rejection().reason(), Reason::ChallengeEnded);
            }
        }
    }
}

/// R-56: with the password of the sign-in, and with nothing that is none.
#[tokio::test]
async fn a_grant_takes_two_factors_of_different_classes() {
    use FactorKind::{Email, Hotp, Password, Recovery, Sms, Totp};
    for (amr, kind, is_granted) in [
        (vec!["pwd"], Totp, true),
        (vec!["pwd"], Hotp, true),
        (vec!["pwd"], Sms, true),
        (vec!["pwd"], Recovery, true),
        (vec!["pwd", "otp", "mfa"], Totp, true),
        (vec!["pwd"], Email, false),
        (vec!["pwd", "otp", "mfa"], Email, false),
        (vec!["pwd"], Password, false),
        (vec![], Totp, false),
        (vec!["otp"], Totp, false),
        (vec!["mfa"], Totp, false),
        (vec!["PWD", "pwd "], Totp, false),
    ] {
        let world = world();
        let principal = altered(|parts| {
            parts.assurance.amr = amr.iter().map(|amr| (*amr).to_owned()).collect();
        });
        let shown = world.shown(&principal, &rotate(), None, kind);
        match world.granted(&principal, None, shown).await {
            Ok(_) => assert!(is_granted, "{amr:?} {kind:?}"),
            Err(refused) => {
                assert!(!is_granted, "{amr:?} {kind:?}");
                let refused = refused.rejection();
                assert_eq!(refused.kind(), &needed(None));
                assert_eq!(refused.reason(), Reason::AssuranceTooLow);
            }
        }
        assert_eq!(world.calls(), usize::from(is_granted));
    }
}

#[tokio::test]
async fn no_api_key_steps_up() {
    let world = world();
    let key = altered(|parts| {
        parts.credential = Credential::ApiKey {
            id: KeyId::new("0123456789abcdef").unwrap(),
        };
    });
    let shown = world.shown(&key, &rotate(), None, FactorKind::Totp);
    let granted = world.granted(&key, None, shown).await;
    let redeemed = world.step_up.redeem(&key, &rotate(), None, None).await;
    for refused in [granted.unwrap_err().rejection(), redeemed.unwrap_err()] {
        assert_eq!(refused.kind(), &RejectionKind::InvalidToken);
        assert_eq!(refused.reason(), Reason::CredentialKind);
    }
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn hostile_resources_are_bound_as_they_are_or_refused() {
    let world = world();
    let longest = "r".repeat(StepUp::LONGEST_RESOURCE);
    let hostile = [
        "",
        "\0",
        "../../etc/passwd",
        "a\r\nSet-Cookie: x=1",
        "\u{202e}gnp.exe",
        "\"}],\"action\":\"keys:delete",
        "\u{1b}[31m",
        &longest,
        &"\u{1}".repeat(StepUp::LONGEST_RESOURCE),
    ];
    for resource in hostile {
        let grant = world.grant(Some(resource)).await;
        let proof = world.redeem(Some(resource), Some(grant.expose())).await;
        assert_eq!(proof.unwrap().resource(), Some(resource));
    }
    for event in world.events().await {
        let text = &event.details["resource"];
        assert!(text.len() <= 256 && !text.chars().any(char::is_control));
    }

    let calls = world.calls();
    let too_long = format!("{longest}r");
    let refused = world.redeem(Some(&too_long), Some("x")).await.unwrap_err();
    assert_eq!(refused.kind(), &RejectionKind::InvalidRequest);
    let shown = world.shown(&alice(), &rotate(), Some(&too_long), FactorKind::Totp);
    let granted = world.granted(&alice(), Some(&too_long), shown).await;
    let refused = granted.unwrap_err();
    assert!(matches!(
        refused.kind(),
        ErrorKind::InvalidInput {
            field: "resource",
            ..
        }
    ));
    assert_eq!(world.calls(), calls);
}

/// F-42, R-90: no store, no entropy, no proof.
#[tokio::test]
async fn what_cannot_be_decided_is_refused() {
    let world = world();
    let grant = world.grant(None).await;
    world.store.is_down.store(true, Ordering::Relaxed);
    let refused = world.redeem(None, Some(grant.expose())).await.unwrap_err();
    assert!(matches!(refused.kind(), RejectionKind::Unavailable { .. }));
    let shown = world.shown(&alice(), &rotate(), None, FactorKind::Totp);
    let granted = world.granted(&alice(), None, shown).await;
    assert_eq!(granted.unwrap_err().kind(), &ErrorKind::Unavailable);
    world.store.is_down.store(false, Ordering::Relaxed);
    assert!(world.redeem(None, Some(grant.expose())).await.is_ok());

    let dry = StepUp::builder(world.store.clone(), Pepper::new(&[7; 32]))
        .clock(world.clock.clone())
        .random(Arc::new(InsecureFailingRandom))
        .build()
        .unwrap();
    let shown = world.shown(&alice(), &rotate(), None, FactorKind::Totp);
    let granted = dry.grant(&alice(), &rotate(), None, shown).await;
    assert_eq!(granted.unwrap_err().kind(), &ErrorKind::Entropy);
    let grant = world.grant(None).await;
    let calls = world.calls();
    let refused = dry
        .redeem(&alice(), &rotate(), None, Some(grant.expose()))
        .await
        .unwrap_err();
    assert!(matches!(refused.kind(), RejectionKind::Unavailable { .. }));
    assert_eq!(world.calls(), calls);
}

/// A grant under another pepper is as good as garbage, and nothing else in the store is a grant.
#[tokio::test]
async fn only_what_a_service_of_the_same_pepper_granted_is_redeemed() {
    let world = world();
    let grant = world.grant(None).await;
    let foreign = StepUp::builder(world.store.clone(), Pepper::new(&[8; 32]))
        .clock(world.clock.clone())
        .build()
        .unwrap();
    let refused = foreign
        .redeem(&alice(), &rotate(), None, Some(grant.expose()))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::GrantInvalid);

    // A signed text whose record is a challenge of another purpose, or is not there at all.
    let (binding, now) = (world.step_up.binding(&alice(), &rotate(), None), START);
    for record in [Some(StepUp::purpose()), None] {
        let id = ChallengeId::generate(&crate::OsRandom).unwrap();
        if let Some(purpose) = record {
            let record = ChallengeRecord {
                id: id.clone(),
                tenant: Tenant::default(),
                subject: alice().subject().clone(),
                purpose,
                binding,
                context: vec![],
                created_at: now,
                expires_at: now + LIFE,
                attempts: 0,
                attempt_limit: 5,
                code: None,
                consumed_at: None,
            };
            let event = world
                .step_up
                .event(
                    &alice(),
                    AuditAction::ChallengeIssued,
                    &id,
                    &rotate(),
                    None,
                    now,
                )
                .unwrap();
            assert!(
                ChallengeStore::insert(&*world.store, record, event)
                    .await
                    .unwrap()
            );
        }
        let text = Grant {
            id,
            expires_at: now + LIFE,
        }
        .write(&Pepper::new(&[7; 32]), &binding);
        let refused = world.redeem(None, Some(text.expose())).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::GrantInvalid);
    }
}

/// R-60
#[test]
fn a_life_is_10_seconds_to_5_minutes() {
    let build = |life| {
        StepUp::builder(Arc::new(MemoryStore::new()), Pepper::new(&[7; 32]))
            .life(life)
            .build()
    };
    let seconds = Duration::from_secs;
    for good in [seconds(10), seconds(120), seconds(300)] {
        assert_eq!(build(good).unwrap().life(), good);
    }
    for bad in [
        Duration::ZERO,
        seconds(10) - TICK,
        seconds(300) + TICK,
        Duration::MAX,
    ] {
        assert!(build(bad).unwrap_err().to_string().contains("10 to 300"));
    }
}

/// R-77, R-94
#[tokio::test]
async fn debug_shows_neither_grant_nor_pepper() {
    let world = world();
    let shown = world.shown(&alice(), &rotate(), None, FactorKind::Totp);
    let granted = world.granted(&alice(), None, shown).await;
    let granted = granted.unwrap();
    let text = format!("{granted:?} {:?}", world.step_up);
    assert!(!text.contains("fsu1"), "{text}");
}
