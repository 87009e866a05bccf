#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::token::controls(), |data: &[u8]| {
    fountain_fuzz::token::check(data);
});
