//! Doctor's view of a bridge that runs, or of what runs in its place.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use common::diagnosis::{check, diagnosed, says};
use common::running::{self, Running};
use common::{Bridge, Place};
use serde_json::{Value, json};

/// A bridge whose status, inbox and version lie in a file beside it.
const BRIDGE: &str = r#"
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';
const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
const tell = (event, more = {}) => console.log(JSON.stringify({event, at: Date.now(), ...more}));
let token = '';
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const told = JSON.parse(fs.readFileSync(new URL('told.json', import.meta.url), 'utf8'));
  const answer = (status, body) => { response.writeHead(status, {'content-type': 'application/json'}); response.end(JSON.stringify(body)); };
  if (url.pathname === '/tower/health') {
    const proof = crypto.createHmac('sha256', token).update(url.searchParams.get('nonce') ?? '').digest('hex');
    return answer(200, {state: 'connected', version: told.version, proof});
  }
  if (request.headers.authorization !== `Bearer ${token}`) return answer(401, {error: 'x', code: 'unauthorized'});
  if (url.pathname === '/tower/admin/status' && told.status) return answer(200, told.status);
  if (url.pathname === '/tower/admin/inbox' && url.searchParams.get('state') === 'waiting') return answer(200, told.inbox);
  return answer(404, {error: 'x', code: 'not_found'});
});
readline.createInterface({input: process.stdin}).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.command === 'start') {
    token = fs.readFileSync(command.token_file, 'utf8');
    server.listen(Number(flag('--port')), flag('--host'), () => {
      tell('listening', {url: 'x', pid: process.pid});
      tell('state', {state: 'connected', reason: null, message: '', retry_in_ms: null});
    });
  }
  if (command.command === 'stop') { tell('stopped'); process.exit(0); }
}).on('close', () => process.exit(0));
"#;

fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn tell(place: &Place, told: &Value) {
    let file = place.path("plugins/invented-channel/told.json");
    fs::write(file, told.to_string()).unwrap();
}

fn healthy() -> Value {
    json!({
        "version": "0.1.0",
        "status": {
            "state": "connected", "since": now(), "last_frame_at": now(), "paused": null, "warnings": [],
            "queue": {"waiting": 1, "handed_out": 0, "dead": 0, "pending_out": 2}
        },
        "inbox": {"items": [{"stored_at": now()}]}
    })
}

#[tokio::test]
async fn a_running_bridge_is_asked_for_everything_that_an_operator_can_know() {
    let (place, _port) = running::place_with_bridge(BRIDGE);
    tell(&place, &healthy());
    let running = Running::start(&place, &[]);
    running.says("the bridge listens");
    let diagnosis = diagnosed(&place).await;
    for (id, seen) in [
        ("bridge", "connected"),
        ("bridge_auth", "knows the token"),
        ("bridge_version", "0.1.0"),
        ("round_trip", " ms"),
        ("last_frame", " s ago"),
        (
            "queue",
            "1 waiting, 0 handed out, 2 on the way out; the oldest has waited ",
        ),
        ("dead_letters", "no message"),
        ("sending", "not paused"),
        ("clock", "agree"),
        ("bridge_warnings", "none"),
    ] {
        says(&diagnosis, id, "ok", seen, "");
    }

    type Change = fn(&mut Value);
    let table: [(Change, &str, &str, &str); 8] = [
        (
            |told| told["version"] = "0.0.9".into(),
            "bridge_version",
            "is 0.0.9",
            "loong pigeon-post bridge run",
        ),
        (
            |told| told["status"] = Value::Null,
            "round_trip",
            "does not say how it is",
            "same release",
        ),
        (
            |told| told["status"]["last_frame_at"] = (now() - 180_000).into(),
            "last_frame",
            "3 min ago",
            "bridge run",
        ),
        (
            |told| told["inbox"]["items"][0]["stored_at"] = (now() - 600_000).into(),
            "queue",
            "waited 10 min",
            "loong channels serve pigeon-post",
        ),
        (
            |told| told["status"]["queue"]["dead"] = 1.into(),
            "dead_letters",
            "1 message is parked",
            "inbox retry --all-dead",
        ),
        (
            |told| told["status"]["paused"] = json!({"since": now(), "by": "operator"}),
            "sending",
            "paused",
            "loong pigeon-post resume",
        ),
        (
            |told| told["status"]["since"] = (now() + 3_600_000).into(),
            "clock",
            "ahead",
            "timedatectl",
        ),
        (
            |told| told["status"]["warnings"] = json!([{"code": "odd", "message": "m"}]),
            "bridge_warnings",
            "m (odd)",
            "bridge status",
        ),
    ];
    for (change, id, seen, hint) in table {
        let mut told = healthy();
        change(&mut told);
        tell(&place, &told);
        says(&diagnosed(&place).await, id, "warn", seen, hint);
    }
    running.stop().await;
}

