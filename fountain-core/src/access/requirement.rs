use std::borrow::Cow;
use std::time::Duration;

use super::{Permission, StepUpAction, SteppedUp};
use crate::clock::Timestamp;
use crate::error::{ConfigError, Reason, Rejection, RejectionKind};
use crate::identity::{Credential, Grants, Principal};

/// How far ahead of this node's clock `auth_time` may lie: the cap of R-18 for the drift between clocks.
const MAX_SKEW: Duration = Duration::from_secs(300);

/// What a request must show to be let through: a value that is built once and compiled once.
///
/// Requirements combine by `and` only: adding to one makes it stricter, never laxer. The only choice is
/// [`Requirement::any_of`], between permissions that are spelled out side by side.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::access::{Requirement, RoleCatalog};
///
/// # use fountain_core::{Assurance, Principal, Subject, Tenant, Timestamp, identity::{Credential, Grants, KeyId, PrincipalParts}};
/// # fn principal(grants: Grants, auth_time: Option<Timestamp>) -> Principal {
/// #     Principal::new(PrincipalParts {
/// #         tenant: Tenant::default(),
/// #         subject: Subject::new("alice").unwrap(),
/// #         credential: Credential::ApiKey { id: KeyId::new("0123456789abcdef").unwrap() },
/// #         roles: vec![],
/// #         scopes: vec![],
/// #         grants,
/// #         assurance: Assurance { auth_time, ..Assurance::default() },
/// #         expires_at: Timestamp::MAX,
/// #         superseded_at: None,
/// #     })
/// # }
/// let rotate = Requirement::permission("keys:rotate")
///     .and(Requirement::any_of(["orders:write", "orders:admin"]))
///     .max_age(Duration::from_secs(300));
///
/// let catalog = RoleCatalog::builder()
///     .permissions(["keys:rotate", "orders:write", "orders:admin"])
///     .build()?;
/// let rotate = catalog.compile(&rotate)?;
///
/// let now = Timestamp::from_unix_seconds(1_700_000_000);
/// let all = catalog.resolve_scopes(["keys:rotate", "orders:write"]);
/// assert!(rotate.check(&principal(all.clone(), Some(now)), now).is_ok());
/// // Not fresh: 401, step up. Without a permission: 403.
/// assert!(rotate.check(&principal(all, None), now).is_err());
/// assert!(rotate.check(&principal(Grants::none(), Some(now)), now).is_err());
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirement {
    /// All of these; of each, any.
    permissions: Vec<Vec<Cow<'static, str>>>,
    credentials: Vec<CredentialKind>,
    acrs: Vec<Cow<'static, str>>,
    max_age: Option<Duration>,
    step_ups: Vec<Cow<'static, str>>,
}

/// The kinds of [`Credential`], without their contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// An API key.
    ApiKey,
    /// An access token.
    AccessToken,
}

impl CredentialKind {
    /// The kind of this credential.
    #[must_use]
    pub const fn of(credential: &Credential) -> Self {
        match credential {
            Credential::ApiKey { .. } => Self::ApiKey,
            Credential::AccessToken { .. } => Self::AccessToken,
        }
    }
}

impl Requirement {
    /// Any valid credential will do.
    #[must_use]
    pub fn authenticated() -> Self {
        Self::default()
    }

    /// The principal must have this permission.
    #[must_use]
    pub fn permission(permission: impl Into<Cow<'static, str>>) -> Self {
        Self::any_of([permission])
    }

    /// The principal must have at least one of these permissions. An empty list cannot be compiled.
    #[must_use]
    pub fn any_of(permissions: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        Self {
            permissions: vec![permissions.into_iter().map(Into::into).collect()],
            ..Self::default()
        }
    }

