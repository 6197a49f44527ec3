//! Messages for a linked client, until it has taken them. As WhatsApp does it: a message that was
//! not confirmed by a receipt or an ack is delivered again, the same bytes, after the next login.

use wacore_binary::Node;
use waproto::whatsapp::Message;

use super::lines::LineId;
use super::person::Author;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The companion is offline.
    Waiting,
    /// Sent, and not confirmed.
    Sent,
    /// Confirmed by a receipt of this type; a plain delivery has the empty type.
    Receipted(String),
    /// Confirmed by an ack, with this error code if it was refused.
    Acked(Option<String>),
}

pub(crate) struct Letter {
    pub(crate) id: String,
    pub(crate) node: Node,
    pub(crate) fate: Fate,
    /// The connection it was last sent on.
    sent_on: Option<LineId>,
    pub(crate) origin: Origin,
}

/// Who is asked when the client cannot read a message.
#[derive(Clone)]
pub(crate) enum Origin {
    /// One of the devices played here wrote this: it encrypts it anew.
    Device {
        author: Author,
        message: Box<Message>,
    },
    /// The client linked to this number.
    Client { number: String },
    /// It was not encrypted.
    Public,
}

#[derive(Default)]
pub(crate) struct Mail {
    letters: Vec<Letter>,
}

impl Mail {
    /// Puts a message in; it leaves by `due`.
    pub(crate) fn post(&mut self, id: String, node: Node, origin: Origin) {
        self.letters.push(Letter {
            id,
            node,
            fate: Fate::Waiting,
            sent_on: None,
            origin,
        });
    }

    /// What has to be sent on `line` now, oldest first, marked as late or not; it counts as sent.
    pub(crate) fn due(&mut self, line: LineId, marks_late: bool) -> Vec<Node> {
        self.letters
            .iter_mut()
            .filter(|letter| match letter.fate {
                Fate::Waiting => true,
                Fate::Sent => letter.sent_on != Some(line),
                Fate::Receipted(_) | Fate::Acked(_) => false,
            })
            .map(|letter| {
                letter.fate = Fate::Sent;
                letter.sent_on = Some(line);
                let mut node = letter.node.clone();
                if marks_late {
                    node.attrs.insert("offline", "0");
                }
                node
            })
            .collect()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Letter> {
        self.letters.iter().rev().find(|letter| letter.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Letter> {
        self.letters.iter_mut().rev().find(|letter| letter.id == id)
    }

    pub(crate) fn summary(&self) -> String {
        let open = self
            .letters
            .iter()
            .filter(|letter| matches!(letter.fate, Fate::Waiting | Fate::Sent))
            .count();
        format!(
            "{} messages for it, {open} of them not confirmed",
            self.letters.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_binary::builder::NodeBuilder;

    fn mail(ids: &[&str]) -> Mail {
        let mut mail = Mail::default();
        for id in ids {
            let node = NodeBuilder::new("message").attr("id", *id).build();
            mail.post((*id).to_owned(), node, Origin::Public);
        }
        mail
    }

    #[test]
    fn a_message_is_sent_once_on_a_connection_and_again_on_the_next() {
        let mut mail = mail(&["a", "b"]);
        assert_eq!(mail.due(1, false).len(), 2);
        assert!(mail.due(1, false).is_empty());
        mail.find_mut("a").unwrap().fate = Fate::Receipted(String::new());
        let again = mail.due(2, false);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].attrs.get("id").unwrap(), "b");
    }

    #[test]
    fn late_messages_are_marked_only_on_request() {
        let mut mail = mail(&["a"]);
        assert!(mail.due(1, false)[0].attrs.get("offline").is_none());
        assert!(mail.due(2, true)[0].attrs.get("offline").is_some());
        assert!(mail.due(3, false)[0].attrs.get("offline").is_none());
    }
}
