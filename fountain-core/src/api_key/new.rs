use std::collections::BTreeSet;
use std::time::Duration;

use super::{ApiKeyRecord, KeyId, OwnerLimit, RotationSchedule};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::Scope;
use crate::secret::Secret;

/// The longest overlap of a key with its successor (R-36).
pub(super) const MAX_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// The windows that an owner's limit can have.
const LIMIT_WINDOWS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);

/// What a new API key shall be.
///
/// The texts are checked when the key is issued.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::api_key::NewApiKey;
///
/// let key = NewApiKey::for_service("billing")
///     .scope("orders:read")
///     .expires_in(Duration::from_secs(30 * 24 * 60 * 60));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) environment: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) limit: Option<OwnerLimit>,
    pub(super) life: Option<Duration>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) rotation: Option<RotationSchedule>,
}

impl NewApiKey {
    /// A key that speaks for the service of this name: owner and name are the same.
    #[must_use]
    pub fn for_service(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::for_owner(name.clone(), name)
    }

    /// A key that speaks for `owner`, a [`Subject`](crate::Subject), with a name for people of 1 to 128 bytes.
    #[must_use]
    pub fn for_owner(owner: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            name: name.into(),
            environment: None,
            scopes: Vec::new(),
            limit: None,
            life: None,
            not_before: None,
            rotation: None,
        }
    }

    /// One more [`Scope`] that it permits. A pattern is written out: it stands for the permissions of today.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// More scopes that it permits.
    #[must_use]
    pub fn scopes(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        scopes.into_iter().fold(self, Self::scope)
    }

    /// How long it works: 90 days unless said otherwise, at most what the service allows.
    #[must_use]
    pub fn expires_in(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }

    /// It does not work before this instant.
    #[must_use]
    pub fn not_before(mut self, at: Timestamp) -> Self {
        self.not_before = Some(at);
        self
    }

    /// The environment in its prefix: the format's first unless said otherwise.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// The limit that its owner agreed to.
    #[must_use]
    pub fn limit(mut self, limit: OwnerLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// When it is to be rotated, and with which overlap: kept in its record. The host calls
    /// [`ApiKeys::rotate`](super::ApiKeys::rotate) then, since it is the host that hands over the new text.
    #[must_use]
    pub fn rotation(mut self, schedule: RotationSchedule) -> Self {
        self.rotation = Some(schedule);
        self
    }

    /// What can be judged without the catalogue or the clock.
    pub(super) fn check_bounds(&self, life: Duration) -> Result<(), Error> {
        if !crate::text::is_line(&self.name, 1, 128) {
            return Err(Error::invalid(
                "name",
                "write 1 to 128 bytes without control characters or blanks at the ends",
            ));
        }
        if let Some(limit) = self.limit
            && (limit.requests == 0 || !LIMIT_WINDOWS.contains(&limit.window))
        {
            return Err(Error::invalid(
                "limit",
                "allow at least one request, in one second to 366 days",
            ));
        }
        if let Some(schedule) = self.rotation {
            if schedule.overlap > MAX_OVERLAP {
                return Err(Error::invalid("rotation", "overlap by at most 24 hours"));
            }
            if schedule.every <= schedule.overlap || schedule.every >= life {
                return Err(Error::invalid(
                    "rotation",
                    "rotate after the overlap and before the key expires",
                ));
            }
        }
        Ok(())
    }
}

/// A key just issued. This is the only time that its text is shown (R-34).
#[derive(Debug, Clone)]
#[must_use = "the key's text cannot be had again"]
pub struct IssuedApiKey {
    /// What is stored.
    pub record: ApiKeyRecord,
    /// The key itself, for its owner alone.
    pub key: Secret,
}

/// How a key is rotated: as it is, with the longest overlap, unless something is made smaller.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::api_key::Rotation;
///
/// let rotation = Rotation::new()
///     .overlap(Duration::from_secs(3600))
///     .narrow_to(["orders:read"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rotation {
    pub(super) overlap: Option<Duration>,
    pub(super) life: Option<Duration>,
    pub(super) scopes: Option<Vec<String>>,
}

impl Rotation {
    /// A successor with the same rights and the same life.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long both keys work, at most 24 h: as long as the key's schedule says, or 24 h, unless said otherwise.
    #[must_use]
    pub fn overlap(mut self, overlap: Duration) -> Self {
        self.overlap = Some(overlap);
        self
    }

    /// How long the successor works, at most as long as the predecessor was meant to when it was issued.
    #[must_use]
    pub fn expires_in(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }

    /// The successor permits only these of the predecessor's scopes.
    #[must_use]
    pub fn narrow_to(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// How long both keys work.
    pub(super) fn overlap_of(&self, current: &ApiKeyRecord) -> Result<Duration, Error> {
        let usual = current.rotation.map_or(MAX_OVERLAP, |r| r.overlap);
        let overlap = self.overlap.unwrap_or(usual);
        if overlap > MAX_OVERLAP {
            return Err(Error::invalid("overlap", "give at most 24 hours"));
        }
        Ok(overlap)
    }

    /// The successor's scopes: the predecessor's, or those of them that were named (L-03).
    pub(super) fn scopes_of(&self, current: &ApiKeyRecord) -> Result<BTreeSet<Scope>, Error> {
        let Some(narrower) = &self.scopes else {
            return Ok(current.scopes.clone());
        };
        narrower
            .iter()
            .map(|scope| current.scopes.get(scope.as_str()).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| Error::invalid("scopes", "name only scopes that the key has now"))
    }

    /// How long the successor works: never longer than the predecessor was meant to (L-03).
    pub(super) fn life_of(&self, current: &ApiKeyRecord) -> Result<Duration, Error> {
        let original = current.expires_at.since(current.created_at);
        match self.life {
            None => Ok(original),
            Some(life) if life > Duration::ZERO && life <= original => Ok(life),
            Some(_) => Err(Error::invalid(
                "expires_in",
                "give at most the life that the key was issued with",
            )),
        }
    }
}

/// A key just rotated. This is the only time that the successor's text is shown (R-34).
#[derive(Debug, Clone)]
#[must_use = "the key's text cannot be had again"]
pub struct RotatedApiKey {
    /// The successor, as it is stored.
    pub record: ApiKeyRecord,
    /// The successor's text, for its owner alone.
    pub key: Secret,
    /// The key that was replaced.
    pub previous: KeyId,
    /// From when on the replaced key does not work.
    pub previous_valid_until: Timestamp,
}
