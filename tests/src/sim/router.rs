//! Where a client's stanzas go, by connection phase and tag, from its introduction on.

use anyhow::{Context as _, Result, ensure};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use waproto::buffa::Message as _;
use waproto::whatsapp::ClientPayload;

use super::bundle::KeyShelf;
use super::clock;
use super::disruption::replaced;
use super::faults;
use super::lines::{LineId, Phase};
use super::link_code;
use super::noise::Introduction;
use super::pairing;
use super::queries;
use super::reading;
use super::stanza::{attr, leaf, to_text};
use super::world::World;

const NOT_LINKED: u16 = 401;

/// A client has shaken hands: it wants to be paired, or to log in.
pub(crate) fn greet(world: &mut World, line: LineId, introduction: Introduction) {
    if let Err(refusal) = admit(world, line, introduction) {
        world
            .journal
            .trouble(format!("a client was refused: {refusal:#}"));
        turn_away(world, line, NOT_LINKED);
    }
}

/// Refuses a client for this reason.
pub(crate) fn turn_away(world: &mut World, line: LineId, reason: u16) {
    let failure = NodeBuilder::new("failure")
        .attr("reason", reason)
        .attr("location", "simulator")
        .build();
    world.send(line, failure);
    world.lines.hang_up(line);
}

fn admit(world: &mut World, line: LineId, introduction: Introduction) -> Result<()> {
    let payload = ClientPayload::decode_from_slice(&introduction.payload)
        .context("the client's payload cannot be read")?;
    let agent = payload.user_agent.as_option();
    let version = agent.and_then(|agent| agent.app_version.as_option());
    world.version_shown = version.and_then(|it| Some([it.primary?, it.secondary?, it.tertiary?]));
    if let Some(data) = payload.device_pairing_data.into_option() {
        let shelf = KeyShelf::from_registration(data)?;
        pairing::begin(world, line, introduction.noise_key, shelf);
        faults::opened(world, line);
        return Ok(());
    }

    let username = payload
        .username
        .context("neither a registration nor a login")?;
    let device = payload.device.unwrap_or_default();
    let account = username.to_string();
    let person = world.people.get(&account);
    let companion = person.and_then(|person| person.companion.as_ref());
    let companion = companion
        .filter(|companion| device == u32::from(companion.device))
        .with_context(|| format!("a login as {username}:{device}, which is not linked"))?;
    ensure!(
        introduction.noise_key == companion.noise_key,
        "a login with another device's key"
    );

    if let Some(earlier) = world.logged_in_line(&account) {
        world.send(earlier, replaced());
        world.lines.hang_up(earlier);
    }
    let lid = {
        let mut lid = world.person(&account)?.lid_jid();
        lid.device = u16::try_from(device)?;
        lid
    };
    if let Some(phase) = world.lines.phase_mut(line) {
        *phase = Phase::LoggedIn {
            account,
            active: false,
        };
    }
    let success = NodeBuilder::new("success")
        .attr("t", clock::now())
        .attr("lid", lid)
        .build();
    world.send(line, success);
    if let Some(edge) = world.edge.clone() {
        let routing = NodeBuilder::new("edge_routing").children([leaf("routing_info", edge)]);
        let routing = NodeBuilder::new("ib").children([routing.build()]);
        world.send(line, routing.build());
    }
    Ok(())
}

/// Takes one stanza from a client.
pub(crate) fn receive(world: &mut World, line: LineId, node: Node) {
    if !world.lines.hears(line) {
        return;
    }
    world.journal.received(node.clone());
    if let Err(failure) = dispatch(world, line, &node) {
        world
            .journal
            .trouble(format!("{failure:#}: {}", to_text(&node)));
    }
}

fn dispatch(world: &mut World, line: LineId, node: &Node) -> Result<()> {
    let account = world.lines.account(line).map(str::to_owned);
    let is_pairing = matches!(world.lines.phase(line), Some(Phase::Pairing(_)));
    match (node.tag.as_ref(), account) {
        ("iq", _) if attr(node, "type").as_deref() == Some("result") => {
            match node.get_optional_child("pair-device-sign") {
                Some(_) => pairing::confirm(world, line, node),
                None => Ok(()),
            }
        }
        ("iq", Some(account)) => queries::answer(world, line, &account, node),
        ("iq", None) if is_pairing => link_code::take(world, line, node),
        ("message", Some(account)) => reading::message(world, line, &account, node),
        ("receipt", Some(account)) => reading::receipt_taken(world, line, &account, node),
        ("ack", Some(account)) => reading::ack_taken(world, &account, node),
        // Nothing to answer: presence, telemetry and the like are kept for assertions.
        ("presence" | "ib" | "chatstate" | "ack", _) => Ok(()),
        _ => anyhow::bail!("not understood here"),
    }
}
