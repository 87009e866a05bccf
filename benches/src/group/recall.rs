//! Credentials that were verified before.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::digest;
use foldhash::fast::RandomState;
use fountain_core::access::{Authority, Role as CatalogRole, RoleCatalog};
use fountain_core::api_key::{KeyFormat, NewApiKey};
use fountain_core::identity::{ClientId, Scope};
use fountain_core::memory::MemoryStore;
use fountain_core::seal::LocalKeys;
use fountain_core::token::NewTokens;
use fountain_core::{Fountain, OsRandom, Subject, Tenant};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter};

use crate::world::{AUDIENCE, ISSUER, PatientClock, now_or_never};
use crate::{Case, Group, Role, Target};

/// A service on the memory store that remembers what it has verified.
#[derive(Debug)]
pub struct Remembering {
    /// The service.
    pub fountain: Fountain,
}

impl Remembering {
    /// One that remembers this many credentials of each kind.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let catalog = RoleCatalog::builder()
            .permissions(["orders:read", "orders:write", "invoices:read"])
            .role(CatalogRole::new("clerk").grant("orders:*"))
            .role(CatalogRole::new("auditor").grant("invoices:read"))
            .build()
            .unwrap();
        let kek = LocalKeys::generate(Arc::new(OsRandom)).unwrap();
        let builder = Fountain::builder(Arc::new(MemoryStore::new()))
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .roles(catalog)
            .key_encryption(Arc::new(kek))
            .remember(entries)
            .clock(Arc::new(PatientClock::new()));
        let fountain = now_or_never(builder.build()).unwrap();
        now_or_never(fountain.follow()).unwrap();
        Self { fountain }
    }

    /// A new token, verified once.
    #[must_use]
    pub fn token(&self, number: usize) -> String {
        let token = self.new_token(number);
        self.verify_token(&token);
        token
    }

    /// Verifies a token, which is remembered.
    pub fn verify_token(&self, token: &str) {
        now_or_never(self.fountain.tokens().verify(token)).unwrap();
    }

    /// A new token.
    #[must_use]
    pub fn new_token(&self, number: usize) -> String {
        let subject = Subject::new(format!("auth0|5f7c8ec7c33c6c004b{number:08}")).unwrap();
        let scope = |text: &str| Scope::new(text).unwrap();
        let new = NewTokens::new(subject, ClientId::new("storefront-web").unwrap())
            .tenant(Tenant::new("acme-europe").unwrap())
            .role("clerk")
            .role("auditor")
            .scope(scope("orders:read"))
            .scope(scope("orders:write"))
            .scope(scope("invoices:read"));
        let issued = now_or_never(self.fountain.tokens().issue_access(&new)).unwrap();
        issued.access_token.expose().to_owned()
    }

    /// A new API key, verified once.
    #[must_use]
    pub fn api_key(&self, number: usize) -> String {
        let key = self.new_api_key(number);
        self.verify_api_key(&key);
        key
    }

    /// Verifies an API key, which is remembered.
    pub fn verify_api_key(&self, key: &str) {
        let verdict = now_or_never(self.fountain.api_keys().verify(key)).unwrap();
        verdict.into_result().unwrap();
    }

    /// A new API key. Five in a row belong to one owner.
    #[must_use]
    pub fn new_api_key(&self, number: usize) -> String {
        let new = NewApiKey::for_owner(format!("service-{}", number / 5), format!("key {number}"))
            .scope("orders:read");
        let issue = self.fountain.api_keys();
        let issued = now_or_never(issue.issue(Authority::System, &Tenant::default(), new)).unwrap();
        issued.key.expose().to_owned()
    }
}

/// Credentials that have just arrived: whoever read them from a socket has them in the processor's cache, which has
/// nothing else of theirs.
#[derive(Debug)]
pub struct Arrivals {
    texts: Arc<[String]>,
    at: usize,
    arrived: Vec<String>,
}

impl Arrivals {
    /// How many arrive together.
    pub const SIZE: usize = 256;

    /// Arrivals of these texts, beginning at some place, in an order that no prefetcher guesses.
    #[must_use]
    pub fn new(texts: Arc<[String]>, at: usize) -> Self {
        let mut arrivals = Self {
            texts,
            at,
            arrived: vec![String::new(); Self::SIZE],
        };
        arrivals.renew();
        arrivals
    }

    /// Others arrive.
    pub fn renew(&mut self) {
        // Ends in 7 and so is coprime to the number of texts, a power of ten: each comes once a round.
        let step = self.texts.len() * 618 / 1000 / 10 * 10 + 7;
        for buffer in &mut self.arrived {
            self.at = (self.at + step) % self.texts.len();
            buffer.clear();
            buffer.push_str(self.texts.get(self.at).map_or("", String::as_str));
        }
    }

