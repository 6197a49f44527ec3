use serde_json::{Value, json};

use super::*;

fn integrity() -> String {
    format!("sha512-{}==", "A".repeat(86))
}

fn package() -> Value {
    json!({"version": "1.0.0", "integrity": integrity(), "license": "MIT"})
}

fn manifest(version: &str) -> Package {
    serde_json::from_value(json!({"dependencies": {"a": version}})).unwrap()
}

/// A good lock file, with `change` made to its one package.
fn lock(change: impl FnOnce(&mut Value)) -> Lock {
    let mut package = package();
    change(&mut package);
    with(json!({"": {"dependencies": {"a": "1.0.0"}}, "node_modules/a": package}))
}

fn with(packages: Value) -> Lock {
    serde_json::from_value(json!({"lockfileVersion": 3, "packages": packages})).unwrap()
}

fn refused(lock: &Lock, words: &str) {
    let found = faults(&manifest("1.0.0"), lock);
    assert!(
        found.iter().any(|fault| fault.contains(words)),
        "{words:?}: {found:?}"
    );
}

#[test]
fn a_lock_file_as_it_should_be_has_no_faults() {
    assert_eq!(
        faults(&manifest("1.0.0"), &lock(|_| ())),
        Vec::<String>::new()
    );
}

#[test]
fn only_an_exact_version_is_asked_for() {
    for version in [
        "^1.0.0",
        "~1.0.0",
        "1.x",
        "*",
        "",
        "latest",
        "1.0",
        "1.0.0 || 2.0.0",
        ">=1.0.0",
        "git+https://x/y.git",
        "file:../a",
        "npm:b@1.0.0",
        "1.0.0-",
    ] {
        let lock = with(json!({"": {"dependencies": {"a": version}}}));
        let found = faults(&manifest(version), &lock);
        assert!(
            found.iter().any(|fault| fault.contains("no exact version")),
            "{version:?}: {found:?}"
        );
    }
    assert!(is_exact("7.0.0-rc14"));
}

#[test]
fn a_lock_file_of_another_shape_or_for_another_package_is_refused() {
    let mut old = lock(|_| ());
    old.lockfile_version = 2;
    refused(&old, "version 2, not 3");
    let found = faults(&manifest("2.0.0"), &lock(|_| ()));
    assert!(
        found
            .iter()
            .any(|fault| fault.contains("another package.json")),
        "{found:?}"
    );
    refused(&with(json!({})), "another package.json");
    let overriding: Package = serde_json::from_value(
        json!({"dependencies": {"a": "1.0.0"}, "overrides": {"b": "1.0.0"}}),
    )
    .unwrap();
    let found = faults(&overriding, &lock(|_| ()));
    assert!(
        found.iter().any(|fault| fault.contains("overrides")),
        "{found:?}"
    );
}

#[test]
fn a_package_without_a_strong_digest_is_refused() {
    for integrity in [
        Value::Null,
        "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=".into(),
        "sha512-short==".into(),
        "".into(),
    ] {
        refused(&lock(|it| it["integrity"] = integrity), "no SHA-512 digest");
    }
}

#[test]
fn a_package_from_anywhere_but_the_registry_is_refused() {
    for place in [
        "git+ssh://git@github.com/x/y.git#abc",
        "https://codeload.github.com/x/y/tar.gz/abc",
        "https://packages.example.com/a/-/a-1.0.0.tgz",
        "file:../a",
    ] {
        refused(
            &lock(|it| it["resolved"] = place.into()),
            "not from the registry",
        );
        refused(
            &lock(|it| it["dependencies"] = json!({"b": place})),
            "asks for b from",
        );
    }
    refused(
        &lock(|it| it["optionalDependencies"] = json!({"b": "x/y"})),
        "asks for b from",
    );
    refused(&lock(|it| it["link"] = true.into()), "is a link");
    refused(
        &lock(|it| it["inBundle"] = true.into()),
        "inside another package",
    );
    refused(
        &lock(|it| it["version"] = "git+https://x/y".into()),
        "no exact one",
    );
    let outside = with(json!({"": {"dependencies": {"a": "1.0.0"}}, "packages/a": package()}));
    refused(&outside, "outside node_modules");
}

#[test]
fn an_install_script_that_nobody_has_read_is_refused_and_so_is_a_list_that_is_out_of_date() {
    refused(
        &lock(|it| it["hasInstallScript"] = true.into()),
        "install script that nobody has read",
    );
    let of = |version: &str, script: bool| {
        with(
            json!({"node_modules/protobufjs": {"version": version, "integrity": integrity(), "license": "BSD-3-Clause", "hasInstallScript": script}}),
        )
    };
    let newer = of("7.99.0", true);
    assert!(
        faults(&Package::default(), &newer)
            .iter()
            .any(|fault| fault.contains("nobody has read"))
    );
    for lock in [newer, of("7.6.6", false)] {
        let found = across([("bridge", &lock)].into_iter());
        assert!(
            found
                .iter()
                .any(|fault| fault.starts_with("protobufjs 7.6.6 is listed")),
            "{found:?}"
        );
    }
}

#[test]
fn a_licence_that_nobody_has_looked_at_is_refused_and_the_gpl_stays_where_it_is() {
    for licence in [
        Value::Null,
        "UNLICENSED".into(),
        "SEE LICENSE IN x".into(),
        "GPL-3.0".into(),
        "AGPL-3.0-only".into(),
    ] {
        refused(&lock(|it| it["license"] = licence), "not looked at");
    }
    let libsignal = with(
        json!({"node_modules/libsignal": {"version": "6.0.0", "integrity": integrity(), "license": "GPL-3.0"}}),
    );
    let found = faults(&Package::default(), &libsignal);
    assert!(
        !found.iter().any(|fault| fault.contains("licence")),
        "{found:?}"
    );
}

#[test]
fn baileys_is_there_once() {
    let of = |places: &[(&str, &str)]| {
        let packages: serde_json::Map<String, Value> = places
            .iter()
            .map(|(place, version)| ((*place).to_owned(), json!({"version": version})))
            .collect();
        with(Value::Object(packages))
    };
    let more_than_once = |locks: &[(&str, &Lock)]| {
        across(locks.iter().copied())
            .iter()
            .any(|fault| fault.contains("more than once"))
    };
    let one = of(&[("node_modules/@whiskeysockets/baileys", "7.0.0-rc14")]);
    let same = of(&[("node_modules/@whiskeysockets/baileys", "7.0.0-rc14")]);
    let newer = of(&[("node_modules/@whiskeysockets/baileys", "7.0.0")]);
    let fork = of(&[("node_modules/baileys", "7.0.0-rc14")]);
    let twice = of(&[
        ("node_modules/@whiskeysockets/baileys", "7.0.0-rc14"),
        (
            "node_modules/x/node_modules/@whiskeysockets/baileys",
            "7.0.0-rc14",
        ),
    ]);
    assert!(!more_than_once(&[("bridge", &one), ("tests", &same)]));
    assert!(more_than_once(&[("bridge", &one), ("tests", &newer)]));
    assert!(more_than_once(&[("bridge", &one), ("tests", &fork)]));
    assert!(more_than_once(&[("bridge", &twice)]));
}
