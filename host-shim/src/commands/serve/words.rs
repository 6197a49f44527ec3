//! What `channels serve` says while it runs: one line for each thing that happens, with the account
//! in front when there are several. No texts, no numbers.

use crate::component::bindings::DeliveryStatus;
use crate::output::Output;
use crate::plain_text::one_line;
use crate::serve::event::{ServeEvent, WaitingFor};

/// Speaks for one account.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    output: Output,
    prefix: String,
    /// The command that starts the account's bridge.
    start_bridge: String,
}

impl Voice {
    /// `account` is named in front of each line when there is one.
    pub(super) fn new(output: &Output, account: Option<&str>, start_bridge: String) -> Self {
        Self {
            output: output.clone(),
            prefix: account.map_or_else(String::new, |account| format!("[{account}] ")),
            start_bridge,
        }
    }

    pub(super) fn say(&self, line: &str) {
        self.output.say(&format!("{}{line}", self.prefix));
    }

    pub(super) fn warn(&self, line: &str) {
        self.output.warn(&format!("{}{line}", self.prefix));
    }

    pub(super) fn hint(&self, line: &str) {
        self.output.hint(&format!("{}{line}", self.prefix));
    }

    pub(super) fn tell(&self, event: &ServeEvent) {
        match event {
            ServeEvent::Connected => self.say("connected to the bridge; Ctrl-C stops"),
            ServeEvent::MessageIn { chat, cursor } => {
                self.say(&format!("in   chat {chat}  {}", one_line(cursor)));
            }
            ServeEvent::AnswerOut {
                chat,
                cursor,
                status,
            } => {
                let how = match status {
                    DeliveryStatus::Sent => "answered",
                    DeliveryStatus::Pending => "answered, the bridge sends it as soon as it can",
                    DeliveryStatus::AlreadySent => "was answered before",
                };
                self.say(&format!("out  chat {chat}  {}  {how}", one_line(cursor)));
            }
            ServeEvent::NoReply { chat, cursor } => {
                self.say(&format!("out  chat {chat}  {}  nothing to say", one_line(cursor)));
            }
            ServeEvent::AttemptFailed {
                chat,
                cursor,
                attempt,
                reason,
            } => self.warn(&format!(
                "chat {chat}, {}: attempt {attempt} failed, it is tried again: {reason}", one_line(cursor)
            )),
            ServeEvent::ReplyRefused {
                chat,
                cursor,
                code,
            } => self.warn(&format!(
                "chat {chat}, {}: the reply is refused for good ({code}); the message is settled without one", one_line(cursor)
            )),
            ServeEvent::Unreadable { reason } => {
                self.warn(&format!(
                    "a message cannot be read and stays with the bridge: {reason}"
                ));
            }
            ServeEvent::Waiting {
                for_what,
                reason,
                hint,
            } => {
                self.say(&format!("{}: {reason}", waits(*for_what)));
                match (for_what, hint.as_str()) {
                    (WaitingFor::Bridge, _) => {
                        self.hint(&format!("start the bridge with `{}`", self.start_bridge));
                    }
                    (WaitingFor::Messages | WaitingFor::Sending | WaitingFor::Engine, "") => {}
                    (WaitingFor::Messages | WaitingFor::Sending | WaitingFor::Engine, hint) => {
                        self.hint(hint);
                    }
                }
            }
            ServeEvent::Recovered { from } => self.say(recovered(*from)),
            ServeEvent::NoHistory { reason } => self.warn(reason),
            ServeEvent::Stopping { under_way } => {
                self.say(&format!("finishing {under_way} under way, 10 s at most"));
            }
            // For the record, not for the person.
            ServeEvent::StillWaiting { .. } | ServeEvent::UnderWay { .. } => {}
        }
    }
}

fn waits(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Bridge | WaitingFor::Messages => "waiting for the bridge",
        WaitingFor::Sending => "replies wait",
        WaitingFor::Engine => "waiting for the reply engine",
    }
}

fn recovered(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Bridge | WaitingFor::Messages => "the bridge is back",
        WaitingFor::Sending => "replies go out again",
        WaitingFor::Engine => "the reply engine is back",
    }
}
