//! The npm packages that the bridge's lock file names: its operator fetches them, nobody else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::licence_texts;
use super::notices::Part;

#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Package>,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    version: String,
    license: Option<String>,
    #[serde(default)]
    dev: bool,
}

/// Those that the bridge runs with, in the order of their names. Texts are found for what is
/// installed: packages for other platforms are not.
pub(super) fn of(folder: &Path) -> Result<Vec<Part>> {
    let lock = folder.join("package-lock.json");
    let text = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let lock: Lock = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no lock file", lock.display()))?;
    let mut parts = Vec::new();
    for (place, package) in &lock.packages {
        let Some(name) = name(place).filter(|_| !package.dev) else {
            continue;
        };
        let licence = package.license.clone().with_context(|| {
            format!("the npm package {name} names no licence: find out which it has before its name is handed out")
        })?;
        let installed = folder.join(place);
        let texts = if installed.is_dir() {
            licence_texts::below(&installed)?
        } else {
            Vec::new()
        };
        parts.push(Part {
            name: name.to_owned(),
            version: package.version.clone(),
            licence,
            texts,
        });
    }
    parts.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(parts)
}

/// The package that lies at `place`; none for the bridge itself.
fn name(place: &str) -> Option<&str> {
    place
        .rsplit_once("node_modules/")
        .map(|(_, name)| name)
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(lock: &serde_json::Value) -> Result<Vec<Part>> {
        let folder = tempfile::tempdir().unwrap();
        let installed = folder.path().join("node_modules/@a/b");
        fs::create_dir_all(&installed).unwrap();
        fs::write(installed.join("LICENSE"), "be kind").unwrap();
        fs::write(folder.path().join("package-lock.json"), lock.to_string()).unwrap();
        of(folder.path())
    }

    #[test]
    fn packages_that_the_bridge_runs_with_are_listed_installed_or_not() {
        let parts = listed(&serde_json::json!({"packages": {
            "": {"version": "0.1.0"},
            "node_modules/@a/b": {"version": "1.0.0", "license": "MIT"},
            "node_modules/c/node_modules/@a/b": {"version": "2.0.0", "license": "ISC", "optional": true},
            "node_modules/tester": {"version": "1.0.0", "license": "MIT", "dev": true},
        }}))
        .unwrap();
        let seen: Vec<(&str, &str, usize)> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.version.as_str(), part.texts.len()))
            .collect();
        assert_eq!(seen, [("@a/b", "1.0.0", 1), ("@a/b", "2.0.0", 0)]);
    }

    #[test]
    fn a_package_without_a_licence_is_refused() {
        let error =
            listed(&serde_json::json!({"packages": {"node_modules/x": {"version": "1.0.0"}}}))
                .unwrap_err()
                .to_string();
        assert!(error.contains("x names no licence"), "{error}");
    }
}
