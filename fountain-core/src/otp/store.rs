//! What the stores of second factors hold, and their contracts.

mod challenge;
mod factor;

pub use challenge::{
    ChallengeOutcome, ChallengePurpose, ChallengeRecord, ChallengeStore, PendingCode,
};
pub use factor::{FactorId, FactorOutcome, FactorRecord, FactorStore};
