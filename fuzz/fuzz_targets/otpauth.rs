#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::otpauth::controls(), |data: &[u8]| {
    fountain_fuzz::otpauth::check(data);
});
