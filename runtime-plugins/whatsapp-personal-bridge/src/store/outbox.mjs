// @ts-check
/**
 * Rows of what went out, or is to: sends, and the parts that each is made of. What is sent when is
 * decided by outbox.mjs above.
 */

/**
 * @typedef {"unsent" | "pending" | "sent" | "failed"} PartState
 * @typedef {{ message_id: string, send: number, place: number, state: PartState, error: string | null }} Part
 * @typedef {Part & { jid: string, body: Buffer | null, idempotency_key: string | null, created_at: number }} Known a part with what is
 * known of its send; `created_at`: when it was accepted
 * @typedef {{ id: number, jid: string, text: string | null }} Send `text`: null when it is no longer known
 * @typedef {{ send: number, jid: string, messageId: string, body: Buffer }} Departure
 * @typedef {{ pending: number, sent: number, delivered: number, read: number, failed: number, last_sent_at: number | null }} Depth
 */

const LOGIN_ENDED = "the login ended before WhatsApp took it";
const EARLIER_REFUSED = "an earlier part was refused";
const NOT_ALLOWED = "its chat was taken off allowed_chat_ids before it left";
const NO_LONGER_ALLOWED = "its chat was taken off allowed_chat_ids; it had been handed over once, so it may have arrived";
const NOT_ASKED_AGAIN = "it could not be sent, nobody asked for it again in time, and its text is gone";

/** @param {string | null} error of a part that failed: whether it was kept back by the list */
export function wasWithheld(error) {
  return error === NOT_ALLOWED || error === NO_LONGER_ALLOWED;
}

/** @param {string | null} error of a part: whether it was kept back when it had left once */
export function mayHaveArrived(error) {
  return error === NO_LONGER_ALLOWED;
}

