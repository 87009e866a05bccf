#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::claims::controls(), |data: &[u8]| {
    fountain_fuzz::claims::check(data);
});
