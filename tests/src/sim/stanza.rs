//! Small helpers around the binary protocol's nodes: reading attributes and children, the
//! server's own address, errors, and a one-line text form for people and assertions.
//! Knows nothing of what any stanza means.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, NodeContent, Server};

/// The server's address. On the wire it is a pair with an empty user; Baileys renders it as
/// `@s.whatsapp.net`.
pub(crate) fn server() -> Jid {
    Jid::new("", Server::Pn)
}

/// An attribute as text; absent and empty are the same.
pub(crate) fn attr(node: &Node, key: &str) -> Option<String> {
    node.attrs
        .get(key)
        .map(|value| value.as_str().into_owned())
        .filter(|value| !value.is_empty())
}

pub(crate) fn required_attr(node: &Node, key: &str) -> Result<String> {
    attr(node, key).with_context(|| format!("<{}> without {key}: {}", node.tag, to_text(node)))
}

/// An attribute as an address.
pub(crate) fn jid_attr(node: &Node, key: &str) -> Option<Jid> {
    node.attrs
        .get(key)
        .and_then(wacore_binary::NodeValue::to_jid)
}

/// The content of `node`, whichever way the client encoded it: text may travel as a token.
pub(crate) fn bytes(node: &Node) -> Option<Vec<u8>> {
    match node.content.as_ref()? {
        NodeContent::Bytes(bytes) => Some(bytes.clone()),
        NodeContent::String(text) => Some(text.as_bytes().to_vec()),
        NodeContent::Nodes(_) => None,
    }
}

/// The bytes of the child `tag`.
pub(crate) fn child_bytes(node: &Node, tag: &str) -> Result<Vec<u8>> {
    node.get_optional_child(tag)
        .and_then(bytes)
        .with_context(|| format!("<{}> without <{tag}>", node.tag))
}

/// A big-endian number of at most four bytes, as the protocol writes key and registration ids.
pub(crate) fn number(bytes: &[u8]) -> Result<u32> {
    anyhow::ensure!(
        (1..=4).contains(&bytes.len()),
        "a number of {} bytes where one to four were expected",
        bytes.len()
    );
    Ok(bytes
        .iter()
        .fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
}

/// A key id as the protocol writes it: three bytes, big-endian.
pub(crate) fn key_id(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip(1).collect()
}

/// A leaf with bytes. Server content is always bytes: a string could turn into a token, a
/// packed number or an address on the way.
pub(crate) fn leaf(tag: &'static str, content: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(content).build()
}

pub(crate) fn error(code: u16, text: &'static str) -> Node {
    NodeBuilder::new("error")
        .attr("code", code)
        .attr("text", text)
        .build()
}

/// One line a person can read: attributes in order, bytes as their length.
pub fn to_text(node: &Node) -> String {
    let mut text = String::new();
    write_node(node, &mut text);
    text
}

fn write_node(node: &Node, text: &mut String) {
    let _ = write!(text, "<{}", node.tag);
    for (key, value) in node.attrs.iter() {
        let _ = write!(text, " {key}=\"{value}\"");
    }
    match &node.content {
        None => text.push_str("/>"),
        Some(content) => {
            text.push('>');
            match content {
                NodeContent::Bytes(bytes) => {
                    let _ = write!(text, "({} bytes)", bytes.len());
                }
                NodeContent::String(string) => text.push_str(string),
                NodeContent::Nodes(nodes) if nodes.len() > 8 => {
                    let _ = write!(text, "({} children)", nodes.len());
                }
                NodeContent::Nodes(nodes) => nodes.iter().for_each(|child| write_node(child, text)),
            }
            let _ = write!(text, "</{}>", node.tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_is_shown_on_one_line_without_its_secrets() {
        let node = NodeBuilder::new("message")
            .attr("id", "3A01")
            .attr("to", Jid::pn("15551234567"))
            .children([NodeBuilder::new("enc")
                .attr("type", "msg")
                .bytes([7; 5])
                .build()])
            .build();
        assert_eq!(
            to_text(&node),
            r#"<message id="3A01" to="15551234567@s.whatsapp.net"><enc type="msg">(5 bytes)</enc></message>"#
        );
    }

    #[test]
    fn key_ids_travel_as_three_bytes_and_come_back() {
        assert_eq!(key_id(0x01_02_03), [1, 2, 3]);
        assert_eq!(number(&key_id(812)).unwrap(), 812);
    }

    #[test]
    fn a_number_longer_than_four_bytes_is_refused() {
        let refusal = number(&[0; 5]).unwrap_err().to_string();
        assert!(refusal.contains("5 bytes"), "{refusal}");
        assert!(number(&[]).is_err());
    }

    #[test]
    fn a_missing_attribute_is_named_together_with_its_stanza() {
        let node = NodeBuilder::new("message").attr("id", "3A01").build();
        let refusal = required_attr(&node, "to").unwrap_err().to_string();
        assert!(refusal.contains("without to"), "{refusal}");
        assert!(refusal.contains("3A01"), "{refusal}");
    }
}
