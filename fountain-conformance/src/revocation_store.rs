//! `RevocationStore`, sentence by sentence.

use std::time::Duration;

use fountain_core::Timestamp;
use fountain_core::audit::AuditAction;
use fountain_core::change::RevocationKey;
use fountain_core::identity::{FamilyId, Issuer, TokenId};
use fountain_core::token::{Revocation, RevokeOutcome};
use fountain_core::{Subject, Tenant};

use crate::asked::Asked;
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};
use crate::hostile;
use crate::ledger::Ledger;
use crate::mutation;
use crate::race::{count, race};

async fn revoke(cx: &Context, s: &Stores, revocation: &Revocation) -> RevokeOutcome {
    let event = cx
        .fixtures
        .event(&Tenant::default(), AuditAction::TokenRevoked);
    s.revocations
        .revoke(revocation.clone(), event)
        .await
        .unwrap()
}

fn token(cx: &Context) -> RevocationKey {
    RevocationKey::Token {
        issuer: cx.fixtures.issuer(),
        id: cx.fixtures.token_id(),
    }
}

fn family(cx: &Context) -> RevocationKey {
    RevocationKey::Family {
        tenant: cx.fixtures.tenant(),
        id: cx.fixtures.family_id(),
    }
}

fn subject(cx: &Context) -> RevocationKey {
    RevocationKey::Subject {
        tenant: cx.fixtures.tenant(),
        subject: cx.fixtures.subject(),
    }
}

///
pub(crate) async fn revocation_store_a_every_token_that_a_revocation_is_about_is_revoked_and_no_other(
    cx: Context,
) {
    let s = cx.fresh().await;
    let keys = [token(&cx), family(&cx), subject(&cx)];
    for (at, key) in keys.iter().enumerate() {
        assert!(!Asked::about(key).is_revoked(&s).await, "{key:?}");
        let outcome = revoke(&cx, &s, &cx.fixtures.revocation(key.clone())).await;
        assert_eq!(outcome, RevokeOutcome::Revoked);
        assert!(Asked::about(key).is_revoked(&s).await, "{key:?}");
        for other in &keys[at + 1..] {
            assert!(!Asked::about(other).is_revoked(&s).await, "{other:?}");
        }
        for other in [token(&cx), family(&cx), subject(&cx)] {
            assert!(!Asked::about(&other).is_revoked(&s).await, "{other:?}");
        }
        assert!(!Asked::unrelated().is_revoked(&s).await);
    }
    // Any one of the three is enough, whatever the other parts of the token are.
    let [token, family, subject] = keys.map(|key| Asked::about(&key));
    let all = Asked {
        issuer: token.issuer.clone(),
        id: token.id.clone(),
        family: family.family.clone(),
        ..subject
    };
    assert!(all.is_revoked(&s).await);
}

/// A token and a family are revoked whenever their tokens were issued; only a subject has a not-before.
pub(crate) async fn revocation_store_a_a_token_and_a_family_are_revoked_whenever_they_were_issued(
    cx: Context,
) {
    let s = cx.fresh().await;
    for key in [token(&cx), family(&cx)] {
        revoke(&cx, &s, &cx.fixtures.revocation(key.clone())).await;
        for at in [Timestamp::MIN, NOW - TICK, NOW, NOW + DAY, Timestamp::MAX] {
            assert!(
                Asked::about(&key).issued_at(at).is_revoked(&s).await,
                "{key:?} at {at}"
            );
        }
    }
}

/// B-78: what is revoked by one kind of id is not found by another kind with the same text.
pub(crate) async fn revocation_store_a_the_kinds_of_revocation_do_not_mix(cx: Context) {
    let s = cx.fresh().await;
    let text = cx.fixtures.family_id();
    let tenant = cx.fixtures.tenant();
    let keys = [
        RevocationKey::Token {
            issuer: Issuer::new(&tenant).unwrap(),
            id: TokenId::new(&text).unwrap(),
        },
        RevocationKey::Family {
            tenant: tenant.clone(),
            id: text.clone(),
        },
        RevocationKey::Subject {
            tenant,
            subject: Subject::new(&text).unwrap(),
        },
    ];
    let mut revoked = Vec::new();
    for key in &keys {
        assert_eq!(
            revoke(&cx, &s, &cx.fixtures.revocation(key.clone())).await,
            RevokeOutcome::Revoked
        );
        revoked.push(key);
        for other in &keys {
            let expected = revoked.contains(&other);
            assert_eq!(
                Asked::about(other).is_revoked(&s).await,
                expected,
                "{other:?}"
            );
        }
    }
}

