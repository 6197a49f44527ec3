// @ts-check
/**
 * What goes out: one send per idempotency key, its text, its parts, their ids and bytes stored
 * before the first byte leaves, and the answer to whoever asked. In which order parts leave is
 * decided by departures.mjs, whom they may go to and how many by fence.mjs, how bytes travel by the session.
 */

import { Departures } from "./departures.mjs";
import { RequestError } from "./errors.mjs";
import { fromJid, shortReference, toJid } from "./identity.mjs";
import { answeredCursor } from "./reply-key.mjs";
import { Room } from "./room.mjs";
import { failure, notTaken, refusal } from "./send-errors.mjs";
import { mayHaveArrived } from "./store/outbox.mjs";
import { splitText } from "./split-text.mjs";
import { TIMING } from "./timing.mjs";

/**
 * @typedef {{ messageIds: string[], status: "sent" | "pending" | "already_sent", firstText: boolean }} Receipt
 * `messageIds`: of its parts, at least one; `firstText`: another text than the one that was asked for now
 * @typedef {{
 *   requireConnected: () => void,
 *   compose: (text: string) => { messageId: string, body: Uint8Array },
 *   relay: (jid: string, messageId: string, body: Uint8Array) => Promise<void>,
 * }} Carrier what the outbox needs of the session; `requireConnected` throws a RequestError
 * @typedef {{
 *   store: import("./store/store.mjs").Store,
 *   emit: import("./events.mjs").Emit,
 *   fence: import("./fence.mjs").Fence,
 *   pause?: { readonly active: boolean },
 * }} Parts
 */

export class Outbox {
  /** @type {Parts} */ #parts;
  /** @type {import("./store/outbox.mjs").OutboxRows} */ #rows;
  /** @type {Room} */ #room;
  /** @type {Departures} */ #departures;
  /** @type {Carrier | null} */ #carrier = null;
  /** @type {number} */ #ackMs;
  /** @type {Map<number, Set<(error: unknown) => void>>} callers, by what they wait for */ #callers = new Map();
  /** @type {Set<number>} sends of which nothing has left and nobody was told that they are accepted */ #revocable = new Set();

  /**
   * @param {Parts} parts
   * @param {Pick<import("./timing.mjs").Timing, "ackMs" | "chatHoldMs" | "resendMs">} [timing]
   */
  constructor(parts, timing = TIMING) {
    this.#parts = parts;
    this.#rows = parts.store.outbox;
    this.#ackMs = timing.ackMs;
    this.#room = new Room({ ...parts.fence.perMinute, isOpen: () => this.#isOpen() });
    this.#departures = new Departures(
      {
        next: (send) => this.#next(send),
        room: (part) => {
          this.#requireOpen();
          return this.#room.enter(part.messageId);
        },
        held: (send) => this.#held(send),
        carry: async ({ jid, messageId, body }) => this.#requireOpen().relay(jid, messageId, body),
        handed: (send) => this.#revocable.delete(send),
        refused: ({ messageId }, { message }) => this.#settle(messageId, message),
        stuck: (send, error) => this.#stuck(send, error),
        finished: (send) => this.#wake(send, null),
      },
      timing,
    );
    this.#rows.endWithLogins();
    this.#withholdAll();
    parts.fence.onChange(() => this.#withholdAll());
  }

  /** What waits for room, and since when the oldest was accepted. */
  get waiting() {
    return this.#room.crowded ? this.#parts.store.pace.waiting() : { messages: 0, since: null };
  }

  /** @param {Carrier} carrier */
  use(carrier) {
    this.#carrier = carrier;
  }

