//! A, G, H and I: families as a whole.

use std::collections::BTreeSet;

use fountain_core::audit::AuditAction;
use fountain_core::change::{Change, RevocationKey};
use fountain_core::token::{RefreshFamily, RefreshOutcome, RevokeOutcome};
use fountain_core::{Assurance, Subject, Timestamp};

use super::{assert_unchanged, find, is_live, revoke_family, rotate};
use crate::asked::Asked;
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK, scopes};
use crate::hostile;
use crate::ledger::Ledger;
use crate::mutation::{family_is_revoked, key_of, store_family, stored_family};
use crate::race::{count, race};

pub(crate) async fn refresh_token_store_a_insert_stores_the_family_as_given_with_its_first_token(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let plain = RefreshFamily {
        scopes: BTreeSet::new(),
        roles: Vec::new(),
        assurance: Assurance::default(),
        ..cx.fixtures.family(&tenant)
    };
    let full = RefreshFamily {
        scopes: scopes(&["*", "a:*", "orders:read"]),
        roles: vec![
            "b".into(),
            "a".into(),
            "b".into(),
            "%".into(),
            "a,b".into(),
            String::new(),
        ],
        binding: Some(cx.fixtures.digest()),
        created_at: Timestamp::MIN,
        expires_at: Timestamp::MAX,
        ..cx.fixtures.family(&tenant)
    };
    for family in [plain, full] {
        let first = cx.fixtures.refresh_token();
        store_family(&cx, &s, &family, &first).await;
        let found = find(&s, &family, &first.digest, NOW).await;
        assert_eq!(found, Some((family, true)));
    }
}

pub(crate) async fn refresh_token_store_a_an_id_or_a_digest_that_exists_in_any_tenant_is_refused(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let spent = rotate(&cx, &s, &family, first.digest).await;
    for tenant in [family.tenant.clone(), cx.fixtures.tenant()] {
        let mut ledger = Ledger::open(&s, &tenant).await;
        let same_id = RefreshFamily {
            id: family.id.clone(),
            ..cx.fixtures.family(&tenant)
        };
        let token = cx.fixtures.refresh_token();
        let event = cx.fixtures.event(&tenant, AuditAction::TokenIssued);
        assert!(
            !s.refresh
                .insert(same_id.clone(), token.clone(), event)
                .await
                .unwrap()
        );
        assert_eq!(find(&s, &same_id, &token.digest, NOW).await, None);
        for digest in [first.digest, spent.successor.digest] {
            let other = cx.fixtures.family(&tenant);
            let mut token = cx.fixtures.refresh_token();
            token.digest = digest;
            let event = cx.fixtures.event(&tenant, AuditAction::TokenIssued);
            assert!(!s.refresh.insert(other.clone(), token, event).await.unwrap());
            assert_eq!(
                revoke_family(&cx, &s, &other, NOW).await,
                RevokeOutcome::NotFound
            );
        }
        ledger.assert_nothing("an insert that was refused").await;
    }
    let standing = find(&s, &family, &spent.successor.digest, NOW).await;
    assert_eq!(standing, Some((family, true)));
}

///
pub(crate) async fn refresh_token_store_a_of_parallel_inserts_of_one_token_exactly_one_is_stored(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let (token, tenant) = (cx.fixtures.refresh_token(), cx.fixtures.tenant());
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, token) = (s.clone(), token.clone());
            let family = cx.fixtures.family(&tenant);
            let event = cx.fixtures.event(&tenant, AuditAction::TokenIssued);
            async move {
                (
                    s.refresh
                        .insert(family.clone(), token, event)
                        .await
                        .unwrap(),
                    family,
                )
            }
        })
        .await;
        let won: Vec<_> = outcomes
            .into_iter()
            .filter_map(|(won, family)| won.then_some(family))
            .collect();
        let [winner] = won.as_slice() else {
            panic!("{} inserts won", won.len());
        };
        let found = find(&s, winner, &token.digest, NOW).await;
        assert_eq!(found, Some((winner.clone(), true)));
    }
}

pub(crate) async fn refresh_token_store_g_find_gives_the_family_whatever_its_state(cx: Context) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let second = rotate(&cx, &s, &family, first.digest).await.successor;
    let end = second.expires_at;
    for (token, at, live) in [
        (first.digest, NOW, false),
        (second.digest, NOW, true),
        (second.digest, end - TICK, true),
        (second.digest, end, false),
        (second.digest, end + TICK, false),
        (second.digest, family.expires_at + DAY, false),
    ] {
        assert_eq!(
            find(&s, &family, &token, at).await,
            Some((family.clone(), live)),
            "at {at}"
        );
    }
    revoke_family(&cx, &s, &family, NOW + TICK).await;
    let ended = RefreshFamily {
        revoked_at: Some(NOW + TICK),
        ..family.clone()
    };
    for token in [first.digest, second.digest] {
        assert_eq!(
            find(&s, &family, &token, NOW).await,
            Some((ended.clone(), false))
        );
    }
    let unknown = cx.fixtures.digest();
    assert_eq!(find(&s, &family, &unknown, NOW).await, None);
}

