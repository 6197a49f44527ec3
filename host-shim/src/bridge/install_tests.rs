use tempfile::TempDir;

use super::*;
use crate::bridge::node::tests::write_program;

/// A plugin folder with two dependencies, and an npm that counts its runs.
struct Plugin {
    place: TempDir,
}

impl Plugin {
    fn new() -> Self {
        let plugin = Self {
            place: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(plugin.folder()).unwrap();
        fs::write(plugin.folder().join("package.json"), "{}").unwrap();
        plugin.lock_file("1");
        plugin.npm(
            "mkdir -p node_modules/a && echo 'npm http fetch GET 200 https://r/a.tgz 1ms' >&2",
        );
        plugin
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("plugin")
    }

    fn lock_file(&self, version: &str) {
        let lock = format!(
            r#"{{"packages":{{"":{{}},"node_modules/a":{{"version":"{version}"}},"node_modules/b":{{}}}}}}"#
        );
        fs::write(self.folder().join("package-lock.json"), lock).unwrap();
    }

    fn npm(&self, script: &str) {
        let runs = self.place.path().join("runs");
        let script = format!("echo \"$@\" >> {}\n{script}", runs.display());
        write_program(&self.place.path().join("npm"), &script);
    }

    fn runs(&self) -> Vec<String> {
        fs::read_to_string(self.place.path().join("runs"))
            .map(|runs| runs.lines().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    async fn ensure(&self, skip: bool) -> (Result<(), Failure>, Vec<Progress>) {
        let mut told = Vec::new();
        let npm = || Ok(self.place.path().join("npm"));
        let outcome = ensure(&self.folder(), npm, self.place.path(), skip, &mut |step| {
            told.push(step)
        })
        .await;
        (outcome, told)
    }
}

#[tokio::test]
async fn the_first_start_installs_without_scripts_and_shows_how_far_it_is() {
    let plugin = Plugin::new();
    let (outcome, told) = plugin.ensure(false).await;
    outcome.unwrap();
    assert!(
        plugin.runs()[0].starts_with("ci --ignore-scripts"),
        "{:?}",
        plugin.runs()
    );
    assert_eq!(
        told[0],
        Progress::Begins {
            why: "first start",
            packages: 2
        }
    );
    assert_eq!(
        told[1],
        Progress::Fetched {
            done: 1,
            packages: 2
        }
    );
    assert!(matches!(told[2], Progress::Done { .. }));
}

#[tokio::test]
async fn the_second_start_installs_nothing_and_needs_no_npm() {
    let plugin = Plugin::new();
    plugin.ensure(false).await.0.unwrap();
    let no_npm = || Err(Failure::fault("npm", "must not be asked for"));
    let mut told = Vec::new();
    ensure(
        &plugin.folder(),
        no_npm,
        plugin.place.path(),
        false,
        &mut |step| told.push(step),
    )
    .await
    .unwrap();
    assert_eq!(told, []);
    assert_eq!(plugin.runs().len(), 1);
}

#[tokio::test]
async fn a_changed_lock_file_and_an_interrupted_install_are_installed_again() {
    let plugin = Plugin::new();
    plugin.ensure(false).await.0.unwrap();
    plugin.lock_file("2");
    let (outcome, told) = plugin.ensure(false).await;
    outcome.unwrap();
    assert_eq!(
        told[0],
        Progress::Begins {
            why: "the plugin was updated",
            packages: 2
        }
    );
    fs::remove_file(plugin.folder().join("node_modules").join(STAMP)).unwrap();
    let (outcome, told) = plugin.ensure(false).await;
    outcome.unwrap();
    assert_eq!(
        told[0],
        Progress::Begins {
            why: "an earlier install was not finished",
            packages: 2
        }
    );
    assert_eq!(plugin.runs().len(), 3);
}

#[tokio::test]
async fn a_failed_install_says_what_npm_said_and_is_not_taken_for_complete() {
    let plugin = Plugin::new();
    plugin.npm("mkdir -p node_modules; echo 'npm error network is down' >&2; exit 1");
    let failure = plugin.ensure(false).await.0.unwrap_err();
    assert_eq!(failure.code, "install_failed");
    assert!(failure.to_string().contains("network is down"), "{failure}");
    assert!(failure.hint.unwrap().contains("npm ci --ignore-scripts"));
    plugin.npm("exit 0");
    plugin.ensure(false).await.0.unwrap();
    assert_eq!(plugin.runs().len(), 2);
}

#[tokio::test]
async fn forbidden_to_install_what_is_missing_is_an_error_and_what_is_old_a_warning() {
    let plugin = Plugin::new();
    let failure = plugin.ensure(true).await.0.unwrap_err();
    assert_eq!(failure.code, "not_installed");
    assert!(failure.hint.unwrap().contains("npm ci --ignore-scripts"));
    plugin.ensure(false).await.0.unwrap();
    plugin.lock_file("2");
    let (outcome, told) = plugin.ensure(true).await;
    outcome.unwrap();
    assert_eq!(
        told,
        [Progress::Skipped {
            why: "the plugin was updated"
        }]
    );
    assert_eq!(plugin.runs().len(), 1);
}

#[tokio::test]
async fn two_starts_at_once_install_once() {
    let plugin = Plugin::new();
    plugin.npm("mkdir -p node_modules; sleep 0.3");
    let (one, two) = tokio::join!(plugin.ensure(false), plugin.ensure(false));
    one.0.unwrap();
    two.0.unwrap();
    assert_eq!(plugin.runs().len(), 1);
    assert!(
        one.1.contains(&Progress::WaitsForAnother) || two.1.contains(&Progress::WaitsForAnother)
    );
}

#[tokio::test]
async fn a_plugin_without_dependencies_needs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let no_npm = || Err(Failure::fault("npm", "must not be asked for"));
    ensure(folder.path(), no_npm, folder.path(), true, &mut |_| {})
        .await
        .unwrap();
}

#[tokio::test]
async fn a_plugin_without_its_lock_file_is_incomplete() {
    let plugin = Plugin::new();
    fs::remove_file(plugin.folder().join("package-lock.json")).unwrap();
    assert_eq!(
        plugin.ensure(false).await.0.unwrap_err().code,
        "lock_file_missing"
    );
}
