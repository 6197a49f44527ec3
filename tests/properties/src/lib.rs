//! What must hold for every input, whoever makes it. Each property is said once and tried in two ways:
//! with inputs that proptest draws (`cargo test`, and by the thousand in the program of this crate), and
//! with those that libFuzzer finds by watching which code they reach (`fuzz/`). docs/fuzzing.md tells how.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property fails by panicking"
)]

#[macro_use]
mod property;
mod input;
mod made;

mod allowlist;
mod block;
mod bridge_lines;
mod bridge_url;
mod changed_config;
mod host_config;
mod identity;
mod manifest;
mod printed;
mod received;
mod requests;
mod settings;
mod stored;
mod target;
mod words;

pub use property::{Broken, Property};

/// Properties by their part of the product; each part is a fuzz target, too.
pub const PARTS: &[(&str, &[Property])] = &[
    ("target", target::ALL),
    ("identity", identity::ALL),
    ("allowlist", allowlist::ALL),
    ("block", block::ALL),
    ("settings", settings::ALL),
    ("bridge_url", bridge_url::ALL),
    ("requests", requests::ALL),
    ("received", received::ALL),
    ("manifest", manifest::ALL),
    ("host_config", host_config::ALL),
    ("changed_config", changed_config::ALL),
    ("bridge_lines", bridge_lines::ALL),
    ("printed", printed::ALL),
    ("words", words::ALL),
    ("stored", stored::ALL),
];

/// Tries one property of some parts: the first byte chooses it, from the others its input is made.
///
/// # Panics
/// The property does not hold, or there is no such part.
pub fn fuzz(parts: &[&str], bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let properties: Vec<&Property> = parts
        .iter()
        .flat_map(|part| of_part(part))
        .filter(|property| property.cost <= FOR_FUZZING)
        .collect();
    properties[usize::from(*first) % properties.len()].feed(rest);
}

/// What costs more is left to proptest: libFuzzer needs many cases to learn anything.
const FOR_FUZZING: u32 = 20;

fn of_part(part: &str) -> &'static [Property] {
    let found = PARTS.iter().find(|(name, _)| *name == part);
    found
        .unwrap_or_else(|| panic!("there is no part {part:?}"))
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_fuzzed_by_one_target_and_every_target_has_parts() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
        let mut fuzzed: Vec<String> = Vec::new();
        for target in std::fs::read_dir(folder).unwrap() {
            let source = std::fs::read_to_string(target.unwrap().path()).unwrap();
            let list = source
                .split_once("&[\"")
                .unwrap()
                .1
                .split_once(']')
                .unwrap()
                .0;
            fuzzed.extend(
                list.split(',')
                    .map(|part| part.trim().trim_matches('"').to_owned()),
            );
        }
        fuzzed.sort();
        let mut parts: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        parts.sort_unstable();
        assert_eq!(fuzzed, parts);
    }

    #[test]
    fn a_property_that_does_not_hold_is_told_with_its_smallest_input() {
        let property = Property {
            name: "all_numbers_are_small",
            cost: 1,
            tried: |trial| trial.of(|| 0_u32..1_000, |number| assert!(number < 100, "too large")),
        };
        let broken = property.hold(1_000, Some(7)).unwrap_err();
        assert_eq!(broken.input, "100");
        assert!(broken.reason.contains("too large"), "{broken:?}");
        assert!(std::panic::catch_unwind(|| property.feed(&[0xff; 8])).is_err());
    }
}
