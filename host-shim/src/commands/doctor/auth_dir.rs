//! The folder of an account's login: whoever can read it is the account.

use std::path::{Path, PathBuf};

use super::check::{Checks, Finding, Id, Status};
use super::folder::{Wanted, judge, look, obstacle};
use super::remedy::Remedy;
use crate::catalog::bridge_command;
use crate::home::Home;

const PRIVATE: Wanted = Wanted {
    closed: 0o077,
    open: Status::Fail,
    danger: "who reads it can be you",
};

/// Looks at the folder that is `written`, and answers where it is.
pub(super) fn examine(
    checks: &mut Checks,
    home: &Home,
    directory: &Path,
    channel: &str,
    written: &str,
) -> PathBuf {
    let expanded = home.expand(written);
    let path = directory.join(&expanded);
    let found = match look(&path) {
        None => missing(&path, channel),
        Some(place) => judge(&path, &place, PRIVATE, "auth_dir"),
    };
    let found = if found.status == Status::Ok && expanded.is_relative() {
        Finding::warn(
            format!(
                "{written} is another folder wherever loong is started; here it is {}",
                path.display()
            ),
            format!("auth_dir = {:?}", path.to_string_lossy()),
        )
    } else {
        found
    };
    checks.add(Id::AuthDir, found);
    path
}

fn missing(path: &Path, channel: &str) -> Finding {
    let shown = path.display();
    match obstacle(path) {
        None => Finding::warn(
            format!("{shown} does not exist: the account is not linked yet"),
            format!(
                "run `{}`: it makes the folder and links the account",
                bridge_command(channel)
            ),
        )
        .mended_by(Remedy::MakeFolder(path.to_path_buf())),
        Some(why) => Finding::fail(
            format!("{shown} does not exist and cannot be made: {why}"),
            "correct that, or let auth_dir name a folder of your own",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::check::Check;
    use super::*;

    fn looked_at(place: &Path, written: &str) -> Check {
        let mut checks = Checks::default();
        let home = Home::at(place.join(".loong"), place);
        examine(&mut checks, &home, place, "pigeon-post", written);
        checks.into_vec().remove(0)
    }

    fn hint(check: &Check) -> &str {
        check.hint.as_deref().unwrap_or_default()
    }

    #[test]
    fn a_private_folder_is_fine_a_missing_one_says_how_it_comes_and_an_open_one_how_to_close_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("auth");
        let missing = looked_at(place.path(), "~/auth");
        assert_eq!(missing.status, Status::Warn);
        assert!(hint(&missing).contains("loong pigeon-post bridge run"));
        assert_eq!(missing.remedy, Some(Remedy::MakeFolder(folder.clone())));

        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let open = looked_at(place.path(), "~/auth");
        assert_eq!(
            (open.status, open.seen.contains("0755")),
            (Status::Fail, true)
        );
        assert_eq!(hint(&open), format!("chmod 700 {}", folder.display()));

        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(looked_at(place.path(), "~/auth").status, Status::Ok);
        let relative = looked_at(place.path(), "auth");
        assert_eq!(relative.status, Status::Warn);
        assert_eq!(hint(&relative), format!("auth_dir = {folder:?}"));
    }

    #[test]
    fn a_file_a_link_and_a_place_where_nothing_can_be_made_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("real")).unwrap();
        fs::set_permissions(at("real"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink(at("real"), at("link")).unwrap();
        symlink(at("gone"), at("dangling")).unwrap();
        for (written, status, seen) in [
            ("~/file", Status::Fail, "is no folder"),
            ("~/file/auth", Status::Fail, "cannot be looked at"),
            ("~/link", Status::Warn, "is a link to"),
            ("~/dangling", Status::Fail, "not there"),
        ] {
            let found = looked_at(place.path(), written);
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.seen.contains(seen), "{found:?}");
        }
    }
}
