//! A sealed record, as a store gives it back.
//!
//! Only the records that were sealed here open, only in their place, and only as they are: the input is opened as it
//! stands, and taken as a list of changes (two bytes of place, one of difference) to a good record.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use fountain_core::danger::InsecureSeededRandom;
use fountain_core::seal::{KekId, LocalKeys, SealContext, SealError, Sealer};
use fountain_core::{Random, SecretBytes, Tenant};

use crate::{Seed, Verdict, hold};

struct Vault {
    sealer: Sealer,
    records: Vec<Vec<u8>>,
}

const PLAINTEXT: &[u8] = b"what a store may not read";

static VAULT: LazyLock<Vault> = LazyLock::new(|| {
    let random: Arc<dyn Random> = Arc::new(InsecureSeededRandom::new(2));
    let (old, new) = (bytes(3), bytes(4));
    let kek = |id: &str| KekId::new(id).expect("well-formed");
    let before = LocalKeys::new(kek("old"), &old, Arc::clone(&random)).expect("random");
    let before = Sealer::new(Arc::new(before), Arc::clone(&random));
    let now = LocalKeys::new(kek("kms/2030:01"), &new, Arc::clone(&random))
        .and_then(|keys| keys.with_previous(kek("old"), &old))
        .expect("random");
    let sealer = Sealer::new(Arc::new(now), random);
    let tenant = Tenant::default();
    let plaintext = SecretBytes::new(PLAINTEXT.to_vec());
    let records = [&before, &sealer]
        .map(|with| now_or_never(with.seal(&plaintext, place(&tenant, "1"))).expect("sealing"));
    Vault {
        sealer,
        records: records.into(),
    }
});

fn bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    InsecureSeededRandom::new(seed)
        .fill(&mut bytes)
        .expect("seeded");
    bytes
}

fn place<'a>(tenant: &'a Tenant, row: &'a str) -> SealContext<'a> {
    SealContext::of_tenant(tenant, "webhooks", "secret", row)
}

/// Keys that are held in this process are never waited for.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("local keys were waited for"),
    }
}

pub fn check(data: &[u8]) -> Verdict {
    let verdict = open(data);
    for record in &VAULT.records {
        let mut changed = record.clone();
        for change in data.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
            changed[at] ^= change[2];
        }
        open(&changed);
    }
    verdict
}

fn open(sealed: &[u8]) -> Verdict {
    let is_ours = VAULT.records.iter().any(|record| record == sealed);
    let tenant = Tenant::default();
    let opened = now_or_never(VAULT.sealer.open(sealed, place(&tenant, "1")));
    let elsewhere = now_or_never(VAULT.sealer.open(sealed, place(&tenant, "2")));
    assert!(elsewhere.is_err(), "a record opened in another place");
    let kek = Sealer::kek_of(sealed);
    match opened {
        Ok(plaintext) => {
            assert!(is_ours, "a record opened that nobody sealed");
            assert_eq!(plaintext.expose(), PLAINTEXT);
            kek.expect("what opens names its key");
            Verdict::Accepted
        }
        Err(why) => {
            assert!(!is_ours, "a good record did not open: {why}");
            match why {
                SealError::Malformed | SealError::Version(_) => assert!(kek.is_err()),
                SealError::UnknownKek(_) | SealError::Tampered => assert!(kek.is_ok()),
                other => panic!("reading a record failed in another way: {other}"),
            }
            Verdict::Refused
        }
    }
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let [old, new] = [0, 1].map(|at: usize| VAULT.records[at].clone());
    let cut = new[..new.len() - 1].to_vec();
    let unknown = new
        .iter()
        .enumerate()
        .map(|(at, byte)| if at == 2 { b'x' } else { *byte })
        .collect();
    vec![
        ("accepted-old", old),
        ("accepted-new", new.clone()),
        ("refused-cut", cut),
        ("refused-longer", [&new[..], b"x"].concat()),
        ("refused-unknown-kek", unknown),
        ("refused-version", [&[2][..], &new[1..]].concat()),
        ("refused-empty", Vec::new()),
        ("refused-changes", vec![0, 0, 0, 0, 1, 1]),
    ]
}
