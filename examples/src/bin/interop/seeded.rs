//! Random choices that a seed repeats (SplitMix64). For test data, never for keys.

/// Gives the same choices for the same seed, on every machine.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// Begins.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is at least 1. Small ends only: the lowest numbers are a little likelier.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        // The remainder is less than `end`, so it fits.
        u32::try_from(self.bits() % u64::from(end.max(1))).unwrap_or(0)
    }

    /// A number of `from..=to`.
    pub(crate) fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from + 1)
    }

    /// Once in `n` times.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// `least` to `most` characters, each of one of the ranges; what is no character becomes `x`.
    pub(crate) fn text(&mut self, ranges: &[(u32, u32)], least: u32, most: u32) -> String {
        let length = self.between(least, most);
        let pick = |seeded: &mut Self| {
            let range = seeded.bits() % ranges.len().max(1) as u64;
            let range = usize::try_from(range).ok().and_then(|at| ranges.get(at));
            let (first, last) = range.copied().unwrap_or((0x78, 0x78));
            char::from_u32(seeded.between(first, last)).unwrap_or('x')
        };
        (0..length).map(|_| pick(self)).collect()
    }
}
