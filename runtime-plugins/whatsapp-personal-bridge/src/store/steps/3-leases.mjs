// @ts-check
/** Attempts, leases and dead letters of the inbox. */

export const LEASES = `
CREATE TABLE inbox_now (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  cursor TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL,
  sender TEXT NOT NULL,
  message_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'out', 'leased', 'done', 'dead')),
  body TEXT,
  stored_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  since INTEGER,
  until INTEGER,
  batch TEXT,
  consumer TEXT,
  instance TEXT,
  ended_at INTEGER,
  reason TEXT,
  not_before INTEGER NOT NULL DEFAULT 0,
  done_at INTEGER,
  UNIQUE (conversation, sender, message_id)
);
INSERT INTO inbox_now (seq, cursor, conversation, sender, message_id, state, batch, not_before, body, stored_at, done_at)
  SELECT seq, cursor, conversation, sender, message_id, state, batch, not_before, body, stored_at, done_at FROM inbox;
DROP TABLE inbox;
ALTER TABLE inbox_now RENAME TO inbox;
CREATE INDEX inbox_open ON inbox (conversation, seq) WHERE state <> 'done';
CREATE INDEX inbox_done ON inbox (done_at) WHERE state = 'done';
`;
