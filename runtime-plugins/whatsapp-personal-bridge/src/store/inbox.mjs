// @ts-check
/**
 * Rows of what came in: which are there, who has them, which come next. Who may write, what counts
 * and how long a row waits is decided by inbox.mjs and handout.mjs above.
 */

/**
 * @typedef {"waiting" | "leased" | "done" | "dead"} State
 * @typedef {{ seq: number, cursor: string, conversation: string, sender: string, message_id: string, body: string, stored_at: number }} InboxRow
 * @typedef {{ seq: number, cursor: string, conversation: string, attempts: number, since: number, until: number, batch: string, consumer: string | null, instance: string | null }} Leased
 * @typedef {{
 *   seq: number, cursor: string, conversation: string, sender: string, message_id: string, state: State, attempts: number, reason: string | null,
 *   stored_at: number, since: number | null, until: number | null, ended_at: number | null, consumer: string | null, body: string | null,
 * }} Listed times in Unix milliseconds; `until`: when a wait or a lease ends; `body`: JSON, null once the text is gone
 */

/** So long WhatsApp may bring a message again. */
export const DUPLICATES_KNOWN_MS = 30 * 24 * 60 * 60 * 1000;
const FREE = "state = 'waiting', since = NULL, until = NULL, batch = NULL, consumer = NULL, instance = NULL";
const ENDED = "since = NULL, until = NULL, batch = NULL, consumer = NULL, instance = NULL";
const LISTED = "seq, cursor, conversation, sender, message_id, state, attempts, reason, stored_at, since, until, ended_at, consumer, body";

