//! What a person types as a code: of an authenticator, of a token, of an SMS, from a sheet of paper.
//!
//! A code is exactly six ASCII digits by a plain reading. An authenticator's is accepted when it is one of the two that
//! totp-rs gives for the step and the one before, and then for a step after the last; a token's moves its counter forward,
//! to where totp-rs gives that code. A recovery code is 26 characters of its alphabet when what may stand between them is
//! taken away, and one canonical text is one digest.

use std::sync::LazyLock;

use fountain_core::otp::{
    ChallengeId, DeliveredCode, Digits, Hotp, HotpOutcome, OtpSecret, RecoveryCode, Totp,
    TotpOutcome, TotpStep,
};
use fountain_core::{Pepper, SecretBytes, Timestamp};

use crate::{Seed, Verdict, hold};

const SECRET: [u8; 20] =
    *b"\x9a\x0b\xf5\xd8\x21\x6e\x3c\x47\xe2\x90\x1d\x7f\xa8\x5b\xc4\x33\x06\xee\x79\x12";
const NOW: u64 = 1_900_000_005;
const STEP: u64 = NOW / 30;

static TOTP: LazyLock<Totp> = LazyLock::new(|| Totp::new(secret()));
static HOTP: LazyLock<Hotp> = LazyLock::new(|| Hotp::new(secret()));
static PEPPER: LazyLock<Pepper> = LazyLock::new(|| Pepper::new(&[7; 32]));
static CHALLENGE: LazyLock<ChallengeId> =
    LazyLock::new(|| ChallengeId::new("0123456789ABCDEFGHIJKL").expect("well-formed"));

fn secret() -> OtpSecret {
    OtpSecret::from_bytes(SecretBytes::new(SECRET.to_vec())).expect("random")
}

/// totp-rs's code of a counter, or of a step: a period of one second makes one of the other.
fn theirs(counter: u64) -> String {
    totp_rs::Builder::new()
        .with_secret(SECRET)
        .with_step_duration(1)
        .build()
        .expect("valid")
        .generate(counter)
        .to_string()
}

/// The first byte is what was accepted last: steps ahead of an hour before now, and the counter that is expected.
pub fn check(data: &[u8]) -> Verdict {
    let Some((past, text)) = data.split_first() else {
        return Verdict::Refused;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return Verdict::Refused;
    };
    let is_code = text.len() == 6 && text.chars().all(|c| matches!(c, '0'..='9'));

    let delivered = DeliveredCode::parse(text, Digits::Six);
    assert_eq!(delivered.is_some(), is_code);
    if let Some(code) = &delivered {
        assert_eq!(code.expose(), text);
        let same = DeliveredCode::parse("123456", Digits::Six).expect("a code");
        let equal = code
            .digest(&PEPPER, &CHALLENGE)
            .matches(&same.digest(&PEPPER, &CHALLENGE));
        assert_eq!(equal, text == "123456");
    }

    let last = STEP - 120 + u64::from(*past);
    let totp = by_time(text, is_code, last);
    let hotp = by_counter(text, is_code, u64::from(*past));
    let recovery = recovery(text);
    if totp || hotp || recovery {
        Verdict::Accepted
    } else {
        Verdict::Refused
    }
}

fn by_time(text: &str, is_code: bool, last: u64) -> bool {
    let now = Timestamp::from_unix_seconds(NOW.cast_signed());
    let outcome = TOTP.verify(text, now, Some(TotpStep::new(last)));
    let step = [STEP, STEP - 1]
        .into_iter()
        .find(|step| theirs(*step) == text);
    let expected = match step {
        _ if !is_code => TotpOutcome::Malformed,
        _ if last > STEP => TotpOutcome::ClockBehind {
            last: TotpStep::new(last),
            now: TotpStep::new(STEP),
        },
        None => TotpOutcome::Wrong,
        Some(step) if step <= last => TotpOutcome::Replayed {
            step: TotpStep::new(step),
        },
        Some(step) => TotpOutcome::Accepted {
            step: TotpStep::new(step),
        },
    };
    assert_eq!(outcome, expected);
    matches!(outcome, TotpOutcome::Accepted { .. })
}

fn by_counter(text: &str, is_code: bool, counter: u64) -> bool {
    let outcome = HOTP.verify(text, counter);
    let matched = (counter..=counter + 5).find(|counter| theirs(*counter) == text);
    let expected = match matched {
        _ if !is_code => HotpOutcome::Malformed,
        None => HotpOutcome::Wrong,
        Some(counter) => HotpOutcome::Accepted { next: counter + 1 },
    };
    assert_eq!(outcome, expected);
    matches!(outcome, HotpOutcome::Accepted { .. })
}

fn recovery(text: &str) -> bool {
    let canonical: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let known = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() && !"ILOU".contains(c);
    let is_code = text.len() <= 64 && canonical.len() == 26 && canonical.chars().all(known);
    let parsed = RecoveryCode::parse(text);
    assert_eq!(parsed.is_some(), is_code);
    let Some(code) = parsed else {
        return false;
    };
    assert_eq!(code.reveal().expose().replace('-', ""), canonical);
    let again = RecoveryCode::parse(code.reveal().expose()).expect("what is shown is read");
    assert!(again.digest(&PEPPER).matches(&code.digest(&PEPPER)));
    true
}

pub fn controls() {
    hold(seeds(), check);
}

pub fn seeds() -> Vec<Seed> {
    let seed = |name, past: u8, text: String| (name, [&[past], text.as_bytes()].concat());
    vec![
        seed("accepted-totp", 0, theirs(STEP)),
        seed("accepted-totp-before", 118, theirs(STEP - 1)),
        seed("accepted-hotp", 3, theirs(8)),
        seed(
            "accepted-recovery",
            0,
            "01234-56789-ABCDE-FGHJK-MNPQRS".to_owned(),
        ),
        seed(
            "accepted-recovery-typed",
            0,
            "oi23456789 abcdefghjk mnpqrs".to_owned(),
        ),
        seed("refused-totp-replayed", 120, theirs(STEP)),
        seed("refused-totp-clock", 200, theirs(STEP)),
        seed("refused-totp-old", 0, theirs(STEP - 2)),
        seed("refused-hotp-used", 9, theirs(8)),
        seed("refused-blank", 0, format!(" {}", theirs(STEP))),
        seed("refused-sign", 0, "+12345".to_owned()),
        seed("refused-wide", 0, "１２３４５６".to_owned()),
        seed(
            "refused-recovery-short",
            0,
            "01234-56789-ABCDE-FGHJK-MNPQR".to_owned(),
        ),
    ]
}
