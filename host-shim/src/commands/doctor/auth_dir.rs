//! The folder of an account's login: whoever can read it is the account. What doctor fails, no command uses; the
//! bridge looks once more by itself, as others start it too (`private-dir.mjs` there).

use std::path::{Path, PathBuf};

use super::check::{Checks, Finding, Id, Status};
use super::folder::{Wanted, judge, look, obstacle, open_above};
use super::remedy::Remedy;
use crate::catalog::bridge_command;
use crate::commands::shell::quoted;
use crate::error::Failure;
use crate::home::Home;

const PRIVATE: Wanted = Wanted {
    closed: 0o077,
    open: Status::Fail,
    danger: "who reads it can be you",
    link: Status::Fail,
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
    let found = verdict(&path, channel);
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

/// Why the folder at `path`, which is absolute, may not be used; none when it may, or can be made.
pub(in crate::commands) fn refusal(path: &Path, channel: &str) -> Option<Failure> {
    let found = verdict(path, channel);
    let refused = found.status == Status::Fail;
    refused.then(|| Failure::operator("auth_dir_refused", found.seen).hint(found.hint))
}

fn verdict(path: &Path, channel: &str) -> Finding {
    // A slash at the end would follow the link.
    let path: &Path = &path.components().collect::<PathBuf>();
    if let Some((above, mode)) = open_above(path) {
        return Finding::fail(
            format!(
                "everybody can exchange what lies in {} (mode {mode:04o}), and {} does",
                above.display(),
                path.display()
            ),
            format!(
                "chmod o-w {}, or let auth_dir name another folder",
                quoted(&above)
            ),
        );
    }
    match look(path) {
        None => missing(path, channel),
        Some(place) => judge(path, &place, PRIVATE, "auth_dir"),
    }
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
            ("~/link", Status::Fail, "is a link to"),
            ("~/link/", Status::Fail, "is a link to"),
            ("~/link/.", Status::Fail, "is a link to"),
            ("~/dangling", Status::Fail, "not there"),
        ] {
            let found = looked_at(place.path(), written);
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.seen.contains(seen), "{found:?}");
        }
    }

    #[test]
    fn a_folder_that_doctor_fails_is_refused_with_the_same_words_and_one_that_can_be_made_is_not() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let make = |name: &str, mode| {
            fs::create_dir(at(name)).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        make("private", 0o700);
        make("readable", 0o740);
        make("exchanged", 0o777);
        symlink(at("private"), at("link")).unwrap();
        for (name, words, step) in [
            ("readable", "open to others (mode 0740)", "chmod 700 "),
            ("link", "is a link to", "name that folder itself"),
            (
                "exchanged/auth",
                "everybody can exchange what lies in",
                "chmod o-w ",
            ),
        ] {
            let refused = refusal(&at(name), "pigeon-post").unwrap();
            assert_eq!(refused.code, "auth_dir_refused");
            assert!(refused.message.contains(words), "{refused}");
            assert!(refused.hint.unwrap().contains(step), "{name}");
        }
        for name in ["private", "new"] {
            assert_eq!(refusal(&at(name), "pigeon-post"), None, "{name}");
        }
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let place = tempfile::tempdir().unwrap();
        // Root can give a folder away; whoever is not root finds one of root's.
        let theirs = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(place.path(), Some(65_534), None).unwrap();
            place.path()
        } else {
            Path::new("/")
        };
        let refused = refusal(theirs, "pigeon-post").unwrap();
        assert!(
            refused.message.contains("belongs to another user"),
            "{refused}"
        );
    }
}
