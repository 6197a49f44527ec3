//! What stands at the component's three doors in tests: a bridge that answers as told and
//! remembers what it was asked, an environment, a log. And the tables that several readers share.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use serde_json::{Value, json};
use whatsapp_personal_plugin::boundary::{
    Bridge, Environment, Level, Log, Response, TransportError,
};
use whatsapp_personal_plugin::channel::Account;
use whatsapp_personal_plugin::serve_step::Receive;

/// Reads a file under `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The cases of a table; a table without cases would prove nothing.
pub(crate) fn cases(table: &str) -> Vec<Value> {
    let cases = fixture(table)["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{table} has no cases");
    cases
}

pub(crate) fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|s| s.as_str().unwrap().to_owned())
        .collect()
}

/// The account for which the requests in `tests/fixtures/wire` were captured.
pub(crate) fn account() -> Account {
    Account {
        configured_id: "default".to_owned(),
        configured_label: "default".to_owned(),
        runtime_id: "whatsapp_personal_127-0-0-1-39731".to_owned(),
        runtime_label: "whatsapp-personal:127.0.0.1:39731".to_owned(),
        is_default: true,
        default_source: Some("runtime_identity".to_owned()),
        enabled: true,
        bridge_url: Some("http://127.0.0.1:39731/bridge".to_owned()),
        auth_dir: Some("/home/operator/.loong/whatsapp-personal/default".to_owned()),
        allowed_chats: vec!["*".to_owned()],
        bridge_settings: r#"{"allowed_chat_ids":["*"]}"#.to_owned(),
    }
}

/// A bridge that gives the scripted answers in order.
#[derive(Default)]
pub(crate) struct ScriptedBridge {
    answers: RefCell<VecDeque<Answer>>,
    asked: RefCell<Vec<(Value, u32)>>,
}

enum Answer {
    /// A payload in a proper envelope with this status.
    Payload(u16, Value),
    Raw(u16, String),
    Nothing(TransportError),
}

impl ScriptedBridge {
    pub(crate) fn answering(payload: Value) -> Self {
        Self::default().then(payload)
    }

    pub(crate) fn then(self, payload: Value) -> Self {
        self.push(Answer::Payload(200, payload))
    }

    pub(crate) fn then_refusing(self, status: u16, code: &str) -> Self {
        let payload = json!({ "error": "so it is", "code": code });
        self.push(Answer::Payload(status, payload))
    }

    pub(crate) fn then_payload(self, status: u16, payload: Value) -> Self {
        self.push(Answer::Payload(status, payload))
    }

    pub(crate) fn then_raw(self, status: u16, body: &str) -> Self {
        self.push(Answer::Raw(status, body.to_owned()))
    }

    pub(crate) fn then_nothing(self, error: TransportError) -> Self {
        self.push(Answer::Nothing(error))
    }

    fn push(self, answer: Answer) -> Self {
        self.answers.borrow_mut().push_back(answer);
        self
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked
            .borrow()
            .iter()
            .map(|(body, _)| body.clone())
            .collect()
    }

    /// The operations asked for so far.
    pub(crate) fn operations(&self) -> Vec<String> {
        let asked = self.asked();
        asked
            .iter()
            .map(|r| r["operation"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How long each request was allowed to take.
    pub(crate) fn timeouts(&self) -> Vec<u32> {
        self.asked
            .borrow()
            .iter()
            .map(|(_, timeout)| *timeout)
            .collect()
    }
}

impl Bridge for ScriptedBridge {
    fn post(&self, body: &str, timeout_ms: u32) -> Result<Response, TransportError> {
        let request: Value = serde_json::from_str(body).unwrap();
        let envelope = |payload: Value| {
            json!({ "method": request["method"], "id": request["id"], "payload": payload })
                .to_string()
        };
        let answer = self.answers.borrow_mut().pop_front();
        let answer = answer.unwrap_or_else(|| panic!("nobody expected {request}"));
        let response = match answer {
            Answer::Payload(status, payload) => Ok(Response {
                status,
                body: envelope(payload),
            }),
            Answer::Raw(status, body) => Ok(Response { status, body }),
            Answer::Nothing(error) => Err(error),
        };
        self.asked.borrow_mut().push((request, timeout_ms));
        response
    }
}

/// Variables and their values.
pub(crate) struct Variables(pub(crate) BTreeMap<String, String>);

impl Environment for Variables {
    fn lookup(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// A log that remembers.
#[derive(Default)]
pub(crate) struct Notebook(pub(crate) RefCell<Vec<String>>);

impl Log for Notebook {
    fn record(&self, _level: Level, message: &str) {
        self.0.borrow_mut().push(message.to_owned());
    }
}

/// What a host that does not name itself asks for.
pub(crate) fn twenty() -> Receive {
    Receive {
        max_messages: 20,
        ..Receive::default()
    }
}
