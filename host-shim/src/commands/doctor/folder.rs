//! A folder as it is on disk, and whether it will do for what is to be kept there. Whether access
//! fails is asked last: root may do everything, and what counts is what the mode says.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::check::{Finding, Status};
use super::reach::{me, split};
use super::remedy::Remedy;
use crate::commands::shell::quoted;
use crate::real_path::real;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Folder(Folder),
    /// A file, a socket, or whatever.
    Other,
    /// A link to nothing.
    Dangling,
    /// Nobody can say.
    Hidden(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) mode: u32,
    pub(super) owner: u32,
    /// Where it is, when the path is a link.
    pub(super) link: Option<PathBuf>,
    /// Why nothing can be written there, whatever the mode says.
    pub(super) unwritable: Option<String>,
}

/// What a folder has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Bits of the mode that others may not have.
    pub(super) closed: u32,
    /// What it is when they do, and what comes of it.
    pub(super) open: Status,
    pub(super) danger: &'static str,
    /// What it is when the path is a link.
    pub(super) link: Status,
}

/// Looks at `path`; none when nothing is there.
pub(super) fn look(path: &Path) -> Option<Place> {
    let hidden = |error: std::io::Error| Some(Place::Hidden(error.to_string()));
    let is_link = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_symlink(),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return hidden(error),
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_link && error.kind() == ErrorKind::NotFound => {
            return Some(Place::Dangling);
        }
        Err(error) => return hidden(error),
    };
    if !metadata.is_dir() {
        return Some(Place::Other);
    }
    Some(Place::Folder(Folder {
        mode: metadata.permissions().mode() & 0o777,
        owner: metadata.uid(),
        link: is_link.then(|| fs::canonicalize(path).unwrap_or_default()),
        unwritable: unwritable(path),
    }))
}

/// Whether what is at `path` will do; `key` is how the operator named it.
pub(super) fn judge(path: &Path, place: &Place, wanted: Wanted, key: &str) -> Finding {
    let (shown, typed) = (path.display(), quoted(path));
    let folder = match place {
        Place::Folder(folder) => folder,
        Place::Other => {
            return Finding::fail(
                format!("{shown} is no folder"),
                format!("let {key} name a folder"),
            );
        }
        Place::Dangling => {
            return Finding::fail(
                format!("{shown} is a link to something that is not there"),
                format!("bring back what it leads to, or let {key} name another folder"),
            );
        }
        Place::Hidden(why) => {
            return Finding::fail(
                format!("{shown} cannot be looked at: {why}"),
                format!(
                    "make everything that leads to it readable for you, or let {key} name another folder"
                ),
            );
        }
    };
    let mode = folder.mode;
    let closing = match wanted.closed {
        0o022 => (format!("chmod go-w {typed}"), Remedy::lock_out(path)),
        _ => (format!("chmod 700 {typed}"), Remedy::close_folder(path)),
    };
    if folder.owner != me() {
        Finding::fail(
            format!("{shown} belongs to another user"),
            format!("run loong as its owner, or let {key} name a folder of your own"),
        )
    } else if mode & 0o700 != 0o700 {
        Finding::fail(
            format!("{shown} cannot be used by its owner (mode {mode:04o})"),
            format!("chmod u+rwx {typed}"),
        )
        .mended_by(Remedy::Permissions {
            path: path.to_path_buf(),
            take: 0,
            give: 0o700,
        })
    } else if mode & wanted.closed != 0 {
        let seen = format!(
            "{shown} is open to others (mode {mode:04o}): {}",
            wanted.danger
        );
        Finding::new(wanted.open, seen, closing.0).mended_by(closing.1)
    } else if let Some(why) = &folder.unwritable {
        Finding::fail(
            format!("nothing can be written to {shown}: {why}"),
            format!("make its disk writable, or let {key} name a folder on another"),
        )
    } else if let Some(real) = &folder.link {
        Finding::new(
            wanted.link,
            format!("{shown} is a link to {}", real.display()),
            format!("let {key} name that folder itself, if it is the one that is meant"),
        )
    } else {
        Finding::ok(format!("{shown}, mode {mode:04o}"))
    }
}

/// The first folder above `path`, as it is written or as it is, where everybody can exchange what lies in it, and its
/// mode. A group that may write there is believed: on many systems it is the owner's own.
pub(super) fn open_above(path: &Path) -> Option<(PathBuf, u32)> {
    let above = path.parent()?;
    let real = real(above);
    above.ancestors().chain(real.ancestors()).find_map(|place| {
        let mode = fs::metadata(place).ok()?.permissions().mode() & 0o7777;
        (mode & 0o1002 == 0o002).then(|| (place.to_path_buf(), mode))
    })
}

/// Why the missing folder `path` could not be made.
pub(super) fn obstacle(path: &Path) -> Option<String> {
    let (existing, _) = split(path);
    let shown = existing.display();
    let metadata = match fs::metadata(existing) {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("{shown} cannot be looked at: {error}")),
    };
    if !metadata.is_dir() {
        return Some(format!("{shown} is no folder"));
    }
    if metadata.uid() == me() && metadata.permissions().mode() & 0o300 != 0o300 {
        return Some(format!("{shown} is closed to its owner"));
    }
    unwritable(existing).map(|why| format!("nothing can be written to {shown}: {why}"))
}

