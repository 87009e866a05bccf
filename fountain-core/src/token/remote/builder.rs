use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::fetch::JwksFetch;
use super::keys::RemoteKeys;
use super::{Inner, RemoteIssuer};
use crate::access::RoleCatalog;
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrors};
use crate::identity::{Grants, Scope, Subject, Tenant};
use crate::metrics::{Outcomes, TOKEN_VERIFICATIONS};
use crate::token::ask::Revocations;
use crate::token::{RevocationStore, TokenPolicies, TokenPolicy, TokenRules};

/// The longest staleness: 24 h.
const MAX_STALE: Duration = Duration::from_secs(86_400);
/// Bytes of a subject's prefix at most: what remains is enough for a subject.
const MAX_PREFIX: usize = 64;
const MAX_URL: usize = 2_048;

/// Collects what a [`RemoteIssuer`] needs.
#[derive(Debug, Default)]
pub struct RemoteIssuerBuilder {
    rules: Option<TokenRules>,
    url: Option<String>,
    fetcher: Option<Arc<dyn JwksFetch>>,
    tenant: Option<Tenant>,
    subject_prefix: Option<String>,
    catalog: Option<RoleCatalog>,
    scopes: Vec<String>,
    roles: HashMap<String, String>,
    acrs: HashMap<String, String>,
    policies: TokenPolicies,
    revocations: Option<Option<Arc<dyn RevocationStore>>>,
    max_stale: Option<Duration>,
    clock: Option<Arc<dyn Clock>>,
}

impl RemoteIssuerBuilder {
    /// What its tokens must be like: issuer, audience, algorithms, longest life. Required.
    ///
    /// Public-key algorithms only: a shared secret has no place in a published set.
    #[must_use]
    pub fn rules(mut self, rules: TokenRules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Where it publishes its keys: an `https` URL, which the issuer documents or names as `jwks_uri` in its
    /// metadata (RFC 8414 section 2). Required.
    #[must_use]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Who fetches them, such as `HttpsFetch` of `fountain-jwks-client`. Required.
    #[must_use]
    pub fn fetch(mut self, fetcher: impl JwksFetch) -> Self {
        self.fetcher = Some(Arc::new(fetcher));
        self
    }

    /// The tenant that its tokens act in, whatever they say themselves. Required.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// What is put before its subjects, such as `partner:`. Required, unless [`Self::subjects_are_ours`] is written.
    ///
    /// # Security
    /// Its `alice` need not be ours. Choose a prefix with which no subject of the tenant begins.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.subject_prefix = Some(prefix.into());
        self
    }

    /// Its subjects are those of the tenant, under the same names.
    ///
    /// # Security
    /// This issuer can then speak for everybody in the tenant. Right for an identity provider of one's own.
    #[must_use]
    pub fn subjects_are_ours(mut self) -> Self {
        self.subject_prefix = Some(String::new());
        self
    }

    /// The catalogue that says what roles and scopes permit: the one of the whole service. Required.
    #[must_use]
    pub fn roles(mut self, catalog: RoleCatalog) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// Lets its tokens' scopes grant what `pattern` stands for, such as `orders:read` or `orders:*`.
    ///
    /// May be written more than once. Without it, no scope of its tokens grants anything.
    #[must_use]
    pub fn allow_scope(mut self, pattern: impl Into<String>) -> Self {
        self.scopes.push(pattern.into());
        self
    }

    /// Reads its role `theirs` as our role `ours`.
    ///
    /// A closed table: a role that is not in it grants nothing. With a table, a token has the rights of its mapped
    /// roles, narrowed by its allowed scopes if it carries any; scopes never add to them. The scopes of a token
    /// are looked at only when [`Self::allow_scope`] is written as well.
    #[must_use]
    pub fn map_role(mut self, theirs: impl Into<String>, ours: impl Into<String>) -> Self {
        self.roles.insert(theirs.into(), ours.into());
        self
    }

    /// Reads its authentication context class `theirs` as our `ours`, and believes the `amr` and `auth_time` beside it.
    ///
    /// Without it, its tokens never satisfy a step-up.
    #[must_use]
    pub fn map_acr(mut self, theirs: impl Into<String>, ours: impl Into<String>) -> Self {
        self.acrs.insert(theirs.into(), ours.into());
        self
    }

    /// Adds a policy that must agree as well. It sees the claims as the issuer wrote them.
    #[must_use]
    pub fn policy(mut self, policy: impl TokenPolicy) -> Self {
        self.policies = self.policies.and(policy);
        self
    }

    /// Where to ask whether one of its tokens, or one of its subjects in the tenant, was revoked here. Required,
    /// unless [`Self::without_revocations`] is written.
    #[must_use]
    pub fn revocations(mut self, store: Arc<dyn RevocationStore>) -> Self {
        self.revocations = Some(Some(store));
        self
    }

    /// Nothing is asked: a token that verifies is good until it expires.
    ///
    /// # Security
    /// Its holder cannot be shut out before that. Keep the longest life of the rules short.
    #[must_use]
    pub fn without_revocations(mut self) -> Self {
        self.revocations = Some(None);
        self
    }

    /// How long the last good keys are used after they have become stale, while none can be fetched; at most 24 h,
    /// which is what it is unless it is given.
    ///
    /// Shorter means that a key which the issuer withdrew while we could not reach it is believed for less long.
    #[must_use]
    pub fn max_stale(mut self, limit: Duration) -> Self {
        self.max_stale = Some(limit);
        self
    }

