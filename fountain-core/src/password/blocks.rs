//! The memory that a worker hashes in, and the hashing itself.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use super::cost::HashCost;

/// A worker's memory. It is kept between passwords, since fresh memory is a page fault for each 4 KiB, which can take as
/// long again as hashing does.
///
/// It is wiped when the worker ends and where it is given back, not between two passwords: the next one overwrites it
/// before it reads it, and a guess held against what is left in between takes a pass over as much memory all the same.
#[derive(Default)]
pub(super) struct Blocks(Vec<Block>);

/// There was no memory, or Argon2 refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HashFailed;

impl Blocks {
    /// Hashes into `tag`, in memory that is kept up to `kept` blocks of 1 KiB.
    pub(super) fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8],
        cost: HashCost,
        kept: usize,
        tag: &mut [u8],
    ) -> Result<(), HashFailed> {
        let params = Params::new(
            cost.memory_kib(),
            cost.passes(),
            cost.lanes(),
            Some(tag.len()),
        )
        .map_err(|_| HashFailed)?;
        self.grow(params.block_count())?;
        let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password, salt, tag, &mut self.0);
        self.shrink(kept);
        hashed.map_err(|_| HashFailed)
    }

    fn grow(&mut self, blocks: usize) -> Result<(), HashFailed> {
        let missing = blocks.saturating_sub(self.0.len());
        self.0.try_reserve_exact(missing).map_err(|_| HashFailed)?;
        self.0.resize(self.0.len() + missing, Block::new());
        Ok(())
    }

    fn shrink(&mut self, kept: usize) {
        if let Some(surplus) = self.0.get_mut(kept..) {
            surplus.iter_mut().for_each(Zeroize::zeroize);
            self.0.truncate(kept);
            self.0.shrink_to_fit();
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9106 has its vector with a secret and associated data, which stored passwords have not; so this is
    /// `phc-winner-argon2`'s own: `argon2id`, v 19, t=2, m=65536, p=1, "password", "somesalt".
    #[test]
    fn the_reference_implementations_vector_is_computed() {
        let mut tag = [0; 32];
        let cost = HashCost::within_bounds(65_536, 2, 1).unwrap();
        Blocks::default()
            .hash(b"password", b"somesalt", cost, 0, &mut tag)
            .unwrap();
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
        );
    }

    #[test]
    fn used_memory_gives_what_fresh_memory_gives_and_no_more_is_kept_than_was_said() {
        let of = |memory, lanes| HashCost::within_bounds(memory, 1, lanes).unwrap();
        let mut used = Blocks::default();
        for (memory, lanes) in [(64, 1), (8, 1), (256, 4), (100, 3), (64, 1)] {
            let (mut in_used, mut in_fresh) = ([0; 32], [0; 32]);
            let salt = [3; 16];
            used.hash(b"x", &salt, of(memory, lanes), 64, &mut in_used)
                .unwrap();
            Blocks::default()
                .hash(b"x", &salt, of(memory, lanes), 64, &mut in_fresh)
                .unwrap();
            assert_eq!(in_used, in_fresh);
            assert!(used.0.capacity() <= 64);
        }
        assert_eq!(used.0.len(), 64);
    }
}
