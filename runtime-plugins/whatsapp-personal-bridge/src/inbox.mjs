// @ts-check
/**
 * What came in and is not settled: who may write, who gets what when, and who waits. Rows are the
 * store's; the wire format is the contract's; attempts are not counted here.
 */

import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import { readAllowlist } from "./allowlist.mjs";
import { fromJid, shortReference, toJid } from "./identity.mjs";

/**
 * @typedef {import("./identity.mjs").Identity} Identity
 * @typedef {{
 *   conversation: string, aliases: Identity[], sender: string, messageId: string, group: boolean,
 *   kind: string, text: string, senderName: string | null, sentAt: number, groupSubject: string | null,
 * }} Inbound
 * @typedef {{ kind: string, text: string, group: boolean, senderName: string | null, sentAt: number, groupSubject: string | null }} Body
 * @typedef {import("./store.mjs").InboxRow & { content: Body, aliases: string[] }} Handed
 * @typedef {{ waitMs: number, max: number, inFlight: string[], allowed: string[] | null, signal?: AbortSignal }} Wanted
 */

/** Messages that wait in memory while no allowlist has been named. */
export const UNDECIDED_LIMIT = 1_000;
/** Text of one answer; the host's limit for a body is 1 MiB. */
const BATCH_CHARACTERS = 200_000;
const LAST_ALLOWLIST = "allowed_chat_ids";
/** Pause before a message that was given back is handed out again, when the caller names none. */
const POSTPONED_MS = 2_000;

export class Inbox {
  /** @type {import("./store.mjs").Store} */ #store;
  /** @type {import("./events.mjs").Emit} */ #emit;
  #changes = new EventEmitter().setMaxListeners(0);
  /** @type {import("./allowlist.mjs").Allowlist | null} */ #allowlist = null;
  #fixed = false;
  #closed = false;
  /** @type {Inbound[]} */ #undecided = [];
  dropped = 0;

  /**
   * @param {import("./store.mjs").Store} store
   * @param {import("./events.mjs").Emit} emit
   * @param {string[] | undefined} startList counts for this whole run; without one, the last list
   * that a request named counts
   */
  constructor(store, emit, startList) {
    this.#store = store;
    this.#emit = emit;
    const last = store.setting(LAST_ALLOWLIST);
    if (startList) this.#fixed = true;
    const list = startList ?? (last === null ? null : /** @type {string[]} */ (JSON.parse(last)));
    if (list) this.#decide(list);
  }

  /** Messages whose chat nobody has decided on yet. */
  get undecided() {
    return this.#undecided.length;
  }

