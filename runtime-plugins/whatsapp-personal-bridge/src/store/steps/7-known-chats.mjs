// @ts-check
/** Which chats there are, for the operator: one row a person, by the LID where it is known. */

export const KNOWN_CHATS = `
-- Chats that were let in or written to. last_at: the last message, in either direction.
CREATE TABLE known_chats (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  chat TEXT NOT NULL UNIQUE,
  name TEXT,
  messages_in INTEGER NOT NULL DEFAULT 0,
  messages_out INTEGER NOT NULL DEFAULT 0,
  last_at INTEGER NOT NULL
);
CREATE INDEX known_chats_by_time ON known_chats (last_at, seq);

-- What the older store still knows. A number that changed hands is left out: whom it was sent to is not known.
INSERT INTO known_chats (chat, messages_in, messages_out, last_at)
  SELECT COALESCE((SELECT lid || '@lid' FROM aliases WHERE phone || '@s.whatsapp.net' = jid), jid) AS person,
    SUM(came), SUM(went), MAX(at)
  FROM (
    SELECT conversation AS jid, COUNT(*) AS came, 0 AS went, MAX(stored_at) AS at FROM inbox GROUP BY conversation
    UNION ALL
    SELECT jid, 0, COUNT(*), MAX(COALESCE(settled_at, created_at)) FROM parts JOIN sends ON sends.id = send
      WHERE state = 'sent' AND login = (SELECT id FROM logins WHERE state = 'current') GROUP BY jid
  )
  WHERE jid LIKE '%@%' AND jid NOT IN (SELECT phone || '@s.whatsapp.net' FROM former_numbers)
  GROUP BY person ORDER BY MAX(at);

-- Chats outside the allowlist: that they wrote, never what.
CREATE TABLE refused_now (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  chat TEXT NOT NULL UNIQUE,
  count INTEGER NOT NULL,
  last_at INTEGER NOT NULL
);
INSERT INTO refused_now (chat, count, last_at)
  SELECT COALESCE((SELECT lid || '@lid' FROM aliases WHERE phone || '@s.whatsapp.net' = refused_chats.chat), refused_chats.chat) AS person,
    SUM(count), MAX(last_at)
  FROM refused_chats GROUP BY person ORDER BY MAX(last_at);
DROP TABLE refused_chats;
ALTER TABLE refused_now RENAME TO refused_chats;
CREATE INDEX refused_chats_by_time ON refused_chats (last_at, seq);
`;
