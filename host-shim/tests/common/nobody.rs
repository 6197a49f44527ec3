//! `loong` as somebody to whom modes mean something: root reads what is closed to everybody.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Place, Ran, end_of};

const NOBODY: u32 = 65_534;

/// Runs `loong` in a place that is given to nobody first, when it is root who runs the tests.
pub async fn runs_as_nobody(place: &Place, arguments: &[&str]) -> Ran {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    // Where the tests are built may be closed to others.
    let program = place.path("loong");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_loong"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    if root {
        give(&place.path(""));
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .args(arguments)
        .current_dir(place.path(""))
        .env_clear()
        .env("HOME", place.path(""))
        .env("LOONG_HOME", place.path("home"))
        .env("LOONG_CONFIG_PATH", place.path("loong.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    end_of(command.spawn().unwrap()).await
}

/// Gives all of a folder to nobody; the modes stay.
fn give(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
    if !path.is_symlink() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}
