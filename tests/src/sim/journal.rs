//! What passed between server and companion, in order, and what went wrong on the way: for
//! assertions, and for the errors of waits that ended in vain.

use wacore_binary::Node;

use super::stanza::to_text;

/// How much of the journal an error shows.
const TAIL: usize = 12;

#[derive(Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
}

enum Entry {
    FromCompanion(Node),
    ToCompanion(Node),
    Trouble(String),
}

impl Journal {
    pub(crate) fn received(&mut self, node: Node) {
        self.entries.push(Entry::FromCompanion(node));
    }

    pub(crate) fn sent(&mut self, node: Node) {
        self.entries.push(Entry::ToCompanion(node));
    }

    /// Something that a real server or contact would have stumbled over too.
    pub(crate) fn trouble(&mut self, what: String) {
        self.entries.push(Entry::Trouble(what));
    }

    pub(crate) fn companion_stanzas(&self) -> impl Iterator<Item = &Node> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::FromCompanion(node) => Some(node),
            Entry::ToCompanion(_) | Entry::Trouble(_) => None,
        })
    }

    pub(crate) fn troubles(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Trouble(what) => Some(what.as_str()),
            Entry::FromCompanion(_) | Entry::ToCompanion(_) => None,
        })
    }

    /// Every entry as one line: `<-` from the companion, `->` to it, `!!` trouble.
    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = String> + '_ {
        self.entries.iter().map(|entry| match entry {
            Entry::FromCompanion(node) => format!("<- {}", to_text(node)),
            Entry::ToCompanion(node) => format!("-> {}", to_text(node)),
            Entry::Trouble(what) => format!("!! {what}"),
        })
    }

    /// The last stanzas, and every trouble there was.
    pub(crate) fn tail(&self) -> String {
        let skipped = self.entries.len().saturating_sub(TAIL);
        let early_troubles = self
            .entries
            .iter()
            .take(skipped)
            .filter_map(|entry| match entry {
                Entry::Trouble(what) => Some(format!("!! {what}")),
                Entry::FromCompanion(_) | Entry::ToCompanion(_) => None,
            });
        let mut lines: Vec<_> = early_troubles.chain(self.lines().skip(skipped)).collect();
        if lines.is_empty() {
            lines.push("no stanza has passed".to_owned());
        }
        lines.join("\n")
    }
}
