//! What doctor says, and what it leaves on disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Place, Ran};

/// What doctor says of a place.
pub async fn diagnosed(place: &Place) -> Value {
    place.loong(&["doctor", "--json"]).await.json()
}

/// The first check of that id and status.
pub fn check<'a>(diagnosis: &'a Value, id: &str, status: &str) -> Option<&'a Value> {
    diagnosis["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == id && check["status"] == status)
}

/// Doctor ended with 1, and this check is why.
#[track_caller]
pub fn fails(ran: &Ran, id: &str, seen: &str, hint: &str) {
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let diagnosis = ran.json();
    assert_eq!(diagnosis["ok"], false);
    says(&diagnosis, id, "fail", seen, hint);
}

/// Some check of that id and status says so.
#[track_caller]
pub fn says(diagnosis: &Value, id: &str, status: &str, seen: &str, hint: &str) {
    let checks = diagnosis["checks"].as_array().unwrap();
    let contains = |check: &Value, field: &str, words: &str| {
        check[field].as_str().unwrap_or_default().contains(words)
    };
    assert!(
        checks.iter().any(|check| check["id"] == id
            && check["status"] == status
            && contains(check, "seen", seen)
            && contains(check, "hint", hint)),
        "no {status} of {id} with `{seen}` and `{hint}`: {diagnosis:#}"
    );
}

/// Everything below a folder: what it is, its mode, its owner, when it changed, what it holds.
pub fn tree(place: &Place) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![place.path("")];
    while let Some(folder) = folders.pop() {
        tree.insert(folder.clone(), line(&folder));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                tree.insert(path.clone(), line(&path));
            }
        }
    }
    tree
}

fn line(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = if metadata.is_file() {
        hex(&fs::read(path).unwrap())
    } else {
        String::new()
    };
    format!(
        "{:o} {} {}.{} {content}",
        metadata.mode(),
        metadata.uid(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

/// Enough to see a change.
fn hex(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// The mode of what is in a place.
pub fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

/// Sets it.
pub fn set_mode(place: &Place, name: &str, mode: u32) {
    fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives what is in a place to somebody else; false where only root could.
pub fn give_away(place: &Place, name: &str) -> bool {
    std::os::unix::fs::chown(place.path(name), Some(12_345), None).is_ok()
}

/// A program that can be run, in the folder `bin` of the place.
pub fn program(place: &Place, name: &str, script: &str) {
    fs::create_dir_all(place.path("bin")).unwrap();
    let file = place.path("bin").join(name);
    // Another process writes it: a file that this one has open cannot be run while any other
    // test starts a child.
    let status = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"",
            "sh",
        ])
        .arg(&file)
        .arg(script)
        .status()
        .unwrap();
    assert!(status.success());
}
