#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::signed::controls(), |data: &[u8]| {
    fountain_fuzz::signed::check(data);
});
