// @ts-check
/**
 * Rows of what went out, or is to. What is sent when is decided by outbox.mjs above.
 */

/** @typedef {{ message_id: string, idempotency_key: string | null, jid: string, body: Buffer, state: "unsent" | "pending" | "sent" | "failed", error: string | null }} OutboxRow */

export class OutboxRows {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /** @param {{ messageId: string, key: string | null, jid: string, body: Uint8Array }} message */
  add({ messageId, key, jid, body }) {
    this.#db.run(
      "INSERT INTO outbox (message_id, idempotency_key, jid, body, state, created_at) VALUES (?, ?, ?, ?, 'pending', ?)",
      messageId, key, jid, Buffer.from(body), Date.now(),
    );
  }

  /**
   * @param {string} key
   * @returns {OutboxRow | null}
   */
  byKey(key) {
    return outboxRow(this.#db.one("SELECT * FROM outbox WHERE idempotency_key = ?", key));
  }

  /**
   * @param {string} messageId
   * @returns {OutboxRow | null}
   */
  byId(messageId) {
    return outboxRow(this.#db.one("SELECT * FROM outbox WHERE message_id = ?", messageId));
  }

  /** @returns {string[]} ids of what was accepted and not yet acknowledged by WhatsApp, oldest first */
  pending() {
    return this.#db.all("SELECT message_id FROM outbox WHERE state = 'pending' ORDER BY created_at").map((row) => String(row.message_id));
  }

  /**
   * @param {string} messageId
   * @param {OutboxRow["state"]} state
   * @param {string | null} [error]
   */
  settle(messageId, state, error = null) {
    this.#db.run("UPDATE outbox SET state = ?, error = ?, settled_at = ? WHERE message_id = ? AND state <> 'sent'", state, error, Date.now(), messageId);
  }

  /** @param {string} messageId */
  forget(messageId) {
    this.#db.run("DELETE FROM outbox WHERE message_id = ?", messageId);
  }

  /** @returns {{ pending: number, failed: number, last_sent_at: number | null }} */
  depth() {
    const row = this.#db.one(
      "SELECT SUM(state = 'pending') AS pending, SUM(state = 'failed') AS failed, MAX(CASE WHEN state = 'sent' THEN settled_at END) AS last FROM outbox",
    );
    return { pending: Number(row?.pending ?? 0), failed: Number(row?.failed ?? 0), last_sent_at: typeof row?.last === "number" ? row.last : null };
  }
}

/** @param {Record<string, unknown> | undefined} row */
function outboxRow(row) {
  return row ? /** @type {OutboxRow} */ (/** @type {unknown} */ (row)) : null;
}
