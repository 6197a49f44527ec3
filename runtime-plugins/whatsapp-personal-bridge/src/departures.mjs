// @ts-check
/**
 * Who leaves next: one line per chat, in which sends leave in their order, and the parts of a send
 * one after the other, each when WhatsApp has the one before, and when there is room for it. Chats
 * do not wait for one another. What a send is, and what its caller is told, is the outbox's.
 */

import { RequestError } from "./errors.mjs";

/**
 * @typedef {import("./store/outbox.mjs").Departure} Departure
 * @typedef {{
 *   next: (send: number) => Departure | null,
 *   room: (part: Departure) => Promise<void> | null,
 *   held: (send: number) => void,
 *   carry: (part: Departure) => Promise<void>,
 *   handed: (send: number) => void,
 *   refused: (part: Departure, error: RequestError) => void,
 *   stuck: (send: number, error: unknown) => void,
 *   finished: (send: number) => void,
 * }} Depot
 * `next`: the first part that WhatsApp has not taken, null when there is none; `room`: null when it may leave now, else comes when
 * that is to be asked again; `held`: it waits for room, for as long as it takes;
 * `handed`: bytes have left; `stuck`: it steps aside, `error` is null when only the acknowledgement is missing
 * @typedef {{ chatHoldMs: number, resendMs: number }} Patience
 * `chatHoldMs`: how long a chat waits for an acknowledgement; `resendMs`: when a send that stepped aside tries again by itself
 */

/** Refusals whose end brings everything back: a connection, a pause that is over. */
const BROUGHT_BACK = new Set(["not_connected", "not_paired", "paused"]);

export class Departures {
  /** @type {Depot} */ #depot;
  /** @type {Patience} */ #patience;
  /** @type {Map<string, number[]>} sends by chat, the first one leaves */ #lines = new Map();
  /** @type {Map<string, () => void>} */ #awaited = new Map();
  /** @type {Map<number, NodeJS.Timeout>} */ #aside = new Map();
  #round = 0;

  /**
   * @param {Depot} depot
   * @param {Patience} patience
   */
  constructor(depot, patience) {
    this.#depot = depot;
    this.#patience = patience;
  }

  /**
   * Takes its place in the line of its chat, by its number.
   * @param {string} chat
   * @param {number} send
   * @returns {Promise<void>} when the line is at its end, or was given up; it never rejects
   */
  async enqueue(chat, send) {
    clearTimeout(this.#aside.get(send));
    this.#aside.delete(send);
    const line = this.#lines.get(chat);
    if (!line) {
      const begun = [send];
      this.#lines.set(chat, begun);
      return this.#run(chat, begun);
    }
    if (line.includes(send)) return;
    const inOrder = send > (line.at(-1) ?? 0);
    line.push(send);
    if (!inOrder) line.sort((a, b) => a - b);
  }

  /**
   * Gives all lines up and forms them anew: what was handed to an earlier connection may be lost.
   * @param {{ chat: string, send: number }[]} sends the oldest first
   */
  async restart(sends) {
    this.#round += 1;
    this.#lines.clear();
    for (const timer of this.#aside.values()) clearTimeout(timer);
    this.#aside.clear();
    const awaited = this.#awaited;
    this.#awaited = new Map();
    for (const settle of awaited.values()) settle();
    await Promise.all(sends.map(({ chat, send }) => this.enqueue(chat, send)));
  }

  /** @param {string} messageId that WhatsApp has taken or refused, as the store says by now */
  settled(messageId) {
    this.#awaited.get(messageId)?.();
  }

  /**
   * @param {string} chat
   * @param {number[]} line
   */
  async #run(chat, line) {
    const round = this.#round;
    for (let send = line[0]; send !== undefined; send = line[0]) {
      /** @type {{ error: unknown } | null} */
      let stuck = null;
      try {
        const part = this.#depot.next(send);
        const room = part && this.#depot.room(part);
        if (room) {
          this.#depot.held(send);
          await room;
          if (round !== this.#round) return;
          // Meanwhile it may have been kept back, or another one come before it.
          continue;
        }
        if (part) stuck = await this.#hand(part);
        // Another round has begun, and with it another line for this chat.
        if (round !== this.#round) return;
        if (part && !stuck) continue;
      } catch (error) {
        stuck = { error };
      }
      line.splice(line.indexOf(send), 1);
      if (stuck) this.#stepAside(chat, send, stuck.error);
      else this.#depot.finished(send);
    }
    this.#lines.delete(chat);
  }

  /**
   * @param {Departure} part
   * @returns {Promise<{ error: unknown } | null>} null when the store has the outcome
   */
  async #hand(part) {
    const awaited = this.#awaited;
    /** @type {(outcome: { error: unknown } | null) => void} */
    let settle = () => undefined;
    // Listening starts first: the acknowledgement can be faster than the promise of the hand-over.
    const outcome = /** @type {Promise<{ error: unknown } | null>} */ (new Promise((resolve) => (settle = resolve)));
    awaited.set(part.messageId, () => settle(null));
    const timer = setTimeout(() => settle({ error: null }), this.#patience.chatHoldMs);
    const round = this.#round;
    const handed = this.#depot.carry(part).then(
      () => {
        this.#depot.handed(part.send);
        return outcome;
      },
      (error) => {
        // What an earlier connection says of it is of no interest any more.
        if (round !== this.#round || !(error instanceof RequestError) || error.code !== "whatsapp_rejected") return { error };
        this.#depot.refused(part, error);
        return null;
      },
    );
    // One that fails when nobody waits for it any more: the store says what is left to do.
    handed.catch(() => undefined);
    try {
      return await Promise.race([outcome, handed]);
    } finally {
      clearTimeout(timer);
      awaited.delete(part.messageId);
    }
  }

  /**
   * It must not hold up the others of its chat for ever, nor be forgotten while the connection stands.
   * @param {string} chat
   * @param {number} send
   * @param {unknown} error
   */
  #stepAside(chat, send, error) {
    // Without a connection, or in a pause, the end of that brings it back.
    if (!(error instanceof RequestError && BROUGHT_BACK.has(error.code))) this.#aside.set(send, setTimeout(() => void this.enqueue(chat, send), this.#patience.resendMs));
    this.#depot.stuck(send, error);
  }
}
