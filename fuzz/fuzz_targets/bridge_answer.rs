//! libFuzzer over what goes to the bridge and what comes back.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(
    &["requests", "received"],
    bytes
));
