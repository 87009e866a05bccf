use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::RejectionKind;
use crate::danger::{InsecureFailingRandom, InsecureSeededRandom, insecure_hash_cost};
use crate::password::testing::block_on;

fn quick() -> HashCost {
    insecure_hash_cost(64, 1, 1).unwrap()
}

fn passwords() -> Passwords {
    Passwords::builder()
        .cost(quick())
        .random(Arc::new(InsecureSeededRandom::new(1)))
        .build()
        .unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn check(passwords: &Passwords, text: &str, stored: Option<&PasswordHash>) -> PasswordCheck {
    block_on(passwords.verify(&secret(text), stored)).unwrap()
}

#[test]
fn a_password_matches_its_own_hash_and_no_other() {
    let passwords = passwords();
    let (one, other) = ("correct horse", "battery staple");
    let stored = block_on(passwords.hash(&secret(one))).unwrap();
    let again = block_on(passwords.hash(&secret(one))).unwrap();
    assert_ne!(
        stored.expose(),
        again.expose(),
        "each has a salt of its own"
    );
    for hash in [&stored, &again] {
        assert_eq!(check(&passwords, one, Some(hash)), PasswordCheck::Match);
        assert_eq!(
            check(&passwords, other, Some(hash)),
            PasswordCheck::Mismatch
        );
        assert_eq!(check(&passwords, "", Some(hash)), PasswordCheck::Mismatch);
    }
}

/// B-75: what bcrypt takes for one, since it reads 72 bytes.
#[test]
fn passwords_that_share_72_bytes_are_two() {
    let passwords = passwords();
    let shared = "x".repeat(72);
    let stored = block_on(passwords.hash(&secret(&format!("{shared}a")))).unwrap();
    for (twin, expected) in [
        (format!("{shared}a"), PasswordCheck::Match),
        (format!("{shared}b"), PasswordCheck::Mismatch),
        (shared, PasswordCheck::Mismatch),
    ] {
        assert_eq!(check(&passwords, &twin, Some(&stored)), expected);
    }
}

///
#[test]
fn a_hash_that_is_weaker_than_new_ones_is_to_be_made_anew() {
    let old = Passwords::builder().cost(quick()).build().unwrap();
    let stored = block_on(old.hash(&secret("x"))).unwrap();
    for (risen, expected) in [
        ((64, 1, 1), PasswordCheck::Match),
        ((32, 1, 1), PasswordCheck::Match),
        ((65, 1, 1), PasswordCheck::MatchNeedsRehash),
        ((64, 2, 1), PasswordCheck::MatchNeedsRehash),
        ((32, 1, 2), PasswordCheck::MatchNeedsRehash),
    ] {
        let (memory, passes, lanes) = risen;
        let cost = insecure_hash_cost(memory, passes, lanes).unwrap();
        let new = Passwords::builder().cost(cost).build().unwrap();
        assert_eq!(check(&new, "x", Some(&stored)), expected, "{risen:?}");
        assert_eq!(check(&new, "y", Some(&stored)), PasswordCheck::Mismatch);
    }
    // A short salt or tag, as others write them, is a reason as well.
    let short = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$";
    let mut tag = [0; 16];
    Blocks::default()
        .hash(b"x", b"saltsalt", quick(), 0, &mut tag)
        .unwrap();
    let tag = base64_simd::STANDARD_NO_PAD.encode_to_string(tag);
    let short = PasswordHash::parse(&format!("{short}{tag}")).unwrap();
    assert_eq!(
        check(&old, "x", Some(&short)),
        PasswordCheck::MatchNeedsRehash
    );
}

///
#[test]
fn more_than_1024_bytes_are_neither_hashed_nor_matched() {
    let passwords = passwords();
    let longest = "x".repeat(1_024);
    let stored = block_on(passwords.hash(&secret(&longest))).unwrap();
    assert_eq!(
        check(&passwords, &longest, Some(&stored)),
        PasswordCheck::Match
    );
    let longer = format!("{longest}x");
    assert_eq!(
        check(&passwords, &longer, Some(&stored)),
        PasswordCheck::Mismatch
    );
    for refused in [longer.as_str(), ""] {
        let error = block_on(passwords.hash(&secret(refused))).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput { .. }));
    }
}

