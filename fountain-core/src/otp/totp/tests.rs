use std::time::Duration;

use super::*;
use crate::danger::insecure_otp_secret;
use crate::otp::digits::malformed;
use crate::secret::SecretBytes;

fn secret(bytes: &[u8]) -> OtpSecret {
    insecure_otp_secret(&SecretBytes::new(bytes.to_vec())).unwrap()
}

fn totp() -> Totp {
    Totp::new(secret(b"12345678901234567890"))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

const NOW: i64 = 1_900_000_005;

/// The code of the step so many steps from now's.
fn code(totp: &Totp, steps: i64) -> String {
    totp.code_at(at(NOW + 30 * steps))
        .unwrap()
        .expose()
        .to_owned()
}

/// RFC 6238 appendix B, all 18.
#[test]
fn all_18_vectors_of_rfc_6238_are_computed_and_accepted() {
    let keys: [(OtpAlgorithm, &[u8]); 3] = [
        (OtpAlgorithm::Sha1, b"12345678901234567890"),
        (OtpAlgorithm::Sha256, b"12345678901234567890123456789012"),
        (
            OtpAlgorithm::Sha512,
            b"1234567890123456789012345678901234567890123456789012345678901234",
        ),
    ];
    for (seconds, expected) in [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ] {
        for ((algorithm, key), expected) in keys.iter().zip(expected) {
            let totp = Totp::new(secret(key))
                .algorithm(*algorithm)
                .digits(Digits::Eight);
            let now = at(seconds);
            assert_eq!(totp.code_at(now).unwrap().expose(), expected);
            let step = totp.step_at(now).unwrap();
            assert_eq!(
                totp.verify(expected, now, None),
                TotpOutcome::Accepted { step }
            );
            assert_eq!(step.number(), u64::try_from(seconds).unwrap() / 30);
        }
    }
}

/// R-47, B-59
#[test]
fn the_window_is_what_was_configured_and_no_step_more() {
    for past in 0..=2 {
        for future in 0..=2 {
            let totp = totp().window(TotpWindow::new(past, future).unwrap());
            for steps in -4..=4_i64 {
                let expected = -i64::from(past) <= steps && steps <= i64::from(future);
                let outcome = totp.verify(&code(&totp, steps), at(NOW), None);
                let step = totp.step_at(at(NOW + 30 * steps)).unwrap();
                let accepted = TotpOutcome::Accepted { step };
                let said = if expected {
                    accepted
                } else {
                    TotpOutcome::Wrong
                };
                assert_eq!(outcome, said, "{past} {future} {steps}");
            }
        }
    }
    for (past, future) in [(3, 0), (0, 3), (255, 255)] {
        assert!(TotpWindow::new(past, future).is_err());
    }
    assert!(serde_json::from_str::<TotpWindow>("[9,0]").is_err());
}

/// T and T-1 unless told otherwise.
#[test]
fn a_code_is_good_from_the_first_second_of_its_step_to_the_last_of_the_next() {
    let totp = totp();
    let begin = NOW - NOW % 30;
    let code = totp.code_at(at(begin)).unwrap();
    for (seconds, accepted) in [(-1, false), (0, true), (59, true), (60, false)] {
        let now = at(begin + seconds);
        let outcome = totp.verify(code.expose(), now, None);
        assert_eq!(
            matches!(outcome, TotpOutcome::Accepted { .. }),
            accepted,
            "{seconds}"
        );
    }
    let last = at(begin + 60) - Duration::from_micros(1);
    assert!(matches!(
        totp.verify(code.expose(), last, None),
        TotpOutcome::Accepted { .. }
    ));
}

/// what the store's atomic step decides again.
#[test]
fn a_step_that_is_not_after_the_last_one_is_a_replay() {
    let totp = totp().window(TotpWindow::new(2, 2).unwrap());
    let present = totp.step_at(at(NOW)).unwrap().number();
    for steps in -2..=2_i64 {
        let step = TotpStep::new(present.checked_add_signed(steps).unwrap());
        for last in (present - 4)..=(present + 2) {
            let outcome = totp.verify(&code(&totp, steps), at(NOW), Some(TotpStep::new(last)));
            let expected = if step.number() > last {
                TotpOutcome::Accepted { step }
            } else {
                TotpOutcome::Replayed { step }
            };
            assert_eq!(outcome, expected);
        }
        // A wrong code is wrong, whatever was taken.
        let wrong = totp.verify("000000", at(NOW), Some(step));
        assert_eq!(wrong, TotpOutcome::Wrong);
    }
}

/// R-50, B-57, B-58
#[test]
fn what_is_no_code_is_malformed_before_anything_is_computed() {
    let totp = totp();
    let good = code(&totp, 0);
    for bad in malformed(&good) {
        assert_eq!(
            totp.verify(&bad, at(NOW), None),
            TotpOutcome::Malformed,
            "{bad:?}"
        );
    }
    let eight = totp.clone().digits(Digits::Eight);
    assert_eq!(eight.verify(&good, at(NOW), None), TotpOutcome::Malformed);
}

/// F-30: a clock that jumps ahead and back again must neither accept a code twice nor go unnoticed.
#[test]
fn a_clock_behind_the_last_step_accepts_nothing_and_says_so() {
    let totp = totp();
    let ahead = at(NOW + 3_600);
    let in_the_future = totp.code_at(ahead).unwrap();
    let TotpOutcome::Accepted { step: last } = totp.verify(in_the_future.expose(), ahead, None)
    else {
        panic!("it is the code of that hour");
    };
    let present = totp.step_at(at(NOW)).unwrap();
    for submitted in [code(&totp, 0), code(&totp, -1), "000000".to_owned()] {
        let outcome = totp.verify(&submitted, at(NOW), Some(last));
        assert_eq!(outcome, TotpOutcome::ClockBehind { last, now: present });
    }
    // When time has caught up, all is as it was.
    let next = at(NOW + 3_600 + 30);
    let code = totp.code_at(next).unwrap();
    assert!(matches!(
        totp.verify(code.expose(), next, Some(last)),
        TotpOutcome::Accepted { .. }
    ));

    // A step ahead that the window allows is not a jump: the next code is only not there yet.
    let wide = totp.window(TotpWindow::new(1, 1).unwrap());
    let last = Some(TotpStep::new(present.number() + 1));
    let outcome = wide.verify(&self::code(&wide, 0), at(NOW), last);
    assert_eq!(outcome, TotpOutcome::Replayed { step: present });
}

/// F-30
#[test]
fn no_instant_panics_or_overflows() {
    for window in [(0, 0), (2, 2)] {
        let window = TotpWindow::new(window.0, window.1).unwrap();
        let totp = totp().window(window);
        for now in [
            Timestamp::MIN,
            at(-1),
            at(0),
            at(29),
            at(61),
            Timestamp::MAX,
        ] {
            for last in [None, Some(TotpStep::new(0)), Some(TotpStep::new(u64::MAX))] {
                let outcome = totp.verify("123456", now, last);
                assert!(!matches!(outcome, TotpOutcome::Accepted { .. }));
            }
        }
        assert!(totp.code_at(at(-1)).is_none() && totp.step_at(Timestamp::MIN).is_none());
        let first = totp.code_at(at(0)).unwrap();
        assert_eq!(
            totp.verify(first.expose(), at(-1), None),
            TotpOutcome::Wrong
        );
        assert!(matches!(
            totp.verify(first.expose(), at(0), None),
            TotpOutcome::Accepted { .. }
        ));
    }
}

#[test]
fn periods_are_15_to_300_seconds() {
    for bad in [0, 1, 14, 301, 1 << 31, u32::MAX] {
        assert!(totp().period(bad).is_err());
    }
    let minute = totp().period(60).unwrap();
    assert_eq!(minute.step_at(at(119)).unwrap().number(), 1);
    assert_eq!(
        minute.code_at(at(60)).unwrap().expose(),
        minute.code_at(at(119)).unwrap().expose()
    );
}

/// two steps of a window of a million codes.
#[test]
fn a_guess_hits_as_often_as_the_window_is_wide() {
    let totp = totp();
    let hits = |window: TotpWindow| {
        let totp = totp.clone().window(window);
        (0..1_000_000_u32)
            .step_by(4)
            .filter(|guess| {
                totp.verify(&format!("{guess:06}"), at(NOW), None) != TotpOutcome::Wrong
            })
            .count()
    };
    // Of a quarter of all codes, at most as many as there are steps.
    assert!(hits(TotpWindow::default()) <= 2);
}

///
#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", totp());
    assert!(
        shown.contains("period: 30") && !shown.contains("1234"),
        "{shown}"
    );
}
