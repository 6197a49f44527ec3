// @ts-check
/** What was decrypted and is not stored yet. */

export const JOURNAL = `
CREATE TABLE journal_stanzas (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  login INTEGER NOT NULL REFERENCES logins (id),
  hash TEXT NOT NULL,
  name TEXT NOT NULL,
  stanza TEXT,
  parts INTEGER NOT NULL,
  decrypted INTEGER NOT NULL DEFAULT 0,
  stored_at INTEGER NOT NULL,
  finished_at INTEGER,
  UNIQUE (login, hash)
);
CREATE TABLE journal_parts (
  login INTEGER NOT NULL,
  hash TEXT NOT NULL,
  stanza INTEGER NOT NULL REFERENCES journal_stanzas (seq) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  plaintext BLOB,
  PRIMARY KEY (login, hash)
) WITHOUT ROWID;
`;
