//! No package's install script is run, whatever settings ask for it. Shown with the real npm and a package that
//! leaves a mark, because the flag is only as good as npm's word.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a machine without npm fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use loong::bridge::install;

/// A plugin folder whose one dependency would leave a mark, and an npm that is asked to let it.
struct Trap {
    place: tempfile::TempDir,
}

impl Trap {
    fn set() -> Self {
        let trap = Self {
            place: tempfile::tempdir().unwrap(),
        };
        let mark = format!("touch '{}'", trap.mark().display());
        let package = serde_json::json!({
            "name": "trap", "version": "1.0.0",
            "scripts": {"preinstall": mark, "install": mark, "postinstall": mark, "prepare": mark},
        });
        trap.write("trap/package.json", &package.to_string());
        let plugin = r#"{"name": "plugin", "version": "1.0.0", "dependencies": {"trap": "file:../trap-1.0.0.tgz"}}"#;
        trap.write("plugin/package.json", plugin);
        // What a user or an administrator could have set.
        trap.write("home/.npmrc", "ignore-scripts=false\n");
        let npm = format!(
            "#!/bin/sh\nexport HOME='{home}' npm_config_userconfig='{home}/.npmrc' npm_config_cache='{home}/cache'\n\
             export npm_config_ignore_scripts=false npm_config_offline=true\nexec npm \"$@\"\n",
            home = trap.at("home").display()
        );
        trap.write("npm", &npm);
        fs::set_permissions(trap.at("npm"), fs::Permissions::from_mode(0o700)).unwrap();
        trap.npm(
            &["pack", "--ignore-scripts", "--pack-destination", ".."],
            "trap",
        );
        trap.npm(
            &["install", "--ignore-scripts", "--package-lock-only"],
            "plugin",
        );
        assert!(!trap.mark().exists());
        trap
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn mark(&self) -> PathBuf {
        self.at("a-script-was-run")
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.at(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn npm(&self, words: &[&str], folder: &str) {
        let ran = Command::new(self.at("npm"))
            .args(words)
            .current_dir(self.at(folder))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    fn installed(&self) -> bool {
        Path::new(&self.at("plugin/node_modules/trap/package.json")).is_file()
    }
}

#[tokio::test]
async fn bridge_install_runs_no_script_even_where_every_setting_asks_for_it() {
    let trap = Trap::set();
    let npm = || Ok(trap.at("npm"));
    install::ensure(
        &trap.at("plugin"),
        npm,
        &trap.at("home"),
        false,
        &mut |_| (),
    )
    .await
    .unwrap();
    assert!(trap.installed() && !trap.mark().exists());
}

#[test]
fn a_folder_whose_own_settings_forbid_scripts_keeps_a_bare_npm_from_running_them() {
    let trap = Trap::set();
    // Without the variable, which stands above every file; the user's own file still asks for it.
    trap.write(
        "npm",
        &fs::read_to_string(trap.at("npm"))
            .unwrap()
            .replace("npm_config_ignore_scripts=false ", ""),
    );
    fs::copy(shipped_settings(), trap.at("plugin/.npmrc")).unwrap();
    let words = [BARE, "--offline"];
    trap.npm(&words, "plugin");
    assert!(trap.installed() && !trap.mark().exists());
}

#[test]
fn the_trap_is_one() {
    let trap = Trap::set();
    trap.npm(&[BARE], "plugin");
    assert!(trap.installed() && trap.mark().exists());
}

/// As stock Loong's helper calls npm.
const BARE: &str = "install";

fn shipped_settings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime-plugins/whatsapp-personal-bridge/.npmrc")
}
