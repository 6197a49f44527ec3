//! A bridge's life as an operator sees it, by the real binary and a small bridge in Node that keeps
//! the contract: `bridge run` with its token, `status`, `resume`, `logout`, and doctor's view.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::Place;
use common::running::{self, Running, token_file};
use serde_json::Value;

/// A bridge that keeps the contract's words on tokens and commands, and knows nothing else.
const BRIDGE: &str = r#"
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';
const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
const tell = (event, more = {}) => console.log(JSON.stringify({event, at: Date.now(), ...more}));
let token = '';
let state = 'pairing_expired';
const move = (to) => { state = to; tell('state', {state, reason: null, message: '', retry_in_ms: null}); };
const admin = {
  'GET status': () => ({contract: 'c', version: '9', pid: process.pid, state, reason: null, since: Date.now() - 61000,
    identity: {phone: '+155\u20261000', lid_known: true, name: 'Ana'}, reconnects: 3, queue: {waiting: 2},
    warnings: [{code: 'odd', message: 'something odd'}]}),
  'POST resume': () => { move('pairing'); return {ok: true, state}; },
  'POST logout': () => { move('logged_out'); return {ok: true, unlinked: false, set_aside: true}; },
};
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const answer = (status, body) => { response.writeHead(status, {'content-type': 'application/json'}); response.end(JSON.stringify(body)); };
  const nonce = url.searchParams.get('nonce');
  if (url.pathname === '/tower/health') {
    const proof = crypto.createHmac('sha256', token).update(nonce ?? '').digest('hex');
    return answer(200, {state, ...(nonce && {proof})});
  }
  if (request.headers.authorization !== `Bearer ${token}`) return answer(401, {error: 'the token is missing', code: 'unauthorized', retryable: false});
  if (url.pathname === '/tower/metrics') {
    response.writeHead(200, {'content-type': 'text/plain; version=0.0.4'});
    return response.end('# HELP pigeons Pigeons at home.\n# TYPE pigeons gauge\npigeons 7\n');
  }
  const known = admin[`${request.method} ${url.pathname.replace('/tower/admin/', '')}`];
  if (known) return answer(200, known());
  return answer(200, {landed: 'ring-7'});
});
readline.createInterface({input: process.stdin}).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.command === 'start') {
    token = fs.readFileSync(command.token_file, 'utf8');
    server.listen(Number(flag('--port')), flag('--host'), () => {
      tell('listening', {url: `http://127.0.0.1:${flag('--port')}/tower`, pid: process.pid});
      tell('qr', {qr: '2@payload', expires_in_ms: 60000, number: 1, round: 1});
      if (process.argv.includes('--pairing-code-phone')) tell('pairing_code', {code: 'ABCD-1234', expires_in_ms: null});
      tell('allowlist_match', {chat: 'c1', entry: '*', allowed: true});
      tell('message_left', {chat: 'c2', reason: 'not_addressed'});
      if (process.env.LOONG_TEST_TIMING) tell('warning', {code: 'timing', message: process.env.LOONG_TEST_TIMING});
      move(state);
    });
  }
  if (command.command === 'stop') { tell('stopped'); process.exit(0); }
}).on('close', () => process.exit(0));
"#;

fn place() -> (Place, u16) {
    running::place_with_bridge(BRIDGE)
}

