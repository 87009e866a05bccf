//! Every metric that Fountain emits, through the [`metrics`] facade: names, labels from closed enums, handles
//! kept instead of looked up.
//!
//! A host installs its recorder before it builds a [`Fountain`](crate::Fountain): a handle that was made
//! before the recorder counts into nothing. [`describe`] tells the recorder what each metric means.

use std::fmt;
use std::sync::OnceLock;

use metrics::{Counter, Unit, describe_counter, describe_gauge, describe_histogram};

use crate::error::Reason;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Rises only.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Many measurements, of which an exporter keeps counts by bucket, or quantiles.
    Histogram,
}

/// One metric: its name, kind, labels and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name, as Prometheus shows it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels; their values are from closed enums.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $const:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)+) => {
        $($(#[$doc])* pub const $const: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)+

        /// Every metric.
        pub const ALL: &[Metric] = &[$($const),+];
    };
}

metrics! {
    /// Verifications of API keys.
    API_KEY_VERIFICATIONS = "fountain_api_key_verifications_total", Counter, ["outcome"],
        "API keys that were presented, by outcome: accepted, or the reason of the refusal";
    /// Changes of API keys.
    API_KEY_CHANGES = "fountain_api_key_changes_total", Counter, ["action"],
        "API keys that were issued, rotated, revoked, disabled or enabled";
    /// Uses of API keys that were not noted.
    API_KEY_USES_DROPPED = "fountain_api_key_uses_dropped_total", Counter, [],
        "Uses of API keys whose time was not noted, since too many keys wait to be written: flush more often";
    /// Verifications of access tokens.
    TOKEN_VERIFICATIONS = "fountain_token_verifications_total", Counter, ["outcome"],
        "Access tokens that were presented, by outcome: accepted, or the reason of the refusal";
    /// Uses of refresh tokens.
    TOKEN_REFRESHES = "fountain_token_refreshes_total", Counter, ["outcome"],
        "Refresh tokens that were presented, by outcome: accepted, or the reason of the refusal";
    /// Token families begun.
    TOKENS_ISSUED = "fountain_tokens_issued_total", Counter, [],
        "Access tokens that were issued";
    /// Fetches of other issuers' key sets.
    JWKS_FETCHES = "fountain_jwks_fetches_total", Counter, ["outcome"],
        "Fetches of other issuers' key sets, by outcome: fetched, or why the last good set was kept";
    /// Transitions of signing keys.
    SIGNING_KEY_TRANSITIONS = "fountain_signing_key_transitions_total", Counter, ["action"],
        "Signing keys that were published, activated, removed or revoked by this node";
    /// Passwords hashed.
    PASSWORD_HASHES = "fountain_password_hashes_total", Counter, ["outcome"],
        "Passwords to hash or to verify: hashed, matched, mismatched, busy (refused, the queue was full) or failed";
    /// Logins.
    LOGINS = "fountain_logins_total", Counter, ["outcome"],
        "Logins that came to an end, by outcome: accepted, which is when there are tokens, or the reason of the refusal";
    /// Attempts that were counted before they were judged.
    ATTEMPTS_COUNTED = "fountain_attempts_counted_total", Counter, ["kind"],
        "Attempts at a password, a code or a recovery code that were counted and judged, right or wrong";
    /// Attempts that were not judged, since a lock stood.
    ATTEMPTS_REFUSED = "fountain_attempts_refused_total", Counter, ["kind"],
        "Attempts that were not judged, since a lock stood";
    /// Locks that began.
    LOCKS = "fountain_locks_total", Counter, ["kind"],
        "Locks that began with the last attempt allowed; one that turned out right ended its own at once";
    /// Answers to questions for a second factor.
    SECOND_FACTORS = "fountain_second_factors_total", Counter, ["outcome"],
        "Codes and recovery codes that were shown as a second factor or to confirm one, by outcome: accepted, or the reason of the refusal";
    /// Codes handed to the carrier.
    CODES_DELIVERED = "fountain_codes_delivered_total", Counter, ["outcome"],
        "Codes to be sent: delivered, limited (a budget was used up), or why the carrier did not, or not surely, take them";
    /// Notices handed to the carrier.
    NOTICES_DELIVERED = "fountain_notices_delivered_total", Counter, ["outcome"],
        "Notices to subjects of what was done to their second factors: delivered, no_address, failed (before the carrier was asked), limited, or why the carrier did not, or not surely, take them";
    /// Grants by step-up that were asked for.
    STEP_UP_GRANTS = "fountain_step_up_grants_total", Counter, ["outcome"],
        "Grants for one act that were asked for with a second factor shown, by outcome: accepted, or the reason of the refusal";
    /// Acts that need a grant by step-up.
    STEP_UPS = "fountain_step_ups_total", Counter, ["outcome"],
        "Acts that need a grant, by outcome: accepted (a grant was spent on it), or the reason of the refusal";
    /// Requests refused by the tower layers.
    REQUESTS_REFUSED = "fountain_requests_refused_total", Counter, ["reason"],
        "Requests that a layer refused, by reason";
    /// How old what this node knows of the change feed is.
    CHANGE_FEED_AGE = "fountain_change_feed_age_seconds", Gauge, [],
        "Seconds since the change feed was last read to its end, measured at each tick";
    /// Answers of a store that several callers shared.
    STORE_ANSWERS_SHARED = "fountain_store_answers_shared_total", Counter, ["topic"],
        "Calls that took the answer to a question that another call was asking the store, by topic: api_key, subject or revocation";
    /// Rings of a bell that tells other nodes of changes.
    CHANGE_BELL_RINGS = "fountain_change_bell_rings_total", Counter, ["outcome"],
        "Rings for the other nodes after changes of this one, many of which may be one ring: rung, or failed";
    /// Changes read from the feed.
    CHANGES_FOLLOWED = "fountain_changes_followed_total", Counter, [],
        "Changes of other nodes and of this one that were read from the change feed";
    /// How late this node heard of each change (L-13).
    CHANGE_LAG = "fountain_change_lag_seconds", Histogram, [],
        "Seconds between a change, by the clock of whoever made it, and this node's reading of it from the feed";
    /// Changes from the future: clocks that are apart.
    CHANGES_AHEAD = "fountain_changes_ahead_total", Counter, [],
        "Changes whose time was more than 5 s ahead of this node's clock: the clocks of two nodes are apart";
}

