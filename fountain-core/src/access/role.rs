use serde::{Deserialize, Serialize};

use crate::identity::Scope;
use crate::text::{is_all, text_type};

text_type!(
    /// One thing that may be permitted: a [`Scope`] without a `*`, such as `keys:rotate`.
    ///
    /// A catalogue declares all permissions that there are; nothing else can be granted or required.
    Permission,
    "permission",
    |t| !t.contains('*') && Scope::new(t).is_ok(),
    "write segments of a-z, 0-9, '_', '-' joined by ':', without '*', such as orders:read"
);

/// A role: what it grants by itself, and the roles whose grants it has as well.
///
/// The texts are checked when the catalogue is built, so that every mistake is reported at once.
/// Deserialises from configuration as `{"name", "grants", "inherits"}`; unknown members are refused.
///
/// ```
/// use fountain_core::access::{Role, RoleCatalog};
///
/// let catalog = RoleCatalog::builder()
///     .permissions(["orders:read", "orders:write", "keys:rotate"])
///     .role(Role::new("clerk").grant("orders:*"))
///     .role(Role::new("admin").inherit("clerk").grant("keys:rotate"))
///     .build()?;
/// let (clerk, admin) = (catalog.resolve_roles(["clerk"]), catalog.resolve_roles(["admin"]));
/// assert!(admin.is_superset(&clerk) && !clerk.is_superset(&admin));
/// # Ok::<(), fountain_core::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    name: String,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    inherits: Vec<String>,
}

impl Role {
    /// A role of this name, 1 to 64 bytes of `[a-z0-9_-]`, that grants nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            grants: Vec::new(),
            inherits: Vec::new(),
        }
    }

    /// Grants every permission that `pattern` stands for: a permission, or a [`Scope`] with `*` segments.
    #[must_use]
    pub fn grant(mut self, pattern: impl Into<String>) -> Self {
        self.grants.push(pattern.into());
        self
    }

    /// Grants what the role `parent` grants as well.
    #[must_use]
    pub fn inherit(mut self, parent: impl Into<String>) -> Self {
        self.inherits.push(parent.into());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The patterns that it grants by itself.
    #[must_use]
    pub fn grants(&self) -> &[String] {
        &self.grants
    }

    /// The roles whose grants it has as well.
    #[must_use]
    pub fn inherits(&self) -> &[String] {
        &self.inherits
    }
}

/// Whether `name` can name a role.
pub(super) fn is_role_name(name: &str) -> bool {
    is_all(name, 1, 64, |b| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')
    })
}