#[tokio::test]
async fn a_bridge_lives_with_a_token_of_its_own_and_takes_it_along_when_it_ends() {
    let (place, port) = place();
    let running = Running::start(&place, &["--pairing-code", "+15551234567"]);
    let lines = running.says("pairing expired");
    let hint = running.says("hint: ").pop().unwrap();
    assert!(hint.contains("`loong pigeon-post bridge resume`"), "{hint}");
    assert!(!hint.contains("Enter"), "there is no terminal: {hint}");
    let said = lines.join("\n");
    assert!(said.contains("chat c1 is let in by the entry *"), "{said}");
    assert!(said.contains("left chat c2  not addressed"), "{said}");

    let file = token_file(&place, port);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let token = fs::read_to_string(&file).unwrap();
    assert!(!said.contains(&token));
    let sent = place.sends(&["--json"]).await;
    assert_eq!(sent.json()["message_id"], "ring-7", "{sent:#?}");

    let ran = running.stop().await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(!file.exists());
    let (qr, code) = ran.stdout.split_once("pairing code: ").unwrap();
    assert!(
        qr.contains('█') && code.starts_with("ABCD-1234\n"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn status_tells_a_person_in_words_and_a_machine_what_the_bridge_said() {
    let (place, _) = place();
    let running = Running::start(&place, &[]);
    running.says("pairing expired");
    let ran = place.bridge(&["status"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for line in [
        "state         pairing expired for 1 min: nobody linked the account in time; the bridge rests",
        "linked as     Ana, +155…1000",
        "reconnects    3",
        "queue         waiting 2",
    ] {
        assert!(
            ran.stdout.lines().any(|seen| seen == line),
            "{line}: {ran:#?}"
        );
    }
    assert!(
        ran.stderr.contains("warning: something odd (odd)"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr
            .contains("hint: for new codes: loong pigeon-post bridge resume"),
        "{ran:#?}"
    );
    let ran = place.bridge(&["status", "--json"]).await;
    assert_eq!(ran.json()["identity"]["lid_known"], true);
    assert_eq!(ran.json()["state"], "pairing_expired");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn the_numbers_of_a_bridge_are_printed_as_it_writes_them() {
    let (place, _) = place();
    let running = Running::start(&place, &[]);
    running.says("pairing expired");
    let ran = place.bridge(&["metrics"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ran.stdout,
        "# HELP pigeons Pigeons at home.\n# TYPE pigeons gauge\npigeons 7\n"
    );
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_bridge_that_rests_is_resumed_and_one_that_is_linked_is_logged_out() {
    let (place, _) = place();
    let running = Running::start(&place, &[]);
    running.says("pairing expired");
    let ran = place.bridge(&["resume"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr.contains("the bridge goes on; it is pairing"),
        "{ran:#?}"
    );

    let asked = place.bridge(&["logout"]).await;
    assert_eq!(asked.code, Some(2), "{asked:#?}");
    assert!(asked.stderr.contains("add --yes"), "{asked:#?}");
    let status = place.bridge(&["status", "--json"]).await;
    assert_eq!(status.json()["state"], "pairing", "nothing was changed");

    let ran = place.bridge(&["logout", "--yes"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr.contains("remove this device on the phone"),
        "{ran:#?}"
    );
    running.says("logged out");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_second_run_on_the_address_is_refused_and_the_first_keeps_its_token() {
    let (place, port) = place();
    let running = Running::start(&place, &[]);
    running.says("pairing expired");
    let token = fs::read_to_string(token_file(&place, port)).unwrap();
    let second = place.bridge(&["run"]).await;
    assert_eq!(second.code, Some(1), "{second:#?}");
    assert!(
        second.stderr.contains("a bridge is already being run on"),
        "{second:#?}"
    );
    assert_eq!(fs::read_to_string(token_file(&place, port)).unwrap(), token);
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn each_command_says_how_to_start_a_bridge_that_is_not_there() {
    let (place, _) = place();
    for command in [
        ["status"].as_slice(),
        &["metrics"],
        &["resume"],
        &["logout", "--yes"],
    ] {
        let ran = place.bridge(command).await;
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.stderr.contains("error: nothing answers at"), "{ran:#?}");
        assert!(
            ran.stderr
                .contains("hint: start the bridge with `loong pigeon-post bridge run`"),
            "{ran:#?}"
        );
        assert!(ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[tokio::test]
async fn a_bridge_that_was_started_by_hand_takes_no_commands() {
    let (place, bridge) = Place::with_tower().await;
    for command in ["status", "metrics"] {
        let ran = place.bridge(&[command]).await;
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(
            ran.stderr.contains("takes no commands from here"),
            "{ran:#?}"
        );
    }
    assert!(bridge.asked().is_empty());
}

#[tokio::test]
async fn an_impostor_is_named_by_every_command_and_by_doctor_and_told_nothing() {
    let (place, impostor) = Place::with_tower().await;
    let port = url_port(&impostor.url);
    place.make_dir("home", 0o700);
    place.make_dir("home/run", 0o700);
    fs::write(token_file(&place, port), "ab".repeat(32)).unwrap();

    for command in [
        ["status"].as_slice(),
        &["metrics"],
        &["resume"],
        &["logout", "--yes"],
    ] {
        let ran = place.bridge(command).await;
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.stderr.contains("something else answers at"), "{ran:#?}");
    }
    let sent = place.sends(&[]).await;
    assert_eq!(sent.code, Some(1), "{sent:#?}");
    assert!(impostor.asked().is_empty());

    let doctor = place.loong(&["doctor", "--json"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:#?}");
    let diagnosis = doctor.json();
    let about: Vec<&Value> = diagnosis["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["id"] == "bridge_auth" || check["id"] == "bridge")
        .collect();
    assert_eq!(
        about.len(),
        1,
        "an impostor's state is not told: {about:#?}"
    );
    assert_eq!(about[0]["id"], "bridge_auth");
    assert_eq!(about[0]["status"], "fail");
    assert!(impostor.asked().is_empty());
}

#[tokio::test]
async fn doctor_sees_that_a_bridge_knows_its_token() {
    let (place, _) = place();
    let running = Running::start(&place, &[]);
    running.says("pairing expired");
    let diagnosis = place.loong(&["doctor", "--json"]).await.json();
    let checks = diagnosis["checks"].as_array().unwrap();
    let proven = checks.iter().find(|check| check["id"] == "bridge_auth");
    assert_eq!(proven.unwrap()["status"], "ok", "{diagnosis:#}");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_bad_custom_code_is_refused_before_anything_starts() {
    let (place, port) = place();
    for (more, words) in [
        (
            [
                "--pairing-code",
                "+15551234567",
                "--custom-pairing-code",
                "abcd1234",
            ]
            .as_slice(),
            "exactly 8 characters",
        ),
        (&["--custom-pairing-code", "ABCD1234"], "--pairing-code"),
    ] {
        let ran = place
            .loong(&[&["pigeon-post", "bridge", "run"], more].concat())
            .await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(words), "{ran:#?}");
        assert!(!place.path("home").exists() && !token_file(&place, port).exists());
    }
}

#[tokio::test]
async fn a_bridge_that_refuses_its_command_line_is_wrong_usage_with_its_own_words() {
    let (place, port) = place();
    fs::write(
        place.path("plugins/invented-channel/bridge.mjs"),
        "console.log(JSON.stringify({event: 'fatal', code: 'usage', message: '0155 has no country code', hint: 'write +1 first'}));
         process.exitCode = 2;",
    )
    .unwrap();
    let ran = place.bridge(&["run", "--pairing-code", "0155"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("error: 0155 has no country code\nhint: write +1 first"),
        "{ran:#?}"
    );
    assert!(!token_file(&place, port).exists());
}

fn url_port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

#[tokio::test]
async fn a_folder_for_the_login_that_is_not_its_owners_alone_starts_no_bridge() {
    type Fault = fn(&Place);
    let table: [(Fault, &str, &str); 3] = [
        (
            |place| place.make_dir("nest", 0o755),
            "is open to others (mode 0755)",
            "chmod 700 ",
        ),
        (
            |place| {
                place.make_dir("real", 0o700);
                std::os::unix::fs::symlink(place.path("real"), place.path("nest")).unwrap();
            },
            "is a link to",
            "let auth_dir name that folder itself",
        ),
        (
            |place| {
                place.make_dir("open", 0o777);
                let text = fs::read_to_string(place.path("loong.toml")).unwrap();
                place.configure(&text.replace("~/nest", "~/open/nest"));
            },
            "everybody can exchange what lies in",
            "chmod o-w ",
        ),
    ];
    for (fault, words, step) in table {
        let (place, port) = place();
        fault(&place);
        let ran = place.bridge(&["run"]).await;
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains(step),
            "{ran:#?}"
        );
        assert!(!token_file(&place, port).exists(), "nothing was begun");
    }
}
