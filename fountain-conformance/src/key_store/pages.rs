//! C: pages of keys.

use std::collections::BTreeSet;

use fountain_core::Tenant;
use fountain_core::api_key::{ApiKeyRecord, KeyCursor, KeyPage};

use super::store;
use crate::context::{Context, Stores};
use crate::fixtures::{NOW, TICK};
use crate::hostile;

/// Every key of a tenant, by pages of `limit`.
async fn all(s: &Stores, tenant: &Tenant, limit: usize) -> Vec<ApiKeyRecord> {
    let mut items = Vec::new();
    let mut after: Option<KeyCursor> = None;
    loop {
        let KeyPage { items: page, next } =
            s.keys.page(tenant, after.as_ref(), limit).await.unwrap();
        assert!(
            page.len() <= limit,
            "{} keys on a page of {limit}",
            page.len()
        );
        items.extend(page);
        match next {
            None => return items,
            Some(next) => assert!(
                after.replace(next.clone()) < Some(next),
                "paging does not move on"
            ),
        }
    }
}

fn in_order(mut records: Vec<ApiKeyRecord>) -> Vec<ApiKeyRecord> {
    records.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    records
}

/// Keys of which four at a time were made in the same microsecond, and neighbours one microsecond apart.
async fn with_equal_times(cx: &Context, s: &Stores, tenant: &Tenant) -> Vec<ApiKeyRecord> {
    let mut records = Vec::new();
    for at in [3, 1, 4, 0, 2, 1, 3, 0, 4, 2, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0] {
        let record = ApiKeyRecord {
            created_at: NOW + at * TICK,
            ..cx.fixtures.api_key(tenant)
        };
        store(cx, s, &record).await;
        records.push(record);
    }
    in_order(records)
}

pub(crate) async fn key_store_c_pages_are_oldest_first_then_by_id_and_hold_each_key_once(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let records = with_equal_times(&cx, &s, &tenant).await;
    for limit in [1, 2, 3, 4, 5, 7, 19, 20, 21, 1000] {
        assert_eq!(all(&s, &tenant, limit).await, records, "by {limit}");
    }
}

pub(crate) async fn key_store_c_a_page_is_full_or_the_last_and_only_the_last_has_no_next(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let nothing = s.keys.page(&tenant, None, 1).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.next), (0, None));
    let records = with_equal_times(&cx, &s, &tenant).await;
    for limit in 1..=records.len() + 1 {
        let page = s.keys.page(&tenant, None, limit).await.unwrap();
        assert_eq!(page.items.len(), limit.min(records.len()), "by {limit}");
        assert_eq!(page.next.is_none(), limit >= records.len(), "by {limit}");
    }
}

pub(crate) async fn key_store_c_paging_reaches_every_key_that_existed_while_others_are_inserted(
    cx: Context,
) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let existed = with_equal_times(&cx, &s, &tenant).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = s.keys.page(&tenant, after.as_ref(), 3).await.unwrap();
        seen.extend(page.items);
        // New ones in front of the cursor, beside it and behind it.
        for at in [0, 2, 4] {
            let record = ApiKeyRecord {
                created_at: NOW + at * TICK,
                ..cx.fixtures.api_key(&tenant)
            };
            if seen.len() < 100 {
                store(&cx, &s, &record).await;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ids: BTreeSet<_> = seen.iter().map(|record| &record.id).collect();
    assert_eq!(ids.len(), seen.len(), "a key is on two pages");
    assert_eq!(in_order(seen.clone()), seen, "pages are out of order");
    let missing: Vec<_> = existed
        .iter()
        .filter(|record| !ids.contains(&record.id))
        .collect();
    assert!(missing.is_empty(), "left out: {missing:?}");
}

pub(crate) async fn key_store_c_paging_goes_on_behind_a_key_that_is_gone(cx: Context) {
    let s = cx.fresh().await;
    let tenant = cx.fixtures.tenant();
    let mut records = with_equal_times(&cx, &s, &tenant).await;
    let gone = ApiKeyRecord {
        created_at: NOW + 2 * TICK,
        expires_at: NOW,
        ..cx.fixtures.api_key(&tenant)
    };
    store(&cx, &s, &gone).await;
    let cursor = KeyCursor {
        created_at: gone.created_at,
        id: gone.id.clone(),
    };
    assert_eq!(s.keys.purge(NOW + TICK, 10).await.unwrap(), 1);
    records.retain(|record| (record.created_at, &record.id) > (gone.created_at, &gone.id));
    let page = s.keys.page(&tenant, Some(&cursor), 1000).await.unwrap();
    assert_eq!(page.items, records);
}

/// R-83, B-78
pub(crate) async fn key_store_c_a_page_shows_one_tenant_only(cx: Context) {
    let s = cx.fresh().await;
    let tenants = hostile::tenants();
    let mut records = Vec::new();
    for tenant in &tenants {
        let record = cx.fixtures.api_key(tenant);
        store(&cx, &s, &record).await;
        records.push(record);
    }
    for (tenant, record) in tenants.iter().zip(records) {
        assert_eq!(all(&s, tenant, 2).await, [record]);
    }
    assert_eq!(all(&s, &cx.fixtures.tenant(), 2).await, []);
}
