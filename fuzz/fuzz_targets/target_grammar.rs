//! libFuzzer over who is meant, and who may write.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loong_properties::fuzz(
    &["target", "identity", "allowlist"],
    bytes
));
