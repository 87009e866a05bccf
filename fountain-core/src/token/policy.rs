use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::AccessClaims;
use crate::clock::Timestamp;
use crate::error::Reason;

/// A host's own say on which tokens are issued and accepted, after every check of Fountain's has passed.
///
/// It can only refuse: nothing that it answers lets through what another check refused. It is pure: no
/// waiting, no look-up, the same answer for the same arguments; what must be looked up belongs in the tenant,
/// the roles or a revocation.
///
/// ```
/// use fountain_core::token::{AccessClaims, TokenPolicies, TokenPolicy};
/// use fountain_core::{Reason, Timestamp};
///
/// /// Administrators sign in with a second factor.
/// #[derive(Debug)]
/// struct AdminsUseMfa;
///
/// impl TokenPolicy for AdminsUseMfa {
///     fn may_issue(&self, claims: &AccessClaims, _now: Timestamp) -> Result<(), Reason> {
///         let admin = claims.roles.iter().flatten().any(|role| role == "admin");
///         let mfa = claims.assurance.amr.iter().any(|method| method == "mfa");
///         if admin && !mfa { Err(Reason::AssuranceTooLow) } else { Ok(()) }
///     }
///
///     fn may_accept(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason> {
///         self.may_issue(claims, now)
///     }
/// }
///
/// let now = Timestamp::from_unix_seconds(1_700_000_000);
/// let policies = TokenPolicies::none().and(AdminsUseMfa);
/// let mut claims = AccessClaims::decode(
///     br#"{"iss":"https://auth.example.com","sub":"u1","aud":"orders","client_id":"web","jti":"t1",
///          "iat":1700000000,"exp":1700000600,"roles":["clerk"]}"#,
/// )?;
/// assert_eq!(policies.may_issue(&claims, now), Ok(()));
/// claims.roles = Some(vec!["admin".to_owned()]);
/// assert_eq!(policies.may_issue(&claims, now), Err(Reason::AssuranceTooLow));
/// # Ok::<(), Reason>(())
/// ```
pub trait TokenPolicy: Debug + Send + Sync + 'static {
    /// Whether a token with these claims may be issued.
    ///
    /// # Errors
    /// Why it may not; [`Reason::TokenPolicy`] if nothing more precise fits.
    fn may_issue(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason>;

    /// Whether a token with these verified claims may be accepted.
    ///
    /// # Errors
    /// Why it may not; [`Reason::TokenPolicy`] if nothing more precise fits.
    fn may_accept(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason>;
}

/// Policies that must all agree. There is no `or`.
///
/// The first refusal counts. A policy that panics has refused (F-39).
#[derive(Debug, Clone, Default)]
pub struct TokenPolicies(Vec<Arc<dyn TokenPolicy>>);

impl TokenPolicies {
    /// No policy: nothing is refused that the rules allow.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// These policies and one more.
    #[must_use]
    pub fn and(mut self, policy: impl TokenPolicy) -> Self {
        self.0.push(Arc::new(policy));
        self
    }

    fn all(&self, agrees: impl Fn(&dyn TokenPolicy) -> Result<(), Reason>) -> Result<(), Reason> {
        self.0.iter().try_for_each(|policy| {
            catch_unwind(AssertUnwindSafe(|| agrees(&**policy))).unwrap_or(Err(Reason::TokenPolicy))
        })
    }
}

impl TokenPolicy for TokenPolicies {
    fn may_issue(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason> {
        self.all(|policy| policy.may_issue(claims, now))
    }

    fn may_accept(&self, claims: &AccessClaims, now: Timestamp) -> Result<(), Reason> {
        self.all(|policy| policy.may_accept(claims, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::tests::claims;

    #[derive(Debug)]
    struct Answers(fn() -> Result<(), Reason>);

    impl TokenPolicy for Answers {
        fn may_issue(&self, _: &AccessClaims, _: Timestamp) -> Result<(), Reason> {
            (self.0)()
        }
        fn may_accept(&self, _: &AccessClaims, _: Timestamp) -> Result<(), Reason> {
            (self.0)()
        }
    }

    fn both(policies: &TokenPolicies) -> Result<(), Reason> {
        let (claims, now) = (claims(), Timestamp::from_unix_seconds(0));
        assert_eq!(
            policies.may_issue(&claims, now),
            policies.may_accept(&claims, now)
        );
        policies.may_accept(&claims, now)
    }

    #[test]
    fn every_policy_must_agree_and_the_first_refusal_counts() {
        let agree = || TokenPolicies::none().and(Answers(|| Ok(())));
        assert_eq!(both(&TokenPolicies::none()), Ok(()));
        assert_eq!(both(&agree().and(Answers(|| Ok(())))), Ok(()));
        let refusing = agree()
            .and(Answers(|| Err(Reason::TokenTenant)))
            .and(Answers(|| Err(Reason::TokenPolicy)))
            .and(Answers(|| Ok(())));
        assert_eq!(both(&refusing), Err(Reason::TokenTenant));
        // A combination is a policy like any other.
        assert_eq!(both(&agree().and(refusing)), Err(Reason::TokenTenant));
    }

    /// F-39
    #[test]
    fn a_policy_that_panics_has_refused() {
        let panics = TokenPolicies::none().and(Answers(|| panic!("a host's mistake")));
        assert_eq!(both(&panics), Err(Reason::TokenPolicy));
    }
}
