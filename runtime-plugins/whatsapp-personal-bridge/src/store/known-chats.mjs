// @ts-check
/**
 * Rows of the chats that there are: those that were let in or written to, with a name and counts,
 * and those that were refused, with a count alone. A person has one row, under the LID where that
 * is known: the LID stays with the person, a number changes hands. Who is let in is the inbox's.
 */

import { fromJid, toJid } from "../identity.mjs";

/**
 * @typedef {{ seq: number, chat: string, name: string | null, messages_in: number, messages_out: number, last_at: number }} KnownChat
 * `chat`: a JID; `last_at`: the last message, Unix milliseconds. Of a refused chat there is no name
 * @typedef {{ lastAt: number, seq: number }} Place in a list, the newest first
 */

/** Of each kind; beyond it those that have been silent for the longest time go. */
export const CHATS_LIMIT = 10_000;

const LISTS = Object.freeze({
  known: "SELECT seq, chat, name, messages_in, messages_out, last_at FROM known_chats",
  refused: "SELECT seq, chat, NULL AS name, count AS messages_in, 0 AS messages_out, last_at FROM refused_chats",
});

export class KnownChats {
  /** @type {import("./database.mjs").Database} */ #db;
  /** @type {number} */ #limit;

  /**
   * @param {import("./database.mjs").Database} db
   * @param {number} [limit]
   */
  constructor(db, limit = CHATS_LIMIT) {
    this.#db = db;
    this.#limit = limit;
  }

  /**
   * A message came in, and its chat is let in.
   * @param {string} jid any id of the chat
   * @param {string | null} name null leaves the last one
   * @param {number} at
   */
  came(jid, name, at) {
    this.#count("messages_in", jid, name, at);
  }

  /**
   * WhatsApp has taken a message to it.
   * @param {string} jid any id of the chat
   * @param {number} at
   */
  went(jid, at) {
    this.#count("messages_out", jid, null, at);
  }

  /**
   * @param {string} jid any id of the chat
   * @returns {boolean} whether WhatsApp has ever taken a message to it
   */
  wasWrittenTo(jid) {
    return this.#db.one("SELECT 1 AS found FROM known_chats WHERE chat = ? AND messages_out > 0", this.#personOf(jid)) !== undefined;
  }

  /**
   * @param {string} jid of a chat; where it is not known, nothing happens
   * @param {string} name
   */
  rename(jid, name) {
    this.#db.run("UPDATE known_chats SET name = ? WHERE chat = ?", name, this.#personOf(jid));
  }

  /**
   * A message of a chat that is not let in: that it came, and nothing else.
   * @param {string} jid any id of the chat
   * @param {number} at
   */
  refuse(jid, at) {
    this.#db.run(
      "INSERT INTO refused_chats (chat, count, last_at) VALUES (?1, 1, ?2) ON CONFLICT (chat) DO UPDATE SET count = count + 1, last_at = MAX(last_at, ?2)",
      this.#personOf(jid), at,
    );
    this.#trim("refused_chats");
  }

  /** @returns {{ chats: number, messages: number, last_at: number | null }} */
  refused() {
    const row = this.#db.one("SELECT COUNT(*) AS chats, SUM(count) AS messages, MAX(last_at) AS last FROM refused_chats");
    return { chats: Number(row?.chats ?? 0), messages: Number(row?.messages ?? 0), last_at: typeof row?.last === "number" ? row.last : null };
  }

  /** @returns {number} how many chats are known */
  count() {
    return Number(this.#db.one("SELECT COUNT(*) AS n FROM known_chats")?.n ?? 0);
  }

  /**
   * @param {{ kind: "known" | "refused", limit: number, after: Place | null }} wanted
   * @returns {KnownChat[]} the newest first
   */
  list({ kind, limit, after }) {
    const rows = this.#db.all(
      `${LISTS[kind]} WHERE (last_at, seq) < (?, ?) ORDER BY last_at DESC, seq DESC LIMIT ?`,
      after?.lastAt ?? Number.MAX_SAFE_INTEGER, after?.seq ?? Number.MAX_SAFE_INTEGER, limit,
    );
    return /** @type {KnownChat[]} */ (/** @type {unknown} */ (rows));
  }

  /**
   * Two ids turned out to be one person.
   * @param {string} number
   * @param {string} lid under which both go on
   */
  join(number, lid) {
    this.#db.run(
      `INSERT INTO known_chats (chat, name, messages_in, messages_out, last_at)
         SELECT ?2, name, messages_in, messages_out, last_at FROM known_chats WHERE chat = ?1
       ON CONFLICT (chat) DO UPDATE SET messages_in = messages_in + excluded.messages_in, messages_out = messages_out + excluded.messages_out,
         name = CASE WHEN name IS NULL OR (excluded.name IS NOT NULL AND excluded.last_at > last_at) THEN excluded.name ELSE name END,
         last_at = MAX(last_at, excluded.last_at)`,
      number, lid,
    );
    this.#db.run("DELETE FROM known_chats WHERE chat = ?", number);
    this.#db.run(
      `INSERT INTO refused_chats (chat, count, last_at) SELECT ?2, count, last_at FROM refused_chats WHERE chat = ?1
       ON CONFLICT (chat) DO UPDATE SET count = count + excluded.count, last_at = MAX(last_at, excluded.last_at)`,
      number, lid,
    );
    this.#db.run("DELETE FROM refused_chats WHERE chat = ?", number);
  }

  /** Another account is linked: whom the last one knew is not its business. */
  forgetAll() {
    this.#db.run("DELETE FROM known_chats");
    this.#db.run("DELETE FROM refused_chats");
  }

  /**
   * @param {"messages_in" | "messages_out"} column
   * @param {string} jid
   * @param {string | null} name
   * @param {number} at
   */
  #count(column, jid, name, at) {
    this.#db.run(
      `INSERT INTO known_chats (chat, name, ${column}, last_at) VALUES (?1, ?2, 1, ?3)
       ON CONFLICT (chat) DO UPDATE SET ${column} = ${column} + 1, name = COALESCE(?2, name), last_at = MAX(last_at, ?3)`,
      this.#personOf(jid), name, at,
    );
    this.#trim("known_chats");
  }

  /** @param {string} jid */
  #personOf(jid) {
    const identity = fromJid(jid);
    const row = identity?.kind === "phone" ? this.#db.one("SELECT lid FROM aliases WHERE phone = ?", identity.user) : undefined;
    return row ? toJid({ kind: "lid", user: String(row.lid) }) : jid;
  }

  /** @param {"known_chats" | "refused_chats"} table */
  #trim(table) {
    const more = Number(this.#db.one(`SELECT COUNT(*) AS n FROM ${table}`)?.n ?? 0) - this.#limit;
    if (more > 0) this.#db.run(`DELETE FROM ${table} WHERE seq IN (SELECT seq FROM ${table} ORDER BY last_at, seq LIMIT ?)`, more);
  }
}
