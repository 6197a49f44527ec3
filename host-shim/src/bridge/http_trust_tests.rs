//! Who gets the token and the body: the bridge that can prove itself, and nobody else.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use serde_json::json;

use super::*;
use crate::bridge::token::Issued;
use crate::home::Home;

const WAIT: Duration = Duration::from_secs(10);
const SECRET_BODY: &str = "{\"text\":\"a private word\"}";

/// A home, a server on a port of this machine, and the door between them.
struct Story {
    _folder: tempfile::TempDir,
    home: Home,
    tokens: Tokens,
    door: HttpDoor,
    address: BridgeAddress,
    asked: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
}

/// What a server makes of a request: status and body.
type Behaviour = dyn Fn(&str) -> (u16, String) + Send + Sync;

impl Story {
    /// `behave` gets the tokens to know, and gives what the server does.
    async fn of(behave: impl FnOnce(Tokens, BridgeAddress) -> Box<Behaviour>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"), folder.path());
        let tokens = Tokens::of(&home);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = BridgeAddress::parse(&format!("http://localhost:{port}/bridge")).unwrap();
        let behave = behave(tokens.clone(), address.clone());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let server = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = whole_request(&mut socket).await;
                let (status, body) = behave(&request);
                heard.lock().unwrap().push(request);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
                socket.shutdown().await.ok();
            }
        });
        Self {
            _folder: folder,
            door: HttpDoor::new(tokens.clone()).unwrap(),
            home,
            tokens,
            address,
            asked,
            server,
        }
    }

    fn issue(&self) -> Issued {
        self.tokens.issue(&self.home, &self.address).unwrap()
    }

    async fn post(&self) -> Result<Answer, DoorError> {
        self.door
            .post(&self.address, SECRET_BODY.into(), WAIT)
            .await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// First lines of what was asked, without nonces.
    fn lines(&self) -> Vec<String> {
        let line = |request: &String| {
            let line = request.lines().next().unwrap_or_default();
            line.split("?nonce=").next().unwrap().to_owned()
        };
        self.asked().iter().map(line).collect()
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn whole_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the caller hung up: {text}");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn nonce_of(request: &str) -> Option<&str> {
    request.split("?nonce=").nth(1)?.split(' ').next()
}

/// A bridge with the token that is in the file now.
fn bridge(tokens: Tokens, address: BridgeAddress) -> Box<Behaviour> {
    Box::new(move |request| {
        let token = tokens.read(&address).unwrap().unwrap();
        match nonce_of(request) {
            Some(nonce) => {
                let proof = token.proof(nonce).unwrap();
                let health = format!("{{\"state\":\"connected\",\"proof\":\"{proof}\"}}");
                (200, health)
            }
            None if request.contains(&token.bearer()) => (200, "{\"ok\":true}".to_owned()),
            None => (401, "{\"code\":\"unauthorized\"}".to_owned()),
        }
    })
}

fn always(status: u16, body: &'static str) -> impl FnOnce(Tokens, BridgeAddress) -> Box<Behaviour> {
    move |_, _| Box::new(move |_| (status, body.to_owned()))
}

#[tokio::test]
async fn a_bridge_that_proves_itself_gets_token_and_body() {
    let story = Story::of(bridge).await;
    let _issued = story.issue();
    assert_eq!(story.post().await.unwrap().body, "{\"ok\":true}");
    assert_eq!(
        story.lines(),
        ["GET /bridge/health", "POST /bridge HTTP/1.1"]
    );
    let asked = story.asked();
    assert!(asked[1].contains("a private word"));
    assert!(!asked[0].contains("Bearer") && !asked[0].contains("private"));
    // A token belongs to one number, so a name with two is not looked at.
    let port = story.address.port();
    assert!(
        asked[0].contains(&format!("host: 127.0.0.1:{port}")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn an_impostor_on_the_port_gets_neither_token_nor_body() {
    let wrong = "{\"state\":\"connected\",\"proof\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}";
    for (status, body) in [
        (200, "{\"state\":\"connected\"}"),
        (200, wrong),
        (200, "{\"state\":\"connected\",\"proof\":\"\"}"),
        (200, "<html>"),
        (404, ""),
        (401, "{}"),
    ] {
        let story = Story::of(always(status, body)).await;
        let issued = story.issue();
        let token = std::fs::read_to_string(issued.path()).unwrap();
        let error = story.post().await.unwrap_err();
        assert!(matches!(error, DoorError::Impostor(_)), "{error:?}");
        let commanded = story
            .door
            .admin(
                &story.address,
                &AdminCommand::post("logout", json!({})),
                WAIT,
            )
            .await;
        assert!(matches!(commanded, Err(DoorError::Impostor(_))));
        for request in story.asked() {
            assert!(
                request.starts_with("GET /bridge/health?nonce="),
                "{request}"
            );
            assert!(!request.contains(&token) && !request.contains("private"));
        }
        assert_eq!(story.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_proof_of_yesterday_is_no_proof() {
    let story = Story::of(|tokens, address| {
        let first = Mutex::new(None);
        Box::new(move |request| {
            let nonce = nonce_of(request).unwrap_or_default().to_owned();
            let nonce = first.lock().unwrap().get_or_insert(nonce).clone();
            let token = tokens.read(&address).unwrap().unwrap();
            let proof = token.proof(&nonce).unwrap();
            (200, format!("{{\"state\":\"x\",\"proof\":\"{proof}\"}}"))
        })
    })
    .await;
    let _issued = story.issue();
    assert!(story.post().await.is_ok());
    let error = story.post().await.unwrap_err();
    assert!(matches!(error, DoorError::Impostor(_)), "{error:?}");
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_first_and_no_header_is_sent() {
    let story = Story::of(always(200, "{}")).await;
    story.post().await.unwrap();
    assert_eq!(story.lines(), ["POST /bridge HTTP/1.1"]);
    assert!(!story.asked()[0].to_lowercase().contains("authorization"));
    let error = story
        .door
        .admin(
            &story.address,
            &AdminCommand::get("status", Vec::new()),
            WAIT,
        )
        .await
        .unwrap_err();
    assert!(matches!(error, DoorError::Refused(_)), "{error:?}");
    assert_eq!(story.asked().len(), 1);
}

#[tokio::test]
async fn a_bridge_started_anew_between_proof_and_request_is_proven_again_with_its_new_token() {
    let story = Story::of(|tokens, address| {
        let honest = bridge(tokens.clone(), address.clone());
        Box::new(move |request| {
            let answer = honest(request);
            let run = "11".repeat(32);
            let path = tokens.path(&address).unwrap();
            // After the first proof another `bridge run` takes over.
            if request.starts_with("GET") && std::fs::read_to_string(&path).unwrap() != run {
                std::fs::write(path, run).unwrap();
            }
            answer
        })
    })
    .await;
    let _issued = story.issue();
    assert_eq!(story.post().await.unwrap().status, 200);
    assert_eq!(
        story.lines(),
        [
            "GET /bridge/health",
            "POST /bridge HTTP/1.1",
            "GET /bridge/health",
            "POST /bridge HTTP/1.1"
        ]
    );
}

#[tokio::test]
async fn a_refusal_with_the_right_token_is_the_answer() {
    let story = Story::of(|tokens, address| {
        let honest = bridge(tokens, address);
        Box::new(move |request| match nonce_of(request) {
            Some(_) => honest(request),
            None => (401, "{}".to_owned()),
        })
    })
    .await;
    let _issued = story.issue();
    assert_eq!(story.post().await.unwrap().status, 401);
    assert_eq!(story.asked().len(), 2);
}

#[tokio::test]
async fn an_unreadable_token_stops_the_call_before_anybody_is_asked() {
    let story = Story::of(always(200, "{}")).await;
    let issued = story.issue();
    std::fs::write(issued.path(), "rubbish").unwrap();
    let error = story.post().await.unwrap_err();
    assert!(matches!(error, DoorError::Refused(_)), "{error:?}");
    assert!(story.asked().is_empty());
}

#[tokio::test]
async fn commands_go_below_the_endpoint_with_the_token() {
    let story = Story::of(bridge).await;
    let _issued = story.issue();
    for command in [
        AdminCommand::get("status", Vec::new()),
        AdminCommand::post("resume", json!({})),
        AdminCommand::get("inbox", vec![("state", "dead&x".to_owned())]),
    ] {
        let answer = story.door.admin(&story.address, &command, WAIT).await;
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(
        story.lines(),
        [
            "GET /bridge/health",
            "GET /bridge/admin/status HTTP/1.1",
            "GET /bridge/health",
            "POST /bridge/admin/resume HTTP/1.1",
            "GET /bridge/health",
            "GET /bridge/admin/inbox?state=dead%26x HTTP/1.1"
        ]
    );
}

#[tokio::test]
async fn health_says_what_the_answer_is_worth() {
    let honest = Story::of(bridge).await;
    let issued = honest.issue();
    let trust = async |story: &Story| story.door.health(&story.address).await.unwrap().1;
    assert_eq!(trust(&honest).await, Trust::Proven);
    let token = std::fs::read_to_string(issued.path()).unwrap();

    let open = Story::of(always(200, "{\"state\":\"connected\"}")).await;
    assert_eq!(trust(&open).await, Trust::Open);
    let _issued = open.issue();
    assert_eq!(trust(&open).await, Trust::Impostor);

    // A bridge of another home: it has a token, and we do not.
    let foreign = Story::of(always(200, "{\"state\":\"connected\",\"proof\":\"00\"}")).await;
    assert_eq!(trust(&foreign).await, Trust::Foreign);
    for story in [&honest, &open, &foreign] {
        assert!(
            story
                .asked()
                .iter()
                .all(|request| !request.contains(&token))
        );
    }
}

#[tokio::test]
async fn only_what_went_to_a_proven_bridge_may_have_arrived() {
    let endless = || (200, "x".repeat(ANSWER_LIMIT + 1));
    let impostor = Story::of(|_, _| Box::new(move |_| endless())).await;
    let _issued = impostor.issue();
    let error = impostor.post().await.unwrap_err();
    assert!(matches!(error, DoorError::TooLarge(_)), "{error:?}");
    assert_eq!(impostor.door.unanswered(), 0);
    assert_eq!(impostor.lines(), ["GET /bridge/health"]);

    let confused = Story::of(|tokens, address| {
        let honest = bridge(tokens, address);
        Box::new(move |request| match nonce_of(request) {
            Some(_) => honest(request),
            None => endless(),
        })
    })
    .await;
    let _issued = confused.issue();
    let error = confused.post().await.unwrap_err();
    assert!(matches!(error, DoorError::TooLarge(_)), "{error:?}");
    assert_eq!(confused.door.unanswered(), 1);
}
