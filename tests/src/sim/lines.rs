//! The open connections: in which phase each is, and the way to send on it, hang up or cut it.
//! The sockets themselves are in `server`.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};
use wacore_binary::Node;

use super::disruption::{Disruption, Moment};
use super::pairing::Attempt;

pub(crate) type LineId = u64;

/// What the rest of the simulator tells a connection to do.
pub(crate) enum Order {
    Send(Node),
    /// Sends a frame that no key opens.
    SendNoise,
    /// Closes the way a server closes, after everything sent so far.
    HangUp,
}

pub(crate) enum Phase {
    /// The handshake is under way.
    Greeting,
    /// A new client shows its QR.
    Pairing(Box<Attempt>),
    LoggedIn {
        /// The number of the person whose client it is.
        account: String,
        /// Whether it asked for its messages.
        active: bool,
    },
}

struct Line {
    orders: mpsc::UnboundedSender<Order>,
    phase: Phase,
    /// What a story wants to happen to it once it is open.
    plan: Option<Disruption>,
    /// Nothing passes any more, either way.
    silent: bool,
    /// Dropped, it ends the connection on the spot.
    _alive: oneshot::Sender<()>,
}

/// The server's end of a newly opened line.
pub(crate) struct Handset {
    pub(crate) line: LineId,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    /// Ends (with an error) when the line is cut.
    pub(crate) alive: oneshot::Receiver<()>,
    /// What stands in its way.
    pub(crate) obstacle: Option<Disruption>,
}

#[derive(Default)]
pub(crate) struct Lines {
    open: BTreeMap<LineId, Line>,
    next: LineId,
}

impl Lines {
    /// A new line, which meets `fate`.
    pub(crate) fn open(&mut self, fate: Option<Disruption>) -> Handset {
        let (orders, taken_orders) = mpsc::unbounded_channel();
        let (alive, is_alive) = oneshot::channel();
        let line = self.next;
        self.next += 1;
        self.open.insert(
            line,
            Line {
                orders,
                phase: Phase::Greeting,
                plan: fate.filter(|fate| fate.moment() == Moment::Open),
                silent: false,
                _alive: alive,
            },
        );
        Handset {
            line,
            orders: taken_orders,
            alive: is_alive,
            obstacle: fate.filter(|fate| fate.moment() == Moment::Start),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// How many connections there have ever been.
    pub(crate) fn total(&self) -> u64 {
        self.next
    }

    pub(crate) fn phase(&self, line: LineId) -> Option<&Phase> {
        self.open.get(&line).map(|line| &line.phase)
    }

    pub(crate) fn phase_mut(&mut self, line: LineId) -> Option<&mut Phase> {
        self.open.get_mut(&line).map(|line| &mut line.phase)
    }

    /// The number of the person whose client is logged in on this line.
    pub(crate) fn account(&self, line: LineId) -> Option<&str> {
        match self.phase(line)? {
            Phase::LoggedIn { account, .. } => Some(account),
            Phase::Greeting | Phase::Pairing(_) => None,
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (LineId, &Phase)> {
        self.open.iter().map(|(id, line)| (*id, &line.phase))
    }

    pub(crate) fn take_plan(&mut self, line: LineId) -> Option<Disruption> {
        self.open.get_mut(&line)?.plan.take()
    }

    /// The line stays open, and nothing passes any more.
    pub(crate) fn silence(&mut self, line: LineId) {
        if let Some(line) = self.open.get_mut(&line) {
            line.silent = true;
        }
    }

    /// Whether what comes on this line is heard.
    pub(crate) fn hears(&self, line: LineId) -> bool {
        self.open.get(&line).is_some_and(|line| !line.silent)
    }

    pub(crate) fn find(&self, is_it: impl Fn(&Phase) -> bool) -> Option<LineId> {
        self.open
            .iter()
            .find(|(_, line)| is_it(&line.phase))
            .map(|(id, _)| *id)
    }

    /// Whether the line is still there to send on.
    pub(crate) fn send(&self, line: LineId, node: Node) -> bool {
        self.order(line, Order::Send(node))
    }

    pub(crate) fn send_noise(&self, line: LineId) {
        self.order(line, Order::SendNoise);
    }

    /// Closes after what was sent. The line counts as gone from now on.
    pub(crate) fn hang_up(&mut self, line: LineId) {
        self.order(line, Order::HangUp);
        if let Some(line) = self.open.get_mut(&line) {
            line.phase = Phase::Greeting;
        }
    }

    /// Cuts every connection, as a network failure would.
    pub(crate) fn cut_all(&mut self) {
        self.open.clear();
    }

    /// The line is gone; if its socket is still open it is dropped.
    pub(crate) fn forget(&mut self, line: LineId) {
        self.open.remove(&line);
    }

    fn order(&self, line: LineId, order: Order) -> bool {
        self.open
            .get(&line)
            .is_some_and(|line| !line.silent && line.orders.send(order).is_ok())
    }
}
