//! The host's own folder and what it keeps there: locks and tokens, compiled code, conversations.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::check::{Checks, Finding, Id, Status};
use super::folder::{Place, Wanted, judge, look, obstacle};
use super::reach::me;
use super::remedy::Remedy;
use super::space;
use crate::commands::shell::quoted;
use crate::component::cache_dir::{self, Untrusted};
use crate::home::Home;

/// The folder itself: others may look, because what matters in it is closed by itself.
const ROOT: Wanted = Wanted {
    closed: 0o022,
    open: Status::Warn,
    danger: "they can put files of theirs in the place of yours",
    link: Status::Warn,
};
const RUN: Wanted = Wanted {
    closed: 0o077,
    open: Status::Warn,
    danger: "the tokens of your bridges are kept here",
    link: Status::Warn,
};

/// Checks all of it.
pub(super) fn examine(checks: &mut Checks, home: &Home) {
    checks.add(Id::Home, kept(home.root(), ROOT));
    checks.add(Id::RunFolder, kept(&home.run_path(), RUN));
    checks.add(Id::CacheFolder, cache(&home.cache_path()));
    if let Some(found) = history(&home.root().join("history.db")) {
        checks.add(Id::History, found);
    }
    space::examine(checks, home.root(), "what loong keeps");
}

/// A folder that is made when it is first needed.
fn kept(path: &Path, wanted: Wanted) -> Finding {
    match look(path) {
        None => missing(path),
        Some(place) => judge(path, &place, wanted, "LOONG_HOME"),
    }
}

fn missing(path: &Path) -> Finding {
    let shown = path.display();
    match obstacle(path) {
        None => Finding::ok(format!(
            "{shown} is not there yet: it is made when it is needed"
        ))
        .mended_by(Remedy::MakeFolder(path.to_path_buf())),
        Some(why) => Finding::fail(
            format!("{shown} does not exist and cannot be made: {why}"),
            "correct that, or set LOONG_HOME to a folder of your own",
        ),
    }
}

/// Without a cache everything works, and every start compiles.
fn cache(path: &Path) -> Finding {
    let shown = path.display();
    match cache_dir::examine(path) {
        Ok(()) => match look(path) {
            None => match obstacle(path) {
                None => missing(path),
                Some(why) => untrusted(path, &Untrusted::Unusable(why)),
            },
            Some(Place::Folder(folder))
                if folder.mode & 0o700 == 0o700 && folder.unwritable.is_none() =>
            {
                Finding::ok(format!("{shown}, nobody else can write there"))
            }
            Some(place) => {
                let found = judge(path, &place, RUN, "LOONG_HOME");
                Finding {
                    status: Status::Warn,
                    ..found
                }
            }
        },
        Err(reason) => untrusted(path, &reason),
    }
}

fn untrusted(path: &Path, reason: &Untrusted) -> Finding {
    Finding::warn(
        format!("compiled code is not kept, so every start compiles: {reason}"),
        reason.hint(path),
    )
}

/// None as long as there is no conversation.
fn history(path: &Path) -> Option<Finding> {
    let shown = path.display();
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            let seen = format!("{shown} cannot be looked at: {error}");
            return Some(Finding::fail(seen, "make it readable for you"));
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    let (typed, beside) = (quoted(path), "move it away to begin with an empty history");
    Some(if !metadata.is_file() {
        Finding::fail(
            format!("{shown} is no file"),
            format!("{beside}: mv {typed} {typed}.old"),
        )
    } else if metadata.uid() != me() {
        Finding::fail(
            format!("{shown} belongs to another user"),
            "run loong as its owner, or set LOONG_HOME to a folder of your own",
        )
    } else if mode & 0o600 != 0o600 {
        Finding::fail(
            format!("{shown} cannot be used by its owner (mode {mode:04o})"),
            format!("chmod 600 {typed}"),
        )
        .mended_by(Remedy::Permissions {
            path: path.to_path_buf(),
            take: 0,
            give: 0o600,
        })
    } else if mode & 0o077 != 0 {
        Finding::warn(
            format!("{shown} is open to others (mode {mode:04o}): it holds conversations"),
            format!("chmod 600 {typed}"),
        )
        .mended_by(Remedy::close_file(path))
    } else {
        Finding::ok(format!("{shown}, mode {mode:04o}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn place() -> (tempfile::TempDir, Home) {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join(".loong"), place.path());
        (place, home)
    }

    fn statuses(home: &Home) -> Vec<(Id, Status)> {
        let mut checks = Checks::default();
        examine(&mut checks, home);
        let checks = checks.into_vec().into_iter();
        checks.map(|check| (check.id, check.status)).collect()
    }

    fn is(home: &Home, id: Id, status: Status) {
        let found = statuses(home);
        assert!(
            found.contains(&(id, status)),
            "{id:?} {status:?}: {found:?}"
        );
    }

    #[test]
    fn a_home_that_is_not_there_yet_is_fine_and_looking_makes_nothing() {
        let (_place, home) = place();
        for (id, status) in statuses(&home) {
            assert_eq!(status, Status::Ok, "{id:?}");
        }
        assert!(!home.root().exists());
    }

    #[test]
    fn a_home_that_cannot_be_made_or_used_fails() {
        let (_place, home) = place();
        fs::write(home.root(), "").unwrap();
        is(&home, Id::Home, Status::Fail);
        is(&home, Id::RunFolder, Status::Fail);
        fs::remove_file(home.root()).unwrap();
        fs::create_dir(home.root()).unwrap();
        mode(home.root(), 0o500);
        is(&home, Id::Home, Status::Fail);
        is(&home, Id::RunFolder, Status::Fail);
        is(&home, Id::CacheFolder, Status::Warn);
    }

    #[test]
    fn what_others_can_write_to_is_worth_a_look() {
        let (_place, home) = place();
        fs::create_dir_all(home.run_path()).unwrap();
        fs::create_dir(home.cache_path()).unwrap();
        fs::write(home.root().join("history.db"), "").unwrap();
        mode(home.root(), 0o777);
        mode(&home.run_path(), 0o755);
        mode(&home.cache_path(), 0o777);
        mode(&home.root().join("history.db"), 0o644);
        for id in [Id::Home, Id::RunFolder, Id::CacheFolder, Id::History] {
            is(&home, id, Status::Warn);
        }
    }

    #[test]
    fn a_history_that_is_no_file_or_closed_to_its_owner_fails() {
        let (_place, home) = place();
        let history = home.root().join("history.db");
        fs::create_dir_all(&history).unwrap();
        is(&home, Id::History, Status::Fail);
        fs::remove_dir(&history).unwrap();
        fs::write(&history, "").unwrap();
        mode(&history, 0o400);
        is(&home, Id::History, Status::Fail);
    }
}
