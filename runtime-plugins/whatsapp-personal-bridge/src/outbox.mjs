// @ts-check
/**
 * What goes out: one WhatsApp message per idempotency key, its id and bytes stored before the
 * first byte leaves. How bytes travel is the session's; long texts go out whole.
 */

import { RequestError } from "./errors.mjs";
import { fromJid, shortReference, toJid } from "./identity.mjs";

/**
 * @typedef {{ messageId: string, status: "sent" | "pending" | "already_sent" }} Receipt
 * @typedef {{
 *   requireConnected: () => void,
 *   compose: (text: string) => { messageId: string, body: Uint8Array },
 *   relay: (jid: string, messageId: string, body: Uint8Array) => Promise<void>,
 * }} Carrier what the outbox needs of the session; `requireConnected` throws a RequestError
 */

/** How long WhatsApp's server may take to acknowledge before the answer is `pending`. */
const ACK_MS = 5_000;

export class Outbox {
  /** @type {import("./store/store.mjs").Store} */ #store;
  /** @type {import("./events.mjs").Emit} */ #emit;
  /** @type {Carrier | null} */ #carrier = null;
  /** @type {number} */ #ackMs;
  /** @type {Map<string, (error: string | null) => void>} */ #awaited = new Map();
  /** @type {Map<string, Promise<Receipt>>} */ #running = new Map();

  /**
   * @param {import("./store/store.mjs").Store} store
   * @param {import("./events.mjs").Emit} emit
   * @param {number} [ackMs]
   */
  constructor(store, emit, ackMs = ACK_MS) {
    this.#store = store;
    this.#emit = emit;
    this.#ackMs = ackMs;
  }

  /** @param {Carrier} carrier */
  use(carrier) {
    this.#carrier = carrier;
  }

  /**
   * @param {{ to: import("./identity.mjs").Identity, text: string, key: string | null }} message
   * @returns {Promise<Receipt>}
   * @throws {RequestError} `not_paired`, `not_connected`, `whatsapp_rejected`, `timeout`, `bad_request`
   */
  async send({ to, text, key }) {
    if (key === null) return this.#sendNew(toJid(to), text, null);
    const running = this.#running.get(key);
    if (running) {
      this.#requireSameChat(key, toJid(to));
      const { messageId, status } = await running;
      return { messageId, status: status === "sent" ? "already_sent" : status };
    }
    const sending = this.#sendOnce(toJid(to), text, key);
    this.#running.set(key, sending);
    try {
      return await sending;
    } finally {
      this.#running.delete(key);
    }
  }

  /**
   * WhatsApp's server has taken a message, or refused it.
   * @param {string} messageId
   * @param {string | null} error
   */
  acknowledged(messageId, error) {
    const row = this.#store.outbox.byId(messageId);
    if (!row || row.state === "sent") return;
    this.#store.outbox.settle(messageId, error === null ? "sent" : "failed", error === null ? null : rejected(error).message);
    this.#emit("message_out", { chat: shortReference(row.jid), status: error === null ? "sent" : "failed" });
    this.#awaited.get(messageId)?.(error);
  }

  /** Sends again, under their own ids, what an earlier connection left unacknowledged. */
  async resume() {
    for (const messageId of this.#store.outbox.pending()) {
      const row = this.#store.outbox.byId(messageId);
      if (row?.state !== "pending") continue;
      try {
        // Also one whose caller still waits: what was handed to the last connection may be lost.
        await this.#carrier?.relay(row.jid, messageId, row.body);
      } catch (error) {
        // One that cannot be handed over must not hold up the rest; it waits for the next time.
        if (!(error instanceof RequestError)) continue;
        // Without a connection the rest waits too.
        if (error.code !== "whatsapp_rejected") return;
        this.#store.outbox.settle(messageId, "failed", error.message);
      }
    }
  }

