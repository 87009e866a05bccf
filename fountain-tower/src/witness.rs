use fountain_core::access::{Authorized, Require, RoleCatalog};
use fountain_core::{Principal, Reason, Rejection, Timestamp};
use http::Extensions;

use crate::auth::{AuthContext, Shared};
use crate::missing_layer;
use crate::step_up::{has_step_up, take_step_up};

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
        Some(principal) => meet::<R>(catalog, principal, extensions, shared.clock.now()),
        None => Err(Rejection::missing_credential()),
    };
    met.map_err(|rejection| {
        shared.count(&rejection);
        Unmet::Refused(shared, rejection)
    })
}

/// With the proof that a [`StepUpLayer`](crate::StepUpLayer) left, where the requirement names an act; on the resource that the layer
/// found.
fn meet<R: Require>(
    catalog: &RoleCatalog,
    principal: &Principal,
    extensions: &Extensions,
    now: Timestamp,
) -> Result<Authorized<R>, Rejection> {
    if has_step_up(extensions)
        && catalog.required::<R>()?.step_up().is_some()
        && let Some(proof) = take_step_up(extensions)
    {
        let resource = proof.resource().map(str::to_owned);
        return catalog.authorize_stepped_up(principal.clone(), proof, resource.as_deref(), now);
    }
    catalog.authorize(principal.clone(), now)
}
