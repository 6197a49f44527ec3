//! What the host's stories share: real components, a plugin folder around each, a bridge that
//! listens on loopback, and the `loong` binary.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code; not every story uses all of it"
)]

pub mod diagnosis;
pub mod forge;
pub mod nobody;
pub mod running;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use loong::component::bindings::{Account, ConfigDocument, OutboundMessage, Report};
use loong::component::channel::{Channel, Identity};
use loong::component::engine::{Deadlines, Limits, Sandbox};
use loong::component::state::Variables;
use loong::door::{Answer, BridgeAddress, BridgeDoor, DoorError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The file of a built component.
pub fn component(name: &str) -> PathBuf {
    let folder = std::env::var_os("LOONG_TEST_COMPONENTS").expect(
        "LOONG_TEST_COMPONENTS must name the folder with the built test components: run `cargo xtask test`",
    );
    let path = Path::new(&folder).join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask test`",
        path.display()
    );
    path
}

/// Room for a tame guest, and little more.
pub const LIMITS: Limits = Limits {
    component: 1 << 20,
    memory: 16 << 20,
    table_elements: 20_000,
    tables: 16,
    instances: 32,
    stack: 256 << 10,
    handles: 100,
    fuel: 200_000_000,
    host_calls: 100,
    bytes: 1 << 20,
    deadlines: Deadlines {
        validate_config: Duration::from_secs(30),
        send: Duration::from_secs(30),
        receive_margin: Duration::from_secs(30),
    },
    concurrent_calls: 4,
};

/// A door that lets nothing out and remembers who asked.
#[derive(Debug, Clone, Default)]
pub struct ShutDoor(Arc<Mutex<Vec<String>>>);

impl ShutDoor {
    pub fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl BridgeDoor for ShutDoor {
    async fn post(
        &self,
        address: &BridgeAddress,
        _body: String,
        _timeout: Duration,
    ) -> Result<Answer, DoorError> {
        self.0.lock().unwrap().push(address.to_string());
        Err(DoorError::Refused("the door is shut".into()))
    }
}

pub async fn load(name: &str, limits: Limits, door: impl BridgeDoor + 'static) -> Channel {
    let sandbox = Sandbox::new(None, limits).unwrap();
    load_in(&sandbox, name, door).await
}

pub async fn load_in(sandbox: &Sandbox, name: &str, door: impl BridgeDoor + 'static) -> Channel {
    load_with(sandbox, name, door, &[], Variables::fixed([])).await
}

pub async fn load_with(
    sandbox: &Sandbox,
    name: &str,
    door: impl BridgeDoor + 'static,
    variable_names: &[&str],
    variables: Variables,
) -> Channel {
    let identity = Identity {
        plugin_id: format!("{}-test", name.trim_end_matches(".wasm")),
        version: "1.2.3".into(),
        variable_names: variable_names
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        component_sha256: None,
    };
    Channel::load(
        sandbox,
        &component(name),
        identity,
        Arc::new(door),
        variables,
    )
    .await
    .unwrap()
}

pub fn document(block: &Value) -> ConfigDocument {
    ConfigDocument {
        json: block.to_string(),
        account: None,
        target: None,
    }
}

pub fn text(target: &str, text: &str) -> OutboundMessage {
    OutboundMessage {
        target: target.into(),
        target_kind: None,
        text: text.into(),
        idempotency_key: None,
    }
}

pub fn first_account(report: &Report) -> Account {
    report.accounts[0].account.clone()
}

/// A bridge on loopback that answers each POST with what `answer` makes of its JSON, and `GET`
/// with its state.
pub struct Bridge {
    pub url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Bridge {
    pub async fn start(
        state: &str,
        answer: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tower", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (heard, state) = (Arc::clone(&asked), json!({ "state": state }));
        let task = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let body = match request(&mut socket).await {
                    Some(Asked::Question(question)) => {
                        let reply = answer(&question);
                        heard.lock().unwrap().push(question);
                        reply
                    }
                    Some(Asked::State) => state.clone(),
                    // One that is being stopped leaves in the middle of a word.
                    None => continue,
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                socket.write_all((head + &body).as_bytes()).await.ok();
                socket.shutdown().await.ok();
            }
        });
        Self { url, asked, task }
    }

    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a caller wants to know.
enum Asked {
    State,
    Question(Value),
}

/// A GET, or the JSON of a POST; none when the caller hung up before it had said all.
async fn request(socket: &mut tokio::net::TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            if head.starts_with("GET") {
                return Some(Asked::State);
            }
            if let Ok(question) = serde_json::from_str(body) {
                return Some(Asked::Question(question));
            }
        }
        let count = socket.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// The arguments of a send by pigeon.
pub const COO: [&str; 7] = [
    "channels",
    "send",
    "pigeon-post",
    "--target",
    "north",
    "--text",
    "coo",
];

/// A folder with a home, plugins and a configuration, and `loong` running in it.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        Self { folder }
    }

    /// One with the invented channel, and a configuration for it that `url` is written into.
    pub fn with_pigeons(url: &str) -> Self {
        let place = Self::new();
        place.install("invented-channel", "pigeon-post.wasm");
        place.configure(&format!(
            "[runtime_plugins]\nenabled = true\nroots = ['./plugins']\n[pigeon]\nenabled = true\ntower = '{url}'\n"
        ));
        place
    }

    /// One whose pigeons have a nest, which is not there yet, and a tower in which nobody is.
    pub fn with_nest() -> Self {
        let place = Self::with_pigeons("http://127.0.0.1:1/tower");
        let text = fs::read_to_string(place.path("loong.toml")).unwrap();
        place.configure(&format!("{text}nest = '~/nest'\n"));
        place
    }

    /// As [`Place::with_pigeons`], with a bridge that takes what they carry.
    pub async fn with_tower() -> (Self, Bridge) {
        let tower = Bridge::start("connected", |question| match question.get("fly") {
            Some(_) => json!({ "landed": "ring-7" }),
            None => json!({ "pigeons": [] }),
        })
        .await;
        (Self::with_pigeons(&tower.url), tower)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.path("loong.toml"), text).unwrap();
    }

    /// Puts a test component's plugin folder below the root.
    pub fn install(&self, crate_name: &str, file: &str) {
        self.install_below("plugins", crate_name, file);
    }

    /// As [`Place::install`], below another folder.
    pub fn install_below(&self, root: &str, crate_name: &str, file: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/components")
            .join(crate_name);
        let folder = self.path(root).join(crate_name);
        fs::create_dir_all(&folder).unwrap();
        // The manifest, and what it names beside the component.
        for entry in fs::read_dir(source).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|it| it == "json") {
                fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
        fs::copy(component(file), folder.join(file)).unwrap();
    }

    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path(name);
        let mut value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(path, value.to_string()).unwrap();
    }

    pub fn make_dir(&self, name: &str, mode: u32) {
        fs::create_dir(self.path(name)).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs `loong` here to its end.
    pub async fn loong(&self, arguments: &[&str]) -> Ran {
        end_of(self.start(arguments)).await
    }

    /// As [`Place::loong`], with these variables too.
    pub async fn loong_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        end_of(command.spawn().unwrap()).await
    }

    /// Sends `coo` to the north, with more arguments.
    pub async fn sends(&self, more: &[&str]) -> Ran {
        self.loong(&[&COO, more].concat()).await
    }

    /// `loong pigeon-post bridge …`, to its end.
    pub async fn bridge(&self, words: &[&str]) -> Ran {
        self.loong(&[&["pigeon-post", "bridge"], words].concat())
            .await
    }

    /// Starts `loong` here.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.start_with(arguments, Stdio::null())
    }

    /// Starts `loong` with `input` as its standard input.
    pub fn start_with(&self, arguments: &[&str], input: Stdio) -> Child {
        self.command(arguments).stdin(input).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loong"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            // Where node is, for the stories that start a bridge.
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.folder.path())
            .env("LOONG_HOME", self.path("home"))
            .env("LOONG_CONFIG_PATH", self.path("loong.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Waits for `child` to end.
pub async fn end_of(child: Child) -> Ran {
    let run = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = tokio::time::timeout(Duration::from_secs(120), run).await;
    Ran::from(output.expect("loong did not end").unwrap())
}

/// How a run of `loong` ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
