//! libFuzzer over a plugin's manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(&["manifest"], bytes));
