//! A bridge is killed, and somebody else listens where it was: they get neither token nor message,
//! whatever they answer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::Machine;
use loong_tests::scenario::{PATIENCE, Scenario};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const ANA: &str = "15551234567";
const WORDS: &str = "words for Ana alone";
/// The door waits 5 s for a proof.
const BOUND: Duration = Duration::from_secs(15);

/// What an impostor answers when it is asked who it is.
#[derive(Debug, Clone)]
enum Trick {
    /// All is well, and no proof.
    NoProof,
    /// A proof that the real bridge gave for another nonce.
    OldProof(String),
    /// The proof is the nonce itself.
    Echo,
    /// Ask somewhere else: on this very port, where it would be told everything.
    Redirect(u16),
    /// A body that says it is larger than anything.
    Huge,
    /// A body that comes for ever.
    Endless,
    /// A body that never comes.
    Silent,
    /// What is not HTTP.
    Rubbish,
    /// The caller is told that its token is missing.
    AsksForToken,
}

/// Listens where a bridge was. Stops when dropped.
struct Impostor {
    heard: Arc<Mutex<Vec<u8>>>,
    asked: watch::Receiver<usize>,
    server: JoinHandle<()>,
}

impl Impostor {
    async fn on(port: u16, trick: Trick) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (tell, asked) = watch::channel(0);
        let memory = Arc::clone(&heard);
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (trick, memory) = (trick.clone(), Arc::clone(&memory));
                tell.send_modify(|count| *count += 1);
                // Whoever it deceives hangs up in the middle: no fault.
                tokio::spawn(async move { deceive(connection, &trick, &memory).await.ok() });
            }
        });
        Ok(Self {
            heard,
            asked,
            server,
        })
    }

    /// Waits until it has been asked `times` more.
    async fn is_asked(&mut self, times: usize) -> Result<()> {
        let wanted = *self.asked.borrow() + times;
        tokio::time::timeout(PATIENCE, self.asked.wait_for(|count| *count >= wanted))
            .await
            .context("nobody asked")??;
        Ok(())
    }

    /// Leaves the port to whoever comes.
    async fn leaves(mut self) {
        self.server.abort();
        (&mut self.server).await.ok();
    }

    /// It was asked who it is, and told nothing.
    fn learned_nothing(&self, token: &str) -> Result<()> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = String::from_utf8_lossy(&heard);
        ensure!(
            heard.contains("GET /bridge/health?nonce="),
            "nobody asked who it is: {heard}"
        );
        for secret in [token.trim(), WORDS, "Bearer", "POST", ANA] {
            ensure!(
                !heard.to_lowercase().contains(&secret.to_lowercase()),
                "it heard {secret:?}: {heard}"
            );
        }
        Ok(())
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn deceive(mut socket: TcpStream, trick: &Trick, heard: &Mutex<Vec<u8>>) -> Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = socket.read(&mut buffer).await?;
        let more = buffer.get(..count).unwrap_or_default();
        request.extend_from_slice(more);
        heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(more);
        ensure!(count > 0, "it hung up");
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let nonce = request
        .split("nonce=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let healthy = |proof: &str| {
        let body = format!(
            "{{\"ok\":true,\"contract\":\"loong_channel_bridge_v1\",\"state\":\"connected\"{proof}}}"
        );
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = match trick {
        Trick::NoProof => healthy(""),
        Trick::OldProof(proof) => healthy(&format!(",\"proof\":\"{proof}\"")),
        Trick::Echo => healthy(&format!(",\"proof\":\"{}\"", nonce.unwrap_or_default())),
        Trick::Redirect(port) => format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{port}/elsewhere\r\nContent-Length: 0\r\n\r\n"
        ),
        Trick::Huge => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".to_owned(),
        Trick::Endless => "HTTP/1.1 200 OK\r\n\r\n{\"state\":\"".to_owned(),
        Trick::Silent => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".to_owned(),
        Trick::Rubbish => "\u{1b}[2J\0\0 OK\r\n\r\n".to_owned(),
        Trick::AsksForToken => {
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"
                .to_owned()
        }
    };
    socket.write_all(answer.as_bytes()).await?;
    while let Trick::Endless = trick {
        socket.write_all(&[b'x'; 65_536]).await?;
    }
    // What is said on a connection that has deceived somebody is heard, too.
    loop {
        let count = socket.read(&mut buffer).await?;
        ensure!(count > 0, "it hung up");
        heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

fn port_of(machine: &Machine) -> Result<u16> {
    reqwest::Url::parse(&machine.bridge_url())?
        .port()
        .context("a port")
}

/// Kills `bridge run` as the kernel would, and waits until its bridge has left the port.
async fn bridge_is_killed(story: &mut Scenario) -> Result<()> {
    let port = port_of(&story.machine)?;
    let mut held = TcpStream::connect(("127.0.0.1", port)).await?;
    story.takes_bridge()?.killed().await?;
    // It ends when its process does.
    let mut end = Vec::new();
    match tokio::time::timeout(PATIENCE, held.read_to_end(&mut end)).await {
        Ok(Ok(_) | Err(_)) => Ok(()),
        Err(late) => Err(late).context("the bridge outlived its launcher"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_on_a_dead_bridges_port_is_told_nothing_whatever_it_answers() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let port = port_of(&story.machine)?;
    let token = story.machine.token()?;
    // Every program of the machine may ask for a proof, and keep it.
    let url = format!(
        "{}/health?nonce=kept-by-a-neighbour",
        story.machine.bridge_url()
    );
    let health: serde_json::Value = reqwest::get(url).await?.json().await?;
    let old = health
        .get("proof")
        .and_then(serde_json::Value::as_str)
        .context("a proof")?
        .to_owned();
    bridge_is_killed(&mut story).await?;
    ensure!(
        story.machine.token()? == token,
        "a kill leaves the token where it is"
    );

    let target = format!("contact:+{ANA}");
    for trick in [
        Trick::NoProof,
        Trick::OldProof(old),
        Trick::Echo,
        Trick::Redirect(port),
        Trick::Huge,
        Trick::Endless,
        Trick::Silent,
        Trick::Rubbish,
        Trick::AsksForToken,
    ] {
        let impostor = Impostor::on(port, trick.clone()).await?;
        let refused = tokio::time::timeout(BOUND, story.sends(&target, WORDS))
            .await
            .with_context(|| format!("{trick:?} was waited for"))??
            .ended_with(1)
            .with_context(|| format!("{trick:?}"))?;
        impostor
            .learned_nothing(&token)
            .with_context(|| format!("{trick:?}"))?;
        ensure!(
            refused.stdout.is_empty() && refused.stderr.contains("hint: "),
            "{trick:?}: {refused:?}"
        );
        for kept in [token.trim(), WORDS, "\u{1b}"] {
            ensure!(!refused.stderr.contains(kept), "{trick:?}: {refused:?}");
        }
        if let Trick::NoProof | Trick::OldProof(_) | Trick::Echo | Trick::AsksForToken = trick {
            ensure!(
                refused.stderr.contains("something else answers"),
                "{trick:?}: {refused:?}"
            );
        }
        impostor.leaves().await;
    }

    story.starts_bridge()?;
    story.online().await?;
    let ana = story.sim.contact("Ana", ANA);
    story.sends(&target, WORDS).await?.succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == WORDS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_on_its_way_waits_until_the_real_bridge_is_back() -> Result<()> {
    let mut story = Scenario::paired_with_program(&format!(
        "cat >/dev/null; echo > \"$HOME/asked\"; cat \"$HOME/gate\" >/dev/null; echo '{WORDS}'"
    ))
    .await?;
    let (asked, gate) = (
        story.machine.home().join("asked"),
        story.machine.home().join("gate"),
    );
    makes_pipe(&asked)?;
    makes_pipe(&gate)?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&[])?;
    ana.says("a question").await?;
    // Opening a pipe waits for the other side: never on a thread of the runtime.
    tokio::task::spawn_blocking(move || std::fs::read(asked)).await??;
    let token = story.machine.token()?;
    bridge_is_killed(&mut story).await?;

    let mut impostor = Impostor::on(port_of(&story.machine)?, Trick::NoProof).await?;
    tokio::task::spawn_blocking(move || std::fs::write(gate, "open")).await??;
    impostor.is_asked(3).await?;
    story.server().says("waiting for the bridge").await?;
    impostor.learned_nothing(&token)?;
    impostor.leaves().await;

    story.starts_bridge()?;
    story.online().await?;
    ensure!(ana.next_message(PATIENCE).await?.text == WORDS);
    story.stops_serving().await?;
    ensure!(ana.received().len() == 1, "{:?}", ana.received());
    Ok(())
}

fn makes_pipe(path: &Path) -> Result<()> {
    ensure!(
        std::process::Command::new("mkfifo")
            .arg(path)
            .status()?
            .success()
    );
    Ok(())
}
