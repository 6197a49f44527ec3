//! Who writes and who may, by the real binary, the invented channel, and a small bridge in Node: the
//! list of chats is shown, and the list in the configuration file is changed, or not touched at all.

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

/// Knows two chats and one that was refused, takes a list, and keeps what it was asked.
const BRIDGE: &str = r#"
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';
const flag = (name) => process.argv[process.argv.indexOf(name) + 1];
const tell = (event, more = {}) => console.log(JSON.stringify({event, at: Date.now(), ...more}));
const note = (asked) => fs.appendFileSync(new URL('asked.ndjson', import.meta.url), JSON.stringify(asked) + '\n');
const known = [
  {target: 'pigeon-post/north', name: 'Ana\u001b[2J\nno', kind: 'contact', messages_in: 12, messages_out: 3, last_seen: Date.now() - 61000, allowed: true, entry: '*'},
  {target: 'pigeon-post/south', name: null, kind: 'contact', messages_in: 1, messages_out: 0, last_seen: Date.now() - 121000, allowed: false, entry: 'south'},
];
const refused = [{target: 'pigeon-post/far', name: null, kind: 'contact', messages_in: 4, messages_out: 0, last_seen: Date.now() - 61000, allowed: false, entry: 'far'}];
let token = '';
const admin = {
  'GET chats': (url) => {
    const items = url.searchParams.get('refused') === '1' ? refused : known;
    const page = items.slice(0, Number(url.searchParams.get('limit')));
    return {items: page, next_after: items.length > page.length ? '7-1' : null, counts: {known: 2, refused: 1}, everybody: true};
  },
  'POST allowlist': (_url, body) => ({ok: true, entries: body.allowed_chat_ids.length, everybody: body.allowed_chat_ids.includes('*')}),
};
const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const answer = (status, body) => { response.writeHead(status, {'content-type': 'application/json'}); response.end(JSON.stringify(body)); };
  if (url.pathname === '/tower/health') {
    const nonce = url.searchParams.get('nonce') ?? '';
    return answer(200, {state: 'connected', proof: crypto.createHmac('sha256', token).update(nonce).digest('hex')});
  }
  let body = '';
  request.on('data', (chunk) => { body += chunk; }).on('end', () => {
    const what = `${request.method} ${url.pathname.replace('/tower/admin/', '')}`;
    note([what, url.search, body]);
    if (body.includes('deaf')) return answer(404, {error: 'There is no such command', code: 'not_found', retryable: false});
    answer(200, admin[what](url, body && JSON.parse(body)));
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
    let text = config(&place);
    place.configure(&format!("{text}allowed_chat_ids = ['south']\n"));
    let running = Running::start(&place, &[]);
    running.says("a message is parked after 6 attempts");
    (place, running)
}

/// A place without a bridge, whose block ends with `more`.
fn listing(more: &str) -> Place {
    let place = Place::with_pigeons("http://127.0.0.1:9/tower");
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("# mine\n{text}{more}"));
    place
}

fn config(place: &Place) -> String {
    fs::read_to_string(place.path("loong.toml")).unwrap()
}

fn asked(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("plugins/invented-channel/asked.ndjson"));
    let lines = text.unwrap_or_default();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn chats(place: &Place, words: &[&str]) -> Ran {
    place
        .loong(&[&["pigeon-post", "chats"], words].concat())
        .await
}

/// The command fails with these words, and the file is as it was.
async fn refuses(place: &Place, words: &[&str], code: i32, said: &str) {
    let before = config(place);
    let ran = chats(place, words).await;
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    assert!(ran.stderr.contains(said), "{ran:#?}");
    assert_eq!(config(place), before);
}

