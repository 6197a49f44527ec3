//! The server's answers to a logged-in client's questions (`iq`). What Baileys 7.0.0-rc14 was
//! observed to ask is answered; anything else gets an error at once, never silence, because a
//! client waits up to a minute for silence.

use anyhow::{Context as _, Result};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};

use super::directory;
use super::faults;
use super::lines::{LineId, Phase};
use super::pairing;
use super::stanza::{attr, error, jid_attr, required_attr, server};
use super::world::World;
use super::writing;

/// What follows from a question besides its answer.
enum After {
    Nothing,
    /// The client is ready for its messages.
    Activation,
    /// The client is no longer linked, by its own wish.
    Removal,
}

/// Answers `query`, which the client of `account` sent on `line`.
pub(crate) fn answer(world: &mut World, line: LineId, account: &str, query: &Node) -> Result<()> {
    let id = required_attr(query, "id")?;
    let from = jid_attr(query, "to").unwrap_or_else(server);
    let reply = NodeBuilder::new("iq").attr("from", from).attr("id", id);
    let (reply, after) = match answer_to(world, account, query) {
        Ok(Answer { children, after }) => {
            let reply = reply.attr("type", "result");
            let reply = if children.is_empty() {
                reply
            } else {
                reply.children(children)
            };
            (reply, after)
        }
        Err(refusal) => {
            world
                .journal
                .trouble(format!("a query was refused: {refusal:#}"));
            let error = error(501, "feature-not-implemented");
            (
                reply.attr("type", "error").children([error]),
                After::Nothing,
            )
        }
    };
    world.send(line, reply.build());
    match after {
        After::Nothing => {}
        After::Activation => activate(world, line, account)?,
        After::Removal => {
            pairing::unlink(world, account);
            world.person_mut(account)?.logged_out = true;
        }
    }
    Ok(())
}

struct Answer {
    children: Vec<Node>,
    after: After,
}

impl Answer {
    fn empty() -> Self {
        Self::with([])
    }

    fn with(children: impl IntoIterator<Item = Node>) -> Self {
        Self {
            children: children.into_iter().collect(),
            after: After::Nothing,
        }
    }
}

fn answer_to(world: &mut World, account: &str, query: &Node) -> Result<Answer> {
    let namespace = attr(query, "xmlns").unwrap_or_default();
    let kind = required_attr(query, "type")?;
    let topic = query
        .children()
        .and_then(<[Node]>::first)
        .map(|child| child.tag.to_string())
        .unwrap_or_default();
    match (namespace.as_str(), kind.as_str(), topic.as_str()) {
        ("w:p", "get", _) | ("w:stats" | "urn:xmpp:whatsapp:dirty", "set", _) => {
            Ok(Answer::empty())
        }
        ("encrypt", "get", "count") => {
            let count = world.companion_mut(account)?.shelf.count();
            Ok(Answer::with([NodeBuilder::new("count")
                .attr("value", count)
                .build()]))
        }
        ("encrypt", "get", "digest") => {
            Ok(Answer::with([world.companion_mut(account)?.shelf.digest()]))
        }
        ("encrypt", "get", "key") => bundles(world, query),
        ("encrypt", "set", "rotate") => {
            let rotate = query
                .get_optional_child("rotate")
                .context("a rotation without a key")?;
            world.companion_mut(account)?.shelf.rotate(rotate)?;
            Ok(Answer::empty())
        }
        ("encrypt", "set", _) => {
            world.companion_mut(account)?.shelf.deposit(query)?;
            Ok(Answer::empty())
        }
        ("passive", "set", "active") => Ok(Answer {
            children: vec![],
            after: After::Activation,
        }),
        ("passive", "set", _) => Ok(Answer::empty()),
        ("abt", "get", _) => Ok(Answer::with([NodeBuilder::new("props")
            .attr("protocol", "1")
            .build()])),
        ("blocklist", "get", _) => Ok(Answer::with([NodeBuilder::new("list").build()])),
        ("privacy", "get", _) => Ok(Answer::with([privacy()])),
        ("privacy", "set", _) => Ok(Answer::empty()),
        ("usync", "get", _) => Ok(Answer::with([directory::usync(world, query)?])),
        ("w:g2", "get", "query") => {
            let jid = required_attr(query, "to")?;
            let group = world
                .groups
                .get(&jid)
                .with_context(|| format!("no group {jid}"))?;
            Ok(Answer::with([group.describe(world)?]))
        }
        ("w:g2", "get", "participating") => {
            let groups: Result<Vec<_>> = world
                .groups
                .values()
                .map(|group| group.describe(world))
                .collect();
            Ok(Answer::with([NodeBuilder::new("groups")
                .children(groups?)
                .build()]))
        }
        ("w:sync:app:state", "set", _) => Ok(Answer::with([collections(query)])),
        ("md", "set", "remove-companion-device") => Ok(Answer {
            children: vec![],
            after: After::Removal,
        }),
        _ => anyhow::bail!("{}", super::stanza::to_text(query)),
    }
}

