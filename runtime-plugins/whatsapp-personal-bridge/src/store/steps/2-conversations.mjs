// @ts-check
/** Conversations keep the id that they got first; one number is one person. */

export const CONVERSATIONS = `
-- Conversations by the id that each got at first sight, the oldest first.
CREATE TABLE conversations (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);
INSERT INTO conversations (id) SELECT conversation FROM inbox GROUP BY conversation ORDER BY MIN(seq);

-- One number, one person: of two that claimed it, one stays; the next message tells the truth.
CREATE TABLE aliases_now (lid TEXT PRIMARY KEY, phone TEXT NOT NULL UNIQUE) WITHOUT ROWID;
INSERT OR REPLACE INTO aliases_now SELECT lid, phone FROM aliases;
DROP TABLE aliases;
ALTER TABLE aliases_now RENAME TO aliases;
`;