/// Answers everybody with `answer`, on a port of its own.
fn impostor(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _question = socket.read(&mut [0; 4096]);
            socket.write_all(answer.as_bytes()).ok();
        }
    });
    port
}

#[tokio::test]
async fn what_listens_in_the_place_of_a_bridge_fails_with_the_command_that_shows_it() {
    for answer in [
        "SSH-2.0-server\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    ] {
        let port = impostor(answer);
        let place = Place::with_pigeons(&format!("http://127.0.0.1:{port}/tower"));
        let diagnosis = diagnosed(&place).await;
        says(
            &diagnosis,
            "bridge",
            "fail",
            "does not answer like a bridge",
            &port.to_string(),
        );
        says(
            &diagnosis,
            "bridge",
            "fail",
            "",
            "loong pigeon-post bridge run",
        );
    }
}

#[tokio::test]
async fn an_address_where_no_bridge_can_be_started_fails_for_a_plugin_that_brings_one() {
    for url in [
        "http://[::1]:1/tower",
        "http://127.0.0.2:1/tower",
        "http://192.0.2.1/tower",
        "https://127.0.0.1/",
    ] {
        let place = Place::with_pigeons(url);
        place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
            manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
        });
        fs::write(place.path("plugins/invented-channel/bridge.mjs"), "").unwrap();
        says(
            &diagnosed(&place).await,
            "bridge_url",
            "fail",
            "",
            "http://127.0.0.1:<port>/<path>",
        );
    }
}

#[tokio::test]
async fn a_store_that_somebody_holds_while_no_bridge_answers_stands_in_the_way() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '~/nest'\n"));
    place.make_dir("nest", 0o700);
    let me = std::process::id();
    let hold = |lock: &str| fs::write(place.path("nest/bridge.lock"), lock).unwrap();
    hold(&json!({"pid": me, "started": null, "parent": 1}).to_string());
    says(
        &diagnosed(&place).await,
        "store_lock",
        "fail",
        &format!("process {me} holds"),
        &format!("kill {me}"),
    );

    let mut child = std::process::Command::new("true").spawn().unwrap();
    let gone = child.id();
    child.wait().unwrap();
    hold(&json!({"pid": gone, "started": null, "parent": 1}).to_string());
    says(
        &diagnosed(&place).await,
        "store_lock",
        "ok",
        "takes it over",
        "",
    );
    hold("junk");
    says(
        &diagnosed(&place).await,
        "store_lock",
        "ok",
        "takes it over",
        "",
    );

    let bridge = Bridge::start("connected", |_question| json!({})).await;
    place.configure(
        &text
            .replace("http://127.0.0.1:1/tower", &bridge.url)
            .replace(
                "enabled = true\ntower",
                "enabled = true\nnest = '~/nest'\ntower",
            ),
    );
    hold(&json!({"pid": me}).to_string());
    let diagnosis = diagnosed(&place).await;
    assert!(
        check(&diagnosis, "store_lock", "ok").is_some(),
        "{diagnosis:#}"
    );
}
