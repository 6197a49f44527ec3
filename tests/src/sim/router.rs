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
    let companion = world
        .companion
        .as_ref()
        .context("a login, and no device is linked")?;
    ensure!(
        username.to_string() == world.owner && device == u32::from(companion.device),
        "a login as {username}:{device}, which is not linked"
    );
    ensure!(
        introduction.noise_key == companion.noise_key,
        "a login with another device's key"
    );

    if let Some(earlier) = world
        .lines
        .find(|phase| matches!(phase, Phase::LoggedIn { .. }))
    {
        world.send(earlier, replaced());
        world.lines.hang_up(earlier);
    }
    if let Some(phase) = world.lines.phase_mut(line) {
        *phase = Phase::LoggedIn { active: false };
    }
    let lid = {
        let mut lid = world.owner()?.lid_jid();
        lid.device = u16::try_from(device)?;
        lid
    };
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
    let logged_in = matches!(world.lines.phase(line), Some(Phase::LoggedIn { .. }));
    let is_pairing = matches!(world.lines.phase(line), Some(Phase::Pairing(_)));
    match node.tag.as_ref() {
        "iq" if attr(node, "type").as_deref() == Some("result") => {
            match node.get_optional_child("pair-device-sign") {
                Some(_) => pairing::confirm(world, line, node),
                None => Ok(()),
            }
        }
        "iq" if logged_in => queries::answer(world, line, node),
        "iq" if is_pairing => link_code::take(world, line, node),
        "message" if logged_in => reading::message(world, line, node),
        "receipt" if logged_in => reading::receipt_taken(world, line, node),
        "ack" if logged_in => reading::ack_taken(world, node),
        // Nothing to answer: presence, telemetry and the like are kept for assertions.
        "presence" | "ib" | "chatstate" | "ack" => Ok(()),
        _ => anyhow::bail!("not understood here"),
    }
}