///
pub(crate) async fn refresh_token_store_g_another_tenants_token_is_not_found(cx: Context) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    for tenant in hostile::tenants() {
        assert_eq!(
            s.refresh.find(&tenant, &first.digest, NOW).await.unwrap(),
            None
        );
    }
    assert!(is_live(&s, &family, &first.digest, NOW).await);
}

///
pub(crate) async fn refresh_token_store_h_revoke_family_ends_it_once_and_revokes_its_access_tokens(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let (bystander, its_first) = stored_family(&cx, &s).await;
    assert_eq!(
        revoke_family(&cx, &s, &family, NOW).await,
        RevokeOutcome::Revoked
    );
    assert!(family_is_revoked(&s, &family).await);
    let ended = RefreshFamily {
        revoked_at: Some(NOW),
        ..family.clone()
    };
    let mut ledger = Ledger::open(&s, &family.tenant).await;
    for at in [NOW - DAY, NOW, NOW + DAY] {
        assert_eq!(
            revoke_family(&cx, &s, &family, at).await,
            RevokeOutcome::AlreadyRevoked
        );
        let found = find(&s, &family, &first.digest, NOW).await;
        assert_eq!(
            found,
            Some((ended.clone(), false)),
            "the first time is kept"
        );
    }
    ledger.assert_nothing("revoking a family again").await;
    assert!(is_live(&s, &bystander, &its_first.digest, NOW).await);
    assert!(!family_is_revoked(&s, &bystander).await);
    let until = cx.fixtures.use_of(&family, first.digest).revoke_until;
    assert_eq!(s.revocations.purge(until, 10).await.unwrap(), 0);
    assert_eq!(s.revocations.purge(until + TICK, 10).await.unwrap(), 1);
}

///
pub(crate) async fn refresh_token_store_h_another_tenants_family_is_not_found(cx: Context) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let foreign = RefreshFamily {
        tenant: cx.fixtures.tenant(),
        ..family.clone()
    };
    let mut ledger = Ledger::open(&s, &foreign.tenant).await;
    assert_eq!(
        revoke_family(&cx, &s, &foreign, NOW).await,
        RevokeOutcome::NotFound
    );
    ledger
        .assert_nothing("revoking another tenant's family")
        .await;
    assert!(is_live(&s, &family, &first.digest, NOW).await);
    assert!(!family_is_revoked(&s, &family).await);
    assert!(!family_is_revoked(&s, &foreign).await);
}

///
pub(crate) async fn refresh_token_store_h_of_parallel_revocations_exactly_one_ends_the_family(
    cx: Context,
) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let (family, _) = stored_family(&cx, &s).await;
        let ledger = Ledger::open(&s, &family.tenant).await;
        let outcomes = race(cx.rounds.tasks, |_| {
            let (s, family) = (s.clone(), family.clone());
            let event = cx.fixtures.event(&family.tenant, AuditAction::TokenRevoked);
            async move {
                let until = NOW + DAY;
                s.refresh
                    .revoke_family(&family.tenant, &family.id, NOW, until, event)
                    .await
                    .unwrap()
            }
        })
        .await;
        assert_eq!(
            count(&outcomes, |outcome| *outcome == RevokeOutcome::Revoked),
            1
        );
        assert_eq!(ledger.events().await.len(), 1, "events of one revocation");
    }
}

pub(super) async fn revoke_subject(cx: &Context, s: &Stores, family: &RefreshFamily) -> u64 {
    let event = cx.fixtures.event(&family.tenant, AuditAction::TokenRevoked);
    let (tenant, subject) = (&family.tenant, &family.subject);
    s.refresh
        .revoke_subject(tenant, subject, NOW, NOW + DAY, event)
        .await
        .unwrap()
}

