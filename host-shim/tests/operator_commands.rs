//! What an operator does about a running bridge and its messages, by the real binary and a small
//! bridge in Node that keeps the contract: pause, the inbox, backups, and a send whose answer is lost.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;

use common::running::{Running, place_with_bridge};
use common::{Place, Ran};
use serde_json::{Value, json};

/// Keeps two messages, a switch, and what it was asked in `asked.ndjson` beside it.
const BRIDGE: &str = r#"
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';
const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
const tell = (event, more = {}) => console.log(JSON.stringify({event, at: Date.now(), ...more}));
const note = (asked) => fs.appendFileSync(new URL('asked.ndjson', import.meta.url), JSON.stringify(asked) + '\n');
if (process.argv.includes('--backup')) {
  note(process.argv.slice(2));
  fs.writeFileSync(flag('--backup'), 'a store');
  tell('backed_up', {file: flag('--backup'), bytes: 7});
  process.exit(0);
}
if (process.argv.includes('--restore')) {
  note(process.argv.slice(2));
  if (fs.readFileSync(flag('--restore'), 'utf8') !== 'a store') {
    tell('fatal', {code: 'restore_refused', message: 'this is no backup', hint: 'name another file'});
    process.exit(2);
  }
  tell('restored', {messages: 3, parked: 1});
  process.exit(0);
}
let token = '';
let paused = null;
let lost = 1;
const items = [
  {cursor: 'm1', chat: 'a1b2c3', state: 'dead', kind: 'text', group: false, attempts: 6, reason: 'no idea', stored_at: Date.now() - 61000, next_at: null, sent_at: Date.now() - 62000},
  {cursor: 'm2', chat: 'd4e5f6', state: 'waiting', kind: 'text', group: true, attempts: 0, reason: null, stored_at: Date.now() - 1000, next_at: null, sent_at: Date.now() - 2000},
];
const text = (item, url) => url.searchParams.get('show_text') === '1'
  ? {...item, conversation: '15550100@s.whatsapp.net', text: 'hi\u001b[2J\nstate  done\u202e'} : item;
const counts = () => Object.fromEntries(['waiting', 'leased', 'dead', 'done'].map((state) => [state, items.filter((item) => item.state === state).length]));
const admin = {
  'GET status': () => ({state: 'connected', identity: {phone: '+155\u20261000', name: 'Ana\nstate  odd'}, paused, queue: counts(), warnings: []}),
  'POST pause': () => { paused = {since: Date.now() - 1000, by: 'operator'}; return {ok: true, paused}; },
  'POST unpause': () => { paused = null; return {ok: true, paused}; },
  'GET inbox': (url) => {
    const states = (url.searchParams.get('state') ?? 'waiting,leased,dead').split(',');
    const found = items.filter((item) => states.includes(item.state));
    const page = found.slice(0, Number(url.searchParams.get('limit')));
    return {items: page.map((item) => text(item, url)), next_after: found.length > page.length ? 1 : null, counts: counts()};
  },
  'GET inbox/m1': (url) => text(items[0], url),
  'POST inbox/retry': (_url, body) => {
    const dead = items.filter((item) => item.state === 'dead' && (body.all_dead || body.cursor === item.cursor));
    for (const item of dead) item.state = 'waiting';
    return {ok: true, retried: dead.length};
  },
  'POST inbox/drop': (_url, body) => { items.find((item) => item.cursor === body.cursor).state = 'done'; return {ok: true, dropped: 1}; },
  'POST backup': (_url, body) => { fs.writeFileSync(body.file, 'a store'); return {ok: true, file: body.file, bytes: 7}; },
};
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const answer = (status, body) => { response.writeHead(status, {'content-type': 'application/json'}); response.end(JSON.stringify(body)); };
  const nonce = url.searchParams.get('nonce');
  if (url.pathname === '/tower/health') {
    const proof = crypto.createHmac('sha256', token).update(nonce ?? '').digest('hex');
    return answer(200, {state: 'connected', ...(nonce && {proof})});
  }
  if (request.headers.authorization !== `Bearer ${token}`) return answer(401, {error: 'the token is missing', code: 'unauthorized', retryable: false});
  let body = '';
  request.on('data', (chunk) => { body += chunk; }).on('end', () => {
    const what = `${request.method} ${url.pathname.replace('/tower/admin/', '')}`;
    note([what, url.search, body]);
    const known = admin[what];
    if (known) return answer(200, known(url, body && JSON.parse(body)));
    if (url.pathname !== '/tower') return answer(404, {error: 'There is no message with that cursor', code: 'not_found', retryable: false});
    // What it was asked is done, and nobody hears of it.
    if (lost-- > 0) return request.socket.destroy();
    answer(200, {landed: 'ring-7'});
  });
});
readline.createInterface({input: process.stdin}).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.command === 'start') {
    token = fs.readFileSync(command.token_file, 'utf8');
    server.listen(Number(flag('--port')), flag('--host'), () => {
      tell('listening', {url: `http://127.0.0.1:${flag('--port')}/tower`, pid: process.pid});
      tell('message_dead', {chat: 'a1b2c3', attempts: 6, reason: 'failed'});
    });
  }
  if (command.command === 'stop') { tell('stopped'); process.exit(0); }
}).on('close', () => process.exit(0));
"#;

