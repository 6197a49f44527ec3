//! Files that only look like a plugin's component, and components that do harm before any export is
//! called: refused by name, or stopped.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{LIMITS, ShutDoor, document, first_account, forge, load_in, text};
use loong::component::bindings::Step;
use loong::component::call_error::CallError;
use loong::component::channel::{Channel, Identity};
use loong::component::engine::Sandbox;
use loong::component::state::Variables;
use loong::error::{Failure, chain};
use loong::plain_text::is_plain;
use serde_json::json;
use sha2::{Digest, Sha256};

fn imports(name: &str) -> Vec<u8> {
    forge::text(&format!("(component (import \"{name}\" (instance)))"))
}

/// A component that exports the right name, and behind it what `inside` says.
fn exports(inside: &str) -> Vec<u8> {
    forge::text(&format!(
        "(component (component $c {inside}) (instance $i (instantiate $c))
         (export \"loong:channel/channel@0.1.0\" (instance $i)))"
    ))
}

#[test]
fn each_file_that_does_not_fit_is_refused_by_what_does_not() {
    let real = forge::real();
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "it is no WebAssembly component"),
        (
            "garbage",
            vec![0x7f; 4_096],
            "it is no WebAssembly component",
        ),
        (
            "a script",
            b"#!/bin/sh\nexit 0\n".to_vec(),
            "it is no WebAssembly component",
        ),
        (
            "its text",
            b"(component)".to_vec(),
            "it is no WebAssembly component",
        ),
        (
            "truncated",
            real[..real.len() / 2].to_vec(),
            "it is no WebAssembly component",
        ),
        ("its head alone", real[..8].to_vec(), "it is no channel"),
        (
            "a core module",
            forge::text("(module)"),
            "it is no WebAssembly component",
        ),
        (
            "another version",
            forge::renamed("@0.1.0", "@0.2.0"),
            "built for loong:channel@0.2.0, this host speaks 0.1.0",
        ),
        (
            "an import that the contract does not have",
            forge::renamed("loong:channel/log@0.1.0", "loong:channel/run@0.1.0"),
            "it wants `loong:channel/run@0.1.0`, which this host gives to nobody",
        ),
        (
            "files",
            imports("wasi:filesystem/preopens@0.2.0"),
            "it wants `wasi:filesystem/",
        ),
        (
            "sockets",
            imports("wasi:sockets/tcp@0.2.0"),
            "it wants `wasi:sockets/",
        ),
        (
            "the web",
            imports("wasi:http/outgoing-handler@0.2.0"),
            "it wants `wasi:http/",
        ),
        (
            "a clock",
            imports("wasi:clocks/wall-clock@0.2.0"),
            "it wants `wasi:clocks/",
        ),
        (
            "randomness",
            imports("wasi:random/random@0.2.0"),
            "it wants `wasi:random/",
        ),
        (
            "a shell",
            imports("acme:shell/run@1.0.0"),
            "it wants `acme:shell/",
        ),
        (
            "no export",
            forge::text("(component)"),
            "it does not export loong:channel/channel@0.1.0",
        ),
        (
            "an empty export",
            exports(""),
            "do not have the contract's types",
        ),
        (
            "an export of another type",
            exports(
                "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
                 (func (export \"validate-config\") (canon lift (core func $i \"f\")))",
            ),
            "do not have the contract's types",
        ),
    ];
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    for (name, bytes, expected) in table {
        let error = sandbox.compile(&bytes).map(drop).unwrap_err();
        let words = chain(&error);
        assert!(words.contains(expected), "{name}: {words}");
        assert!(is_plain(&words) && words.len() < 2_000, "{name}: {words}");
    }
}

fn why(sandbox: &Sandbox, path: &Path, digest: Option<&str>) -> String {
    chain(&sandbox.load(path, digest).map(drop).unwrap_err())
}

#[test]
fn a_file_that_is_too_large_or_none_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let file = place.path().join("x.wasm");
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let words = why(&sandbox, &file, None);
    assert!(words.contains("it has more than 1048576 bytes"), "{words}");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    let words = why(&sandbox, &file, None);
    assert!(words.contains("it is a pipe, not a file"), "{words}");
}