/// Key bundles, by LID as Baileys asks for them or by number.
fn bundles(world: &mut World, query: &Node) -> Result<Answer> {
    let asked = query
        .get_optional_child("key")
        .context("a bundle query without <key>")?;
    let mut users = Vec::new();
    for user in asked.get_children_by_tag("user") {
        let jid = jid_attr(user, "jid").context("a bundle query for nobody")?;
        users.push(match bundle(world, &jid) {
            Ok(node) => node,
            Err(refusal) => {
                world
                    .journal
                    .trouble(format!("no bundle for {jid}: {refusal:#}"));
                NodeBuilder::new("user")
                    .attr("jid", jid)
                    .children([error(404, "item-not-found")])
                    .build()
            }
        });
    }
    Ok(Answer::with([NodeBuilder::new("list")
        .children(users)
        .build()]))
}

fn bundle(world: &mut World, jid: &Jid) -> Result<Node> {
    let number = world
        .who(jid)
        .context("nobody has this address")?
        .number
        .clone();
    if let Some(endpoint) = world.person_mut(&number)?.endpoint_mut(jid.device) {
        return Ok(endpoint.device.issue_bundle()?.to_node(jid, None));
    }
    // In groups addressed by LID a client asks for itself, too.
    let companion = world.companion_mut(&number)?;
    anyhow::ensure!(jid.device == companion.device, "there is no such device");
    let bundle = companion.shelf.issue();
    Ok(bundle.to_node(jid, Some(&companion.vouched)))
}

fn privacy() -> Node {
    let setting = |name: &'static str| {
        NodeBuilder::new("category")
            .attr("name", name)
            .attr("value", "all")
            .build()
    };
    NodeBuilder::new("privacy")
        .children(
            [
                "readreceipts",
                "last",
                "online",
                "profile",
                "status",
                "groupadd",
            ]
            .map(setting),
        )
        .build()
}

/// Every collection is at the version that the client has: nothing to sync.
fn collections(query: &Node) -> Node {
    let asked = query.get_optional_child("sync");
    let same = asked
        .into_iter()
        .flat_map(|sync| sync.get_children_by_tag("collection"))
        .map(|asked| {
            NodeBuilder::new("collection")
                .attr("name", attr(asked, "name").unwrap_or_default())
                .attr(
                    "version",
                    attr(asked, "version").unwrap_or_else(|| "0".to_owned()),
                )
                .build()
        });
    NodeBuilder::new("sync").children(same).build()
}

/// The client takes messages from now on: those that waited, and on its first login the history
/// push that ends its initial sync.
fn activate(world: &mut World, line: LineId, account: &str) -> Result<()> {
    if let Some(phase) = world.lines.phase_mut(line) {
        *phase = Phase::LoggedIn {
            account: account.to_owned(),
            active: true,
        };
    }
    let marks_late = world.marks_late;
    let late = world.companion_mut(account)?.mail.due(line, marks_late);
    let count = late.len();
    for node in late {
        world.send(line, node);
    }
    let offline = NodeBuilder::new("offline").attr("count", count).build();
    world.send(line, NodeBuilder::new("ib").children([offline]).build());
    let companion = world.companion_mut(account)?;
    if !companion.has_history {
        companion.has_history = true;
        writing::push_empty_history(world, account)?;
    }
    faults::opened(world, line);
    Ok(())
}
