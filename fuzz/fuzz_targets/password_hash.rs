#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::password_hash::controls(), |data: &[u8]| {
    fountain_fuzz::password_hash::check(data);
});