  /**
   * Waits at most `ackMs` for WhatsApp's acknowledgements.
   * @param {{ to: import("./identity.mjs").Identity, text: string, key: string | null }} message
   * @returns {Promise<Receipt>}
   * @throws {RequestError} `chat_not_allowed`, `rate_limited`, `paused`, `not_paired`, `not_connected`, `whatsapp_rejected`, `timeout`, `bad_request`
   */
  async send({ to, text, key }) {
    const jid = toJid(to);
    const earlier = key === null ? null : this.#rows.byKey(key);
    // What is with WhatsApp already asks for nobody's leave.
    if (!earlier || !this.#rows.parts(earlier.id).every(({ state }) => state === "sent")) this.#parts.fence.require(jid);
    this.#requireRunning();
    if (!earlier) return this.#answer(this.#accept(jid, text, key), "sent", false);
    this.#requireSameChat(earlier.jid, jid);
    // The first text counts: whoever got it already, or a part of it, sees it once.
    const firstText = earlier.text !== null && earlier.text !== text;
    const states = new Set(this.#rows.parts(earlier.id).map(({ state }) => state));
    if (states.has("unsent")) {
      this.#requireOpen();
      this.#rows.askAgain(earlier.id, this.#parts.fence.admit(jid, key));
      if (!states.has("sent")) this.#revocable.add(earlier.id);
      return this.#answer(this.#depart(earlier), "sent", firstText);
    }
    if (states.has("pending") && this.#isOpen()) this.#depart(earlier);
    return this.#answer(earlier.id, "already_sent", firstText);
  }

  /**
   * WhatsApp's server has taken a message, or refused it.
   * @param {string} messageId
   * @param {string | null} error
   */
  acknowledged(messageId, error) {
    const part = this.#settle(messageId, error === null ? null : refusal(error));
    // It may have stepped aside, and the rest of its send with it.
    if (part && this.#isOpen()) void this.#departures.enqueue(this.#chatOf(part.jid), part.send);
  }

  /**
   * A receipt of the other side: it proves, too, that WhatsApp has the message.
   * @param {string} messageId
   * @param {"delivered" | "read"} what
   * @param {number} at Unix milliseconds
   */
  receipt(messageId, what, at) {
    this.acknowledged(messageId, null);
    this.#rows.receipt(messageId, what, at);
  }

  /**
   * A connection stands, or a pause is over: what WhatsApp has not acknowledged leaves again under
   * its own ids, also when its caller still waits.
   * @returns {Promise<void>} when every chat is through, or as far as it comes
   */
  async resume() {
    if (!this.#carrier || this.#parts.pause?.active) return;
    this.#room.clear();
    await this.#departures.restart(this.#rows.pending().map(({ id, jid }) => ({ chat: this.#chatOf(jid), send: id })));
  }

  /** The current login was set aside: what waited for it will not leave under another one. */
  loginEnded() {
    this.#rows.endWithLogins();
    this.close();
  }

  /** Gives the lines up. What is in the store stays there; callers are told how far it has come. */
  close() {
    this.#room.clear();
    void this.#departures.restart([]);
    for (const send of [...this.#callers.keys()]) this.#wake(send, null);
  }

  /**
   * @param {string} messageId
   * @param {string} chat that asks: nobody is sent what went to another one
   * @param {(jid: string) => Promise<string | null>} [askLid] asks Baileys for the LID of a number
   * @returns {Promise<Uint8Array | null>} for WhatsApp's retry requests
   */
  async bytesOf(messageId, chat, askLid = async () => null) {
    const part = this.#rows.byId(messageId);
    if (!part) return null;
    if (this.#chatOf(part.jid) === this.#chatOf(chat)) return part.body;
    // Somebody who has never written to us asks by a LID that only Baileys has heard of.
    const to = fromJid(part.jid);
    const lid = to?.kind === "phone" && this.#parts.store.chats.lidOf(to.user) === null ? fromJid(await askLid(part.jid)) : null;
    return lid && toJid(lid) === this.#chatOf(chat) ? part.body : null;
  }

  /** @param {string} messageId of anybody's: whether it is one of ours */
  isOurs(messageId) {
    return this.#rows.byId(messageId) !== null;
  }

  /**
   * The list is asked again when a part departs: it may be another one by now.
   * @param {number} send
   */
  #next(send) {
    const part = this.#rows.next(send);
    if (!part || this.#parts.fence.lets(part.jid)) return part;
    // Another list may let it go again: it steps aside, and nobody is told that it failed.
    if (!this.#parts.fence.final) this.#parts.fence.require(part.jid);
    this.#withhold({ id: send, jid: part.jid }, "all");
    return null;
  }

  /** What waits for a chat that may not be written to any more never leaves, and says so at once. */
  #withholdAll() {
    if (!this.#parts.fence.final) return;
    for (const send of this.#rows.pending()) {
      // What WhatsApp has, but for its word, is not called back.
      if (!this.#parts.fence.lets(send.jid)) this.#withhold(send, "waiting");
    }
  }

  /**
   * @param {{ id: number, jid: string }} send
   * @param {"waiting" | "all"} which
   */
  #withhold({ id, jid }, which) {
    if (this.#rows.withhold(id, which) === 0) return;
    const [part] = this.#rows.parts(id);
    const key = part ? this.#rows.byId(part.message_id)?.idempotency_key : null;
    this.#parts.emit("message_withheld", { chat: shortReference(jid), cursor: answeredCursor(key ?? null), reason: "not_in_allowlist" });
    if (!this.#rows.next(id)) this.#wake(id, null);
  }

  /** @param {number} send waits for room: its caller need not wait with it */
  #held(send) {
    this.#parts.fence.holds("messages_per_minute");
    this.#wake(send, null);
  }

  /**
   * @param {string} jid
   * @param {string} text
   * @param {string | null} key
   * @returns {number} the send, on disk with all its parts, and on its way
   */
  #accept(jid, text, key) {
    const carrier = this.#requireOpen();
    const openedAt = this.#parts.fence.admit(jid, key);
    const parts = splitText(text).map((part) => carrier.compose(part));
    const id = this.#rows.add({ key, jid, text, parts, openedAt });
    this.#revocable.add(id);
    return this.#depart({ id, jid });
  }

  /** @param {{ id: number, jid: string }} send */
  #depart({ id, jid }) {
    // After this turn: its caller must be listening when the first thing happens.
    queueMicrotask(() => void this.#departures.enqueue(this.#chatOf(jid), id));
    return id;
  }

  /**
   * @param {number} send
   * @param {"sent" | "already_sent"} done what to call it when WhatsApp has all of it
   * @param {boolean} firstText
   * @returns {Promise<Receipt>}
   */
  async #answer(send, done, firstText) {
    // Where messages wait for room, this one waits behind them: it is accepted, and that is all to be told now.
    if (this.#room.crowded) this.#revocable.delete(send);
    else if (this.#rows.next(send) && this.#isOpen()) await this.#outcome(send);
    const parts = this.#rows.parts(send);
    const failed = parts.find(({ state }) => state === "failed");
    if (failed) throw failure(failed, parts.length);
    const messageIds = parts.map(({ message_id }) => message_id);
    return { messageIds, status: parts.every(({ state }) => state === "sent") ? done : "pending", firstText };
  }

  /**
   * @param {number} send
   * @returns {Promise<void>} when it is through, stuck, or its time is over
   * @throws what took it back
   */
  async #outcome(send) {
    const callers = this.#callers.get(send) ?? new Set();
    this.#callers.set(send, callers);
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const error = await new Promise((resolve) => {
      callers.add(resolve);
      timer = setTimeout(() => {
        // Its caller is about to hear that it is accepted.
        this.#revocable.delete(send);
        callers.delete(resolve);
        resolve(null);
      }, this.#ackMs);
    });
    clearTimeout(timer);
    if (error !== null) throw error;
  }

  /**
   * @param {number} send
   * @param {unknown} error null: no more than its parts say
   */
  #wake(send, error) {
    this.#revocable.delete(send);
    const callers = this.#callers.get(send);
    this.#callers.delete(send);
    for (const resolve of callers ?? []) resolve(error);
  }

  /**
   * @param {number} send
   * @param {unknown} error
   */
  #stuck(send, error) {
    // Accepted, and perhaps with the contact already: it stays, and leaves later.
    if (error === null || !this.#revocable.has(send)) return this.#wake(send, null);
    try {
      // The caller is told that it failed, so it must not go out by itself later.
      this.#rows.takeBack(send);
      this.#wake(send, error instanceof RequestError ? error : notTaken());
    } catch (failed) {
      this.#wake(send, failed);
    }
  }

  /**
   * The first word on a part counts.
   * @param {string} messageId
   * @param {string | null} error
   * @returns {import("./store/outbox.mjs").Known | null} the part; null when it was settled before, or is none of ours
   */
  #settle(messageId, error) {
    const part = this.#rows.byId(messageId);
    if (!part || part.state === "sent") return null;
    const wasThere = error === null && mayHaveArrived(part.error);
    if (part.state === "failed" && !wasThere) return null;
    if (error === null) {
      const { store } = this.#parts;
      store.transaction(() => {
        this.#rows.sent(messageId);
        store.known.went(part.jid, Date.now());
      });
    } else this.#rows.refused(messageId, error);
    this.#parts.emit("message_out", {
      chat: shortReference(part.jid),
      cursor: answeredCursor(part.idempotency_key),
      status: error === null ? "sent" : "failed",
      after_ms: Math.max(0, Date.now() - part.created_at),
    });
    this.#departures.settled(messageId);
    return part;
  }

  /**
   * A key that comes with another chat is a caller's slip: neither may its message be taken for
   * sent, nor may the first one go out in its place.
   * @param {string} first
   * @param {string} now
   */
  #requireSameChat(first, now) {
    if (this.#chatOf(first) === this.#chatOf(now)) return;
    throw new RequestError("bad_request", "The idempotency key belongs to a message to another chat, so nothing was sent. Give every message a key of its own");
  }

  /** @param {string} jid */
  #chatOf(jid) {
    return this.#parts.store.chats.chatOf(jid);
  }

  #isOpen() {
    try {
      return Boolean(this.#requireOpen());
    } catch (error) {
      if (error instanceof RequestError) return false;
      throw error;
    }
  }

  #requireOpen() {
    this.#requireRunning();
    if (!this.#carrier) throw new RequestError("not_connected", "The bridge is still starting. Try again in a moment");
    this.#carrier.requireConnected();
    return this.#carrier;
  }

  #requireRunning() {
    if (!this.#parts.pause?.active) return;
    throw new RequestError("paused", "Sending is paused, so nothing was sent. Run `loong whatsapp-personal resume` to go on");
  }
}
