use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::RoleCatalog;
use fountain_core::authenticate::Authenticator;
use fountain_core::metrics::{Outcomes, REQUESTS_REFUSED};
use fountain_core::{Clock, ConfigError, ConfigErrors, SystemClock};

use super::{AuthLayer, Shared};
use crate::answer::Answers;
use crate::identity_headers::{DEFAULT_IDENTITY_HEADERS, IdentityHeaders};
use crate::responder::ProblemJson;
use crate::timer::Timer;

/// Builds an [`AuthLayer`]. Everything but the authenticator has a safe default.
///
/// ```
/// # fn wire(authenticator: std::sync::Arc<dyn fountain_core::authenticate::Authenticator>) {
/// use fountain_tower::AuthLayer;
///
/// let layer = AuthLayer::builder(authenticator.clone()).realm("orders").build();
/// assert!(layer.is_ok());
///
/// // A realm that would break out of its header is found here, not when a client is challenged.
/// let broken = AuthLayer::builder(authenticator).realm("a\"b").build();
/// assert!(broken.unwrap_err().to_string().contains("realm"));
/// # }
/// ```
pub struct AuthLayerBuilder<R = ProblemJson> {
    authenticator: Arc<dyn Authenticator>,
    responder: R,
    realm: String,
    problem_types: String,
    brand: Option<String>,
    identity: Vec<String>,
    deadline: Duration,
    timer: Option<Arc<dyn Timer>>,
    clock: Arc<dyn Clock>,
    catalog: Option<RoleCatalog>,
}

impl AuthLayerBuilder {
    /// The longest that a decision may take, and the default: 3 s (R-90).
    pub const MAX_DEADLINE: Duration = Duration::from_secs(3);

    pub(super) fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self {
            authenticator,
            responder: ProblemJson,
            realm: Answers::DEFAULT_REALM.to_owned(),
            problem_types: Answers::DEFAULT_TYPES.to_owned(),
            brand: Some("fnt".to_owned()),
            identity: DEFAULT_IDENTITY_HEADERS
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            deadline: Self::MAX_DEADLINE,
            timer: default_timer(),
            clock: Arc::new(SystemClock::new()),
            catalog: None,
        }
    }
}

#[cfg(feature = "tokio")]
fn default_timer() -> Option<Arc<dyn Timer>> {
    Some(Arc::new(crate::timer::TokioTimer))
}

#[cfg(not(feature = "tokio"))]
fn default_timer() -> Option<Arc<dyn Timer>> {
    None
}

impl<R> AuthLayerBuilder<R> {
    /// The realm of the challenges. Default: `fountain`.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// What the `type` of every problem starts with, such as `https://errors.example.com/`. Default:
    /// [`Answers::DEFAULT_TYPES`].
    #[must_use]
    pub fn problem_types(mut self, start: impl Into<String>) -> Self {
        self.problem_types = start.into();
        self
    }

    /// The brand of the API keys' [format](fountain_core::api_key::KeyFormat): what their text starts with, up to its first
    /// `_`. Default: `fnt`.
    #[must_use]
    pub fn api_key_brand(mut self, brand: impl Into<String>) -> Self {
        self.brand = Some(brand.into());
        self
    }

    /// Admits no API keys: `X-API-Key` is not read, and no challenge names it.
    #[must_use]
    pub fn without_api_keys(mut self) -> Self {
        self.brand = None;
        self
    }

    /// The headers to strip from every request (R-87), in place of [`DEFAULT_IDENTITY_HEADERS`]; chain those in front
    /// to add to them. `Authorization` and `X-API-Key` may be named: they are read before they are stripped.
    #[must_use]
    pub fn identity_headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.identity = names.into_iter().map(Into::into).collect();
        self
    }

    /// How long a decision may take before the request is refused with 503: more than zero, at most
    /// [`MAX_DEADLINE`](AuthLayerBuilder::MAX_DEADLINE), which is the default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Who waits for the deadline. Default: [`TokioTimer`](crate::timer::TokioTimer) with the feature `tokio`, which
    /// is on by default; without it there is no default.
    #[must_use]
    pub fn timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = Some(timer);
        self
    }

    /// The clock by which requirements judge how fresh an authentication is. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The catalogue by which [`Authorize`](crate::axum::Authorize) extractors judge: the one that made the grants of
    /// the authenticator's principals.
    #[must_use]
    pub fn roles(mut self, catalog: RoleCatalog) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// Who gives refusals their body. Default: [`ProblemJson`]; [`Grpc`](crate::Grpc) for tonic.
    #[must_use]
    pub fn responder<T>(self, responder: T) -> AuthLayerBuilder<T> {
        AuthLayerBuilder {
            authenticator: self.authenticator,
            responder,
            realm: self.realm,
            problem_types: self.problem_types,
            brand: self.brand,
            identity: self.identity,
            deadline: self.deadline,
            timer: self.timer,
            clock: self.clock,
            catalog: self.catalog,
        }
    }

    /// Checks everything, and makes the layer.
    ///
    /// # Errors
    /// Every mistake, at once: a realm, a start of types, a brand or a header name that is not well-formed, a deadline
    /// out of its range, no timer.
    pub fn build(self) -> Result<AuthLayer<R>, ConfigErrors> {
        let mut mistakes: Vec<_> = Answers::mistakes(&self.realm, &self.problem_types).collect();
        if let Some(brand) = &self.brand
            && (!(2..=8).contains(&brand.len())
                || !brand
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
        {
            mistakes.push(ConfigError::Invalid {
                setting: "api_key_brand",
                hint: "write 2 to 8 characters of a-z, 0-9: the brand of the issued keys' format, such as fnt",
            });
        }
        if self
            .identity
            .iter()
            .any(|name| http::HeaderName::try_from(name.as_str()).is_err())
        {
            mistakes.push(ConfigError::Invalid {
                setting: "identity_headers",
                hint: "write names of headers, such as X-User-Id",
            });
        }
        if self.deadline.is_zero() || self.deadline > AuthLayerBuilder::MAX_DEADLINE {
            mistakes.push(ConfigError::Invalid {
                setting: "deadline",
                hint: "write more than zero and at most 3 s",
            });
        }
        let timer = match self.timer {
            Some(timer) if mistakes.is_empty() => timer,
            Some(_) => return Err(ConfigErrors::from_iter(mistakes)),
            None => {
                mistakes.push(ConfigError::Missing {
                    setting: "timer",
                    hint: "enable the feature tokio of fountain-tower, or give a Timer of your runtime",
                });
                return Err(ConfigErrors::from_iter(mistakes));
            }
        };
        Ok(AuthLayer {
            shared: Arc::new(Shared {
                authenticator: self.authenticator,
                answers: Answers::unchecked(&self.realm, &self.problem_types, self.brand.is_some()),
                brand: self.brand.map(Into::into),
                identity: IdentityHeaders::new(self.identity.iter().map(String::as_str)),
                deadline: self.deadline,
                timer,
                clock: self.clock,
                catalog: self.catalog,
                refusals: Outcomes::new(REQUESTS_REFUSED),
            }),
            responder: self.responder,
            required: true,
        })
    }
}

impl<R> fmt::Debug for AuthLayerBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayerBuilder")
            .field("realm", &self.realm)
            .field("problem_types", &self.problem_types)
            .field("brand", &self.brand)
            .field("identity", &self.identity)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
