// @ts-check
/**
 * Chats by their ids: conversations that stay one, the two ids of a person. Which ids belong
 * together is known by people.mjs, how often a chat wrote by known-chats.mjs.
 */

import { fromJid, toJid } from "../identity.mjs";

export class Chats {
  /** @type {import("./database.mjs").Database} */ #db;
  /** @type {import("./known-chats.mjs").KnownChats} */ #known;

  /**
   * @param {import("./database.mjs").Database} db
   * @param {import("./known-chats.mjs").KnownChats} known
   */
  constructor(db, known) {
    this.#db = db;
    this.#known = known;
  }

  /**
   * The one id of a conversation, fixed when it is first asked for. Where two became known as one,
   * the older id stays and takes over what came in under the other. A number that has changed hands
   * names no conversation any more, unless nothing else is known.
   * @param {string[]} jids every id of the chat, the preferred one first
   */
  conversationOf(jids) {
    return this.#db.transaction(() => {
      const usable = jids.filter((jid) => !this.#db.one("SELECT 1 FROM former_numbers WHERE phone || '@s.whatsapp.net' = ?", jid));
      const candidates = usable.length > 0 ? usable : jids;
      const known = this.#db.all("SELECT id FROM conversations WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq", JSON.stringify(candidates));
      const [first, ...others] = known.map((row) => String(row.id));
      if (first === undefined) {
        this.#db.run("INSERT INTO conversations (id) VALUES (?)", candidates[0]);
        return String(candidates[0]);
      }
      for (const other of others) {
        this.#db.run("UPDATE OR IGNORE inbox SET conversation = ? WHERE conversation = ?", first, other);
        this.#db.run("DELETE FROM conversations WHERE id = ?", other);
      }
      return first;
    });
  }

  /**
   * A number belongs to one person at a time: whoever had it before is known by the LID alone.
   * @param {string} lid digits
   * @param {string} phone digits
   */
  rememberAlias(lid, phone) {
    if (this.phoneOf(lid) === phone) return;
    this.#db.transaction(() => {
      for (const row of this.#db.all("SELECT lid, phone FROM aliases WHERE phone = ? OR lid = ?", phone, lid)) {
        this.#leaveNumber(String(row.lid), String(row.phone));
      }
      this.#db.run("INSERT INTO aliases (lid, phone) VALUES (?, ?)", lid, phone);
      this.#known.join(toJid({ kind: "phone", user: phone }), toJid({ kind: "lid", user: lid }));
    });
  }

  /**
   * Whoever has the number next must neither continue the conversation nor get answers to it: what
   * came in goes on under the LID of its writer.
   * @param {string} lid
   * @param {string} phone
   */
  #leaveNumber(lid, phone) {
    const [from, to] = [toJid({ kind: "phone", user: phone }), toJid({ kind: "lid", user: lid })];
    this.#db.run("DELETE FROM aliases WHERE lid = ?", lid);
    this.#db.run("INSERT OR IGNORE INTO former_numbers (phone) VALUES (?)", phone);
    if (this.#db.run("DELETE FROM conversations WHERE id = ?", from).changes === 0) return;
    this.#db.run("INSERT OR IGNORE INTO conversations (id) VALUES (?)", to);
    this.#db.run("UPDATE OR IGNORE inbox SET conversation = ?2, sender = CASE sender WHEN ?1 THEN ?2 ELSE sender END WHERE conversation = ?1", from, to);
    // What did not move is there under the LID already.
    this.#db.run("DELETE FROM inbox WHERE conversation = ?", from);
  }

  /**
   * @param {string} phone digits
   * @returns {boolean} whether the number is somebody's, or once was
   */
  hasHadOwner(phone) {
    return this.lidOf(phone) !== null || this.#db.one("SELECT 1 FROM former_numbers WHERE phone = ?", phone) !== undefined;
  }

  /**
   * @param {string} lid digits
   * @returns {string | null} digits of the number
   */
  phoneOf(lid) {
    const row = this.#db.one("SELECT phone FROM aliases WHERE lid = ?", lid);
    return row ? String(row.phone) : null;
  }

  /**
   * @param {string} phone digits
   * @returns {string | null} digits of its LID
   */
  lidOf(phone) {
    const row = this.#db.one("SELECT lid FROM aliases WHERE phone = ?", phone);
    return row ? String(row.lid) : null;
  }

  /**
   * @param {string} jid any id of a chat
   * @returns {string} the one by which its sends are told apart from those to others: the number, where that is known; without a device
   */
  chatOf(jid) {
    const identity = fromJid(jid);
    if (!identity) return jid;
    const phone = identity.kind === "lid" ? this.phoneOf(identity.user) : null;
    return toJid(phone === null ? identity : { kind: "phone", user: phone });
  }
}
