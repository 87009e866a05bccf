use std::collections::{BTreeMap, BTreeSet};

use super::MAX_DEPTH;
use crate::access::Role;
use crate::error::ConfigError;

/// The roles in an order in which every parent stands before its children.
///
/// Mistakes go to `errors`: a parent that is unknown or the role itself, a cycle, too long a chain.
pub(super) fn parents_first<'a>(
    roles: &BTreeMap<&'a str, &'a Role>,
    errors: &mut Vec<ConfigError>,
) -> Vec<&'a Role> {
    let mut mistake = |problem, name: &str| {
        errors.push(ConfigError::Roles {
            problem,
            name: name.to_owned(),
        });
    };

    let mut waiting: BTreeMap<&str, (&Role, BTreeSet<&str>)> = BTreeMap::new();
    for (name, role) in roles {
        let mut parents = BTreeSet::new();
        for parent in role.inherits() {
            if parent == name {
                mistake(
                    "a role inherits from itself: remove that `inherit`",
                    role.name(),
                );
            } else if roles.contains_key(parent.as_str()) {
                parents.insert(parent.as_str());
            } else {
                mistake(
                    "a role inherits from one that does not exist: add it, or correct the name",
                    parent,
                );
            }
        }
        waiting.insert(name, (role, parents));
    }

    // The length of the longest chain that ends in each role already in order.
    let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ordered = Vec::with_capacity(waiting.len());
    loop {
        let ready: Vec<&str> = waiting
            .iter()
            .filter(|(_, (_, parents))| parents.iter().all(|p| depths.contains_key(p)))
            .map(|(name, _)| *name)
            .collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            let Some((role, parents)) = waiting.remove(name) else {
                continue;
            };
            let above = parents.iter().filter_map(|p| depths.get(p)).max();
            let depth = above.copied().unwrap_or(0) + 1;
            // Reported once, where the chain becomes too long, and not again for every role below.
            if depth == MAX_DEPTH + 1 {
                mistake(
                    "a chain of inheritance is longer than 16 roles: grant directly",
                    name,
                );
            }
            depths.insert(name, depth);
            ordered.push(role);
        }
    }

    for name in only_cycles(waiting) {
        mistake(
            "a role inherits from itself through others: remove one `inherit` of the circle",
            name,
        );
    }
    ordered
}

/// Leaves out the roles that only inherit from a cycle without being part of one.
fn only_cycles<'a>(
    mut waiting: BTreeMap<&'a str, (&'a Role, BTreeSet<&'a str>)>,
) -> impl Iterator<Item = &'a str> {
    loop {
        let inherited: BTreeSet<&str> = waiting
            .values()
            .flat_map(|(_, parents)| parents.iter().copied())
            .collect();
        let before = waiting.len();
        waiting.retain(|name, _| inherited.contains(name));
        if waiting.len() == before {
            return waiting.into_keys();
        }
    }
}
