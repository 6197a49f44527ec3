//! A scripted OpenAI-compatible server on loopback: it remembers what it was asked and answers what
//! the story says, streamed or whole.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Server-sent events, one word each.
    Streamed,
    /// One JSON document.
    Whole,
}

/// Stops when dropped.
#[derive(Debug)]
pub struct Provider {
    base_url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    server: JoinHandle<()>,
}

impl Provider {
    /// Every question gets `answer`.
    pub async fn answering(answer: &str, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}/v1/", listener.local_addr()?);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, questions) = (answer.to_owned(), Arc::clone(&asked));
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, questions) = (answer.clone(), Arc::clone(&questions));
                tokio::spawn(async move { reply(connection, &answer, manner, &questions).await });
            }
        });
        Ok(Self {
            base_url,
            asked,
            server,
        })
    }

    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The requests so far: `{authorization, body}`.
    #[must_use]
    pub fn asked(&self) -> Vec<Value> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn reply(
    connection: TcpStream,
    answer: &str,
    manner: Manner,
    asked: &Mutex<Vec<Value>>,
) -> Result<()> {
    let mut connection = BufReader::new(connection);
    let mut length = 0;
    let mut authorization = String::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "authorization" => value.trim().clone_into(&mut authorization),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    let body: Value = serde_json::from_slice(&body).context("the question is JSON")?;
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(json!({"authorization": authorization, "body": body}));
    let (kind, text) = match manner {
        Manner::Streamed => ("text/event-stream", streamed(answer)),
        Manner::Whole => ("application/json", whole(answer)),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(text.as_bytes()).await?;
    connection.shutdown().await?;
    Ok(())
}

fn streamed(answer: &str) -> String {
    let mut events = String::new();
    for word in answer.split_inclusive(' ') {
        let chunk = json!({
            "id": "answer-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": null}],
        });
        events.push_str(&format!("data: {chunk}\n\n"));
    }
    let last = json!({
        "id": "answer-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    });
    events.push_str(&format!("data: {last}\n\ndata: [DONE]\n\n"));
    events
}

fn whole(answer: &str) -> String {
    json!({
        "id": "answer-1", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
    .to_string()
}