fn unwritable(path: &Path) -> Option<String> {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    let refused = rustix::fs::access(path, wanted).err()?;
    Some(std::io::Error::from(refused).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: Wanted = Wanted {
        closed: 0o077,
        open: Status::Fail,
        danger: "who reads it can be you",
        link: Status::Fail,
    };

    fn folder(mode: u32) -> Folder {
        Folder {
            mode,
            owner: me(),
            link: None,
            unwritable: None,
        }
    }

    #[test]
    fn every_way_a_folder_can_be_wrong_has_its_verdict_and_its_next_step() {
        let with = |change: fn(&mut Folder)| {
            let mut folder = folder(0o700);
            change(&mut folder);
            Place::Folder(folder)
        };
        let table: [(Place, Status, &str, &str, bool); 10] = [
            (with(|_| ()), Status::Ok, "0700", "", false),
            (
                Place::Other,
                Status::Fail,
                "is no folder",
                "auth_dir",
                false,
            ),
            (
                Place::Dangling,
                Status::Fail,
                "not there",
                "auth_dir",
                false,
            ),
            (
                Place::Hidden("x".into()),
                Status::Fail,
                "looked at",
                "readable",
                false,
            ),
            (
                with(|f| f.owner += 1),
                Status::Fail,
                "another user",
                "owner",
                false,
            ),
            (
                with(|f| f.mode = 0o500),
                Status::Fail,
                "0500",
                "chmod u+rwx",
                true,
            ),
            (
                with(|f| f.mode = 0o710),
                Status::Fail,
                "can be you",
                "chmod 700 '/a b'",
                true,
            ),
            (
                with(|f| f.mode = 0o701),
                Status::Fail,
                "0701",
                "chmod 700",
                true,
            ),
            (
                with(|f| f.unwritable = Some("read-only".into())),
                Status::Fail,
                "read-only",
                "disk",
                false,
            ),
            (
                with(|f| f.link = Some("/c".into())),
                Status::Fail,
                "a link to /c",
                "auth_dir",
                false,
            ),
        ];
        for (place, status, seen, hint, mended) in table {
            let found = judge(Path::new("/a b"), &place, PRIVATE, "auth_dir");
            assert_eq!(found.status, status, "{place:?}");
            assert!(found.seen.contains(seen), "{found:?}");
            assert!(found.hint.contains(hint), "{found:?}");
            assert_eq!(found.remedy.is_some(), mended, "{found:?}");
        }
    }

    #[test]
    fn where_only_writing_matters_others_may_read() {
        let wanted = Wanted {
            closed: 0o022,
            open: Status::Warn,
            danger: "x",
            link: Status::Warn,
        };
        let judged = |mode| judge(Path::new("/a"), &Place::Folder(folder(mode)), wanted, "k");
        assert_eq!(judged(0o755).status, Status::Ok);
        let link = Folder {
            link: Some("/c".into()),
            ..folder(0o755)
        };
        let link = judge(Path::new("/a"), &Place::Folder(link), wanted, "k");
        assert_eq!(link.status, Status::Warn);
        let open = judged(0o775);
        assert_eq!(
            (open.status, open.hint.as_str()),
            (Status::Warn, "chmod go-w /a")
        );
    }

    #[test]
    fn what_lies_at_a_path_is_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("folder"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("gone"), at("dangling")).unwrap();
        assert_eq!(look(&at("nothing")), None);
        assert_eq!(look(&at("file")), Some(Place::Other));
        assert_eq!(look(&at("dangling")), Some(Place::Dangling));
        assert!(matches!(look(&at("file/below")), Some(Place::Hidden(_))));
        assert!(matches!(
            look(&at("folder")),
            Some(Place::Folder(Folder { link: None, .. }))
        ));
        let real = fs::canonicalize(at("folder")).unwrap();
        assert!(
            matches!(look(&at("link")), Some(Place::Folder(Folder { link: Some(to), .. })) if to == real)
        );
    }

    #[test]
    fn a_folder_that_everybody_can_write_to_is_found_above_also_behind_a_link_and_a_sticky_one_is_none()
     {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let change = |name: &str, mode| {
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::create_dir_all(at("open/real")).unwrap();
        fs::create_dir(at("closed")).unwrap();
        std::os::unix::fs::symlink(at("open/real"), at("closed/link")).unwrap();
        std::os::unix::fs::symlink(at("closed"), at("open/link")).unwrap();
        for (mode, found) in [
            (0o777, true),
            (0o702, true),
            (0o1777, false),
            (0o775, false),
        ] {
            change("open", mode);
            for path in [
                "open/auth",
                "open/a/b/auth",
                "closed/link/auth",
                "open/link/auth",
            ] {
                let above = open_above(&at(path)).map(|(_, mode)| mode);
                assert_eq!(above, found.then_some(mode), "{path}");
            }
        }
        change("open", 0o777);
        assert_eq!(open_above(&at("closed/auth")), None);
        assert_eq!(
            open_above(&at("open")),
            None,
            "itself is another's question"
        );
    }

    #[test]
    fn a_folder_can_be_made_below_one_that_its_owner_may_use_and_not_below_a_file() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(obstacle(&place.path().join("a/b")), None);
        fs::write(place.path().join("file"), "").unwrap();
        let below = obstacle(&place.path().join("file/a")).unwrap();
        assert!(below.contains("is no folder"), "{below}");
        let closed = place.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        let below = obstacle(&closed.join("a")).unwrap();
        assert!(below.contains("closed to its owner"), "{below}");
    }
}
