//! Whether the folder of compiled code can be trusted: whoever can write there runs code in this
//! process. Decides only; the engine uses it.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::home::private_dir;

/// Why compiled code is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("others can write to {}", .0.display())]
    Writable(PathBuf),
    #[error("{} belongs to another user", .0.display())]
    NotOurs(PathBuf),
    #[error("{0}")]
    Unusable(String),
}

impl Untrusted {
    /// What to do about it, for the cache at `folder`.
    pub fn hint(&self, folder: &Path) -> String {
        match self {
            Self::Writable(place) => format!(
                "take the write permission from others (chmod go-w {}), and remove {}",
                place.display(),
                folder.display()
            ),
            Self::NotOurs(_) => {
                "run loong as its owner, or set LOONG_HOME to a folder of your own".to_owned()
            }
            Self::Unusable(_) => "set LOONG_HOME to a folder that you may write to".to_owned(),
        }
    }
}

/// Makes `folder` when it is missing, with mode 0700, and answers its real path.
///
/// # Errors
/// Somebody else could put code there, in the folder itself or by swapping one of its parents.
pub fn trusted(folder: &Path) -> Result<PathBuf, Untrusted> {
    // Looked at before it is closed: what was written while it was open stays suspect.
    examine(folder)?;
    private_dir(folder).map_err(|failure| Untrusted::Unusable(failure.to_string()))?;
    examine(folder)?;
    folder
        .canonicalize()
        .map_err(|error| unusable(folder, &error))
}

/// As [`trusted`], and makes nothing: a folder that is missing is judged by where it would be.
///
/// # Errors
/// As [`trusted`].
pub fn examine(folder: &Path) -> Result<(), Untrusted> {
    let user = rustix::process::geteuid().as_raw();
    if let Ok(metadata) = fs::symlink_metadata(folder) {
        if metadata.uid() != user {
            return Err(Untrusted::NotOurs(folder.to_path_buf()));
        }
        if metadata.is_dir() && writable_by_others(&metadata) {
            return Err(Untrusted::Writable(folder.to_path_buf()));
        }
    }
    let existing = folder
        .ancestors()
        .find(|ancestor| ancestor.exists())
        .unwrap_or(folder);
    let real = existing
        .canonicalize()
        .map_err(|error| unusable(existing, &error))?;
    for parent in real.ancestors() {
        let metadata = fs::metadata(parent).map_err(|error| unusable(parent, &error))?;
        if metadata.uid() != user && metadata.uid() != 0 {
            return Err(Untrusted::NotOurs(parent.to_path_buf()));
        }
        // In a sticky folder (/tmp) only the owner of an entry can swap it, and the next one is ours.
        let sticky =
            metadata.permissions().mode() & 0o1000 != 0 && !(parent == real && existing == folder);
        if writable_by_others(&metadata) && !sticky {
            return Err(Untrusted::Writable(parent.to_path_buf()));
        }
    }
    Ok(())
}

fn writable_by_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o022 != 0
}

fn unusable(path: &Path, error: &std::io::Error) -> Untrusted {
    Untrusted::Unusable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_missing_folder_is_made_for_the_owner_only() {
        let home = tempfile::tempdir().unwrap();
        let cache = trusted(&home.path().join("cache")).unwrap();
        assert_eq!(
            fs::metadata(cache).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn a_folder_others_can_write_to_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("cache");
        fs::create_dir(&cache).unwrap();
        mode(&cache, 0o777);
        let refused = trusted(&cache).unwrap_err();
        assert_eq!(refused, Untrusted::Writable(cache.clone()));
        assert!(refused.hint(&cache).contains("chmod go-w"));
        assert_eq!(
            fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
            0o777,
            "left as it was"
        );
    }

    #[test]
    fn a_parent_others_can_write_to_is_refused_unless_it_is_sticky() {
        let home = tempfile::tempdir().unwrap();
        let parent = home.path().join("open");
        fs::create_dir(&parent).unwrap();
        mode(&parent, 0o777);
        let real = parent.canonicalize().unwrap();
        assert_eq!(
            trusted(&parent.join("cache")),
            Err(Untrusted::Writable(real))
        );
        mode(&parent, 0o1777);
        assert!(trusted(&parent.join("cache")).is_ok());
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("cache");
        fs::write(&cache, "").unwrap();
        mode(&cache, 0o600);
        let error = trusted(&cache).unwrap_err();
        assert!(error.to_string().contains("cache"), "{error}");
        assert!(error.hint(&cache).contains("LOONG_HOME"));
    }

    #[test]
    fn a_folder_that_a_group_can_write_to_is_refused_as_well() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("cache");
        fs::create_dir(&cache).unwrap();
        mode(&cache, 0o770);
        assert_eq!(trusted(&cache), Err(Untrusted::Writable(cache.clone())));
        // A sticky bit keeps entries from being swapped, and lets new ones in.
        mode(&cache, 0o1777);
        assert_eq!(trusted(&cache), Err(Untrusted::Writable(cache.clone())));
    }

    #[test]
    fn a_parent_of_a_parent_counts() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("open");
        fs::create_dir_all(open.join("between")).unwrap();
        mode(&open, 0o775);
        let real = open.canonicalize().unwrap();
        let refused = Err(Untrusted::Writable(real));
        assert_eq!(trusted(&open.join("between/cache")), refused);
    }

    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        let home = tempfile::tempdir().unwrap();
        let (open, closed) = (home.path().join("open"), home.path().join("closed"));
        fs::create_dir(&open).unwrap();
        fs::create_dir(&closed).unwrap();
        mode(&open, 0o777);
        mode(&closed, 0o700);
        let cache = home.path().join("cache");
        std::os::unix::fs::symlink(&open, &cache).unwrap();
        let real = open.canonicalize().unwrap();
        assert_eq!(trusted(&cache), Err(Untrusted::Writable(real)));
        assert_eq!(
            fs::metadata(&open).unwrap().permissions().mode() & 0o777,
            0o777,
            "what it leads to is left as it was"
        );
        fs::remove_file(&cache).unwrap();
        std::os::unix::fs::symlink(&closed, &cache).unwrap();
        assert_eq!(trusted(&cache).unwrap(), closed.canonicalize().unwrap());
        // One that leads nowhere could be made to lead anywhere.
        fs::remove_file(&cache).unwrap();
        std::os::unix::fs::symlink(home.path().join("nowhere"), &cache).unwrap();
        assert!(matches!(trusted(&cache), Err(Untrusted::Unusable(_))));
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join("cache");
        fs::create_dir(&own).unwrap();
        // Root can give a folder away; for anybody else the system's are somebody else's.
        let given = std::os::unix::fs::chown(&own, Some(65_534), None).is_ok();
        let theirs = if given { own } else { "/usr".into() };
        assert_eq!(trusted(&theirs), Err(Untrusted::NotOurs(theirs.clone())));
        assert!(
            Untrusted::NotOurs(theirs.clone())
                .hint(&theirs)
                .contains("LOONG_HOME")
        );
        if given {
            let below = theirs.join("below");
            assert!(matches!(trusted(&below), Err(Untrusted::NotOurs(_))));
        }
    }
}
