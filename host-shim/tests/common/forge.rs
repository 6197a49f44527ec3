//! Components that nobody would build: forged from WebAssembly text, or from a real one.

use std::fs;

use super::component;

/// A component from its text.
pub fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// The hostile component, tame, as a file's bytes.
pub fn real() -> Vec<u8> {
    fs::read(component("hostile-channel.wasm")).unwrap()
}

/// A real component in which a name stands for another of the same length.
pub fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "lengths are part of the format");
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut bytes = real();
    let places: Vec<usize> = (0..=bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty(), "it has no such name");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// A real component with one core module more, from its text, which is instantiated with it.
pub fn with_module(wat: &str) -> Vec<u8> {
    let mut bytes = real();
    let index = u8::try_from(core_modules(&bytes)).unwrap();
    let module = text(wat);
    section(&mut bytes, CORE_MODULE, &module);
    // One instance, made of a module, with no arguments. Indices of less than 128 are one byte.
    section(&mut bytes, CORE_INSTANCE, &[1, 0, index, 0]);
    bytes
}

const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;
/// The magic number and the version before the sections.
const HEAD: usize = 8;

fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
}

/// How many core modules a component has itself: not those inside of components in it.
fn core_modules(bytes: &[u8]) -> usize {
    let (mut at, mut count) = (HEAD, 0);
    while at < bytes.len() {
        count += usize::from(bytes[at] == CORE_MODULE);
        at += 1;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = bytes[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += length;
    }
    count
}
