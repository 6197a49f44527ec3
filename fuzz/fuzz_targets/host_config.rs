//! libFuzzer over the operator's configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(
    &["host_config", "changed_config"],
    bytes
));
