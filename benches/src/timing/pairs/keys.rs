//! API keys that are refused, through `ApiKeys::verify_in` on the memory store.

use std::sync::Arc;
use std::time::Duration;

use fountain_core::access::{Authority, Role, RoleCatalog, Subjects};
use fountain_core::api_key::{ApiKeys, KeyId, NewApiKey};
use fountain_core::change::CacheTrust;
use fountain_core::memory::MemoryStore;
use fountain_core::{Clock, ManualClock, OsRandom, Random, Subject, Tenant, Timestamp};

use super::primitives::compare_and_leak;
use crate::timing::sample::{Operation, Order};
use crate::timing::{Deal, Expected, Pair};
use crate::world::now_or_never;

/// Keys of each class in one deal: few, as who asks about a key asks again and again.
const KEYS: usize = 8;
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
const LIFE: Duration = Duration::from_secs(3_600);
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What becomes of a key, or what is presented in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Live,
    Revoked,
    Expired,
    Disabled,
    OwnerDisabled,
    OtherTenant,
    /// Never issued here.
    Unknown,
}

/// What is presented: the key itself, or the same id with another secret, as whoever knows only the id can make it.
type Presented = fn(&str) -> String;
const GENUINE: Presented = str::to_owned;
const FORGED: Presented = forged;

/// Pairs of refused keys. `remembering`: the service remembers what it verified, and has verified every key that once
/// was good.
pub(super) fn all(remembering: bool) -> Vec<Pair> {
    use Fate::{Disabled, Expired, Live, OtherTenant, OwnerDisabled, Revoked, Unknown};
    let memory = if remembering {
        "remembering"
    } else {
        "no memory"
    };
    let pair = move |name: &str, expected, left, right| Pair {
        name: format!("API key, {memory}: {name}"),
        expected,
        deal: Box::new(move || {
            // Either class is made first as often as the other.
            if Order::new().draw() >> 63 == 0 {
                deal(remembering, left, right)
            } else {
                let Deal { left, right, run } = deal(remembering, right, left);
                Deal {
                    left: right,
                    right: left,
                    run,
                }
            }
        }),
    };
    let wrong = (Live, FORGED);
    let same = Expected::Same;
    let revoked = (Revoked, GENUINE);
    let close = Expected::Within(2.0);
    // A remembered key of another tenant is found and passed over before the store is asked.
    let other_tenant = if remembering { Expected::Told } else { close };
    let mut leaking = pair(
        "leak of a byte-wise comparison",
        Expected::Leak,
        wrong,
        wrong,
    );
    let mut honest = leaking.deal;
    leaking.deal = Box::new(move || {
        let Deal {
            left,
            right,
            mut run,
        } = honest();
        // The classes differ from it in the id's first character, or where the checksum begins.
        let mut secret = right.first().cloned().unwrap_or_default();
        secret
            .iter_mut()
            .rev()
            .take(CHECKSUM_LEN)
            .for_each(|byte| *byte = b'.');
        let right = right
            .iter()
            .map(|_| right.first().cloned().unwrap_or_default())
            .collect();
        let run = move |text: &[u8]| {
            run(text);
            compare_and_leak(text, &secret);
        };
        Deal {
            left,
            right,
            run: Box::new(run),
        }
    });
    vec![
        pair("wrong / wrong", same, wrong, wrong),
        pair("wrong / wrong, revoked", same, wrong, (Revoked, FORGED)),
        pair("wrong / wrong, expired", same, wrong, (Expired, FORGED)),
        pair("wrong / wrong, disabled", same, wrong, (Disabled, FORGED)),
        pair(
            "wrong / wrong, disabled owner",
            same,
            wrong,
            (OwnerDisabled, FORGED),
        ),
        pair(
            "wrong / wrong, other tenant",
            same,
            wrong,
            (OtherTenant, FORGED),
        ),
        pair("unknown / wrong", same, (Unknown, GENUINE), wrong),
        pair("revoked / expired", close, revoked, (Expired, GENUINE)),
        pair("revoked / disabled", close, revoked, (Disabled, GENUINE)),
        pair(
            "revoked / other tenant",
            other_tenant,
            revoked,
            (OtherTenant, GENUINE),
        ),
        pair("wrong / revoked", Expected::Told, wrong, revoked),
        pair(
            "wrong / disabled owner",
            Expected::Told,
            wrong,
            (OwnerDisabled, GENUINE),
        ),
        leaking,
    ]
}

/// A new service with keys of two fates.
fn deal(remembering: bool, left: (Fate, Presented), right: (Fate, Presented)) -> Deal {
    let world = World::new(remembering);
    let [lefts, rights] = world.issue([left.0, right.0]);
    world.change(left.0, &lefts);
    world.change(right.0, &rights);
    world.clock.advance(LIFE);
    // Only what is not refused later is still remembered by its own right.
    for (fate, keys) in [(left.0, &lefts), (right.0, &rights)] {
        if matches!(fate, Fate::Live | Fate::OtherTenant) {
            world.verify_all(keys);
        }
    }
    let present = |(fate, presented): (Fate, Presented), keys: Vec<String>| {
        let keys = if fate == Fate::Unknown {
            let [strangers, _] = World::new(false).issue([fate; 2]);
            strangers
        } else {
            keys
        };
        keys.iter().map(|key| presented(key).into_bytes()).collect()
    };
    Deal {
        left: present(left, lefts),
        right: present(right, rights),
        run: world.verifying(),
    }
}

