//! Whether a token was revoked: the store is asked once for all who ask at the same time.

use std::convert::Infallible;
use std::sync::Arc;

use super::{RevocationQuery, RevocationStore};
use crate::change::{CacheTrust, Slot};
use crate::clock::{Clock, Timestamp};
use crate::flight::{About, Answer, Flights, Seat, Topic};
use crate::identity::{FamilyId, Issuer, Subject, Tenant, TokenId};

/// Asks a store of revocations.
#[derive(Debug)]
pub(super) struct Revocations {
    store: Arc<dyn RevocationStore>,
    flights: Flights<Arc<Asked>, bool>,
}

/// What was found out about a token.
pub(super) type Found<'a> = Seat<'a, Arc<Asked>, bool>;

/// A [`RevocationQuery`] that outlives its caller.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    issuer: Issuer,
    id: TokenId,
    tenant: Tenant,
    subject: Subject,
    family: Option<FamilyId>,
    issued_at: Timestamp,
}

impl Revocations {
    /// Without `trust` no older answer is shared.
    pub(super) fn new(
        store: Arc<dyn RevocationStore>,
        trust: Option<Arc<CacheTrust>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            flights: Flights::new(Topic::Revocation, trust, clock),
        }
    }

    /// Asks for a caller who may believe what is remembered of the token; `recall` looks for it.
    pub(super) async fn find<R: Send>(
        &self,
        query: RevocationQuery<'_>,
        depends: &[Slot],
        recall: impl FnOnce() -> Option<R> + Send,
    ) -> Answer<'_, Arc<Asked>, bool, R> {
        self.ask(query, depends, Some(|revoked| !revoked), recall)
            .await
    }

    /// Asks for a caller who wants what the store says now, and nothing older.
    pub(super) async fn find_anew(
        &self,
        query: RevocationQuery<'_>,
        depends: &[Slot],
    ) -> Found<'_> {
        match self.ask(query, depends, None, || None::<Infallible>).await {
            Answer::Landed(found) => found,
            Answer::Recalled(never) => match never {},
        }
    }

    async fn ask<R: Send>(
        &self,
        query: RevocationQuery<'_>,
        depends: &[Slot],
        memorable: Option<fn(&bool) -> bool>,
        recall: impl FnOnce() -> Option<R> + Send,
    ) -> Answer<'_, Arc<Asked>, bool, R> {
        let asked = Arc::new(Asked {
            issuer: query.issuer.clone(),
            id: query.id.clone(),
            tenant: query.tenant.clone(),
            subject: query.subject.clone(),
            family: query.family.cloned(),
            issued_at: query.issued_at,
        });
        let about = About {
            key: Arc::clone(&asked),
            depends,
            memorable,
        };
        let question = || {
            let (store, asked) = (Arc::clone(&self.store), Arc::clone(&asked));
            Box::pin(async move { store.is_revoked(asked.query()).await }) as _
        };
        self.flights.ask(about, recall, question).await
    }
}

impl Asked {
    fn query(&self) -> RevocationQuery<'_> {
        RevocationQuery {
            issuer: &self.issuer,
            id: &self.id,
            tenant: &self.tenant,
            subject: &self.subject,
            family: self.family.as_ref(),
            issued_at: self.issued_at,
        }
    }
}
