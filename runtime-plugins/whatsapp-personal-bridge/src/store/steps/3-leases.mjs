// @ts-check
/**
 * Attempts, leases and dead letters of the inbox. Who had a message when the older bridge stopped
 * is not known: it waits again, uncounted.
 */

export const LEASES = `
-- What came in. A row stays after its acknowledgement, without the text, to know duplicates.
-- A wait (state waiting) or a lease (state leased) runs from since to until; elsewhere both are
-- NULL. A row of a caller that does not name itself has no consumer.
CREATE TABLE inbox_now (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  cursor TEXT NOT NULL UNIQUE,
  conversation TEXT NOT NULL,
  sender TEXT NOT NULL,
  message_id TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'leased', 'done', 'dead')),
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
  UNIQUE (conversation, sender, message_id)
);
INSERT INTO inbox_now (seq, cursor, conversation, sender, message_id, state, body, stored_at, since, until, ended_at)
  SELECT seq, cursor, conversation, sender, message_id,
    CASE state WHEN 'out' THEN 'waiting' ELSE state END, body, stored_at,
    CASE WHEN state = 'waiting' AND not_before > 0 THEN strftime('%s', 'now') * 1000 END,
    CASE WHEN state = 'waiting' AND not_before > 0 THEN not_before END,
    done_at
  FROM inbox ORDER BY seq;
DROP TABLE inbox;
ALTER TABLE inbox_now RENAME TO inbox;
CREATE INDEX inbox_waiting ON inbox (seq, conversation) WHERE state = 'waiting';
CREATE INDEX inbox_timed ON inbox (until) WHERE until IS NOT NULL;
CREATE INDEX inbox_dead ON inbox (seq) WHERE state = 'dead';
CREATE INDEX inbox_done ON inbox (ended_at) WHERE state = 'done';
CREATE INDEX inbox_texts ON inbox (ended_at) WHERE state = 'done' AND body IS NOT NULL;
`;