export class OutboxRows {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /**
   * @param {{ key: string | null, jid: string, text: string, parts: { messageId: string, body: Uint8Array }[], openedAt?: number | null }} send
   * `openedAt`: now, when it is the first one to a chat that was never written to, and no reply
   * @returns {number} its id, under the current login
   */
  add({ key, jid, text, parts, openedAt = null }) {
    return this.#db.transaction(() => {
      const { lastInsertRowid } = this.#db.run(
        "INSERT INTO sends (login, idempotency_key, jid, text, created_at, opened_at) VALUES ((SELECT id FROM logins WHERE state = 'current'), ?, ?, ?, ?, ?)",
        key, jid, text, Date.now(), openedAt,
      );
      for (const [place, { messageId, body }] of parts.entries()) {
        this.#db.run("INSERT INTO parts (message_id, send, place, body, state) VALUES (?, ?, ?, ?, 'pending')", messageId, lastInsertRowid, place, Buffer.from(body));
      }
      return Number(lastInsertRowid);
    });
  }

  /**
   * @param {string} key
   * @returns {Send | null}
   */
  byKey(key) {
    return /** @type {Send | null} */ (this.#db.one("SELECT id, jid, text FROM sends WHERE idempotency_key = ?", key) ?? null);
  }

  /**
   * @param {string} messageId
   * @returns {Known | null}
   */
  byId(messageId) {
    const row = this.#db.one("SELECT message_id, send, place, state, error, body, jid, idempotency_key, created_at FROM parts JOIN sends ON sends.id = send WHERE message_id = ?", messageId);
    return /** @type {Known | null} */ (row ?? null);
  }

  /**
   * @param {number} send
   * @returns {Part[]} in their order; none when the send was forgotten
   */
  parts(send) {
    return /** @type {Part[]} */ (this.#db.all("SELECT message_id, send, place, state, error FROM parts WHERE send = ? ORDER BY place", send));
  }

  /** @returns {{ id: number, jid: string }[]} sends of the current login with parts that WhatsApp has not taken yet, oldest first */
  pending() {
    const rows = this.#db.all(
      `SELECT id, jid FROM sends WHERE login = (SELECT id FROM logins WHERE state = 'current')
         AND id IN (SELECT send FROM parts WHERE state = 'pending') ORDER BY id`,
    );
    return rows.map(({ id, jid }) => ({ id: Number(id), jid: String(jid) }));
  }

  /**
   * @param {number} send
   * @returns {Departure | null} its first part that WhatsApp has not taken yet; null also when its login is no longer current
   */
  next(send) {
    const row = this.#db.one(
      `SELECT jid, message_id, body FROM parts JOIN sends ON sends.id = send
       WHERE send = ? AND state = 'pending' AND login = (SELECT id FROM logins WHERE state = 'current') ORDER BY place LIMIT 1`,
      send,
    );
    return row ? { send, jid: String(row.jid), messageId: String(row.message_id), body: /** @type {Buffer} */ (row.body) } : null;
  }

  /** @param {string} messageId WhatsApp has it */
  sent(messageId) {
    this.#db.run("UPDATE parts SET state = 'sent', error = NULL, settled_at = ? WHERE message_id = ?", Date.now(), messageId);
  }

  /**
   * @param {string} messageId refused; what follows it in its send would be a text with a hole
   * @param {string} error
   */
  refused(messageId, error) {
    this.#db.transaction(() => {
      const now = Date.now();
      this.#db.run("UPDATE parts SET state = 'failed', error = ?, settled_at = ? WHERE message_id = ?", error, now, messageId);
      this.#db.run(
        `UPDATE parts SET state = 'failed', error = ?, settled_at = ?
         WHERE send = (SELECT send FROM parts WHERE message_id = ?) AND state IN ('unsent', 'pending')`,
        EARLIER_REFUSED, now, messageId,
      );
    });
  }

  /**
   * Nothing of it has left, and its caller knows. One without a key cannot be asked for again.
   * @param {number} send
   */
  takeBack(send) {
    this.#db.transaction(() => {
      this.#db.run("UPDATE parts SET state = 'unsent', settled_at = ?, left_at = NULL WHERE send = ? AND state = 'pending'", Date.now(), send);
      this.#db.run("DELETE FROM parts WHERE send IN (SELECT id FROM sends WHERE id = ? AND idempotency_key IS NULL)", send);
      this.#db.run("DELETE FROM sends WHERE id = ? AND idempotency_key IS NULL", send);
    });
  }

  /**
   * @param {number} send that was taken back: it is to leave, under the login of now
   * @param {number | null} [openedAt] as in `add`
   */
  askAgain(send, openedAt = null) {
    this.#db.transaction(() => {
      this.#db.run("UPDATE sends SET login = (SELECT id FROM logins WHERE state = 'current'), opened_at = ? WHERE id = ?", openedAt, send);
      this.#db.run("UPDATE parts SET state = 'pending', settled_at = NULL WHERE send = ? AND state = 'unsent'", send);
    });
  }

  /**
   * Its chat may not be written to any more.
   * @param {number} send
   * @param {"waiting" | "all"} which parts that wait for WhatsApp's word: those that have never left, or all
   * @returns {number} how many will never leave now
   */
  withhold(send, which) {
    const { changes } = this.#db.run(
      `UPDATE parts SET state = 'failed', error = CASE WHEN left_at IS NULL THEN ? ELSE ? END, settled_at = ?
       WHERE send = ? AND state = 'pending' AND (left_at IS NULL OR ?)`,
      NOT_ALLOWED, NO_LONGER_ALLOWED, Date.now(), send, which === "all" ? 1 : 0,
    );
    return changes;
  }

  /** What was to leave under a login that is no more never leaves under another number. */
  endWithLogins() {
    this.#db.run(
      `UPDATE parts SET state = 'failed', error = ?, settled_at = ?
       WHERE state = 'pending' AND send IN (SELECT sends.id FROM sends JOIN logins ON logins.id = login WHERE logins.state = 'aside')`,
      LOGIN_ENDED, Date.now(),
    );
  }

  /**
   * @param {string} messageId
   * @param {"delivered" | "read"} what the first receipt of its kind counts; what was read was delivered
   * @param {number} at Unix milliseconds
   */
  receipt(messageId, what, at) {
    this.#db.run(
      "UPDATE parts SET delivered_at = COALESCE(delivered_at, ?1), read_at = CASE WHEN ?2 = 'read' THEN COALESCE(read_at, ?1) ELSE read_at END WHERE message_id = ?3",
      at, what, messageId,
    );
  }

  /**
   * Texts and bytes go when they are of no more use; ids, keys and times stay, for whoever asks again.
   * @param {number} now
   * @param {number} keepMs how long after its end the text of a message is kept
   */
  forgetOld(now, keepMs) {
    const before = now - keepMs;
    this.#db.transaction(() => {
      this.#db.run("UPDATE parts SET state = 'failed', error = ? WHERE state = 'unsent' AND settled_at < ?", NOT_ASKED_AGAIN, before);
      this.#db.run("UPDATE parts SET body = NULL WHERE body IS NOT NULL AND state IN ('sent', 'failed') AND settled_at < ?", before);
      this.#db.run("UPDATE sends SET text = NULL WHERE text IS NOT NULL AND NOT EXISTS (SELECT 1 FROM parts WHERE send = sends.id AND body IS NOT NULL)");
    });
  }

  /** @returns {Depth} in WhatsApp messages; `sent` counts the delivered ones too, `delivered` the read ones */
  depth() {
    const row = this.#db.one(
      `SELECT SUM(state = 'pending') AS pending, SUM(state = 'sent') AS sent, COUNT(delivered_at) AS delivered, COUNT(read_at) AS read,
         SUM(state = 'failed') AS failed, MAX(CASE WHEN state = 'sent' THEN settled_at END) AS last FROM parts`,
    );
    const number = (/** @type {string} */ name) => Number(row?.[name] ?? 0);
    return {
      pending: number("pending"),
      sent: number("sent"),
      delivered: number("delivered"),
      read: number("read"),
      failed: number("failed"),
      last_sent_at: typeof row?.last === "number" ? row.last : null,
    };
  }
}
