#![no_main]

libfuzzer_sys::fuzz_target!(init: fountain_fuzz::audit::controls(), |data: &[u8]| {
    fountain_fuzz::audit::check(data);
});
