#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::jwk::controls(), |data: &[u8]| {
    fountain_fuzz::jwk::check(data);
});
