//! HTTP to a bridge: one request, one answer, exactly the address that was pinned. No proxy, no
//! redirects, no name lookups, limits on both bodies. What the bodies mean is not known here.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;

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
}

/// What a bridge says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// Connection state, such as `connected` or `pairing`.
    pub state: String,
}

impl HttpDoor {
    /// # Errors
    /// The HTTP client cannot be set up: a fault of ours.
    pub fn new() -> Result<Self, Failure> {
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
        Ok(Self { client })
    }

    /// Asks the bridge at `address` how it is.
    ///
    /// # Errors
    /// Nothing answers there, or what answers is no bridge.
    pub async fn health(&self, address: &BridgeAddress) -> Result<Health, DoorError> {
        let request = self.client.get(address.health_url()).timeout(HEALTH_WAIT);
        let answer = exchange(request, address).await?;
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
        let request = self
            .client
            .post(address.url().clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body)
            .timeout(timeout);
        exchange(authorized(request), address).await
    }
}

/// The one place where a request to a bridge gets its credentials; bridges ask for none so far.
fn authorized(request: RequestBuilder) -> RequestBuilder {
    request
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
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    /// Answers one connection with `response` as it stands, and hands over what was asked.
    async fn once(
        response: impl Into<Vec<u8>>,
    ) -> (BridgeAddress, tokio::task::JoinHandle<String>) {
        let response = response.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
                let count = socket.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            // The reader may hang up early: that is what some stories are about.
            socket.write_all(&response).await.ok();
            socket.shutdown().await.ok();
            String::from_utf8_lossy(&request).into_owned()
        });
        (
            BridgeAddress::parse(&format!("http://127.0.0.1:{port}/bridge/secret")).unwrap(),
            asked,
        )
    }

    fn http(status: &str, headers: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn an_answer_comes_back_whatever_its_status() {
        let (address, asked) = once(http("503 No", "", "{\"x\":1}")).await;
        let answer = HttpDoor::new()
            .unwrap()
            .post(&address, "{}".into(), WAIT)
            .await
            .unwrap();
        assert_eq!(
            answer,
            Answer {
                status: 503,
                body: "{\"x\":1}".into()
            }
        );
        let asked = asked.await.unwrap().to_lowercase();
        assert!(asked.starts_with("post /bridge/secret http/1.1"), "{asked}");
        assert!(asked.contains("content-type: application/json"), "{asked}");
    }

    #[tokio::test]
    async fn localhost_is_this_machine_without_asking_anybody() {
        let (address, _asked) = once(http("200 OK", "", "ok")).await;
        let address =
            BridgeAddress::parse(&format!("http://localhost:{}/bridge", address.port())).unwrap();
        assert_eq!(
            HttpDoor::new()
                .unwrap()
                .post(&address, "{}".into(), WAIT)
                .await
                .unwrap()
                .body,
            "ok"
        );
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (address, _asked) =
            once(http("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
        assert_eq!(
            HttpDoor::new()
                .unwrap()
                .post(&address, "{}".into(), WAIT)
                .await
                .unwrap()
                .status,
            302
        );
    }

    #[tokio::test]
    async fn an_answer_that_says_it_is_too_large_is_not_read() {
        let (address, _asked) = once("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n").await;
        let error = HttpDoor::new()
            .unwrap()
            .post(&address, "{}".into(), WAIT)
            .await
            .unwrap_err();
        assert_eq!(error, DoorError::TooLarge(99_999_999));
    }

    #[tokio::test]
    async fn an_answer_that_never_ends_is_cut_off() {
        let mut response = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        response.resize(ANSWER_LIMIT + 100_000, b'x');
        let (address, _asked) = once(response).await;
        let error = HttpDoor::new()
            .unwrap()
            .post(&address, "{}".into(), WAIT)
            .await
            .unwrap_err();
        assert!(matches!(error, DoorError::TooLarge(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_request_that_is_too_large_is_refused_before_anybody_is_asked() {
        let address = BridgeAddress::parse("http://127.0.0.1:1/").unwrap();
        let error = HttpDoor::new()
            .unwrap()
            .post(&address, "x".repeat(REQUEST_LIMIT + 1), WAIT)
            .await
            .unwrap_err();
        assert!(matches!(error, DoorError::Refused(_)), "{error:?}");
    }

    #[tokio::test]
    async fn silence_nobody_and_nonsense_are_told_apart() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address =
            BridgeAddress::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
        let door = HttpDoor::new().unwrap();
        let short = Duration::from_millis(50);
        assert_eq!(
            door.post(&address, "{}".into(), short).await,
            Err(DoorError::TimedOut)
        );
        // Bound but not listening: nobody else gets the port in the meantime.
        let nobody = tokio::net::TcpSocket::new_v4().unwrap();
        nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address =
            BridgeAddress::parse(&format!("http://{}/", nobody.local_addr().unwrap())).unwrap();
        assert_eq!(
            door.post(&address, "{}".into(), WAIT).await,
            Err(DoorError::Unreachable(address.to_string()))
        );
        for nonsense in [
            "not http at all\r\n\r\n".as_bytes(),
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n\xff",
        ] {
            let (address, _asked) = once(nonsense).await;
            let error = door.post(&address, "{}".into(), WAIT).await.unwrap_err();
            assert!(
                matches!(&error, DoorError::Broken(words) if !words.contains("secret")),
                "{error:?}"
            );
        }
    }

    #[tokio::test]
    async fn health_is_the_bridges_state_or_a_reason() {
        let door = HttpDoor::new().unwrap();
        let (address, asked) = once(http("200 OK", "", "{\"state\":\"pairing\",\"more\":1}")).await;
        assert_eq!(door.health(&address).await.unwrap().state, "pairing");
        assert!(
            asked
                .await
                .unwrap()
                .starts_with("GET /bridge/secret/health ")
        );
        for (status, body) in [("404 No", "{\"state\":\"x\"}"), ("200 OK", "<html>")] {
            let (address, _asked) = once(http(status, "", body)).await;
            let error = door.health(&address).await.unwrap_err();
            assert!(matches!(error, DoorError::Broken(_)), "{error:?}");
        }
    }
}