    /// Where time comes from; the system's clocks unless it is given.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The issuer. Nothing is fetched yet.
    ///
    /// # Errors
    /// Everything that is missing or not acceptable, all at once.
    pub fn build(self) -> Result<RemoteIssuer, ConfigErrors> {
        let mut problems = Vec::new();
        self.check_values(&mut problems);
        let ceiling = self.ceiling(&mut problems);
        let rules = present(
            &mut problems,
            self.rules,
            "rules",
            "write .rules(TokenRules::builder()….build()?)",
        );
        let url = present(&mut problems, self.url, "jwks_url", URL_HINT);
        let fetcher = present(
            &mut problems,
            self.fetcher,
            "fetch",
            "write .fetch(HttpsFetch::builder().build()?)",
        );
        let tenant = present(
            &mut problems,
            self.tenant,
            "tenant",
            "write .tenant(Tenant::new(\"partner\")?)",
        );
        let prefix = present(
            &mut problems,
            self.subject_prefix,
            "subject_prefix",
            PREFIX_HINT,
        );
        let catalog = present(
            &mut problems,
            self.catalog,
            "roles",
            "write .roles(catalog), the service's RoleCatalog",
        );
        let revocations = present(
            &mut problems,
            self.revocations,
            "revocations",
            "write .revocations(store), or .without_revocations() if a token may live until it expires",
        );
        let (
            Some(rules),
            Some(url),
            Some(fetcher),
            Some(tenant),
            Some(subject_prefix),
            Some(catalog),
            Some(revocations),
            true,
        ) = (
            rules,
            url,
            fetcher,
            tenant,
            prefix,
            catalog,
            revocations,
            problems.is_empty(),
        )
        else {
            return Err(problems.into_iter().collect());
        };
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let keys = RemoteKeys::new(
            rules.issuer().clone(),
            rules.algorithms(),
            &url,
            self.max_stale.unwrap_or(MAX_STALE),
            fetcher,
            Arc::clone(&clock),
        );
        Ok(RemoteIssuer(Arc::new(Inner {
            rules,
            keys,
            revocations: revocations.map(|store| Revocations::new(store, None, Arc::clone(&clock))),
            clock,
            policies: self.policies,
            tenant,
            subject_prefix,
            catalog,
            ceiling,
            roles: self.roles,
            acrs: self.acrs,
            outcomes: Outcomes::new(TOKEN_VERIFICATIONS),
        })))
    }

    /// What was given is acceptable.
    fn check_values(&self, problems: &mut Vec<ConfigError>) {
        let mut check = |acceptable: bool, setting, hint| {
            if !acceptable {
                problems.push(ConfigError::Invalid { setting, hint });
            }
        };
        let symmetric = |rules: &TokenRules| rules.algorithms().iter().any(|a| a.is_symmetric());
        check(
            !self.rules.as_ref().is_some_and(symmetric),
            "rules",
            "allow public-key algorithms only: a secret that is published is none",
        );
        check(
            self.url.as_deref().is_none_or(is_https_url),
            "jwks_url",
            URL_HINT,
        );
        let prefix = self.subject_prefix.as_deref().unwrap_or_default();
        check(
            prefix.len() <= MAX_PREFIX
                && (prefix.is_empty() || Subject::new(format!("{prefix}x")).is_ok()),
            "subject_prefix",
            "write at most 64 bytes without control characters or a leading blank, such as \"partner:\"",
        );
        check(
            self.max_stale.is_none_or(|limit| limit <= MAX_STALE),
            "max_stale",
            "write at most 24 h",
        );
        if let Some(catalog) = &self.catalog {
            for ours in self.roles.values() {
                check(
                    catalog.has_role(ours),
                    "map_role",
                    "map to a role of the catalogue: what is not in it grants nothing",
                );
            }
        }
    }

    /// What the allowed scopes grant together.
    fn ceiling(&self, problems: &mut Vec<ConfigError>) -> Option<Grants> {
        let catalog = self.catalog.as_ref()?;
        let known = |pattern: &&String| {
            Scope::new(pattern).is_ok_and(|pattern| catalog.has_scope(&pattern))
        };
        if self.scopes.iter().any(|pattern| !known(&pattern)) {
            problems.push(ConfigError::Invalid {
                setting: "allow_scope",
                hint: "write a permission of the catalogue, or a pattern that matches one, such as orders:*",
            });
        }
        (!self.scopes.is_empty()).then(|| catalog.resolve_scopes(&self.scopes))
    }
}

const URL_HINT: &str = "write .jwks_url(\"https://login.example.com/.well-known/jwks.json\"), without user, password or fragment";
const PREFIX_HINT: &str = "write .subject_prefix(\"partner:\"), or .subjects_are_ours() if it may speak for everybody in the tenant";

fn present<T>(
    problems: &mut Vec<ConfigError>,
    value: Option<T>,
    setting: &'static str,
    hint: &'static str,
) -> Option<T> {
    if value.is_none() {
        problems.push(ConfigError::Missing { setting, hint });
    }
    value
}

/// An `https` URL with a host, and nothing in it that would be sent as a credential or not be sent at all.
fn is_https_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    url.len() <= MAX_URL
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && !url.contains(['#', '\\', '"', '<', '>'])
        && !authority.contains('@')
        && !authority.is_empty()
        && !authority.starts_with(':')
}