#[test]
fn a_component_that_is_not_the_pinned_one_is_not_even_read_as_one() {
    let place = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let file = place.path().join("x.wasm");
    let real = forge::real();
    let digest = hex::encode(Sha256::digest(&real));
    fs::write(&file, &real).unwrap();
    assert!(sandbox.load(&file, Some(&digest.to_uppercase())).is_ok());
    // What has been exchanged for something that is no component says so by its digest alone.
    fs::write(&file, "something else").unwrap();
    let words = why(&sandbox, &file, Some(&digest));
    assert!(
        words.contains("it is not the file its manifest pins"),
        "{words}"
    );
}

async fn channel(sandbox: &Sandbox, bytes: &[u8]) -> Channel {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("forged.wasm");
    fs::write(&file, bytes).unwrap();
    let identity = Identity {
        plugin_id: "forged".into(),
        version: "1.2.3".into(),
        variable_names: vec![],
        component_sha256: None,
    };
    let door = Arc::new(ShutDoor::default());
    Channel::load(sandbox, &file, identity, door, Variables::fixed([]))
        .await
        .unwrap()
}

#[tokio::test]
async fn harm_that_is_done_before_a_call_is_stopped_in_every_call() {
    let many = |what: &str, count: usize| format!("(module {})", what.repeat(count));
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let tame = load_in(&sandbox, "hostile-channel.wasm", ShutDoor::default()).await;
    let account = first_account(&tame.validate_config(document(&json!({}))).await.unwrap());
    let table: [(&str, String, &str); 11] = [
        (
            "a start that does not end",
            "(module (func $s (loop (br 0))) (start $s))".into(),
            "plugin_out_of_fuel",
        ),
        (
            "a start that traps",
            "(module (func $s unreachable) (start $s))".into(),
            "plugin_trapped",
        ),
        (
            "a start that calls itself",
            "(module (func $s (call $s)) (start $s))".into(),
            "plugin_trapped",
        ),
        (
            "a start that fills memory for ever",
            "(module (memory 128) (func $s (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 8388608)) (br 0))) (start $s))".into(),
            "plugin_out_of_fuel",
        ),
        ("memory of 4 GiB", "(module (memory 65536))".into(), "plugin_out_of_memory"),
        (
            "memory that grows",
            "(module (memory 1) (func $s (loop (drop (memory.grow (i32.const 1))) (br 0))) (start $s))".into(),
            "plugin_out_of_memory",
        ),
        ("a table too large", "(module (table 1000000 funcref))".into(), "plugin_table_too_large"),
        (
            "a table that grows",
            "(module (table 1 funcref) (func $s (loop (drop (table.grow 0 (ref.null func) (i32.const 1000))) (br 0))) (start $s))".into(),
            "plugin_table_too_large",
        ),
        ("too many tables", many("(table 1 funcref)", 17), "plugin_trapped"),
        ("too many memories", many("(memory 0)", 33), "plugin_trapped"),
        (
            "names that act on a terminal",
            "(module (func $s (@name \"x\\u{1b}[2J\\nhint: run this\") unreachable) (start $s))".into(),
            "plugin_trapped",
        ),
    ];
    for (name, wat, code) in table {
        let channel = channel(&sandbox, &forge::with_module(&wat)).await;
        let read = channel.validate_config(document(&json!({}))).await;
        let sent = channel.send(&account, text("x", "y")).await;
        let done = channel.serve_step(&account, Step::Finish("b".into())).await;
        let errors: [CallError; 3] = [read.unwrap_err(), sent.unwrap_err(), done.unwrap_err()];
        for error in errors {
            assert_eq!(error.code(), code, "{name}: {error}");
            let failure = Failure::from(error);
            assert!(
                failure.message.starts_with("plugin forged 1.2.3, call "),
                "{failure}"
            );
            assert!(is_plain(&failure.message), "{failure}");
            assert!(failure.hint.is_some(), "{name}");
        }
        assert!(tame.send(&account, text("x", "y")).await.is_ok(), "{name}");
    }
}
