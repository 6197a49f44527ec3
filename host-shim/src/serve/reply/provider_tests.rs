//! The engine against a scripted server on loopback that speaks OpenAI's protocol.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::super::Turn;
use super::super::provider_config;
use super::*;
use crate::config::Config;

/// One answer of the server.
#[derive(Clone)]
struct Scripted {
    status: u16,
    kind: &'static str,
    body: String,
    /// Ends the connection in the middle.
    broken: bool,
    /// Never answers.
    silent: bool,
}

fn answer(status: u16, kind: &'static str, body: impl Into<String>) -> Scripted {
    Scripted {
        status,
        kind,
        body: body.into(),
        broken: false,
        silent: false,
    }
}

fn plain(text: &str) -> Scripted {
    let choice = json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}});
    answer(
        200,
        "application/json",
        json!({"id": "x", "model": "m", "choices": [choice]}).to_string(),
    )
}

fn streamed(parts: &[&str]) -> Scripted {
    let mut body = String::new();
    for part in parts {
        let chunk = json!({"choices": [{"index": 0, "delta": {"content": part}}]});
        body.push_str(&format!("data: {chunk}\n\n"));
    }
    body.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    answer(200, "text/event-stream", body)
}

/// What was asked: request line, authorization, body.
type Asked = Arc<Mutex<Vec<(String, String, Value)>>>;

struct Server {
    address: std::net::SocketAddr,
    asked: Asked,
}

