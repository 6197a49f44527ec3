//! The walk below a root: which manifests lie there, and what stood in its way. Follows no link,
//! enters no folder of tools, opens nothing, and ends: a root that is too large is told, not walked
//! for ever.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::manifest::{FILE_NAME, ManifestError};
use super::roots::DiscoveryError;
use crate::plain_text::is_plain;

/// Folders that never hold plugins of the operator's own.
pub(super) const SKIPPED_FOLDERS: [&str; 6] =
    [".git", "target", "node_modules", ".venv", ".idea", ".codex"];

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Files and folders that are looked at.
    pub(super) entries: usize,
    /// Folders below each other.
    pub(super) depth: usize,
    /// Manifests that are read.
    pub(super) manifests: usize,
}

/// A root of plugins has some dozens of each.
pub(super) const BOUNDS: Bounds = Bounds {
    entries: 250_000,
    depth: 24,
    manifests: 500,
};

/// What lies below a root, each in the order of its paths.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) manifests: Vec<PathBuf>,
    /// Places that were not looked at, and why.
    pub(super) passed_over: Vec<(PathBuf, ManifestError)>,
}

/// Looks through `root`.
///
/// # Errors
/// The root itself cannot be looked through, or it is larger than `bounds`.
pub(super) fn walk(root: &Path, bounds: Bounds) -> Result<Walked, DiscoveryError> {
    let too_large = |what, limit| DiscoveryError::TooLarge {
        root: root.to_path_buf(),
        what,
        limit,
    };
    let mut walked = Walked::default();
    let mut looked_at = 0_usize;
    // Not sorted by the walk itself: that would first take in a whole folder, however large.
    let walk = WalkDir::new(root).max_depth(bounds.depth).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_skipped(entry)) {
        looked_at += 1;
        if looked_at > bounds.entries {
            return Err(too_large("files and folders", bounds.entries));
        }
        let found = match entry {
            Ok(entry) => judge(entry, bounds.depth),
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let reason = error
                    .io_error()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                if error.depth() == 0 {
                    return Err(DiscoveryError::Unreadable { path, reason });
                }
                Found::PassedOver(path, ManifestError::Unreadable(reason))
            }
        };
        match found {
            Found::Nothing => {}
            Found::Manifest(path) => walked.manifests.push(path),
            Found::PassedOver(path, why) => walked.passed_over.push((path, why)),
        }
        if walked.manifests.len() + walked.passed_over.len() > bounds.manifests {
            return Err(too_large(
                "manifests and folders that cannot be looked at",
                bounds.manifests,
            ));
        }
    }
    walked.manifests.sort();
    walked.passed_over.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(walked)
}

/// What an entry is to the walk.
enum Found {
    Nothing,
    Manifest(PathBuf),
    PassedOver(PathBuf, ManifestError),
}

fn judge(entry: DirEntry, depth: usize) -> Found {
    let kind = entry.file_type();
    if kind.is_dir() {
        return if entry.depth() == depth {
            Found::PassedOver(entry.into_path(), ManifestError::TooDeep { depth })
        } else {
            Found::Nothing
        };
    }
    if kind.is_symlink() {
        // The root may be a link itself: that one was named.
        let below = entry.path().join(FILE_NAME);
        return if entry.depth() > 0 && below.symlink_metadata().is_ok() {
            Found::PassedOver(below, ManifestError::Linked)
        } else if entry.file_name() == OsStr::new(FILE_NAME) {
            Found::PassedOver(entry.into_path(), ManifestError::Linked)
        } else {
            Found::Nothing
        };
    }
    if entry.file_name() != OsStr::new(FILE_NAME) {
        return Found::Nothing;
    }
    if is_plain(&entry.path().to_string_lossy()) {
        Found::Manifest(entry.into_path())
    } else {
        Found::PassedOver(entry.into_path(), ManifestError::OddPath)
    }
}

fn is_skipped(entry: &DirEntry) -> bool {
    entry.file_type().is_dir()
        && SKIPPED_FOLDERS
            .iter()
            .any(|name| entry.file_name() == OsStr::new(name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const FEW: Bounds = Bounds {
        entries: 20,
        depth: 3,
        manifests: 3,
    };

    fn manifest(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(FILE_NAME), "{}").unwrap();
    }

    fn names(root: &Path, walked: &[PathBuf]) -> Vec<String> {
        let below = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        walked.iter().map(below).collect()
    }

    fn passed_over(walked: &Walked) -> Vec<&ManifestError> {
        walked.passed_over.iter().map(|(_, why)| why).collect()
    }

    #[test]
    fn links_are_followed_nowhere_and_told_where_one_leads_to_a_plugin() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        manifest(&root.join("a"));
        manifest(&outside);
        symlink(&root, root.join("a/up")).unwrap();
        symlink(root.join("loop"), root.join("loop")).unwrap();
        symlink(&outside, root.join("b")).unwrap();
        fs::create_dir(root.join("c")).unwrap();
        symlink("/etc/passwd", root.join("c").join(FILE_NAME)).unwrap();
        symlink("/nowhere", root.join("d")).unwrap();

        let walked = walk(&root, FEW).unwrap();
        assert_eq!(names(&root, &walked.manifests), ["a/loong.plugin.json"]);
        assert_eq!(
            passed_over(&walked),
            [&ManifestError::Linked, &ManifestError::Linked]
        );
        // A root that is a link was named by the operator, and is what it leads to.
        let link = place.path().join("link");
        symlink(&root, &link).unwrap();
        assert_eq!(walk(&link, FEW).unwrap().manifests.len(), 1);
    }

    #[test]
    fn a_root_with_too_much_in_it_is_told_and_not_walked_to_its_end() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..19 {
            fs::write(place.path().join(number.to_string()), "").unwrap();
        }
        assert!(walk(place.path(), FEW).unwrap().manifests.is_empty());
        fs::write(place.path().join("one more"), "").unwrap();
        let error = walk(place.path(), FEW).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("more than 20 files and folders"), "{words}");
        assert!(words.contains(place.path().to_str().unwrap()), "{words}");
        assert!(error.hint().contains("runtime_plugins.roots"));
    }

    #[test]
    fn too_many_manifests_are_too_much_as_well() {
        let place = tempfile::tempdir().unwrap();
        (0..4).for_each(|number| manifest(&place.path().join(number.to_string())));
        let words = walk(place.path(), FEW).unwrap_err().to_string();
        assert!(words.contains("more than 3 manifests"), "{words}");
    }

    #[test]
    fn what_lies_too_deep_is_passed_over_and_the_rest_is_found() {
        let place = tempfile::tempdir().unwrap();
        manifest(&place.path().join("a/b"));
        manifest(&place.path().join("a/c/d"));
        let walked = walk(place.path(), FEW).unwrap();
        assert_eq!(
            names(place.path(), &walked.manifests),
            ["a/b/loong.plugin.json"]
        );
        assert_eq!(passed_over(&walked), [&ManifestError::TooDeep { depth: 3 }]);
    }

    #[test]
    fn names_that_are_no_text_or_would_act_on_a_terminal_do_no_harm() {
        use std::os::unix::ffi::OsStrExt as _;
        let place = tempfile::tempdir().unwrap();
        manifest(&place.path().join(OsStr::from_bytes(b"odd\xff")));
        manifest(&place.path().join("x\u{1b}[2J\nhint: run this"));
        let walked = walk(place.path(), FEW).unwrap();
        assert_eq!(walked.manifests.len(), 1, "no text is not the same as harm");
        assert_eq!(passed_over(&walked), [&ManifestError::OddPath]);
    }
}
