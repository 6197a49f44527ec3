// @ts-check
/** The tables of a store that nobody has open: looked at, filled, held back. */

import path from "node:path";
import Sqlite from "libsql";

/**
 * @template T
 * @param {string} dir or the file itself
 * @param {(db: import("libsql").Database) => T} work
 * @returns {T}
 */
export function withTables(dir, work) {
  const db = new Sqlite(dir.includes(".db") ? dir : path.join(dir, "bridge.db"));
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/**
 * A message that nobody could answer, as the inbox leaves it behind.
 * @param {string} dir
 * @param {string} messageId
 * @param {string} reason
 */
export function makeDead(dir, messageId, reason) {
  const { changes } = withTables(dir, (db) => db.prepare("UPDATE inbox SET state = 'dead', attempts = 6, reason = ?, ended_at = ? WHERE message_id = ?").run(reason, Date.now(), messageId));
  if (changes !== 1) throw new Error(`there is no message ${messageId}`);
}

/**
 * One send with its parts, by their states.
 * @param {string} dir
 * @param {string} key
 * @param {("unsent" | "pending" | "sent" | "failed")[]} states
 */
export function addSend(dir, key, states) {
  withTables(dir, (db) => {
    const login = /** @type {any} */ (db.prepare("SELECT id FROM logins ORDER BY id LIMIT 1").get()).id;
    const { lastInsertRowid } = db
      .prepare("INSERT INTO sends (login, idempotency_key, jid, text, created_at) VALUES (?, ?, '15551234567@s.whatsapp.net', 'whole text', 1)")
      .run(login, key);
    states.forEach((state, place) => {
      db.prepare("INSERT INTO parts (message_id, send, place, body, state) VALUES (?, ?, ?, ?, ?)").run(`${key}-${place}`, lastInsertRowid, place, Buffer.from("bytes"), state);
    });
  });
}
