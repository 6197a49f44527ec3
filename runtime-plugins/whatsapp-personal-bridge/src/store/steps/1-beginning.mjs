// @ts-check
/** The store as it began. */

export const BEGINNING = `
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
`;
