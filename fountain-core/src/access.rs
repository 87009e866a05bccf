//! Roles, permissions and requirements: deny by default, resolved once to a bit set.

mod store;

pub use crate::identity::{Grants, Scope};
pub use store::{SubjectChangeOutcome, SubjectRecord, SubjectStore};
