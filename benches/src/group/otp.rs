//! Checking a code of an authenticator app.

use fountain_core::SecretBytes;
use fountain_core::Timestamp;
use fountain_core::otp::{OtpSecret, Totp, TotpOutcome};

use crate::{Case, Group, Role, Target};

const NOW: u64 = 1_900_000_005;
const SECRET: [u8; 20] =
    *b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12";

pub(super) fn hit(name: &'static str) -> Group {
    let code = theirs().generate(NOW).to_string();
    let peer = code.clone();
    let (totp, now) = (ours(), Timestamp::from_unix_seconds(NOW.cast_signed()));
    let peers = theirs();
    group(
        name,
        move || assert!(peers.check(std::hint::black_box(&peer), NOW).is_some()),
        move || {
            let outcome = totp.verify(std::hint::black_box(&code), now, None);
            assert!(matches!(outcome, TotpOutcome::Accepted { .. }));
        },
    )
}

pub(super) fn miss(name: &'static str) -> Group {
    // By chance one code in a million is right; this one is of an hour later.
    let code = theirs().generate(NOW + 3_600).to_string();
    let peer = code.clone();
    let (totp, now) = (ours(), Timestamp::from_unix_seconds(NOW.cast_signed()));
    let peers = theirs();
    group(
        name,
        move || assert!(peers.check(std::hint::black_box(&peer), NOW).is_none()),
        move || {
            let outcome = totp.verify(std::hint::black_box(&code), now, None);
            assert_eq!(outcome, TotpOutcome::Wrong);
        },
    )
}

fn group(name: &'static str, peer: impl FnMut() + 'static, ours: impl FnMut() + 'static) -> Group {
    Group {
        name,
        target: Target::TimesPeer(1.3),
        cases: vec![
            Case::new(Role::Peer, "totp-rs, a step either way", peer),
            Case::new(Role::Ours, "Totp::verify, the step before as well", ours),
        ],
    }
}

fn theirs() -> totp_rs::Totp {
    totp_rs::Builder::new().with_secret(SECRET).build().unwrap()
}

fn ours() -> Totp {
    Totp::new(OtpSecret::from_bytes(SecretBytes::new(SECRET.to_vec())).unwrap())
}
