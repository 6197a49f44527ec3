//! The bridge folder as stock Loong uses it: started with its helper's flags, called with its
//! captured requests, sequentially and without a consumer id.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::plugin_root;
use loong_tests::scenario::{Machine, PATIENCE, Running, drawn_qr};
use loong_tests::sim::Simulator;
use serde_json::{Value, json};

const ANA: &str = "15551234567";

/// A bridge started by hand, as stock Loong's helper does.
struct Stock {
    sim: Simulator,
    machine: Machine,
    bridge: Running,
}

impl Stock {
    async fn paired() -> Result<Self> {
        let sim = Simulator::start().await?;
        let machine = Machine::new(Some(&sim.web_url()))?;
        let url = reqwest::Url::parse(&machine.bridge_url())?;
        let mut node = machine.command("node");
        node.arg(plugin_root().join("whatsapp-personal-bridge/bridge.mjs"))
            .args(["--host", "127.0.0.1", "--port"])
            .arg(url.port().context("a port")?.to_string())
            .args(["--path", url.path(), "--auth-dir"])
            .arg(machine.auth_dir());
        let bridge = Running::start("bridge.mjs", node)?;
        let qr = bridge.hears("a drawn QR code", drawn_qr::last).await?;
        sim.phone().scan(&qr).await?;
        bridge.says("onnected").await?;
        sim.wait_until_online(PATIENCE).await?;
        Ok(Self {
            sim,
            machine,
            bridge,
        })
    }

    /// Sends the captured request of an operation, changed by `change`.
    async fn asks(&self, operation: &str, change: impl FnOnce(&mut Value)) -> Result<(u16, Value)> {
        let file = format!(
            "{}/fixtures/wire/stock-request-{operation}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let captured: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let mut body = captured["body"].clone();
        change(&mut body["payload"]);
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()?
            .post(self.machine.bridge_url())
            .timeout(Duration::from_secs(8))
            .json(&body)
            .send()
            .await?;
        let (status, answer) = (answer.status().as_u16(), answer.json::<Value>().await?);
        ensure!(
            answer["id"] == body["id"] && answer["method"] == "tools/call",
            "not echoed: {answer}"
        );
        Ok((status, answer["payload"].clone()))
    }

    /// The next batch that holds something.
    async fn receives(&self) -> Result<Vec<Value>> {
        for _ in 0..20 {
            let (status, batch) = self.asks("receive_batch", |_| {}).await?;
            ensure!(status == 200, "{batch}");
            let messages = batch["messages"]
                .as_array()
                .cloned()
                .context("a list of messages")?;
            if !messages.is_empty() {
                return Ok(messages);
            }
        }
        anyhow::bail!("nothing came\n{}", self.bridge)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_loong_receives_answers_and_acknowledges() -> Result<()> {
    let stock = Stock::paired().await?;
    let ana = stock.sim.contact("Ana", ANA);
    ana.says("hello 1").await?;

    let messages = stock.receives().await?;
    let [message] = messages.as_slice() else {
        anyhow::bail!("not one message: {messages:?}")
    };
    let accepted: Value = serde_json::from_str(include_str!(
        "../fixtures/wire/stock-accepted-response-receive_batch.json"
    ))?;
    let accepted = &accepted["body"]["payload"]["messages"][0];
    same_shape("message", accepted, message)?;
    ensure!(
        message["session"]["conversation_id"] == "15551234567@s.whatsapp.net",
        "{message}"
    );
    ensure!(
        message["reply_target"]["id"] == accepted["reply_target"]["id"],
        "{message}"
    );

    let target = message["reply_target"].clone();
    let (status, sent) = stock
        .asks("send_message", |payload| payload["target"] = target)
        .await?;
    ensure!(status == 200 && sent["ok"] == true, "{sent}");
    ensure!(ana.next_message(PATIENCE).await?.text == "pong");

    for _ in 0..2 {
        let message = message.clone();
        let (status, acknowledged) = stock
            .asks("ack_inbound", |payload| payload["message"] = message)
            .await?;
        ensure!(
            status == 200 && acknowledged["ok"] == true,
            "{acknowledged}"
        );
    }
    let (status, completed) = stock.asks("complete_batch", |_| {}).await?;
    ensure!(status == 200 && completed["ok"] == true, "{completed}");
    let (_, empty) = stock.asks("receive_batch", |_| {}).await?;
    ensure!(
        empty["messages"] == json!([]),
        "acknowledged, and handed out again: {empty}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stock_loong_left_unacknowledged_comes_back_and_is_answered_once() -> Result<()> {
    let stock = Stock::paired().await?;
    let ana = stock.sim.contact("Ana", ANA);
    ana.says("hello").await?;

    // Answered, but the loop failed before it could acknowledge.
    let first = stock.receives().await?;
    let target = first[0]["reply_target"].clone();
    stock
        .asks("send_message", |payload| payload["target"] = target)
        .await?;

    let again = stock.receives().await?;
    ensure!(
        again[0]["delivery"]["ack_cursor"] == first[0]["delivery"]["ack_cursor"],
        "another message: {again:?}"
    );
    let target = again[0]["reply_target"].clone();
    let (status, second) = stock
        .asks("send_message", |payload| {
            payload["target"] = target;
            payload["message"] = json!({"Text": "another answer"});
        })
        .await?;
    ensure!(
        status == 200 && second["status"] == "already_sent",
        "{second}"
    );

    let texts: Vec<String> = ana
        .received()
        .into_iter()
        .map(|received| received.text)
        .collect();
    ensure!(texts == ["pong"], "the contact saw {texts:?}");
    Ok(())
}

/// Every field of `model` is in `value`, with the same type; `null` in the model stands for anything.
fn same_shape(path: &str, model: &Value, value: &Value) -> Result<()> {
    match (model, value) {
        (Value::Object(model), Value::Object(value)) => {
            for (field, inner) in model {
                let found = value
                    .get(field)
                    .with_context(|| format!("{path}.{field} is missing"))?;
                same_shape(&format!("{path}.{field}"), inner, found)?;
            }
        }
        (Value::Null, _) => {}
        _ => ensure!(
            std::mem::discriminant(model) == std::mem::discriminant(value),
            "{path} should be like {model}, is {value}"
        ),
    }
    Ok(())
}
