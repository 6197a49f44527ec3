//! An operator's machine: a home, a configuration, and the real `loong` on it.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;

use super::ledger::Ledger;
use super::process::{PATIENCE, Running};
use super::secrecy::{self, Leak, Secret};

/// A home directory of its own, gone when dropped.
#[derive(Debug)]
pub struct Machine {
    home: TempDir,
    web_url: Option<String>,
    port: u16,
    environment: Vec<(&'static str, OsString)>,
    ledger: Ledger,
}

/// What a finished command left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The standard output as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {self:?}"))
    }

    /// Fails unless the command succeeded.
    pub fn succeeded(self) -> Result<Self> {
        if self.code == Some(0) {
            Ok(self)
        } else {
            bail!("the command failed: {self:?}")
        }
    }

    /// Fails unless the command ended with `code`.
    pub fn ended_with(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            Ok(self)
        } else {
            bail!("expected exit code {code}: {self:?}")
        }
    }
}

impl Machine {
    /// A fresh machine whose WhatsApp is at `web_url`.
    pub fn new(web_url: Option<&str>) -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::create_dir(home.path().join(".loong"))?;
        Ok(Self {
            home,
            web_url: web_url.map(str::to_owned),
            port: free_port()?,
            environment: Vec::new(),
            ledger: Ledger::default(),
        })
    }

    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.home.path().join(".loong/config.toml")
    }

    #[must_use]
    pub fn auth_dir(&self) -> PathBuf {
        self.home.path().join(".loong/whatsapp-personal/default")
    }

    #[must_use]
    pub fn bridge_url(&self) -> String {
        format!("http://127.0.0.1:{}/bridge", self.port)
    }

    /// The configuration of the README, for this machine's port and the chats given, and `more`.
    #[must_use]
    pub fn minimal_config(&self, allowed: &[&str], more: &str) -> String {
        format!(
            "[runtime_plugins]\nenabled = true\nroots = [{root:?}]\n\n[whatsapp_personal]\nenabled = true\n\
             managed_bridge_plugin_id = \"whatsapp-personal-baileys-bridge\"\nbridge_url = {url:?}\n\
             auth_dir = \"~/.loong/whatsapp-personal/default\"\nallowed_chat_ids = {allowed:?}\n\n{more}\n",
            root = plugin_root(),
            url = self.bridge_url(),
        )
    }

    /// Shortens waits of the bridge (milliseconds); its documentation names them.
    pub fn times(&self, timing: &serde_json::Value) -> Result<()> {
        Ok(std::fs::write(self.timing_file(), timing.to_string())?)
    }

    fn timing_file(&self) -> PathBuf {
        self.home.path().join("timing.json")
    }

    /// The token of the running bridge.
    pub fn token(&self) -> Result<String> {
        let file = self
            .home
            .path()
            .join(format!(".loong/run/bridge-127.0.0.1-{}.token", self.port));
        std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Sets a variable for every command of this machine.
    pub fn sets(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.environment.push((name, value.into()));
    }

    /// Writes the configuration file.
    pub fn configure(&self, text: &str) -> Result<()> {
        self.ledger.knows(secrecy::configured(text));
        Ok(std::fs::write(self.config_file(), text)?)
    }

    /// Puts a shell script into the home, to be run as a program; gives its path.
    pub fn program(&self, name: &str, script: &str) -> Result<PathBuf> {
        let file = self.home.path().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700))?;
        Ok(file)
    }

    /// `loong` with these arguments, not started yet.
    #[must_use]
    pub fn loong(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(loong_binary());
        command.args(arguments);
        command
    }

    /// Any program, with this machine's environment.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        for name in [
            "LOONG_HOME",
            "LOONG_CONFIG_PATH",
            "LOONG_LOG",
            "LOONG_LOG_FORMAT",
            "RUST_LOG",
            "WHATSAPP_PERSONAL_BRIDGE_URL",
            "WHATSAPP_PERSONAL_AUTH_DIR",
        ] {
            command.env_remove(name);
        }
        let timing = self.timing_file();
        if timing.exists() {
            command.env("LOONG_TEST_TIMING", timing);
        }
        match &self.web_url {
            Some(url) => command.env("LOONG_WHATSAPP_WEB_URL", url),
            None => command.env_remove("LOONG_WHATSAPP_WEB_URL"),
        };
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }

    /// Runs `loong` to its end.
    pub async fn run(&self, arguments: &[&str]) -> Result<Finished> {
        self.ledger.collects(self.home.path());
        let finished = finish(self.loong(arguments)).await?;
        let arguments = owned(arguments);
        for (stream, text) in [("out", &finished.stdout), ("err", &finished.stderr)] {
            self.ledger.finished(&arguments, stream, text);
        }
        Ok(finished)
    }

    /// Starts `loong` and leaves it running.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Result<Running> {
        self.ledger.collects(self.home.path());
        let running = Running::start(name, self.loong(arguments))?;
        Ok(running.kept_in(&self.ledger, owned(arguments)))
    }

    /// Has these stand nowhere in what is printed on this machine.
    pub(super) fn keeps_secret(&self, secrets: impl IntoIterator<Item = Secret>) {
        self.ledger.knows(secrets);
    }

    /// Where something stands in what its processes have printed so far, or could be asked for, that must not.
    #[must_use]
    pub fn leaks(&self) -> Vec<Leak> {
        self.ledger.collects(self.home.path());
        let heard = self.ledger.heard(self.home.path());
        secrecy::leaks(&heard, &self.ledger.secrets(&heard))
    }

    /// Starts `loong` on a terminal of its own, where it can be typed to. Everything it prints comes
    /// as standard output. The terminal is that of the program `script`, which belongs to util-linux.
    pub fn at_terminal(&self, name: &str, arguments: &[&str]) -> Result<Running> {
        let binary = loong_binary();
        let quoted = |word: &str| format!("'{}'", word.replace('\'', "'\\''"));
        let words = std::iter::once(binary.to_string_lossy())
            .chain(arguments.iter().map(|it| (*it).into()));
        let line: Vec<String> = words.map(|word| quoted(&word)).collect();
        let mut script = self.command("script");
        // `exec`: a shell in between would take a Ctrl-C for its own end.
        script.env("SHELL", "/bin/sh").args([
            "-q",
            "-e",
            "-c",
            &format!("exec {}", line.join(" ")),
            "/dev/null",
        ]);
        let running = Running::start_typed_to(name, script)?;
        Ok(running.kept_in(&self.ledger, owned(arguments)))
    }
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|it| (*it).to_owned()).collect()
}

/// Runs a command to its end, with patience.
pub async fn finish(mut command: Command) -> Result<Finished> {
    command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::time::timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("did not end: {command:?}"))??;
    Ok(Finished {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// The `loong` under test.
#[must_use]
pub fn loong_binary() -> PathBuf {
    from_environment("LOONG_BIN")
}

/// The folder with the shipped plugin.
#[must_use]
pub fn plugin_root() -> PathBuf {
    from_environment("LOONG_PLUGIN_ROOT")
}

/// The folder with all built components.
#[must_use]
pub fn test_components() -> PathBuf {
    from_environment("LOONG_TEST_COMPONENTS")
}

/// The archive of what is handed out; its checksum lies beside it.
#[must_use]
pub fn archive() -> PathBuf {
    from_environment("LOONG_DIST")
}

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name).map_or_else(
        || panic!("{name} is not set: run the tests with `cargo xtask test`, which builds what they need and says where it is"),
        PathBuf::from,
    )
}

/// A port that was free a moment ago. The bridge's address stands in the configuration, so it cannot
/// be left to the kernel when the bridge starts.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
