// @ts-check
/** One send with its parts, each part one WhatsApp message; receipts; the login that a send belongs to. */

export const SENDS = `
-- What was asked for, in the order in which it was. The text is the whole one, as first asked.
CREATE TABLE sends (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  login INTEGER NOT NULL REFERENCES logins (id),
  idempotency_key TEXT UNIQUE,
  jid TEXT NOT NULL,
  text TEXT,
  created_at INTEGER NOT NULL
);

-- The bytes answer retry requests and make a resend the same message.
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
CREATE INDEX parts_by_state ON parts (state, settled_at, delivered_at, read_at);

-- What the older store holds was one message a send, of the login of its time; its text was not kept.
INSERT INTO sends (id, login, idempotency_key, jid, created_at)
  SELECT ROW_NUMBER() OVER (ORDER BY created_at, message_id),
    COALESCE((SELECT MAX(id) FROM logins WHERE logins.created_at <= outbox.created_at), (SELECT MIN(id) FROM logins)),
    idempotency_key, jid, created_at
  FROM outbox;
INSERT INTO parts (message_id, send, place, body, state, error, settled_at)
  SELECT message_id, ROW_NUMBER() OVER (ORDER BY created_at, message_id), 0, body, state, error, settled_at FROM outbox;
DROP TABLE outbox;
`;