    /// Everything that `other` asks for as well.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.permissions.extend(other.permissions);
        self.credentials.extend(other.credentials);
        self.acrs.extend(other.acrs);
        self.max_age = match (self.max_age, other.max_age) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.step_ups.extend(other.step_ups);
        self
    }

    /// The subject must have authenticated actively at most this long ago (`max_age`, RFC 9470).
    ///
    /// Of several the shortest holds. A principal without `auth_time`, such as an API key, never meets it.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        self.and(Self {
            max_age: Some(max_age),
            ..Self::default()
        })
    }

    /// The subject must have authenticated in this class (`acr`), compared byte for byte.
    #[must_use]
    pub fn acr(mut self, acr: impl Into<Cow<'static, str>>) -> Self {
        self.acrs.push(acr.into());
        self
    }

    /// Only this kind of credential is admitted.
    #[must_use]
    pub fn credential(mut self, kind: CredentialKind) -> Self {
        self.credentials.push(kind);
        self
    }

    /// The subject must have shown a second factor for this act, just now, and spend the grant for it: see
    /// [`StepUp`](crate::otp::StepUp) (L-06). Two different acts cannot be compiled: one grant is for one.
    ///
    /// No [`check`](CompiledRequirement::check) of the principal alone meets it. In a handler,
    /// [`StepUp::authorize`](crate::otp::StepUp::authorize) does.
    #[must_use]
    pub fn step_up(mut self, action: impl Into<Cow<'static, str>>) -> Self {
        self.step_ups.push(action.into());
        self
    }

    /// The refusal of everybody, for a requirement that no catalogue can resolve.
    pub(super) fn unmet(&self) -> Rejection {
        permission_missing(self.scope())
    }

    /// The permissions asked for, as the `scope` attribute of RFC 6750 wants them; of a choice the first.
    fn scope(&self) -> Cow<'static, str> {
        let mut names = self.permissions.iter().filter_map(|any| any.first());
        match (names.next(), names.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let mut text = format!("{first} {second}");
                for name in names {
                    text.push(' ');
                    text.push_str(name);
                }
                text.into()
            }
        }
    }
}

/// A [`Requirement`] by type, so that the compiler can ask for its witness [`Authorized`](super::Authorized).
///
/// ```
/// use fountain_core::access::{Require, Requirement};
///
/// struct RotateKeys;
/// impl Require for RotateKeys {
///     fn requirement() -> Requirement {
///         Requirement::permission("keys:rotate")
///     }
/// }
/// ```
pub trait Require: 'static {
    /// What must be shown. Always the same: it is compiled once per catalogue.
    fn requirement() -> Requirement;
}

/// A [`Requirement`] resolved by a [`RoleCatalog`](super::RoleCatalog): made once, checked per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledRequirement {
    /// Of which catalogue the numbers of the permissions are.
    catalog: u64,
    permissions: Box<[AnyOf]>,
    scope: Cow<'static, str>,
    credential: Option<CredentialKind>,
    acr: Option<Cow<'static, str>>,
    max_age: Option<Duration>,
    step_up: Option<StepUpAction>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct AnyOf {
    first: u16,
    others: Box<[u16]>,
}

impl CompiledRequirement {
    pub(super) fn new(
        requirement: &Requirement,
        catalog: u64,
        bit_of: impl Fn(&str) -> Option<u16>,
    ) -> Result<Self, ConfigError> {
        let compiled = Self {
            catalog,
            permissions: requirement
                .permissions
                .iter()
                .map(|names| AnyOf::new(names, &bit_of))
                .collect::<Result<_, _>>()?,
            scope: requirement.scope(),
            credential: single(
                &requirement.credentials,
                "credential",
                "a request shows one credential: ask for one kind only",
            )?,
            acr: single(
                &requirement.acrs,
                "acr",
                "an authentication is of one class: ask for one only",
            )?
            .map(well_formed_acr)
            .transpose()?,
            max_age: match requirement.max_age {
                Some(Duration::ZERO) => {
                    return Err(ConfigError::Invalid {
                        setting: "max_age",
                        hint: "nobody can meet zero: give at least a few seconds",
                    });
                }
                max_age => max_age,
            },
            step_up: single(
                &requirement.step_ups,
                "step_up",
                "a grant is for one act: ask for one only",
            )?
            .map(StepUpAction::new)
            .transpose()
            .map_err(|_| ConfigError::Invalid {
                setting: "step_up",
                hint: "write 1 to 64 characters of a-z, 0-9, ':', '.', '_', '-', such as keys:rotate",
            })?,
        };
        if compiled.step_up.is_some() && compiled.credential == Some(CredentialKind::ApiKey) {
            return Err(ConfigError::Invalid {
                setting: "step_up",
                hint: "no API key can step up: ask for an access token, or for no step-up",
            });
        }
        Ok(compiled)
    }

    /// The act that it takes a grant for, if it does.
    #[must_use]
    pub const fn step_up(&self) -> Option<&StepUpAction> {
        self.step_up.as_ref()
    }

    /// Whether `principal` meets the requirement at `now`.
    ///
    /// The order of the checks, of which the first that fails decides:
    /// 1. permissions: 403 `insufficient_scope`, with the whole requirement's permissions as `scope`,
    ///    whichever of them are missing. Who may not do a thing is not asked to step up for it. Grants that another
    ///    catalogue resolved are missing all of them: its numbers mean something else.
    /// 2. the kind of credential: 401 `invalid_token`. An API key cannot step up.
    /// 3. assurance: 401 `insufficient_user_authentication` (RFC 9470), when `acr` is another, when
    ///    `auth_time` is missing, older than `max_age`, or more than 300 s in the future.
    /// 4. step-up: 401 `insufficient_user_authentication` for every requirement that names an act, since no principal shows a
    ///    grant by itself. [`StepUp`](crate::otp::StepUp) asks a store, and this does not.
    ///
    /// # Errors
    /// The refusal.
    #[inline]
    pub fn check(&self, principal: &Principal, now: Timestamp) -> Result<(), Rejection> {
        self.check_all_but_step_up(principal, now)?;
        match &self.step_up {
            None => Ok(()),
            Some(action) => Err(action.required(None, None, Reason::GrantMissing)),
        }
    }

