//! What is answered where a layer that must have run has not.

use std::sync::Once;

use http::Response;

use crate::answer::Answers;
use crate::responder::Responder;

pub(crate) const NO_AUTH_LAYER: &str = "No AuthLayer ran before this. Add it outside of what needs a principal: in axum \
     .layer(auth_layer) after the routes and after .route_layer(..), in a ServiceBuilder before the other layer.";

pub(crate) const NO_CATALOG: &str = "The AuthLayer has no role catalogue. Give it the one of the authenticator: \
     AuthLayer::builder(..).roles(catalog).";

#[cfg(feature = "axum")]
pub(crate) const NO_STEP_UP_LAYER: &str = "No StepUpLayer ran before this, or its proof was taken. Add one on the route, inside of the AuthLayer, and \
     take its proof once.";

/// Answers 500 with what to add, and says it in the log.
pub(crate) fn respond<C>(responder: &impl Responder<C>) -> Response<C> {
    say_no_layer();
    responder.respond(&Answers::default().misconfigured(NO_AUTH_LAYER))
}

/// Once: a service that is put together wrongly would say it at every request.
pub(crate) fn say_no_layer() {
    static SAID: Once = Once::new();
    SAID.call_once(|| tracing::error!("{NO_AUTH_LAYER}"));
}

/// Once, too.
pub(crate) fn say_no_catalog() {
    static SAID: Once = Once::new();
    SAID.call_once(|| tracing::error!("{NO_CATALOG}"));
}
