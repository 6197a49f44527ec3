//! What a lock file must say before npm may follow it: one version of everything, from the registry, with
//! a digest; and no install script or licence that nobody has looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Packages that bring an install script. None is ever run; each was read, and this is why the package
/// works without.
const INSTALL_SCRIPTS: [(&str, &str, &str); 2] = [
    (
        "@whiskeysockets/baileys",
        "7.0.0-rc14",
        "says that Node is too old; bridge.mjs looks for itself",
    ),
    (
        "protobufjs",
        "7.6.6",
        "says that a version range does not suit it; changes nothing",
    ),
];

/// Licences that were looked at; docs/decisions/0001-licences.md for the last.
const LICENCES: [&str; 8] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BlueOak-1.0.0",
    "ISC",
    "MIT",
    // Of argparse, which the linter reads its own settings with.
    "Python-2.0",
];
const GPL: (&str, &str) = ("libsignal", "GPL-3.0");

/// A package-lock.json.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lock {
    lockfile_version: u32,
    #[serde(default)]
    pub(super) packages: BTreeMap<String, Package>,
}

/// An entry of it, or a package.json.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Package {
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
    license: Option<String>,
    link: bool,
    in_bundle: bool,
    has_install_script: bool,
    dependencies: BTreeMap<String, String>,
    dev_dependencies: BTreeMap<String, String>,
    optional_dependencies: BTreeMap<String, String>,
    peer_dependencies: BTreeMap<String, String>,
    overrides: serde_json::Value,
    workspaces: serde_json::Value,
}

impl Package {
    fn wanted(&self) -> impl Iterator<Item = (&str, &str)> {
        [
            &self.dependencies,
            &self.dev_dependencies,
            &self.optional_dependencies,
            &self.peer_dependencies,
        ]
        .into_iter()
        .flatten()
        .map(|(name, version)| (name.as_str(), version.as_str()))
    }
}

/// What is wrong with one lock file and the package.json that it is for, each in a sentence.
pub(super) fn faults(manifest: &Package, lock: &Lock) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, version) in manifest.wanted() {
        if !is_exact(version) {
            faults.push(format!(
                "package.json asks for {name} {version:?}, which is no exact version"
            ));
        }
    }
    if !manifest.overrides.is_null() || !manifest.workspaces.is_null() {
        faults.push(
            "package.json has overrides or workspaces, which this check does not look through"
                .to_owned(),
        );
    }
    if lock.lockfile_version != 3 {
        faults.push(format!(
            "the lock file has version {}, not 3",
            lock.lockfile_version
        ));
    }
    match lock.packages.get("") {
        Some(root) if root.wanted().eq(manifest.wanted()) => {}
        Some(_) | None => faults.push(
            "the lock file was made for another package.json: run `npm install --ignore-scripts`"
                .to_owned(),
        ),
    }
    for (place, package) in lock.packages.iter().filter(|(place, _)| !place.is_empty()) {
        faults.extend(
            of_package(place, package)
                .into_iter()
                .map(|fault| format!("{place} {fault}")),
        );
    }
    faults
}

fn of_package(place: &str, package: &Package) -> Vec<String> {
    let mut faults = Vec::new();
    let version = package.version.as_deref().unwrap_or_default();
    let Some(name) = name(place).filter(|_| !package.link && !package.in_bundle) else {
        return vec![
            "lies outside node_modules, is a link, or comes inside another package".to_owned(),
        ];
    };
    if !is_exact(version) {
        faults.push(format!(
            "has the version {version:?}, which is no exact one"
        ));
    }
    if !package.integrity.as_deref().is_some_and(is_sha512) {
        faults.push("has no SHA-512 digest".to_owned());
    }
    // Which registry is asked is npm's own setting, and the digest holds whatever it gives.
    if let Some(place) = &package.resolved {
        faults.push(format!("comes from {place}, not from the registry"));
    }
    for (other, wanted) in package
        .wanted()
        .filter(|(_, wanted)| wanted.contains([':', '/']))
    {
        faults.push(format!(
            "asks for {other} from {wanted:?}, not from the registry"
        ));
    }
    let licence = package.license.as_deref().unwrap_or("no licence");
    if !LICENCES.contains(&licence) && (name, licence) != GPL {
        faults.push(format!("has a licence that was not looked at: {licence}"));
    }
    let known = INSTALL_SCRIPTS
        .iter()
        .any(|(known, at, _)| (*known, *at) == (name, version));
    if package.has_install_script && !known {
        faults.push(format!(
            "{version} has an install script that nobody has read: read it, see that the package works without, and list it in xtask/src/supply_chain/npm_lock.rs"
        ));
    }
    faults
}

/// What is wrong between all lock files.
pub(super) fn across<'a>(locks: impl Iterator<Item = (&'a str, &'a Lock)> + Clone) -> Vec<String> {
    let packages = || {
        locks.clone().flat_map(|(folder, lock)| {
            let named = lock
                .packages
                .iter()
                .filter_map(|(place, package)| Some((name(place)?, package)));
            named.map(move |(name, package)| {
                (
                    folder,
                    name,
                    package.version.as_deref().unwrap_or_default(),
                    package,
                )
            })
        })
    };
    let mut faults = Vec::new();
    // Two would be two ideas of one login.
    let baileys: Vec<String> = packages()
        .filter(|(_, name, ..)| name.rsplit('/').next() == Some("baileys"))
        .map(|(folder, name, version, _)| format!("{name} {version} in {folder}"))
        .collect();
    let versions: BTreeSet<&str> = baileys
        .iter()
        .filter_map(|found| found.split(" in ").next())
        .collect();
    let folders: BTreeSet<&str> = baileys
        .iter()
        .filter_map(|found| found.split(" in ").nth(1))
        .collect();
    if versions.len() > 1 || folders.len() < baileys.len() {
        faults.push(format!(
            "Baileys is there more than once: {}",
            baileys.join(", ")
        ));
    }
    for (known, at, _) in INSTALL_SCRIPTS {
        let used = packages().any(|(_, name, version, package)| {
            (name, version) == (known, at) && package.has_install_script
        });
        if !used {
            faults.push(format!("{known} {at} is listed with an install script, and no lock file has it: take it off the list"));
        }
    }
    faults
}

fn name(place: &str) -> Option<&str> {
    let (before, name) = place.rsplit_once("node_modules/")?;
    ((before.is_empty() || before.ends_with('/')) && !name.is_empty() && !place.contains(".."))
        .then_some(name)
}

/// `1.2.3` or `1.2.3-rc4`: no range, no tag, no address.
fn is_exact(version: &str) -> bool {
    let (numbers, more) = version.split_once('-').unwrap_or((version, "x"));
    let numbers: Vec<&str> = numbers.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3
        && numbers.iter().all(digits)
        && !more.is_empty()
        && more
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

fn is_sha512(integrity: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    integrity
        .strip_prefix("sha512-")
        .and_then(|digest| digest.strip_suffix("=="))
        .is_some_and(|digest| digest.len() == 86 && digest.bytes().all(base64))
}

#[cfg(test)]
#[path = "npm_lock_tests.rs"]
mod tests;
