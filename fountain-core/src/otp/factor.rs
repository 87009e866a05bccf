use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::Assurance;

/// The kinds of factor that a person can show: a closed set, so that what each is worth is decided in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FactorKind {
    /// A password.
    Password,
    /// A code of an authenticator app.
    Totp,
    /// A code of a token with a counter.
    Hotp,
    /// A code that was sent to a phone.
    Sms,
    /// A code that was sent to a mailbox.
    Email,
    /// A recovery code.
    Recovery,
}

/// What a factor proves (NIST SP 800-63-4 section 2.1): two of them are two factors only if their classes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FactorClass {
    /// Something that the person knows.
    Knowledge,
    /// Something that the person has.
    Possession,
}

impl FactorKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Password,
        Self::Totp,
        Self::Hotp,
        Self::Sms,
        Self::Email,
        Self::Recovery,
    ];

    /// Its one word, in a store as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Hotp => "hotp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Recovery => "recovery",
        }
    }

    /// The kind with exactly this word, case included.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Its class; none for e-mail, which proves the possession of nothing in particular: SP 800-63B-4 section 3.1.3.1 has
    /// it that e-mail shall not be used for out-of-band authentication.
    #[must_use]
    pub const fn class(self) -> Option<FactorClass> {
        match self {
            Self::Password => Some(FactorClass::Knowledge),
            Self::Totp | Self::Hotp | Self::Sms | Self::Recovery => Some(FactorClass::Possession),
            Self::Email => None,
        }
    }

    /// Whether its use is restricted: SMS is (SP 800-63B-4 section 3.2.9), since numbers can be taken over. Offer another
    /// factor beside it, and tell people of the risk.
    #[must_use]
    pub const fn is_restricted(self) -> bool {
        matches!(self, Self::Sms)
    }

    /// Its value in the registry of RFC 8176 section 2. None for e-mail: the registry has no value for it, and `otp` would
    /// say more than was shown.
    #[must_use]
    pub const fn amr(self) -> Option<&'static str> {
        match self {
            Self::Password => Some("pwd"),
            Self::Totp | Self::Hotp | Self::Recovery => Some("otp"),
            Self::Sms => Some("sms"),
            Self::Email => None,
        }
    }
}

/// A factor that was really shown: its code accepted, its step taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShownFactor {
    /// Which.
    pub kind: FactorKind,
    /// When.
    pub at: Timestamp,
}

/// How sure one can be (the authentication assurance levels of SP 800-63B-4 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AssuranceLevel {
    /// One factor: level 1.
    Single,
    /// Two factors of different classes: level 2.
    Multi,
}

impl AssuranceLevel {
    /// Its authentication context class, for `acr`.
    #[must_use]
    pub const fn acr(self) -> &'static str {
        match self {
            Self::Single => "urn:fountain:acr:single",
            Self::Multi => "urn:fountain:acr:mfa",
        }
    }
}

/// What the factors that were shown amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    level: Option<AssuranceLevel>,
    is_restricted: bool,
    assurance: Assurance,
}

impl Assessment {
    /// The level; none when nothing was shown.
    #[must_use]
    pub const fn level(&self) -> Option<AssuranceLevel> {
        self.level
    }

    /// Whether the level rests on a restricted factor: without it, it would be lower.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        self.is_restricted
    }

    /// `acr`, `amr` and `auth_time`, for a token.
    #[must_use]
    pub const fn assurance(&self) -> &Assurance {
        &self.assurance
    }
}

/// What was shown amounts to this (R-56, R-59): computed from the factors alone, so that nobody can ask for more.
///
/// `Multi` takes a knowledge factor and a possession factor. E-mail adds nothing to any other factor, and is `Single` by
/// itself. `amr` has the registered value of each factor in the order in which they were shown, once each, and `mfa` when the
/// level is `Multi`. `auth_time` is when the last factor that counts was shown.
///
/// ```
/// use fountain_core::Timestamp;
/// use fountain_core::otp::{AssuranceLevel, FactorKind, ShownFactor, assess};
///
/// let at = Timestamp::from_unix_seconds(1_900_000_000);
/// let level = |kinds: &[FactorKind]| {
///     let shown: Vec<_> = kinds.iter().map(|kind| ShownFactor { kind: *kind, at }).collect();
///     assess(&shown).level()
/// };
/// use FactorKind::{Email, Password, Recovery, Sms, Totp};
/// assert_eq!(level(&[Password, Totp]), Some(AssuranceLevel::Multi));
/// assert_eq!(level(&[Password, Email]), Some(AssuranceLevel::Single)); // a mailbox is no second factor
/// assert_eq!(level(&[Totp, Sms, Recovery]), Some(AssuranceLevel::Single)); // three things that one has
/// assert_eq!(level(&[]), None);
/// ```
#[must_use]
pub fn assess(shown: &[ShownFactor]) -> Assessment {
    let level = level(shown.iter().map(|factor| factor.kind));
    let none_counts = shown.iter().all(|factor| factor.kind.class().is_none());
    let counts = |factor: &&ShownFactor| factor.kind.class().is_some() || none_counts;
    let counting = shown.iter().filter(counts).map(|factor| factor.kind);
    let unrestricted = counting.filter(|kind| !kind.is_restricted());
    let mut amr: Vec<String> = Vec::new();
    for value in shown.iter().filter_map(|factor| factor.kind.amr()) {
        if !amr.iter().any(|known| known == value) {
            amr.push(value.to_owned());
        }
    }
    if level == Some(AssuranceLevel::Multi) {
        amr.push("mfa".to_owned());
    }
    Assessment {
        level,
        is_restricted: self::level(unrestricted) < level,
        assurance: Assurance {
            acr: level.map(|level| level.acr().to_owned()),
            amr,
            auth_time: shown.iter().filter(counts).map(|factor| factor.at).max(),
        },
    }
}

