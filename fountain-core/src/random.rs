//! Randomness is an argument: the [`Random`] trait, and the operating system behind [`OsRandom`].

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Where randomness comes from. A failure is an error, never a fallback to less.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `buffer` with bytes that nobody can predict.
    ///
    /// # Errors
    /// `Entropy` when the source fails; the buffer must then not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error>;
}

impl<R: Random + ?Sized> Random for std::sync::Arc<R> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        (**self).fill(buffer)
    }
}

/// Random bytes of a size known when compiled.
pub(crate) fn array<const N: usize>(random: &dyn Random) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// The operating system's generator, through aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        aws_lc_rs::rand::fill(buffer).map_err(|_| Error::new(ErrorKind::Entropy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (a, b) = (
            array::<32>(&OsRandom).unwrap(),
            array::<32>(&OsRandom).unwrap(),
        );
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }
}
