#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::authorization::controls(), |data: &[u8]| {
    fountain_fuzz::authorization::check(data);
});
