//! What a plugin's bridge runs on: Node, npm, and the packages of its lock file. A plugin that
//! brings no bridge needs none of it.

use std::ffi::OsStr;

use super::check::{Checks, Finding, Id};
use super::remedy::Remedy;
use crate::bridge::install::{self, Found};
use crate::bridge::node;
use crate::commands::bridge_launches::{brings_bridge, entry};
use crate::discovery::roots::Plugin;
use crate::error::Failure;

/// Looks at all of it; `path` is where programs are.
pub(super) async fn examine(checks: &mut Checks, plugin: &Plugin, path: Option<&OsStr>) {
    if !brings_bridge(plugin) {
        return;
    }
    match node::node(path).await {
        Ok(node) => checks.ok(Id::Node, node.display().to_string()),
        Err(failure) => checks.add(Id::Node, failure),
    }
    let installed = entry(plugin).and_then(|_file| install::look(&plugin.directory));
    let needed = !matches!(installed, Ok(Found::Current | Found::NothingNeeded));
    checks.add(Id::Npm, npm(node::npm(path), needed));
    checks.add(Id::BridgePackage, package(plugin, installed));
}

fn npm(found: Result<std::path::PathBuf, Failure>, needed: bool) -> Finding {
    match found {
        Ok(npm) => Finding::ok(npm.display().to_string()),
        Err(failure) if needed => failure.into(),
        Err(failure) => Finding::warn(
            "npm is not on PATH; nothing has to be installed now, and an update of the plugin needs it",
            failure.hint.unwrap_or_default(),
        ),
    }
}

fn package(plugin: &Plugin, installed: Result<Found, Failure>) -> Finding {
    let folder = plugin.directory.display();
    let seen = match installed {
        Err(failure) => return failure.into(),
        Ok(Found::NothingNeeded) => {
            return Finding::ok(format!("{folder} is complete as it is"));
        }
        Ok(Found::Current) => {
            return Finding::ok(format!("{folder} has what its lock file names"));
        }
        Ok(Found::Missing) => format!("what the bridge needs is not installed in {folder}"),
        Ok(Found::Interrupted) => {
            format!("what is installed in {folder} was not finished, or not installed by loong")
        }
        Ok(Found::Outdated) => {
            format!("what is installed in {folder} is not what its lock file names")
        }
    };
    // The first `bridge run` installs it by itself, so it stands in nobody's way.
    let hint = format!("loong {} bridge install", plugin.manifest.channel_id);
    Finding::warn(seen, hint).mended_by(Remedy::Install(Box::new(plugin.clone())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::check::{Check, Status};
    use super::*;
    use crate::bridge::node::tests::write_program;
    use crate::discovery::manifest::Manifest;

    fn plugin(folder: &Path) -> Plugin {
        let mut manifest = crate::discovery::manifest::tests::good();
        manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
        fs::write(folder.join("bridge.mjs"), "").unwrap();
        fs::write(folder.join("package.json"), "{}").unwrap();
        fs::write(folder.join("package-lock.json"), "{}").unwrap();
        Plugin {
            manifest: Manifest::parse(&manifest.to_string()).unwrap(),
            manifest_path: folder.join("loong.plugin.json"),
            directory: folder.to_path_buf(),
            component: folder.join("pigeon-post.wasm"),
        }
    }

    async fn looked_at(plugin: &Plugin, programs: &Path) -> Vec<Check> {
        let mut checks = Checks::default();
        examine(&mut checks, plugin, Some(programs.as_os_str())).await;
        checks.into_vec()
    }

    fn status(checks: &[Check], id: Id) -> Status {
        checks.iter().find(|check| check.id == id).unwrap().status
    }

    #[tokio::test]
    async fn without_node_and_npm_nothing_can_be_installed_or_started() {
        let place = tempfile::tempdir().unwrap();
        let checks = looked_at(&plugin(place.path()), &place.path().join("nowhere")).await;
        assert_eq!(status(&checks, Id::Node), Status::Fail);
        assert_eq!(status(&checks, Id::Npm), Status::Fail);
        assert_eq!(status(&checks, Id::BridgePackage), Status::Warn);
    }

    #[tokio::test]
    async fn what_is_missing_unfinished_or_outdated_can_be_installed() {
        let place = tempfile::tempdir().unwrap();
        let plugin = plugin(place.path());
        let programs = place.path().join("bin");
        fs::create_dir(&programs).unwrap();
        write_program(&programs.join("node"), "echo v22.0.0");
        write_program(&programs.join("npm"), "mkdir -p node_modules");
        let modules = place.path().join("node_modules");
        type Step = fn(&Path);
        let steps: [(Step, &str); 3] = [
            (|_| (), "is not installed"),
            (
                |modules| fs::create_dir(modules).unwrap(),
                "was not finished",
            ),
            (
                |modules| fs::write(modules.join(".loong-lock-sha256"), "00").unwrap(),
                "not what its lock file names",
            ),
        ];
        for (step, seen) in steps {
            step(&modules);
            let checks = looked_at(&plugin, &programs).await;
            assert_eq!(status(&checks, Id::Node), Status::Ok);
            assert_eq!(status(&checks, Id::Npm), Status::Ok);
            let found = checks
                .iter()
                .find(|check| check.id == Id::BridgePackage)
                .unwrap();
            assert_eq!(found.status, Status::Warn);
            assert!(found.seen.contains(seen), "{found:?}");
            assert!(matches!(found.remedy, Some(Remedy::Install(_))));
        }
    }

    #[tokio::test]
    async fn a_plugin_without_its_bridge_or_its_lock_file_is_incomplete() {
        for file in ["bridge.mjs", "package-lock.json"] {
            let place = tempfile::tempdir().unwrap();
            let plugin = plugin(place.path());
            fs::remove_file(place.path().join(file)).unwrap();
            let checks = looked_at(&plugin, place.path()).await;
            assert_eq!(status(&checks, Id::BridgePackage), Status::Fail, "{file}");
        }
    }

    #[test]
    fn npm_is_missed_only_when_there_is_something_to_install() {
        let missing = || node::npm(None);
        assert_eq!(npm(missing(), true).status, Status::Fail);
        assert_eq!(npm(missing(), false).status, Status::Warn);
    }
}
