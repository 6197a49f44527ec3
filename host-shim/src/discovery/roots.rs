//! The scan of `runtime_plugins.roots`: every manifest below them, what was found, what was
//! skipped, and why. Reads only; choosing is `selection`'s.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, ManifestError};
use super::walk::{BOUNDS, walk};
use crate::config::RuntimePlugins;
use crate::error::Failure;
use crate::home::Home;
use crate::plain_text::{one_line, quoted_value};

/// A plugin on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    pub manifest: Manifest,
    pub manifest_path: PathBuf,
    /// The manifest's folder.
    pub directory: PathBuf,
    /// The component's file; it exists.
    pub component: PathBuf,
}

/// A manifest that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub manifest_path: PathBuf,
    pub reason: ManifestError,
    /// The manifest's content when only its component is at fault.
    pub manifest: Option<Manifest>,
}

impl Skipped {
    /// Where it lies and why it was passed over, for a person: the path may be a stranger's.
    pub fn words(&self) -> String {
        let path = self.manifest_path.to_string_lossy();
        format!("{}: {}", one_line(&path), self.reason)
    }
}

/// Everything below the roots, in the order of their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    pub roots: Vec<PathBuf>,
    pub found: Vec<Plugin>,
    pub skipped: Vec<Skipped>,
}

/// Why there is nothing to look through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    #[error("runtime plugins are switched off")]
    Disabled,
    #[error("runtime_plugins.roots is empty")]
    NoRoots,
    #[error(
        "runtime_plugins.roots names `{}`, and there is no folder {}",
        quoted_value(written),
        shown(resolved)
    )]
    MissingRoot { written: String, resolved: PathBuf },
    #[error("cannot look through {}: {reason}", shown(path))]
    Unreadable { path: PathBuf, reason: String },
    /// Nothing of it is used: what was not seen could be a second plugin of the same name.
    #[error(
        "{} holds more than {limit} {what}, so it is not looked through",
        shown(root)
    )]
    TooLarge {
        root: PathBuf,
        what: &'static str,
        limit: usize,
    },
}

impl DiscoveryError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "runtime_plugins_disabled",
            Self::NoRoots => "runtime_plugins_no_roots",
            Self::MissingRoot { .. } => "runtime_plugins_root_missing",
            Self::Unreadable { .. } => "runtime_plugins_root_unreadable",
            Self::TooLarge { .. } => "runtime_plugins_root_too_large",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Disabled => "set `enabled = true` in [runtime_plugins]",
            Self::NoRoots => "set `roots = [\"./runtime-plugins\"]` in [runtime_plugins]",
            Self::MissingRoot { .. } => {
                "relative roots count from the working directory: start loong there, or write an absolute path"
            }
            Self::Unreadable { .. } => "make the folder readable for you",
            Self::TooLarge { .. } => {
                "let runtime_plugins.roots name the folder that holds your plugins, not one far above it"
            }
        }
    }
}

impl From<DiscoveryError> for Failure {
    fn from(error: DiscoveryError) -> Self {
        Self::operator(error.code(), error.to_string()).hint(error.hint())
    }
}

