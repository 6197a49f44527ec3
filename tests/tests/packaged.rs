//! The archive that is handed out: what it holds, and that it works as its own README says, on a machine
//! with Node and what every system has, and with neither a compiler nor this source tree.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::{archive, finish};
use loong_tests::scenario::{Finished, Machine, PATIENCE, Running, drawn_qr, written};
use loong_tests::sim::Simulator;
use tokio::process::Command;

/// All that is on the path.
const TOOLS: [&str; 13] = [
    "cat",
    "cp",
    "env",
    "gzip",
    "ln",
    "ls",
    "mkdir",
    "node",
    "npm",
    "rm",
    "sh",
    "sha256sum",
    "tar",
];

/// A machine on which the archive is unpacked.
struct Unpacked {
    sim: Simulator,
    machine: Machine,
    folder: PathBuf,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_works_without_a_compiler_and_without_the_source_tree() -> Result<()> {
    let place = Unpacked::installed().await?;
    let built_here = place
        .machine
        .command("sh")
        .arg("-c")
        .arg("for tool in cargo rustc cc; do command -v $tool; done")
        .output()
        .await?;
    ensure!(
        built_here.stdout.is_empty(),
        "a compiler is on the path: {built_here:?}"
    );
    place.finishes("bridge install").await?.succeeded()?;
    ensure!(place.says_of_the_component().await?.starts_with("verified"));

    let mut bridge = place.starts("bridge run")?;
    let qr = bridge.hears("a drawn QR code", drawn_qr::last).await?;
    place.sim.phone().scan(&qr).await?;
    place.sim.wait_until_online(PATIENCE).await?;
    let mut serve = place.starts("channels serve")?;
    let ana = place.sim.contact("Ana", "15551234567");
    ana.says("is this the archive?").await?;
    let answer = ana
        .next_message(PATIENCE)
        .await
        .with_context(|| format!("{bridge}{serve}"))?;
    ensure!(answer.text.contains("is this the archive?"), "{answer:?}");
    place.finishes("channels send").await?.succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "hello from Loong");
    place.runs(&["doctor"]).await?.succeeded()?;