pub(crate) async fn refresh_token_store_i_revoke_subject_ends_every_living_family_and_says_how_many(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, first) = stored_family(&cx, &s).await;
    let like = |expires_at| RefreshFamily {
        id: cx.fixtures.family_id(),
        expires_at,
        ..family.clone()
    };
    let store = async |family: &RefreshFamily| {
        let first = cx.fixtures.refresh_token();
        store_family(&cx, &s, family, &first).await;
        first.digest
    };
    let (barely, over, revoked) = (like(NOW + TICK), like(NOW), like(NOW + DAY));
    let tokens = [
        store(&barely).await,
        store(&over).await,
        store(&revoked).await,
    ];
    revoke_family(&cx, &s, &revoked, NOW - DAY).await;

    let mut ledger = Ledger::open(&s, &family.tenant).await;
    assert_eq!(revoke_subject(&cx, &s, &family).await, 2);
    let key = RevocationKey::Subject {
        tenant: family.tenant.clone(),
        subject: family.subject.clone(),
    };
    assert_eq!(
        ledger.changes().await,
        [Change::Revocation { key: key.clone() }]
    );
    assert_eq!(ledger.events().await.len(), 1);
    let revoked_at = async |family: &RefreshFamily, token| {
        find(&s, family, token, NOW)
            .await
            .expect("a stored family is found")
            .0
            .revoked_at
    };
    assert_eq!(revoked_at(&family, &first.digest).await, Some(NOW));
    assert_eq!(revoked_at(&barely, &tokens[0]).await, Some(NOW));
    assert_eq!(revoked_at(&over, &tokens[1]).await, None, "it had expired");
    assert_eq!(
        revoked_at(&revoked, &tokens[2]).await,
        Some(NOW - DAY),
        "the first time is kept"
    );
    let attempt = cx.fixtures.use_of(&family, first.digest);
    assert_unchanged(&s, &family, attempt, RefreshOutcome::Revoked).await;
    // Access tokens without a family are the `RevocationStore`'s part.
    assert!(!Asked::about(&key).is_revoked(&s).await);

    ledger = Ledger::open(&s, &family.tenant).await;
    assert_eq!(revoke_subject(&cx, &s, &family).await, 0);
    ledger
        .assert_nothing("revoking a subject that has no living family")
        .await;
}

/// whenever they were issued, by a clock that is ahead of this one as well.
pub(crate) async fn refresh_token_store_i_revoke_subject_revokes_the_access_tokens_of_what_it_ends(
    cx: Context,
) {
    let s = cx.fresh().await;
    let (family, _) = stored_family(&cx, &s).await;
    let like = |expires_at| RefreshFamily {
        id: cx.fixtures.family_id(),
        expires_at,
        ..family.clone()
    };
    let (other, over) = (like(NOW + TICK), like(NOW));
    for family in [&other, &over] {
        store_family(&cx, &s, family, &cx.fixtures.refresh_token()).await;
    }
    let (bystander, _) = stored_family(&cx, &s).await;
    assert_eq!(revoke_subject(&cx, &s, &family).await, 2);
    for ended in [&family, &other] {
        for issued_at in [NOW - DAY, NOW, NOW + DAY] {
            let asked = Asked::about(&key_of(ended)).issued_at(issued_at);
            assert!(asked.is_revoked(&s).await, "issued at {issued_at}");
        }
    }
    for left in [&over, &bystander] {
        assert!(!family_is_revoked(&s, left).await, "{left:?}");
    }
    // Until `revoke_until`, and not shorter.
    assert_eq!(s.revocations.purge(NOW + DAY, 10).await.unwrap(), 0);
    assert_eq!(s.revocations.purge(NOW + DAY + TICK, 10).await.unwrap(), 2);
}

/// R-83, B-78
pub(crate) async fn refresh_token_store_i_revoke_subject_ends_no_other_subjects_families(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let people = hostile::joined()
        .into_iter()
        .chain(
            hostile::subjects()
                .into_iter()
                .map(|subject| (tenant.clone(), subject)),
        )
        .chain(
            hostile::tenants()
                .into_iter()
                .map(|tenant| (tenant, Subject::new("one").unwrap())),
        );
    let mut families = Vec::new();
    for (tenant, subject) in people {
        let family = RefreshFamily {
            subject,
            ..cx.fixtures.family(&tenant)
        };
        let first = cx.fixtures.refresh_token();
        store_family(&cx, &s, &family, &first).await;
        families.push((family, first.digest));
    }
    for (at, (family, _)) in families.iter().enumerate().step_by(2) {
        assert_eq!(revoke_subject(&cx, &s, family).await, 1, "{family:?}");
        if let Some((next, token)) = families.get(at + 1) {
            assert!(
                is_live(&s, next, token, NOW).await,
                "{family:?} ended {next:?}"
            );
        }
    }
    for (at, (family, token)) in families.iter().enumerate() {
        assert_eq!(
            is_live(&s, family, token, NOW).await,
            at % 2 == 1,
            "{family:?}"
        );
    }
}
