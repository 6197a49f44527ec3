// @ts-check
/**
 * One Baileys socket: how it is set up, how it is ended, and how a message leaves through it.
 * What its events mean is the session's and the receiver's. Imports Baileys, so it may be loaded
 * only after the silence.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { makeWASocket, proto, S_WHATSAPP_NET, USyncQuery, USyncUser } from "@whiskeysockets/baileys";
import { RequestError } from "./errors.mjs";
import { SILENT, TRANSACTIONS } from "./quiet.mjs";

/**
 * @typedef {import("@whiskeysockets/baileys").WASocket} Socket
 * @typedef {{
 *   auth: import("@whiskeysockets/baileys").AuthenticationState,
 *   signal: import("./signal.mjs").Signal,
 *   journal: import("./journal.mjs").Journal,
 *   inOrder: import("./in-order.mjs").InOrder,
 *   outbox: import("./outbox.mjs").Outbox,
 *   timing: import("./timing.mjs").Timing,
 *   webUrl: string | null,
 *   webVersion: [number, number, number] | null,
 *   version: string,
 * }} Setup
 */

/** WhatsApp's answers to a question about a group that is none, or none of ours. */
const NO_MEMBER = new Set([401, 403, 404, 406]);
const LOGGED_OUT = 401;
/** What runs on behalf of which connection, up to a promise that fails unheard. */
const BEHALF = /** @type {AsyncLocalStorage<symbol>} */ (new AsyncLocalStorage());

export class Connection {
  /** @type {Socket} */ socket;
  /** @type {import("./timing.mjs").Timing} */ #timing;
  /** Stands for it where a reference would keep each one in memory through the next. */
  id = Symbol("connection");
  #over = false;
  /** @type {Promise<void>} all that it had to say has been heard */ #heard;

