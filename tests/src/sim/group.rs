//! Groups: who is in one, how it names its members, and how the server describes it.
//! The owner of the account is always a member.

use anyhow::Result;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node, Server};

use super::clock;
use super::person::Addressing;
use super::world::World;

/// A group of the simulated world.
#[derive(Clone, Debug)]
pub struct Group {
    pub(crate) jid: String,
    subject: String,
}

impl Group {
    /// The group's address, `<digits>@g.us`.
    #[must_use]
    pub fn jid(&self) -> &str {
        &self.jid
    }

    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

pub(crate) struct GroupState {
    id: String,
    subject: String,
    pub(crate) addressing: Addressing,
    created: u64,
    /// Numbers, the owner's among them.
    pub(crate) members: Vec<String>,
}

impl GroupState {
    pub(crate) fn jid(&self) -> Jid {
        Jid::new(self.id.as_str(), Server::Group)
    }

    /// As the server answers a query for the group.
    pub(crate) fn describe(&self, world: &World) -> Result<Node> {
        let owner = world.owner()?;
        let mut participants = Vec::new();
        for number in &self.members {
            let person = world.person(number)?;
            let mut participant =
                NodeBuilder::new("participant").attr("jid", person.jid(self.addressing));
            participant = match self.addressing {
                Addressing::Lid if !person.shows_number => participant,
                Addressing::Lid => participant.attr("phone_number", person.pn_jid()),
                Addressing::Number => participant.attr("lid", person.lid_jid()),
            };
            if *number == world.owner {
                participant = participant.attr("type", "superadmin");
            }
            participants.push(participant.build());
        }
        Ok(NodeBuilder::new("group")
            .attr("id", self.id.as_str())
            .attr("subject", self.subject.as_str())
            .attr("creation", self.created)
            .attr("s_t", self.created)
            .attr("creator", owner.jid(self.addressing))
            .attr("s_o", owner.jid(self.addressing))
            .attr("size", participants.len())
            .attr(
                "addressing_mode",
                match self.addressing {
                    Addressing::Lid => "lid",
                    Addressing::Number => "pn",
                },
            )
            .children(participants)
            .build())
    }
}

/// Founds a group of the owner and `members` (numbers).
pub(crate) fn found(
    world: &mut World,
    subject: &str,
    members: Vec<String>,
    addressing: Addressing,
) -> Group {
    // As WhatsApp's own: 18 digits, starting alike.
    let id = (120_363_000_000_000_001_u64 + world.groups.len() as u64).to_string();
    let mut everyone = vec![world.owner.clone()];
    everyone.extend(members);
    let state = GroupState {
        id,
        subject: subject.to_owned(),
        addressing,
        created: clock::now(),
        members: everyone,
    };
    let jid = state.jid().to_string();
    world.groups.insert(jid.clone(), state);
    Group {
        jid,
        subject: subject.to_owned(),
    }
}