/// B-78
pub(crate) async fn revocation_store_f_tenants_issuers_and_subjects_do_not_see_each_others_revocations(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (issuer, tenant) = (cx.fixtures.issuer(), cx.fixtures.tenant());
    let of_subject = |tenant, subject| RevocationKey::Subject { tenant, subject };
    let of_token = |issuer: &str, id: &str| RevocationKey::Token {
        issuer: Issuer::new(issuer).unwrap(),
        id: TokenId::new(id).unwrap(),
    };
    let of_family = |tenant, id: &str| RevocationKey::Family {
        tenant,
        id: FamilyId::new(id).unwrap(),
    };
    let mut keys: Vec<_> = hostile::joined()
        .into_iter()
        .map(|(t, s)| of_subject(t, s))
        .collect();
    keys.extend(
        hostile::subjects()
            .into_iter()
            .map(|s| of_subject(tenant.clone(), s)),
    );
    keys.extend(
        hostile::tenants()
            .into_iter()
            .map(|t| of_family(t, "aaaaaaaaaaaaaaaaaaaaaa")),
    );
    keys.extend(
        ["AAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaA"]
            .map(|id| of_family(tenant.clone(), id)),
    );
    keys.extend(
        [
            "%",
            "*",
            "a:b",
            "{tag}",
            "user:1:lock",
            "a",
            "A",
            "_",
            "aa",
            "'",
        ]
        .map(|id| of_token(issuer.as_str(), id)),
    );
    keys.extend(
        [
            ("https://a", "b:c"),
            ("https://a:b", "c"),
            ("https://a", "b"),
            ("https://A", "b"),
            ("https://a/", "b"),
        ]
        .map(|(i, id)| of_token(i, id)),
    );
    // Every second one; the others must stay good. Then the rest, so that each was once revoked and once not.
    for half in 0..2 {
        for key in keys.iter().skip(half).step_by(2) {
            let outcome = revoke(&cx, &s, &cx.fixtures.revocation(key.clone())).await;
            assert_eq!(
                outcome,
                RevokeOutcome::Revoked,
                "{key:?} was revoked through another one"
            );
        }
        for (at, key) in keys.iter().enumerate() {
            let expected = half == 1 || at % 2 == 0;
            assert_eq!(Asked::about(key).is_revoked(&s).await, expected, "{key:?}");
        }
    }
}

///
pub(crate) async fn revocation_store_b_a_subjects_token_is_revoked_when_issued_before_the_microsecond(
    cx: Context,
) {
    let s = cx.fresh().await;
    let key = subject(&cx);
    revoke(&cx, &s, &cx.fixtures.revocation(key.clone())).await;
    let asked = Asked::about(&key);
    for (issued_at, expected) in [
        (Timestamp::MIN, true),
        (NOW - TICK, true),
        (NOW, false),
        (NOW + TICK, false),
        (Timestamp::MAX, false),
    ] {
        let revoked = asked.clone().issued_at(issued_at).is_revoked(&s).await;
        assert_eq!(revoked, expected, "issued at {issued_at}, not before {NOW}");
    }
}

pub(crate) async fn revocation_store_c_the_later_of_each_instant_stands(cx: Context) {
    let key = subject(&cx);
    let at = |not_before: i32, expires_at: i32| {
        let moved = |by: i32| {
            if by < 0 {
                NOW - TICK
            } else {
                NOW + by.unsigned_abs() * TICK
            }
        };
        Revocation {
            key: key.clone(),
            not_before: moved(not_before),
            expires_at: moved(expires_at) + DAY,
        }
    };
    for (second, outcome) in [
        (at(0, 0), RevokeOutcome::AlreadyRevoked),
        (at(-1, 0), RevokeOutcome::AlreadyRevoked),
        (at(0, -1), RevokeOutcome::AlreadyRevoked),
        (at(-1, -1), RevokeOutcome::AlreadyRevoked),
        (at(1, 0), RevokeOutcome::Revoked),
        (at(0, 1), RevokeOutcome::Revoked),
        (at(1, -1), RevokeOutcome::Revoked),
        (at(-1, 1), RevokeOutcome::Revoked),
        (at(1, 1), RevokeOutcome::Revoked),
    ] {
        let s = cx.fresh().await;
        let first = at(0, 0);
        assert_eq!(revoke(&cx, &s, &first).await, RevokeOutcome::Revoked);
        let mut ledger = Ledger::open(&s, &Tenant::default()).await;
        assert_eq!(revoke(&cx, &s, &second).await, outcome, "{second:?}");
        if outcome == RevokeOutcome::AlreadyRevoked {
            ledger
                .assert_nothing("a revocation that changed nothing")
                .await;
        }
        let not_before = first.not_before.max(second.not_before);
        let asked = Asked::about(&key);
        assert!(
            asked
                .clone()
                .issued_at(not_before - TICK)
                .is_revoked(&s)
                .await,
            "{second:?}"
        );
        assert!(
            !asked.clone().issued_at(not_before).is_revoked(&s).await,
            "{second:?}"
        );
        let expires_at = first.expires_at.max(second.expires_at);
        assert_eq!(
            s.revocations.purge(expires_at, 10).await.unwrap(),
            0,
            "{second:?}"
        );
        assert_eq!(
            s.revocations.purge(expires_at + TICK, 10).await.unwrap(),
            1,
            "{second:?}"
        );
    }
}

