//! A language model as the reply engine, through genai. Streamed answers are collected; a server
//! that does not stream, or ends its stream without its end mark, is asked again plainly.
//!
//! genai's own error texts quote requests and answers, so none of them is ever shown: errors are
//! classified here and told in our own words.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, StopReason};
use genai::resolver::{AuthData, Endpoint, ProviderConfig};
use genai::{Client, ModelIden};
use url::Host;

use super::provider_config::ProviderSettings;
use super::{EngineError, ReplyEngine, ReplyRequest};
use crate::error::Failure;

/// How long it may take to reach the provider at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

/// The engine called `provider`.
#[derive(Debug)]
pub struct ProviderEngine {
    client: Client,
    settings: ProviderSettings,
    instructions: Option<String>,
    timeout: Duration,
    /// Cleared for good once the server has shown that it does not stream.
    streams: AtomicBool,
}

/// What came of one request.
enum Answer {
    Complete {
        text: String,
        stop: Option<StopReason>,
    },
    /// The stream ended without its end mark.
    NoStream,
}

impl ProviderEngine {
    /// `instructions` is the system prompt; one reply may take `timeout`.
    ///
    /// # Errors
    /// The HTTP client cannot be made: a fault of ours or of the system's certificates.
    pub fn new(
        settings: ProviderSettings,
        instructions: Option<String>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect could carry messages and key to somebody the operator never named.
            .redirect(reqwest::redirect::Policy::none());
        if is_local(&settings) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| {
            Failure::fault("http_client", "cannot set up HTTP for the provider").because(error)
        })?;
        let client = Client::builder()
            .with_reqwest(http)
            .append_provider_config(settings.kind, provider_config(&settings))
            .build()
            .map_err(|_quotes| {
                Failure::fault("provider_client", "cannot set up the provider's client")
            })?;
        Ok(Self {
            streams: AtomicBool::new(settings.stream),
            client,
            settings,
            instructions,
            timeout,
        })
    }

    async fn ask(&self, request: &ReplyRequest) -> Result<Option<String>, EngineError> {
        let mut answer = Answer::NoStream;
        if self.streams.load(Ordering::Relaxed) {
            answer = self.ask_streamed(request).await?;
            if matches!(answer, Answer::NoStream) {
                self.streams.store(false, Ordering::Relaxed);
                tracing::debug!("the provider does not stream; asking it plainly from now on");
            }
        }
        if matches!(answer, Answer::NoStream) {
            answer = self.ask_plainly(request).await?;
        }
        let Answer::Complete { text, stop } = answer else {
            return Err(EngineError::failed("the provider gave no answer"));
        };
        let text = text.trim();
        if !text.is_empty() {
            return Ok(Some(text.to_owned()));
        }
        match stop {
            // The model was done and had nothing to say.
            Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => Ok(None),
            Some(StopReason::MaxTokens(_)) => Err(EngineError::failed(format!(
                "the model used up {}.max_tokens before it wrote anything",
                self.settings.config_path
            ))),
            Some(StopReason::ContentFilter(_)) => Err(EngineError::failed(
                "the provider's content filter held the answer back",
            )),
            Some(StopReason::ToolCall(_) | StopReason::Other(_)) | None => {
                Err(EngineError::failed("the provider's answer holds no text"))
            }
        }
    }

    async fn ask_streamed(&self, request: &ReplyRequest) -> Result<Answer, EngineError> {
        let options = self.options();
        let response = self
            .client
            .exec_chat_stream(self.model(), self.chat(request), Some(&options))
            .await
            .map_err(|error| self.classify(&error))?;
        let mut stream = response.stream;
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            match event.map_err(|error| self.classify(&error))? {
                ChatStreamEvent::Chunk(chunk) => text.push_str(&chunk.content),
                ChatStreamEvent::End(end) => {
                    return Ok(Answer::Complete {
                        text,
                        stop: end.captured_stop_reason,
                    });
                }
                ChatStreamEvent::Start
                | ChatStreamEvent::ReasoningChunk(_)
                | ChatStreamEvent::ThoughtSignatureChunk(_)
                | ChatStreamEvent::ToolCallChunk(_)
                | ChatStreamEvent::Heartbeat => {}
            }
        }
        Ok(Answer::NoStream)
    }

    async fn ask_plainly(&self, request: &ReplyRequest) -> Result<Answer, EngineError> {
        let options = self.options();
        let response = self
            .client
            .exec_chat(self.model(), self.chat(request), Some(&options))
            .await
            .map_err(|error| self.classify(&error))?;
        Ok(Answer::Complete {
            stop: response.stop_reason.clone(),
            text: response.into_texts().concat(),
        })
    }

    fn model(&self) -> ModelIden {
        ModelIden::new(self.settings.kind, self.settings.model.as_str())
    }

    fn options(&self) -> ChatOptions {
        ChatOptions {
            temperature: self.settings.temperature,
            max_tokens: self.settings.max_tokens,
            // Models that think aloud inside of their answer: the thoughts are not for the chat.
            normalize_reasoning_content: Some(true),
            ..ChatOptions::default()
        }
    }

    fn chat(&self, request: &ReplyRequest) -> ChatRequest {
        let mut messages = Vec::with_capacity(request.history.len() * 2 + 1);
        for turn in &request.history {
            messages.push(ChatMessage::user(turn.user.as_str()));
            messages.push(ChatMessage::assistant(turn.reply.as_str()));
        }
        messages.push(ChatMessage::user(request.spoken()));
        let mut chat = ChatRequest::new(messages);
        chat.system.clone_from(&self.instructions);
        chat
    }

    fn classify(&self, error: &genai::Error) -> EngineError {
        classify(error, &self.settings)
    }
}

