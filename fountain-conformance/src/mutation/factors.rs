use std::pin::Pin;

use fountain_core::Digest;
use fountain_core::audit::AuditAction;
use fountain_core::otp::{FactorOutcome, FactorRecord};

use super::Mutation;
use crate::context::{Context, Stores};
use crate::fixtures::NOW;

/// Every mutating call of `FactorStore`.
pub(crate) fn factor_mutations<'a>(
    cx: &'a Context,
    s: &'a Stores,
) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>> {
    Box::pin(async move {
        vec![
            insert(cx),
            confirm(cx, s).await,
            take(cx, s).await,
            disable(cx, s).await,
            remove(cx, s).await,
            replace_codes(cx, s).await,
            take_code(cx, s).await,
        ]
    })
}

async fn stored(cx: &Context, s: &Stores) -> FactorRecord {
    let record = cx.fixtures.factor(&cx.fixtures.tenant());
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::FactorEnrolled);
    assert!(s.factors.insert(record.clone(), event).await.unwrap());
    record
}

async fn find(s: &Stores, like: &FactorRecord) -> Option<FactorRecord> {
    let find = s.factors.find(&like.tenant, &like.subject, &like.id);
    find.await.unwrap()
}

async fn is_listed(s: &Stores, like: &FactorRecord) -> bool {
    let list = s.factors.list(&like.tenant, &like.subject).await.unwrap();
    list.iter().any(|record| record.id == like.id)
}

fn insert(cx: &Context) -> Mutation {
    let record = cx.fixtures.factor(&cx.fixtures.tenant());
    Mutation::new(
        "FactorStore::insert",
        cx.fixtures
            .event(&record.tenant, AuditAction::FactorEnrolled),
        None,
        record,
        |s, record, event| async move { s.factors.insert(record, event).await.unwrap() },
        |s, record| async move {
            let seen = [
                find(&s, &record).await.is_some(),
                is_listed(&s, &record).await,
                find(&s, &record).await.is_some(),
            ];
            assert!(seen.is_sorted(), "found by one of id and list");
            seen[0]
        },
    )
}

async fn confirm(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "FactorStore::confirm",
        cx.fixtures
            .event(&record.tenant, AuditAction::FactorConfirmed),
        None,
        record,
        |s, record, event| async move {
            let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
            let confirm = s.factors.confirm(tenant, subject, id, 7, NOW, event);
            confirm.await.unwrap() == FactorOutcome::Done
        },
        |s, record| async move {
            let now = find(&s, &record).await.expect("it is stored");
            let confirmed = now.confirmed_at.is_some();
            assert_eq!(confirmed, now.mark == 7, "half a confirmation");
            confirmed
        },
    )
}

async fn take(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    let event = cx
        .fixtures
        .event(&record.tenant, AuditAction::FactorConfirmed);
    let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
    let confirm = s.factors.confirm(tenant, subject, id, 7, NOW, event);
    assert_eq!(confirm.await.unwrap(), FactorOutcome::Done);
    Mutation::new(
        "FactorStore::take",
        cx.fixtures.event(&record.tenant, AuditAction::FactorUsed),
        None,
        record,
        |s, record, event| async move {
            let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
            let take = s.factors.take(tenant, subject, id, 8, event);
            take.await.unwrap() == FactorOutcome::Done
        },
        |s, record| async move { find(&s, &record).await.expect("it is stored").mark == 8 },
    )
}

async fn disable(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "FactorStore::disable",
        cx.fixtures
            .event(&record.tenant, AuditAction::FactorDisabled),
        None,
        record,
        |s, record, event| async move {
            let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
            let disable = s.factors.disable(tenant, subject, id, NOW, event);
            disable.await.unwrap() == FactorOutcome::Done
        },
        |s, record| async move {
            let now = find(&s, &record).await.expect("it is stored");
            now.disabled_at.is_some()
        },
    )
}

async fn remove(cx: &Context, s: &Stores) -> Mutation {
    let record = stored(cx, s).await;
    Mutation::new(
        "FactorStore::remove",
        cx.fixtures
            .event(&record.tenant, AuditAction::FactorRemoved),
        None,
        record,
        |s, record, event| async move {
            let (tenant, subject, id) = (&record.tenant, &record.subject, &record.id);
            s.factors.remove(tenant, subject, id, event).await.unwrap()
        },
        |s, record| async move {
            let seen = [
                find(&s, &record).await.is_none(),
                !is_listed(&s, &record).await,
                find(&s, &record).await.is_none(),
            ];
            assert!(seen.is_sorted(), "gone by one of id and list");
            seen[0]
        },
    )
}

/// Three old codes, of which one was used, make way for ten new ones.
async fn replace_codes(cx: &Context, s: &Stores) -> Mutation {
    let (tenant, subject) = (cx.fixtures.tenant(), cx.fixtures.subject());
    let old: Vec<_> = (0..3).map(|_| cx.fixtures.digest()).collect();
    let new: Vec<_> = (0..10).map(|_| cx.fixtures.digest()).collect();
    let event = |action| cx.fixtures.event(&tenant, action);
    let replaced = event(AuditAction::RecoveryCodesReplaced);
    let replace = s
        .factors
        .replace_recovery_codes(&tenant, &subject, &old, replaced);
    replace.await.unwrap();
    let used = event(AuditAction::RecoveryCodeUsed);
    let take = s
        .factors
        .take_recovery_code(&tenant, &subject, &old[0], used);
    assert_eq!(take.await.unwrap(), Some(2));
    Mutation::new(
        "FactorStore::replace_recovery_codes",
        event(AuditAction::RecoveryCodesReplaced),
        None,
        (tenant, subject, new),
        |s, (tenant, subject, new): (_, _, Vec<Digest>), event| async move {
            s.factors
                .replace_recovery_codes(&tenant, &subject, &new, event)
                .await
                .unwrap();
            true
        },
        |s, (tenant, subject, _)| async move {
            let left = s.factors.recovery_codes(&tenant, &subject).await.unwrap();
            assert!(left == 2 || left == 10, "{left} codes, of 2 old or 10 new");
            left == 10
        },
    )
    .always_a_change()
}

async fn take_code(cx: &Context, s: &Stores) -> Mutation {
    let (tenant, subject) = (cx.fixtures.tenant(), cx.fixtures.subject());
    let codes: Vec<_> = (0..3).map(|_| cx.fixtures.digest()).collect();
    let event = |action| cx.fixtures.event(&tenant, action);
    let replaced = event(AuditAction::RecoveryCodesReplaced);
    let replace = s
        .factors
        .replace_recovery_codes(&tenant, &subject, &codes, replaced);
    replace.await.unwrap();
    Mutation::new(
        "FactorStore::take_recovery_code",
        event(AuditAction::RecoveryCodeUsed),
        None,
        (tenant, subject, codes),
        |s, (tenant, subject, codes): (_, _, Vec<Digest>), event| async move {
            let take = s
                .factors
                .take_recovery_code(&tenant, &subject, &codes[1], event);
            take.await.unwrap().is_some()
        },
        |s, (tenant, subject, _)| async move {
            s.factors.recovery_codes(&tenant, &subject).await.unwrap() == 2
        },
    )
}
