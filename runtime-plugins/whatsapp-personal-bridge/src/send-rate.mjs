// @ts-check
/**
 * How fast one caller may ask for sends. It stops a program that runs away before it fills the
 * store; what WhatsApp is written, and how fast, is decided behind it.
 */

import { RequestError } from "./errors.mjs";

/** @typedef {import("./access.mjs").Caller} Caller */

/** The operations that count. */
const LIMITED = new Set(["send_message"]);
/**
 * A host has 16 calls under way at most, and each send waits for WhatsApp: it does not come near
 * that many a second. `burst`: what a quiet caller saves up, for all that came in a night.
 */
const RATE = Object.freeze({ perSecond: 200, burst: 1_000 });
/** After it there is room for many again. */
const AGAIN_MS = 1_000;

export class SendRate {
  /** @type {Map<Caller, { left: number, at: number }>} */ #callers = new Map();
  /** @type {{ perSecond: number, burst: number }} */ #rate;
  /** @type {() => number} */ #now;

  /**
   * @param {{ perSecond: number, burst: number }} [rate]
   * @param {() => number} [now] milliseconds of a clock that nobody sets back
   */
  constructor(rate = RATE, now = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /**
   * @param {Caller} caller
   * @param {string} operation
   * @throws {RequestError} `rate_limited`; nothing was done
   */
  take(caller, operation) {
    if (!LIMITED.has(operation)) return;
    const { perSecond, burst } = this.#rate;
    const now = this.#now();
    const { left, at } = this.#callers.get(caller) ?? { left: burst, at: now };
    const saved = Math.min(burst, left + ((now - at) * perSecond) / 1_000);
    if (saved < 1) {
      throw new RequestError("rate_limited", `More than ${perSecond} sends a second were asked for, so this one was left alone. Wait a second, then try again`, {
        retryAfterMs: AGAIN_MS,
      });
    }
    this.#callers.set(caller, { left: saved - 1, at: now });
  }
}
