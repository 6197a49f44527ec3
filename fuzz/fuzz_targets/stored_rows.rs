//! libFuzzer over what is found on the disk.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(&["stored"], bytes));
