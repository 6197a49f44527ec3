// @ts-check
/**
 * What came in and is not settled: who may write, who gets what when, and who waits. Rows are the
 * store's; the wire format is the contract's; attempts are not counted here.
 */

import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import { readAllowlist } from "./allowlist.mjs";
import { fromJid, shortEntry, shortReference, toJid } from "./identity.mjs";

/**
 * @typedef {import("./identity.mjs").Identity} Identity
 * @typedef {{
 *   conversation: string, aliases: Identity[], sender: string, senders: string[], messageId: string,
 *   group: boolean, addressed: boolean, kind: string, text: string, senderName: string | null,
 *   sentAt: number, groupSubject: string | null,
 * }} Inbound `conversation`: the chat's preferred id; which one it keeps is decided when it is
 * stored. `addressed`: a group message that mentions or quotes us
 * @typedef {{ kind: string, text: string, group: boolean, senderName: string | null, sentAt: number, groupSubject: string | null }} Body
 * @typedef {import("./store/inbox.mjs").InboxRow & { content: Body, aliases: string[] }} Handed
 * @typedef {{ waitMs: number, max: number, inFlight: string[], allowed: string[] | null, signal?: AbortSignal }} Wanted
 */

/** Messages that wait in memory while no allowlist has been named. */
export const UNDECIDED_LIMIT = 1_000;
/** Text of one answer; the host's limit for a body is 1 MiB. */
const BATCH_CHARACTERS = 200_000;
const LAST_ALLOWLIST = "allowed_chat_ids";
/** Chats whose place on the list has been told in this run; after that many they are told again. */
const TOLD_LIMIT = 10_000;
/** Pause before a message that was given back is handed out again, when the caller names none. */
const POSTPONED_MS = 2_000;

export class Inbox {
  /** @type {import("./store/store.mjs").Store} */ #store;
  /** @type {import("./events.mjs").Emit} */ #emit;
  #changes = new EventEmitter().setMaxListeners(0);
  /** @type {import("./allowlist.mjs").Allowlist | null} */ #allowlist = null;
  #fixed = false;
  #closed = false;
  /** @type {Inbound[]} */ #undecided = [];
  /** @type {import("./people.mjs").People} */ #people;
  /** @type {import("./settings.mjs").GroupReply} */ #groupReply;
  /** @type {Set<string>} */ #told = new Set();
  dropped = 0;
  /** Group messages that were not for us. */
  notAddressed = 0;

