// @ts-check
/**
 * How much has left lately, counted from the rows of what goes out: a restart forgets none of it.
 * What the numbers lead to is known by fence.mjs and room.mjs.
 */

/**
 * @typedef {{ now: number, spanMs: number }} Span the time up to now; what lies in the future was
 * written by a clock that has been set back since, and counts for nothing
 * @typedef {{ messages: number, since: number | null }} Waiting `since`: when the oldest was accepted
 */

export class Pace {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /**
   * Writes down that a message leaves now, if fewer than `most` others have left in the span. One
   * that leaves again is the same message: it counts once, at its last time.
   * @param {string} messageId
   * @param {Span & { most: number }} span
   * @returns {boolean} false when there is no room, or nothing to wait for: it is settled
   */
  leave(messageId, { now, spanMs, most }) {
    const { changes } = this.#db.run(
      `UPDATE parts SET left_at = ?1 WHERE message_id = ?2 AND state = 'pending'
         AND (SELECT COUNT(*) FROM parts AS other WHERE left_at > ?3 AND left_at <= ?1 AND message_id <> ?2) < ?4`,
      now, messageId, now - spanMs, most,
    );
    return changes > 0;
  }

  /**
   * @param {Span} span
   * @returns {number[]} when messages left, the earliest first
   */
  leftIn({ now, spanMs }) {
    return this.#db.all("SELECT left_at FROM parts WHERE left_at > ? AND left_at <= ? ORDER BY left_at", now - spanMs, now).map((row) => Number(row.left_at));
  }

  /** @returns {Waiting} accepted, and never handed over yet */
  waiting() {
    const row = this.#db.one(
      `SELECT COUNT(*) AS n, MIN(created_at) AS since FROM parts JOIN sends ON sends.id = send
       WHERE state = 'pending' AND left_at IS NULL AND login = (SELECT id FROM logins WHERE state = 'current')`,
    );
    return { messages: Number(row?.n ?? 0), since: typeof row?.since === "number" ? row.since : null };
  }

  /**
   * @param {Span} span
   * @returns {number} chats that were written to for the first time; what was taken back wrote to nobody
   */
  opened({ now, spanMs }) {
    const row = this.#db.one(
      `SELECT COUNT(DISTINCT jid) AS n FROM sends WHERE opened_at > ? AND opened_at <= ?
         AND EXISTS (SELECT 1 FROM parts WHERE send = sends.id AND (state IN ('pending', 'sent') OR left_at IS NOT NULL))`,
      now - spanMs, now,
    );
    return Number(row?.n ?? 0);
  }
}
