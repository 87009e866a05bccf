use fountain_core::access::{Authorized, Require};
use fountain_core::{Principal, Reason, Rejection};
use http::Extensions;

use crate::auth::{AuthContext, Shared};
use crate::missing_layer;

/// The witness that the principal in a request's extensions meets the requirement `R` (L-05), for a service on bare
/// `http` types. In axum and tonic there are extractors and functions that answer by themselves.
///
/// ```
/// use fountain_core::access::{Require, Requirement};
/// use fountain_core::RejectionKind;
///
/// struct RotateKeys;
///
/// impl Require for RotateKeys {
///     fn requirement() -> Requirement {
///         Requirement::permission("keys:rotate")
///     }
/// }
///
/// // No AuthLayer has seen this request: nobody meets anything.
/// let request = http::Request::new(());
/// let denied = fountain_tower::authorize::<RotateKeys>(request.extensions()).unwrap_err();
/// assert!(matches!(denied.kind(), RejectionKind::Unavailable { .. }));
/// ```
///
/// # Errors
/// The refusal: nobody, not permitted, not authenticated well enough; `Unavailable` where no
/// [`AuthLayer`](crate::AuthLayer) ran, or one without [`roles`](crate::auth::AuthLayerBuilder::roles).
pub fn authorize<R: Require>(extensions: &Extensions) -> Result<Authorized<R>, Rejection> {
    judge(extensions).map_err(|unmet| match unmet {
        Unmet::Refused(_, rejection) => rejection,
        Unmet::NoLayer => {
            missing_layer::say_no_layer();
            Rejection::unavailable(Reason::Unwired)
        }
        Unmet::NoCatalog(_) => {
            missing_layer::say_no_catalog();
            Rejection::unavailable(Reason::Unwired)
        }
    })
}

/// Why there is no witness, with what is needed to answer in the layer's form.
#[cfg_attr(
    not(any(feature = "axum", feature = "tonic")),
    expect(
        dead_code,
        reason = "only the extractors and tonic's functions answer by themselves"
    )
)]
pub(crate) enum Unmet<'a> {
    NoLayer,
    NoCatalog(&'a Shared),
    Refused(&'a Shared, Rejection),
}

/// The decision, counted when it is a refusal.
pub(crate) fn judge<R: Require>(extensions: &Extensions) -> Result<Authorized<R>, Unmet<'_>> {
    let Some(AuthContext(shared)) = extensions.get::<AuthContext>() else {
        return Err(Unmet::NoLayer);
    };
    let Some(catalog) = &shared.catalog else {
        return Err(Unmet::NoCatalog(shared));
    };
    let met = match extensions.get::<Principal>() {
        Some(principal) => catalog.authorize(principal.clone(), shared.clock.now()),
        None => Err(Rejection::missing_credential()),
    };
    met.map_err(|rejection| {
        shared.count(&rejection);
        Unmet::Refused(shared, rejection)
    })
}
