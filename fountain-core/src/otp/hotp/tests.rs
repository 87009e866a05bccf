use super::*;
use crate::danger::insecure_otp_secret;
use crate::otp::digits::malformed;
use crate::secret::SecretBytes;

/// RFC 4226 appendix D.
const VECTORS: [&str; 10] = [
    "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
    "520489",
];

fn hotp() -> Hotp {
    let secret = SecretBytes::new(b"12345678901234567890".to_vec());
    Hotp::new(insecure_otp_secret(&secret).unwrap())
}

fn ahead(codes: u8) -> Hotp {
    hotp().look_ahead(LookAhead::new(codes).unwrap())
}

///
#[test]
fn all_10_vectors_of_rfc_4226_are_computed_and_accepted() {
    for (counter, expected) in (0..).zip(VECTORS) {
        assert_eq!(hotp().code_at(counter).expose(), expected);
        let next = counter + 1;
        assert_eq!(
            hotp().verify(expected, counter),
            HotpOutcome::Accepted { next }
        );
    }
}

/// every counter against every code, for every width, held against the definition.
#[test]
fn the_counter_moves_forward_only_and_no_further_than_is_looked_ahead() {
    for codes in [0, 1, 5, 20] {
        let hotp = ahead(codes);
        for counter in 0..30_u64 {
            for of in 0..60_u64 {
                let outcome = hotp.verify(hotp.code_at(of).expose(), counter);
                let within = counter <= of && of <= counter + u64::from(codes);
                let expected = if within {
                    HotpOutcome::Accepted { next: of + 1 }
                } else {
                    HotpOutcome::Wrong
                };
                assert_eq!(outcome, expected, "{codes} {counter} {of}");
            }
        }
    }
    assert!(LookAhead::new(21).is_err());
    assert_eq!(LookAhead::default(), LookAhead::new(5).unwrap());
}

/// a history of presses, uses, replays and losses; no code is ever accepted twice.
#[test]
fn no_code_is_accepted_twice_in_any_history() {
    let hotp = ahead(3);
    let codes: Vec<String> = (0..12)
        .map(|counter| hotp.code_at(counter).expose().to_owned())
        .collect();
    // Every sequence of three submissions out of the first twelve codes.
    for first in 0..12 {
        for second in 0..12 {
            for third in 0..12 {
                let (mut counter, mut used) = (0, Vec::new());
                for submitted in [first, second, third] {
                    if let HotpOutcome::Accepted { next } = hotp.verify(&codes[submitted], counter)
                    {
                        assert!(next > counter);
                        assert!(!used.contains(&submitted));
                        used.push(submitted);
                        counter = next;
                    }
                }
            }
        }
    }
}

///
#[test]
fn two_codes_in_a_row_bring_a_token_back_and_nothing_else_does() {
    let hotp = hotp();
    let code = |counter| hotp.code_at(counter).expose().to_owned();
    for counter in [0, 7] {
        for far in [0, 6, 50, Hotp::RESYNC] {
            let at = counter + far;
            let outcome = hotp.resynchronise(&code(at), &code(at + 1), counter);
            assert_eq!(outcome, HotpOutcome::Accepted { next: at + 2 }, "{far}");
            for (one, two) in [(at, at), (at + 1, at), (at, at + 2)] {
                let outcome = hotp.resynchronise(&code(one), &code(two), counter);
                assert_eq!(outcome, HotpOutcome::Wrong);
            }
        }
        let beyond = counter + Hotp::RESYNC + 1;
        let outcome = hotp.resynchronise(&code(beyond), &code(beyond + 1), counter);
        assert_eq!(outcome, HotpOutcome::Wrong);
    }
    // Not back, neither.
    assert_eq!(
        hotp.resynchronise(&code(3), &code(4), 4),
        HotpOutcome::Wrong
    );
}

/// R-50, B-57, B-58
#[test]
fn what_is_no_code_is_malformed() {
    for bad in malformed(VECTORS[0]) {
        assert_eq!(hotp().verify(&bad, 0), HotpOutcome::Malformed, "{bad:?}");
        assert_eq!(
            hotp().resynchronise(&bad, VECTORS[1], 0),
            HotpOutcome::Malformed
        );
        assert_eq!(
            hotp().resynchronise(VECTORS[0], &bad, 0),
            HotpOutcome::Malformed
        );
    }
}

#[test]
fn the_last_counters_are_used_up_and_do_not_wrap() {
    let hotp = ahead(20);
    let code = |counter| hotp.code_at(counter).expose().to_owned();
    let last = u64::MAX - 1;
    let outcome = hotp.verify(&code(last), last - 3);
    assert_eq!(outcome, HotpOutcome::Accepted { next: u64::MAX });
    // No counter comes after it, so its code is never accepted.
    assert_eq!(hotp.verify(&code(u64::MAX), last), HotpOutcome::Wrong);
    assert_eq!(hotp.verify(&code(0), u64::MAX), HotpOutcome::Wrong);
    let outcome = hotp.resynchronise(&code(last), &code(u64::MAX), last);
    assert_eq!(outcome, HotpOutcome::Wrong);
}

///
#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", hotp()).contains("1234"));
}
