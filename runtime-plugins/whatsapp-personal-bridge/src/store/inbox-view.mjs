// @ts-check
/**
 * The inbox as the operator looks at it: rows listed, one put back, one dropped. Who waits for
 * messages is told by inbox.mjs above; handing out is in inbox.mjs beside it.
 */

/**
 * @typedef {"waiting" | "leased" | "dead" | "done"} InboxState
 * @typedef {{
 *   seq: number, cursor: string, conversation: string, sender: string, message_id: string, state: InboxState,
 *   body: string | null, stored_at: number, attempts: number, since: number | null, until: number | null, reason: string | null,
 * }} ViewedRow
 */

const COLUMNS = "seq, cursor, conversation, sender, message_id, state, body, stored_at, attempts, since, until, reason";

export class InboxView {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /**
   * @param {{ states: readonly InboxState[], limit: number, afterSeq: number }} wanted
   * @returns {ViewedRow[]} in the order in which they came in
   */
  list({ states, limit, afterSeq }) {
    const rows = this.#db.all(
      `SELECT ${COLUMNS} FROM inbox WHERE seq > ?1 AND state IN (SELECT value FROM json_each(?2)) ORDER BY seq LIMIT ?3`,
      afterSeq, JSON.stringify(states), limit,
    );
    return /** @type {ViewedRow[]} */ (/** @type {unknown} */ (rows));
  }

  /**
   * @param {string} cursor
   * @returns {ViewedRow | null}
   */
  get(cursor) {
    const row = this.#db.one(`SELECT ${COLUMNS} FROM inbox WHERE cursor = ?`, cursor);
    return row ? /** @type {ViewedRow} */ (/** @type {unknown} */ (row)) : null;
  }

  /** @returns {Record<InboxState, number>} */
  counts() {
    const found = new Map(this.#db.all("SELECT state, COUNT(*) AS count FROM inbox GROUP BY state").map(({ state, count }) => [state, Number(count)]));
    const of = (/** @type {InboxState} */ state) => found.get(state) ?? 0;
    return { waiting: of("waiting"), leased: of("leased"), dead: of("dead"), done: of("done") };
  }

  /**
   * @param {string} cursor
   * @returns {boolean} false when it is not dead
   */
  retry(cursor) {
    const back = "UPDATE inbox SET state = 'waiting', attempts = 0, since = NULL, until = NULL, ended_at = NULL, reason = NULL WHERE cursor = ? AND state = 'dead'";
    return this.#db.run(back, cursor).changes > 0;
  }

  /**
   * @param {string} cursor
   * @returns {boolean} false when it is neither dead nor waiting
   */
  drop(cursor) {
    const away = "UPDATE inbox SET state = 'done', body = NULL, ended_at = ?, reason = 'dropped' WHERE cursor = ? AND state IN ('dead', 'waiting')";
    return this.#db.run(away, Date.now(), cursor).changes > 0;
  }
}