  /**
   * @param {string} messageId
   * @param {string} chat that asks: nobody is sent what went to another one
   * @param {(jid: string) => Promise<string | null>} [askLid] asks Baileys for the LID of a number
   * @returns {Promise<Uint8Array | null>} for WhatsApp's retry requests
   */
  async bytesOf(messageId, chat, askLid = async () => null) {
    const row = this.#store.outbox.byId(messageId);
    if (!row) return null;
    if (this.#numberOf(row.jid) === this.#numberOf(chat)) return row.body;
    // Somebody who has never written to us asks by a LID that only Baileys has heard of.
    const to = fromJid(row.jid);
    const lid = to?.kind === "phone" && this.#store.chats.lidOf(to.user) === null ? fromJid(await askLid(row.jid)) : null;
    return lid && toJid(lid) === this.#numberOf(chat) ? row.body : null;
  }

  /**
   * @param {string} jid
   * @param {string} text
   * @param {string} key
   * @returns {Promise<Receipt>}
   */
  async #sendOnce(jid, text, key) {
    const earlier = this.#store.outbox.byKey(key);
    if (!earlier) return this.#sendNew(jid, text, key);
    this.#requireSameChat(key, jid);
    const messageId = earlier.message_id;
    if (earlier.state === "sent") return { messageId, status: "already_sent" };
    if (earlier.state === "failed") throw new RequestError("whatsapp_rejected", earlier.error ?? "WhatsApp refused the message");
    // The first text counts: its bytes under its id, so that whoever got it already sees it once.
    this.#require();
    this.#store.outbox.settle(messageId, "pending");
    return this.#hand(earlier.jid, messageId, earlier.body, true);
  }

  /**
   * A key that comes with another chat is a caller's slip: neither may its message be taken for
   * sent, nor may the first one go out in its place.
   * @param {string} key
   * @param {string} jid
   */
  #requireSameChat(key, jid) {
    const earlier = this.#store.outbox.byKey(key);
    if (!earlier || this.#numberOf(earlier.jid) === this.#numberOf(jid)) return;
    throw new RequestError("bad_request", "The idempotency key belongs to a message to another chat, so nothing was sent. Give every message a key of its own");
  }

  /** @param {string} jid by its number, where that is known, and without a device */
  #numberOf(jid) {
    const identity = fromJid(jid);
    if (!identity) return jid;
    const phone = identity.kind === "lid" ? this.#store.chats.phoneOf(identity.user) : null;
    return toJid(phone === null ? identity : { kind: "phone", user: phone });
  }

  /**
   * @param {string} jid
   * @param {string} text
   * @param {string | null} key
   */
  async #sendNew(jid, text, key) {
    const { messageId, body } = this.#require().compose(text);
    this.#store.outbox.add({ messageId, key, jid, body });
    return this.#hand(jid, messageId, body, key !== null);
  }

  /**
   * @param {string} jid
   * @param {string} messageId
   * @param {Uint8Array} body
   * @param {boolean} keyed somebody can ask for this very message again
   * @returns {Promise<Receipt>}
   */
  async #hand(jid, messageId, body, keyed) {
    const carrier = this.#require();
    /** @type {(outcome: { ack: string | null } | "late") => void} */
    let settle = () => undefined;
    // Listening starts first: the acknowledgement can be faster than the promise of the send.
    const outcome = /** @type {Promise<{ ack: string | null } | "late">} */ (new Promise((resolve) => (settle = resolve)));
    this.#awaited.set(messageId, (error) => settle({ ack: error }));
    const timer = setTimeout(() => settle("late"), this.#ackMs);
    const relayed = carrier.relay(jid, messageId, body).then(() => outcome);
    // One that fails after the answer was given stays pending, for the next connection.
    relayed.catch(() => undefined);
    try {
      const result = await Promise.race([outcome, relayed]);
      if (result === "late") return { messageId, status: "pending" };
      if (result.ack === null) return { messageId, status: "sent" };
      throw rejected(result.ack);
    } catch (error) {
      throw this.#notTaken(messageId, keyed, error);
    } finally {
      clearTimeout(timer);
      this.#awaited.delete(messageId);
    }
  }

  /**
   * @param {string} messageId
   * @param {boolean} keyed
   * @param {unknown} error
   */
  #notTaken(messageId, keyed, error) {
    if (error instanceof RequestError && error.code === "whatsapp_rejected") {
      this.#store.outbox.settle(messageId, "failed", error.message);
      return error;
    }
    // The caller is told that it failed, so it must not go out by itself later.
    if (keyed) this.#store.outbox.settle(messageId, "unsent");
    else this.#store.outbox.forget(messageId);
    if (error instanceof RequestError) return error;
    return new RequestError("timeout", "WhatsApp did not take the message: the connection did not hold, or a question before it was not answered. Try again");
  }

  #require() {
    if (!this.#carrier) throw new RequestError("not_connected", "The bridge is still starting. Try again in a moment");
    this.#carrier.requireConnected();
    return this.#carrier;
  }
}

/** @param {string} error WhatsApp's number for the refusal */
function rejected(error) {
  const why =
    error === "463"
      ? "it does not let this account write to people who have not written to it first"
      : `its reason has the number ${error}`;
  return new RequestError("whatsapp_rejected", `WhatsApp refused the message: ${why}`);
}
