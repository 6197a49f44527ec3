//! libFuzzer over the channel's block of the configuration.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(
    &["block", "settings", "bridge_url"],
    bytes
));