///
pub(crate) async fn revocation_store_c_of_parallel_revocations_the_latest_stands(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let key = subject(&cx);
        let tasks = u32::try_from(cx.rounds.tasks).expect("not that many tasks");
        race(cx.rounds.tasks, |task| {
            let s = s.clone();
            let by = u32::try_from(task).expect("not that many tasks") * TICK;
            let revocation = Revocation {
                key: key.clone(),
                not_before: NOW + by,
                expires_at: NOW + DAY + by,
            };
            let event = cx
                .fixtures
                .event(&Tenant::default(), AuditAction::TokenRevoked);
            async move { s.revocations.revoke(revocation, event).await.unwrap() }
        })
        .await;
        let latest = NOW + (tasks - 1) * TICK;
        let asked = Asked::about(&key);
        assert!(
            asked.clone().issued_at(latest - TICK).is_revoked(&s).await,
            "a later not-before was lost"
        );
        assert!(!asked.issued_at(latest).is_revoked(&s).await);
    }
}

///
pub(crate) async fn revocation_store_c_of_parallel_equal_revocations_exactly_one_is_the_first(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let tenant = cx.fixtures.tenant();
        let ledger = Ledger::open(&s, &tenant).await;
        let revocation = cx.fixtures.revocation(token(&cx));
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, revocation) = (s.clone(), revocation.clone());
            let event = cx.fixtures.event(&tenant, AuditAction::TokenRevoked);
            async move { s.revocations.revoke(revocation, event).await.unwrap() }
        })
        .await;
        assert_eq!(
            count(&outcomes, |outcome| *outcome == RevokeOutcome::Revoked),
            1
        );
        assert_eq!(ledger.events().await.len(), 1, "events of one revocation");
    }
}

///
pub(crate) async fn revocation_store_d_every_revocation_is_recorded_once_and_appended_to_the_feed(
    cx: Context,
) {
    mutation::assert_recorded_once(&cx, mutation::revocation_mutations).await;
}

///
pub(crate) async fn revocation_store_d_a_revocation_is_never_seen_without_its_event_and_feed_entry(
    cx: Context,
) {
    mutation::assert_never_seen_in_part(&cx, mutation::revocation_mutations).await;
}

///
pub(crate) async fn revocation_store_d_a_dropped_call_leaves_the_revocation_whole_or_absent(
    cx: Context,
) {
    mutation::assert_whole_when_dropped(&cx, mutation::revocation_mutations).await;
}

///
pub(crate) async fn revocation_store_e_purge_removes_what_expired_before_the_instant_and_nothing_else(
    cx: Context,
) {
    let s = cx.fresh().await;
    for kind in [token, family, subject] {
        let around = [NOW - TICK, NOW, NOW + TICK].map(|expires_at| Revocation {
            expires_at,
            ..cx.fixtures.revocation(kind(&cx))
        });
        for revocation in &around {
            revoke(&cx, &s, revocation).await;
        }
        let mut ledger = Ledger::open(&s, &Tenant::default()).await;
        assert_eq!(
            s.revocations.purge(NOW, 1000).await.unwrap(),
            1,
            "{around:?}"
        );
        for (revocation, expected) in around.iter().zip([false, true, true]) {
            let revoked = Asked::about(&revocation.key).is_revoked(&s).await;
            assert_eq!(revoked, expected, "{revocation:?}");
        }
        assert_eq!(s.revocations.purge(NOW, 1000).await.unwrap(), 0);
        ledger.assert_nothing("a purge").await;
        assert_eq!(s.revocations.purge(NOW + DAY, 1000).await.unwrap(), 2);
    }
}

///
pub(crate) async fn revocation_store_e_purge_stops_at_its_limit_and_says_how_many(cx: Context) {
    let s = cx.fresh().await;
    for kind in [token, family, subject] {
        for _ in 0..3 {
            revoke(&cx, &s, &cx.fixtures.revocation(kind(&cx))).await;
        }
    }
    let end = NOW + Duration::from_secs(3_600);
    for removed in [4, 4, 1, 0] {
        assert_eq!(s.revocations.purge(end, 4).await.unwrap(), removed);
    }
}
