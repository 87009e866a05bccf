use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;

use super::requirement::{CompiledRequirement, Require, Requirement};
use super::role::is_role_name;
use super::{Authorized, Permission, Role, SteppedUp};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigErrors, Rejection};
use crate::identity::{Grants, Principal, Scope};
use crate::secret::Digest;

mod hierarchy;
mod pattern;
use pattern::PatternIndex;

/// Roles on the longest chain of inheritance (R-81).
const MAX_DEPTH: usize = 16;
/// Permissions in a catalogue: a set of them is at most 512 bytes.
const MAX_PERMISSIONS: usize = 4_096;
/// Roles in a catalogue.
const MAX_ROLES: usize = 1_024;

/// Every permission and role that there is, and what each role may do.
///
/// Closed and immutable: what it does not name can neither be granted nor required (R-80). Roles and scopes
/// are resolved to [`Grants`] once per request; a check after that looks at one bit. Cheap to clone.
///
/// ```
/// use fountain_core::access::{Role, RoleCatalog};
///
/// let catalog = RoleCatalog::builder()
///     .permissions(["orders:read", "orders:items:read", "orders:write"])
///     .role(Role::new("auditor").grant("orders:read").grant("orders:*:read"))
///     .build()?;
///
/// let auditor = catalog.resolve_roles(["auditor", "no-such-role"]);
/// assert!(auditor.is_superset(&catalog.resolve_scopes(["orders:items:read"])));
/// assert!(!auditor.is_superset(&catalog.resolve_scopes(["orders:write"])));
///
/// let mistakes = RoleCatalog::builder()
///     .permissions(["orders:read"])
///     .role(Role::new("clerk").grant("orders:read*").grant("order:read"))
///     .build()
///     .unwrap_err();
/// assert_eq!(mistakes.iter().count(), 2);
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
///
/// # Security
/// A principal's grants and a compiled requirement mean something only together with the catalogue that made both, or
/// one that declares the same permissions in the same order. By another one a principal is permitted nothing: give one
/// catalogue to everything in a process, other issuers included.
#[derive(Clone)]
pub struct RoleCatalog(Arc<Inner>);

struct Inner {
    /// Tells the numbers of this catalogue from those of another: the same for the same permissions in the same order.
    id: u64,
    permissions: Vec<Permission>,
    bits: HashMap<Permission, u16, RandomState>,
    index: PatternIndex,
    roles: HashMap<Box<str>, Grants, RandomState>,
    /// Requirements by type; `None` stands for one that this catalogue cannot resolve.
    required: ArcSwap<Required>,
}

type Required = HashMap<TypeId, Option<Arc<CompiledRequirement>>, RandomState>;

impl RoleCatalog {
    /// Starts an empty catalogue.
    #[must_use]
    pub fn builder() -> RoleCatalogBuilder {
        RoleCatalogBuilder::default()
    }

