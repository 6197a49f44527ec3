//! What an operator can see of a running installation, and what nobody can.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::process::Line;
use loong_tests::scenario::provider::{Manner, Provider};
use loong_tests::scenario::{Finished, PATIENCE, Scenario};
use loong_tests::sim::Disruption;
use serde_json::{Value, json};

const ANA: &str = "15551234567";
const BEN: &str = "15557654321";

#[tokio::test(flavor = "multi_thread")]
async fn one_message_has_one_id_from_whatsapp_to_its_reply_in_everything_that_is_told_of_it()
-> Result<()> {
    let mut story =
        Scenario::paired_with_program("cat > \"$HOME/question.json\"; echo 'from my program'")
            .await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--log", "debug", "--log-format", "json"])?;
    ana.says("what do you know?").await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "from my program");

    let arrived = story.bridge().event("message_in").await?;
    let cursor = arrived["cursor"].as_str().context("it has a cursor")?;
    for name in ["message_out", "message_done"] {
        let event = story.bridge().event(name).await?;
        ensure!(
            event["cursor"] == cursor && event["after_ms"].is_u64(),
            "{event}"
        );
    }
    let question = std::fs::read(story.machine.home().join("question.json"))?;
    let question: Value = serde_json::from_slice(&question)?;
    ensure!(question["correlation_id"] == cursor, "{question}");
    let listed = [
        "whatsapp-personal",
        "inbox",
        "list",
        "--state",
        "done",
        "--json",
    ];
    let listed = story.machine.run(&listed).await?.succeeded()?.json()?;
    ensure!(listed["items"][0]["cursor"] == cursor, "{listed}");

    story.server().says("answered").await?;
    let told: Vec<Value> = objects(&story.server().lines())?
        .into_iter()
        .filter(|line| line["span"]["cursor"] == cursor)
        .collect();
    for words in [
        "in   chat",
        "the reply engine was asked",
        "the bridge answered",
        "out  chat",
    ] {
        let found = told.iter().find(|line| says(line, words));
        let line = found.with_context(|| format!("no line says {words:?}: {told:#?}"))?;
        let span = &line["span"];
        ensure!(
            span["channel"] == "whatsapp-personal" && span["account"] == "default",
            "{line}"
        );
        let chat = span["chat"].as_str().context("it names the chat")?;
        ensure!(chat.len() == 6 && !line.to_string().contains(ANA), "{line}");
    }
    story.stops_serving().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_the_same_id_in_plain_lines() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo", "--log", "loong::bridge=debug"])?;
    ana.says("hello").await?;
    ana.next_message(PATIENCE).await?;
    let arrived = story.bridge().event("message_in").await?;
    let cursor = arrived["cursor"].as_str().context("it has a cursor")?;
    for words in ["in   chat ", "out  chat ", "the bridge answered"] {
        let found = |lines: &[Line]| {
            let with = |line: &&Line| line.text.contains(words) && line.text.contains(cursor);
            lines.iter().find(with).map(|_| ())
        };
        story.server().hears(words, found).await?;
    }
    story.stops_serving().await
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_the_closest_look_at_the_log_shows_a_secret() -> Result<()> {
    const CLOSEST: &str = "trace,hyper=info,hyper_util=info,reqwest=info,rustls=info,wasmtime=info";
    let provider = Provider::answering("planted-reply", Manner::Streamed).await?;
    let config = format!(
        "[reply]\nengine = \"provider\"\ninstructions = \"planted-instructions\"\n\n[provider]\nkind = \"openai\"\n\
         model = \"scripted\"\nbase_url = {:?}\napi_key = \"planted-key-123\"\n",
        provider.base_url()
    );
    let mut story = Scenario::prepared(&["*"], &config).await?;
    story.starts_bridge_with(&["--log", CLOSEST])?;
    story.scans().await?;
    let ana = story.sim.contact("Ana", ANA);
    let mut heard = String::new();
    for (round, format) in ["text", "json"].into_iter().enumerate() {
        story.serves(&["--log", CLOSEST, "--log-format", format])?;
        ana.says("planted-question").await?;
        ana.next_message(PATIENCE).await?;
        story.bridge().nth_event("message_done", round + 1).await?;
        story.server().says("the bridge answered").await?;
        heard.push_str(&errors(&story.server().lines()));
        story.stops_serving().await?;
    }
    let pairing = story.bridge().event("qr").await?;
    for words in [
        [
            "channels",
            "send",
            "whatsapp-personal",
            "--target",
            "contact:+15551234567",
            "--text",
            "planted-text",
        ]
        .as_slice(),
        &["channels", "list"],
        &["doctor"],
        &["whatsapp-personal", "bridge", "status"],
        &["whatsapp-personal", "bridge", "metrics"],
        &[
            "whatsapp-personal",
            "inbox",
            "list",
            "--state",
            "done",
            "--show-text",
        ],
    ] {
        let ran = story
            .machine
            .run(&[words, &["--log", CLOSEST]].concat())
            .await?;
        heard.push_str(&ran.succeeded()?.stderr);
    }
    heard.push_str(&errors(&story.bridge().lines()));

    ensure!(
        heard.contains("the reply engine was asked"),
        "nothing was logged:\n{heard}"
    );
    let token = story.machine.token()?;
    let qr = pairing["qr"].as_str().context("a QR has a payload")?;
    for secret in [
        "planted-question",
        "planted-reply",
        "planted-text",
        "planted-instructions",
        "planted-key",
        ANA,
        story.sim.phone().number(),
        token.trim(),
        qr,
    ] {
        ensure!(!heard.contains(secret), "{secret} is in the log:\n{heard}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_right_and_stay_so_when_the_connection_comes_back() -> Result<()> {
    let mut story = Scenario::prepared(&["+15551234567"], "").await?;
    story
        .machine
        .times(&json!({ "backoffFirstMs": 20, "backoffMaxMs": 100 }))?;
    story.starts_bridge()?;
    story.scans().await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    story.serves(&["--reply", "echo"])?;
    for text in ["one", "two", "three"] {
        ana.says(text).await?;
        ana.next_message(PATIENCE).await?;
    }
    ben.says("let me in").await?;
    story.bridge().event("message_refused").await?;
    story.bridge().nth_event("message_done", 3).await?;

    let numbers = metrics(&story).await?;
    let expected = [
        ("loong_bridge_messages_in_total{chat=\"contact\"}", 3.0),
        ("loong_bridge_messages_in_total{chat=\"group\"}", 0.0),
        ("loong_bridge_messages_done_total", 3.0),
        ("loong_bridge_messages_out_total{status=\"sent\"}", 3.0),
        ("loong_bridge_messages_out_total{status=\"failed\"}", 0.0),
        ("loong_bridge_messages_refused_total", 1.0),
        ("loong_bridge_messages_dead_total", 0.0),
        ("loong_bridge_receive_to_ack_seconds_count", 3.0),
        ("loong_bridge_send_to_ack_seconds_count", 3.0),
        ("loong_bridge_queue_messages{queue=\"waiting\"}", 0.0),
        ("loong_bridge_queue_messages{queue=\"leased\"}", 0.0),
        ("loong_bridge_queue_messages{queue=\"pending_out\"}", 0.0),
        ("loong_bridge_connection_state{state=\"connected\"}", 1.0),
    ];
    for (series, value) in expected {
        ensure!(number(&numbers, series)? == value, "{series}:\n{numbers}");
    }
    ensure!(number(&numbers, "loong_bridge_reconnects_total")? == 0.0);
    let took = number(&numbers, "loong_bridge_receive_to_ack_seconds_sum")?;
    ensure!((0.0..PATIENCE.as_secs_f64()).contains(&took), "{numbers}");

    story.sim.disrupt(Disruption::TcpDrop)?;
    story.bridge().nth_event("connected", 2).await?;
    story.sim.wait_until_online(PATIENCE).await?;
    ana.says("four").await?;
    ana.next_message(PATIENCE).await?;
    story.bridge().nth_event("message_done", 4).await?;
    let later = metrics(&story).await?;
    for (series, value) in [
        ("loong_bridge_reconnects_total", 1.0),
        ("loong_bridge_messages_in_total{chat=\"contact\"}", 4.0),
        ("loong_bridge_messages_out_total{status=\"sent\"}", 4.0),
        ("loong_bridge_messages_refused_total", 1.0),
        ("loong_bridge_connection_state{state=\"connected\"}", 1.0),
        ("loong_bridge_connection_state{state=\"reconnecting\"}", 0.0),
    ] {
        ensure!(number(&later, series)? == value, "{series}:\n{later}");
    }
    let up = "loong_bridge_uptime_seconds";
    ensure!(number(&later, up)? > number(&numbers, up)?, "{later}");
    ensure!(
        number(&later, "loong_bridge_connected_seconds")? < number(&later, up)?,
        "{later}"
    );
    story.stops_serving().await
}

/// As Prometheus does with `authorization.credentials_file`: what the file holds, without space at its
/// ends, behind the word Bearer.
#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_names_the_token_file_gets_the_numbers_and_nobody_else_does() -> Result<()>
{
    let story = Scenario::paired(&["*"], "").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let scrape = || {
        let url = format!("{}/metrics", story.machine.bridge_url());
        client.get(url).timeout(Duration::from_secs(30))
    };
    let token = story.machine.token()?;
    let answer = scrape().bearer_auth(token.trim()).send().await?;
    let kind = answer.headers()["content-type"].to_str()?.to_owned();
    ensure!(
        answer.status() == 200 && kind.starts_with("text/plain; version=0.0.4"),
        "{answer:?}"
    );
    let numbers = answer.text().await?;
    ensure!(
        numbers.contains("# TYPE loong_bridge_build_info gauge\n"),
        "{numbers}"
    );
    let refused = scrape().send().await?;
    ensure!(refused.status() == 401, "{refused:?}");
    let refused: Value = refused.json().await?;
    ensure!(refused["code"] == "unauthorized", "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_before_anything_is_done() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    for words in [
        ["--log", "loud", "doctor"].as_slice(),
        &["doctor", "--log", "hyper=trace"],
        &[
            "channels",
            "serve",
            "whatsapp-personal",
            "--log-format",
            "xml",
        ],
        &["--log", "genai=warn", "whatsapp-personal", "bridge", "run"],
        &["whatsapp-personal", "bridge", "run", "--log", "loud"],
    ] {
        let refused = story.machine.run(words).await?.ended_with(2)?;
        ensure!(refused.stderr.contains("invalid value"), "{refused:?}");
        ensure!(refused.stdout.is_empty(), "{refused:?}");
    }
    story.machine.sets("LOONG_LOG", "loud");
    let refused = story
        .machine
        .run(&["channels", "list"])
        .await?
        .ended_with(2)?;
    ensure!(
        refused
            .stderr
            .contains("cannot use LOONG_LOG: `loud` is no level"),
        "{refused:?}"
    );
    // What is said on the command line goes before.
    let listed = ["channels", "list", "--log", "warn"];
    story.machine.run(&listed).await?.succeeded()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_json_every_line_is_an_object_also_what_a_command_says_and_why_it_failed() -> Result<()>
{
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.sets("LOONG_LOG_FORMAT", "json");
    let words = ["whatsapp-personal", "bridge", "status", "--log", "off"];
    let failed = story.machine.run(&words).await?.ended_with(1)?;
    let lines = objects(&lines_of(&failed))?;
    let error = lines.iter().find(|line| line["level"] == "ERROR");
    let error = error.with_context(|| format!("{failed:?}"))?;
    ensure!(
        error["code"] == "bridge_unreachable" && says(error, "nothing answers at"),
        "{error}"
    );
    ensure!(
        lines
            .iter()
            .any(|line| line["hint"] == true && says(line, "bridge run")),
        "{lines:?}"
    );
    Ok(())
}

async fn metrics(story: &Scenario) -> Result<String> {
    let words = ["whatsapp-personal", "bridge", "metrics"];
    Ok(story.machine.run(&words).await?.succeeded()?.stdout)
}

/// The value of one series.
fn number(numbers: &str, series: &str) -> Result<f64> {
    let value = numbers
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = value.with_context(|| format!("there is no {series} in\n{numbers}"))?;
    Ok(value.parse()?)
}

fn says(line: &Value, words: &str) -> bool {
    line["message"]
        .as_str()
        .is_some_and(|message| message.contains(words))
}

/// Every line on standard error, each of which must be an object with a moment in UTC.
fn objects(lines: &[Line]) -> Result<Vec<Value>> {
    lines
        .iter()
        .filter(|line| line.stream == "err")
        .map(|line| {
            let object: Value = serde_json::from_str(&line.text)
                .with_context(|| format!("no JSON: {}", line.text))?;
            let at = object["timestamp"].as_str().unwrap_or_default();
            ensure!(
                at.len() > 20 && at.ends_with('Z') && at.as_bytes()[10] == b'T',
                "{object}"
            );
            ensure!(
                object["level"].is_string() && object["message"].is_string(),
                "{object}"
            );
            Ok(object)
        })
        .collect()
}

fn errors(lines: &[Line]) -> String {
    let errors = lines.iter().filter(|line| line.stream == "err");
    errors.map(|line| format!("{}\n", line.text)).collect()
}

fn lines_of(finished: &Finished) -> Vec<Line> {
    let line = |text: &str| Line {
        stream: "err",
        text: text.to_owned(),
    };
    finished.stderr.lines().map(line).collect()
}
