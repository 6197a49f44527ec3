//! A `loong` that runs while a story goes on; and a bridge for `bridge run` to start, a small one in
//! Node that a story brings along.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Place, Ran, end_of};

const PATIENCE: Duration = Duration::from_secs(60);

/// A place whose pigeons have a bridge that `bridge run` can start, on a port that is free.
pub fn place_with_bridge(script: &str) -> (Place, u16) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let place = Place::with_pigeons(&format!("http://127.0.0.1:{port}/tower"));
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '~/nest'\n"));
    place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
        manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
    });
    fs::write(place.path("plugins/invented-channel/bridge.mjs"), script).unwrap();
    (place, port)
}

pub fn token_file(place: &Place, port: u16) -> std::path::PathBuf {
    place.path(&format!("home/run/bridge-127.0.0.1-{port}.token"))
}

/// A `loong` that runs.
pub struct Running {
    child: Option<Child>,
    /// What it has said on standard error.
    words: std::sync::mpsc::Receiver<String>,
}

impl Running {
    pub fn start(place: &Place, more: &[&str]) -> Self {
        Self::of(place.start(&[&["pigeon-post", "bridge", "run"], more].concat()))
    }

    /// Listens to a `loong` that was started.
    pub fn of(mut child: Child) -> Self {
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (said, words) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                said.send(line).ok();
            }
        });
        Self {
            child: Some(child),
            words,
        }
    }

    /// The lines up to and with the first that contains `wanted`.
    #[track_caller]
    pub fn says(&self, wanted: &str) -> Vec<String> {
        self.says_all(&[wanted])
    }

    /// The lines up to the first after which each of `wanted` has been said, in whatever order.
    #[track_caller]
    pub fn says_all(&self, wanted: &[&str]) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while let Ok(line) = self.words.recv_timeout(PATIENCE) {
            lines.push(line);
            if wanted
                .iter()
                .all(|it| lines.iter().any(|line| line.contains(it)))
            {
                return lines;
            }
        }
        panic!("it never says all of {wanted:?}: {lines:#?}");
    }

    /// Stops it; its words are those that nobody has waited for.
    pub async fn stop(self) -> Ran {
        self.signal(Signal::TERM);
        self.ends().await
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: Signal) {
        let process = Pid::from_child(self.child.as_ref().unwrap());
        kill_process(process, signal).unwrap();
    }

    /// Waits until it has ended; its words are those that nobody has waited for.
    pub async fn ends(mut self) -> Ran {
        let ran = end_of(self.child.take().unwrap()).await;
        let stderr = self
            .words
            .iter()
            .map(|line| {
                line + "
"
            })
            .collect();
        Ran { stderr, ..ran }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