#[tokio::test]
async fn the_chats_are_shown_with_what_lets_them_in_and_the_refused_ones_apart() {
    let (place, running) = running();
    let ran = chats(&place, &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(
        ran.stdout,
        "ALLOWED  BY  IN  OUT  LAST       TARGET             NAME\n\
         yes      *   12  3    1 min ago  pigeon-post/north  Ana\\u{1b}[2J\\nno\n\
         no       -   1   0    2 min ago  pigeon-post/south  -\n"
    );
    for words in [
        "chats: 2 known, 1 refused",
        "hint: everybody is let in, by `*`; to let in only some: loong pigeon-post chats allow <TARGET>... --narrow",
        "hint: who was refused: loong pigeon-post chats --refused",
    ] {
        assert!(ran.stderr.contains(words), "{ran:#?}");
    }
    let ran = chats(&place, &["--refused"]).await;
    assert_eq!(
        ran.stdout,
        "ALLOWED  REFUSED  LAST       TARGET\nno       4        1 min ago  pigeon-post/far\n"
    );
    let ran = chats(&place, &["--limit", "1", "--json", "--after", "9-9"]).await;
    assert_eq!(ran.json()["items"][0]["target"], "pigeon-post/north");
    assert_eq!(
        asked(&place).last().unwrap()[1],
        "?account=flock&limit=1&after=9-9"
    );
    let ran = chats(&place, &["--limit", "1"]).await;
    assert!(ran.stderr.contains("add --after 7-1"), "{ran:#?}");
    for wrong in [["--limit", "0"], ["--limit", "201"]] {
        assert_eq!(chats(&place, &wrong).await.code, Some(2));
    }
    assert_eq!(running.stop().await.code, Some(0));

    let ran = chats(&place, &[]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("loong pigeon-post bridge run"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn an_entry_is_written_without_a_bridge_and_no_comment_is_lost() {
    let list = "allowed_chat_ids = [\n  # the old tower\n  'south', # mind the wind\n]\n";
    let place = listing(list);
    let before = config(&place);
    let ran = chats(&place, &["allow", "pigeon-post/north"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.stdout, "pigeon-post/north  north\n");
    for words in [
        "`north` is added to pigeon.allowed_chat_ids",
        "it counts when the bridge is started",
    ] {
        assert!(ran.stderr.contains(words), "{ran:#?}");
    }
    let after = before.replace("# mind the wind\n", "# mind the wind\n  \"north\",\n");
    assert_eq!(config(&place), after);

    let ran = chats(&place, &["allow", "north", "--json"]).await;
    let file = fs::canonicalize(place.path("loong.toml")).unwrap();
    assert_eq!(
        ran.json(),
        json!({
            "channel": "pigeon-post", "account": "flock", "config": file,
            "list": "pigeon.allowed_chat_ids", "new_list": false,
            "chats": [{ "target": "pigeon-post/north", "entry": "north", "was_allowed_by": "north", "added": false }],
            "narrowed": false, "everybody": false, "bridge": "not_running",
        })
    );
    assert_eq!(config(&place), after, "twice changes nothing");
}

#[tokio::test]
async fn beside_a_star_an_entry_is_written_and_said_to_count_later() {
    let place = listing("allowed_chat_ids = ['*'] # for now\n");
    let ran = chats(&place, &["allow", "north"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("everybody is let in anyway, by `*`: the entries count once that is gone"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr
            .contains("hint: to let in nobody else: loong pigeon-post chats allow north --narrow"),
        "{ran:#?}"
    );
    assert!(
        config(&place).ends_with("allowed_chat_ids = ['*', \"north\"] # for now\n"),
        "{}",
        config(&place)
    );
}

#[tokio::test]
async fn a_star_goes_only_when_that_is_confirmed_and_several_take_its_place() {
    let place = listing("allowed_chat_ids = ['*'] # for now\n");
    refuses(&place, &["allow", "north", "--narrow"], 2, "add --yes").await;
    refuses(&place, &["allow", "north", "--yes"], 2, "--narrow").await;
    let narrow = ["allow", "north", "south", "north", "--narrow", "--yes"];
    let ran = chats(&place, &narrow).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("`*` is gone from pigeon.allowed_chat_ids: nobody else is let in"),
        "{ran:#?}"
    );
    assert!(
        config(&place).ends_with("allowed_chat_ids = [\"north\", \"south\"] # for now\n"),
        "{}",
        config(&place)
    );
    let ran = chats(&place, &["allow", "east", "--narrow"]).await;
    assert_eq!(ran.code, Some(0), "nothing to confirm: {ran:#?}");
    assert!(ran.stderr.contains("there is no `*`"), "{ran:#?}");
}

#[tokio::test]
async fn a_running_bridge_is_told_the_new_list_and_one_that_is_deaf_must_be_started_again() {
    let (place, running) = running();
    let ran = chats(&place, &["allow", "north", "--json"]).await;
    assert_eq!(ran.json()["bridge"], "told", "{ran:#?}");
    let told: Value =
        serde_json::from_str(asked(&place).last().unwrap()[2].as_str().unwrap()).unwrap();
    assert_eq!(told, json!({ "allowed_chat_ids": ["south", "north"] }));
    let ran = chats(&place, &["allow", "deaf"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr.contains("the running bridge was not told"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("start it again"), "{ran:#?}");
    assert!(config(&place).contains("allowed_chat_ids = ['south', \"north\", \"deaf\"]"));
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_the_file_stays_as_it_is() {
    let place = listing("allowed_chat_ids = ['south']\n");
    refuses(&place, &["allow"], 2, "<TARGET>").await;
    refuses(
        &place,
        &["allow", "north", "--account", "geese"],
        2,
        "there is no such flock",
    )
    .await;
    refuses(
        &place,
        &["allow", "abyss"],
        1,
        "no pigeon comes back from the abyss",
    )
    .await;
    for rogue in ["*", " * ", "a\nb", ""] {
        refuses(
            &place,
            &["allow", rogue],
            3,
            "names no entry that can be written",
        )
        .await;
    }
    place.configure("[runtime_plugins\nenabled = true\n");
    refuses(
        &place,
        &["allow", "north"],
        1,
        "the configuration is wrong at",
    )
    .await;

    let place = listing("allowed_chat_ids = 'south'\n");
    refuses(
        &place,
        &["allow", "north"],
        1,
        "`pigeon.allowed_chat_ids` in",
    )
    .await;

    // A list of its own takes the place of the loft that counts without one.
    let place = listing("home = 'east'\n");
    refuses(
        &place,
        &["allow", "north"],
        1,
        "would let in others than are meant",
    )
    .await;
}
