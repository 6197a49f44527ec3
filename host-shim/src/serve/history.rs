//! What was said in each conversation, so that a model can follow it: pairs of a message and its
//! reply, across restarts. Only replies that the bridge accepted are in here, each once.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::reply::Turn;
use crate::error::Failure;
use crate::home::{Home, private_dir};

const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS turns (
        channel TEXT NOT NULL,
        account TEXT NOT NULL,
        conversation TEXT NOT NULL,
        message_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        user_text TEXT NOT NULL,
        reply_text TEXT NOT NULL,
        PRIMARY KEY (channel, account, conversation, message_id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS turns_in_order ON turns (channel, account, conversation, position);
    PRAGMA user_version = 1;
";

/// The history of one account of one channel. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    connection: Arc<Mutex<Connection>>,
    channel: Arc<str>,
    account: Arc<str>,
    /// Turns kept of each conversation.
    limit: usize,
}

/// Why the history cannot be used just now.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the conversation history cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the conversation history cannot be used: its thread broke down")]
    Thread,
}

impl History {
    /// Opens `history.db` in `home`, made when missing, for the owner only. `account` is the
    /// identity at run time; `limit` is how many turns of a conversation are kept, 0 for none.
    ///
    /// # Errors
    /// The file cannot be made, is damaged, or was written by a later version.
    pub fn open(home: &Home, channel: &str, account: &str, limit: usize) -> Result<Self, Failure> {
        if !home.root().exists() {
            private_dir(home.root())?;
        }
        let path = home.root().join("history.db");
        let connection = connect(&path)?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            channel: channel.into(),
            account: account.into(),
            limit,
        })
    }

    /// The last turns of `conversation`, oldest first, without that of `message_id`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn turns(
        &self,
        conversation: &str,
        message_id: &str,
    ) -> Result<Vec<Turn>, HistoryError> {
        if self.limit == 0 {
            return Ok(Vec::new());
        }
        let (conversation, message_id) = (conversation.to_owned(), message_id.to_owned());
        self.with(move |connection, history| {
            let mut statement = connection.prepare_cached(
                "SELECT user_text, reply_text FROM turns
                 WHERE channel = ?1 AND account = ?2 AND conversation = ?3 AND message_id <> ?4
                 ORDER BY position DESC LIMIT ?5",
            )?;
            let rows = statement.query_map(
                params![
                    history.channel,
                    history.account,
                    conversation,
                    message_id,
                    history.limit()
                ],
                |row| {
                    Ok(Turn {
                        user: row.get(0)?,
                        reply: row.get(1)?,
                    })
                },
            )?;
            let mut turns = rows.collect::<Result<Vec<_>, _>>()?;
            turns.reverse();
            Ok(turns)
        })
        .await
    }

    /// Keeps one turn. A message that is in here already stays as it is.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn record(
        &self,
        conversation: &str,
        message_id: &str,
        turn: Turn,
    ) -> Result<(), HistoryError> {
        if self.limit == 0 {
            return Ok(());
        }
        let (conversation, message_id) = (conversation.to_owned(), message_id.to_owned());
        self.with(move |connection, history| {
            let change = connection.transaction()?;
            change.execute(
                "INSERT INTO turns (channel, account, conversation, message_id, position, user_text, reply_text)
                 VALUES (?1, ?2, ?3, ?4,
                    (SELECT coalesce(max(position), 0) + 1 FROM turns
                     WHERE channel = ?1 AND account = ?2 AND conversation = ?3), ?5, ?6)
                 ON CONFLICT DO NOTHING",
                params![history.channel, history.account, conversation, message_id, turn.user, turn.reply],
            )?;
            // No more of a private conversation stays on disk than is used.
            change.execute(
                "DELETE FROM turns WHERE channel = ?1 AND account = ?2 AND conversation = ?3 AND position <=
                    (SELECT max(position) FROM turns
                     WHERE channel = ?1 AND account = ?2 AND conversation = ?3) - ?4",
                params![history.channel, history.account, conversation, history.limit()],
            )?;
            change.commit()
        })
        .await
    }

    fn limit(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Self) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let history = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = history
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            work(&mut connection, &history)
        });
        match done.await {
            Ok(outcome) => Ok(outcome?),
            Err(_broken_down) => Err(HistoryError::Thread),
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let unusable = |why: String| {
        Failure::operator("history_unusable", format!("the conversation history {} cannot be used", path.display()))
            .because(why)
            .hint("move the file away (replies then start without memory), or set reply.history_turns = 0")
    };
    // Made by us, because SQLite would make it readable for others; its side files follow it.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600)))
        .map_err(|error| unusable(error.to_string()))?;
    let open = || -> rusqlite::Result<(Connection, i64)> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "secure_delete", true)?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version < SCHEMA_VERSION {
            connection.execute_batch(SCHEMA)?;
        }
        Ok((connection, version))
    };
    match open() {
        Ok((_, version)) if version > SCHEMA_VERSION => Err(unusable(format!(
            "it was written by a later version of loong (format {version})"
        ))),
        Ok((connection, _)) => Ok(connection),
        Err(error) => Err(unusable(error.to_string())),
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
