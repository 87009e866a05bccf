use std::pin::Pin;

use fountain_core::Digest;
use fountain_core::audit::AuditAction;
use fountain_core::change::{Change, RevocationKey};
use fountain_core::token::{
    RefreshFamily, RefreshOutcome, RefreshTokenRecord, RefreshUse, RevokeOutcome,
};

use super::Mutation;
use crate::asked::Asked;
use crate::context::{Context, Stores};
use crate::fixtures::{DAY, NOW, TICK};

/// Every mutating call of `RefreshTokenStore` that takes an event.
pub(crate) fn refresh_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move {
        vec![
            insert(cx),
            rotate(cx, s).await,
            reuse(cx, s).await,
            revoke_family(cx, s).await,
            revoke_subject(cx, s).await,
        ]
    })
}

/// Every kind of `RevocationStore::revoke`.
pub(crate) fn revocation_mutations<'a>(
    cx: &'a Context,
    _: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    let (f, tenant) = (&cx.fixtures, cx.fixtures.tenant());
    let token = RevocationKey::Token {
        issuer: f.issuer(),
        id: f.token_id(),
    };
    let family = RevocationKey::Family {
        tenant: tenant.clone(),
        id: f.family_id(),
    };
    let subject = RevocationKey::Subject {
        tenant,
        subject: f.subject(),
    };
    Box::pin(async move {
        vec![
            revoke(cx, "RevocationStore::revoke(Token)", token),
            revoke(cx, "RevocationStore::revoke(Family)", family),
            revoke(cx, "RevocationStore::revoke(Subject)", subject),
        ]
    })
}

/// A family with its first token, stored.
pub(crate) async fn stored_family(cx: &Context, s: &Stores) -> (RefreshFamily, RefreshTokenRecord) {
    let family = cx.fixtures.family(&cx.fixtures.tenant());
    let first = cx.fixtures.refresh_token();
    store_family(cx, s, &family, &first).await;
    (family, first)
}

/// Stores a family, which must succeed.
pub(crate) async fn store_family(
    cx: &Context,
    s: &Stores,
    family: &RefreshFamily,
    first: &RefreshTokenRecord,
) {
    let event = cx.fixtures.event(&family.tenant, AuditAction::TokenIssued);
    let inserted = s.refresh.insert(family.clone(), first.clone(), event).await;
    assert!(inserted.unwrap(), "a new family is refused");
}

/// Whether the access tokens of a family are revoked.
pub(crate) async fn family_is_revoked(s: &Stores, family: &RefreshFamily) -> bool {
    Asked::about(&key_of(family)).is_revoked(s).await
}

/// What ends with a family.
pub(crate) fn key_of(family: &RefreshFamily) -> RevocationKey {
    RevocationKey::Family {
        tenant: family.tenant.clone(),
        id: family.id.clone(),
    }
}

fn insert(cx: &Context) -> Mutation {
    let family = cx.fixtures.family(&cx.fixtures.tenant());
    let first = cx.fixtures.refresh_token();
    Mutation::new(
        "RefreshTokenStore::insert",
        cx.fixtures.event(&family.tenant, AuditAction::TokenIssued),
        None,
        (family, first),
        |s, (family, first), event| async move { s.refresh.insert(family, first, event).await.unwrap() },
        |s, (family, first)| async move {
            s.refresh
                .find(&family.tenant, &first.digest, NOW)
                .await
                .unwrap()
                .is_some()
        },
    )
}

async fn rotate(cx: &Context, s: &Stores) -> Mutation {
    let (family, first) = stored_family(cx, s).await;
    let attempt = cx.fixtures.use_of(&family, first.digest);
    Mutation::new(
        "RefreshTokenStore::use_token(rotated)",
        attempt.on_rotated.clone(),
        None,
        attempt,
        |s, attempt, on_rotated| async move {
            let attempt = RefreshUse {
                on_rotated,
                ..attempt
            };
            let outcome = s.refresh.use_token(attempt).await.unwrap();
            matches!(outcome, RefreshOutcome::Rotated { .. })
        },
        |s, attempt| async move {
            let find = async |digest| s.refresh.find(&attempt.tenant, digest, NOW).await.unwrap();
            let early = find(&attempt.successor.digest).await.is_some();
            let (_, live) = find(&attempt.presented).await.unwrap();
            let late = find(&attempt.successor.digest).await.is_some();
            assert!(!live || !early, "R-43: parent and child live at once");
            assert!(live || late, "R-43: the parent is spent, there is no child");
            !live
        },
    )
}

