//! The one decision per request: a credential in, a [`Principal`] or a [`Rejection`] out.

use std::fmt::{self, Debug};

use async_trait::async_trait;

use crate::error::Rejection;
use crate::identity::Principal;

mod by_issuer;
pub use by_issuer::ByIssuer;

/// A credential as a request presented it, told apart but not yet checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PresentedCredential<'a> {
    /// The text of an API key.
    ApiKey(&'a str),
    /// The text of an access token.
    AccessToken(&'a str),
}

impl Debug for PresentedCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(..)",
            Self::AccessToken(_) => "AccessToken(..)",
        })
    }
}

/// Turns credentials into principals. `Fountain` is one; a host may wrap or replace it.
#[async_trait]
pub trait Authenticator: Debug + Send + Sync + 'static {
    /// The principal of a credential that was verified before and is still good, without waiting for anything.
    ///
    /// `None` says nothing about the credential: ask [`Authenticator::authenticate`].
    fn recall(&self, credential: &PresentedCredential<'_>) -> Option<Principal>;

    /// Verifies a credential.
    ///
    /// # Errors
    /// The refusal; `Unavailable` when a store that must be asked does not answer.
    async fn authenticate(
        &self,
        credential: PresentedCredential<'_>,
    ) -> Result<Principal, Rejection>;
}
