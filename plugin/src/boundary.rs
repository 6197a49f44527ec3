//! What the component asks of its host, as traits: the one door to the bridge, the few
//! environment variables, the log. `lib.rs` backs them with the generated imports, tests with
//! fakes. Nothing here knows a channel.

/// An answer of the bridge, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportError {
    Unreachable(String),
    TimedOut,
    /// Size of the answer in bytes.
    TooLarge(u64),
    Broken(String),
    Refused(String),
}

/// How bad a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Warn,
}

/// HTTP to the account's bridge; the host knows its address.
pub trait Bridge {
    /// Posts a JSON body and waits at most `timeout_ms`.
    ///
    /// # Errors
    /// No answer came; see [`TransportError`].
    fn post(&self, body: &str, timeout_ms: u32) -> Result<Response, TransportError>;
}

/// The environment variables that the configuration points at.
pub trait Environment {
    fn lookup(&self, name: &str) -> Option<String>;
}

/// Words for the operator's log: never a message text, a secret or a whole phone number.
pub trait Log {
    fn record(&self, level: Level, message: &str);
}
