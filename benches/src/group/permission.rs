//! Checking a requirement once roles and scopes are resolved.

use std::collections::{HashMap, HashSet};

use fountain_core::Clock;
use fountain_core::access::Requirement;

use super::Remembering;
use crate::world::{PatientClock, now_or_never};
use crate::{Case, Group, Role, Target};

pub(super) fn check(name: &'static str) -> Group {
    let service = Remembering::new(10);
    let fountain = service.fountain;
    let token = Remembering {
        fountain: fountain.clone(),
    }
    .token(0);
    let principal = now_or_never(fountain.tokens().verify(&token)).unwrap();
    let requirement = Requirement::permission("orders:write");
    let requirement = fountain.roles().compile(&requirement).unwrap();
    let now = PatientClock::new().now();

    let granted = [
        ("clerk", HashSet::from(["orders:read", "orders:write"])),
        ("auditor", HashSet::from(["invoices:read"])),
    ];
    let granted = HashMap::from(granted);
    let asked = std::hint::black_box("orders:write");
    Group {
        name,
        target: Target::Nanoseconds(5.0),
        cases: vec![
            Case::new(Role::Peer, "HashMap of HashSet", move || {
                let of_role = granted.get(std::hint::black_box("clerk"));
                of_role.is_some_and(|permissions| permissions.contains(asked))
            }),
            Case::new(Role::Ours, "CompiledRequirement::check", move || {
                requirement
                    .check(std::hint::black_box(&principal), now)
                    .unwrap();
            }),
        ],
    }
}
