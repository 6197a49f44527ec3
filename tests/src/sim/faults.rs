//! What a story wants to go wrong, kept until it does, and the story's handle on it. Connections
//! are disrupted as `disruption` says; here is also the server's reluctance: late answers, refused
//! or forgotten messages.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use wacore_binary::Node;

use super::disruption::{Disruption, Moment, strike};
use super::lines::LineId;
use super::simulator::Simulator;
use super::stanza::attr;
use super::world::World;

/// What the server does with the companion's next message instead of taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `<ack error="…">`, and nobody gets it. 463 means that the account is restricted.
    Error(u16),
    /// Nobody gets it and nothing is said.
    Lost,
    /// It is delivered, but the server does not say so.
    NoAck,
}

/// `error 463`, `lost`, `no-ack`.
impl FromStr for Verdict {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(' ').unwrap_or((text, "")) {
            ("error", code) => {
                let code = code.trim().parse();
                Ok(Self::Error(code.with_context(|| {
                    format!("{text:?} has no code: give one, such as error 463")
                })?))
            }
            ("lost", "") => Ok(Self::Lost),
            ("no-ack", "") => Ok(Self::NoAck),
            _ => bail!("unknown verdict {text:?}: give error <code>, lost or no-ack"),
        }
    }
}

#[derive(Default)]
pub(crate) struct Faults {
    /// What the next connections meet, each one of these.
    once: VecDeque<Disruption>,
    /// What every connection meets.
    always: Option<Disruption>,
    verdicts: VecDeque<Verdict>,
    slow: Option<Slowness>,
}

struct Slowness {
    by: Duration,
    /// The namespace of the queries that are answered late; all when none is given.
    about: Option<String>,
}

impl Faults {
    /// What a new connection is to meet.
    pub(crate) fn next(&mut self) -> Option<Disruption> {
        self.once.pop_front().or(self.always)
    }

    pub(crate) fn verdict(&mut self) -> Option<Verdict> {
        self.verdicts.pop_front()
    }

    /// How long the answer to `query` takes.
    pub(crate) fn delay(&self, query: &Node) -> Option<Duration> {
        let slow = self.slow.as_ref().filter(|_| query.tag == "iq")?;
        let concerned = slow.about.is_none() || attr(query, "xmlns") == slow.about;
        concerned.then_some(slow.by)
    }
}

impl Simulator {
    /// Lets this happen once: to every open connection now, or, if it is about the start of one,
    /// to the next that is made.
    ///
    /// # Errors
    /// When it needs an open connection and there is none.
    pub fn disrupt(&self, disruption: Disruption) -> Result<()> {
        self.shared.change(|world| match disruption.moment() {
            Moment::Start => {
                world.faults.once.push_back(disruption);
                Ok(())
            }
            Moment::Open => {
                let open: Vec<_> = world.lines.all().map(|(line, _)| line).collect();
                ensure!(
                    !open.is_empty(),
                    "no connection is open that {disruption} could happen to"
                );
                for line in open {
                    strike(world, line, disruption);
                }
                Ok(())
            }
        })
    }

    /// Lets this happen to every new connection, until [`Simulator::heal`]: at its start, or as
    /// soon as it is open (a linked client has its messages by then, another its QR codes).
    pub fn keep_disrupting(&self, disruption: Disruption) {
        self.shared
            .change(|world| world.faults.always = Some(disruption));
    }

    /// From now on nothing goes wrong any more that was asked for here. What is broken stays so.
    pub fn heal(&self) {
        self.shared.change(|world| world.faults = Faults::default());
    }

    /// "WhatsApp is away": while set, new connections are dropped at once.
    pub fn refuse_connections(&self, does: bool) {
        self.shared
            .change(|world| world.faults.always = does.then_some(Disruption::Refused));
    }

    /// Cuts every connection without a goodbye, as a failing network does.
    pub fn drop_connections(&self) {
        self.shared.change(|world| world.lines.cut_all());
    }

    /// What the server does with the companion's next message. Several asked for come in order.
    pub fn judge_next_message(&self, verdict: Verdict) {
        self.shared
            .change(|world| world.faults.verdicts.push_back(verdict));
    }

    /// Waits until every verdict asked for has met its message, and the message its receivers.
    ///
    /// # Errors
    /// When that is not so `within`.
    pub async fn wait_until_verdicts_are_used(&self, within: Duration) -> Result<()> {
        let what = "the verdicts to be used";
        self.shared
            .wait_for(within, what, |world| {
                Ok(world.faults.verdicts.is_empty().then_some(()))
            })
            .await
    }

    /// Answers to queries take this long from now on.
    pub fn answer_slowly(&self, by: Duration) {
        self.slow_down(by, None);
    }

    /// As [`Simulator::answer_slowly`], only for queries of this namespace (`usync`, `encrypt`, …).
    pub fn answer_slowly_about(&self, namespace: &str, by: Duration) {
        self.slow_down(by, Some(namespace.to_owned()));
    }

    fn slow_down(&self, by: Duration, about: Option<String>) {
        self.shared
            .change(|world| world.faults.slow = Some(Slowness { by, about }));
    }
}

/// A connection is open and settled: what was planned for it happens.
pub(crate) fn opened(world: &mut World, line: LineId) {
    if let Some(disruption) = world.lines.take_plan(line) {
        strike(world, line, disruption);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_binary::builder::NodeBuilder;

    #[test]
    fn what_is_asked_for_once_comes_before_what_always_comes() {
        let mut faults = Faults {
            once: VecDeque::from([Disruption::NoUpgrade, Disruption::NoServerHello]),
            always: Some(Disruption::Refused),
            ..Faults::default()
        };
        let met: Vec<_> = (0..4).filter_map(|_| faults.next()).collect();
        assert_eq!(
            met,
            [
                Disruption::NoUpgrade,
                Disruption::NoServerHello,
                Disruption::Refused,
                Disruption::Refused
            ]
        );
        assert_eq!(Faults::default().next(), None);
    }

    #[test]
    fn only_the_queries_that_are_meant_are_answered_late() {
        let query =
            |namespace: &'static str| NodeBuilder::new("iq").attr("xmlns", namespace).build();
        let by = Duration::from_secs(3);
        let about = |about: Option<&str>| Faults {
            slow: Some(Slowness {
                by,
                about: about.map(str::to_owned),
            }),
            ..Faults::default()
        };
        assert_eq!(about(None).delay(&query("usync")), Some(by));
        assert_eq!(about(Some("usync")).delay(&query("usync")), Some(by));
        assert_eq!(about(Some("usync")).delay(&query("encrypt")), None);
        assert_eq!(
            about(None).delay(&NodeBuilder::new("message").build()),
            None
        );
    }

    #[test]
    fn a_verdict_is_read_as_people_type_it() {
        assert_eq!("error 463".parse::<Verdict>().unwrap(), Verdict::Error(463));
        assert_eq!("lost".parse::<Verdict>().unwrap(), Verdict::Lost);
        assert_eq!("no-ack".parse::<Verdict>().unwrap(), Verdict::NoAck);
        for wrong in ["error", "error many", "lost 3", "shrug"] {
            let refusal = wrong.parse::<Verdict>().unwrap_err().to_string();
            assert!(refusal.contains("give"), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_blow_without_a_connection_to_strike_is_refused() {
        let sim = Simulator::start().await.unwrap();
        let refusal = sim.disrupt(Disruption::StreamEnd).unwrap_err().to_string();
        assert!(refusal.contains("no connection is open"), "{refusal}");
        sim.disrupt(Disruption::NoServerHello).unwrap();
    }
}
