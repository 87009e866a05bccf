#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::sealed::controls(), |data: &[u8]| {
    fountain_fuzz::sealed::check(data);
});