impl Server {
    /// Gives the answers in order, the last one again and again.
    async fn with(script: Vec<Scripted>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Asked::default();
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = script[turn.min(script.len() - 1)].clone();
                let request = read_request(&mut stream).await;
                heard.lock().unwrap().push(request);
                if answer.silent {
                    std::future::pending::<()>().await;
                }
                let length = answer.body.len() + usize::from(answer.broken) * 100;
                let head = format!(
                    "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
                    answer.status, answer.kind
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(answer.body.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self { address, asked }
    }

    fn engine(&self, more: &str) -> ProviderEngine {
        let text = format!(
            "[provider]\nkind = \"openai-compatible\"\nmodel = \"m\"\nbase_url = \"http://{}/v1\"\napi_key = \"sk-secret\"\n{more}",
            self.address
        );
        let config = Config::parse(Path::new("loong.toml"), text).unwrap();
        let settings = provider_config::read(&config, &|_| None).unwrap();
        ProviderEngine::new(
            settings,
            Some("Be brief.".to_owned()),
            Duration::from_secs(20),
        )
        .unwrap()
    }

    fn asked(&self) -> Vec<(String, String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut tokio::net::TcpStream) -> (String, String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut authorization, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.trim().to_owned(),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    (
        first.trim().to_owned(),
        authorization,
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

fn request() -> ReplyRequest {
    ReplyRequest {
        channel: "whatsapp-personal".to_owned(),
        account: "default".to_owned(),
        conversation: "c1".to_owned(),
        message_id: "m1".to_owned(),
        correlation_id: "k1".to_owned(),
        sender: "+15550100".to_owned(),
        sender_name: Some("Ana".to_owned()),
        is_group: false,
        text: "and today?".to_owned(),
        received_at_ms: 0,
        history: vec![Turn {
            user: "how was it".to_owned(),
            reply: "fine".to_owned(),
        }],
    }
}

#[tokio::test]
async fn a_streamed_answer_is_collected_and_the_request_holds_all_the_model_needs() {
    let server = Server::with(vec![streamed(&["Sun", "ny — ", "☀"])]).await;
    let engine = server.engine("temperature = 0.5\nmax_tokens = 50");
    assert_eq!(
        engine.reply(&request()).await.unwrap().as_deref(),
        Some("Sunny — ☀")
    );
    let asked = server.asked();
    let (line, authorization, body) = &asked[0];
    assert_eq!(line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(authorization, "Bearer sk-secret");
    assert_eq!(
        (&body["model"], &body["stream"]),
        (&json!("m"), &json!(true))
    );
    assert_eq!(body["temperature"], json!(0.5));
    let messages: Vec<(&str, &str)> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            (
                message["role"].as_str().unwrap(),
                message["content"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        messages,
        [
            ("system", "Be brief."),
            ("user", "how was it"),
            ("assistant", "fine"),
            ("user", "and today?")
        ]
    );
}

#[tokio::test]
async fn in_a_group_the_model_sees_who_speaks() {
    let server = Server::with(vec![streamed(&["ok"])]).await;
    let group = ReplyRequest {
        is_group: true,
        ..request()
    };
    server.engine("").reply(&group).await.unwrap();
    assert_eq!(
        server.asked()[0].2["messages"][3]["content"],
        "Ana: and today?"
    );
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_asked_plainly_from_then_on() {
    let server = Server::with(vec![
        plain("ignored the wish"),
        plain("Sunny."),
        plain("Rainy."),
    ])
    .await;
    let engine = server.engine("");
    assert_eq!(
        engine.reply(&request()).await.unwrap().as_deref(),
        Some("Sunny.")
    );
    assert_eq!(
        engine.reply(&request()).await.unwrap().as_deref(),
        Some("Rainy.")
    );
    let streams: Vec<bool> = server
        .asked()
        .iter()
        .map(|(_, _, body)| body["stream"] == true)
        .collect();
    assert_eq!(streams, [true, false, false]);
}

#[tokio::test]
async fn streaming_can_be_switched_off() {
    let server = Server::with(vec![plain("Sunny.")]).await;
    assert_eq!(
        server
            .engine("stream = false")
            .reply(&request())
            .await
            .unwrap()
            .as_deref(),
        Some("Sunny.")
    );
    assert_eq!(server.asked()[0].2["stream"], false);
}

#[tokio::test]
async fn half_a_stream_is_no_reply() {
    let mut half = streamed(&["Sun"]);
    half.body.truncate(half.body.find("data: [DONE]").unwrap());
    let server = Server::with(vec![half, plain("Sunny.")]).await;
    assert_eq!(
        server
            .engine("")
            .reply(&request())
            .await
            .unwrap()
            .as_deref(),
        Some("Sunny.")
    );

    let mut broken = streamed(&["Sun"]);
    broken.broken = true;
    broken.body.truncate(30);
    let server = Server::with(vec![broken]).await;
    assert!(matches!(
        server.engine("").reply(&request()).await,
        Err(EngineError::Failed { .. })
    ));
}

#[tokio::test]
async fn a_model_with_nothing_to_say_is_no_failure_and_an_answer_without_text_is() {
    let server = Server::with(vec![streamed(&[])]).await;
    assert_eq!(server.engine("").reply(&request()).await, Ok(None));
    let server = Server::with(vec![answer(200, "application/json", "{\"error\":\"x\"}")]).await;
    assert!(matches!(
        server.engine("stream = false").reply(&request()).await,
        Err(EngineError::Failed { .. })
    ));
}

#[tokio::test]
async fn what_is_to_blame_on_the_provider_takes_the_engine_down_and_the_rest_on_the_message() {
    for stream in ["", "stream = false"] {
        for (status, down) in [
            (400, false),
            (401, true),
            (403, true),
            (404, true),
            (413, false),
            (422, false),
            (429, true),
            (500, true),
            (503, true),
            (307, true),
        ] {
            let body =
                "{\"error\":{\"message\":\"Incorrect API key: sk-secret; you said: and today?\"}}";
            let server = Server::with(vec![answer(status, "application/json", body)]).await;
            let error = server.engine(stream).reply(&request()).await.unwrap_err();
            assert_eq!(
                matches!(error, EngineError::Down { .. }),
                down,
                "HTTP {status}: {error:?}"
            );
            let words = format!("{error} {error:?}");
            assert!(words.contains(&status.to_string()), "{words}");
            assert!(
                !words.contains("sk-secret") && !words.contains("today"),
                "{words}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_takes_the_engine_down() {
    // Bound but not listening: nobody else gets the port in the meantime.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = nobody.local_addr().unwrap();
    let engine = Server {
        address,
        asked: Asked::default(),
    }
    .engine("");
    for error in [
        engine.reply(&request()).await.unwrap_err(),
        engine.probe().await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, EngineError::Down { hint, .. } if hint.contains("provider.base_url")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_failed_attempt_when_the_time_is_up() {
    let mut silent = plain("x");
    silent.silent = true;
    let server = Server::with(vec![silent]).await;
    let mut engine = server.engine("");
    engine.timeout = Duration::from_millis(300);
    assert!(
        matches!(engine.reply(&request()).await, Err(EngineError::Failed { reason }) if reason.contains("longer"))
    );
}

#[tokio::test]
async fn a_probe_asks_for_the_models_and_sends_no_message() {
    let server = Server::with(vec![answer(
        200,
        "application/json",
        "{\"data\":[{\"id\":\"m\"}]}",
    )])
    .await;
    server.engine("").probe().await.unwrap();
    assert_eq!(server.asked()[0].0, "GET /v1/models HTTP/1.1");
    let without_a_list = Server::with(vec![answer(404, "text/plain", "no")]).await;
    without_a_list.engine("").probe().await.unwrap();
    let refusing = Server::with(vec![answer(401, "application/json", "{}")]).await;
    assert!(matches!(
        refusing.engine("").probe().await,
        Err(EngineError::Down { .. })
    ));
}
