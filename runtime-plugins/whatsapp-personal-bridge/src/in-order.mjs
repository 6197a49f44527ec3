// @ts-check
/**
 * Messages are handled one after the other, as they come. Left alone, Baileys looks up who wrote a
 * message before it waits for its turn, and keeps a queue of its own for what waited at WhatsApp: a
 * later message can be decrypted before an earlier one, and after a crash be the only one kept.
 */

/**
 * @typedef {import("@whiskeysockets/baileys").BinaryNode} Node
 * @typedef {(node: Node) => unknown} Handler
 */

/** Ids remembered of what waited; they are asked for right after the message was handled. */
const REMEMBERED = 10_000;

export class InOrder {
  /** @type {Set<string>} */ #late = new Set();

  /** @param {import("node:events").EventEmitter} ws a new connection's, with Baileys' own handlers in place */
  hold(ws) {
    const handlers = /** @type {Handler[]} */ (ws.listeners("CB:message"));
    ws.removeAllListeners("CB:message");
    /** @type {Promise<unknown>} */
    let last = Promise.resolve();
    ws.on("CB:message", (/** @type {Node} */ node) => {
      // Without the mark Baileys has one queue for all.
      const { offline, ...attrs } = node.attrs;
      if (offline !== undefined && attrs.id) this.#remember(attrs.id);
      last = last.then(() => Promise.allSettled(handlers.map(async (handler) => handler({ ...node, attrs }))));
    });
  }

  /** @param {string | null | undefined} id of a message: whether it had waited for us at WhatsApp */
  wasLate(id) {
    return this.#late.has(id ?? "");
  }

  /** @param {string} id */
  #remember(id) {
    this.#late.add(id);
    const [oldest] = this.#late;
    if (this.#late.size > REMEMBERED && oldest !== undefined) this.#late.delete(oldest);
  }
}
