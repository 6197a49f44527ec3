use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A door of a home that has no tokens.
fn door() -> HttpDoor {
    HttpDoor::new(Tokens::of(&crate::home::Home::at("/not/there", "/"))).unwrap()
}

const WAIT: Duration = Duration::from_secs(10);

/// Answers one connection with `response` as it stands, and hands over what was asked.
async fn once(response: impl Into<Vec<u8>>) -> (BridgeAddress, tokio::task::JoinHandle<String>) {
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
    let answer = door().post(&address, "{}".into(), WAIT).await.unwrap();
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
        door().post(&address, "{}".into(), WAIT).await.unwrap().body,
        "ok"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (address, _asked) = once(http("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
    assert_eq!(
        door()
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
    let error = door().post(&address, "{}".into(), WAIT).await.unwrap_err();
    assert_eq!(error, DoorError::TooLarge(99_999_999));
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off() {
    let mut response = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    response.resize(ANSWER_LIMIT + 100_000, b'x');
    let (address, _asked) = once(response).await;
    let error = door().post(&address, "{}".into(), WAIT).await.unwrap_err();
    assert!(matches!(error, DoorError::TooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_before_anybody_is_asked() {
    let address = BridgeAddress::parse("http://127.0.0.1:1/").unwrap();
    let error = door()
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
    let door = door();
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
    let door = door();
    let (address, asked) = once(http("200 OK", "", "{\"state\":\"pairing\",\"more\":1}")).await;
    let (health, trust) = door.health(&address).await.unwrap();
    assert_eq!((health.state.as_str(), trust), ("pairing", Trust::Open));
    assert!(
        asked
            .await
            .unwrap()
            .starts_with("GET /bridge/secret/health?nonce=")
    );
    for (status, body) in [("404 No", "{\"state\":\"x\"}"), ("200 OK", "<html>")] {
        let (address, _asked) = once(http(status, "", body)).await;
        let error = door.health(&address).await.unwrap_err();
        assert!(matches!(error, DoorError::Broken(_)), "{error:?}");
    }
}