async fn reuse(cx: &Context, s: &Stores) -> Mutation {
    let (family, first) = stored_family(cx, s).await;
    let attempt = cx.fixtures.use_of(&family, first.digest);
    let rotated = s.refresh.use_token(attempt.clone()).await.unwrap();
    assert!(matches!(rotated, RefreshOutcome::Rotated { .. }));
    let attempt = RefreshUse {
        now: NOW + attempt.grace + TICK,
        ..cx.fixtures.use_of(&family, first.digest)
    };
    Mutation::new(
        "RefreshTokenStore::use_token(reused)",
        attempt.on_reuse.clone(),
        revoked_family(&family),
        (family, attempt),
        |s, (_, attempt), on_reuse| async move {
            let attempt = RefreshUse {
                on_reuse,
                ..attempt
            };
            let outcome = s.refresh.use_token(attempt).await.unwrap();
            matches!(outcome, RefreshOutcome::Reused { .. })
        },
        |s, (family, attempt)| async move { ended(&s, &family, &attempt).await },
    )
}

/// Whether a family has ended, and with it its access tokens: neither without the other.
async fn ended(s: &Stores, family: &RefreshFamily, attempt: &RefreshUse) -> bool {
    let early = family_is_revoked(s, family).await;
    let found = s
        .refresh
        .find(&family.tenant, &attempt.presented, NOW)
        .await
        .unwrap();
    let late = family_is_revoked(s, family).await;
    let ended = found.unwrap().0.revoked_at.is_some();
    assert!(
        ended || !early,
        "the family's access tokens are revoked, the family lives"
    );
    assert!(
        late || !ended,
        "the family has ended, its access tokens are not revoked"
    );
    ended
}

async fn revoke_family(cx: &Context, s: &Stores) -> Mutation {
    let (family, first) = stored_family(cx, s).await;
    let look = cx.fixtures.use_of(&family, first.digest);
    Mutation::new(
        "RefreshTokenStore::revoke_family",
        cx.fixtures.event(&family.tenant, AuditAction::TokenRevoked),
        revoked_family(&family),
        (family, look),
        |s, (family, look), event| async move {
            let (tenant, until) = (&family.tenant, look.revoke_until);
            s.refresh
                .revoke_family(tenant, &family.id, NOW, until, event)
                .await
                .unwrap()
                == RevokeOutcome::Revoked
        },
        |s, (family, look)| async move { ended(&s, &family, &look).await },
    )
}

async fn revoke_subject(cx: &Context, s: &Stores) -> Mutation {
    let (family, first) = stored_family(cx, s).await;
    let second = RefreshFamily {
        id: cx.fixtures.family_id(),
        ..family.clone()
    };
    let its_first = cx.fixtures.refresh_token();
    store_family(cx, s, &second, &its_first).await;
    let key = RevocationKey::Subject {
        tenant: family.tenant.clone(),
        subject: family.subject.clone(),
    };
    Mutation::new(
        "RefreshTokenStore::revoke_subject",
        cx.fixtures.event(&family.tenant, AuditAction::TokenRevoked),
        Some(Change::Revocation { key }),
        [(family, first.digest), (second, its_first.digest)],
        |s, [(family, _), _], event| async move {
            let (tenant, subject) = (&family.tenant, &family.subject);
            let ended = s
                .refresh
                .revoke_subject(tenant, subject, NOW, NOW + DAY, event)
                .await;
            let ended = ended.unwrap();
            assert!(ended == 0 || ended == 2, "ended {ended} of two families");
            ended == 2
        },
        |s, [first, second]| async move {
            let ended = async |(family, token): &(RefreshFamily, Digest)| {
                let found = s.refresh.find(&family.tenant, token, NOW).await.unwrap();
                !found.unwrap().1
            };
            // None of it is ever taken back: what one look has seen of the change, each later one sees as well.
            let seen = [
                ended(&first).await,
                family_is_revoked(&s, &first.0).await,
                ended(&second).await,
                family_is_revoked(&s, &second.0).await,
                ended(&first).await,
                family_is_revoked(&s, &first.0).await,
            ];
            assert!(
                seen.is_sorted(),
                "of a subject's families and their access tokens some have ended, some have not: {seen:?}"
            );
            seen[0]
        },
    )
}

fn revoked_family(family: &RefreshFamily) -> Option<Change> {
    Some(Change::Revocation {
        key: key_of(family),
    })
}

fn revoke(cx: &Context, name: &'static str, key: RevocationKey) -> Mutation {
    let change = Change::Revocation { key: key.clone() };
    Mutation::new(
        name,
        cx.fixtures
            .event(&cx.fixtures.tenant(), AuditAction::TokenRevoked),
        Some(change),
        cx.fixtures.revocation(key),
        |s, revocation, event| async move {
            s.revocations.revoke(revocation, event).await.unwrap() == RevokeOutcome::Revoked
        },
        |s, revocation| async move { Asked::about(&revocation.key).is_revoked(&s).await },
    )
}
