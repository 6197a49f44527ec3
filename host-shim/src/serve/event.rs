//! What the reply loop tells: enough for a person to follow it, and never a text or a number.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::component::bindings::DeliveryStatus;

/// Takes the events of one loop, in the order in which they happen.
pub type Listener = std::sync::Arc<dyn Fn(ServeEvent) + Send + Sync>;

/// Something that happened. A `cursor` names a message, the same way as the bridge does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServeEvent {
    /// The bridge answers, for the first time.
    Connected,
    MessageIn {
        chat: ChatRef,
        cursor: String,
    },
    /// The reply was accepted.
    AnswerOut {
        chat: ChatRef,
        cursor: String,
        status: DeliveryStatus,
    },
    /// Settled without a reply, because the engine had nothing to say.
    NoReply {
        chat: ChatRef,
        cursor: String,
    },
    /// This attempt failed; the message comes again.
    AttemptFailed {
        chat: ChatRef,
        cursor: String,
        attempt: u32,
        reason: String,
    },
    /// The reply was refused for good; the message is settled without one.
    ReplyRefused {
        chat: ChatRef,
        cursor: String,
        code: String,
    },
    /// The guest cannot read a message; it stays with the bridge.
    Unreadable {
        reason: String,
    },
    /// Said once, until the loop has recovered.
    Waiting {
        for_what: WaitingFor,
        reason: String,
        hint: String,
    },
    /// Tried again, and still nothing; nobody needs to be told once more.
    StillWaiting {
        for_what: WaitingFor,
    },
    Recovered {
        from: WaitingFor,
    },
    /// So many answers are under way from now on.
    UnderWay {
        answers: usize,
    },
    /// The conversation history cannot be used; replies go on without.
    NoHistory {
        reason: String,
    },
    /// Finishing what is under way.
    Stopping {
        under_way: usize,
    },
}

/// What the loop can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor {
    /// A bridge that answers.
    Bridge,
    /// A bridge that can hand out messages.
    Messages,
    /// A bridge that can send.
    Sending,
    /// A reply engine that works.
    Engine,
}

/// A short name of a chat that does not tell who is in it: too short to be turned back into a
/// number, long enough to tell a handful of chats apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChatRef(String);

impl ChatRef {
    /// The name of `conversation`, the same at every start.
    pub fn of(conversation: &str) -> Self {
        let digest = Sha256::digest(conversation.as_bytes());
        Self(
            digest
                .iter()
                .take(3)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }
}

impl fmt::Display for ChatRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChatRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_keeps_its_short_name_and_never_shows_its_number() {
        let chat = ChatRef::of("whatsapp-personal:default:contact:+15550100");
        assert_eq!(
            chat,
            ChatRef::of("whatsapp-personal:default:contact:+15550100")
        );
        assert_ne!(
            chat,
            ChatRef::of("whatsapp-personal:default:contact:+15550101")
        );
        assert_eq!(chat.to_string().len(), 6);
        assert!(!format!("{chat:?}").contains("555"));
    }
}