/// Looks through the roots; relative ones count from `directory`.
///
/// # Errors
/// Plugins are switched off, or a root is missing or unreadable. A bad manifest is no error: it
/// is reported as skipped.
pub fn discover(
    plugins: &RuntimePlugins,
    directory: &Path,
    home: &Home,
) -> Result<Discovery, DiscoveryError> {
    if !plugins.enabled {
        return Err(DiscoveryError::Disabled);
    }
    // A blank one counts as none: joined to the working directory it would be all of that.
    let roots: Vec<&String> = plugins
        .roots
        .iter()
        .filter(|root| !root.trim().is_empty())
        .collect();
    if roots.is_empty() {
        return Err(DiscoveryError::NoRoots);
    }
    let mut discovery = Discovery::default();
    // Roots may overlap, or reach one folder by two names.
    let mut seen = BTreeSet::new();
    let mut passed_over = Vec::new();
    for written in roots {
        // Through its components, which drops the `.` of `./plugins`.
        let resolved: PathBuf = directory.join(home.expand(written)).components().collect();
        if !resolved.is_dir() {
            return Err(DiscoveryError::MissingRoot {
                written: written.clone(),
                resolved,
            });
        }
        let walked = walk(&resolved, BOUNDS)?;
        passed_over.extend(walked.passed_over);
        for manifest in walked.manifests {
            if seen.insert(real(&manifest)) {
                match read(&manifest) {
                    Ok(plugin) => discovery.found.push(plugin),
                    Err(skipped) => discovery.skipped.push(*skipped),
                }
            }
        }
        discovery.roots.push(resolved);
    }
    for (manifest_path, reason) in passed_over {
        // Not what a link leads to when it was found where it really lies.
        if seen.insert(real(&manifest_path)) {
            discovery.skipped.push(Skipped {
                manifest_path,
                reason,
                manifest: None,
            });
        }
    }
    Ok(discovery)
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize()
        .unwrap_or_else(|_absent| path.to_path_buf())
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

fn read(manifest_path: &Path) -> Result<Plugin, Box<Skipped>> {
    let skipped = |reason, manifest| {
        Box::new(Skipped {
            manifest_path: manifest_path.to_path_buf(),
            reason,
            manifest,
        })
    };
    let manifest = Manifest::read(manifest_path).map_err(|reason| skipped(reason, None))?;
    let directory = manifest_path
        .parent()
        .unwrap_or(Path::new("."))
        .to_path_buf();
    match component_of(&manifest, &directory) {
        Ok(component) => Ok(Plugin {
            component,
            manifest_path: manifest_path.to_path_buf(),
            directory,
            manifest,
        }),
        Err(reason) => Err(skipped(reason, Some(manifest))),
    }
}

fn component_of(manifest: &Manifest, directory: &Path) -> Result<PathBuf, ManifestError> {
    let path = directory.join(&manifest.component);
    let missing = || ManifestError::ComponentMissing {
        path: path.display().to_string(),
    };
    let real = path.canonicalize().map_err(|_ignored| missing())?;
    // The written path has no `..`, but a link may lead out.
    let home = directory.canonicalize().map_err(|_ignored| missing())?;
    if !real.starts_with(home) {
        return Err(ManifestError::ComponentOutside {
            path: manifest.component.display().to_string(),
        });
    }
    if real.is_file() {
        Ok(path)
    } else {
        Err(missing())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::manifest::FILE_NAME;
    use super::super::manifest::tests::good;
    use super::super::walk::SKIPPED_FOLDERS;
    use super::*;

    fn roots(roots: &[&str]) -> RuntimePlugins {
        RuntimePlugins {
            enabled: true,
            roots: roots.iter().map(|root| (*root).to_owned()).collect(),
        }
    }

    fn look(directory: &Path, plugins: &RuntimePlugins) -> Result<Discovery, DiscoveryError> {
        discover(
            plugins,
            directory,
            &Home::at(directory.join(".loong"), directory),
        )
    }

    fn plugin(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(FILE_NAME), good().to_string()).unwrap();
        fs::write(folder.join("pigeon-post.wasm"), "").unwrap();
    }

    #[test]
    fn plugins_are_found_at_any_depth_but_not_where_tools_keep_their_things() {
        let place = tempfile::tempdir().unwrap();
        plugin(&place.path().join("plugins/a/deep/down"));
        for folder in SKIPPED_FOLDERS {
            plugin(&place.path().join("plugins").join(folder).join("b"));
        }
        let discovery = look(place.path(), &roots(&["./plugins"])).unwrap();
        assert_eq!(discovery.found.len(), 1);
        assert!(discovery.found[0].directory.ends_with("a/deep/down"));
        assert!(discovery.skipped.is_empty());
    }

    #[test]
    fn a_root_that_is_itself_called_target_is_looked_through() {
        let place = tempfile::tempdir().unwrap();
        plugin(&place.path().join("target/a"));
        assert_eq!(
            look(place.path(), &roots(&["target"])).unwrap().found.len(),
            1
        );
    }

    #[test]
    fn overlapping_roots_and_a_tilde_find_a_plugin_once() {
        let place = tempfile::tempdir().unwrap();
        plugin(&place.path().join("plugins/a"));
        let absolute = place.path().join("plugins");
        let discovery = look(
            place.path(),
            &roots(&[
                "plugins",
                "plugins/a",
                "~/plugins",
                absolute.to_str().unwrap(),
            ]),
        )
        .unwrap();
        assert_eq!(discovery.found.len(), 1);
    }

    #[test]
    fn a_missing_root_is_named_as_written_and_as_resolved() {
        let place = tempfile::tempdir().unwrap();
        let error = look(place.path(), &roots(&["./nowhere"])).unwrap_err();
        let words = error.to_string();
        assert!(
            words.contains("`./nowhere`") && words.contains(place.path().to_str().unwrap()),
            "{words}"
        );
    }

    #[test]
    fn switched_off_and_empty_each_say_which_key_to_write() {
        let place = tempfile::tempdir().unwrap();
        let off = look(
            place.path(),
            &RuntimePlugins {
                enabled: false,
                roots: vec!["x".into()],
            },
        )
        .unwrap_err();
        assert!(off.hint().contains("enabled = true"));
        for empty in [&[][..], &["", " "]] {
            let none = look(place.path(), &roots(empty)).unwrap_err();
            assert!(none.hint().contains("roots ="));
        }
    }

    #[test]
    fn each_bad_manifest_is_skipped_with_its_reason_and_the_good_one_is_still_found() {
        let place = tempfile::tempdir().unwrap();
        let with = |pointer: &str, value: &str| {
            let mut manifest = good();
            *manifest.pointer_mut(pointer).unwrap() = value.into();
            manifest.to_string()
        };
        let table = [
            ("a", "{".to_owned(), "not the JSON of a manifest"),
            ("b", with("/api_version", "v9"), "api_version is `v9`"),
            (
                "c",
                with("/setup/surface", "tool"),
                "setup.surface is `tool`",
            ),
            (
                "d",
                with("/metadata/loong_component_file", "other.wasm"),
                "other.wasm does not exist",
            ),
            (
                "e",
                with("/metadata/loong_component_file", "../a.wasm"),
                "not inside the plugin's folder",
            ),
            (
                "f",
                with("/metadata/loong_component_file", "link.wasm"),
                "not inside the plugin's folder",
            ),
            ("g", with("/plugin_id", ""), "`plugin_id` is missing"),
        ];
        plugin(&place.path().join("p/good"));
        for (folder, text, _) in &table {
            let folder = place.path().join("p").join(folder);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(FILE_NAME), text).unwrap();
        }
        fs::write(place.path().join("outside.wasm"), "").unwrap();
        std::os::unix::fs::symlink(
            place.path().join("outside.wasm"),
            place.path().join("p/f/link.wasm"),
        )
        .unwrap();

        let discovery = look(place.path(), &roots(&["p"])).unwrap();
        assert_eq!(discovery.found.len(), 1);
        assert_eq!(discovery.skipped.len(), table.len());
        for ((_, _, expected), skipped) in table.iter().zip(&discovery.skipped) {
            assert!(
                skipped.reason.to_string().contains(expected),
                "{expected}: {}",
                skipped.reason
            );
        }
    }

    #[test]
    fn a_plugin_that_two_roots_and_a_link_lead_to_is_one() {
        let place = tempfile::tempdir().unwrap();
        plugin(&place.path().join("a/pigeons"));
        fs::create_dir(place.path().join("b")).unwrap();
        let real = place.path().join("a");
        std::os::unix::fs::symlink(real.join("pigeons"), place.path().join("b/pigeons")).unwrap();
        std::os::unix::fs::symlink(&real, place.path().join("c")).unwrap();
        for order in [["b", "a", "c"], ["c", "b", "a"]] {
            let discovery = look(place.path(), &roots(&order)).unwrap();
            assert_eq!(discovery.found.len(), 1, "{order:?}");
            assert!(discovery.skipped.is_empty(), "{order:?}");
            assert!(discovery.duplicates().is_empty());
        }
        // Named alone, the folder of links says where to look instead.
        let discovery = look(place.path(), &roots(&["b"])).unwrap();
        assert!(discovery.found.is_empty());
        let words = discovery.skipped[0].words();
        assert!(
            words.contains("b/pigeons/loong.plugin.json: it is reached through"),
            "{words}"
        );
        assert!(discovery.skipped[0].reason.hint().contains("really lies"));
    }

    #[test]
    fn a_component_that_is_no_file_is_none() {
        let place = tempfile::tempdir().unwrap();
        plugin(&place.path().join("p/a"));
        let component = place.path().join("p/a/pigeon-post.wasm");
        fs::remove_file(&component).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(&component)
            .status();
        assert!(made.unwrap().success());
        let discovery = look(place.path(), &roots(&["p"])).unwrap();
        assert!(matches!(
            discovery.skipped[0].reason,
            ManifestError::ComponentMissing { .. }
        ));
    }
}
