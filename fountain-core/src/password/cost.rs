use crate::error::Error;

/// What one Argon2id hash costs: memory, passes over it, and lanes.
///
/// ```
/// use fountain_core::password::HashCost;
///
/// assert_eq!(HashCost::default(), HashCost::new(19_456, 2, 1)?); // OWASP's recommendation
/// assert!(HashCost::new(65_536, 3, 1).is_ok());
/// assert!(HashCost::new(1_024, 2, 1).is_err()); // 1 MiB is too little
/// assert!(HashCost::new(4_194_304, 2, 1).is_err()); // 4 GiB would let a login exhaust the machine
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The least memory in KiB for each number of passes that OWASP's Password Storage Cheat Sheet calls equally strong.
const FLOORS: [(u32, u32); 5] = [
    (1, 47_104),
    (2, 19_456),
    (3, 12_288),
    (4, 9_216),
    (5, 7_168),
];

impl HashCost {
    /// The most memory that any hash may take, stored ones too: 256 MiB, in KiB (R-76).
    pub const MAX_MEMORY_KIB: u32 = 256 * 1_024;
    /// The most passes (R-76).
    pub const MAX_PASSES: u32 = 10;
    /// The most lanes. Fountain works through them one after the other.
    pub const MAX_LANES: u32 = 16;

    /// A cost to hash new passwords at: OWASP's recommendation (19,456 KiB, 2 passes, 1 lane) or stronger.
    ///
    /// # Errors
    /// `InvalidInput` when it is weaker than what OWASP recommends for this number of passes, or more than 256 MiB,
    /// 10 passes or 16 lanes.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, Error> {
        let Some(cost) = Self::within_bounds(memory_kib, passes, lanes) else {
            return Err(Error::invalid(
                "hash cost",
                "give at most 262144 KiB, 10 passes and 16 lanes, and 8 KiB or more for each lane",
            ));
        };
        if cost.is_strong() {
            Ok(cost)
        } else {
            Err(Error::invalid(
                "hash cost",
                "give at least 19456 KiB with 2 passes, or 12288 with 3, 9216 with 4, 7168 with 5, 47104 with 1",
            ))
        }
    }

    /// A cost that can be worked through, however weak: what a stored hash may say.
    pub(crate) const fn within_bounds(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        // RFC 9106 section 3.1: at least 8 KiB a lane, one pass, one lane.
        let enough = lanes >= 1 && passes >= 1 && memory_kib / 8 >= lanes;
        let bounded = memory_kib <= Self::MAX_MEMORY_KIB
            && passes <= Self::MAX_PASSES
            && lanes <= Self::MAX_LANES;
        if enough && bounded {
            Some(Self {
                memory_kib,
                passes,
                lanes,
            })
        } else {
            None
        }
    }

    /// Memory, in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes.
    #[must_use]
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    /// Whether any of the three is less than `other`'s.
    pub(crate) const fn is_below(self, other: Self) -> bool {
        self.memory_kib < other.memory_kib || self.passes < other.passes || self.lanes < other.lanes
    }

    const fn is_strong(self) -> bool {
        let mut rest: &[(u32, u32)] = &FLOORS;
        while let [(passes, floor), more @ ..] = rest {
            if self.passes >= *passes && self.memory_kib >= *floor {
                return true;
            }
            rest = more;
        }
        false
    }
}

impl Default for HashCost {
    /// OWASP's recommendation: 19 MiB, 2 passes, 1 lane.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-76
    #[test]
    fn each_of_owasps_settings_is_accepted_and_one_kib_less_is_not() {
        for (passes, memory) in FLOORS {
            assert!(HashCost::new(memory, passes, 1).is_ok(), "{passes}");
            assert!(HashCost::new(memory - 1, passes, 1).is_err(), "{passes}");
        }
        assert!(HashCost::new(7_168, 10, 1).is_ok());
        assert!(HashCost::new(0, 2, 1).is_err());
        assert!(HashCost::new(19_456, 0, 1).is_err());
        assert!(HashCost::new(19_456, 2, 0).is_err());
    }

    /// R-76
    #[test]
    fn the_bounds_are_at_256_mib_10_passes_and_16_lanes() {
        assert!(HashCost::new(262_144, 10, 16).is_ok());
        for (memory, passes, lanes) in [
            (262_145, 2, 1),
            (u32::MAX, 2, 1),
            (19_456, 11, 1),
            (19_456, u32::MAX, 1),
            (19_456, 2, 17),
            (19_456, 2, 1 << 24),
        ] {
            assert!(HashCost::new(memory, passes, lanes).is_err());
            assert!(HashCost::within_bounds(memory, passes, lanes).is_none());
        }
        assert!(HashCost::within_bounds(15, 1, 2).is_none());
        assert!(HashCost::within_bounds(16, 1, 2).is_some());
    }

    #[test]
    fn a_cost_is_below_another_in_any_of_its_three_numbers() {
        let usual = HashCost::default();
        let of = |m, t, p| HashCost::within_bounds(m, t, p).unwrap();
        assert!(!usual.is_below(usual) && !of(65_536, 3, 2).is_below(usual));
        for lower in [of(19_455, 9, 9), of(65_536, 1, 9)] {
            assert!(lower.is_below(usual));
        }
        assert!(of(19_456, 2, 1).is_below(of(19_456, 2, 2)));
    }
}
