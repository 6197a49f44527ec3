//! What `--fix` can do about a finding, each done at most once and said in one sentence. Deletes
//! nothing, and touches nothing that [`super::reach`] does not allow.

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::check::{Check, Id};
use super::reach::{me, reach};
use crate::commands::bridge_install;
use crate::config_edit::ConfigEdit;
use crate::discovery::roots::Plugin;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

/// Something that mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Make a folder that nobody else can enter.
    MakeFolder(PathBuf),
    /// Change the mode of a file or folder.
    Permissions { path: PathBuf, take: u32, give: u32 },
    /// Have plugins looked for, in `root` too when there is one.
    LookForPlugins {
        config: PathBuf,
        root: Option<String>,
    },
    /// Install what a plugin's bridge needs.
    Install(Box<Plugin>),
}

impl Remedy {
    /// A folder for its owner alone.
    pub fn close_folder(path: &Path) -> Self {
        Self::Permissions {
            path: path.to_path_buf(),
            take: 0o077,
            give: 0o700,
        }
    }

    /// Nobody else can write to it.
    pub fn lock_out(path: &Path) -> Self {
        Self::Permissions {
            path: path.to_path_buf(),
            take: 0o022,
            give: 0,
        }
    }

    /// A file for its owner alone.
    pub fn close_file(path: &Path) -> Self {
        Self::Permissions {
            path: path.to_path_buf(),
            take: 0o077,
            give: 0,
        }
    }

    /// Whether it may be tried.
    pub fn is_allowed(&self, home: &Home) -> bool {
        reach(self.place(), home).is_ok()
    }

    fn place(&self) -> &Path {
        match self {
            Self::MakeFolder(path) | Self::Permissions { path, .. } => path,
            Self::LookForPlugins { config, .. } => config,
            Self::Install(plugin) => &plugin.directory,
        }
    }
}

/// What was done about a check, or why nothing was; field names are stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fix {
    pub id: Id,
    pub channel: Option<String>,
    pub account: Option<String>,
    pub fixed: bool,
    /// What was done; what stood in the way when it is not fixed.
    pub what: String,
}

impl Fix {
    /// Does what `remedy` says about `check`.
    pub(super) async fn attempt(
        check: &Check,
        remedy: &Remedy,
        home: &Home,
        output: &Output,
    ) -> Self {
        let (fixed, what) = match apply(remedy, home, output).await {
            Ok(what) => (true, what),
            Err(why) => (false, why),
        };
        Self {
            id: check.id,
            channel: check.channel.clone(),
            account: check.account.clone(),
            fixed,
            what,
        }
    }
}

async fn apply(remedy: &Remedy, home: &Home, output: &Output) -> Result<String, String> {
    let real = reach(remedy.place(), home)?;
    let shown = remedy.place().display();
    match remedy {
        Remedy::MakeFolder(_) => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&real)
                .map_err(|error| format!("{shown} cannot be made: {error}"))?;
            Ok(format!("made {shown} (mode 0700)"))
        }
        Remedy::Permissions { take, give, .. } => {
            let (before, after) = change_mode(&real, *take, *give)?;
            Ok(format!(
                "changed the mode of {shown} from {before:04o} to {after:04o}"
            ))
        }
        Remedy::LookForPlugins { root, .. } => {
            look_for_plugins(&real, root.as_deref()).map_err(|failure| failure.to_string())
        }
        Remedy::Install(plugin) => {
            // An install takes a lock there, and closes the folder for it.
            reach(&home.run_path(), home)?;
            bridge_install::install(plugin, home, false, output)
                .await
                .map(|()| format!("installed what the bridge needs in {shown}"))
                .map_err(|failure| failure.to_string())
        }
    }
}

/// Changes what was opened, and not what may have taken its place meanwhile.
fn change_mode(path: &Path, take: u32, give: u32) -> Result<(u32, u32), String> {
    let failed = |error: std::io::Error| format!("{} cannot be changed: {error}", path.display());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let file = File::from(opened);
    let metadata = file.metadata().map_err(failed)?;
    if metadata.uid() != me() {
        return Err(format!("{} belongs to another user", path.display()));
    }
    let before = metadata.permissions().mode() & 0o7777;
    let after = (before & !take) | give;
    file.set_permissions(Permissions::from_mode(after))
        .map_err(failed)?;
    Ok((before, after))
}

