#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::header::controls(), |data: &[u8]| {
    fountain_fuzz::header::check(data);
});
