use std::time::Duration;

use crate::error::Error;
use crate::identity::Subject;
use crate::lockout::IssueLimit;

const TEN_MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How many codes may be sent: to one address, for one subject, in one tenant (R-53). What is beyond is refused with the time to
/// wait, and costs nothing.
///
/// ```
/// use std::time::Duration;
/// use fountain_core::otp::IssueRules;
///
/// let rules = IssueRules::default(); // 3 in 10 minutes and 10 a day, 30 s apart; 1,000 an hour in a tenant
/// assert_eq!(rules, IssueRules::default().per_destination(3, 10)?.per_subject(3, 10)?.cool_down(Duration::from_secs(30))?);
/// assert!(rules.per_destination(0, 10).is_err());
/// assert!(rules.per_subject(3, 1_000).is_err());
/// # Ok::<(), fountain_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueRules {
    destination: Limits,
    subject: Limits,
    tenant: u32,
    cool_down: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    short: u32,
    day: u32,
}

impl Limits {
    const fn new(short: u32, day: u32) -> Result<Self, Error> {
        if short == 0 || short > 10 || day < short || day > 50 {
            return Err(Error::invalid(
                "issue limit",
                "give 1 to 10 codes in 10 minutes, and no fewer and at most 50 in a day",
            ));
        }
        Ok(Self { short, day })
    }
}

impl IssueRules {
    /// How many codes may go to one address in 10 minutes (1 to 10) and in a day (no fewer, at most 50).
    ///
    /// # Errors
    /// `InvalidInput` when one is out of bounds.
    pub fn per_destination(mut self, ten_minutes: u32, day: u32) -> Result<Self, Error> {
        self.destination = Limits::new(ten_minutes, day)?;
        Ok(self)
    }

    /// How many codes may be sent for one subject, to whatever address, in 10 minutes (1 to 10) and in a day (no fewer, at most
    /// 50).
    ///
    /// # Errors
    /// `InvalidInput` when one is out of bounds.
    pub fn per_subject(mut self, ten_minutes: u32, day: u32) -> Result<Self, Error> {
        self.subject = Limits::new(ten_minutes, day)?;
        Ok(self)
    }

    /// How many codes may be sent in a tenant in an hour: 1 to 1,000. It bounds what somebody who knows many passwords can make
    /// the tenant pay for.
    ///
    /// # Errors
    /// `InvalidInput` when it is out of bounds.
    pub const fn per_tenant(mut self, hour: u32) -> Result<Self, Error> {
        if hour == 0 || hour > 1_000 {
            return Err(Error::invalid(
                "issue limit",
                "give 1 to 1,000 codes in an hour",
            ));
        }
        self.tenant = hour;
        Ok(self)
    }

    /// How much time is between two codes to one address: 1 s to 10 minutes.
    ///
    /// # Errors
    /// `InvalidInput` when it is out of bounds.
    pub const fn cool_down(mut self, time: Duration) -> Result<Self, Error> {
        if time.as_secs() == 0 || time.as_micros() > TEN_MINUTES.as_micros() {
            return Err(Error::invalid("cool-down", "give 1 second to 10 minutes"));
        }
        self.cool_down = time;
        Ok(self)
    }

    /// All that one code takes from, in one step. `of` is the canonical form of the address.
    pub(super) fn of_code<'a>(self, of: &'a str, subject: &'a Subject) -> [IssueLimit<'a>; 6] {
        let limit = |label, of, limit, window| IssueLimit {
            label,
            of,
            limit,
            window,
        };
        let subject = subject.as_str();
        [
            limit("code to", of, self.destination.short, TEN_MINUTES),
            limit("code to", of, self.destination.day, DAY),
            limit("code to", of, 1, self.cool_down),
            limit("code for", subject, self.subject.short, TEN_MINUTES),
            limit("code for", subject, self.subject.day, DAY),
            limit("codes", "", self.tenant, HOUR),
        ]
    }

    /// All that one notice takes from: apart from codes, so that nobody can keep a person from hearing of something by asking for
    /// codes before it.
    pub(super) fn of_notice<'a>(self, of: &'a str, subject: &'a Subject) -> [IssueLimit<'a>; 3] {
        let limit = |label, of, limit, window| IssueLimit {
            label,
            of,
            limit,
            window,
        };
        [
            limit("notice to", of, self.destination.day, DAY),
            limit("notice for", subject.as_str(), self.subject.day, DAY),
            limit("notices", "", self.tenant, HOUR),
        ]
    }
}

impl Default for IssueRules {
    /// 3 in 10 minutes and 10 a day for each address and for each subject, 30 s apart; 1,000 an hour in each tenant.
    fn default() -> Self {
        const USUAL: Limits = Limits { short: 3, day: 10 };
        Self {
            destination: USUAL,
            subject: USUAL,
            tenant: 1_000,
            cool_down: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-53
    #[test]
    fn rules_out_of_bounds_are_refused() {
        let rules = IssueRules::default();
        for (short, day) in [(0, 10), (11, 20), (3, 2), (3, 51)] {
            assert!(rules.per_destination(short, day).is_err());
            assert!(rules.per_subject(short, day).is_err());
        }
        assert!(rules.per_destination(10, 50).is_ok() && rules.per_subject(1, 1).is_ok());
        assert!(rules.per_tenant(0).is_err() && rules.per_tenant(1_001).is_err());
        for bad in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
            assert!(rules.cool_down(bad).is_err());
        }
    }
}
