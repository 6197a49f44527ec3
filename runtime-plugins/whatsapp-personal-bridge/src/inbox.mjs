// @ts-check
/**
 * What came in and is not settled: who may write, and what is kept of it. Who gets it when is
 * handed on to handout.mjs; rows are the store's; the wire format is the contract's.
 */

import { createHash, randomBytes } from "node:crypto";
import { readAllowlist } from "./allowlist.mjs";
import { Handout } from "./handout.mjs";
import { fromJid, shortEntry, shortReference, toJid } from "./identity.mjs";
import { isTexts } from "./settings.mjs";
import { plainName } from "./names.mjs";
import { TIMING } from "./timing.mjs";

/**
 * @typedef {import("./identity.mjs").Identity} Identity
 * @typedef {{
 *   conversation: string, aliases: Identity[], sender: string, senders: string[], messageId: string,
 *   group: boolean, addressed: boolean, kind: string, text: string, senderName: string | null,
 *   sentAt: number, groupSubject: string | null, finish?: () => void,
 * }} Inbound `finish`: called in the transaction that decides on the message. `conversation`: the chat's preferred id; which one it keeps is decided when it is
 * stored. `addressed`: a group message that mentions or quotes us
 * @typedef {import("./handout.mjs").Body} Body
 * @typedef {import("./handout.mjs").Handed} Handed
 * @typedef {import("./handout.mjs").Wanted} Wanted
 * @typedef {{
 *   store: import("./store/store.mjs").Store, people: import("./people.mjs").People, emit: import("./events.mjs").Emit,
 *   pause?: { active: boolean }, timing?: import("./timing.mjs").Timing, now?: () => number,
 * }} Parts `pause`: while active, nothing is handed out
 */

/** Messages that wait in memory while no allowlist has been named. */
export const UNDECIDED_LIMIT = 1_000;
const LAST_ALLOWLIST = "allowed_chat_ids";
/** The list that the operator named while the bridge ran, and in which run: `{ run, list }`. */
const ALLOWLIST_OF_RUN = "allowed_chat_ids_of_run";
const ACCOUNT = "account";
const OTHER_ACCOUNT = "another account was linked";
/** Chats whose place on the list has been told in this run; after that many they are told again. */
const TOLD_LIMIT = 10_000;

export class Inbox {
  /** @type {import("./store/store.mjs").Store} */ #store;
  /** @type {import("./events.mjs").Emit} */ #emit;
  /** @type {Handout} */ #handout;
  /** @type {() => number} */ #now;
  /** @type {import("./allowlist.mjs").Allowlist | null} */ #allowlist = null;
  #fixed = false;
  /** @type {string | null} */ #run;
  /** @type {Inbound[]} */ #undecided = [];
  /** @type {import("./people.mjs").People} */ #people;
  /** @type {import("./settings.mjs").GroupReply} */ #groupReply;
  /** @type {Set<string>} */ #told = new Set();
  dropped = 0;
  /** Group messages that were not for us. */
  notAddressed = 0;

