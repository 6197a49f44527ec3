//! The folders from which npm installs something: their package.json, lock file and npm settings.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use walkdir::{DirEntry, WalkDir};

use super::npm_lock::{self, Lock, Package};

/// What npm reads in one folder.
pub(super) struct NpmFolder {
    /// Relative to the root.
    pub(super) name: String,
    pub(super) lock: Lock,
    manifest: Package,
    settings: String,
}

/// Every folder below `root` with a package.json of ours.
pub(super) fn below(root: &Path) -> Result<Vec<NpmFolder>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(is_ours)
    {
        let entry = entry?;
        if entry.file_name() == "package.json"
            && let Some(folder) = entry.path().parent()
        {
            found.push(read(root, folder)?);
        }
    }
    Ok(found)
}

/// Not what was installed or built, and not what git keeps.
fn is_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    entry.depth() == 0
        || !["node_modules", "target", ".git", "fixtures"]
            .iter()
            .any(|other| name == *other)
}

fn read(root: &Path, folder: &Path) -> Result<NpmFolder> {
    let text = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}: every package.json has a lock file and an .npmrc beside it",
                path.display()
            )
        })
    };
    let name = folder
        .strip_prefix(root)
        .unwrap_or(folder)
        .display()
        .to_string();
    let about = || format!("{name} cannot be understood");
    Ok(NpmFolder {
        lock: serde_json::from_str(&text("package-lock.json")?).with_context(about)?,
        manifest: serde_json::from_str(&text("package.json")?).with_context(about)?,
        settings: text(".npmrc")?,
        name,
    })
}

impl NpmFolder {
    /// How many packages its lock file names.
    pub(super) fn packages(&self) -> usize {
        self.lock
            .packages
            .keys()
            .filter(|place| !place.is_empty())
            .count()
    }

    /// Everything that is wrong, each in a sentence.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = npm_lock::faults(&self.manifest, &self.lock);
        // For whoever calls npm here without our flag: stock Loong's helper, a person.
        if !self
            .settings
            .lines()
            .any(|line| line.trim() == "ignore-scripts=true")
        {
            faults.push(".npmrc lacks `ignore-scripts=true`".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(settings: Option<&str>) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let own = place.path().join("tool");
        fs::create_dir_all(own.join("node_modules/other")).unwrap();
        fs::write(own.join("node_modules/other/package.json"), "{}").unwrap();
        fs::write(own.join("package.json"), r#"{"dependencies": {}}"#).unwrap();
        fs::write(
            own.join("package-lock.json"),
            r#"{"lockfileVersion": 3, "packages": {"": {}}}"#,
        )
        .unwrap();
        if let Some(settings) = settings {
            fs::write(own.join(".npmrc"), settings).unwrap();
        }
        place
    }

    #[test]
    fn a_folder_that_keeps_scripts_from_running_is_found_and_its_packages_are_not() {
        let place = folder(Some("fund=false\nignore-scripts=true\n"));
        let found = below(place.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].faults()),
            ("tool", Vec::new())
        );
    }

    #[test]
    fn settings_that_let_scripts_run_are_refused_and_so_are_none() {
        for settings in ["", "ignore-scripts=false\n", "# ignore-scripts=true\n"] {
            let place = folder(Some(settings));
            let faults = below(place.path()).unwrap().remove(0).faults();
            assert_eq!(
                faults,
                [".npmrc lacks `ignore-scripts=true`"],
                "{settings:?}"
            );
        }
        let place = folder(None);
        assert!(below(place.path()).is_err());
    }
}
