//! The server's directory (`usync`): which devices and which LID an address has, and whether a
//! number is on WhatsApp at all.

use anyhow::{Context as _, Result};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::buffa::Message as _;
use waproto::whatsapp::{ADVKeyIndexList, ADVSignedKeyIndexList};

use super::clock;
use super::person::Person;
use super::stanza::{attr, bytes, jid_attr, leaf};
use super::world::World;

/// Answers the `<usync>` in `query` with one `<user>` for each that was asked.
pub(crate) fn usync(world: &World, query: &Node) -> Result<Node> {
    let asked = query
        .get_optional_child("usync")
        .context("a usync query without <usync>")?;
    let protocols: Vec<&str> = asked
        .get_optional_child("query")
        .and_then(Node::children)
        .unwrap_or_default()
        .iter()
        .map(|protocol| protocol.tag.as_ref())
        .collect();
    let users = asked
        .get_optional_child("list")
        .and_then(Node::children)
        .unwrap_or_default();
    let mut answers = Vec::new();
    for user in users {
        let jid = asked_jid(user)?;
        answers.push(answer(world, &jid, &protocols));
    }
    let sid = attr(asked, "sid").unwrap_or_default();
    Ok(NodeBuilder::new("usync")
        .attr("sid", sid)
        .children([NodeBuilder::new("list").children(answers).build()])
        .build())
}

/// By address, or by `+number` when a client looks a number up.
fn asked_jid(user: &Node) -> Result<Jid> {
    if let Some(jid) = jid_attr(user, "jid") {
        return Ok(jid);
    }
    let number = user
        .get_optional_child("contact")
        .and_then(bytes)
        .context("a usync query for nobody")?;
    let number = String::from_utf8(number)?;
    Ok(Jid::pn(number.trim_start_matches('+')))
}

fn answer(world: &World, jid: &Jid, protocols: &[&str]) -> Node {
    let person = world
        .who(jid)
        .filter(|person| person.is_listed || jid.is_lid());
    let answers = protocols.iter().filter_map(|protocol| match *protocol {
        "devices" => Some(devices(person)),
        // Asked by LID, Baileys would take its answer for the number's.
        "lid" if jid.is_pn() => person.map(|person| {
            NodeBuilder::new("lid")
                .attr("val", person.lid_jid())
                .build()
        }),
        "contact" => {
            let found = if person.is_some() { "in" } else { "out" };
            Some(NodeBuilder::new("contact").attr("type", found).build())
        }
        _ => None,
    });
    NodeBuilder::new("user")
        .attr("jid", jid)
        .children(answers)
        .build()
}

fn devices(person: Option<&Person>) -> Node {
    let ids: Vec<u16> = person.into_iter().flat_map(Person::devices).collect();
    let list = NodeBuilder::new("device-list").children(ids.iter().map(|id| device(*id)));
    let linked = person.filter(|_| ids.len() > 1);
    let indexes = linked.map(|person| key_indexes(person, &ids));
    NodeBuilder::new("devices")
        .children(std::iter::once(list.build()).chain(indexes))
        .build()
}

/// Which linked devices the phone stands for. Some clients believe in none without it; those known
/// here do not ask for the phone's signature on it.
fn key_indexes(person: &Person, devices: &[u16]) -> Node {
    let linked = devices.iter().copied().filter(|device| *device != 0);
    let details = ADVKeyIndexList {
        raw_id: Some(person.raw_id),
        timestamp: Some(clock::now()),
        current_index: Some(person.last_device.into()),
        valid_indexes: linked.map(u32::from).collect(),
        ..Default::default()
    };
    let signed = ADVSignedKeyIndexList {
        details: Some(details.encode_to_vec()),
        ..Default::default()
    };
    let mut node = leaf("key-index-list", signed.encode_to_vec());
    node.attrs.insert("ts", clock::now().to_string());
    node
}

/// Clients leave linked devices without an index out.
fn device(id: u16) -> Node {
    let device = NodeBuilder::new("device").attr("id", id);
    match id {
        0 => device.build(),
        linked => device.attr("key-index", linked).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::stanza::to_text;

    fn world() -> World {
        let mut world = World::new(Person::new("Owner", "15550001000").unwrap());
        let mut ben = Person::new("Ben", "15557654321").unwrap();
        ben.is_listed = false;
        ben.link_device().unwrap();
        world.people.insert(ben.number.clone(), ben);
        let ana = Person::new("Ana", "15551234567").unwrap();
        world.people.insert(ana.number.clone(), ana);
        world
    }

    fn ask(protocols: &[&'static str], user: Node) -> String {
        let query = NodeBuilder::new("iq")
            .children([NodeBuilder::new("usync")
                .attr("sid", "s1")
                .children([
                    NodeBuilder::new("query")
                        .children(protocols.iter().map(|tag| NodeBuilder::new(tag).build()))
                        .build(),
                    NodeBuilder::new("list").children([user]).build(),
                ])
                .build()])
            .build();
        to_text(&usync(&world(), &query).unwrap())
    }

    #[test]
    fn a_known_number_has_a_device_and_a_lid() {
        let user = NodeBuilder::new("user")
            .attr("jid", Jid::pn("15551234567"))
            .build();
        let answer = ask(&["devices", "lid"], user);
        assert!(answer.contains(r#"<device id="0"/>"#), "{answer}");
        assert!(answer.contains("@lid"), "{answer}");
    }

    #[test]
    fn an_unknown_number_has_neither() {
        let user = NodeBuilder::new("user")
            .attr("jid", Jid::pn("15559999999"))
            .build();
        let answer = ask(&["devices", "lid"], user);
        assert!(
            !answer.contains("<device ") && !answer.contains("@lid"),
            "{answer}"
        );
    }

    #[test]
    fn a_number_can_be_looked_up() {
        for (number, expected) in [("+15551234567", "in"), ("+15559999999", "out")] {
            let contact = NodeBuilder::new("contact").bytes(number.as_bytes()).build();
            let user = NodeBuilder::new("user").children([contact]).build();
            let answer = ask(&["contact"], user);
            assert!(
                answer.contains(&format!(r#"<contact type="{expected}"/>"#)),
                "{answer}"
            );
        }
    }

    #[test]
    fn an_unlisted_number_is_known_by_lid_alone() {
        let ben = Person::new("Ben", "15557654321").unwrap();
        let by_number = NodeBuilder::new("user").attr("jid", ben.pn_jid()).build();
        let answer = ask(&["devices", "lid"], by_number);
        assert!(
            !answer.contains("<device ") && !answer.contains("@lid"),
            "{answer}"
        );
        let by_lid = NodeBuilder::new("user").attr("jid", ben.lid_jid()).build();
        let answer = ask(&["devices"], by_lid);
        let both = r#"<device id="0"/><device id="1" key-index="1"/>"#;
        assert!(answer.contains(both), "{answer}");
    }
}