  /**
   * @param {{ store: import("./store/store.mjs").Store, people: import("./people.mjs").People, emit: import("./events.mjs").Emit }} parts
   * @param {Pick<import("./settings.mjs").Settings, "allowedChatIds" | "groupReply">} settings a list
   * counts for this whole run; without one, the last list that a request named counts
   */
  constructor({ store, people, emit }, { allowedChatIds: startList, groupReply }) {
    this.#store = store;
    this.#people = people;
    this.#emit = emit;
    this.#groupReply = groupReply;
    const last = store.settings.get(LAST_ALLOWLIST);
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
    const aliases = this.#allAliases(message.aliases);
    const entry = this.#allowlist.match(aliases);
    this.#tell(message.conversation, aliases, entry);
    if (entry === null) return this.#refuse(message.conversation, aliases);
    if (message.group && !this.#wanted(message)) {
      this.notAddressed += 1;
      this.#emit("message_left", { chat: shortReference(message.conversation), reason: "not_addressed" });
      return;
    }
    const { sender, senders, messageId, kind, text, group, senderName, sentAt, groupSubject } = message;
    const conversation = this.#store.chats.conversationOf(aliases.map(toJid));
    /** @type {Body} */
    const body = { kind, text, group, senderName, sentAt, groupSubject };
    const cursor = randomBytes(12).toString("base64url");
    if (!this.#store.inbox.add({ cursor, conversation, sender, senders, messageId, body: JSON.stringify(body) })) return;
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
    if (this.#allowlist && this.#store.settings.get(LAST_ALLOWLIST) === text) return;
    this.#store.settings.save(LAST_ALLOWLIST, text);
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
    if (this.#store.inbox.giveBack({ keep: inFlight }) > 0) this.#changes.emit("change");
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
    this.#store.inbox.acknowledge(cursor);
    this.#changes.emit("change");
  }

  /**
   * @param {string} cursor
   * @param {number} [delayMs]
   */
  release(cursor, delayMs = POSTPONED_MS) {
    this.#store.inbox.postpone(cursor, Date.now() + delayMs);
    this.#changes.emit("change");
  }

  /**
   * What a caller says is finished is no longer out, acknowledged or not.
   * @param {string | null} batch null for a caller that holds one batch at a time
   */
  completeBatch(batch) {
    this.#store.inbox.giveBack(batch === null ? { keep: [] } : { batch });
    this.#changes.emit("change");
  }

  /**
   * @param {string} cursor
   * @returns {boolean} false when it is not dead
   */
  retry(cursor) {
    const done = this.#store.inboxView.retry(cursor);
    this.#changes.emit("change");
    return done;
  }

  /**
   * @param {string} cursor
   * @returns {boolean} false when it is neither dead nor waiting
   */
  drop(cursor) {
    const done = this.#store.inboxView.drop(cursor);
    this.#changes.emit("change");
    return done;
  }

  pauseChanged() {
    this.#changes.emit("change");
  }

  /** Answers everybody who waits. */
  close() {
    this.#closed = true;
    this.#changes.emit("change");
  }

  /** @param {Inbound} message */
  #wanted({ addressed }) {
    return this.#groupReply === "always" || (this.#groupReply === "mention" && addressed);
  }

  /**
   * @param {string} conversation
   * @param {Identity[]} aliases
   */
  #refuse(conversation, aliases) {
    this.#store.chats.countRefused(conversation);
    // A number on the list may well be this very person: only nobody has told us so.
    const reason = aliases.every(({ kind }) => kind === "lid") ? "only_lid_known" : "not_in_allowlist";
    this.#emit("message_refused", { chat: shortReference(conversation), reason });
  }

  /**
   * Says once a run which entry lets a chat in, or which one would.
   * @param {string} conversation
   * @param {Identity[]} aliases
   * @param {string | null} entry
   */
  #tell(conversation, aliases, entry) {
    if (this.#told.has(conversation)) return;
    if (this.#told.size >= TOLD_LIMIT) this.#told.clear();
    this.#told.add(conversation);
    const [preferred] = aliases;
    const wouldBe = preferred?.kind === "phone" ? `+${preferred.user}` : conversation;
    this.#emit("allowlist_match", { chat: shortReference(conversation), entry: shortEntry(entry ?? wouldBe), allowed: entry !== null });
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
    this.#told.clear();
    for (const message of this.#undecided.splice(0)) this.accept(message);
    this.#changes.emit("change");
  }

  /**
   * @param {string} batch
   * @param {number} max
   * @returns {Handed[]}
   */
  #handOut(batch, max) {
    const except = this.#store.inbox.openConversations().filter((jid) => !this.#allowlist?.allows(this.#aliases(jid)));
    const rows = this.#store.inbox.handOut({ batch, limit: max, now: Date.now(), except });
    /** @type {Handed[]} */
    const handed = [];
    let characters = 0;
    for (const row of rows) {
      characters += row.body.length;
      if (handed.length > 0 && characters > BATCH_CHARACTERS) break;
      handed.push({ ...row, content: JSON.parse(row.body), aliases: this.#aliases(row.conversation).map(toJid) });
    }
    if (handed.length < rows.length) this.#store.inbox.putBack(rows.slice(handed.length).map((row) => row.cursor));
    return handed;
  }

  /**
   * What is known by now, too: a message may have waited for a list.
   * @param {Identity[]} named
   */
  #allAliases(named) {
    const all = new Map(named.map((each) => [toJid(each), each]));
    for (const each of named.flatMap((alias) => this.#people.known(alias))) all.set(toJid(each), each);
    return [...all.values()];
  }

  /**
   * The id that the conversation keeps comes first, whatever else is known by now.
   * @param {string} jid
   */
  #aliases(jid) {
    const identity = fromJid(jid);
    if (!identity) return [];
    return [identity, ...this.#people.known(identity).filter(({ kind }) => kind !== identity.kind)];
  }

  /**
   * @param {number} deadline
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  #changeUntil(deadline, signal) {
    const now = Date.now();
    const until = Math.min(deadline, this.#store.inbox.nextDue(now) ?? deadline);
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
