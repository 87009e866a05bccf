//! For handlers of tonic 0.14 services. The layers themselves answer gRPC with [`Grpc`](crate::Grpc) and need nothing of this.
//!
//! A layer, and not an interceptor: those cannot wait, and a credential that was not seen before has to be verified.

use fountain_core::access::{Authorized, Require};
use fountain_core::{Principal, Rejection, Secret};
use http::HeaderMap;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

use crate::answer::{Answers, Refusal};
use crate::auth::AuthContext;
use crate::missing_layer;
use crate::responder::write_step_up;
use crate::witness::{Unmet, judge};

/// The principal of a call.
///
/// # Errors
/// `UNAUTHENTICATED` where authentication is optional and absent; `INTERNAL` where no
/// [`AuthLayer`](crate::AuthLayer) ran.
pub fn principal<T>(request: &Request<T>) -> Result<&Principal, Status> {
    let extensions = request.extensions();
    let Some(AuthContext(shared)) = extensions.get::<AuthContext>() else {
        return Err(no_layer());
    };
    extensions.get::<Principal>().ok_or_else(|| {
        let rejection = Rejection::missing_credential();
        shared.count(&rejection);
        status(&shared.answers, &rejection)
    })
}

/// The witness that a call's principal meets the requirement `R` (L-05).
///
/// ```
/// use fountain_core::access::{Require, Requirement};
/// use fountain_tower::tonic::authorize;
/// use tonic::{Request, Response, Status};
///
/// struct ReadOrders;
///
/// impl Require for ReadOrders {
///     fn requirement() -> Requirement {
///         Requirement::permission("orders:read")
///     }
/// }
///
/// async fn list(request: Request<()>) -> Result<Response<String>, Status> {
///     let proof = authorize::<ReadOrders, _>(&request)?;
///     Ok(Response::new(format!("orders of {}", proof.principal().tenant())))
/// }
/// ```
///
/// # Errors
/// As [`principal`]; `PERMISSION_DENIED` or `UNAUTHENTICATED` when the requirement is not met.
pub fn authorize<R: Require, T>(request: &Request<T>) -> Result<Authorized<R>, Status> {
    judge(request.extensions()).map_err(|unmet| match unmet {
        Unmet::Refused(shared, rejection) => status(&shared.answers, &rejection),
        Unmet::NoLayer => no_layer(),
        Unmet::NoCatalog(shared) => {
            missing_layer::say_no_catalog();
            of(&shared.answers.misconfigured(missing_layer::NO_CATALOG))
        }
    })
}

/// The text of the grant in a call's metadata `fountain-step-up`, if there is one, for
/// [`StepUp::authorize`](fountain_core::otp::StepUp::authorize).
///
/// # Errors
/// `INVALID_ARGUMENT` when there is more than one, or one with bytes outside of printable ASCII; `INTERNAL` where no
/// [`AuthLayer`](crate::AuthLayer) ran.
pub fn presented_grant<T>(request: &Request<T>) -> Result<Option<Secret>, Status> {
    let Some(AuthContext(shared)) = request.extensions().get::<AuthContext>() else {
        return Err(no_layer());
    };
    crate::step_up::presented_grant(request.metadata().as_ref()).map_err(|rejection| {
        shared.count(&rejection);
        status(&shared.answers, &rejection)
    })
}

/// A refusal as a status, with the challenge and `retry-after` as metadata.
#[must_use]
pub fn status(answers: &Answers, rejection: &Rejection) -> Status {
    of(&answers.refusal(rejection, None))
}

fn of(refusal: &Refusal<'_>) -> Status {
    let mut headers = HeaderMap::new();
    refusal.write_headers(&mut headers);
    write_step_up(refusal, &mut headers);
    let message = if refusal.status().is_server_error() {
        refusal.detail()
    } else {
        refusal.title()
    };
    Status::with_metadata(
        Code::from(i32::from(refusal.grpc_status())),
        message,
        MetadataMap::from_headers(headers),
    )
}

fn no_layer() -> Status {
    missing_layer::say_no_layer();
    of(&Answers::default().misconfigured(missing_layer::NO_AUTH_LAYER))
}
