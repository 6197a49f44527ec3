// @ts-check
/**
 * The only socket: one Baileys connection at a time, its QR codes, its end and what follows.
 * What to do at an end is decided by reconnect.mjs; texts are passed on and never kept here.
 * Imports Baileys, so it may be loaded only after the silence.
 */

import { randomBytes } from "node:crypto";
import { generateMessageIDV2, jidNormalizedUser, makeWASocket, proto } from "@whiskeysockets/baileys";
import { loadAuth } from "./auth-state.mjs";
import { RequestError } from "./errors.mjs";
import { aliasesOf, fromJid } from "./identity.mjs";
import { readMessage, sentAt, shortened } from "./inbound.mjs";
import { place } from "./inbox.mjs";
import { decide, FRESH, WAITS } from "./reconnect.mjs";

/**
 * @typedef {import("./reconnect.mjs").State} State
 * @typedef {{ jid: string, lid: string | null, name: string | null, phone: string | null }} Self
 * @typedef {{ state: State, reason: string | null, identity: Self | null, ignored: Record<string, number>, changedAt: number }} Status
 * @typedef {import("@whiskeysockets/baileys").WASocket} Socket
 * @typedef {import("@whiskeysockets/baileys").WAMessage} WAMessage
 * @typedef {{
 *   store: import("./store.mjs").Store,
 *   inbox: import("./inbox.mjs").Inbox,
 *   outbox: import("./outbox.mjs").Outbox,
 *   emit: import("./events.mjs").Emit,
 *   die: (error: unknown) => never,
 *   webUrl: string | null,
 *   version: string,
 * }} Parts
 * @typedef {import("./reconnect.mjs").Waits & { silentMs: number, settledMs: number, closeMs: number }} Timing
 */

/** @type {Readonly<Timing>} */
const TIMING = Object.freeze({ ...WAITS, silentMs: 45_000, settledMs: 60_000, closeMs: 1_000 });
/** Baileys shows the first code for a minute and each following one for 20 s. */
const FIRST_QR_MS = 60_000;
const NEXT_QR_MS = 20_000;
/** Older messages that WhatsApp delivers late are not answered any more. */
const LATEST_MS = 24 * 60 * 60 * 1000;

/** WhatsApp allows 25 characters; the bound is for hostile clients. */
const LONGEST_NAME = 100;

/** WhatsApp's answers to a question about a group that is none, or none of ours. */
const NO_MEMBER = new Set([401, 403, 404, 406]);

