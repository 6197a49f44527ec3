// @ts-check
/**
 * The shape of the store, as the steps that lead to it. A step that has been released is never
 * edited: `user_version` counts the steps taken. Only store.mjs runs them.
 */

export const STEPS = Object.freeze([
  `
  -- The credentials of this device. One is current; those that WhatsApp ended are kept.
  CREATE TABLE logins (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('current', 'aside')),
    creds TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended_because TEXT
  );
  CREATE UNIQUE INDEX one_current_login ON logins (state) WHERE state = 'current';

  -- Signal keys and sessions, as Baileys names them.
  CREATE TABLE signal_keys (
    login INTEGER NOT NULL REFERENCES logins (id),
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (login, type, id)
  ) WITHOUT ROWID;

  -- What came in. A row stays after its acknowledgement, without the text, to know duplicates.
  CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    cursor TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'out', 'done')),
    batch TEXT,
    not_before INTEGER NOT NULL DEFAULT 0,
    body TEXT,
    stored_at INTEGER NOT NULL,
    done_at INTEGER,
    UNIQUE (conversation, sender, message_id)
  );
  CREATE INDEX inbox_open ON inbox (conversation, seq) WHERE state <> 'done';
  CREATE INDEX inbox_done ON inbox (done_at) WHERE state = 'done';

  -- What went out. The bytes answer retry requests and make a resend the same message.
  CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY,
    idempotency_key TEXT UNIQUE,
    jid TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('unsent', 'pending', 'sent', 'failed')),
    error TEXT,
    created_at INTEGER NOT NULL,
    settled_at INTEGER
  ) WITHOUT ROWID;

  -- Chats outside the allowlist: that they wrote, never what.
  CREATE TABLE refused_chats (
    chat TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last_at INTEGER NOT NULL
  ) WITHOUT ROWID;

  -- A person's two ids, as WhatsApp itself vouches for them.
  CREATE TABLE aliases (lid TEXT PRIMARY KEY, phone TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX aliases_by_phone ON aliases (phone);

  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  -- Conversations by the id that each got at first sight, the oldest first.
  CREATE TABLE conversations (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);
  INSERT INTO conversations (id) SELECT conversation FROM inbox GROUP BY conversation ORDER BY MIN(seq);

  -- One number, one person: of two that claimed it, one stays; the next message tells the truth.
  CREATE TABLE aliases_now (lid TEXT PRIMARY KEY, phone TEXT NOT NULL UNIQUE) WITHOUT ROWID;
  INSERT OR REPLACE INTO aliases_now SELECT lid, phone FROM aliases;
  DROP TABLE aliases;
  ALTER TABLE aliases_now RENAME TO aliases;
  `,
]);
