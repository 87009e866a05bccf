//! The domain of Fountain.
