//! The simulator is right about WhatsApp for more than Baileys: another client, `whatsapp-rust`, is
//! linked to a contact, and writes to the bridge and hears from it, end-to-end encrypted.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use loong_tests::scenario::{PATIENCE, Scenario};
use loong_tests::sim::content;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::prelude::{Bot, BotHandle, Jid, MessageExt as _};
use whatsapp_rust::transport::{DisconnectReason, Transport, TransportEvent, TransportFactory};
use whatsapp_rust::wacore::store::InMemoryBackend;
use whatsapp_rust::{async_channel, async_trait};

const ANA: &str = "15551234567";

#[tokio::test(flavor = "multi_thread")]
async fn another_client_and_the_bridge_write_to_each_other() -> Result<()> {
    let mut story = Scenario::paired(&["+15551234567"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let mut client = Other::connects(&story, Arc::default()).await?;
    ana.scans(&client.shows_qr().await?).await?;
    ana.wait_until_online(PATIENCE).await?;

    story
        .sends("contact:+15551234567", "hello from the bridge")
        .await?
        .succeeded()?;
    let heard = client.hears().await?;
    ensure!(heard.text == "hello from the bridge", "{heard:?}");
    ensure!(!heard.is_own, "{heard:?}");
    ensure!(ana.next_message(PATIENCE).await?.text == "hello from the bridge");

    story.serves(&["--reply", "echo"])?;
    client
        .says(&story.sim.phone().pn_jid(), "hello from another client")
        .await?;
    let copy = ana.next_message(PATIENCE).await?;
    ensure!(copy.text == "hello from another client", "{copy:?}");
    let answer = client.hears().await?;
    ensure!(
        answer.text.contains("hello from another client"),
        "{answer:?}"
    );
    ensure!(!answer.is_own, "{answer:?}");

    let unread = story.sim.troubles();
    ensure!(
        !unread.iter().any(|trouble| trouble.contains("cannot read")),
        "{unread:?}"
    );
    client.leaves().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_comes_back_with_its_login_and_gets_what_waited() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let store = Arc::default();
    let mut client = Other::connects(&story, Arc::clone(&store)).await?;
    ana.scans(&client.shows_qr().await?).await?;
    ana.wait_until_online(PATIENCE).await?;
    client.leaves().await;
    story
        .sends("contact:+15551234567", "while you were away")
        .await?
        .succeeded()?;

    let mut client = Other::connects(&story, store).await?;
    let heard = client.hears().await?;
    ensure!(heard.text == "while you were away", "{heard:?}");
    ensure!(
        client.codes.try_recv().is_err(),
        "it was asked to link again"
    );
    client.leaves().await;
    Ok(())
}

/// `whatsapp-rust` with its own keys in memory.
struct Other {
    running: BotHandle,
    codes: mpsc::UnboundedReceiver<String>,
    messages: mpsc::UnboundedReceiver<Heard>,
}

#[derive(Debug)]
struct Heard {
    text: String,
    is_own: bool,
}

impl Other {
    async fn connects(story: &Scenario, store: Arc<InMemoryBackend>) -> Result<Self> {
        let (code, codes) = mpsc::unbounded_channel();
        let (message, messages) = mpsc::unbounded_channel();
        let bot = Bot::builder()
            .with_backend_arc(store)
            .with_transport_factory(Dialler(story.sim.web_url()))
            .with_http_client(Offline)
            // Given, it is not asked for on the network.
            .with_version((2, 3000, 1_020_000_000))
            .with_push_name("Ana")
            .on_qr_code(move |text, _| {
                let _ = code.send(text);
                async {}
            })
            .on_message(move |heard| {
                // What has no text is between phone and client.
                if let Some(text) = heard.message.text_content() {
                    let _ = message.send(Heard {
                        text: text.to_owned(),
                        is_own: heard.info.source.is_from_me,
                    });
                }
                async {}
            })
            .build()
            .await?;
        Ok(Self {
            running: bot.spawn(),
            codes,
            messages,
        })
    }

    async fn shows_qr(&mut self) -> Result<String> {
        next(&mut self.codes, "a QR").await
    }

    async fn hears(&mut self) -> Result<Heard> {
        next(&mut self.messages, "a message").await
    }

    async fn says(&self, jid: &str, text: &str) -> Result<()> {
        let jid: Jid = jid.parse()?;
        let client = self.running.client();
        client.send_message(&jid, content::text(text)).await?;
        Ok(())
    }

    async fn leaves(self) {
        self.running.shutdown().await;
    }
}

async fn next<T>(events: &mut mpsc::UnboundedReceiver<T>, what: &str) -> Result<T> {
    tokio::time::timeout(PATIENCE, events.recv())
        .await
        .with_context(|| format!("the other client did not get {what}"))?
        .context("the other client ended")
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects to the simulator instead of WhatsApp.
struct Dialler(String);

#[async_trait]
impl TransportFactory for Dialler {
    async fn create_transport(
        &self,
    ) -> Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let (socket, _) = tokio_tungstenite::connect_async(&self.0).await?;
        let (outbound, mut inbound) = socket.split();
        let (tell, events) = async_channel::unbounded();
        tell.try_send(TransportEvent::Connected)?;
        tokio::spawn(async move {
            while let Some(Ok(packet)) = inbound.next().await {
                if let Packet::Binary(bytes) = packet {
                    let _ = tell.send(TransportEvent::DataReceived(bytes)).await;
                }
            }
            let ended = TransportEvent::Disconnected(DisconnectReason::StreamEnded);
            let _ = tell.send(ended).await;
        });
        Ok((Arc::new(Line(Mutex::new(outbound))), events))
    }
}

struct Line(Mutex<SplitSink<Socket, Packet>>);

#[async_trait]
impl Transport for Line {
    async fn send(&self, data: Bytes) -> Result<()> {
        Ok(self.0.lock().await.send(Packet::Binary(data)).await?)
    }

    async fn disconnect(&self) {
        // One that is gone already needs no goodbye.
        let _ = self.0.lock().await.close().await;
    }
}

/// Nothing of this story needs HTTP.
struct Offline;

#[async_trait]
impl HttpClient for Offline {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        bail!("this story has no HTTP: {}", request.url)
    }
}