    /// Every permission, in the order in which they were declared: bit `n` of [`Grants`] is number `n`.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.0.permissions
    }

    /// The names of the roles, in no particular order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.0.roles.keys().map(|name| &**name)
    }

    /// Whether there is a role of this name.
    #[must_use]
    pub fn has_role(&self, name: &str) -> bool {
        self.0.roles.contains_key(name)
    }

    /// Whether `scope` stands for at least one permission.
    #[must_use]
    pub fn has_scope(&self, scope: &Scope) -> bool {
        !self.resolve_scopes([scope]).is_empty()
    }

    /// The permissions in a set, by name.
    pub fn describe<'a>(&'a self, grants: &'a Grants) -> impl Iterator<Item = &'a Permission> {
        (0..=u16::MAX)
            .zip(&self.0.permissions)
            .filter(|(bit, _)| grants.is_of(self.0.id) && grants.contains(*bit))
            .map(|(_, permission)| permission)
    }

    /// What these roles may do together. An unknown role gives nothing (B-39).
    #[must_use]
    pub fn resolve_roles(&self, roles: impl IntoIterator<Item = impl AsRef<str>>) -> Grants {
        roles
            .into_iter()
            .filter_map(|role| self.0.roles.get(role.as_ref()))
            .fold(Grants::none(), |all, role| all.union(role))
    }

    /// What these scopes permit together. What is unknown, or not a scope, gives nothing (B-40).
    #[must_use]
    pub fn resolve_scopes(&self, scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Grants {
        let mut found = self.0.index.none();
        for scope in scopes {
            let scope = scope.as_ref();
            if let Some(bit) = self.0.bits.get(scope) {
                if let Some(word) = found.get_mut(usize::from(bit >> 6)) {
                    *word |= 1 << (bit & 63);
                }
            } else if scope.contains('*') {
                self.0.index.add_matching(scope, &mut found);
            }
        }
        Grants::from_words(self.0.id, found)
    }

    /// What a credential permits that may carry roles, scopes, or both.
    ///
    /// | roles | scopes | grants |
    /// |---|---|---|
    /// | given | given | what both permit: scopes narrow the roles, they never add to them |
    /// | given | none | what the roles permit |
    /// | none | given | what the scopes permit |
    /// | none | none | nothing |
    ///
    /// # Security
    /// `None` means that the credential has no such claim; an empty list means that it has one which is
    /// empty, and permits nothing. The difference matters: a person who lost the last role must not fall
    /// back to the scopes that the sign-in once asked for, so an issuer writes `roles` even when it is empty.
    #[must_use]
    pub fn resolve<R: AsRef<str>, S: AsRef<str>>(
        &self,
        roles: Option<&[R]>,
        scopes: Option<&[S]>,
    ) -> Grants {
        match (roles, scopes) {
            (Some(roles), Some(scopes)) => self
                .resolve_roles(roles)
                .intersection(&self.resolve_scopes(scopes)),
            (Some(roles), None) => self.resolve_roles(roles),
            (None, Some(scopes)) => self.resolve_scopes(scopes),
            (None, None) => Grants::none(),
        }
    }

    /// Resolves a requirement once, so that checking it is a look at a bit.
    ///
    /// # Errors
    /// When it names a permission that is not declared, so that a typing error cannot become an open door;
    /// when it has an `any_of` without alternatives, or asks for what nobody can show.
    ///
    /// ```
    /// use fountain_core::access::{Requirement, RoleCatalog};
    ///
    /// let catalog = RoleCatalog::builder().permissions(["keys:rotate"]).build()?;
    /// assert!(catalog.compile(&Requirement::permission("keys:rotate")).is_ok());
    /// assert!(catalog.compile(&Requirement::permission("keys:rotat")).is_err());
    /// assert!(catalog.compile(&Requirement::permission("keys:*")).is_err());
    /// # Ok::<(), fountain_core::ConfigErrors>(())
    /// ```
    pub fn compile(&self, requirement: &Requirement) -> Result<CompiledRequirement, ConfigError> {
        CompiledRequirement::new(requirement, self.0.id, |permission| {
            self.0.bits.get(permission).copied()
        })
    }

    /// Checks the requirement of the type `R`, and gives the witness that it was met (L-05).
    ///
    /// The requirement is compiled once per type; declare it with [`RoleCatalogBuilder::require`] to have a
    /// mistake in it found when the catalogue is built.
    ///
    /// # Errors
    /// As [`CompiledRequirement::check`]. A requirement that this catalogue cannot resolve is met by nobody.
    pub fn authorize<R: Require>(
        &self,
        principal: Principal,
        now: Timestamp,
    ) -> Result<Authorized<R>, Rejection> {
        let known = self.0.required.load();
        match known.get(&TypeId::of::<R>()) {
            Some(Some(requirement)) => requirement.check(&principal, now)?,
            _ => {
                drop(known);
                self.required::<R>()?.check(&principal, now)?;
            }
        }
        Ok(Authorized::new(principal, None))
    }

    /// As [`authorize`](Self::authorize), for a requirement that names an act, with the proof of step-up for it on this resource. The
    /// proof is used up: one grant is for one act.
    ///
    /// [`StepUp::authorize`](crate::otp::StepUp::authorize) does all of it in the right order, so that no grant is spent on a refusal.
    ///
    /// # Errors
    /// As [`CompiledRequirement::check_stepped_up`]. A requirement that this catalogue cannot resolve is met by nobody.
    pub fn authorize_stepped_up<R: Require>(
        &self,
        principal: Principal,
        stepped_up: SteppedUp,
        resource: Option<&str>,
        now: Timestamp,
    ) -> Result<Authorized<R>, Rejection> {
        self.required::<R>()?
            .check_stepped_up(&principal, &stepped_up, resource, now)?;
        Ok(Authorized::new(principal, stepped_up.resource))
    }

    /// The requirement of the type `R`, compiled by this catalogue.
    ///
    /// # Errors
    /// The refusal of everybody, when it cannot be compiled; the log says why.
    pub fn required<R: Require>(&self) -> Result<Arc<CompiledRequirement>, Rejection> {
        let known = self.0.required.load();
        let compiled = match known.get(&TypeId::of::<R>()) {
            Some(compiled) => compiled.clone(),
            None => {
                drop(known);
                self.learn::<R>()
            }
        };
        compiled.ok_or_else(|| R::requirement().unmet())
    }

    /// Compiles the requirement of a type that was not declared, and remembers what came of it.
    #[cold]
    fn learn<R: Require>(&self) -> Option<Arc<CompiledRequirement>> {
        let compiled = match self.compile(&R::requirement()) {
            Ok(compiled) => Some(Arc::new(compiled)),
            Err(error) => {
                tracing::error!(
                    requirement = std::any::type_name::<R>(),
                    %error,
                    "a requirement cannot be resolved, so everybody is refused: correct it, and declare it with RoleCatalogBuilder::require"
                );
                None
            }
        };
        self.0.required.rcu(|known| {
            let mut more = Required::clone(known);
            more.insert(TypeId::of::<R>(), compiled.clone());
            more
        });
        compiled
    }
}

