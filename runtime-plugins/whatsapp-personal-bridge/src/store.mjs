// @ts-check
/**
 * The only SQL: one SQLite file per login, written through before anything is told. It knows
 * rows and transactions; what a message or a credential means is known by its callers.
 */

import fs from "node:fs";
import path from "node:path";
import Database from "libsql";
import { makePrivate } from "./auth-dir.mjs";
import { FatalError } from "./errors.mjs";
import { STEPS } from "./schema.mjs";
import { damaged, openingError } from "./store-errors.mjs";

/**
 * @typedef {{ seq: number, cursor: string, conversation: string, sender: string, message_id: string, body: string, stored_at: number }} InboxRow
 * @typedef {{ message_id: string, idempotency_key: string | null, jid: string, body: Buffer, state: "unsent" | "pending" | "sent" | "failed", error: string | null }} OutboxRow
 * @typedef {Record<string, Record<string, string | null>>} KeyChanges values by type and id; null deletes
 */

const FILE = "bridge.db";
/** How long a backup or an inspection of the file may hold us up. */
const PATIENCE_MS = 5_000;
const DUPLICATES_KNOWN_MS = 30 * 24 * 60 * 60 * 1000;

/**
 * Opens the store of a directory that is already private and locked, and creates it when there
 * is none.
 * @param {string} dir
 * @returns {Store}
 * @throws {FatalError} `store_damaged`, `store_read_only`, `store_version`, `store_failed`
 */
export function openStore(dir) {
  const file = path.join(dir, FILE);
  const files = [file, `${file}-wal`, `${file}-shm`];
  if (!fs.existsSync(file)) {
    if (fs.existsSync(`${file}-wal`)) throw damaged(file, "the file is gone, but its -wal file is there");
    create(file);
  }
  // SQLite takes an empty file for a new database.
  if (fs.statSync(file).size === 0) throw damaged(file, "the file is empty");
  for (const each of files) makePrivate(each);
  let db;
  try {
    fs.accessSync(file, fs.constants.R_OK | fs.constants.W_OK);
    db = new Database(file);
    const store = new Store(db, file);
    store.check();
    for (const each of files) makePrivate(each);
    return store;
  } catch (error) {
    db?.close();
    throw openingError(error, file);
  }
}

/**
 * Built under another name: an existing file without our tables is then always damage, never a
 * fresh start that was cut short.
 * @param {string} file
 */
function create(file) {
  const draft = `${file}.new`;
  try {
    fs.rmSync(draft, { force: true });
    const db = new Database(draft);
    for (const step of STEPS) db.exec(step);
    db.exec(`PRAGMA user_version = ${STEPS.length}`);
    db.close();
    fs.renameSync(draft, file);
  } catch (error) {
    throw openingError(error, file);
  }
}

export class Store {
  /** @type {import("libsql").Database} */ #db;
  /** @type {string} */ #file;
  /** @type {Map<string, import("libsql").Statement>} */ #statements = new Map();

  /**
   * @param {import("libsql").Database} db
   * @param {string} file
   */
  constructor(db, file) {
    this.#db = db;
    this.#file = file;
  }

