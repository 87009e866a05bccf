//! What a hostile token costs: bytes of memory and time, measured.

use std::time::Duration;

use fountain_core::{Clock, Reason, SystemClock};
use serde_json::json;

use crate::token_world::*;

/// R-08, R-12, B-26: 500 MB are refused in less than 1 ms with less than 64 KiB of memory.
#[test]
fn half_a_gigabyte_is_refused_at_once_and_for_nothing() {
    let zeros = vec![0; 500_000_000];
    let token = str::from_utf8(&zeros).unwrap();
    let (reason, cost, memory) = measured(token);
    assert_eq!(reason, Reason::TokenTooLarge);
    assert!(cost < Duration::from_millis(1), "{cost:?}");
    assert_eq!(memory, 0);
}

/// R-08, B-20, B-21, B-26..B-28: the worst that fits the bound is refused with less than 64 KiB of memory.
#[test]
fn no_token_within_the_bound_takes_much_memory() {
    let filler = "A".repeat(8_000);
    let many: String = (0..700).map(|i| format!(",\"{i}\":0")).collect();
    let arrays = format!("[{}0]", "[],".repeat(1_700));
    for token in [
        ".".repeat(8_192),
        format!("{filler}.AA.AA"),
        format!("AA.{filler}.AA"),
        format!("AA.AA.{filler}"),
        format!(
            "{}..AA.{filler}.AA",
            encode(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#)
        ),
        format!(
            "{}.AA.AA",
            encode(format!("{{\"alg\":\"EdDSA\",\"x\":{}}}", "[".repeat(2_000)))
        ),
        WORLD.token(with_text(claims(), "x", &"[".repeat(5_000))),
        WORLD.token(with_text(claims(), "x", &format!("0{many}"))),
        WORLD.token(with_text(claims(), "x", &arrays)),
        WORLD.token(with_text(claims(), "x", &"9".repeat(5_000))),
        WORLD.token(with_text(
            claims(),
            "roles",
            &format!("[{}\"r\"]", "\"r\",".repeat(1_200)),
        )),
        WORLD.token(with_text(
            claims(),
            "scope",
            &format!("\"{}s\"", "s ".repeat(2_500)),
        )),
    ] {
        assert!(token.len() <= 8_192, "{}", token.len());
        let (reason, _, memory) = measured(&token);
        assert!(memory < 65_536, "{reason}: {memory} bytes");
    }
}

/// The means of measuring measure: a good token takes memory, and not much.
#[test]
fn a_good_token_takes_memory_for_its_claims() {
    let token = WORLD.token(with(claims(), "extra", json!({"a": [1, 2, 3]})).to_string());
    let used = allocation_counter::measure(|| {
        WORLD.verify(&token).unwrap();
    });
    assert!((1..8_192).contains(&used.bytes_max), "{used:?}");
}

/// Why a token was refused, how long that took and how many bytes were held at most.
fn measured(token: &str) -> (Reason, Duration, u64) {
    let clock = SystemClock::new();
    // Made before, so that it does not count.
    assert!(WORLD.verify("").is_err());
    let mut result = None;
    let began = clock.monotonic();
    let used = allocation_counter::measure(|| result = Some(WORLD.verify(token)));
    let cost = clock.monotonic() - began;
    let reason = result.unwrap().expect_err("it is hostile").reason();
    (reason, cost, used.bytes_max)
}