#[test]
fn nobody_has_the_cost_of_everybody_and_never_a_match() {
    let passwords = passwords();
    assert_eq!(passwords.0.nobody.cost(), passwords.cost());
    let real = block_on(passwords.hash(&secret("x"))).unwrap();
    assert_eq!(passwords.0.nobody.salt().len(), real.salt().len());
    assert_eq!(passwords.0.nobody.tag().len(), real.tag().len());
    assert_eq!(check(&passwords, "x", None), PasswordCheck::Mismatch);

    // Not even a dummy that by a miracle is the password's own.
    let inner = Arc::into_inner(passwords.0).unwrap();
    let miracle = Passwords(Arc::new(Inner {
        nobody: real,
        ..inner
    }));
    assert_eq!(check(&miracle, "x", None), PasswordCheck::Mismatch);
}

fn begin<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// fail closed.
#[test]
fn when_the_queue_is_full_the_answer_is_503_and_never_a_match() {
    let passwords = Passwords::builder()
        .cost(insecure_hash_cost(4_096, 3, 1).unwrap())
        .workers(1)
        .queue(1)
        .build()
        .unwrap();
    let password = secret("x");
    let mut waiting: Vec<_> = Vec::new();
    let refused = (0..64).find_map(|_| {
        let mut next = Box::pin(passwords.verify(&password, None));
        match begin(next.as_mut()) {
            Poll::Pending => {
                waiting.push(next);
                None
            }
            Poll::Ready(result) => result.err(),
        }
    });
    let rejection = refused.expect("a queue of one is full").rejection();
    assert!(matches!(
        rejection.kind(),
        RejectionKind::Unavailable { .. }
    ));
    assert_eq!(rejection.reason(), Reason::PasswordWorkersBusy);
    for future in waiting {
        assert_eq!(block_on(future).unwrap(), PasswordCheck::Mismatch);
    }
    assert_eq!(check(&passwords, "x", None), PasswordCheck::Mismatch);
}

#[test]
fn a_dropped_call_takes_no_place_in_the_queue() {
    let passwords = Passwords::builder()
        .cost(quick())
        .workers(1)
        .queue(1)
        .build()
        .unwrap();
    let password = secret("x");
    for _ in 0..1_000 {
        let mut given_up = pin!(passwords.hash(&password));
        let begun = begin(given_up.as_mut());
        assert!(begun.is_pending() || begun.map(|result| result.is_ok()) == Poll::Ready(true));
    }
    assert!(block_on(passwords.hash(&password)).is_ok());
}

#[test]
fn what_cannot_work_is_not_built() {
    let settings = |builder: PasswordsBuilder| match builder.build() {
        Ok(_) => vec![],
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(settings(Passwords::builder().workers(0).queue(0)).len(), 2);
    assert_eq!(settings(Passwords::builder().workers(100_000)).len(), 1);
    assert_eq!(settings(Passwords::builder().queue(65_537)).len(), 1);
    let failing = Passwords::builder().random(Arc::new(InsecureFailingRandom));
    assert!(settings(failing)[0].contains("random"));
}

///
#[test]
fn debug_shows_nothing_of_a_hash() {
    let passwords = passwords();
    let stored = block_on(passwords.hash(&secret("correct horse"))).unwrap();
    let salt = base64_simd::STANDARD_NO_PAD.encode_to_string(stored.salt());
    let shown = format!("{passwords:?} {stored:?}");
    assert!(
        !shown.contains("correct") && !shown.contains(&salt),
        "{shown}"
    );
}
