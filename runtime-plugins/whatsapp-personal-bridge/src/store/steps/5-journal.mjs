// @ts-check
/** What was decrypted: whole until it is dealt with, then as hashes, to know a redelivery. */

export const JOURNAL = `
-- A stanza with its decrypted parts. \`name\` is the message's, and the same for every attempt at it.
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
CREATE INDEX journal_by_name ON journal_stanzas (login, name);
CREATE INDEX journal_open ON journal_stanzas (login, seq) WHERE finished_at IS NULL;
CREATE INDEX journal_by_age ON journal_stanzas (stored_at);

-- One ciphertext each. The text goes when its message is dealt with.
CREATE TABLE journal_parts (
  login INTEGER NOT NULL,
  hash TEXT NOT NULL,
  stanza INTEGER NOT NULL REFERENCES journal_stanzas (seq) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  plaintext BLOB,
  PRIMARY KEY (login, hash)
) WITHOUT ROWID;
CREATE INDEX journal_parts_of ON journal_parts (stanza);
`;
