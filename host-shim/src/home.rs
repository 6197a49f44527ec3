//! The host's own folder: `LOONG_HOME`, else `~/.loong`. Everything the host keeps lives under
//! it; nothing here knows what is kept.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// Where the host keeps its state, and where `~` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    user: PathBuf,
}

impl Home {
    /// From `LOONG_HOME` and `HOME`.
    ///
    /// # Errors
    /// Neither is set to an absolute path.
    pub fn locate() -> Result<Self, Failure> {
        Self::from_variables(std::env::var_os("LOONG_HOME"), std::env::var_os("HOME"))
    }

    /// A home at `root`, with `user` as the meaning of `~`.
    pub fn at(root: impl Into<PathBuf>, user: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            user: user.into(),
        }
    }

    /// The folder itself; it need not exist.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `~` means.
    pub fn user(&self) -> &Path {
        &self.user
    }

    /// Where the configuration is when nothing else says.
    pub fn default_config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// Where locks, runtime state and tokens are kept; not made by asking.
    pub fn run_path(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Locks, runtime state and tokens; made when missing, for the owner only.
    ///
    /// # Errors
    /// The folder cannot be made or closed to others.
    pub fn run_dir(&self) -> Result<PathBuf, Failure> {
        private_dir(&self.run_path())
    }

    /// Where compiled code is kept; not made by asking.
    pub fn cache_path(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// `path` with a leading `~` replaced.
    pub fn expand(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match path.strip_prefix("~") {
            Ok(rest) if rest.as_os_str().is_empty() => self.user.clone(),
            Ok(rest) => self.user.join(rest),
            Err(_other) => path.to_path_buf(),
        }
    }

    fn from_variables(loong: Option<OsString>, user: Option<OsString>) -> Result<Self, Failure> {
        let user = user.map(PathBuf::from).filter(|path| path.is_absolute());
        let loong = loong.filter(|value| !value.is_empty()).map(PathBuf::from);
        match (loong, user) {
            (Some(root), _) if !root.is_absolute() => Err(Failure::operator(
                "home_not_absolute",
                format!(
                    "LOONG_HOME is `{}`, which is no absolute path",
                    root.display()
                ),
            )
            .hint("set LOONG_HOME to an absolute path, or unset it to use ~/.loong")),
            (Some(root), user) => Ok(Self {
                user: user.unwrap_or_else(|| root.clone()),
                root,
            }),
            (None, Some(user)) => Ok(Self {
                root: user.join(".loong"),
                user,
            }),
            (None, None) => Err(Failure::operator(
                "home_unknown",
                "neither LOONG_HOME nor HOME says where the state of loong lives",
            )
            .hint("set HOME, or LOONG_HOME to an absolute path")),
        }
    }
}

/// Makes `path` with mode 0700, and closes it to others when it is there already.
///
/// # Errors
/// The folder cannot be made or closed.
pub fn private_dir(path: &Path) -> Result<PathBuf, Failure> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)));
    match made {
        Ok(()) => Ok(path.to_path_buf()),
        Err(error) => Err(Failure::operator(
            "home_not_writable",
            format!("cannot make the private folder {}", path.display()),
        )
        .because(error)
        .hint("make its parent writable for you, or set LOONG_HOME to another place")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loong_home_goes_before_the_users_home() {
        let home =
            Home::from_variables(Some("/srv/loong".into()), Some("/home/ana".into())).unwrap();
        assert_eq!(home.default_config(), Path::new("/srv/loong/config.toml"));
        assert_eq!(home.expand("~/x"), Path::new("/home/ana/x"));
    }

    #[test]
    fn without_it_the_state_lives_in_the_users_home() {
        let home = Home::from_variables(None, Some("/home/ana".into())).unwrap();
        assert_eq!(home.root(), Path::new("/home/ana/.loong"));
    }

    #[test]
    fn a_relative_or_missing_home_is_refused_with_the_way_out() {
        let relative =
            Home::from_variables(Some("here".into()), Some("/home/ana".into())).unwrap_err();
        assert_eq!(relative.code, "home_not_absolute");
        let missing = Home::from_variables(None, None).unwrap_err();
        assert_eq!(missing.code, "home_unknown");
    }

    #[test]
    fn only_a_leading_tilde_is_the_home() {
        let home = Home::at("/srv/loong", "/home/ana");
        assert_eq!(home.expand("~"), Path::new("/home/ana"));
        assert_eq!(home.expand("~ben/x"), Path::new("~ben/x"));
        assert_eq!(home.expand("/a/~"), Path::new("/a/~"));
        assert_eq!(home.expand("~//x"), Path::new("/home/ana/x"));
    }

    #[test]
    fn a_path_that_is_no_text_stays_the_path_that_it_is() {
        use std::os::unix::ffi::OsStrExt as _;
        let odd = |bytes| Path::new(std::ffi::OsStr::from_bytes(bytes));
        let home = Home::at("/srv/loong", "/home/ana");
        assert_eq!(home.expand(odd(b"~/\xff")), odd(b"/home/ana/\xff"));
    }

    #[test]
    fn the_run_folder_is_closed_to_others_even_when_it_was_open() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        Home::at(folder.path(), folder.path()).run_dir().unwrap();
        assert_eq!(
            fs::metadata(&run).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}