  /**
   * @param {Parts} parts
   * @param {Pick<import("./settings.mjs").Settings, "allowedChatIds" | "groupReply" | "keepInboundTextMs" | "token">} settings
   * a list counts for this whole run, unless the operator names another; without one, the last list
   * that a request named counts
   */
  constructor({ store, people, emit, pause = { active: false }, timing = TIMING, now = () => Date.now() }, settings) {
    const { groupReply, keepInboundTextMs, token } = settings;
    this.#store = store;
    this.#people = people;
    this.#emit = emit;
    this.#now = now;
    this.#groupReply = groupReply;
    this.#handout = new Handout({
      store, emit, timing, now, pause,
      idsOf: (jid) => this.#aliases(jid),
      allows: (ids) => this.#allowlist?.allows(ids) === true,
    });
    store.inbox.keepTextMs = keepInboundTextMs;
    store.inbox.forgetOld(now());
    const last = /** @type {string[] | null} */ (store.settings.json(LAST_ALLOWLIST, isTexts));
    // A token lasts for one `bridge run`, also when the process in it crashes and is started again.
    this.#run = token === null ? null : createHash("sha256").update(token).digest("hex");
    const startList = this.#listOfRun() ?? settings.allowedChatIds;
    if (startList) this.#fixed = true;
    const list = startList ?? last;
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
    this.#store.transaction(() => {
      this.#settle(message);
      message.finish?.();
    });
  }

  /** @param {Inbound} message */
  #settle(message) {
    const aliases = this.#allAliases(message.aliases);
    const entry = this.#allowlist?.match(aliases) ?? null;
    this.#tell(message.conversation, aliases, entry);
    if (entry === null) return this.#refuse(message.conversation, aliases);
    if (message.group && !this.#wanted(message)) {
      this.#came(message, aliases);
      this.notAddressed += 1;
      this.#emit("message_left", { chat: shortReference(message.conversation), reason: "not_addressed" });
      return;
    }
    const { sender, senders, messageId, kind, text, group, senderName, sentAt, groupSubject } = message;
    const conversation = this.#store.chats.conversationOf(aliases.map(toJid));
    /** @type {Body} */
    const body = { kind, text, group, senderName, sentAt, groupSubject };
    const cursor = randomBytes(12).toString("base64url");
    if (!this.#store.inbox.add({ cursor, conversation, sender, senders, messageId, body: JSON.stringify(body), storedAt: this.#now() })) return;
    this.#came(message, aliases);
    this.#emit("message_in", { chat: shortReference(conversation), cursor, kind, group });
    this.#handout.changed();
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
   * The operator's word: it counts from now on, for as long as this bridge is run. Whoever waits
   * is answered, to ask again with a list that may have changed, too.
   * @param {string[]} list
   * @returns {number[]} positions of entries that cannot be read; then nothing was changed
   */
  changeAllowlist(list) {
    const { bad } = readAllowlist(list);
    if (bad.length > 0) return bad;
    this.#store.settings.save(ALLOWLIST_OF_RUN, JSON.stringify({ run: this.#run, list }));
    this.#fixed = true;
    this.#decide(list);
    this.#handout.askAnew();
    return [];
  }

  /** Whether everybody is let in. */
  get open() {
    return this.#allowlist?.everybody === true;
  }

  /**
   * @param {string} jid of a chat
   * @returns {{ allowed: boolean, entry: string | null }} `entry`: the one that lets it in, or the one that
   * would; null while there is no list that can be read
   */
  standing(jid) {
    const aliases = this.#aliases(jid);
    const entry = this.#allowlist?.match(aliases) ?? null;
    const usable = this.#allowlist?.bad.length === 0;
    return { allowed: entry !== null, entry: entry ?? (usable ? entryFor(aliases, jid) : null) };
  }

  /**
   * @param {string} jid of a group
   * @param {string} subject
   */
  groupNamed(jid, subject) {
    const name = plainName(subject);
    // Of a refused chat nothing more is kept than that it wrote.
    if (name !== null && this.standing(jid).allowed) this.#store.known.rename(jid, name);
  }

  /**
   * Renews and gives back what the caller holds, then waits for messages.
   * @param {Wanted} wanted
   * @returns {Promise<{ batch: string, rows: Handed[] }>}
   */
  receive(wanted) {
    return this.#handout.receive(wanted);
  }

  /** @param {string} cursor a dead letter too */
  acknowledge(cursor) {
    const now = this.#now();
    const ended = this.#store.inbox.acknowledge(cursor, now);
    if (ended) this.#emit("message_done", { chat: shortReference(ended.conversation), cursor, after_ms: Math.max(0, now - ended.stored_at) });
    this.#handout.changed();
  }

  /**
   * @param {string} cursor
   * @param {import("./handout.mjs").Release} release
   */
  release(cursor, release) {
    this.#handout.release(cursor, release);
  }

  /**
   * What a caller says is finished is no longer out, acknowledged or not.
   * @param {string | null} batch null for a caller that holds one batch at a time
   */
  completeBatch(batch) {
    this.#handout.completeBatch(batch);
  }

  /**
   * @param {string} cursor of a dead letter: it waits again at its old place, with all its attempts
   * @returns {boolean} false when it is none
   */
  retry(cursor) {
    const done = this.#store.inbox.retry(cursor);
    this.#handout.changed();
    return done;
  }

  /**
   * @param {string} cursor of a message that waits or is dead: nobody will answer it
   * @returns {boolean} false when it is neither
   */
  drop(cursor) {
    const done = this.#store.inbox.drop(cursor, this.#now());
    this.#handout.changed();
    return done;
  }

  /**
   * What one number was written is never answered from another: it is parked.
   * @param {string} account the number that is linked now
   * @returns {number} how many messages of an earlier one were waiting
   */
  belongsTo(account) {
    return this.#store.transaction(() => {
      const last = this.#store.settings.get(ACCOUNT);
      if (last === account) return 0;
      this.#store.settings.save(ACCOUNT, account);
      if (last !== null) this.#store.known.forgetAll();
      return last === null ? 0 : this.#store.inbox.buryOpen({ at: this.#now(), reason: OTHER_ACCOUNT });
    });
  }

  /** The pause has begun or ended. */
  pauseChanged() {
    this.#handout.changed();
  }

  /** Answers everybody who waits. */
  close() {
    this.#handout.close();
  }

  /** @param {Inbound} message */
  #wanted({ addressed }) {
    return this.#groupReply === "always" || (this.#groupReply === "mention" && addressed);
  }

  /**
   * @param {Inbound} message whose chat is let in
   * @param {Identity[]} aliases
   */
  #came({ conversation, group, groupSubject, senderName }, aliases) {
    this.#store.known.came(personOf(aliases, conversation), plainName(group ? groupSubject : senderName), this.#now());
  }

  /**
   * @param {string} conversation
   * @param {Identity[]} aliases
   */
  #refuse(conversation, aliases) {
    this.#store.known.refuse(personOf(aliases, conversation), this.#now());
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
    this.#emit("allowlist_match", { chat: shortReference(conversation), entry: shortEntry(entry ?? entryFor(aliases, conversation)), allowed: entry !== null });
  }

  /** @returns {string[] | null} what the operator named before this run's process was started again */
  #listOfRun() {
    /** @type {{ run: unknown, list: string[] } | null} */
    const saved = this.#run === null ? null : this.#store.settings.json(ALLOWLIST_OF_RUN, ({ list }) => isTexts(list));
    return saved?.run === this.#run ? (saved?.list ?? null) : null;
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
    this.#handout.changed();
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
}

/**
 * @param {Identity[]} aliases
 * @param {string} otherwise
 * @returns {string} the entry that an operator would write for the chat
 */
function entryFor(aliases, otherwise) {
  const number = aliases.find(({ kind }) => kind === "phone");
  return number ? `+${number.user}` : otherwise;
}

/**
 * @param {Identity[]} aliases
 * @param {string} otherwise
 * @returns {string} the id that stays with a person
 */
function personOf(aliases, otherwise) {
  const lid = aliases.find(({ kind }) => kind === "lid");
  return lid ? toJid(lid) : otherwise;
}
