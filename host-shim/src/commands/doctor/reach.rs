//! What `--fix` may touch: what belongs to whoever runs it, at the place that was meant. A link may
//! lead around inside of a home, and never out of it. Looks only.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::home::Home;

/// The real path of `path`, which need not exist yet.
///
/// # Errors
/// In words, why it may not be touched.
pub(super) fn reach(path: &Path, home: &Home) -> Result<PathBuf, String> {
    let path = &std::path::absolute(path).map_err(|error| error.to_string())?;
    let (existing, rest) = split(path);
    let real = existing
        .canonicalize()
        .map_err(|error| format!("{} cannot be looked at: {error}", existing.display()))?;
    let whole: PathBuf = real.join(rest).components().collect();
    let base = [home.user(), home.root()]
        .into_iter()
        .find(|base| path.starts_with(base));
    let meant = match base {
        Some(base) => base.canonicalize().map_or_else(
            |_absent| whole.starts_with(base),
            |base| whole.starts_with(base),
        ),
        None => whole == path.components().collect::<PathBuf>(),
    };
    if !meant {
        return Err(format!("a link on the way leads to {}", whole.display()));
    }
    let owner = fs::metadata(&real)
        .map_err(|error| format!("{} cannot be looked at: {error}", real.display()))?
        .uid();
    if owner == me() {
        Ok(whole)
    } else {
        Err(format!("{} belongs to another user", real.display()))
    }
}

/// What of `path` exists, and what follows.
pub(super) fn split(path: &Path) -> (&Path, &Path) {
    let existing = path
        .ancestors()
        .find(|ancestor| fs::symlink_metadata(ancestor).is_ok())
        .unwrap_or(path);
    (
        existing,
        path.strip_prefix(existing).unwrap_or(Path::new("")),
    )
}

/// Who runs this.
pub(super) fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_ours_is_reached_also_through_a_link_inside_of_the_home_and_before_it_exists() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let home = Home::at(root.join(".loong"), &root);
        fs::create_dir(root.join("real")).unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        assert_eq!(
            reach(&root.join("real/a/b"), &home),
            Ok(root.join("real/a/b"))
        );
        assert_eq!(reach(&root.join("link/a"), &home), Ok(root.join("real/a")));
    }

    #[test]
    fn a_link_or_dots_that_lead_out_of_the_home_are_refused() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = place.path().canonicalize().unwrap();
        let home = Home::at(root.join(".loong"), &root);
        symlink(other.path(), root.join("out")).unwrap();
        let dots = root.join("../elsewhere");
        for path in [root.join("out"), root.join("out/a"), dots] {
            let refused = reach(&path, &home).unwrap_err();
            assert!(refused.contains("leads to"), "{refused}");
        }
    }

    #[test]
    fn outside_of_the_home_no_link_is_followed_at_all() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home = Home::at("/nonexistent/.loong", "/nonexistent");
        let other = other.path().canonicalize().unwrap();
        assert_eq!(reach(&other.join("a"), &home), Ok(other.join("a")));
        let root = place.path().canonicalize().unwrap();
        symlink(&other, root.join("link")).unwrap();
        assert!(reach(&root.join("link/a"), &home).is_err());
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            reach(Path::new("./Cargo.toml"), &home),
            Ok(here.join("Cargo.toml"))
        );
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let theirs = if me() == 0 {
            let folder = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(folder.path(), Some(12_345), None).unwrap();
            folder.keep()
        } else {
            PathBuf::from("/usr")
        };
        let home = Home::at("/nonexistent/.loong", "/nonexistent");
        let refused = reach(&theirs.join("a"), &home).unwrap_err();
        assert!(refused.contains("belongs to another user"), "{refused}");
        if me() == 0 {
            fs::remove_dir(theirs).unwrap();
        }
    }
}
