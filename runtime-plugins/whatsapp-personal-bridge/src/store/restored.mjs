// @ts-check
/**
 * What a restored store must not do: run an old ratchet, answer what was answered since, send what
 * was sent since. All of it is taken from it in one transaction, before anybody uses it.
 */

const PARKED = "restored from a backup";
const NOT_SENT = "restored from a backup: it may have been sent since";

/**
 * @param {import("./database.mjs").Database} db
 * @param {number} now
 * @returns {{ sessions: number, parked: number, failed: number }}
 */
export function disarm(db, now) {
  return db.transaction(() => {
    // Used once more, an old session repeats keys and counters; without one both sides make a new one.
    const sessions = db.run("DELETE FROM signal_keys WHERE type IN ('session', 'sender-key', 'sender-key-memory')").changes;
    // What was decrypted and not yet stored then has been stored, and answered, by the bridge that went on.
    db.run("DELETE FROM journal_parts");
    db.run("DELETE FROM journal_stanzas");
    const parked = db.run(
      `UPDATE inbox SET state = 'dead', reason = ?, ended_at = ?, since = NULL, until = NULL, batch = NULL, consumer = NULL, instance = NULL
       WHERE state NOT IN ('done', 'dead')`,
      PARKED, now,
    ).changes;
    const failed = db.run("UPDATE parts SET state = 'failed', error = ?, settled_at = ? WHERE state IN ('pending', 'unsent')", NOT_SENT, now).changes;
    return { sessions, parked, failed };
  });
}
