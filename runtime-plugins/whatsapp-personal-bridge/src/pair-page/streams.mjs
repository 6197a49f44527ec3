// @ts-check
/**
 * The open pages: Server-Sent Events to each, few of them, kept awake, ended at shutdown. Who may
 * open one is decided before.
 */

/** A browser gives one server six connections in all; a page more would hang instead of being refused. */
const MOST_STREAMS = 4;
const KEEP_ALIVE_MS = 15_000;
/** A reader who takes nothing any more must not be remembered for. */
const MOST_UNREAD_BYTES = 256 * 1024;

export class Streams {
  /** @type {Map<import("node:http").ServerResponse, NodeJS.Timeout>} */ #open = new Map();
  /** @type {NodeJS.Timeout | undefined} */ #keepAlive;
  #closed = false;

  get full() {
    return this.#closed || this.#open.size >= MOST_STREAMS;
  }

  /**
   * @param {import("node:http").ServerResponse} response its head is written; it stays open
   * @param {number} lifeMs how long at most
   */
  add(response, lifeMs) {
    this.#open.set(response, setTimeout(() => this.#end(response), lifeMs));
    this.#keepAlive ??= setInterval(() => this.#writeAll(": still here\n\n"), KEEP_ALIVE_MS);
    response.once("close", () => this.#end(response));
  }

  /** @param {unknown} value to every page */
  tell(value) {
    if (this.#open.size > 0) this.#writeAll(message(value));
  }

  /** No more streams; the open ones end. */
  close() {
    this.#closed = true;
    for (const response of this.#open.keys()) this.#end(response);
  }

  /** @param {string} text */
  #writeAll(text) {
    for (const response of this.#open.keys()) {
      if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
      else response.write(text);
    }
  }

  /** @param {import("node:http").ServerResponse} response */
  #end(response) {
    clearTimeout(this.#open.get(response));
    this.#open.delete(response);
    response.end();
    if (this.#open.size > 0) return;
    clearInterval(this.#keepAlive);
    this.#keepAlive = undefined;
  }
}

/**
 * @param {unknown} value
 * @returns {string} as a stream carries it
 */
export function message(value) {
  return `event: shown\ndata: ${JSON.stringify(value)}\n\n`;
}
