// @ts-check
/**
 * Rows of what came in: which are there, who has them, which come next. Who may write, and when a
 * row is given back, is decided by inbox.mjs above.
 */

/** @typedef {{ seq: number, cursor: string, conversation: string, sender: string, message_id: string, body: string, stored_at: number }} InboxRow */

const DUPLICATES_KNOWN_MS = 30 * 24 * 60 * 60 * 1000;

export class InboxRows {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /** @param {number} now drops what no duplicate is expected of any more */
  forgetOld(now) {
    this.#db.run("DELETE FROM inbox WHERE state = 'done' AND done_at < ?", now - DUPLICATES_KNOWN_MS);
  }

  /**
   * @param {{ cursor: string, conversation: string, sender: string, senders: string[], messageId: string, body: string }} message
   * `senders`: every id of the sender; one message can come twice under different ones
   * @returns {boolean} false for a message that is known already
   */
  add({ cursor, conversation, sender, senders, messageId, body }) {
    const { changes } = this.#db.run(
      `INSERT INTO inbox (cursor, conversation, sender, message_id, state, body, stored_at)
       SELECT ?1, ?2, ?3, ?4, 'waiting', ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM inbox
         WHERE conversation = ?2 AND message_id = ?4 AND sender IN (SELECT value FROM json_each(?7)))`,
      cursor, conversation, sender, messageId, body, Date.now(), JSON.stringify([sender, ...senders]),
    );
    return changes > 0;
  }

  /** @returns {string[]} conversations with messages that are not settled */
  openConversations() {
    return this.#db.all("SELECT DISTINCT conversation FROM inbox WHERE state <> 'done'").map((row) => String(row.conversation));
  }

  /**
   * Hands out the oldest messages. A message waits for earlier ones of its conversation that are
   * out or not due.
   * @param {{ batch: string, limit: number, now: number, except: string[] }} wanted `except`: conversations to pass over
   * @returns {InboxRow[]}
   */
  handOut({ batch, limit, now, except }) {
    return this.#db.transaction(() => {
      const rows = this.#db.all(
        `SELECT seq, cursor, conversation, sender, message_id, body, stored_at FROM inbox AS this
         WHERE state = 'waiting' AND not_before <= ?1
           AND conversation NOT IN (SELECT value FROM json_each(?2))
           AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
             WHERE earlier.conversation = this.conversation AND earlier.seq < this.seq
               AND (earlier.state = 'out' OR (earlier.state = 'waiting' AND earlier.not_before > ?1)))
         ORDER BY seq LIMIT ?3`,
        now, JSON.stringify(except), limit,
      );
      for (const { seq } of rows) this.#db.run("UPDATE inbox SET state = 'out', batch = ? WHERE seq = ?", batch, seq);
      return /** @type {InboxRow[]} */ (/** @type {unknown} */ (rows));
    });
  }

  /**
   * @param {number} now
   * @returns {number | null} when the next postponed message is due
   */
  nextDue(now) {
    const row = this.#db.one("SELECT MIN(not_before) AS due FROM inbox WHERE state = 'waiting' AND not_before > ?", now);
    return typeof row?.due === "number" ? row.due : null;
  }

  /**
   * @param {{ keep: string[] } | { batch: string }} which all but some cursors, or one batch
   * @returns {number} how many wait again
   */
  giveBack(which) {
    const back = "UPDATE inbox SET state = 'waiting', batch = NULL WHERE state = 'out' AND";
    return "batch" in which
      ? this.#db.run(`${back} batch = ?`, which.batch).changes
      : this.#db.run(`${back} cursor NOT IN (SELECT value FROM json_each(?))`, JSON.stringify(which.keep)).changes;
  }

  /** @param {string[]} cursors handed out in this very call, but not told to anybody */
  putBack(cursors) {
    this.#db.run("UPDATE inbox SET state = 'waiting', batch = NULL WHERE state = 'out' AND cursor IN (SELECT value FROM json_each(?))", JSON.stringify(cursors));
  }

  /**
   * Gives one back, and with it the later ones of its conversation: they must not overtake it.
   * @param {string} cursor
   * @param {number} notBefore
   * @returns {boolean} false when it is not out
   */
  postpone(cursor, notBefore) {
    return this.#db.transaction(() => {
      const row = this.#db.one("SELECT seq, conversation FROM inbox WHERE cursor = ? AND state = 'out'", cursor);
      if (!row) return false;
      this.#db.run("UPDATE inbox SET state = 'waiting', batch = NULL WHERE conversation = ? AND seq >= ? AND state = 'out'", row.conversation, row.seq);
      this.#db.run("UPDATE inbox SET not_before = ? WHERE cursor = ?", notBefore, cursor);
      return true;
    });
  }

  /** @param {string} cursor its text is gone after this; asked again, nothing happens */
  acknowledge(cursor) {
    this.#db.run("UPDATE inbox SET state = 'done', body = NULL, batch = NULL, done_at = ? WHERE cursor = ? AND state <> 'done'", Date.now(), cursor);
  }

  /** @returns {{ waiting: number, out: number, last_stored_at: number | null }} */
  depth() {
    const row = this.#db.one("SELECT SUM(state = 'waiting') AS waiting, SUM(state = 'out') AS out, MAX(stored_at) AS last FROM inbox");
    return { waiting: Number(row?.waiting ?? 0), out: Number(row?.out ?? 0), last_stored_at: typeof row?.last === "number" ? row.last : null };
  }
}
