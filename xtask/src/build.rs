//! Builds: the component into its plugin folder, the host, and what only the tests need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{process, setup};

/// A component is handed out and loaded at every start: small is a promise.
const COMPONENT_MAX_BYTES: u64 = 300 * 1024;

/// Crate, and the file name under which its manifest knows the component.
const COMPONENT: (&str, &str) = ("whatsapp-personal-plugin", "whatsapp-personal.wasm");
const TEST_COMPONENTS: [(&str, &str); 2] = [
    ("invented-channel", "pigeon-post.wasm"),
    ("hostile-channel", "hostile-channel.wasm"),
];

/// What components are compiled to.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip2";

/// The plugin that is handed out.
pub(crate) fn plugin_folder() -> PathBuf {
    process::root().join("runtime-plugins/whatsapp-personal-bridge")
}

/// Where the built things are.
#[derive(Debug)]
pub(crate) struct Built {
    target: PathBuf,
}

impl Built {
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target
            .join("release")
            .join(name)
            .with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// A folder of ours among what is built.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.target.join(name)
    }

    fn test_components(&self) -> PathBuf {
        self.folder("test-components")
    }

    /// Tells tests and demo where the real parts are.
    pub(crate) fn for_tests<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LOONG_BIN", self.binary("loong"))
            .env("LOONG_PLUGIN_ROOT", process::root().join("runtime-plugins"))
            .env("LOONG_TEST_COMPONENTS", self.test_components())
    }
}

/// What an operator gets: `loong` and the component beside its manifest.
pub(crate) fn product() -> Result<Built> {
    setup::rust()?;
    let built = component()?;
    process::run(
        "building loong (the first time takes minutes)",
        // One selection of features with everything else that is built here, so that nothing is
        // compiled twice.
        process::cargo().args(["build", "--release", "--workspace", "--bin", "loong"]),
    )?;
    process::step(&format!("built {}", built.binary("loong").display()));
    Ok(built)
}

/// The properties in their long form.
pub(crate) fn properties(built: &Built) -> Result<PathBuf> {
    process::run(
        "building the properties",
        process::cargo().args([
            "build",
            "--release",
            "--workspace",
            "--bin",
            "loong-properties",
        ]),
    )?;
    Ok(built.binary("loong-properties"))
}

/// What is built natively. One feature set for building and running tests, else cargo compiles
/// wasmtime twice.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Targets {
    Binaries,
    BinariesAndTests,
}

/// A `loong` with the fail points that the one handed out does not have, for tests that kill it.
/// The same feature set of everything below it, so that only `loong` itself is compiled again.
pub(crate) fn host_to_kill(built: &Built) -> Result<()> {
    let build = |what: &str, more: &[&str]| {
        let mut command = process::cargo();
        command.args(["build", "--release", "--workspace", "--bins"]);
        process::run(what, command.args(more))
    };
    build(
        "building a loong with fail points",
        &["--features", "loong/failpoints"],
    )?;
    place(
        &built.binary("loong"),
        &built.test_components().join("loong-to-kill"),
    )?;
    // The one that is handed out goes back into its place.
    build("building loong", &[])
}

/// The product, the simulator, the test components and the bridge's dependencies.
pub(crate) fn everything(targets: Targets) -> Result<Built> {
    setup::rust()?;
    setup::node()?;
    let built = component()?;
    for (package, file) in TEST_COMPONENTS {
        place(
            &compiled(package, &built.target)?,
            &built.test_components().join(file),
        )?;
    }
    process::run(
        "building loong and the simulator (the first time takes minutes)",
        process::cargo()
            .args(["build", "--release", "--workspace"])
            .arg(match targets {
                Targets::Binaries => "--bins",
                Targets::BinariesAndTests => "--all-targets",
            }),
    )?;
    bridge_dependencies(&built)?;
    Ok(built)
}

/// The properties of the bridge, a Node package of its own: nobody who only uses the bridge
/// installs what it needs.
pub(crate) fn node_properties() -> PathBuf {
    process::root().join("tests/node-properties")
}

/// Installs exactly what the lock file of `folder` names, and runs none of it.
pub(crate) fn node_packages(what: &str, folder: &Path) -> Result<()> {
    process::run(
        what,
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )
}

/// Installs the bridge's dependencies, by the `loong` that is built.
pub(crate) fn bridge_dependencies(built: &Built) -> Result<()> {
    process::run(
        "installing the bridge's Node dependencies",
        Command::new(built.binary("loong"))
            .args(["whatsapp-personal", "bridge", "install"])
            .env("LOONG_HOME", install_home(built)?)
            .env_remove("LOONG_CONFIG_PATH")
            .current_dir(process::root()),
    )
}

fn component() -> Result<Built> {
    let built = Built {
        target: target_directory()?,
    };
    let (package, file) = COMPONENT;
    let wasm = compiled(package, &built.target)?;
    let size = std::fs::metadata(&wasm)?.len();
    ensure!(
        size < COMPONENT_MAX_BYTES,
        "the component has {size} bytes, more than the {COMPONENT_MAX_BYTES} we promise"
    );
    place(&wasm, &plugin_folder().join(file))?;
    // Tests that load several components side by side find all of them in one folder.
    place(&wasm, &built.test_components().join(file))?;
    Ok(built)
}

fn compiled(package: &str, target: &Path) -> Result<PathBuf> {
    process::run(
        &format!("building the component {package}"),
        process::cargo().args([
            "build",
            "--package",
            package,
            "--lib",
            "--profile",
            "component",
            "--target",
            GUEST_TARGET,
        ]),
    )?;
    Ok(target
        .join(GUEST_TARGET)
        .join("component")
        .join(package.replace('-', "_"))
        .with_extension("wasm"))
}

/// Copies by rename, so that a running `loong` never loads half a component.
fn place(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a component is placed into a folder")?;
    std::fs::create_dir_all(folder)?;
    let half = to.with_extension("wasm.new");
    std::fs::copy(from, &half).with_context(|| format!("cannot copy {}", from.display()))?;
    std::fs::rename(&half, to).with_context(|| format!("cannot write {}", to.display()))
}

/// A home for the installer, so that building touches nobody's own. It asks for a configuration
/// only to find the plugin.
fn install_home(built: &Built) -> Result<PathBuf> {
    let home = built.target.join("xtask-home");
    std::fs::create_dir_all(&home)?;
    std::fs::write(
        home.join("config.toml"),
        "[runtime_plugins]\nenabled = true\nroots = [\"./runtime-plugins\"]\n",
    )?;
    Ok(home)
}

/// Asked of cargo, which knows `CARGO_TARGET_DIR` and every configuration file.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata =
        process::output(process::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    ensure!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let directory = metadata
        .get("target_directory")
        .and_then(|value| value.as_str());
    Ok(directory
        .context("cargo metadata names no target directory")?
        .into())
}
