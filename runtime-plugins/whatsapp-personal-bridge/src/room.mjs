// @ts-check
/**
 * Room for what leaves: so many messages a minute, whatever they are. Who finds none waits, and
 * gets it in the order of coming, so that no chat waits for ever. What has left is counted in the
 * store; what a caller is told, and what may leave at all, is not known here.
 */

/**
 * @typedef {{
 *   pace: import("./store/pace.mjs").Pace, most: number, minuteMs: number, now: () => number, isOpen: () => boolean,
 * }} Parts `isOpen`: whether anything can leave now
 */

export class Room {
  /** @type {Parts} */ #parts;
  /** @type {{ messageId: string, wake: () => void }[]} the first gets the next room */ #waiting = [];
  /** @type {Set<string>} woken with room of their own */ #let = new Set();
  /** @type {NodeJS.Timeout | undefined} */ #timer;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Whether anything waits. */
  get crowded() {
    return this.#waiting.length > 0;
  }

  /**
   * @param {string} messageId of what is to leave
   * @returns {Promise<void> | null} null: it has room, which is on disk. Else it comes when this is
   * worth another question: there is room now, or the message has nothing to wait for
   */
  enter(messageId) {
    const turn = this.#let.delete(messageId) || !this.crowded;
    if (turn && this.#take(messageId)) return null;
    // Before anybody stands in the line: without a watch nobody in it would be woken.
    if (!this.crowded) this.#watch();
    return new Promise((wake) => this.#waiting.push({ messageId, wake }));
  }

  /** Everybody who waits looks again at what is to be done. */
  clear() {
    clearTimeout(this.#timer);
    this.#let.clear();
    for (const { wake } of this.#waiting.splice(0)) wake();
  }

  /** @param {string} messageId */
  #take(messageId) {
    const { pace, most, minuteMs, now } = this.#parts;
    return pace.leave(messageId, { now: now(), spanMs: minuteMs, most });
  }

  /** Wakes at the moment when the first one may get room. */
  #watch() {
    clearTimeout(this.#timer);
    const { pace, most, minuteMs, now } = this.#parts;
    const at = now();
    const free = roomAt({ left: pace.leftIn({ now: at, spanMs: minuteMs }), waiting: 0, most, minuteMs, now: at });
    this.#timer = setTimeout(() => this.#serve(), Math.max(1, free - at));
  }

  #serve() {
    try {
      // Nothing can leave: its end forms the lines anew.
      if (!this.#parts.isOpen()) return this.clear();
      for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
        if (this.#take(first.messageId)) this.#let.add(first.messageId);
        else if (this.#isFull()) return this.#watch();
        this.#waiting.shift();
        first.wake();
      }
    } catch {
      // The store does not answer: each hears it where it can be told to somebody.
      this.clear();
    }
  }

  #isFull() {
    const { pace, most, minuteMs, now } = this.#parts;
    return pace.leftIn({ now: now(), spanMs: minuteMs }).length >= most;
  }
}

/**
 * @param {{ left: number[], waiting: number, most: number, minuteMs: number, now: number }} how `left`: when
 * messages left within the last minute, the earliest first; `waiting`: how many go before
 * @returns {number} when there is room for one more: `now`, or the moment at which it comes
 */
export function roomAt({ left, waiting, most, minuteMs, now }) {
  const times = [...left];
  // Each of those before leaves when there is room for it, and is a message of that minute then.
  for (let before = 0; before < waiting; before += 1) times.push(next(times));
  return next(times);

  /** @param {number[]} sorted */
  function next(sorted) {
    return sorted.length < most ? now : Math.max(now, (sorted[sorted.length - most] ?? now) + minuteMs);
  }
}
