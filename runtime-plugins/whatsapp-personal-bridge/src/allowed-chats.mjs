// @ts-check
/**
 * The list that counts in this bridge: that of its run, the operator's word while it runs, else the
 * last one that a request named. Asked for what comes in and for what goes out; what an entry means
 * is known by allowlist.mjs.
 */

import { createHash } from "node:crypto";
import { readAllowlist } from "./allowlist.mjs";
import { fromJid } from "./identity.mjs";
import { isTexts } from "./settings.mjs";

/**
 * @typedef {import("./identity.mjs").Identity} Identity
 * @typedef {{
 *   store: import("./store/store.mjs").Store, people: import("./people.mjs").People, emit: import("./events.mjs").Emit,
 * }} Parts
 */

const LAST_ALLOWLIST = "allowed_chat_ids";
/** The list that the operator named while the bridge ran, and in which run: `{ run, list }`. */
const ALLOWLIST_OF_RUN = "allowed_chat_ids_of_run";

export class AllowedChats {
  /** @type {Parts} */ #parts;
  /** @type {import("./allowlist.mjs").Allowlist | null} */ #allowlist = null;
  /** Whether the list says anything at all about whom to write to. */
  #empty = true;
  #fixed = false;
  /** @type {string | null} */ #run;
  /** @type {((byOperator: boolean) => void)[]} */ #listeners = [];

  /**
   * @param {Parts} parts
   * @param {Pick<import("./settings.mjs").Settings, "allowedChatIds" | "token">} settings a list counts for
   * this whole run, unless the operator names another; without one, the last list that a request named counts
   */
  constructor(parts, { allowedChatIds, token }) {
    this.#parts = parts;
    const last = /** @type {string[] | null} */ (parts.store.settings.json(LAST_ALLOWLIST, isTexts));
    // A token lasts for one `bridge run`, also when the process in it crashes and is started again.
    this.#run = token === null ? null : createHash("sha256").update(token).digest("hex");
    const startList = this.#listOfRun() ?? allowedChatIds;
    if (startList) this.#fixed = true;
    const list = startList ?? last;
    if (list) this.#decide(list);
  }

  /** Whether there is a list, be it empty. */
  get decided() {
    return this.#allowlist !== null;
  }

  /** Whether everybody is let in. */
  get everybody() {
    return this.#allowlist?.everybody === true;
  }

  /** Whether whom it leaves out is left out for good: it is the operator's word, and no slip in it closes the rest. */
  get final() {
    return this.#fixed && this.#allowlist?.bad.length === 0;
  }

  /** @param {(byOperator: boolean) => void} listener called after every change, when it is on disk */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /**
   * @param {string[] | null} list as a request names it. An empty one opens nothing and, as it
   * comes from accounts that only send, decides nothing either
   */
  name(list) {
    const { settings } = this.#parts.store;
    if (!list?.length || this.#fixed) return;
    const text = JSON.stringify(list);
    if (this.#allowlist && settings.get(LAST_ALLOWLIST) === text) return;
    settings.save(LAST_ALLOWLIST, text);
    this.#decide(list);
    this.#changed(false);
  }

  /**
   * The operator's word: it counts from now on, for as long as this bridge is run.
   * @param {string[]} list
   * @returns {number[]} positions of entries that cannot be read; then nothing was changed
   */
  change(list) {
    const { bad } = readAllowlist(list);
    if (bad.length > 0) return bad;
    this.#parts.store.settings.save(ALLOWLIST_OF_RUN, JSON.stringify({ run: this.#run, list }));
    this.#fixed = true;
    this.#decide(list);
    this.#changed(true);
    return [];
  }

  /**
   * @param {Identity[]} aliases every id of a chat
   * @returns {string | null} the entry that lets it in
   */
  match(aliases) {
    return this.#allowlist?.match(aliases) ?? null;
  }

  /**
   * Without a list only receiving is closed: whoever names a target means it.
   * @param {string} jid
   */
  mayBeWrittenTo(jid) {
    return this.#empty || this.match(this.idsOf(jid)) !== null;
  }

  /**
   * @param {string} jid of a chat
   * @returns {{ allowed: boolean, entry: string | null }} `entry`: the one that lets it in, or the one that
   * would; null while there is no list that can be read
   */
  standing(jid) {
    const aliases = this.idsOf(jid);
    const entry = this.match(aliases);
    const usable = this.#allowlist?.bad.length === 0;
    return { allowed: entry !== null, entry: entry ?? (usable ? entryFor(aliases, jid) : null) };
  }

  /**
   * @param {string} jid
   * @returns {Identity[]} every id of the chat that is known, this one first: a conversation keeps its id, whatever else becomes known
   */
  idsOf(jid) {
    const identity = fromJid(jid);
    if (!identity) return [];
    return [identity, ...this.#parts.people.known(identity).filter(({ kind }) => kind !== identity.kind)];
  }

  /** @returns {string[] | null} what the operator named before this run's process was started again */
  #listOfRun() {
    /** @type {{ run: unknown, list: string[] } | null} */
    const saved = this.#run === null ? null : this.#parts.store.settings.json(ALLOWLIST_OF_RUN, ({ list }) => isTexts(list));
    return saved?.run === this.#run ? (saved?.list ?? null) : null;
  }

  /** @param {string[]} list */
  #decide(list) {
    this.#allowlist = readAllowlist(list);
    this.#empty = list.length === 0;
    if (this.#allowlist.bad.length === 0) return;
    this.#parts.emit("warning", {
      code: "allowlist_unreadable",
      message: `allowed_chat_ids has entries that cannot be read (positions ${this.#allowlist.bad.join(", ")}), so no chat is let through`,
    });
  }

  /** @param {boolean} byOperator */
  #changed(byOperator) {
    for (const listener of this.#listeners) listener(byOperator);
  }
}

/**
 * @param {Identity[]} aliases
 * @param {string} otherwise
 * @returns {string} the entry that an operator would write for the chat
 */
export function entryFor(aliases, otherwise) {
  const number = aliases.find(({ kind }) => kind === "phone");
  return number ? `+${number.user}` : otherwise;
}
