//! The Rust crates that are linked into what we hand out, as cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::licence_texts::{self, Text};
use super::notices::Part;
use crate::process;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    /// None for a crate of ours.
    source: Option<String>,
    repository: Option<String>,
    authors: Vec<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// None for a normal one.
    kind: Option<String>,
}

/// The crates of others that `package` is built from for `target`, macros included, in the order of
/// their names.
pub(super) fn of(package: &str, target: &str) -> Result<Vec<Part>> {
    let metadata = metadata(target)?;
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let mut foreign: Vec<&Package> = reached(&metadata, package)?
        .into_iter()
        .filter_map(|id| packages.get(id).copied())
        .filter(|package| package.source.is_some())
        .collect();
    foreign.sort_by_key(|package| (&package.name, &package.version));
    let mut texts = Vec::new();
    for package in &foreign {
        let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
        texts.push(licence_texts::below(folder)?);
    }
    let found: Vec<(&Package, &[Text])> = foreign
        .iter()
        .copied()
        .zip(texts.iter().map(Vec::as_slice))
        .collect();
    found
        .iter()
        .map(|(package, own)| part(package, own, &found))
        .collect()
}

fn part(package: &Package, own: &[Text], all: &[(&Package, &[Text])]) -> Result<Part> {
    let who = format!("{} {}", package.name, package.version);
    let licence = package.license.clone().with_context(|| {
        format!("the crate {who} names no licence: find out which it has before it is handed out")
    })?;
    let texts = if own.is_empty() {
        let sibling = all
            .iter()
            .find(|(other, texts)| !texts.is_empty() && are_siblings(package, other));
        let (_, texts) = sibling.with_context(|| {
            format!("the crate {who} ({licence}) brings no licence text, nor does another of its project: find it before it is handed out")
        })?;
        texts
    } else {
        own
    };
    Ok(Part {
        name: package.name.clone(),
        version: package.version.clone(),
        licence,
        texts: texts.to_vec(),
    })
}

/// Two crates of one project under one licence: what one brings counts for the other. Not every
/// crate names its repository; a common release and licence tell as much.
fn are_siblings(one: &Package, other: &Package) -> bool {
    let repository = |package: &Package| {
        let url = package.repository.as_deref()?;
        // Some point at a folder within it.
        Some(url.split("/tree/").next().unwrap_or(url).to_owned())
    };
    let same_place = match (repository(one), repository(other)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => {
            one.version == other.version && (one.authors.is_empty() || one.authors == other.authors)
        }
    };
    one.license == other.license && same_place
}

/// The ids of everything that `package` leads to, itself included.
fn reached<'a>(metadata: &'a Metadata, package: &str) -> Result<BTreeSet<&'a str>> {
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let start = metadata
        .packages
        .iter()
        .find(|known| known.source.is_none() && known.name == package)
        .with_context(|| format!("cargo knows no package {package}"))?;
    let mut reached = BTreeSet::new();
    let mut open = vec![start.id.as_str()];
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        open.extend(
            dependencies
                .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()))
                .map(|dependency| dependency.pkg.as_str()),
        );
    }
    Ok(reached)
}

fn metadata(target: &str) -> Result<Metadata> {
    let said = process::output(process::cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        target,
    ]))?;
    ensure!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    serde_json::from_slice(&said.stdout).context("cannot read what `cargo metadata` says")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, repository: Option<&str>, licence: Option<&str>) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: licence.map(str::to_owned),
            source: Some("a registry".to_owned()),
            repository: repository.map(str::to_owned),
            authors: vec!["Ana".to_owned()],
            manifest_path: PathBuf::new(),
        }
    }

    #[test]
    fn a_crate_without_a_text_of_its_own_has_that_of_its_project() {
        let text = Text {
            file: "LICENSE".to_owned(),
            words: "be kind".to_owned(),
        };
        let texts = [text];
        let parent = package("parent", Some("https://example.com/p"), Some("MIT"));
        let child = package(
            "child",
            Some("https://example.com/p/tree/main/c"),
            Some("MIT"),
        );
        let all: [(&Package, &[Text]); 2] = [(&parent, &texts), (&child, &[])];
        assert_eq!(part(&child, &[], &all).unwrap().texts, texts);

        let stranger = package("stranger", Some("https://example.com/s"), Some("MIT"));
        let error = part(&stranger, &[], &all).unwrap_err().to_string();
        assert!(
            error.contains("stranger 1.0.0 (MIT) brings no licence text"),
            "{error}"
        );

        let other = package("other", Some("https://example.com/p"), Some("ISC"));
        assert!(part(&other, &[], &all).is_err(), "another licence");
    }

    #[test]
    fn a_crate_without_a_licence_is_not_packed() {
        let nameless = package("nameless", None, None);
        let error = part(&nameless, &[], &[]).unwrap_err().to_string();
        assert!(error.contains("nameless 1.0.0 names no licence"), "{error}");
    }

    #[test]
    fn what_only_building_or_testing_needs_is_not_linked() {
        let names = ["ours", "linked", "deeper", "builder", "tester"];
        let packages = names.map(|name| {
            serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "repository": null, "authors": [],
                "source": (name != "ours").then_some("a registry"), "manifest_path": "",
            })
        });
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "packages": packages,
            "resolve": {"nodes": [
                {"id": "ours", "deps": [
                    {"pkg": "linked", "dep_kinds": [{"kind": "dev"}, {"kind": null}]},
                    {"pkg": "builder", "dep_kinds": [{"kind": "build"}]},
                    {"pkg": "tester", "dep_kinds": [{"kind": "dev"}]},
                ]},
                {"id": "linked", "deps": [{"pkg": "deeper", "dep_kinds": [{"kind": null}]}]},
                {"id": "deeper", "deps": [{"pkg": "linked", "dep_kinds": [{"kind": null}]}]},
                {"id": "builder", "deps": []},
                {"id": "tester", "deps": []},
            ]},
        }))
        .unwrap();
        let ids: Vec<&str> = reached(&metadata, "ours").unwrap().into_iter().collect();
        assert_eq!(ids, ["deeper", "linked", "ours"]);
        assert!(reached(&metadata, "linked").is_err(), "not one of ours");
    }
}