#[async_trait]
impl ReplyEngine for ProviderEngine {
    async fn reply(&self, request: &ReplyRequest) -> Result<Option<String>, EngineError> {
        match tokio::time::timeout(self.timeout, self.ask(request)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(EngineError::failed(format!(
                "the provider took longer than {} s",
                self.timeout.as_secs()
            ))),
        }
    }

    /// Asks for the list of models. Many servers have none: any answer but a refusal will do.
    async fn probe(&self) -> Result<(), EngineError> {
        let asked = self
            .client
            .all_model_names(self.settings.kind, provider_config(&self.settings));
        match tokio::time::timeout(PROBE_TIMEOUT, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.status().is_some_and(|status| status.as_u16() == 404) => Ok(()),
            Ok(Err(error)) => match self.classify(&error) {
                down @ EngineError::Down { .. } => Err(down),
                EngineError::Failed { .. } => Ok(()),
            },
            Err(_elapsed) => Err(unreachable(&self.settings, "it does not answer")),
        }
    }
}

fn provider_config(settings: &ProviderSettings) -> ProviderConfig {
    let auth = match (&settings.api_key, &settings.base_url) {
        (Some(key), _) => Some(AuthData::from_single(key.reveal())),
        // genai wants a key for every server; one that needs none ignores this.
        (None, Some(_)) => Some(AuthData::from_single("none")),
        (None, None) => None,
    };
    let endpoint = settings
        .base_url
        .as_ref()
        .map(|url| Endpoint::from_owned(url.as_str()));
    ProviderConfig { endpoint, auth }
}

fn is_local(settings: &ProviderSettings) -> bool {
    match settings.base_url.as_ref().and_then(url::Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn classify(error: &genai::Error, settings: &ProviderSettings) -> EngineError {
    let path = &settings.config_path;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = None;
    if let genai::Error::WebStream { error, .. } = error {
        cause = Some(error.as_ref());
    }
    if let genai::Error::WebModelCall { webc_error, .. }
    | genai::Error::WebAdapterCall { webc_error, .. } = error
        && let genai::webc::Error::Reqwest(http) = webc_error
    {
        cause = Some(http);
    }
    let inner = cause.and_then(|cause| cause.downcast_ref::<genai::Error>());
    if let Some(status) = error.status().or_else(|| inner?.status()) {
        return by_status(status.as_u16(), path, &settings.model);
    }
    let http = cause.and_then(|cause| cause.downcast_ref::<reqwest::Error>());
    match http {
        Some(http) if http.is_connect() => unreachable(settings, "nobody answers there"),
        Some(http) if http.is_timeout() => unreachable(settings, "it does not answer"),
        Some(_) => EngineError::failed("the connection to the provider broke"),
        None => EngineError::failed("the provider's answer is not what its protocol says"),
    }
}

fn by_status(status: u16, path: &str, model: &str) -> EngineError {
    match status {
        401 | 403 => EngineError::down(
            format!("the provider refuses the key (HTTP {status})"),
            format!("correct {path}.api_key"),
        ),
        402 | 429 => EngineError::down(
            format!("the provider's limit is reached (HTTP {status})"),
            "wait, or raise the limit with your provider",
        ),
        404 | 405 => EngineError::down(
            format!(
                "the provider does not know the model `{model}`, or there is no chat at this address (HTTP {status})"
            ),
            format!("correct {path}.model or {path}.base_url"),
        ),
        300..=399 => EngineError::down(
            format!("the provider's address redirects elsewhere (HTTP {status})"),
            format!("correct {path}.base_url"),
        ),
        500..=599 => EngineError::down(
            format!("the provider has a fault (HTTP {status})"),
            "nothing to do: loong asks again until it works",
        ),
        other => EngineError::failed(format!("the provider refuses this message (HTTP {other})")),
    }
}

fn unreachable(settings: &ProviderSettings, what: &str) -> EngineError {
    let place = settings
        .base_url
        .as_ref()
        .and_then(url::Url::host_str)
        .map_or_else(String::new, |host| format!(" at {host}"));
    EngineError::down(
        format!("the provider{place} cannot be reached: {what}"),
        format!("start it, or correct {}.base_url", settings.config_path),
    )
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