struct World {
    keys: Arc<ApiKeys>,
    subjects: Subjects,
    clock: Arc<ManualClock>,
    trust: Arc<CacheTrust>,
    here: Tenant,
    there: Tenant,
}

impl World {
    fn new(remembering: bool) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
        let store = Arc::new(MemoryStore::new());
        let trust = Arc::new(CacheTrust::new(Duration::from_secs(5)));
        let catalog = RoleCatalog::builder()
            .permissions(["orders:read", "orders:write"])
            .role(Role::new("clerk").grant("orders:*"))
            .build()
            .unwrap();
        let mut keys = ApiKeys::builder(store.clone(), catalog.clone())
            .subjects(store.clone())
            .clock(clock.clone());
        if remembering {
            keys = keys.trust(trust.clone());
        }
        Self {
            keys: Arc::new(keys.build().unwrap()),
            subjects: Subjects::builder(store.clone(), store, catalog)
                .clock(clock.clone())
                .trust(trust.clone())
                .build()
                .unwrap(),
            clock,
            trust,
            here: Tenant::new("acme").unwrap(),
            there: Tenant::new("bolt").unwrap(),
        }
    }

    /// New keys of both classes, verified once, so that what can be remembered is. Which class is first is decided anew
    /// for each two keys: where they lie in memory must say nothing about it.
    fn issue(&self, fates: [Fate; 2]) -> [Vec<String>; 2] {
        let [mut lefts, mut rights] = [Vec::new(), Vec::new()];
        let owners = fates.map(|fate| self.register(fate));
        let [left, right] = &owners;
        let mut order = Order::new();
        for _ in 0..KEYS {
            if order.draw() >> 63 == 0 {
                lefts.push(self.issue_one(fates[0], left));
                rights.push(self.issue_one(fates[1], right));
            } else {
                rights.push(self.issue_one(fates[1], right));
                lefts.push(self.issue_one(fates[0], left));
            }
        }
        self.verify_all(lefts.iter().chain(&rights));
        [lefts, rights]
    }

    /// The owner of the keys of this fate.
    fn register(&self, fate: Fate) -> Subject {
        let name = if fate == Fate::OwnerDisabled {
            "ownerA"
        } else {
            "ownerB"
        };
        let (tenant, owner) = (self.tenant_of(fate), Subject::new(name).unwrap());
        // Both classes may have one owner, who is registered once.
        let register = self
            .subjects
            .register(Authority::System, tenant, &owner, ["clerk"]);
        drop(now_or_never(register));
        owner
    }

    fn issue_one(&self, fate: Fate, owner: &Subject) -> String {
        let life = if fate == Fate::Expired {
            LIFE
        } else {
            24 * LIFE
        };
        let new = NewApiKey::for_owner(owner.as_str(), "a key").scope("orders:read");
        let issue = self.keys.issue(
            Authority::System,
            self.tenant_of(fate),
            new.expires_in(life),
        );
        now_or_never(issue).unwrap().key.expose().to_owned()
    }

    /// Gives the keys their fate, but for expiry, which comes by itself.
    fn change(&self, fate: Fate, keys: &[String]) {
        let (by, here) = (Authority::System, &self.here);
        if fate == Fate::OwnerDisabled {
            let owner = self.register(fate);
            now_or_never(self.subjects.disable(by, here, &owner)).unwrap();
        }
        for key in keys {
            match fate {
                Fate::Revoked => now_or_never(self.keys.revoke(by, here, &id_of(key))).unwrap(),
                Fate::Disabled => now_or_never(self.keys.disable(by, here, &id_of(key))).unwrap(),
                _ => {}
            }
        }
    }

    fn tenant_of(&self, fate: Fate) -> &Tenant {
        if fate == Fate::OtherTenant {
            &self.there
        } else {
            &self.here
        }
    }

    fn verify_all<'a>(&self, keys: impl IntoIterator<Item = &'a String>) {
        self.trust.confirm(self.clock.monotonic());
        for key in keys {
            let verdict = now_or_never(self.keys.verify(key)).unwrap();
            verdict.into_result().unwrap();
        }
    }

    /// The operation: refused, as it must be.
    fn verifying(&self) -> Operation {
        // A text of its own, as the one that comes with a request is.
        let (keys, tenant) = (self.keys.clone(), Tenant::new("acme").unwrap());
        Box::new(move |text| {
            let text = std::str::from_utf8(text).unwrap();
            let verdict = now_or_never(keys.verify_in(&tenant, text)).unwrap();
            assert!(verdict.into_result().is_err());
        })
    }
}

/// The public part of a key.
fn id_of(key: &str) -> KeyId {
    let body = key.rsplit('_').next().unwrap();
    let id_len = body.len() - SECRET_LEN - CHECKSUM_LEN;
    KeyId::new(body.get(..id_len).unwrap()).unwrap()
}

/// A well-formed key with the same id and another secret, as whoever knows only the id can make it.
fn forged(key: &str) -> String {
    let mut random = [0_u8; SECRET_LEN];
    OsRandom.fill(&mut random).unwrap();
    let kept = key.len() - SECRET_LEN - CHECKSUM_LEN;
    let mut text = key.get(..kept).unwrap().to_owned();
    text.extend(random.iter().map(|byte| digit(u32::from(*byte) % 62)));
    let mut checksum = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECKSUM_LEN];
    for place in digits.iter_mut().rev() {
        *place = digit(checksum % 62);
        checksum /= 62;
    }
    text.extend(digits);
    text
}

fn digit(number: u32) -> char {
    let at = usize::try_from(number).unwrap();
    char::from(*BASE62.get(at).unwrap())
}
