#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keycask_fuzz::token(data));
