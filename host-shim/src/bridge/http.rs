//! HTTP to a bridge: one request, one answer, exactly the address that was pinned. No proxy, no
//! redirects, no name lookups, limits on both bodies. What the bodies mean is not known here.
//! Where a token exists, who answers must prove that it knows it, before each request: a bridge can
//! end at any time, and anybody can take its port.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;

use super::token::{Token, Tokens, nonce};
use crate::door::{Answer, BridgeAddress, BridgeDoor, DoorError};
use crate::error::{Failure, chain};

/// Bytes of a request that are sent, and of an answer that are read.
const REQUEST_LIMIT: usize = 1 << 20;
const ANSWER_LIMIT: usize = 8 << 20;
/// A health answer comes from memory: a bridge that needs longer hangs.
const HEALTH_WAIT: Duration = Duration::from_secs(5);

/// The door to bridges on this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpDoor {
    client: Client,
    tokens: Tokens,
    /// Requests that may have arrived, and whose answers did not.
    unanswered: Arc<AtomicUsize>,
}

/// What a bridge says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Connection state, such as `connected` or `pairing`.
    pub state: String,
    /// Its own; not every bridge says it.
    #[serde(default)]
    pub version: Option<String>,
    /// What it makes of the nonce it was asked with, when it has a token.
    #[serde(default)]
    proof: Option<String>,
}

/// An operator's command: what is below `admin/`, and what goes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminCommand {
    what: String,
    query: Vec<(&'static str, String)>,
    /// With one it is a POST, else a GET.
    body: Option<serde_json::Value>,
}

impl AdminCommand {
    /// Asks for something; changes nothing.
    pub fn get(what: impl Into<String>, query: Vec<(&'static str, String)>) -> Self {
        Self {
            what: what.into(),
            query,
            body: None,
        }
    }

    /// Has something done; `body` is an object.
    pub fn post(what: impl Into<String>, body: serde_json::Value) -> Self {
        Self {
            what: what.into(),
            query: Vec::new(),
            body: Some(body),
        }
    }
}

/// Whether what answers is the bridge it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It knows the token that is kept here.
    Proven,
    /// A token is kept here, and it does not know it.
    Impostor,
    /// It has a token, and none is kept here.
    Foreign,
    /// Nobody has a token: whoever can reach it can use it.
    Open,
}

impl HttpDoor {
    /// # Errors
    /// The HTTP client cannot be set up: a fault of ours.
    pub fn new(tokens: Tokens) -> Result<Self, Failure> {
        let localhost = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ];
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .resolve_to_addrs("localhost", &localhost)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| {
                Failure::fault("http_client", "cannot set up the HTTP client")
                    .because(chain(&error))
            })?;
        Ok(Self {
            client,
            tokens,
            unanswered: Arc::default(),
        })
    }

    /// How many requests may have arrived although no answer came back whole. A proof that was
    /// not given is none of them: nothing was sent then.
    pub fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Asks the bridge at `address` how it is, and whether it knows the token.
    ///
    /// # Errors
    /// Nothing answers there, or what answers is no bridge.
    pub async fn health(&self, address: &BridgeAddress) -> Result<(Health, Trust), DoorError> {
        let token = self.token(address)?;
        let address = &match token {
            Some(_) => address.numbered(),
            None => address.clone(),
        };
        let (answer, nonce) = self.ask_health(address, HEALTH_WAIT).await?;
        let health = read_health(&answer)?;
        let proof = health.proof.as_deref();
        let trust = match token {
            Some(token) if proof.is_some_and(|proof| token.proves(&nonce, proof)) => Trust::Proven,
            Some(_) => Trust::Impostor,
            None if proof.is_some() => Trust::Foreign,
            None => Trust::Open,
        };
        Ok((health, trust))
    }

    /// Gives the bridge at `address` an operator's command.
    ///
    /// # Errors
    /// There is no whole answer. `Refused`: no token is kept here, so nothing was sent.
    pub async fn admin(
        &self,
        address: &BridgeAddress,
        command: &AdminCommand,
        timeout: Duration,
    ) -> Result<Answer, DoorError> {
        self.require_token(address)?;
        self.authorized(address, timeout, |address| {
            let mut url = address.admin_url(&command.what);
            if !command.query.is_empty() {
                url.query_pairs_mut().extend_pairs(&command.query);
            }
            let (method, body) = match &command.body {
                None => (Method::GET, String::new()),
                Some(body) => (Method::POST, body.to_string()),
            };
            self.client
                .request(method, url)
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body)
        })
        .await
    }

    /// Asks the bridge at `address` for its numbers.
    ///
    /// # Errors
    /// As [`HttpDoor::admin`].
    pub async fn metrics(
        &self,
        address: &BridgeAddress,
        timeout: Duration,
    ) -> Result<Answer, DoorError> {
        self.require_token(address)?;
        let ask = |address: &BridgeAddress| self.client.get(address.metrics_url());
        self.authorized(address, timeout, ask).await
    }

    /// Sends what `build` makes, to nobody but the bridge whose token is kept here; to whoever is
    /// there when none is. Once more when the bridge was started anew in the meantime.
    async fn authorized(
        &self,
        address: &BridgeAddress,
        timeout: Duration,
        build: impl Fn(&BridgeAddress) -> RequestBuilder,
    ) -> Result<Answer, DoorError> {
        let token = self.token(address)?;
        let answer = self.attempt(address, timeout, &token, &build).await?;
        if answer.status != StatusCode::UNAUTHORIZED.as_u16() {
            return Ok(answer);
        }
        let newer = self.token(address)?;
        if newer.is_none() || newer == token {
            return Ok(answer);
        }
        self.attempt(address, timeout, &newer, &build).await
    }

    async fn attempt(
        &self,
        address: &BridgeAddress,
        timeout: Duration,
        token: &Option<Token>,
        build: impl Fn(&BridgeAddress) -> RequestBuilder,
    ) -> Result<Answer, DoorError> {
        let Some(token) = token else {
            let request = build(address).timeout(timeout);
            return self.hand_over(request, address).await;
        };
        let address = &address.numbered();
        self.prove(address, token, timeout.min(HEALTH_WAIT)).await?;
        let mut bearer = HeaderValue::from_str(&token.bearer())
            .map_err(|error| DoorError::Refused(error.to_string()))?;
        bearer.set_sensitive(true);
        let request = build(address)
            .header(AUTHORIZATION, bearer)
            .timeout(timeout);
        self.hand_over(request, address).await
    }

    /// Sends what must not be sent twice unseen.
    async fn hand_over(
        &self,
        request: RequestBuilder,
        address: &BridgeAddress,
    ) -> Result<Answer, DoorError> {
        exchange(request, address)
            .await
            .inspect_err(|error| match error {
                DoorError::TimedOut | DoorError::TooLarge(_) | DoorError::Broken(_) => {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                DoorError::Unreachable(_) | DoorError::Refused(_) | DoorError::Impostor(_) => {}
            })
    }

    async fn prove(
        &self,
        address: &BridgeAddress,
        token: &Token,
        wait: Duration,
    ) -> Result<(), DoorError> {
        let (answer, nonce) = self.ask_health(address, wait).await?;
        match read_health(&answer).ok().and_then(|health| health.proof) {
            Some(proof) if token.proves(&nonce, &proof) => Ok(()),
            Some(_) | None => Err(DoorError::Impostor(address.to_string())),
        }
    }

    /// What it answers about its health, and the nonce that it was asked with.
    async fn ask_health(
        &self,
        address: &BridgeAddress,
        wait: Duration,
    ) -> Result<(Answer, String), DoorError> {
        let nonce = nonce().map_err(|error| DoorError::Refused(error.to_string()))?;
        let mut url = address.health_url();
        url.query_pairs_mut().append_pair("nonce", &nonce);
        let request = self.client.get(url).timeout(wait);
        Ok((exchange(request, address).await?, nonce))
    }

    fn require_token(&self, address: &BridgeAddress) -> Result<(), DoorError> {
        match self.token(address)? {
            Some(_) => Ok(()),
            None => Err(DoorError::Refused("the bridge's token is not known".into())),
        }
    }

    fn token(&self, address: &BridgeAddress) -> Result<Option<Token>, DoorError> {
        self.tokens
            .read(address)
            .map_err(|error| DoorError::Refused(error.to_string()))
    }
}