    /// As [`check`](Self::check), with the proof of step-up for the act that the requirement names, on this resource.
    ///
    /// # Errors
    /// The refusal, of which the grant comes last; that of a requirement without an act is the one of [`check`](Self::check).
    pub fn check_stepped_up(
        &self,
        principal: &Principal,
        stepped_up: &SteppedUp,
        resource: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.check_all_but_step_up(principal, now)?;
        match &self.step_up {
            Some(action) if !stepped_up.is_for(principal, action, resource) => {
                Err(action.required(resource, None, Reason::GrantInvalid))
            }
            _ => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn check_all_but_step_up(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let grants = principal.grants();
        let permitted = self.permissions.is_empty()
            || (grants.is_of(self.catalog)
                && self.permissions.iter().all(|any| any.is_met(grants)));
        if !permitted {
            return Err(permission_missing(self.scope.clone()));
        }
        let shown = CredentialKind::of(principal.credential());
        if self.credential.is_some_and(|kind| kind != shown)
            || (self.step_up.is_some() && shown == CredentialKind::ApiKey)
        {
            return Err(Rejection::invalid_token(Reason::CredentialKind));
        }
        if (self.acr.is_some() || self.max_age.is_some()) && !self.is_assured(principal, now) {
            return Err(self.too_low());
        }
        Ok(())
    }

    fn is_assured(&self, principal: &Principal, now: Timestamp) -> bool {
        let assurance = principal.assurance();
        let class = match &self.acr {
            Some(acr) => assurance.acr.as_deref() == Some(acr),
            None => true,
        };
        let fresh = match (self.max_age, assurance.auth_time) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(max_age), Some(at)) => now.since(at) <= max_age && at.since(now) <= MAX_SKEW,
        };
        class && fresh
    }

    #[cold]
    fn too_low(&self) -> Rejection {
        Rejection::new(
            RejectionKind::StepUpRequired {
                acr: self.acr.clone(),
                max_age: self.max_age,
                action: None,
                resource: None,
            },
            Reason::AssuranceTooLow,
        )
    }
}

impl AnyOf {
    fn new(
        names: &[Cow<'static, str>],
        bit_of: impl Fn(&str) -> Option<u16>,
    ) -> Result<Self, ConfigError> {
        let mut bits = names.iter().map(|name| {
            bit_of(name).ok_or_else(|| ConfigError::Roles {
                problem: if Permission::new(name).is_ok() {
                    "a requirement asks for a permission that is not declared: declare it, or correct the name"
                } else {
                    "a requirement asks for what is not a permission: spell one out, without '*'"
                },
                name: name.clone().into_owned(),
            })
        });
        let first = bits.next().ok_or(ConfigError::Invalid {
            setting: "any_of",
            hint: "name at least one permission; for none at all write Requirement::authenticated()",
        })??;
        Ok(Self {
            first,
            others: bits.collect::<Result<_, _>>()?,
        })
    }

    #[inline]
    fn is_met(&self, grants: &Grants) -> bool {
        grants.contains(self.first) || self.others.iter().any(|bit| grants.contains(*bit))
    }
}

#[cold]
fn permission_missing(scope: Cow<'static, str>) -> Rejection {
    Rejection::new(
        RejectionKind::InsufficientScope { scope },
        Reason::PermissionMissing,
    )
}

/// The one value that all of `asked` agree on.
fn single<T: Clone + PartialEq>(
    asked: &[T],
    setting: &'static str,
    hint: &'static str,
) -> Result<Option<T>, ConfigError> {
    match asked {
        [] => Ok(None),
        [first, others @ ..] if others.iter().all(|other| other == first) => {
            Ok(Some(first.clone()))
        }
        _ => Err(ConfigError::Invalid { setting, hint }),
    }
}

/// `acr_values` is a list of texts parted by blanks in a quoted string: what would break out of it is refused.
fn well_formed_acr(acr: Cow<'static, str>) -> Result<Cow<'static, str>, ConfigError> {
    if crate::text::is_all(&acr, 1, 255, |b| {
        b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')
    }) {
        Ok(acr)
    } else {
        Err(ConfigError::Invalid {
            setting: "acr",
            hint: "write 1 to 255 printable ASCII characters without blank, quote or backslash",
        })
    }
}

#[cfg(test)]
mod tests;
