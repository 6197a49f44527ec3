// @ts-check
/**
 * The kill switch: while it is on, nothing is sent and nothing is handed out; what comes in is
 * kept. It outlives the process. Inbox and outbox ask it; who may throw it is decided elsewhere.
 */

/**
 * @typedef {"operator" | "owner"} By the operator's command, or a message of the account's owner
 * to themselves
 * @typedef {{ since: number, by: By }} Paused
 */

const SAVED_AS = "paused";
const PAUSE = "!pause";
const RESUME = "!resume";

export class Pause {
  /** @type {import("./store/store.mjs").Store} */ #store;
  /** @type {import("./events.mjs").Emit} */ #emit;
  /** @type {Paused | null} */ #paused;
  /** @type {(() => void)[]} */ #listeners = [];

  /**
   * @param {import("./store/store.mjs").Store} store
   * @param {import("./events.mjs").Emit} emit
   */
  constructor(store, emit) {
    this.#store = store;
    this.#emit = emit;
    this.#paused = store.settings.json(SAVED_AS, ({ since, by }) => Number.isSafeInteger(since) && (by === "operator" || by === "owner"));
  }

  get active() {
    return this.#paused !== null;
  }

  /** Unix milliseconds, or null. */
  get since() {
    return this.#paused?.since ?? null;
  }

  /** @returns {Paused | null} */
  get state() {
    return this.#paused && { ...this.#paused };
  }

  /** @param {() => void} listener called after every change, when it is on disk */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** Says at start what an earlier run left on. */
  tell() {
    if (this.#paused) this.#emit("paused", { ...this.#paused });
  }

  /**
   * Once more changes nothing: who was first, and when, stays.
   * @param {By} by
   */
  pause(by) {
    if (this.#paused) return;
    this.#change({ since: Date.now(), by });
    this.tell();
    this.#changed();
  }

  /** @param {By} by */
  resume(by) {
    if (!this.#paused) return;
    this.#change(null);
    this.#emit("resumed", { by });
    this.#changed();
  }

  /**
   * A text that the owner wrote to themselves.
   * @param {string} text
   * @returns {boolean} whether it was one of the two commands
   */
  hear(text) {
    const said = text.trim().toLowerCase();
    if (said === PAUSE) this.pause("owner");
    else if (said === RESUME) this.resume("owner");
    else return false;
    return true;
  }

  /** @param {Paused | null} paused on disk first: a switch that a restart forgets is none */
  #change(paused) {
    this.#store.settings.save(SAVED_AS, JSON.stringify(paused));
    this.#paused = paused;
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }
}
