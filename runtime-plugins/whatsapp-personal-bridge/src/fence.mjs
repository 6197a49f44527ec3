// @ts-check
/**
 * The outbound fence: whom this bridge writes to, and how much, whatever its caller wants. It stands
 * below every caller, also a talked-over one (docs/decisions/0006-outbound-fence.md). What waits for
 * room, and in which order it leaves, is known by room.mjs and departures.mjs.
 */

import { RequestError } from "./errors.mjs";
import { answeredCursor } from "./reply-key.mjs";
import { roomAt } from "./room.mjs";

/**
 * @typedef {{
 *   store: import("./store/store.mjs").Store,
 *   allowed: import("./allowed-chats.mjs").AllowedChats,
 *   emit: import("./events.mjs").Emit,
 *   now?: () => number,
 * }} Parts
 * @typedef {Pick<import("./settings.mjs").Settings, "maxMessagesPerMinute" | "maxNewChatsPerDay">} Caps
 * @typedef {"messages_per_minute" | "new_chats_per_day"} Cap
 */

const ALLOW = "Add it with `loong whatsapp-personal chats allow <target>`, then send again";

export class Fence {
  /** @type {Parts} */ #parts;
  /** @type {Caps} */ #caps;
  /** @type {number} */ #minuteMs;
  /** @type {Map<Cap, number>} until when a cap that holds something back need not be told again */ #told = new Map();

  /**
   * @param {Parts} parts
   * @param {Caps} caps
   * @param {Pick<import("./timing.mjs").Timing, "minuteMs">} timing
   */
  constructor(parts, caps, { minuteMs }) {
    this.#parts = parts;
    this.#caps = caps;
    this.#minuteMs = minuteMs;
  }

  get now() {
    return this.#parts.now ?? Date.now;
  }

  /** What room.mjs needs to know of the cap. */
  get perMinute() {
    return { pace: this.#parts.store.pace, most: this.#caps.maxMessagesPerMinute, minuteMs: this.#minuteMs, now: this.now };
  }

  /** @param {() => void} listener called when the list of allowed chats has changed */
  onChange(listener) {
    this.#parts.allowed.onChange(listener);
  }

  /** @param {string} jid of a chat */
  lets(jid) {
    return this.#parts.allowed.mayBeWrittenTo(jid);
  }

  /** Whether what it keeps back now is to be kept back for good. */
  get final() {
    return this.#parts.allowed.final;
  }

  /**
   * @param {string} jid of a chat
   * @throws {RequestError} `chat_not_allowed`
   */
  require(jid) {
    if (!this.lets(jid)) throw new RequestError("chat_not_allowed", `The chat is not in allowed_chat_ids of this bridge, so nothing was sent. ${ALLOW}`);
  }

  /**
   * Whether a send may be accepted now. A reply always may, and waits for room if it must: refused,
   * it would be lost with the message that it answers.
   * @param {string} jid
   * @param {string | null} key
   * @returns {number | null} now, when it writes to a chat for the first time; to be kept with it
   * @throws {RequestError} `rate_limited`, `bad_request`
   */
  admit(jid, key) {
    if (this.#isReply(jid, key)) return null;
    const opens = this.#isNew(jid);
    if (opens) this.#requireNewChat();
    this.#requireRoom();
    return opens ? this.now() : null;
  }

  /** @param {Cap} cap holds something back; told when it begins */
  holds(cap) {
    const now = this.now();
    const until = this.#told.get(cap) ?? 0;
    this.#told.set(cap, now + this.#minuteMs);
    if (now >= until) this.#parts.emit("cap_reached", { cap });
  }

  /** What is used of the caps, and what they hold back. */
  status() {
    const { pace } = this.#parts.store;
    const now = this.now();
    return {
      messages_per_minute: { most: this.#caps.maxMessagesPerMinute, used: pace.leftIn({ now, spanMs: this.#minuteMs }).length },
      new_chats_per_day: { most: this.#caps.maxNewChatsPerDay, used: pace.opened(dayOf(now)) },
    };
  }

  /**
   * A reply answers a message that is in the inbox, under the key that came with it.
   * @param {string} jid
   * @param {string | null} key
   * @throws {RequestError} `bad_request`: used up by another chat, the key could not answer its own any more
   */
  #isReply(jid, key) {
    const { inbox, chats } = this.#parts.store;
    const cursor = answeredCursor(key);
    const answered = cursor === null ? null : inbox.get(cursor);
    if (!answered) return false;
    if (chats.chatOf(answered.conversation) === chats.chatOf(jid)) return true;
    throw new RequestError("bad_request", "The idempotency key answers a message of another chat, so nothing was sent. Give every message a key of its own");
  }

  /** @param {string} jid */
  #isNew(jid) {
    const { known, outbox, chats } = this.#parts.store;
    if (known.wasWrittenTo(jid)) return false;
    const chat = chats.chatOf(jid);
    return !outbox.pending().some((send) => chats.chatOf(send.jid) === chat);
  }

  #requireNewChat() {
    const most = this.#caps.maxNewChatsPerDay;
    if (most === 0) {
      throw new RequestError("rate_limited", "max_new_chats_per_day is 0: this account writes to no chat that it has never written to, so nothing was sent. Replies go out; to write first, raise it");
    }
    const now = this.now();
    const { spanMs, end } = dayOf(now);
    if (this.#parts.store.pace.opened({ now, spanMs }) < most) return;
    this.holds("new_chats_per_day");
    throw new RequestError(
      "rate_limited",
      `The ${most} new chats of this day (max_new_chats_per_day) are used up, so nothing was sent. The next day begins at ${clock(end)} of the bridge's clock; chats that were written to before are not touched`,
      { retryAfterMs: end - now },
    );
  }

  #requireRoom() {
    const { pace } = this.#parts.store;
    const { maxMessagesPerMinute: most } = this.#caps;
    const [now, spanMs] = [this.now(), this.#minuteMs];
    const left = pace.leftIn({ now, spanMs });
    // What was accepted before goes before, also the parts of a long text that are still to come.
    const waiting = pace.waiting().messages;
    if (left.length + waiting < most) return;
    this.holds("messages_per_minute");
    const retryAfterMs = Math.max(1, roomAt({ left, waiting, most, minuteMs: spanMs, now }) - now);
    throw new RequestError(
      "rate_limited",
      `${most} messages a minute (max_messages_per_minute) have left or wait, so nothing was sent. There is room again in ${Math.ceil(retryAfterMs / 1_000)} s; the same key may be used then`,
      { retryAfterMs },
    );
  }
}

/**
 * @param {number} now
 * @returns {import("./store/pace.mjs").Span & { end: number }} the day so far, by the calendar of this machine
 */
function dayOf(now) {
  const begin = new Date(now);
  begin.setHours(0, 0, 0, 0);
  const end = new Date(begin);
  end.setDate(end.getDate() + 1);
  // What left in the day's first moment belongs to it.
  return { now, spanMs: now - begin.getTime() + 1, end: end.getTime() };
}

/** @param {number} at */
function clock(at) {
  const time = new Date(at);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}`;
}