/// No factor, one class of factors, or both.
fn level(kinds: impl Iterator<Item = FactorKind>) -> Option<AssuranceLevel> {
    let (mut any, mut known, mut had) = (false, false, false);
    for kind in kinds {
        any = true;
        match kind.class() {
            Some(FactorClass::Knowledge) => known = true,
            Some(FactorClass::Possession) => had = true,
            None => {}
        }
    }
    match (any, known && had) {
        (false, _) => None,
        (true, false) => Some(AssuranceLevel::Single),
        (true, true) => Some(AssuranceLevel::Multi),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_900_000_000 + seconds)
    }

    /// Every set of kinds, each shown a second after the one before.
    fn every() -> impl Iterator<Item = Vec<ShownFactor>> {
        (0_u32..1 << FactorKind::ALL.len()).map(|set| {
            FactorKind::ALL
                .iter()
                .enumerate()
                .filter(|(place, _)| set >> place & 1 == 1)
                .map(|(place, kind)| ShownFactor {
                    kind: *kind,
                    at: at(i64::try_from(place).unwrap()),
                })
                .collect()
        })
    }

    fn has(shown: &[ShownFactor], kinds: &[FactorKind]) -> bool {
        shown.iter().any(|factor| kinds.contains(&factor.kind))
    }

    #[test]
    fn a_kind_has_one_word_everywhere() {
        for kind in FactorKind::ALL {
            let word = kind.as_str();
            assert_eq!(FactorKind::from_name(word), Some(*kind));
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{word}\""));
        }
        assert_eq!(FactorKind::from_name("TOTP"), None);
    }

    /// R-56
    #[test]
    fn the_level_is_multi_for_a_password_with_something_that_one_has_and_for_nothing_else() {
        use FactorKind::{Hotp, Password, Recovery, Sms, Totp};
        for shown in every() {
            let assessment = assess(&shown);
            let unrestricted = has(&shown, &[Totp, Hotp, Recovery]);
            let expected = match (
                shown.is_empty(),
                has(&shown, &[Password]),
                has(&shown, &[Sms]) || unrestricted,
            ) {
                (true, _, _) => None,
                (false, true, true) => Some(AssuranceLevel::Multi),
                (false, _, _) => Some(AssuranceLevel::Single),
            };
            assert_eq!(assessment.level(), expected, "{shown:?}");
            let acr = assessment.assurance().acr.as_deref();
            assert_eq!(acr, expected.map(AssuranceLevel::acr));
        }
    }

    /// R-56: e-mail changes nothing that another factor says.
    #[test]
    fn e_mail_adds_nothing_to_any_other_factor() {
        for shown in every().filter(|shown| has(shown, &[FactorKind::Email])) {
            let without: Vec<_> = shown
                .iter()
                .copied()
                .filter(|factor| factor.kind != FactorKind::Email)
                .collect();
            if without.is_empty() {
                let alone = assess(&shown);
                assert_eq!(alone.level(), Some(AssuranceLevel::Single));
                assert!(alone.assurance().amr.is_empty() && alone.assurance().auth_time.is_some());
            } else {
                assert_eq!(assess(&shown), assess(&without));
            }
        }
    }

    /// R-56
    #[test]
    fn a_level_that_rests_on_sms_is_restricted() {
        use FactorKind::{Hotp, Recovery, Sms, Totp};
        for shown in every() {
            let sms_is_needed = has(&shown, &[Sms]) && !has(&shown, &[Totp, Hotp, Recovery]);
            assert_eq!(assess(&shown).is_restricted(), sms_is_needed, "{shown:?}");
        }
    }

    /// R-59
    #[test]
    fn amr_has_registered_values_once_each_and_mfa_only_with_two_classes() {
        const REGISTERED: [&str; 21] = [
            "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd",
            "rba", "retina", "sc", "sms", "swk", "tel", "user", "vbm", "wia",
        ];
        for shown in every() {
            let assessment = assess(&shown);
            let amr = &assessment.assurance().amr;
            assert!(
                amr.iter().all(|value| REGISTERED.contains(&value.as_str())),
                "{amr:?}"
            );
            let mut once = amr.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), amr.len());
            let mfa = amr.iter().any(|value| value == "mfa");
            assert_eq!(mfa, assessment.level() == Some(AssuranceLevel::Multi));
        }
    }

    /// R-58
    #[test]
    fn the_time_is_that_of_the_last_factor_that_counts() {
        let shown = |kinds: &[(FactorKind, i64)]| {
            let shown: Vec<_> = kinds
                .iter()
                .map(|(kind, t)| ShownFactor {
                    kind: *kind,
                    at: at(*t),
                })
                .collect();
            assess(&shown).assurance().auth_time
        };
        use FactorKind::{Email, Password, Totp};
        assert_eq!(shown(&[(Password, 0), (Totp, 9)]), Some(at(9)));
        assert_eq!(shown(&[(Totp, 9), (Password, 0)]), Some(at(9)));
        assert_eq!(shown(&[(Password, 0), (Totp, 9), (Email, 99)]), Some(at(9)));
        assert_eq!(shown(&[(Email, 99)]), Some(at(99)));
        assert_eq!(shown(&[]), None);
    }
}
