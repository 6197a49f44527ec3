//! libFuzzer over what the bridge process says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(&["bridge_lines"], bytes));