export class InboxRows {
  /** @type {import("./database.mjs").Database} */ #db;
  /**
   * How long an acknowledged text is kept; null: nobody has said so yet, so none is removed.
   * @type {number | null}
   */
  keepTextMs = null;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /** @param {number} now drops acknowledged texts, and rows of which no duplicate is expected any more */
  forgetOld(now) {
    this.#db.transaction(() => {
      this.#db.run("DELETE FROM inbox WHERE state = 'done' AND ended_at < ?", now - Math.max(DUPLICATES_KNOWN_MS, this.keepTextMs ?? 0));
      if (this.keepTextMs === null) return;
      this.#db.run("UPDATE inbox SET body = NULL WHERE state = 'done' AND body IS NOT NULL AND ended_at <= ?", now - this.keepTextMs);
    });
  }

  /**
   * @param {{ cursor: string, conversation: string, sender: string, senders: string[], messageId: string, body: string, storedAt: number }} message
   * `senders`: every id of the sender; one message can come twice under different ones
   * @returns {boolean} false for a message that is known already
   */
  add({ cursor, conversation, sender, senders, messageId, body, storedAt }) {
    const { changes } = this.#db.run(
      `INSERT INTO inbox (cursor, conversation, sender, message_id, state, body, stored_at)
       SELECT ?1, ?2, ?3, ?4, 'waiting', ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM inbox
         WHERE conversation = ?2 AND message_id = ?4 AND sender IN (SELECT value FROM json_each(?7)))`,
      cursor, conversation, sender, messageId, body, storedAt, JSON.stringify([sender, ...senders]),
    );
    return changes > 0;
  }

  /** @returns {string[]} conversations of which something waits */
  waitingConversations() {
    return this.#db.all("SELECT DISTINCT conversation FROM inbox WHERE state = 'waiting'").map((row) => String(row.conversation));
  }

  /**
   * What may be handed out now, the oldest first. A message waits for earlier ones of its
   * conversation that are leased or not due. A wait that begins in the future is over: the clock
   * was set back. The indexes are named: without statistics SQLite prefers to go through the rows
   * of 30 days.
   * @param {{ limit: number, now: number, except: string[] }} wanted `except`: conversations to pass over
   * @returns {InboxRow[]}
   */
  due({ limit, now, except }) {
    const rows = this.#db.all(
      `WITH held AS MATERIALIZED (SELECT conversation, MIN(seq) AS seq FROM inbox INDEXED BY inbox_timed
         WHERE until IS NOT NULL AND (state = 'leased' OR (state = 'waiting' AND since <= ?1 AND until > ?1))
         GROUP BY conversation)
       SELECT this.seq, cursor, this.conversation, sender, message_id, body, stored_at
       FROM inbox AS this INDEXED BY inbox_waiting LEFT JOIN held ON held.conversation = this.conversation
       WHERE state = 'waiting' AND (held.seq IS NULL OR this.seq < held.seq)
         AND this.conversation NOT IN (SELECT value FROM json_each(?2))
       ORDER BY this.seq LIMIT ?3`,
      now, JSON.stringify(except), limit,
    );
    return /** @type {InboxRow[]} */ (/** @type {unknown} */ (rows));
  }

  /** @returns {Leased[]} the oldest first */
  leased() {
    const rows = this.#db.all(
      "SELECT seq, cursor, conversation, attempts, since, until, batch, consumer, instance FROM inbox INDEXED BY inbox_timed WHERE state = 'leased' AND until IS NOT NULL ORDER BY seq",
    );
    return /** @type {Leased[]} */ (/** @type {unknown} */ (rows));
  }

  /**
   * @param {number} now
   * @returns {number | null} when the next wait or lease ends
   */
  nextEnd(now) {
    const row = this.#db.one("SELECT MIN(until) AS next FROM inbox WHERE until > ? AND state IN ('waiting', 'leased')", now);
    return typeof row?.next === "number" ? row.next : null;
  }

  /**
   * @param {number[]} seqs
   * @param {{ batch: string, consumer: string | null, instance: string | null, since: number, until: number }} lease
   */
  lease(seqs, { batch, consumer, instance, since, until }) {
    for (const seq of seqs) {
      this.#db.run(
        "UPDATE inbox SET state = 'leased', batch = ?, consumer = ?, instance = ?, since = ?, until = ? WHERE seq = ?",
        batch, consumer, instance, since, until, seq,
      );
    }
  }

  /**
   * @param {number[]} seqs
   * @param {{ since: number, until: number }} lease
   */
  renew(seqs, { since, until }) {
    for (const seq of seqs) this.#db.run("UPDATE inbox SET since = ?, until = ? WHERE seq = ? AND state = 'leased'", since, until, seq);
  }

  /** @param {number[]} seqs wait again, due at once */
  free(seqs) {
    for (const seq of seqs) this.#db.run(`UPDATE inbox SET ${FREE} WHERE seq = ?`, seq);
  }

  /**
   * @param {number} seq
   * @param {{ since: number, until: number, attempts: number, reason: string | null }} wait
   */
  postpone(seq, { since, until, attempts, reason }) {
    this.#db.run(`UPDATE inbox SET ${FREE}, since = ?, until = ?, attempts = ?, reason = ? WHERE seq = ?`, since, until, attempts, reason, seq);
  }

  /**
   * Makes it a dead letter. Its text stays.
   * @param {number} seq
   * @param {{ at: number, attempts: number, reason: string | null }} end
   */
  bury(seq, { at, attempts, reason }) {
    this.#db.run(`UPDATE inbox SET ${ENDED}, state = 'dead', attempts = ?, reason = ?, ended_at = ? WHERE seq = ?`, attempts, reason, at, seq);
  }

  /**
   * Makes dead letters of all that waits or is leased.
   * @param {{ at: number, reason: string }} end
   * @returns {number} how many
   */
  buryOpen({ at, reason }) {
    return this.#db.run(`UPDATE inbox SET ${ENDED}, state = 'dead', reason = ?, ended_at = ? WHERE state IN ('waiting', 'leased')`, reason, at).changes;
  }

  /**
   * @param {string} cursor asked again, nothing happens
   * @param {number} now
   * @returns {{ conversation: string, stored_at: number } | null} what has ended by it
   */
  acknowledge(cursor, now) {
    const open = this.#db.one("SELECT conversation, stored_at FROM inbox WHERE cursor = ? AND state <> 'done'", cursor);
    if (!open) return null;
    const text = this.keepTextMs ? "" : "body = NULL,";
    this.#db.run(`UPDATE inbox SET ${ENDED}, ${text} state = 'done', ended_at = ? WHERE cursor = ? AND state <> 'done'`, now, cursor);
    return { conversation: String(open.conversation), stored_at: Number(open.stored_at) };
  }

  /**
   * @param {string} cursor of a dead letter, which then waits at its old place
   * @returns {boolean} false when it is none
   */
  retry(cursor) {
    return this.#db.run(`UPDATE inbox SET ${FREE}, attempts = 0, reason = NULL, ended_at = NULL WHERE cursor = ? AND state = 'dead'`, cursor).changes > 0;
  }

  /**
   * @param {string} cursor of what waits or is dead: nobody works on it
   * @param {number} now
   * @returns {boolean} false when it is neither
   */
  drop(cursor, now) {
    const { changes } = this.#db.run(
      `UPDATE inbox SET ${ENDED}, state = 'done', body = NULL, reason = 'dropped', ended_at = ? WHERE cursor = ? AND state IN ('waiting', 'dead')`,
      now, cursor,
    );
    return changes > 0;
  }

  /**
   * @param {{ states: readonly State[], limit: number, afterSeq?: number }} wanted
   * @returns {Listed[]} the oldest first
   */
  list({ states, limit, afterSeq = 0 }) {
    const rows = this.#db.all(
      `SELECT ${LISTED} FROM inbox WHERE state IN (SELECT value FROM json_each(?)) AND seq > ? ORDER BY seq LIMIT ?`,
      JSON.stringify(states), afterSeq, limit,
    );
    return /** @type {Listed[]} */ (/** @type {unknown} */ (rows));
  }

  /**
   * @param {string} cursor
   * @returns {Listed | null}
   */
  get(cursor) {
    const row = this.#db.one(`SELECT ${LISTED} FROM inbox WHERE cursor = ?`, cursor);
    return /** @type {Listed | undefined} */ (/** @type {unknown} */ (row)) ?? null;
  }

  /** @returns {{ waiting: number, leased: number, dead: number, done: number, last_stored_at: number | null }} */
  depth() {
    const count = (/** @type {string} */ where) => Number(this.#db.one(`SELECT COUNT(*) AS n FROM inbox WHERE ${where}`)?.n ?? 0);
    const last = this.#db.one("SELECT stored_at FROM inbox ORDER BY seq DESC LIMIT 1")?.stored_at;
    return {
      waiting: count("state = 'waiting'"),
      leased: count("state = 'leased' AND until IS NOT NULL"),
      dead: count("state = 'dead'"),
      done: count("state = 'done'"),
      last_stored_at: typeof last === "number" ? last : null,
    };
  }
}