  /**
   * Keeps a message, if its chat may write. On disk when this returns.
   * @param {Inbound} message
   */
  accept(message) {
    if (!this.#allowlist) {
      this.#undecided.push(message);
      if (this.#undecided.length > UNDECIDED_LIMIT) {
        this.#undecided.shift();
        this.dropped += 1;
      }
      return;
    }
    if (!this.#allowlist.allows([...message.aliases, ...this.#aliases(message.conversation)])) {
      this.#store.countRefused(message.conversation);
      this.#emit("message_refused", { chat: shortReference(message.conversation), reason: "not_in_allowlist" });
      return;
    }
    const { conversation, sender, messageId, kind, text, group, senderName, sentAt, groupSubject } = message;
    /** @type {Body} */
    const body = { kind, text, group, senderName, sentAt, groupSubject };
    const cursor = randomBytes(12).toString("base64url");
    if (!this.#store.addInbound({ cursor, conversation, sender, messageId, body: JSON.stringify(body) })) return;
    this.#emit("message_in", { chat: shortReference(conversation), kind, group });
    this.#changes.emit("change");
  }

  /**
   * @param {string[] | null} list as a request names it. An empty one opens nothing and, as it
   * comes from accounts that only send, decides nothing either
   */
  nameAllowlist(list) {
    if (!list?.length || this.#fixed) return;
    const text = JSON.stringify(list);
    if (this.#allowlist && this.#store.setting(LAST_ALLOWLIST) === text) return;
    this.#store.saveSetting(LAST_ALLOWLIST, text);
    this.#decide(list);
  }

  /**
   * Gives back what the caller no longer names, then waits for messages.
   * @param {Wanted} wanted
   * @returns {Promise<{ batch: string, rows: Handed[] }>}
   */
  async receive({ waitMs, max, inFlight, allowed, signal }) {
    const batch = randomBytes(9).toString("base64url");
    // Asking for none only says what is still wanted, and an empty list wants nobody.
    if (max === 0) return { batch, rows: [] };
    if (this.#store.giveBack({ keep: inFlight }) > 0) this.#changes.emit("change");
    const deadline = Date.now() + waitMs;
    for (;;) {
      if (this.#closed || signal?.aborted) return { batch, rows: [] };
      const rows = allowed?.length === 0 ? [] : this.#handOut(batch, max);
      if (rows.length > 0 || Date.now() >= deadline) return { batch, rows };
      await this.#changeUntil(deadline, signal);
    }
  }

  /** @param {string} cursor */
  acknowledge(cursor) {
    this.#store.acknowledge(cursor);
    this.#changes.emit("change");
  }

  /**
   * @param {string} cursor
   * @param {number} [delayMs]
   */
  release(cursor, delayMs = POSTPONED_MS) {
    this.#store.postpone(cursor, Date.now() + delayMs);
    this.#changes.emit("change");
  }

  /**
   * What a caller says is finished is no longer out, acknowledged or not.
   * @param {string | null} batch null for a caller that holds one batch at a time
   */
  completeBatch(batch) {
    this.#store.giveBack(batch === null ? { keep: [] } : { batch });
    this.#changes.emit("change");
  }

  /** Answers everybody who waits. */
  close() {
    this.#closed = true;
    this.#changes.emit("change");
  }

  /** @param {string[]} list */
  #decide(list) {
    this.#allowlist = readAllowlist(list);
    if (this.#allowlist.bad.length > 0) {
      this.#emit("warning", {
        code: "allowlist_unreadable",
        message: `allowed_chat_ids has entries that cannot be read (positions ${this.#allowlist.bad.join(", ")}), so no chat is let through`,
      });
    }
    for (const message of this.#undecided.splice(0)) this.accept(message);
    this.#changes.emit("change");
  }

  /**
   * @param {string} batch
   * @param {number} max
   * @returns {Handed[]}
   */
  #handOut(batch, max) {
    const except = this.#store.openConversations().filter((jid) => !this.#allowlist?.allows(this.#aliases(jid)));
    const rows = this.#store.handOut({ batch, limit: max, now: Date.now(), except });
    /** @type {Handed[]} */
    const handed = [];
    let characters = 0;
    for (const row of rows) {
      characters += row.body.length;
      if (handed.length > 0 && characters > BATCH_CHARACTERS) break;
      handed.push({ ...row, content: JSON.parse(row.body), aliases: this.#aliases(row.conversation).map(toJid) });
    }
    if (handed.length < rows.length) this.#store.putBack(rows.slice(handed.length).map((row) => row.cursor));
    return handed;
  }

  /** @param {string} jid */
  #aliases(jid) {
    const identity = fromJid(jid);
    if (!identity) return [];
    /** @type {Identity[]} */
    const others = [];
    if (identity.kind === "phone") for (const user of this.#store.lidsOf(identity.user)) others.push({ kind: "lid", user });
    const phone = identity.kind === "lid" ? this.#store.phoneOf(identity.user) : null;
    if (phone !== null) others.push({ kind: "phone", user: phone });
    return [identity, ...others];
  }

  /**
   * @param {number} deadline
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  #changeUntil(deadline, signal) {
    const now = Date.now();
    const until = Math.min(deadline, this.#store.nextDue(now) ?? deadline);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#changes.off("change", done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, until - now));
      this.#changes.on("change", done);
      signal?.addEventListener("abort", done);
    });
  }
}

/**
 * Where a message belongs, from the two ids that WhatsApp gives a chat and its sender.
 * @param {Identity[]} chat the chat's ids, the preferred one first
 * @param {Identity[]} author the sender's ids; in a direct chat the same
 */
export function place(chat, author) {
  const [first] = chat;
  const [sender] = author;
  if (!first || !sender) return null;
  return { conversation: toJid(first), sender: toJid(sender), group: first.kind === "group", aliases: chat };
}
