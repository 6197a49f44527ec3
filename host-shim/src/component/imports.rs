//! What a guest can ask of the host: its bridge, the variables it may know, and the log. Each call
//! is counted first; what goes where is decided by [`super::state::Reach`].

use std::time::{Duration, Instant};

use wasmtime::Result;

use super::bindings::{bridge, environment, log, types};
use super::state::State;
use crate::door::{Answer, DoorError};
use crate::failpoints;
use crate::plain_text::sentence;

/// No request of a guest waits longer, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(75);
/// Characters of a guest's log line that are kept.
const LOG_LINE: usize = 500;

impl bridge::Host for State {
    async fn post(
        &mut self,
        body: String,
        timeout: types::Milliseconds,
    ) -> Result<std::result::Result<bridge::Response, bridge::TransportError>> {
        self.count(body.len())?;
        let Some(address) = &self.reach.address else {
            return Ok(Err(bridge::TransportError::Refused(
                "no bridge is pinned for this call".into(),
            )));
        };
        let timeout = Duration::from_millis(timeout.into()).min(LONGEST_WAIT);
        let asked = Instant::now();
        let answer = self.reach.door.post(address, body, timeout).await;
        note(&self.reach.account, asked, &answer);
        Ok(match answer {
            Ok(answer) => {
                failpoints::answered(answer.status);
                Ok(bridge::Response {
                    status: answer.status,
                    body: answer.body,
                })
            }
            Err(DoorError::Unreachable(place)) => Err(bridge::TransportError::Unreachable(place)),
            Err(DoorError::TimedOut) => Err(bridge::TransportError::TimedOut),
            Err(DoorError::TooLarge(bytes)) => Err(bridge::TransportError::TooLarge(bytes)),
            Err(DoorError::Broken(reason)) => Err(bridge::TransportError::Broken(reason)),
            // Worth another try: the bridge may be on its way back to its address.
            Err(error @ DoorError::Impostor(_)) => {
                Err(bridge::TransportError::Broken(error.to_string()))
            }
            Err(DoorError::Refused(reason)) => Err(bridge::TransportError::Refused(reason)),
        })
    }
}

impl environment::Host for State {
    async fn lookup(&mut self, name: String) -> Result<Option<String>> {
        self.count(name.len())?;
        if !self.reach.variable_names.contains(&name) {
            return Ok(None);
        }
        Ok(self.reach.variables.get(&name))
    }
}

impl log::Host for State {
    async fn record(&mut self, level: log::Level, message: String) -> Result<()> {
        self.count(message.len())?;
        let plugin = self.reach.plugin_id.as_str();
        let account = self.reach.account.as_str();
        // A guest cannot forge a second line, nor move the cursor.
        let message = sentence(&message, LOG_LINE);
        match level {
            log::Level::Debug => {
                tracing::debug!(target: "loong::guest", plugin, account, "{message}")
            }
            log::Level::Info => {
                tracing::info!(target: "loong::guest", plugin, account, "{message}")
            }
            log::Level::Warn => {
                tracing::warn!(target: "loong::guest", plugin, account, "{message}")
            }
            log::Level::Error => {
                tracing::error!(target: "loong::guest", plugin, account, "{message}")
            }
        }
        Ok(())
    }
}

impl types::Host for State {}

/// Logs that the bridge was asked, and never what was said.
fn note(account: &str, asked: Instant, answer: &std::result::Result<Answer, DoorError>) {
    let elapsed_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(Answer { status, body }) => tracing::debug!(
            target: "loong::bridge", account, status, bytes = body.len(), elapsed_ms,
            "the bridge answered"
        ),
        Err(error) => tracing::debug!(
            target: "loong::bridge", account, elapsed_ms, "the bridge did not answer: {error}"
        ),
    }
}
