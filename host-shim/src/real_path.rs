//! Where a path really leads, also one that does not exist yet: for telling whether two are one place.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The folder that `path` means: links followed and `..` resolved as far as there is anything, the
/// rest as it is written.
pub fn real(path: &Path) -> PathBuf {
    let mut place = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                place.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                place.push(part);
                place = fs::canonicalize(&place).unwrap_or(place);
            }
        }
    }
    place
}