    for process in [&mut serve, &mut bridge] {
        process.interrupt()?;
        let status = process.ends().await?;
        ensure!(status.success(), "{status}\n{process}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_differs_by_one_byte_runs_nowhere() -> Result<()> {
    let place = Unpacked::installed().await?;
    let component = place
        .installation()
        .join("runtime-plugins/whatsapp-personal-bridge/whatsapp-personal.wasm");
    let mut bytes = std::fs::read(&component)?;
    let last = bytes.last_mut().context("a component is not empty")?;
    *last ^= 1;
    std::fs::write(&component, bytes)?;

    let seen = place.says_of_the_component().await?;
    ensure!(seen.contains("not the file its manifest pins"), "{seen}");
    for command in ["bridge run", "channels serve", "channels send"] {
        let refused = place.finishes(command).await?.ended_with(1)?;
        ensure!(
            refused.stderr.contains("not the file its manifest pins"),
            "{command}: {refused:?}"
        );
        ensure!(refused.stderr.contains("hint: "), "{command}: {refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_archive_holds_what_an_operator_needs_and_nothing_of_its_makers() -> Result<()> {
    let place = Unpacked::fresh().await?;
    let mut top = BTreeSet::new();
    for file in files(&place.folder)? {
        let name = file.strip_prefix(&place.folder)?.display().to_string();
        let mode = std::fs::metadata(&file)?.mode() & 0o777;
        ensure!(
            mode == if name == "loong" { 0o755 } else { 0o644 },
            "{name} has mode {mode:o}"
        );
        let foreign = ["node_modules", "/test/", "/bench/", ".test.mjs", ".new"];
        ensure!(
            !foreign.iter().any(|part| name.contains(part)),
            "{name} is not for operators"
        );
        top.insert(name.split('/').next().unwrap_or_default().to_owned());
    }
    for needed in [
        "LICENSE",
        "README.md",
        "THIRD-PARTY-LICENSES",
        "completions",
        "contrib",
        "loong",
        "runtime-plugins",
    ] {
        ensure!(top.contains(needed), "no {needed} in {top:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_notices_name_every_package_and_nothing_that_never_ships() -> Result<()> {
    let place = Unpacked::fresh().await?;
    let notices = std::fs::read_to_string(place.folder.join("THIRD-PARTY-LICENSES"))?;
    let (crates, packages) = notices
        .split_once("Not in this archive")
        .context("npm packages have a part of their own")?;
    let lock = place
        .folder
        .join("runtime-plugins/whatsapp-personal-bridge/package-lock.json");
    let lock: serde_json::Value = serde_json::from_slice(&std::fs::read(lock)?)?;
    let locked = lock
        .get("packages")
        .and_then(|it| it.as_object())
        .context("a lock file has packages")?;
    for (path, package) in locked
        .iter()
        .filter(|(path, package)| !path.is_empty() && package.get("dev").is_none())
    {
        let name = path.rsplit("node_modules/").next().unwrap_or_default();
        let field = |key| {
            package
                .get(key)
                .and_then(|it| it.as_str())
                .unwrap_or_default()
        };
        let line = format!("\n  {name} {}  {}", field("version"), field("license"));
        ensure!(packages.contains(&line), "no{line}");
    }
    ensure!(packages.contains("libsignal is under the GNU General Public License"));
    for linked in ["wasmtime", "tokio", "serde_json", "wit-bindgen"] {
        ensure!(crates.contains(&format!("\n  {linked} ")), "no {linked}");
    }
    for foreign in ["wacore", "waproto", "whatsapp-rust", "libsignal"] {
        ensure!(
            !crates.contains(&format!("\n  {foreign}")),
            "{foreign} never ships"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_services_start_commands_that_loong_knows() -> Result<()> {
    let place = Unpacked::installed().await?;
    let runtime = place.machine.home().join("runtime");
    std::fs::create_dir(&runtime)?;
    for unit in ["bridge", "serve"] {
        let unit = place
            .folder
            .join(format!("contrib/loong-whatsapp-personal-{unit}.service"));
        let text = std::fs::read_to_string(&unit)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=%h/"));
        let mut words = line
            .context("a service starts something in the home")?
            .split(' ');
        let program = place.machine.home().join(words.next().unwrap_or_default());
        let mut command = place.machine.command(&program);
        // Read before help is given: a word that nobody knows is refused.
        finish({
            command.args(words).arg("--help");
            command
        })
        .await?
        .succeeded()?;

        let mut verify = Command::new("systemd-analyze");
        verify
            .args(["verify", "--user"])
            .arg(&unit)
            .env("HOME", place.machine.home())
            .env("XDG_RUNTIME_DIR", &runtime);
        match verify.output().await {
            Ok(said) => ensure!(said.status.success() && said.stderr.is_empty(), "{said:?}"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Unpacked {
    /// Unpacked, and no more.
    async fn fresh() -> Result<Self> {
        let sim = Simulator::start().await?;
        let mut machine = Machine::new(Some(&sim.web_url()))?;
        let tools = machine.home().join("tools");
        let local = machine.home().join(".local/bin");
        machine.sets("PATH", std::env::join_paths([&local, &tools])?);
        if let Some(cache) = npm_cache().await {
            // What this machine has fetched already is not fetched again.
            machine.sets("npm_config_cache", cache);
            machine.sets("npm_config_prefer_offline", "true");
        }
        std::fs::create_dir(&tools)?;
        for tool in TOOLS {
            let found = on_path(tool).with_context(|| format!("{tool} is not installed"))?;
            symlink(found, tools.join(tool))?;
        }
        let archive = archive();
        let name = archive.file_name().context("an archive has a name")?;
        for file in [name, "SHA256SUMS".as_ref()] {
            std::fs::copy(archive.with_file_name(file), machine.home().join(file))?;
        }
        let place = Self {
            folder: machine
                .home()
                .join(name.to_string_lossy().trim_end_matches(".tar.gz")),
            sim,
            machine,
        };
        place
            .shell("sha256sum --check SHA256SUMS", place.machine.home())
            .await?
            .succeeded()?;
        let unpack = format!("umask 022; tar -xzf {}", name.display());
        place
            .shell(&unpack, place.machine.home())
            .await?
            .succeeded()?;
        Ok(place)
    }

    /// Installed and configured as its README says, but for the port.
    async fn installed() -> Result<Self> {
        let place = Self::fresh().await?;
        place
            .shell(&place.block("sh", "ln -sf")?, &place.folder)
            .await?
            .succeeded()?;
        let config = place.block("toml", "[whatsapp_personal]")?;
        let port = "http://127.0.0.1:39731/bridge";
        place
            .machine
            .configure(&config.replace(port, &place.machine.bridge_url()))?;
        Ok(place)
    }

    fn installation(&self) -> PathBuf {
        self.machine
            .home()
            .join(".local/opt/loong-whatsapp-personal")
    }

    fn block(&self, language: &str, words: &str) -> Result<String> {
        let readme = std::fs::read_to_string(self.folder.join("README.md"))?;
        written::block(&readme, language, words)
    }

    async fn shell(&self, script: &str, folder: &Path) -> Result<Finished> {
        let mut command = self.machine.command("sh");
        command.args(["-e", "-c", script]).current_dir(folder);
        finish(command).await
    }

    /// The README's command with these words, to its end.
    async fn finishes(&self, words: &str) -> Result<Finished> {
        self.shell(&self.block("sh", words)?, self.machine.home())
            .await
    }

    /// The README's command with these words, left running.
    fn starts(&self, words: &str) -> Result<Running> {
        let mut command = self.machine.command("sh");
        // `exec` hands signals to loong itself, not to a shell around it.
        command.args(["-c", &format!("exec {}", self.block("sh", words)?.trim())]);
        Running::start(words, command)
    }

    async fn runs(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = self
            .machine
            .command(self.machine.home().join(".local/bin/loong"));
        command.args(arguments);
        finish(command).await
    }

    /// What doctor sees there.
    async fn says_of_the_component(&self) -> Result<String> {
        let diagnosis = self.runs(&["doctor", "--json"]).await?.json()?;
        let checks = diagnosis
            .get("checks")
            .and_then(|it| it.as_array())
            .context("doctor checks things")?;
        let check = checks
            .iter()
            .find(|check| check.get("id").is_some_and(|id| id == "component_digest"));
        let seen = check.and_then(|check| check.get("seen")?.as_str());
        Ok(seen
            .with_context(|| format!("doctor looks at the component: {diagnosis:#}"))?
            .to_owned())
    }
}

/// Where npm keeps what it has fetched on the machine that runs the tests.
async fn npm_cache() -> Option<String> {
    let said = Command::new("npm")
        .args(["config", "get", "cache"])
        .output()
        .await
        .ok()?;
    let cache = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    Path::new(&cache).is_dir().then_some(cache)
}

fn on_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())?
        .canonicalize()
        .ok()
}

/// Every file below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
