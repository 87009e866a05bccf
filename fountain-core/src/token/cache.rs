use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use constant_time_eq::constant_time_eq;
use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter};

use crate::change::{CacheTrust, Slot, Stamp};
use crate::clock::Timestamp;
use crate::identity::Principal;

/// Tokens that were verified not long ago.
///
/// A hit needs the whole token to be equal, the feed to be fresh, nothing that concerns the token (its keys, its
/// id, its family, its subject) to have changed, and its `exp` not to have passed. There are no negative entries.
pub(super) struct TokenCache {
    /// The entries lie in the cache itself: with many live tokens every pointer that is followed is a wait for memory.
    tokens: Cache<Token, Remembered, UnitWeighter, RandomState>,
}

/// What is remembered of a verified token. Cheap to clone.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) principal: Principal,
    /// From when on the token is expired, leeway included.
    pub(super) expires_at: Timestamp,
    /// Until when, on the monotonic clock, this may be believed at all.
    pub(super) until: Duration,
    /// What the token depends on.
    pub(super) slots: [Slot; 4],
    /// Their state before the stores were asked.
    pub(super) stamp: Stamp,
}

impl TokenCache {
    /// The longest time that an entry is believed: 30 s.
    pub(super) const LIFE: Duration = Duration::from_secs(30);

    pub(super) fn new(capacity: usize) -> Self {
        let tokens = Cache::with(
            capacity,
            u64::try_from(capacity).unwrap_or(u64::MAX),
            UnitWeighter,
            RandomState::default(),
            DefaultLifecycle::default(),
        );
        Self { tokens }
    }

    #[inline]
    pub(super) fn recall(
        &self,
        token: &str,
        now: Timestamp,
        monotonic: Duration,
        trust: &CacheTrust,
    ) -> Option<Principal> {
        if !trust.is_fresh(monotonic) {
            return None;
        }
        let found = self.tokens.get(&TokenText(token))?;
        (monotonic < found.until
            && now < found.expires_at
            && trust.stamp_of(&found.slots) == found.stamp)
            .then_some(found.principal)
    }

    pub(super) fn remember(&self, token: &str, remembered: Remembered) {
        self.tokens.insert(Token(token.into()), remembered);
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({})", self.len())
    }
}

/// A whole token, hashed by its tail only: the signature's last characters tell genuine tokens apart, and only
/// genuine tokens are ever stored.
struct Token(Box<str>);

#[derive(Clone, Copy)]
struct TokenText<'a>(&'a str);

impl Hash for TokenText<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0.as_bytes().last_chunk::<16>() {
            Some(tail) => u128::from_le_bytes(*tail).hash(state),
            None => self.0.hash(state),
        }
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        TokenText(&self.0).hash(state);
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Token {}

impl Equivalent<Token> for TokenText<'_> {
    #[inline]
    fn equivalent(&self, key: &Token) -> bool {
        constant_time_eq(self.0.as_bytes(), key.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{
        Assurance, ClientId, Credential, Grants, Issuer, PrincipalParts, Subject, Tenant, TokenId,
    };

    fn principal() -> Principal {
        Principal::new(PrincipalParts {
            tenant: Tenant::default(),
            subject: Subject::new("alice").unwrap(),
            credential: Credential::AccessToken {
                id: TokenId::new("x").unwrap(),
                issuer: Issuer::new("https://a").unwrap(),
                family: None,
                client: ClientId::new("c").unwrap(),
            },
            roles: Vec::new(),
            scopes: Vec::new(),
            grants: Grants::none(),
            assurance: Assurance::default(),
            expires_at: Timestamp::from_unix_seconds(100),
            superseded_at: None,
        })
    }

    struct Case {
        cache: TokenCache,
        trust: CacheTrust,
        slots: [Slot; 4],
    }

    const TOKEN: &str = "aaaa.bbbb.cccccccccccccccccccccc";

    fn case() -> Case {
        let trust = CacheTrust::new(Duration::from_secs(5));
        trust.confirm(Duration::ZERO);
        let slots = [
            trust.slot("keys"),
            trust.slot("id"),
            trust.slot("family"),
            trust.slot("subject"),
        ];
        let cache = TokenCache::new(100);
        cache.remember(
            TOKEN,
            Remembered {
                principal: principal(),
                expires_at: Timestamp::from_unix_seconds(100),
                until: Duration::from_secs(3),
                slots,
                stamp: trust.stamp_of(&slots),
            },
        );
        Case {
            cache,
            trust,
            slots,
        }
    }

    fn hit(case: &Case, token: &str, now: i64, monotonic: Duration) -> bool {
        case.cache
            .recall(
                token,
                Timestamp::from_unix_seconds(now),
                monotonic,
                &case.trust,
            )
            .is_some()
    }

    #[test]
    fn a_hit_ends_with_the_token_and_with_its_own_time() {
        let case = case();
        let last = Duration::from_micros(2_999_999);
        assert!(hit(&case, TOKEN, 99, last));
        assert!(!hit(&case, TOKEN, 100, last));
        assert!(!hit(&case, TOKEN, 99, Duration::from_secs(3)));
    }

    #[test]
    fn a_token_that_differs_anywhere_is_a_miss() {
        let case = case();
        for at in 0..TOKEN.len() {
            let mut other = TOKEN.as_bytes().to_vec();
            other[at] ^= 1;
            assert!(!hit(
                &case,
                std::str::from_utf8(&other).unwrap(),
                1,
                Duration::ZERO
            ));
        }
        assert!(!hit(&case, &TOKEN[1..], 1, Duration::ZERO));
        assert!(!hit(&case, "", 1, Duration::ZERO));
    }

    #[test]
    fn a_change_of_anything_it_depends_on_is_a_miss() {
        for name in ["keys", "id", "family", "subject"] {
            let case = case();
            assert!(hit(&case, TOKEN, 1, Duration::ZERO));
            case.trust.forget(name);
            assert!(!hit(&case, TOKEN, 1, Duration::ZERO), "{name}");
            assert_ne!(
                case.trust.stamp_of(&case.slots),
                Stamp::clone(&case.cache.tokens.get(&TokenText(TOKEN)).unwrap().stamp)
            );
        }
    }

    /// L-13
    #[test]
    fn a_stale_feed_is_a_miss() {
        let case = case();
        case.cache.remember(
            TOKEN,
            Remembered {
                principal: principal(),
                expires_at: Timestamp::MAX,
                until: Duration::from_secs(3_600),
                slots: case.slots,
                stamp: case.trust.stamp_of(&case.slots),
            },
        );
        assert!(hit(&case, TOKEN, 1, Duration::from_secs(5)));
        assert!(!hit(&case, TOKEN, 1, Duration::from_micros(5_000_001)));
    }

    /// a flood of tokens does not grow the cache past its bound.
    #[test]
    fn the_cache_is_bounded() {
        let case = case();
        for n in 0..10_000 {
            case.cache.remember(
                &format!("aaaa.bbbb.{n:030}"),
                Remembered {
                    principal: principal(),
                    expires_at: Timestamp::MAX,
                    until: Duration::from_secs(1),
                    slots: case.slots,
                    stamp: case.trust.stamp_of(&case.slots),
                },
            );
        }
        assert!(case.cache.len() <= 128, "{}", case.cache.len());
    }
}