/// A place with the bridge running.
fn running() -> (Place, Running) {
    let (place, _port) = place_with_bridge(BRIDGE);
    let running = Running::start(&place, &[]);
    running.says("a message is parked after 6 attempts");
    (place, running)
}

fn asked(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("plugins/invented-channel/asked.ndjson"));
    let lines = text.unwrap_or_default();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn pigeons(place: &Place, words: &[&str]) -> Ran {
    place.loong(&[&["pigeon-post"], words].concat()).await
}

#[tokio::test]
async fn sending_is_paused_and_resumed_and_status_and_doctor_say_so() {
    let (place, running) = running();
    let ran = pigeons(&place, &["pause"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("sending is paused for 1 s by the operator"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr
            .contains("hint: to go on: loong pigeon-post resume"),
        "{ran:#?}"
    );
    let status = pigeons(&place, &["bridge", "status"]).await;
    assert!(
        status.stdout.contains("sending       paused for "),
        "{status:#?}"
    );
    assert!(status.stdout.contains("dead 1"), "{status:#?}");
    assert!(
        status.stdout.contains("linked as     Ana\\nstate  odd"),
        "{status:#?}"
    );
    assert!(
        status.stderr.contains("inbox list --state dead"),
        "{status:#?}"
    );

    let checks = place.loong(&["doctor", "--json"]).await.json()["checks"].clone();
    for id in ["dead_letters", "sending"] {
        let check = checks
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["id"] == id);
        assert_eq!(check.unwrap()["status"], "warn", "{checks:#}");
    }
    let ran = pigeons(&place, &["resume", "--json"]).await;
    assert_eq!(ran.json(), json!({ "ok": true, "paused": null }));
    let checks = place.loong(&["doctor", "--json"]).await.json()["checks"].clone();
    let sending = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == "sending");
    assert_eq!(sending.unwrap()["status"], "ok", "{checks:#}");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_inbox_is_listed_without_texts_unless_they_are_asked_for() {
    let (place, running) = running();
    let ran = pigeons(&place, &["inbox", "list"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ran.stdout.lines().next().unwrap(),
        "m1  dead     chat a1b2c3  text  1 min ago  6 attempts  no idea"
    );
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:#?}");
    assert!(
        ran.stderr
            .contains("in the inbox: 1 waiting, 0 leased, 1 dead, 0 done"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr
            .contains("loong pigeon-post inbox retry --all-dead"),
        "{ran:#?}"
    );

    let ran = pigeons(&place, &["inbox", "list", "--limit", "1", "--show-text"]).await;
    assert!(
        ran.stdout
            .contains("    \"hi\\u{1b}[2J\\nstate  done\\u{202e}\"\n"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr.contains("there are more: add --after 1"),
        "{ran:#?}"
    );
    let ran = pigeons(
        &place,
        &["inbox", "list", "--state", "dead", "--json", "--show-text"],
    )
    .await;
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{ran:#?}");
    assert_eq!(
        ran.json()["items"][0]["text"],
        "hi\u{1b}[2J\nstate  done\u{202e}"
    );
    let query = asked(&place).last().unwrap()[1].clone();
    assert_eq!(query, "?limit=50&state=dead&show_text=1");

    let ran = pigeons(&place, &["inbox", "show", "m1"]).await;
    assert!(
        !ran.stdout.contains("hi") && ran.stdout.contains("attempts      6"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr.contains("loong pigeon-post inbox retry m1"),
        "{ran:#?}"
    );
    let ran = pigeons(&place, &["inbox", "show", "gone"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("There is no message with that cursor"),
        "{ran:#?}"
    );
    let ran = pigeons(&place, &["inbox", "show", "../status"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn dead_letters_are_put_back_and_messages_dropped_once_it_is_confirmed() {
    let (place, running) = running();
    let ran = pigeons(&place, &["inbox", "retry"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let ran = pigeons(&place, &["inbox", "retry", "m1", "--all-dead"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let ran = pigeons(&place, &["inbox", "retry", "--all-dead"]).await;
    assert!(ran.stderr.contains("one message is put back"), "{ran:#?}");
    let ran = pigeons(&place, &["inbox", "retry", "m1"]).await;
    assert!(
        ran.stderr.contains("no dead letter to put back"),
        "{ran:#?}"
    );

    let before = asked(&place).len();
    let ran = pigeons(&place, &["inbox", "drop", "m1"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("add --yes"), "{ran:#?}");
    assert_eq!(asked(&place).len(), before, "nothing was asked");
    let ran = pigeons(&place, &["inbox", "drop", "m1", "--yes"]).await;
    assert!(ran.stderr.contains("the message is dropped"), "{ran:#?}");
    let ran = pigeons(&place, &["inbox", "list", "--state", "done", "--json"]).await;
    assert_eq!(ran.json()["items"][0]["cursor"], "m1");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_backup_is_written_by_the_bridge_that_runs_else_by_one_started_for_it() {
    let (place, running) = running();
    let ran = pigeons(&place, &["backup", "first.backup"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("first.backup, 7 bytes"), "{ran:#?}");
    assert_eq!(
        fs::read_to_string(place.path("first.backup")).unwrap(),
        "a store"
    );
    assert_eq!(asked(&place).last().unwrap()[0], "POST backup");
    assert_eq!(running.stop().await.code, Some(0));

    let ran = pigeons(&place, &["backup", "second.backup", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let file = place.path("second.backup").canonicalize().unwrap();
    assert_eq!(ran.json(), json!({ "file": file, "bytes": 7 }));
    let nest = place.path("nest");
    assert_eq!(
        *asked(&place).last().unwrap(),
        json!(["--backup", file, "--auth-dir", nest, "--events", "ndjson"])
    );

    let ran = pigeons(&place, &["restore", "second.backup"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for words in ["the store is restored: ", "messages 3", "parked 1"] {
        assert!(ran.stderr.contains(words), "{ran:#?}");
    }
    fs::write(place.path("odd"), "something else").unwrap();
    let ran = pigeons(&place, &["restore", "odd"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("error: this is no backup\nhint: name another file"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_tried_again_with_its_key() {
    let (place, running) = running();
    let send = [
        "channels",
        "send",
        "pigeon-post",
        "--target",
        "north",
        "--text",
        "coo",
        "--json",
    ];
    let ran = place.loong(&send).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let sent = ran.json();
    assert_eq!(sent["message_ids"], json!(["ring-7"]));
    let key = sent["idempotency_key"].as_str().unwrap();
    assert_eq!(key.len(), "send:".len() + 32, "{key}");
    let flights: Vec<Value> = asked(&place)
        .iter()
        .filter(|asked| asked[0] == "POST /tower")
        .map(|asked| serde_json::from_str(asked[2].as_str().unwrap()).unwrap())
        .collect();
    let flight = json!({ "fly": { "to": "north", "letter": "coo", "seal": key } });
    assert_eq!(flights, [flight.clone(), flight]);

    let ran = place
        .loong(&[&send[..], &["--idempotency-key", "order-17"]].concat())
        .await;
    assert_eq!(ran.json()["idempotency_key"], "order-17");
    for wrong in ["", "in:m1", "a\nb"] {
        let ran = place
            .loong(&[&send[..], &["--idempotency-key", wrong]].concat())
            .await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
    }
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn each_command_says_how_to_start_a_bridge_that_is_not_there() {
    let (place, _port) = place_with_bridge(BRIDGE);
    for command in [
        ["pause"].as_slice(),
        &["resume"],
        &["inbox", "list"],
        &["inbox", "show", "m1"],
        &["inbox", "retry", "--all-dead"],
        &["inbox", "drop", "m1", "--yes"],
    ] {
        let ran = pigeons(&place, command).await;
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.stderr.contains("error: nothing answers at"), "{ran:#?}");
        assert!(
            ran.stderr
                .contains("hint: start the bridge with `loong pigeon-post bridge run`"),
            "{ran:#?}"
        );
        assert!(ran.stdout.is_empty(), "{ran:#?}");
    }
    assert!(asked(&place).is_empty());
}