#[async_trait]
impl BridgeDoor for HttpDoor {
    async fn post(
        &self,
        address: &BridgeAddress,
        body: String,
        timeout: Duration,
    ) -> Result<Answer, DoorError> {
        if body.len() > REQUEST_LIMIT {
            return Err(DoorError::Refused(format!(
                "the request has {} bytes, the limit is {REQUEST_LIMIT}",
                body.len()
            )));
        }
        self.authorized(address, timeout, |address| {
            self.client
                .post(address.url().clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.clone())
        })
        .await
    }
}

fn read_health(answer: &Answer) -> Result<Health, DoorError> {
    if answer.status != 200 {
        return Err(DoorError::Broken(format!(
            "its health answers with status {}",
            answer.status
        )));
    }
    serde_json::from_str(&answer.body).map_err(|error| {
        DoorError::Broken(format!("its health is not the JSON of a bridge ({error})"))
    })
}

async fn exchange(request: RequestBuilder, address: &BridgeAddress) -> Result<Answer, DoorError> {
    let mut response = request
        .send()
        .await
        .map_err(|error| translate(&error, address))?;
    let status = response.status().as_u16();
    if let Some(length) = response
        .content_length()
        .filter(|length| *length > ANSWER_LIMIT as u64)
    {
        return Err(DoorError::TooLarge(length));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| translate(&error, address))?
    {
        let length = bytes.len() + chunk.len();
        if length > ANSWER_LIMIT {
            return Err(DoorError::TooLarge(length as u64));
        }
        bytes.extend_from_slice(&chunk);
    }
    match String::from_utf8(bytes) {
        Ok(body) => Ok(Answer { status, body }),
        Err(error) => Err(DoorError::Broken(error.utf8_error().to_string())),
    }
}

fn translate(error: &reqwest::Error, address: &BridgeAddress) -> DoorError {
    if error.is_connect() {
        // Before the timeout: a connection that is not made in time reached nobody either.
        DoorError::Unreachable(address.to_string())
    } else if error.is_timeout() {
        DoorError::TimedOut
    } else {
        // Without its URL, whose path may be a secret.
        let mut words = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            words.push(next.to_string());
            cause = next.source();
        }
        DoorError::Broken(if words.is_empty() {
            "the connection broke".into()
        } else {
            words.join(": ")
        })
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "http_trust_tests.rs"]
mod trust_tests;
