//! Every call that changes something, as data: how to make it, how to see that it took effect, and what it must
//! leave behind. The sentences about atomicity are tried on all of them alike.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use fountain_core::audit::AuditEvent;
use fountain_core::change::Change;
use tokio::task::yield_now;

use crate::context::{Context, Stores};
use crate::ledger::Ledger;
use crate::race::drop_after;

mod challenges;
mod credentials;
mod factors;
mod keys;
mod lockouts;
mod signing;
mod subjects;
mod tokens;

pub(crate) use challenges::challenge_mutations;
pub(crate) use credentials::credential_mutations;
pub(crate) use factors::factor_mutations;
pub(crate) use keys::key_mutations;
pub(crate) use lockouts::lockout_mutations;
pub(crate) use signing::signing_mutations;
pub(crate) use subjects::subject_mutations;
pub(crate) use tokens::{
    family_is_revoked, key_of, refresh_mutations, revocation_mutations, store_family, stored_family,
};

type Answer = Pin<Box<dyn Future<Output = bool> + Send>>;

/// One mutating call, prepared: made once it takes effect, made again it changes nothing, unless it says otherwise.
#[derive(Clone)]
pub(crate) struct Mutation {
    /// Which call.
    pub(crate) name: &'static str,
    /// What it records.
    pub(crate) event: AuditEvent,
    /// What it appends to the feed.
    pub(crate) change: Option<Change>,
    /// What it records behind that, in the same step.
    second_event: Option<AuditEvent>,
    /// Whether it is a change whatever stood there.
    is_always_a_change: bool,
    call: Arc<dyn Fn(Stores, AuditEvent) -> Answer + Send + Sync>,
    changed: Arc<dyn Fn(Stores) -> Answer + Send + Sync>,
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Mutation {
    /// `call` makes the call and says whether its answer was that it changed something; `changed` says whether the
    /// change is there to be seen, all of it. A half of it fails the case.
    pub(crate) fn new<D, C, S>(
        name: &'static str,
        event: AuditEvent,
        change: Option<Change>,
        data: D,
        call: fn(Stores, D, AuditEvent) -> C,
        changed: fn(Stores, D) -> S,
    ) -> Self
    where
        D: Clone + Send + Sync + 'static,
        C: Future<Output = bool> + Send + 'static,
        S: Future<Output = bool> + Send + 'static,
    {
        let seen = data.clone();
        Self {
            name,
            event,
            change,
            second_event: None,
            is_always_a_change: false,
            call: Arc::new(move |s, event| Box::pin(call(s, data.clone(), event))),
            changed: Arc::new(move |s| Box::pin(changed(s, seen.clone()))),
        }
    }

    /// It records this, too.
    fn and_records(mut self, event: AuditEvent) -> Self {
        self.second_event = Some(event);
        self
    }

    /// Made again, it is a change once more, and leaves what it left the first time.
    fn always_a_change(mut self) -> Self {
        self.is_always_a_change = true;
        self
    }

    /// Makes the call with its event.
    pub(crate) fn call(&self, s: &Stores) -> Answer {
        (self.call)(s.clone(), self.event.clone())
    }

    /// Whether the change is there.
    pub(crate) async fn changed(&self, s: &Stores) -> bool {
        (self.changed)(s.clone()).await
    }

    fn events(&self) -> Vec<AuditEvent> {
        [&self.event]
            .into_iter()
            .chain(&self.second_event)
            .cloned()
            .collect()
    }

    fn changes(&self) -> Vec<Change> {
        self.change.iter().cloned().collect()
    }

    /// Looks at state, event and feed while the call may be under way.
    ///
    /// They cannot be read at one moment, but none of them is ever taken back: what is there before a look is
    /// there after it. So the change first seen must have left its traces, and traces must have their change.
    async fn assert_whole(&self, s: &Stores, ledger: &Ledger) {
        let before = self.changed(s).await;
        let events = ledger.events().await;
        let recorded = events.contains(&self.event);
        if let Some(second) = &self.second_event {
            let both = recorded == events.contains(second);
            assert!(both, "{}: of its two events one is seen", self.name);
        }
        let fed = match &self.change {
            Some(change) => Some(ledger.changes().await.contains(change)),
            None => None,
        };
        let after = self.changed(s).await;
        let name = self.name;
        if before {
            assert!(recorded, "{name}: the change is seen, its event is not");
            assert!(
                fed != Some(false),
                "{name}: the change is seen, its feed entry is not"
            );
        }
        if !after {
            assert!(!recorded, "{name}: the event is seen, its change is not");
            assert!(
                fed != Some(true),
                "{name}: the feed entry is seen, its change is not"
            );
        }
    }
}

/// Makes mutations of one trait, each on records of its own.
pub(crate) type Prepare =
    for<'a> fn(&'a Context, &'a Stores) -> Pin<Box<dyn Future<Output = Vec<Mutation>> + Send + 'a>>;

/// Every change is recorded with its event and appended to the feed, once; made again, the call changes nothing and
/// records nothing, even with a new event.
pub(crate) async fn assert_recorded_once(cx: &Context, prepare: Prepare) {
    let s = cx.fresh().await;
    for m in prepare(cx, &s).await {
        let mut ledger = Ledger::open(&s, &m.event.tenant).await;
        assert!(
            !m.changed(&s).await,
            "{}: changed before it was called",
            m.name
        );
        assert!(m.call(&s).await, "{}: says that it changed nothing", m.name);
        assert!(m.changed(&s).await, "{}: the change is not there", m.name);
        ledger
            .assert_recorded(m.name, &m.events(), &m.changes())
            .await;
        let again = cx.fixtures.event(&m.event.tenant, m.event.action);
        let changed = (m.call)(s.clone(), again.clone()).await;
        assert_eq!(
            changed, m.is_always_a_change,
            "{}: what it says of a second time",
            m.name
        );
        if changed {
            ledger.assert_recorded(m.name, &[again], &m.changes()).await;
        } else {
            ledger.assert_nothing(m.name).await;
        }
    }
}

/// Nobody ever sees the change without its event and feed entry, nor these without the change: looked at again and
/// again while the call runs.
pub(crate) async fn assert_never_seen_in_part(cx: &Context, prepare: Prepare) {
    let s = cx.fresh().await;
    for _ in 0..cx.rounds.races.div_ceil(10) {
        for m in prepare(cx, &s).await {
            let ledger = Ledger::open(&s, &m.event.tenant).await;
            let call = tokio::spawn(m.call(&s));
            while !call.is_finished() {
                m.assert_whole(&s, &ledger).await;
                // A store that never waits would keep the call off a runtime with one free worker.
                yield_now().await;
            }
            assert!(
                call.await.expect("a mutating call does not panic"),
                "{}",
                m.name
            );
            m.assert_whole(&s, &ledger).await;
        }
    }
}

/// R-103, F-21: a call that is dropped after any number of polls leaves the change whole or absent, and the store in
/// order: the same call with the same event, made again, brings it to where it would be.
pub(crate) async fn assert_whole_when_dropped(cx: &Context, prepare: Prepare) {
    let s = cx.fresh().await;
    for polls in 0..=cx.rounds.polls {
        for m in prepare(cx, &s).await {
            let mut ledger = Ledger::open(&s, &m.event.tenant).await;
            let ended = drop_after(polls, m.call(&s)).await;
            assert_ne!(
                ended,
                Some(false),
                "{}: says that it changed nothing",
                m.name
            );
            m.assert_whole(&s, &ledger).await;
            if ended.is_some() {
                assert!(m.changed(&s).await, "{}: the change is not there", m.name);
            }
            m.call(&s).await;
            assert!(
                m.changed(&s).await,
                "{}: lost after {polls} polls and a second call",
                m.name
            );
            let what = format!("{}, dropped after {polls} polls and made again", m.name);
            ledger
                .assert_recorded(&what, &m.events(), &m.changes())
                .await;
        }
    }
}
