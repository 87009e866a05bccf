//! The memory store, which is the reference, passes its own suite.

use std::sync::Arc;

use async_trait::async_trait;
use fountain_conformance::{Harness, Rounds};
use fountain_core::Store;
use fountain_core::memory::MemoryStore;

#[derive(Debug)]
struct Memory;

#[async_trait]
impl Harness for Memory {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    fn rounds(&self) -> Rounds {
        Rounds::default().or_from_environment()
    }

    fn feed_capacity(&self) -> Option<usize> {
        Some(100_000)
    }
}

fountain_conformance::conformance_tests!(Memory);