  /** Settings of the connection, integrity, and the steps that are missing. */
  check() {
    this.#db.exec(`PRAGMA busy_timeout = ${PATIENCE_MS}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON`);
    const verdict = this.#db.prepare("PRAGMA quick_check(1)").all();
    if (verdict.length !== 1 || Object.values(verdict[0] ?? {})[0] !== "ok") {
      throw damaged(this.#file, "SQLite's integrity check fails");
    }
    const version = Number(this.#one("PRAGMA user_version")?.user_version ?? 0);
    if (version === 0) throw damaged(this.#file, "it holds no tables of the bridge");
    if (version > STEPS.length) {
      throw new FatalError(
        "store_version",
        `the store ${this.#file} was written by a newer bridge (format ${version}, this one knows ${STEPS.length})`,
        "start the newer bridge; or name another auth dir",
      );
    }
    const keys = this.#one("SELECT 1 AS found FROM signal_keys UNION ALL SELECT 1 FROM inbox UNION ALL SELECT 1 FROM outbox LIMIT 1");
    if (keys && !this.#one("SELECT 1 AS found FROM logins LIMIT 1")) throw damaged(this.#file, "it holds keys or messages, but no login");
    // Only now: it writes, and a file that is refused stays as it is.
    this.#db.exec("PRAGMA journal_mode = WAL");
    this.transaction(() => {
      for (const step of STEPS.slice(version)) this.#db.exec(step);
      this.#db.exec(`PRAGMA user_version = ${STEPS.length}`);
    });
    this.#run("DELETE FROM inbox WHERE state = 'done' AND done_at < ?", Date.now() - DUPLICATES_KNOWN_MS);
  }

  /** @param {string} why */
  damaged(why) {
    return damaged(this.#file, why);
  }

  /** Leaves everything in the one file: whoever looks at it, copies it or damages it sees the whole store. */
  close() {
    this.#statements.clear();
    try {
      this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    } finally {
      this.#db.close();
    }
  }

  /**
   * @template T
   * @param {() => T} work all of it is on disk when this returns, or none
   * @returns {T}
   */
  transaction(work) {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  // --- logins and keys -------------------------------------------------------------------------

  /** @returns {{ id: number, creds: string } | null} */
  currentLogin() {
    const row = this.#one("SELECT id, creds FROM logins WHERE state = 'current'");
    return row ? { id: Number(row.id), creds: String(row.creds) } : null;
  }

  /** @returns {string[]} the credentials of every login there ever was */
  logins() {
    return this.#all("SELECT creds FROM logins").map((row) => String(row.creds));
  }

  /**
   * @param {string} creds
   * @returns {number} its id
   */
  addLogin(creds) {
    return Number(this.#run("INSERT INTO logins (state, creds, created_at) VALUES ('current', ?, ?)", creds, Date.now()).lastInsertRowid);
  }

  /**
   * @param {number} login
   * @param {string} creds
   */
  saveCreds(login, creds) {
    this.#run("UPDATE logins SET creds = ? WHERE id = ?", creds, login);
  }

  /** @param {string} because keeps the current login, without using it any more */
  setLoginAside(because) {
    this.#run("UPDATE logins SET state = 'aside', ended_at = ?, ended_because = ? WHERE state = 'current'", Date.now(), because);
  }

  /**
   * @param {number} login
   * @param {string} type
   * @param {string} id
   * @returns {string | null}
   */
  key(login, type, id) {
    const row = this.#one("SELECT value FROM signal_keys WHERE login = ? AND type = ? AND id = ?", login, type, id);
    return row ? String(row.value) : null;
  }

  /**
   * @param {number} login
   * @param {KeyChanges} changes all or none of them
   */
  changeKeys(login, changes) {
    this.transaction(() => {
      for (const [type, values] of Object.entries(changes)) {
        for (const [id, value] of Object.entries(values)) {
          if (value === null) this.#run("DELETE FROM signal_keys WHERE login = ? AND type = ? AND id = ?", login, type, id);
          else this.#run("INSERT OR REPLACE INTO signal_keys (login, type, id, value) VALUES (?, ?, ?, ?)", login, type, id, value);
        }
      }
    });
  }

  /**
   * @param {string} creds
   * @param {KeyChanges} keys
   */
  importLogin(creds, keys) {
    this.transaction(() => {
      this.setLoginAside("imported");
      const login = this.addLogin(creds);
      for (const [type, values] of Object.entries(keys)) {
        for (const [id, value] of Object.entries(values)) {
          this.#run("INSERT INTO signal_keys (login, type, id, value) VALUES (?, ?, ?, ?)", login, type, id, value);
        }
      }
    });
  }

  // --- inbox -----------------------------------------------------------------------------------

  /**
   * @param {{ cursor: string, conversation: string, sender: string, senders: string[], messageId: string, body: string }} message
   * `senders`: every id of the sender; one message can come twice under different ones
   * @returns {boolean} false for a message that is known already
   */
  addInbound({ cursor, conversation, sender, senders, messageId, body }) {
    const { changes } = this.#run(
      `INSERT INTO inbox (cursor, conversation, sender, message_id, state, body, stored_at)
       SELECT ?1, ?2, ?3, ?4, 'waiting', ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM inbox
         WHERE conversation = ?2 AND message_id = ?4 AND sender IN (SELECT value FROM json_each(?7)))`,
      cursor, conversation, sender, messageId, body, Date.now(), JSON.stringify([sender, ...senders]),
    );
    return changes > 0;
  }

  /** @returns {string[]} conversations with messages that are not settled */
  openConversations() {
    return this.#all("SELECT DISTINCT conversation FROM inbox WHERE state <> 'done'").map((row) => String(row.conversation));
  }

  /**
   * Hands out the oldest messages. A message waits for earlier ones of its conversation that are
   * out or not due.
   * @param {{ batch: string, limit: number, now: number, except: string[] }} wanted `except`: conversations to pass over
   * @returns {InboxRow[]}
   */
  handOut({ batch, limit, now, except }) {
    return this.transaction(() => {
      const rows = this.#all(
        `SELECT seq, cursor, conversation, sender, message_id, body, stored_at FROM inbox AS this
         WHERE state = 'waiting' AND not_before <= ?1
           AND conversation NOT IN (SELECT value FROM json_each(?2))
           AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
             WHERE earlier.conversation = this.conversation AND earlier.seq < this.seq
               AND (earlier.state = 'out' OR (earlier.state = 'waiting' AND earlier.not_before > ?1)))
         ORDER BY seq LIMIT ?3`,
        now, JSON.stringify(except), limit,
      );
      for (const { seq } of rows) this.#run("UPDATE inbox SET state = 'out', batch = ? WHERE seq = ?", batch, seq);
      return /** @type {InboxRow[]} */ (/** @type {unknown} */ (rows));
    });
  }

  /**
   * @param {number} now
   * @returns {number | null} when the next postponed message is due
   */
  nextDue(now) {
    const row = this.#one("SELECT MIN(not_before) AS due FROM inbox WHERE state = 'waiting' AND not_before > ?", now);
    return typeof row?.due === "number" ? row.due : null;
  }

  /**
   * @param {{ keep: string[] } | { batch: string }} which all but some cursors, or one batch
   * @returns {number} how many wait again
   */
  giveBack(which) {
    const back = "UPDATE inbox SET state = 'waiting', batch = NULL WHERE state = 'out' AND";
    return "batch" in which
      ? this.#run(`${back} batch = ?`, which.batch).changes
      : this.#run(`${back} cursor NOT IN (SELECT value FROM json_each(?))`, JSON.stringify(which.keep)).changes;
  }

  /** @param {string[]} cursors handed out in this very call, but not told to anybody */
  putBack(cursors) {
    this.#run("UPDATE inbox SET state = 'waiting', batch = NULL WHERE state = 'out' AND cursor IN (SELECT value FROM json_each(?))", JSON.stringify(cursors));
  }

  /**
   * Gives one back, and with it the later ones of its conversation: they must not overtake it.
   * @param {string} cursor
   * @param {number} notBefore
   * @returns {boolean} false when it is not out
   */
  postpone(cursor, notBefore) {
    return this.transaction(() => {
      const row = this.#one("SELECT seq, conversation FROM inbox WHERE cursor = ? AND state = 'out'", cursor);
      if (!row) return false;
      this.#run("UPDATE inbox SET state = 'waiting', batch = NULL WHERE conversation = ? AND seq >= ? AND state = 'out'", row.conversation, row.seq);
      this.#run("UPDATE inbox SET not_before = ? WHERE cursor = ?", notBefore, cursor);
      return true;
    });
  }

  /** @param {string} cursor its text is gone after this; asked again, nothing happens */
  acknowledge(cursor) {
    this.#run("UPDATE inbox SET state = 'done', body = NULL, batch = NULL, done_at = ? WHERE cursor = ? AND state <> 'done'", Date.now(), cursor);
  }

  /** @returns {{ waiting: number, out: number, last_stored_at: number | null }} */
  inboxDepth() {
    const row = this.#one("SELECT SUM(state = 'waiting') AS waiting, SUM(state = 'out') AS out, MAX(stored_at) AS last FROM inbox");
    return { waiting: Number(row?.waiting ?? 0), out: Number(row?.out ?? 0), last_stored_at: typeof row?.last === "number" ? row.last : null };
  }

  // --- outbox ----------------------------------------------------------------------------------

  /** @param {{ messageId: string, key: string | null, jid: string, body: Uint8Array }} message */
  addOutbound({ messageId, key, jid, body }) {
    this.#run(
      "INSERT INTO outbox (message_id, idempotency_key, jid, body, state, created_at) VALUES (?, ?, ?, ?, 'pending', ?)",
      messageId, key, jid, Buffer.from(body), Date.now(),
    );
  }

  /**
   * @param {string} key
   * @returns {OutboxRow | null}
   */
  outboundByKey(key) {
    return outboxRow(this.#one("SELECT * FROM outbox WHERE idempotency_key = ?", key));
  }

  /**
   * @param {string} messageId
   * @returns {OutboxRow | null}
   */
  outboundById(messageId) {
    return outboxRow(this.#one("SELECT * FROM outbox WHERE message_id = ?", messageId));
  }

  /** @returns {string[]} ids of what was accepted and not yet acknowledged by WhatsApp, oldest first */
  pendingOutbound() {
    return this.#all("SELECT message_id FROM outbox WHERE state = 'pending' ORDER BY created_at").map((row) => String(row.message_id));
  }

  /**
   * @param {string} messageId
   * @param {OutboxRow["state"]} state
   * @param {string | null} [error]
   */
  settleOutbound(messageId, state, error = null) {
    this.#run("UPDATE outbox SET state = ?, error = ?, settled_at = ? WHERE message_id = ? AND state <> 'sent'", state, error, Date.now(), messageId);
  }

  /** @param {string} messageId */
  forgetOutbound(messageId) {
    this.#run("DELETE FROM outbox WHERE message_id = ?", messageId);
  }

  /** @returns {{ pending: number, failed: number, last_sent_at: number | null }} */
  outboxDepth() {
    const row = this.#one(
      "SELECT SUM(state = 'pending') AS pending, SUM(state = 'failed') AS failed, MAX(CASE WHEN state = 'sent' THEN settled_at END) AS last FROM outbox",
    );
    return { pending: Number(row?.pending ?? 0), failed: Number(row?.failed ?? 0), last_sent_at: typeof row?.last === "number" ? row.last : null };
  }

  // --- chats and settings ----------------------------------------------------------------------

  /**
   * The one id of a conversation, fixed when it is first asked for. Where two became known as one,
   * the older id stays and takes over what came in under the other.
   * @param {string[]} jids every id of the chat, the preferred one first
   */
  conversationOf(jids) {
    return this.transaction(() => {
      const known = this.#all("SELECT id FROM conversations WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq", JSON.stringify(jids));
      const [first, ...others] = known.map((row) => String(row.id));
      if (first === undefined) {
        this.#run("INSERT INTO conversations (id) VALUES (?)", jids[0]);
        return String(jids[0]);
      }
      for (const other of others) {
        this.#run("UPDATE OR IGNORE inbox SET conversation = ? WHERE conversation = ?", first, other);
        this.#run("DELETE FROM conversations WHERE id = ?", other);
      }
      return first;
    });
  }

  /** @param {string} chat */
  countRefused(chat) {
    this.#run(
      "INSERT INTO refused_chats (chat, count, last_at) VALUES (?, 1, ?) ON CONFLICT (chat) DO UPDATE SET count = count + 1, last_at = excluded.last_at",
      chat, Date.now(),
    );
  }

  /** @returns {{ chats: number, messages: number, last_at: number | null }} */
  refused() {
    const row = this.#one("SELECT COUNT(*) AS chats, SUM(count) AS messages, MAX(last_at) AS last FROM refused_chats");
    return { chats: Number(row?.chats ?? 0), messages: Number(row?.messages ?? 0), last_at: typeof row?.last === "number" ? row.last : null };
  }

  /**
   * A number belongs to one person at a time: whoever had it before is known by the LID alone.
   * @param {string} lid digits
   * @param {string} phone digits
   */
  rememberAlias(lid, phone) {
    if (this.phoneOf(lid) === phone) return;
    this.transaction(() => {
      this.#run("DELETE FROM aliases WHERE phone = ? OR lid = ?", phone, lid);
      this.#run("INSERT INTO aliases (lid, phone) VALUES (?, ?)", lid, phone);
    });
  }

  /**
   * @param {string} lid digits
   * @returns {string | null} digits of the number
   */
  phoneOf(lid) {
    const row = this.#one("SELECT phone FROM aliases WHERE lid = ?", lid);
    return row ? String(row.phone) : null;
  }

  /**
   * @param {string} phone digits
   * @returns {string | null} digits of its LID
   */
  lidOf(phone) {
    const row = this.#one("SELECT lid FROM aliases WHERE phone = ?", phone);
    return row ? String(row.lid) : null;
  }

  /** @param {string} name */
  setting(name) {
    const row = this.#one("SELECT value FROM settings WHERE name = ?", name);
    return row ? String(row.value) : null;
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  saveSetting(name, value) {
    this.#run("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2", name, value);
  }

  // --- statements ------------------------------------------------------------------------------

  /** @param {string} sql */
  #statement(sql) {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * @param {string} sql
   * @param {unknown[]} values
   */
  #run(sql, ...values) {
    return this.#statement(sql).run(...values);
  }

  /**
   * @param {string} sql
   * @param {unknown[]} values
   * @returns {Record<string, unknown> | undefined}
   */
  #one(sql, ...values) {
    return /** @type {Record<string, unknown> | undefined} */ (this.#statement(sql).get(...values));
  }

  /**
   * @param {string} sql
   * @param {unknown[]} values
   * @returns {Record<string, unknown>[]}
   */
  #all(sql, ...values) {
    return /** @type {Record<string, unknown>[]} */ (this.#statement(sql).all(...values));
  }
}

/** @param {Record<string, unknown> | undefined} row */
function outboxRow(row) {
  return row ? /** @type {OutboxRow} */ (/** @type {unknown} */ (row)) : null;
}