    /// Those that have arrived, over and over.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.arrived.iter().cycle().map(String::as_str)
    }
}

/// What a cache of tokens is at its barest: found by the end of the signature, compared whole.
#[derive(PartialEq, Eq)]
struct ByTail(Box<str>);

struct Text<'a>(&'a str);

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0.as_bytes().last_chunk::<16>() {
            Some(tail) => u128::from_le_bytes(*tail).hash(state),
            None => self.0.hash(state),
        }
    }
}

impl Hash for ByTail {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Text(&self.0).hash(state);
    }
}

impl Equivalent<ByTail> for Text<'_> {
    fn equivalent(&self, key: &ByTail) -> bool {
        *self.0 == *key.0
    }
}

type Bare<K> = Cache<K, Arc<u64>, UnitWeighter, RandomState>;

fn bare<K: Eq + Hash>(entries: usize, keys: impl Iterator<Item = K>) -> Bare<K> {
    let cache = Cache::with(
        entries * 2,
        u64::try_from(entries * 2).unwrap(),
        UnitWeighter,
        RandomState::default(),
        DefaultLifecycle::default(),
    );
    for key in keys {
        cache.insert(key, Arc::new(1));
    }
    cache
}

pub(super) fn hot_token(name: &'static str) -> Group {
    tokens(name, 1, 150.0)
}

pub(super) fn thousand_tokens(name: &'static str) -> Group {
    tokens(name, 1_000, 700.0)
}

pub(super) fn hundred_thousand_tokens(name: &'static str) -> Group {
    tokens(name, 100_000, 700.0)
}

fn tokens(name: &'static str, live: usize, target: f64) -> Group {
    let service = Remembering::new(live * 2);
    let tokens: Arc<[String]> = (0..live).map(|number| service.token(number)).collect();
    let cache = bare(
        live,
        tokens.iter().map(|token| ByTail(token.as_str().into())),
    );
    let limit = arriving(
        Role::Limit,
        "quick_cache by the token's end",
        &tokens,
        move |token| cache.get(&Text(token)),
    );
    let ours = arriving(Role::Ours, "Tokens::recall", &tokens, move |token| {
        service.fountain.tokens().recall(token)
    });
    Group {
        name,
        target: Target::Nanoseconds(target),
        cases: vec![limit, ours],
    }
}

fn arriving<T: 'static>(
    role: Role,
    what: &'static str,
    tokens: &Arc<[String]>,
    look_up: impl Fn(&str) -> Option<T> + 'static,
) -> Case {
    let arrivals = Rc::new(RefCell::new(Arrivals::new(Arc::clone(tokens), 0)));
    let arrived = Rc::clone(&arrivals);
    let mut case = Case::new(role, what, || {});
    case.run = Box::new(move |times| {
        for token in arrived.borrow().texts().take(times.try_into().unwrap()) {
            assert!(black_box(look_up(token)).is_some(), "it was forgotten");
        }
    });
    if tokens.len() > Arrivals::SIZE {
        case.at_most = Arrivals::SIZE.try_into().unwrap();
    }
    case.prepare = Box::new(move || arrivals.borrow_mut().renew());
    case
}

pub(super) fn api_key(name: &'static str) -> Group {
    let service = Remembering::new(1_000);
    let key = service.api_key(0);
    let digest_of = |key: &str| -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, key.as_bytes());
        digest.as_ref().try_into().unwrap()
    };
    let cache = bare(1_000, [digest_of(&key)].into_iter());
    let same = key.clone();
    Group {
        name,
        target: Target::Nanoseconds(250.0),
        cases: vec![
            Case::new(Role::Limit, "SHA-256 and quick_cache", move || {
                cache.get(&digest_of(&same)).unwrap()
            }),
            Case::new(Role::Ours, "ApiKeys::recall", move || {
                service.fountain.api_keys().recall(&key).unwrap()
            }),
        ],
    }
}

pub(super) fn bad_checksum(name: &'static str) -> Group {
    let service = Remembering::new(1_000);
    let mut key = service.api_key(0);
    let last = if key.ends_with('0') { '1' } else { '0' };
    key.pop();
    key.push(last);
    assert!(KeyFormat::inspect(&key).is_some_and(|seen| !seen.is_intact));
    let same = key.clone();
    Group {
        name,
        target: Target::Nanoseconds(100.0),
        cases: vec![
            Case::new(Role::Limit, "crc32fast::hash", move || {
                crc32fast::hash(same.as_bytes())
            }),
            Case::new(Role::Ours, "ApiKeys::verify", move || {
                let verdict = now_or_never(service.fountain.api_keys().verify(&key)).unwrap();
                assert!(verdict.reason().is_some());
                verdict
            }),
        ],
    }
}
