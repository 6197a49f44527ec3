//! libFuzzer over what a person gets to see.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(&["printed", "words"], bytes));