impl fmt::Debug for RoleCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleCatalog")
            .field("permissions", &self.0.permissions.len())
            .field("roles", &self.0.roles.len())
            .finish()
    }
}

/// Collects permissions, roles and requirements; [`RoleCatalogBuilder::build`] checks them all at once.
#[derive(Debug, Default)]
pub struct RoleCatalogBuilder {
    permissions: Vec<String>,
    roles: Vec<Role>,
    required: Vec<(TypeId, Requirement)>,
}

impl RoleCatalogBuilder {
    /// Declares a permission. Declaring it again changes nothing. At most 4096.
    #[must_use]
    pub fn permission(mut self, permission: impl Into<String>) -> Self {
        self.permissions.push(permission.into());
        self
    }

    /// Declares permissions.
    #[must_use]
    pub fn permissions(self, permissions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        permissions.into_iter().fold(self, Self::permission)
    }

    /// Adds a role. At most 1024; its parents may be added before or after it.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// Adds roles.
    #[must_use]
    pub fn roles(self, roles: impl IntoIterator<Item = Role>) -> Self {
        roles.into_iter().fold(self, Self::role)
    }

    /// Declares that the requirement of the type `R` will be asked for, so that `build` checks it.
    #[must_use]
    pub fn require<R: Require>(mut self) -> Self {
        self.required.push((TypeId::of::<R>(), R::requirement()));
        self
    }