  /** @param {Setup} setup */
  constructor({ auth, signal, journal, inOrder, outbox, timing, webUrl, webVersion, version }) {
    this.#timing = timing;
    this.socket = BEHALF.run(this.id, () => makeWASocket({
      auth,
      logger: SILENT,
      browser: ["Loong", "Chrome", version],
      ...(webUrl === null ? {} : { waWebSocketUrl: webUrl }),
      ...(webVersion === null ? {} : { version: webVersion }),
      ...(timing.qrMs === 0 ? {} : { qrTimeout: timing.qrMs }),
      keepAliveIntervalMs: timing.keepAliveMs,
      markOnlineOnConnect: false,
      syncFullHistory: false,
      shouldSyncHistoryMessage: () => false,
      transactionOpts: TRANSACTIONS,
      makeSignalRepository: signal.repositoryFor(journal),
      getMessage: async ({ id, remoteJid }) => {
        const bytes = id && remoteJid ? await outbox.bytesOf(id, remoteJid, (jid) => this.socket.signalRepository.lidMapping.getLIDForPN(jid)) : null;
        return bytes ? proto.Message.decode(bytes) : undefined;
      },
    }));
    this.#heard = new Promise((resolve) => {
      this.socket.ev.on("connection.update", ({ connection }) => {
        if (connection !== "close") return;
        this.#over = true;
        // Left alone, Baileys waits a minute for every answer that cannot come any more.
        this.socket.ws.emit("error", new Error("the connection has ended"));
        resolve();
      });
    });
    inOrder.hold(this.socket.ws);
    // Before anybody else: a message is decrypted as soon as it is heard of.
    this.socket.ws.on("frame", (/** @type {unknown} */ frame) => journal.notice(frame));
    keepUnavailable(this.socket);
    // The server has said its last word; waiting for it to close too can take half a minute.
    for (const last of ["CB:stream:error", "CB:failure"]) this.socket.ws.on(last, () => setTimeout(() => this.#terminate(), timing.closeMs).unref());
  }

  /** @returns {symbol | null} the `id` of the one on whose behalf this very call runs, where that is known */
  static ofThisCall() {
    return BEHALF.getStore() ?? null;
  }

  /**
   * @param {string} jid
   * @param {string} messageId
   * @param {Uint8Array} body
   * @throws {RequestError} `whatsapp_rejected`, `not_connected`, `timeout`
   */
  async relay(jid, messageId, body) {
    const gone = () => this.#over || !this.socket.ws.isOpen;
    const over = new RequestError("not_connected", "The connection to WhatsApp ended before the message was handed over. Try again");
    if (gone()) throw over;
    try {
      await this.#relay(jid, messageId, body);
    } catch (error) {
      // What a dying connection says of a contact or a group is no answer.
      throw gone() ? over : error;
    }
  }

  /**
   * @param {string} jid
   * @param {string} messageId
   * @param {Uint8Array} body
   */
  async #relay(jid, messageId, body) {
    const group = jid.endsWith("@g.us");
    // Baileys sends to nobody without a word; it keeps the answer, so that asking costs nothing. As
    // part of a send: it would take this for a reason to replace sessions, which signal.mjs leaves then.
    const devices = () => this.socket.getUSyncDevices([jid], true, false);
    if (!group && (await this.#keys.transaction(devices, "devices of a contact")).length === 0) await this.#requireAnswer(jid);
    try {
      await this.socket.relayMessage(jid, proto.Message.decode(body), { messageId });
    } catch (error) {
      if (group && NO_MEMBER.has(/** @type {any} */ (error)?.data)) {
        throw new RequestError("whatsapp_rejected", "WhatsApp does not show this group to the account. Check the group's id, and that the account is a member");
      }
      throw error;
    }
  }

  /**
   * For Baileys no device and no answer are the same; only WhatsApp's own word is a refusal.
   * @param {string} jid
   */
  async #requireAnswer(jid) {
    const question = new USyncQuery().withContext("message").withDeviceProtocol().withUser(new USyncUser().withId(jid));
    if (await this.socket.executeUSyncQuery(question)) {
      throw new RequestError("whatsapp_rejected", "WhatsApp knows no device of this contact. Check that the number uses WhatsApp");
    }
    throw new RequestError("timeout", "WhatsApp did not say on which devices this contact is. Try again");
  }

  /**
   * Tells WhatsApp to remove this device from the account.
   * @returns {Promise<boolean>} whether it said that it did
   */
  async unlink() {
    const { socket } = this;
    const jid = socket.authState.creds.me?.id;
    if (!jid) return false;
    /** @type {Promise<boolean>} */
    const ended = new Promise((resolve) => {
      socket.ev.on("connection.update", ({ connection, lastDisconnect }) => {
        if (connection === "close") resolve(codeOf(lastDisconnect?.error) === LOGGED_OUT);
      });
      setTimeout(() => resolve(false), this.#timing.logoutMs).unref();
    });
    const request = {
      tag: "iq",
      attrs: { to: S_WHATSAPP_NET, type: "set", xmlns: "md", id: socket.generateMessageTag() },
      content: [{ tag: "remove-companion-device", attrs: { jid, reason: "user_initiated" } }],
    };
    // It answers, or it ends the connection as it does for a device that is gone.
    const answered = socket.query(request, this.#timing.logoutMs).then(Boolean, () => false);
    return Promise.race([answered.then((done) => done || ended), ended]);
  }

  /**
   * Ends it, with the server's consent if that comes soon. Resolves when its last event has been
   * heard, also where it was ending already, and after twice `closeMs` whatever Baileys does.
   */
  async close() {
    this.#over = true;
    Promise.resolve(this.socket.end(undefined)).catch(() => undefined);
    const hurry = setTimeout(() => this.#terminate(), this.#timing.closeMs);
    /** @type {NodeJS.Timeout | undefined} */
    let enough;
    await Promise.race([this.#heard, new Promise((resolve) => (enough = setTimeout(resolve, 2 * this.#timing.closeMs)))]);
    clearTimeout(hurry);
    clearTimeout(enough);
  }

  get #keys() {
    return /** @type {import("@whiskeysockets/baileys").SignalKeyStoreWithTransaction} */ (this.socket.authState.keys);
  }

  #terminate() {
    /** @type {any} */ (this.socket.ws).socket?.terminate();
  }
}

/** @param {unknown} error as Baileys gives it: a Boom, or anything */
export function codeOf(error) {
  const code = /** @type {any} */ (error)?.output?.statusCode;
  return typeof code === "number" ? code : undefined;
}

/**
 * Baileys takes every change of the credentials that names nobody for a change of our name, and
 * tells it in a presence without a type, which may pass for being online: the phone would stop
 * ringing. It compares names only after this has made them the same.
 * @param {Socket} socket
 */
function keepUnavailable({ ev, authState: { creds } }) {
  const emit = ev.emit.bind(ev);
  ev.emit = (event, data) => {
    if (event !== "creds.update") return emit(event, data);
    Object.assign(creds, data);
    return emit("creds.update", creds.me ? { .../** @type {Partial<typeof creds>} */ (data), me: creds.me } : /** @type {Partial<typeof creds>} */ (data));
  };
}