/** @type {import("@whiskeysockets/baileys").SocketConfig["logger"]} */
const SILENT = {
  level: "silent",
  child: () => SILENT,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export class Session {
  /** @type {Parts} */ #parts;
  /** @type {Timing} */ #timing;
  /** @type {Socket | null} */ #socket = null;
  /** @type {State} */ #state = "starting";
  /** @type {string | null} */ #reason = null;
  #changedAt = Date.now();
  #history = FRESH;
  #paired = false;
  #qrNumber = 0;
  /** @type {Self | null} */ #self = null;
  /** @type {NodeJS.Timeout | undefined} */ #next;
  /** @type {NodeJS.Timeout | undefined} */ #watchdog;
  /** @type {NodeJS.Timeout | undefined} */ #settled;
  /** @type {Promise<void>} */ #inbound = Promise.resolve();
  /** @type {Record<string, number>} */ #ignored = {};
  /** @type {Map<string, string | null>} */ #subjects = new Map();
  #stopped = false;

  /**
   * @param {Parts} parts
   * @param {Timing} [timing]
   */
  constructor(parts, timing = TIMING) {
    this.#parts = parts;
    this.#timing = timing;
  }

  /** @returns {Status} */
  status() {
    return { state: this.#state, reason: this.#reason, identity: this.#self, ignored: { ...this.#ignored }, changedAt: this.#changedAt };
  }

  /** Opens a connection, and from then on keeps one. */
  start() {
    this.#connect();
  }

  /** Leaves a rest: somebody has done something about its reason. */
  resume() {
    if (this.#stopped || this.#socket || this.#next) return;
    this.#connect();
  }

  /** @param {string} reason drops a connection that cannot be trusted any more */
  recycle(reason) {
    if (this.#socket && !this.#stopped) this.#ended(this.#socket, undefined, reason);
  }

  /** Closes the connection; the login stays. */
  async stop() {
    this.#stopped = true;
    this.#clearTimers();
    const socket = this.#socket;
    this.#socket = null;
    if (socket) await this.#close(socket);
    await this.#inbound;
  }

  // --- what the outbox needs -------------------------------------------------------------------

  requireConnected() {
    if (this.#state === "connected") return;
    if (!this.#paired) {
      throw new RequestError("not_paired", "No phone is linked. Run `loong whatsapp-personal bridge run` and scan the QR code");
    }
    const rest = this.#next || this.#socket ? "The bridge tries again by itself" : "See what the bridge says, and start it again";
    throw new RequestError("not_connected", `The bridge is not connected to WhatsApp (${this.#state}). ${rest}`);
  }

  /** @param {string} text */
  compose(text) {
    const message = { extendedTextMessage: { text }, messageContextInfo: { messageSecret: randomBytes(32) } };
    return {
      messageId: generateMessageIDV2(this.#socket?.user?.id),
      body: proto.Message.encode(proto.Message.fromObject(message)).finish(),
    };
  }

  /**
   * @param {string} jid
   * @param {string} messageId
   * @param {Uint8Array} body
   */
  async relay(jid, messageId, body) {
    this.requireConnected();
    const socket = this.#socket;
    if (!socket) return;
    // Baileys sends to nobody without a word; it keeps the answer, so that asking costs nothing.
    if (!jid.endsWith("@g.us") && (await socket.getUSyncDevices([jid], true, false)).length === 0) {
      throw new RequestError("whatsapp_rejected", "WhatsApp knows no device of this contact. Check that the number uses WhatsApp");
    }
    try {
      await socket.relayMessage(jid, proto.Message.decode(body), { messageId });
    } catch (error) {
      if (jid.endsWith("@g.us") && NO_MEMBER.has(/** @type {any} */ (error)?.data)) {
        throw new RequestError("whatsapp_rejected", "WhatsApp does not show this group to the account. Check the group's id, and that the account is a member");
      }
      throw error;
    }
  }

  // --- one connection --------------------------------------------------------------------------

  #connect() {
    try {
      this.#open();
    } catch (error) {
      this.#parts.die(error);
    }
  }

  #open() {
    const { store, outbox, die, webUrl, version } = this.#parts;
    this.#clearTimers();
    const auth = loadAuth(store, die);
    this.#paired = Boolean(auth.state.creds.me?.id);
    this.#qrNumber = 0;
    if (this.#paired || this.#state === "starting") {
      this.#setState("connecting", null, this.#paired ? "Connecting to WhatsApp." : "Asking WhatsApp for a QR code.");
    }
    const socket = makeWASocket({
      auth: auth.state,
      logger: SILENT,
      browser: ["Loong", "Chrome", version],
      ...(webUrl === null ? {} : { waWebSocketUrl: webUrl }),
      markOnlineOnConnect: false,
      syncFullHistory: false,
      shouldSyncHistoryMessage: () => false,
      transactionOpts: { maxCommitRetries: 1, delayBetweenTriesMs: 0 },
      getMessage: async ({ id }) => {
        const bytes = id ? outbox.bytesOf(id) : null;
        return bytes ? proto.Message.decode(bytes) : undefined;
      },
    });
    this.#socket = socket;
    this.#watchdog = setTimeout(() => this.#ended(socket, undefined, "no_answer"), this.#timing.silentMs);
    const awake = () => clearTimeout(this.#watchdog);
    socket.ws.once("frame", awake);
    // Baileys reports neither of these: the first never, the second only when the server closes.
    socket.ws.on("unexpected-response", () => this.#ended(socket, undefined, "upgrade_refused"));
    for (const last of ["CB:stream:error", "CB:failure"]) socket.ws.on(last, () => this.#cutOff(socket));
    socket.ws.on("CB:ack,class:message", (/** @type {import("@whiskeysockets/baileys").BinaryNode} */ { attrs }) => {
      if (attrs.id) outbox.acknowledged(attrs.id, attrs.error ?? null);
    });
    socket.ev.on("creds.update", () => auth.save());
    socket.ev.on("connection.update", (update) => {
      if (this.#socket !== socket) return;
      if (update.qr) {
        awake();
        this.#showQr(update.qr);
      }
      if (update.isNewLogin) {
        this.#paired = true;
        this.#setState("connecting", "paired", "The phone has linked this device.");
      }
      if (update.connection === "open") this.#opened(socket);
      if (update.connection === "close") this.#ended(socket, codeOf(update.lastDisconnect?.error), null);
    });
    hearMessages(socket.ev, (message, type) => {
      this.#inbound = this.#inbound.then(() => this.#take(socket, message, type)).catch(die);
    });
    socket.ev.on("groups.update", (updates) => {
      for (const { id, subject } of updates) if (id && subject) this.#subjects.set(id, subject);
    });
  }

  /** @param {string} qr */
  #showQr(qr) {
    this.#qrNumber += 1;
    if (this.#state !== "pairing") this.#setState("pairing", null, "Scan the QR code with the phone.");
    this.#parts.emit("qr", {
      qr,
      expires_in_ms: this.#qrNumber === 1 ? FIRST_QR_MS : NEXT_QR_MS,
      number: this.#qrNumber,
      round: this.#history.rounds + 1,
    });
  }

  /** @param {Socket} socket */
  #opened(socket) {
    clearTimeout(this.#watchdog);
    this.#history = { ...this.#history, rounds: 0 };
    this.#settled = setTimeout(() => (this.#history = FRESH), this.#timing.settledMs);
    const me = socket.authState.creds.me;
    const number = fromJid(me?.id);
    this.#self = {
      jid: jidNormalizedUser(me?.id),
      lid: me?.lid ? jidNormalizedUser(me.lid) : null,
      name: me?.name && me.name !== "~" ? me.name : null,
      phone: number?.kind === "phone" ? `+${number.user}` : null,
    };
    this.#setState("connected", null, "Connected to WhatsApp.");
    this.#parts.emit("connected", { ...this.#self });
    void this.#parts.outbox.resume();
  }

  /**
   * @param {Socket} socket
   * @param {number | undefined} code
   * @param {string | null} cause what we saw ourselves
   */
  #ended(socket, code, cause) {
    if (this.#socket !== socket || this.#stopped) return;
    this.#socket = null;
    this.#clearTimers();
    void this.#close(socket);
    const decision = decide({ code, paired: this.#paired, qrShown: this.#qrNumber > 0 }, this.#history, Math.random, this.#timing);
    this.#history = decision.history;
    if (decision.newLogin) {
      this.#parts.store.setLoginAside(decision.reason);
      this.#paired = false;
      this.#self = null;
    }
    this.#setState(decision.state, cause ?? decision.reason, decision.message, decision.delayMs);
    if (decision.delayMs !== null) this.#next = setTimeout(() => this.#connect(), decision.delayMs);
  }

  /**
   * The server has said its last word; waiting for it to close too can take half a minute.
   * @param {Socket} socket
   */
  #cutOff(socket) {
    setTimeout(() => terminate(socket), this.#timing.closeMs).unref();
  }

  /** @param {Socket} socket */
  async #close(socket) {
    const closing = Promise.resolve(socket.end(undefined)).catch(() => undefined);
    const timer = setTimeout(() => terminate(socket), this.#timing.closeMs);
    await closing;
    clearTimeout(timer);
  }

  #clearTimers() {
    clearTimeout(this.#next);
    clearTimeout(this.#watchdog);
    clearTimeout(this.#settled);
    this.#next = undefined;
  }

  /**
   * @param {State} state
   * @param {string | null} reason
   * @param {string} message
   * @param {number | null} [retryInMs]
   */
  #setState(state, reason, message, retryInMs = null) {
    this.#state = state;
    this.#reason = reason;
    this.#changedAt = Date.now();
    this.#parts.emit("state", { state, reason, message, retry_in_ms: retryInMs });
  }

  // --- what comes in ---------------------------------------------------------------------------

  /**
   * @param {Socket} socket
   * @param {WAMessage} message
   * @param {"notify" | "append"} type
   */
  async #take(socket, message, type) {
    const read = readMessage(message);
    if ("ignored" in read) return this.#ignore(read.ignored);
    const now = Date.now();
    const sent = sentAt(message.messageTimestamp, now);
    if (type === "append" && now - sent > LATEST_MS) return this.#ignore("too_old");
    const { key } = message;
    const chat = await this.#aliases(socket, key.remoteJid, key.remoteJidAlt);
    const group = chat[0]?.kind === "group";
    const author = group ? await this.#aliases(socket, key.participant, key.participantAlt) : chat;
    const where = place(chat, author);
    if (!where || !key.id) return this.#ignore("malformed");
    this.#parts.inbox.accept({
      ...where,
      ...read.text,
      messageId: key.id,
      senderName: message.pushName ? shortened(message.pushName, LONGEST_NAME) : null,
      sentAt: sent,
      groupSubject: group ? this.#subject(socket, where.conversation) : null,
    });
  }

  /** @param {string} why */
  #ignore(why) {
    this.#ignored[why] = (this.#ignored[why] ?? 0) + 1;
  }

  /**
   * Both ids of a chat: from the message, from what earlier ones said, or from what Baileys knows.
   * @param {Socket} socket
   * @param {string | null | undefined} jid
   * @param {string | null | undefined} alternative
   */
  async #aliases(socket, jid, alternative) {
    const { store } = this.#parts;
    const known = aliasesOf(jid, alternative);
    const lid = known.find((each) => each.kind === "lid");
    if (!lid) return known;
    const number = known.find((each) => each.kind === "phone");
    if (number) {
      store.rememberAlias(lid.user, number.user);
      return known;
    }
    const remembered = store.phoneOf(lid.user);
    const other = remembered === null ? await this.#numberOf(socket, `${lid.user}@lid`) : `${remembered}@s.whatsapp.net`;
    return aliasesOf(jid, other);
  }

  /**
   * @param {Socket} socket
   * @param {string} lid
   */
  async #numberOf(socket, lid) {
    try {
      return await socket.signalRepository.lidMapping.getPNForLID(lid);
    } catch {
      return null;
    }
  }

  /**
   * A group's name, asked for once and in the background: no message waits for it.
   * @param {Socket} socket
   * @param {string} jid
   */
  #subject(socket, jid) {
    const known = this.#subjects.get(jid);
    if (known !== undefined) return known;
    this.#subjects.set(jid, null);
    socket.groupMetadata(jid).then(
      ({ subject }) => this.#subjects.set(jid, subject),
      () => this.#subjects.delete(jid),
    );
    return null;
  }
}

/**
 * Every message, also those that Baileys still holds back when its connection ends: it has
 * confirmed them to WhatsApp already, and would forget them.
 * @param {Pick<Socket["ev"], "on" | "flush">} ev
 * @param {(message: WAMessage, type: "notify" | "append") => void} take
 */
export function hearMessages(ev, take) {
  ev.on("messages.upsert", ({ messages, type }) => {
    // Held back messages come as a batch in no promised order.
    for (const message of [...messages].sort((a, b) => sentAt(a.messageTimestamp, 0) - sentAt(b.messageTimestamp, 0))) take(message, type);
  });
  ev.on("connection.update", ({ connection }) => {
    if (connection === "close") ev.flush();
  });
}

/** @param {unknown} error as Baileys gives it: a Boom, or anything */
function codeOf(error) {
  const code = /** @type {any} */ (error)?.output?.statusCode;
  return typeof code === "number" ? code : undefined;
}

/** @param {Socket} socket cuts the connection without a farewell */
function terminate(socket) {
  /** @type {any} */ (socket.ws).socket?.terminate();
}
