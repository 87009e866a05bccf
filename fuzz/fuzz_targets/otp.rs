#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::otp::controls(), |data: &[u8]| {
    fountain_fuzz::otp::check(data);
});