fn look_for_plugins(config: &Path, root: Option<&str>) -> Result<String, Failure> {
    const TABLE: [&str; 1] = ["runtime_plugins"];
    let mut edit = ConfigEdit::open(config)?;
    edit.set(&TABLE, "enabled", true)?;
    let mut what = "set `enabled = true`".to_owned();
    if let Some(root) = root {
        edit.add_to_list(&TABLE, "roots", root)?;
        what.push_str(&format!(" and added {root:?} to `roots`"));
    }
    edit.save()?;
    Ok(format!(
        "{what} in [runtime_plugins] of {}",
        config.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn home() -> (tempfile::TempDir, PathBuf, Home) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let home = Home::at(root.join(".loong"), &root);
        (place, root, home)
    }

    async fn applied(remedy: &Remedy, home: &Home) -> Result<String, String> {
        let output = Output::to(Box::new(std::io::sink()), Box::new(std::io::sink()));
        apply(remedy, home, &output).await
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_folder_is_made_private_with_all_that_leads_to_it_and_twice_is_no_fault() {
        let (_place, root, home) = home();
        let remedy = Remedy::MakeFolder(root.join("a/b"));
        for _ in 0..2 {
            let what = applied(&remedy, &home).await.unwrap();
            assert!(what.contains("a/b (mode 0700)"), "{what}");
            assert_eq!(
                (mode(&root.join("a")), mode(&root.join("a/b"))),
                (0o700, 0o700)
            );
        }
    }

    #[tokio::test]
    async fn others_lose_what_they_may_do_and_the_owner_gets_what_is_needed() {
        let (_place, root, home) = home();
        let file = root.join("file");
        fs::write(&file, "x").unwrap();
        for (remedy, before, after) in [
            (Remedy::close_folder(&file), 0o555, 0o700),
            (Remedy::close_file(&file), 0o644, 0o600),
            (Remedy::lock_out(&file), 0o777, 0o755),
        ] {
            fs::set_permissions(&file, Permissions::from_mode(before)).unwrap();
            let what = applied(&remedy, &home).await.unwrap();
            assert!(
                what.contains(&format!("from {before:04o} to {after:04o}")),
                "{what}"
            );
            assert_eq!(mode(&file), after);
        }
    }

    #[tokio::test]
    async fn what_a_link_leads_out_to_is_left_alone() {
        let (_place, root, home) = home();
        let other = tempfile::tempdir().unwrap();
        fs::set_permissions(other.path(), Permissions::from_mode(0o755)).unwrap();
        symlink(other.path(), root.join("out")).unwrap();
        for remedy in [
            Remedy::close_folder(&root.join("out")),
            Remedy::MakeFolder(root.join("out/a")),
        ] {
            assert!(!remedy.is_allowed(&home));
            let why = applied(&remedy, &home).await.unwrap_err();
            assert!(why.contains("a link on the way"), "{why}");
        }
        assert_eq!(mode(other.path()), 0o755);
        assert!(!other.path().join("a").exists());
    }

    #[tokio::test]
    async fn plugins_are_looked_for_and_the_rest_of_the_configuration_stays() {
        let (_place, root, home) = home();
        let config = root.join("config.toml");
        fs::write(
            &config,
            "# mine\n[runtime_plugins] # here\nenabled = false\n[pigeon]\nx = 1 # one\n",
        )
        .unwrap();
        let remedy = Remedy::LookForPlugins {
            config: config.clone(),
            root: Some("/plugins".into()),
        };
        applied(&remedy, &home).await.unwrap();
        let text = fs::read_to_string(&config).unwrap();
        assert_eq!(
            text,
            "# mine\n[runtime_plugins] # here\nenabled = true\nroots = [\"/plugins\"]\n[pigeon]\nx = 1 # one\n"
        );
        applied(&remedy, &home).await.unwrap();
        assert_eq!(fs::read_to_string(&config).unwrap(), text);
    }
}
