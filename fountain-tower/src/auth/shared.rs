use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::RoleCatalog;
use fountain_core::authenticate::{Authenticator, PresentedCredential};
use fountain_core::metrics::Outcomes;
use fountain_core::{Clock, Principal, Reason, Rejection, RejectionKind, Secret};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};

use super::X_API_KEY;
use super::pending::Verification;
use crate::answer::Answers;
use crate::identity_headers::IdentityHeaders;
use crate::responder::Responder;
use crate::step_up::STEP_UP_HEADER;
use crate::timer::Timer;

/// What all clones of a layer, and the layers behind it, have in common.
pub(crate) struct Shared {
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) answers: Answers,
    pub(crate) brand: Option<Box<str>>,
    pub(crate) identity: IdentityHeaders,
    pub(crate) deadline: Duration,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Option<RoleCatalog>,
    pub(crate) refusals: Outcomes,
}

/// Left in a request's extensions by the layer, for the layers and extractors behind it: it ran, and how it answers.
#[derive(Clone)]
pub(crate) struct AuthContext(pub(crate) Arc<Shared>);

impl Shared {
    /// Takes out of the request what only this layer may say, and hides the credential from `Debug`.
    #[inline]
    pub(crate) fn cleanse<B>(&self, request: &mut Request<B>) {
        let mut spoofed = false;
        for (name, value) in request.headers_mut() {
            if name == AUTHORIZATION || name == X_API_KEY || name == STEP_UP_HEADER {
                value.set_sensitive(true);
            }
            spoofed |= self.identity.covers(name);
        }
        if spoofed {
            self.identity.strip(request.headers_mut());
        }
    }

    /// Leaves the decision in the request, in place of any other.
    #[inline]
    pub(crate) fn admit<B>(
        self: &Arc<Self>,
        request: &mut Request<B>,
        principal: Option<Principal>,
    ) {
        let extensions = request.extensions_mut();
        extensions.insert(AuthContext(Arc::clone(self)));
        match principal {
            Some(principal) => extensions.insert(principal),
            None => extensions.remove::<Principal>(),
        };
    }

    /// The verification of a credential that was not recalled, owning what it needs.
    pub(crate) fn verification(&self, credential: PresentedCredential<'_>) -> Verification {
        let authenticator = Arc::clone(&self.authenticator);
        let (is_key, text) = match credential {
            PresentedCredential::ApiKey(text) => (true, text),
            PresentedCredential::AccessToken(text) => (false, text),
        };
        let text = Secret::from(text.to_owned());
        Box::pin(async move {
            let credential = if is_key {
                PresentedCredential::ApiKey(text.expose())
            } else {
                PresentedCredential::AccessToken(text.expose())
            };
            authenticator.authenticate(credential).await
        })
    }

    /// Counts the refusal, writes its one event and answers it.
    #[cold]
    pub(crate) fn refuse<C>(
        &self,
        responder: &impl Responder<C>,
        rejection: &Rejection,
        headers: &HeaderMap,
    ) -> Response<C> {
        self.count(rejection);
        self.respond(responder, rejection, headers)
    }

    /// Answers a refusal that is counted already.
    pub(crate) fn respond<C>(
        &self,
        responder: &impl Responder<C>,
        rejection: &Rejection,
        headers: &HeaderMap,
    ) -> Response<C> {
        let request_id = headers.get(crate::answer::X_REQUEST_ID);
        self.answers.respond(responder, rejection, request_id)
    }

    /// Counts the refusal and writes its one event: the reason, and nothing of the request.
    pub(crate) fn count(&self, rejection: &Rejection) {
        let reason = rejection.reason();
        self.refusals.refused(reason);
        let kind = crate::answer::code(rejection.kind());
        match rejection.kind() {
            RejectionKind::Unavailable { .. } => {
                tracing::info!(kind, %reason, "request refused: no decision could be made");
            }
            _ if reason == Reason::CredentialMisplaced => {
                tracing::warn!(kind, %reason, "request refused: a credential came where none may be");
            }
            _ => tracing::debug!(kind, %reason, "request refused"),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("authenticator", &self.authenticator)
            .field("answers", &self.answers)
            .field("brand", &self.brand)
            .field("identity", &self.identity)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
