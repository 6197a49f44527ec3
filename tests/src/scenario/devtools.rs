//! A browser's DevTools protocol: commands and their answers, and what the browser tells by itself.
//! What the commands mean is known by [`super::browser`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;

use super::process::PATIENCE;

/// One connection. It ends when dropped.
pub struct DevTools {
    say: mpsc::UnboundedSender<Message>,
    /// Answers and events, in the order in which they came.
    heard: Arc<Mutex<Vec<Value>>>,
    changes: watch::Receiver<()>,
    calls: AtomicU64,
}

impl DevTools {
    pub async fn connect(url: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        let (mut sink, mut stream) = socket.split();
        let (say, mut said) = mpsc::unbounded_channel();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (tell, changes) = watch::channel(());
        let kept = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    more = said.recv() => {
                        let Some(message) = more else { return };
                        if sink.send(message).await.is_err() {
                            return;
                        }
                    }
                    more = stream.next() => {
                        let Some(Ok(message)) = more else { return };
                        let Ok(value) = serde_json::from_slice(&message.into_data()) else { continue };
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(value);
                        tell.send_replace(());
                    }
                }
            }
        });
        Ok(Self {
            say,
            heard,
            changes,
            calls: AtomicU64::new(1),
        })
    }

    /// Gives a command, to the page of `session` or to the browser itself, and waits for its answer.
    ///
    /// # Errors
    /// The browser refuses it, or does not answer in time.
    pub async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value> {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        self.say.send(Message::text(command.to_string()))?;
        let answer = self
            .hears(method, |messages| {
                messages.iter().find(|message| message["id"] == id).cloned()
            })
            .await?;
        match answer.get("error") {
            Some(error) => bail!("the browser refuses {method}: {error}"),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Waits until `find` finds something in what was heard so far.
    pub async fn hears<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Value]) -> Option<T>,
    ) -> Result<T> {
        let mut changes = self.changes.clone();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = self.look(&mut find) {
                    return Ok(found);
                }
                changes.changed().await.context("the browser has gone")?;
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .with_context(|| format!("the browser did not come to: {what}"))?
    }

    /// What the browser has told of that kind so far.
    #[must_use]
    pub fn events(&self, method: &str) -> Vec<Value> {
        self.look(|messages| {
            let told = messages
                .iter()
                .filter(|message| message["method"] == method);
            told.map(|message| message["params"].clone()).collect()
        })
    }

    fn look<T>(&self, mut find: impl FnMut(&[Value]) -> T) -> T {
        find(&self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for DevTools {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DevTools")
    }
}
