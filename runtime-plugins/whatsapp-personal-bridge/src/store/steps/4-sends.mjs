// @ts-check
/** One send with its parts. */

export const SENDS = `
CREATE TABLE sends (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  login INTEGER,
  idempotency_key TEXT UNIQUE,
  jid TEXT NOT NULL,
  text TEXT,
  created_at INTEGER NOT NULL
);
CREATE TABLE parts (
  message_id TEXT PRIMARY KEY,
  send INTEGER NOT NULL REFERENCES sends (id),
  place INTEGER NOT NULL,
  body BLOB,
  state TEXT NOT NULL CHECK (state IN ('unsent', 'pending', 'sent', 'failed')),
  error TEXT,
  settled_at INTEGER,
  delivered_at INTEGER,
  read_at INTEGER,
  UNIQUE (send, place)
);
`;
