//! Sockets: accepts connections, shakes hands, and moves stanzas between the wire and the world.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use wacore_binary::Node;

use super::disruption::Disruption;
use super::intro::Inbound;
use super::lines::{Handset, LineId, Order};
use super::noise::{Introduction, ServerIdentity, Transport};
use super::router;
use super::world::Shared;

const GOODBYE: Duration = Duration::from_secs(5);

/// Serves for as long as its task lives.
pub(crate) async fn run(listener: TcpListener, identity: ServerIdentity, shared: Shared) {
    let identity = Arc::new(identity);
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let handset = shared.change(|world| match world.faults.next() {
            Some(Disruption::Refused) => None,
            fate => Some(world.lines.open(fate)),
        });
        // Dropping the socket here is how a refused client learns of it.
        if let Some(handset) = handset {
            tokio::spawn(attend(
                socket,
                handset,
                Arc::clone(&identity),
                shared.clone(),
            ));
        }
    }
}

/// One connection, from the upgrade to its end.
async fn attend(
    socket: TcpStream,
    handset: Handset,
    identity: Arc<ServerIdentity>,
    shared: Shared,
) {
    let Handset {
        line,
        orders,
        alive,
        obstacle,
    } = handset;
    let outcome = tokio::select! {
        outcome = converse(socket, line, orders, obstacle, &identity, &shared) => outcome,
        // Cut: the socket is dropped with whatever was in it.
        _ = alive => Ok(()),
    };
    shared.change(|world| {
        world.lines.forget(line);
        if let Err(failure) = outcome {
            world
                .journal
                .trouble(format!("connection {line} ended: {failure:#}"));
        }
    });
}

async fn converse(
    socket: TcpStream,
    line: LineId,
    mut orders: mpsc::UnboundedReceiver<Order>,
    obstacle: Option<Disruption>,
    identity: &ServerIdentity,
    shared: &Shared,
) -> Result<()> {
    let Some(socket) = upgrade(socket, obstacle).await? else {
        return Ok(());
    };
    let mut wire = Wire {
        socket,
        inbound: Inbound::new(),
    };
    let Some((mut transport, introduction)) =
        shake_hands(&mut wire, obstacle, identity, shared).await?
    else {
        return Ok(());
    };
    shared.change(|world| match obstacle {
        Some(Disruption::SilenceAfterHandshake) => world.lines.silence(line),
        Some(Disruption::LoginFailure(reason)) => router::turn_away(world, line, reason),
        _ => router::greet(world, line, introduction),
    });
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Send(node)) => {
                    let frame = transport.seal(&node)?;
                    wire.send(frame).await?;
                }
                Some(Order::SendNoise) => wire.send(Transport::noise()?).await?,
                Some(Order::HangUp) | None => return wire.close().await,
            },
            frame = wire.next_frame() => match frame? {
                Some(frame) => {
                    let node = transport.open(frame)?;
                    hear(shared, line, node);
                }
                None => return Ok(()),
            },
        }
    }
}

/// A stanza is handled at once, unless a story wants answers to take their time.
fn hear(shared: &Shared, line: LineId, node: Node) {
    let delay = shared.look(|world| world.faults.delay(&node));
    let Some(delay) = delay else {
        return shared.change(|world| router::receive(world, line, node));
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        shared.change(|world| router::receive(world, line, node));
    });
}

/// `None` when the connection is over with it.
#[expect(
    clippy::result_large_err,
    reason = "the websocket library's callback refuses with a whole response"
)]
async fn upgrade(
    mut socket: TcpStream,
    obstacle: Option<Disruption>,
) -> Result<Option<WebSocketStream<TcpStream>>> {
    match obstacle {
        Some(Disruption::NoUpgrade) => {
            // Read on to see the client go away.
            tokio::io::copy(&mut socket, &mut tokio::io::sink()).await?;
            Ok(None)
        }
        Some(Disruption::UpgradeStatus(status)) => {
            let status = StatusCode::from_u16(status).context("no status of HTTP")?;
            let refuse = |_: &Request, _: Response| {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status;
                Err(refusal)
            };
            // The error is the one made above.
            let _ = tokio_tungstenite::accept_hdr_async(&mut socket, refuse).await;
            Ok(None)
        }
        _ => {
            let socket = tokio_tungstenite::accept_async(socket).await;
            Ok(Some(socket.context("no websocket upgrade")?))
        }
    }
}

/// `None` when the client went away meanwhile.
async fn shake_hands(
    wire: &mut Wire,
    obstacle: Option<Disruption>,
    identity: &ServerIdentity,
    shared: &Shared,
) -> Result<Option<(Transport, Introduction)>> {
    let Some(hello) = wire.next_frame().await? else {
        return Ok(None);
    };
    let routing = wire.inbound.routing.take();
    shared.change(|world| world.edge_shown = routing);
    let (answer, half_done) = identity.answer(&hello)?;
    match obstacle {
        Some(Disruption::NoServerHello) => {}
        Some(Disruption::UnreadableServerHello) => wire.send(Transport::noise()?).await?,
        _ => wire.send(answer).await?,
    }
    let Some(finish) = wire.next_frame().await? else {
        return Ok(None);
    };
    Ok(Some(half_done.finish(&finish)?))
}

struct Wire {
    socket: WebSocketStream<TcpStream>,
    inbound: Inbound,
}

impl Wire {
    /// The next whole frame; `None` at the end. Loses nothing when it is dropped half-way.
    async fn next_frame(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(frame) = self.inbound.next_frame() {
                return Ok(Some(frame));
            }
            match self.socket.next().await {
                Some(Ok(Packet::Binary(bytes))) => self.inbound.feed(&bytes)?,
                Some(Ok(Packet::Ping(_) | Packet::Pong(_))) => {}
                Some(Ok(Packet::Text(_) | Packet::Frame(_))) => {
                    bail!("only binary packets belong here")
                }
                // A client that dies does not say goodbye: to the server both are just the end.
                Some(Ok(Packet::Close(_)) | Err(_)) | None => return Ok(None),
            }
        }
    }

    async fn send(&mut self, frame: Vec<u8>) -> Result<()> {
        Ok(self.socket.send(Packet::Binary(frame.into())).await?)
    }

    /// Says goodbye and waits a while for the client's.
    async fn close(&mut self) -> Result<()> {
        self.socket.close(None).await?;
        let answer = async { while let Some(Ok(_)) = self.socket.next().await {} };
        // One that does not answer is dropped.
        let _ = tokio::time::timeout(GOODBYE, answer).await;
        Ok(())
    }
}
