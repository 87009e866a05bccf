//! D: the last enabled holder of a kept role.

use fountain_core::access::{SubjectChangeOutcome, SubjectRecord};
use fountain_core::audit::AuditAction;

use super::{assign, disable, find, store};
use crate::context::{Context, Stores};
use crate::fixtures::{NOW, names};
use crate::race::{count, race};

const LAST: SubjectChangeOutcome = SubjectChangeOutcome::LastHolder;

fn is_changed(outcome: &SubjectChangeOutcome) -> bool {
    matches!(outcome, SubjectChangeOutcome::Changed(_))
}

async fn stored(cx: &Context, s: &Stores, like: &SubjectRecord, roles: &[&str]) -> SubjectRecord {
    let record = cx.fixtures.subject_record(&like.tenant, roles);
    store(cx, s, &record).await;
    record
}

///
pub(crate) async fn subject_store_d_the_last_enabled_holder_keeps_the_kept_role(cx: Context) {
    let s = cx.fresh().await;
    let admin = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["admin", "clerk"]);
    store(&cx, &s, &admin).await;
    // None of these is another enabled holder in this tenant.
    let disabled = stored(&cx, &s, &admin, &["admin"]).await;
    assert!(is_changed(
        &disable(&cx, &s, &disabled, Some("admin")).await
    ));
    stored(
        &cx,
        &s,
        &admin,
        &[
            "clerk",
            "administrator",
            "Admin",
            "admin2",
            "%",
            "admin,clerk",
        ],
    )
    .await;
    let elsewhere = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["admin"]);
    store(&cx, &s, &elsewhere).await;

    assert_eq!(
        assign(&cx, &s, &admin, &["clerk"], Some("admin")).await,
        LAST
    );
    assert_eq!(assign(&cx, &s, &admin, &[], Some("admin")).await, LAST);
    assert_eq!(disable(&cx, &s, &admin, Some("admin")).await, LAST);
    assert_eq!(find(&s, &admin).await.as_ref(), Some(&admin));
    // One more holder, and it may go.
    stored(&cx, &s, &admin, &["admin"]).await;
    assert!(is_changed(&disable(&cx, &s, &admin, Some("admin")).await));
}

///
pub(crate) async fn subject_store_d_whoever_does_not_take_the_last_holder_away_may_change(
    cx: Context,
) {
    let s = cx.fresh().await;
    let admin = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["admin"]);
    store(&cx, &s, &admin).await;
    let clerk = stored(&cx, &s, &admin, &["clerk"]).await;
    // It holds the role still.
    assert!(is_changed(
        &assign(&cx, &s, &admin, &["admin", "clerk"], Some("admin")).await
    ));
    // Others never held it, or hold it while they are disabled.
    assert!(is_changed(
        &assign(&cx, &s, &clerk, &["auditor"], Some("admin")).await
    ));
    assert!(is_changed(&disable(&cx, &s, &clerk, Some("admin")).await));
    assert!(is_changed(
        &assign(&cx, &s, &clerk, &["admin"], Some("admin")).await
    ));
    assert!(is_changed(
        &assign(&cx, &s, &clerk, &[], Some("admin")).await
    ));
    // A role that nobody holds.
    assert!(is_changed(
        &assign(&cx, &s, &clerk, &["auditor"], Some("nobody")).await
    ));
    // No role is kept.
    assert!(is_changed(&assign(&cx, &s, &admin, &["clerk"], None).await));
    let second = stored(&cx, &s, &admin, &["admin"]).await;
    assert!(is_changed(&disable(&cx, &s, &second, None).await));
}

pub(crate) async fn subject_store_d_what_changes_nothing_takes_nobody_away(cx: Context) {
    let s = cx.fresh().await;
    let admin = cx
        .fixtures
        .subject_record(&cx.fixtures.tenant(), &["admin"]);
    store(&cx, &s, &admin).await;
    let unchanged = SubjectChangeOutcome::Unchanged(admin.clone());
    assert_eq!(
        assign(&cx, &s, &admin, &["admin"], Some("admin")).await,
        unchanged
    );
    let disabled = SubjectRecord {
        disabled_at: Some(NOW),
        version: 2,
        ..admin.clone()
    };
    assert!(is_changed(&disable(&cx, &s, &admin, None).await));
    let unchanged = SubjectChangeOutcome::Unchanged(disabled);
    assert_eq!(disable(&cx, &s, &admin, Some("admin")).await, unchanged);
}

/// several holders give up the role at once, some by losing it and some by being disabled.
pub(crate) async fn subject_store_d_of_parallel_calls_one_holder_is_left(cx: Context) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races {
        let tenant = cx.fixtures.tenant();
        let mut holders = Vec::new();
        for _ in 0..2 {
            let record = cx.fixtures.subject_record(&tenant, &["admin"]);
            store(&cx, &s, &record).await;
            holders.push(record);
        }
        let outcomes = race(cx.rounds.tasks, |task| {
            let (s, record) = (s.clone(), holders[task % holders.len()].clone());
            let event = cx.fixtures.event(&tenant, AuditAction::SubjectDisabled);
            async move {
                let (tenant, subject) = (&record.tenant, &record.subject);
                let outcome = if task % 4 < 2 {
                    s.subjects
                        .assign(tenant, subject, names(&[]), Some("admin"), event)
                        .await
                } else {
                    s.subjects
                        .disable(tenant, subject, NOW, Some("admin"), event)
                        .await
                };
                outcome.unwrap()
            }
        })
        .await;
        let mut left = 0;
        for record in &holders {
            let now = find(&s, record).await.expect("a stored subject is found");
            left += usize::from(now.disabled_at.is_none() && now.roles.contains("admin"));
        }
        assert_eq!(left, 1, "holders left of two");
        assert!(
            count(&outcomes, |outcome| *outcome == LAST) >= 1,
            "nobody was told"
        );
    }
}