/// The upper ends of good buckets for [`CHANGE_LAG`], in seconds: fine below the second between two ticks, with an end
/// at the bound of 5 s (L-13) and some beyond it, where a node has stopped believing its caches.
///
/// No exporter knows of them by itself: a host hands them to its own when that is made, to that for Prometheus by
/// `set_buckets_for_metric`. Without, that one gives quantiles, which cannot be added up over nodes.
pub const CHANGE_LAG_BUCKETS: [f64; 11] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 15.0, 60.0];

/// Tells the recorder what each metric means. Called by `build()`.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, Unit::Count, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, Unit::Seconds, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, Unit::Seconds, metric.help),
        }
    }
}

/// A counter with one label whose values are a closed set, a handle for each value, made at its first use.
pub(crate) struct Labelled {
    metric: Metric,
    handles: Box<[OnceLock<Counter>]>,
}

impl Labelled {
    /// Room for `values` values of the metric's one label.
    pub(crate) fn new(metric: Metric, values: usize) -> Self {
        Self {
            metric,
            handles: (0..values).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Counts one for value number `index`, whose text is `value`.
    #[inline]
    pub(crate) fn increment(&self, index: usize, value: &'static str) {
        let (Some(handle), Some(label)) = (self.handles.get(index), self.metric.labels.first())
        else {
            return;
        };
        handle
            .get_or_init(|| metrics::counter!(self.metric.name, *label => value))
            .increment(1);
    }
}

impl fmt::Debug for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labelled({})", self.metric.name)
    }
}

/// A counter labelled `accepted`, or by the [`Reason`] of a refusal.
#[derive(Debug)]
pub struct Outcomes(Labelled);

impl Outcomes {
    /// For a metric with one label.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self(Labelled::new(metric, Reason::ALL.len() + 1))
    }

    /// One more that was accepted.
    #[inline]
    pub fn accepted(&self) {
        self.0.increment(0, "accepted");
    }

    /// One more that was refused.
    #[inline]
    pub fn refused(&self, reason: Reason) {
        self.0.increment(reason.index() + 1, reason.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn names_are_unique_and_of_the_form_that_prometheus_wants() {
        let mut names: Vec<_> = ALL.iter().map(|m| m.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        for metric in ALL {
            assert!(metric.name.starts_with("fountain_"));
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == Kind::Counter
            );
            // What is no count is described in seconds.
            assert_eq!(
                metric.name.ends_with("_seconds"),
                metric.kind != Kind::Counter
            );
        }
    }

    /// L-13: whether a change was late must be readable from the buckets.
    #[test]
    fn the_buckets_of_the_lag_rise_and_one_ends_at_the_bound() {
        assert!(CHANGE_LAG_BUCKETS.is_sorted_by(|a, b| a < b));
        assert!(CHANGE_LAG_BUCKETS.contains(&5.0));
    }

    #[test]
    fn every_reason_has_its_own_handle() {
        let outcomes = Outcomes::new(REQUESTS_REFUSED);
        let mut seen: Vec<_> = Reason::ALL.iter().map(|reason| reason.index()).collect();
        seen.dedup();
        assert_eq!(seen, (0..Reason::ALL.len()).collect::<Vec<_>>());
        Reason::ALL
            .iter()
            .for_each(|reason| outcomes.refused(*reason));
        outcomes.accepted();
    }
}
