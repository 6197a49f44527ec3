//! The folder of an account's login: whoever can read it is the account.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::check::Checks;
use crate::catalog::bridge_command;
use crate::discovery::manifest::Manifest;
use crate::home::Home;

/// Whether the folder is there, and closed to others.
pub(super) fn examine(checks: &mut Checks, home: &Home, manifest: &Manifest, auth_dir: &str) {
    let path = home.expand(auth_dir);
    let shown = path.display();
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return checks.warn(
                "auth_dir",
                format!("{shown} does not exist: the account is not linked yet"),
                format!(
                    "run `{}`: it makes the folder and links the account",
                    bridge_command(&manifest.channel_id)
                ),
            );
        }
        Err(error) => {
            return checks.fail(
                "auth_dir",
                format!("{shown} cannot be looked at: {error}"),
                "make it readable for you",
            );
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    if !metadata.is_dir() {
        checks.fail(
            "auth_dir",
            format!("{shown} is no folder"),
            "let auth_dir name a folder",
        );
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        checks.fail(
            "auth_dir",
            format!("{shown} belongs to another user"),
            format!("chown it, or run loong as its owner: {shown}"),
        );
    } else if mode & 0o077 != 0 {
        checks.fail(
            "auth_dir",
            format!("{shown} is open to others (mode {mode:04o}): who reads it can be you"),
            format!("chmod 700 {shown}"),
        );
    } else {
        checks.ok("auth_dir", format!("{shown}, private"));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::check::Status;
    use super::*;

    fn verdict(path: &Path) -> (Status, String, String) {
        let manifest =
            Manifest::parse(&crate::discovery::manifest::tests::good().to_string()).unwrap();
        let mut checks = Checks::default();
        examine(
            &mut checks,
            &Home::at("/x", "/x"),
            &manifest,
            path.to_str().unwrap(),
        );
        let check = checks.into_vec().remove(0);
        (check.status, check.seen, check.hint.unwrap_or_default())
    }

    #[test]
    fn a_private_folder_is_fine_a_missing_one_says_how_it_comes_and_an_open_one_how_to_close_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("auth");
        let (status, _, hint) = verdict(&folder);
        assert_eq!(
            (status, hint.contains("loong pigeon-post bridge run")),
            (Status::Warn, true)
        );

        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let (status, seen, hint) = verdict(&folder);
        assert_eq!((status, seen.contains("0755")), (Status::Fail, true));
        assert_eq!(hint, format!("chmod 700 {}", folder.display()));

        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(verdict(&folder).0, Status::Ok);
    }

    #[test]
    fn a_file_in_its_place_fails() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("auth");
        fs::write(&file, "").unwrap();
        assert_eq!(verdict(&file).0, Status::Fail);
    }
}