    /// Checks everything and builds the catalogue.
    ///
    /// # Errors
    /// Every mistake, at once: a name or pattern that is not well-formed (`users:read*`), a pattern that
    /// stands for no declared permission, a role that exists twice, an unknown parent, a cycle, a chain of
    /// more than 16 roles, more than 4096 permissions or 1024 roles, a requirement that cannot be resolved.
    pub fn build(self) -> Result<RoleCatalog, ConfigErrors> {
        let mut errors = Vec::new();
        let permissions = declared(&self.permissions, &mut errors);
        let id = identity(&permissions);
        let bits = (0..=u16::MAX)
            .zip(&permissions)
            .map(|(bit, permission)| (permission.clone(), bit))
            .collect();
        let index = PatternIndex::new(permissions.iter().map(Permission::as_str));

        let by_name = named(&self.roles, &mut errors);
        let mut grants: HashMap<Box<str>, Grants, RandomState> = HashMap::default();
        for role in hierarchy::parents_first(&by_name, &mut errors) {
            let own = granted(role, id, &index, &mut errors);
            let all = role
                .inherits()
                .iter()
                .filter_map(|parent| grants.get(parent.as_str()))
                .fold(own, |all, parent| all.union(parent));
            grants.insert(role.name().into(), all);
        }

        let catalog = RoleCatalog(Arc::new(Inner {
            id,
            permissions,
            bits,
            index,
            roles: grants,
            required: ArcSwap::default(),
        }));
        let mut required = Required::default();
        for (id, requirement) in &self.required {
            match catalog.compile(requirement) {
                Ok(compiled) => {
                    required.insert(*id, Some(Arc::new(compiled)));
                }
                Err(error) => errors.push(error),
            }
        }
        catalog.0.required.store(Arc::new(required));
        ConfigErrors::from_iter(errors).into_result()?;
        Ok(catalog)
    }
}

fn mistake(problem: &'static str, name: &str) -> ConfigError {
    ConfigError::Roles {
        problem,
        name: name.to_owned(),
    }
}

/// The declared permissions, each once, in order.
fn declared(texts: &[String], errors: &mut Vec<ConfigError>) -> Vec<Permission> {
    let mut permissions = Vec::with_capacity(texts.len());
    let mut seen = BTreeSet::new();
    for text in texts {
        match Permission::new(text) {
            Ok(permission) if seen.insert(permission.clone()) => permissions.push(permission),
            Ok(_) => {}
            Err(_) => errors.push(mistake(
                "not a permission; write segments of a-z, 0-9, '_', '-' joined by ':', without '*'",
                text,
            )),
        }
    }
    if permissions.len() > MAX_PERMISSIONS {
        errors.push(ConfigError::Invalid {
            setting: "permissions",
            hint: "declare at most 4096",
        });
        permissions.truncate(MAX_PERMISSIONS);
    }
    permissions
}

/// The roles by name.
fn named<'a>(roles: &'a [Role], errors: &mut Vec<ConfigError>) -> BTreeMap<&'a str, &'a Role> {
    let mut by_name = BTreeMap::new();
    for role in roles {
        if !is_role_name(role.name()) {
            errors.push(mistake(
                "not a role's name; write 1 to 64 characters of a-z, 0-9, '_', '-'",
                role.name(),
            ));
        }
        if by_name.insert(role.name(), role).is_some() {
            errors.push(mistake(
                "a role is there twice: join the two, or rename one",
                role.name(),
            ));
        }
    }
    if roles.len() > MAX_ROLES {
        errors.push(ConfigError::Invalid {
            setting: "roles",
            hint: "declare at most 1024",
        });
    }
    by_name
}

/// What a role grants by itself.
fn granted(
    role: &Role,
    catalog: u64,
    index: &PatternIndex,
    errors: &mut Vec<ConfigError>,
) -> Grants {
    let mut all = index.none();
    for pattern in role.grants() {
        if Scope::new(pattern).is_err() {
            errors.push(mistake(
                "not a pattern; write segments of a-z, 0-9, '_', '-' joined by ':', each whole segment either text or '*'",
                pattern,
            ));
            continue;
        }
        let mut found = index.none();
        index.add_matching(pattern, &mut found);
        if found.iter().all(|word| *word == 0) {
            errors.push(mistake(
                "a role grants what no declared permission matches: declare it, or correct the pattern",
                pattern,
            ));
        }
        all.iter_mut().zip(found).for_each(|(to, from)| *to |= from);
    }
    Grants::from_words(catalog, all)
}

/// A number that two catalogues share when they number the same permissions alike; never zero.
fn identity(permissions: &[Permission]) -> u64 {
    // No permission holds a line break.
    let names: Vec<_> = permissions.iter().map(Permission::as_str).collect();
    let digest = Digest::of(names.join("\n").as_bytes());
    let (first, _) = digest
        .as_bytes()
        .split_first_chunk()
        .unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*first) | 1
}

#[cfg(test)]
mod tests;
