#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::jwks::controls(), |data: &[u8]| {
    fountain_fuzz::jwks::check(data);
});
