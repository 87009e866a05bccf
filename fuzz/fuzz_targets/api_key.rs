#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::api_key::controls(), |data: &[u8]| {
    fountain_fuzz::api_key::check(data);
});
