// @ts-check
/**
 * The life of the login: one connection at a time, its QR codes, its end and what follows. What to
 * do at an end is decided by reconnect.mjs, what comes in is read by receiver.mjs. Imports
 * Baileys, so it may be loaded only after the silence.
 */

import { randomBytes } from "node:crypto";
import { generateMessageIDV2, jidNormalizedUser, proto } from "@whiskeysockets/baileys";
import { isLinked, loadAuth } from "./auth-state.mjs";
import { codeOf, Connection } from "./connection.mjs";
import { RequestError } from "./errors.mjs";
import { fromJid, shortPhone } from "./identity.mjs";
import { InOrder } from "./in-order.mjs";
import { Journal } from "./journal.mjs";
import { plainName } from "./names.mjs";
import { Pairing } from "./pairing.mjs";
import { hearReceipts } from "./receipts.mjs";
import { Receiver } from "./receiver.mjs";
import { decide, FRESH } from "./reconnect.mjs";
import { Signal } from "./signal.mjs";
import { TIMING } from "./timing.mjs";

/**
 * @typedef {import("./reconnect.mjs").State} State
 * @typedef {{ jid: string, lid: string | null, name: string | null, phone: string | null }} Self
 * @typedef {{
 *   state: State, reason: string | null, changedAt: number, identity: Self | null,
 *   ignored: Record<string, number>, undecryptable: number,
 *   lastFrameAt: number | null, connectedSince: number | null, reconnects: number, retryAt: number | null,
 * }} Status
 * @typedef {{
 *   store: import("./store/store.mjs").Store,
 *   people: import("./people.mjs").People,
 *   inbox: import("./inbox.mjs").Inbox,
 *   outbox: import("./outbox.mjs").Outbox,
 *   emit: import("./events.mjs").Emit,
 *   die: (error: unknown) => never,
 *   webUrl: string | null,
 *   version: string,
 *   settings: Pick<import("./settings.mjs").Settings, "backlogMaxAgeMs" | "webVersion">,
 *   pairing: import("./pairing.mjs").Wanted | null,
 *   pause?: { hear(text: string): void },
 * }} Parts
 */

export class Session {
  /** @type {Parts} */ #parts;
  /** @type {import("./timing.mjs").Timing} */ #timing;
  /** @type {Receiver} */ #receiver;
  /** @type {Pairing} */ #pairing;
  #signal = new Signal();
  #inOrder = new InOrder();
  /** @type {Connection | null} */ #connection = null;
  /** @type {Promise<void> | null} connections that we have left and that still end */ #closing = null;
  /** @type {Connection | null} the last one that was opened */ #latest = null;
  /** @type {State} */ #state = "starting";
  /** @type {string | null} */ #reason = null;
  #changedAt = Date.now();
  #history = FRESH;
  #paired = false;
  /** @type {Self | null} */ #self = null;
  /** @type {Promise<{ unlinked: boolean, setAside: boolean }> | null} */ #leaving = null;
  /** @type {NodeJS.Timeout | undefined} */ #next;
  /** @type {NodeJS.Timeout | undefined} */ #watchdog;
  /** @type {NodeJS.Timeout | undefined} */ #settling;
  /** @type {number | null} */ #retryAt = null;
  /** @type {number | null} */ #lastFrameAt = null;
  /** @type {number | null} */ #connectedSince = null;
  #connections = 0;
  #stopped = false;

  /**
   * @param {Parts} parts
   * @param {import("./timing.mjs").Timing} [timing]
   */
  constructor(parts, timing = TIMING) {
    this.#parts = parts;
    this.#timing = timing;
    this.#receiver = new Receiver({ ...parts, backlogMaxAgeMs: parts.settings.backlogMaxAgeMs });
    this.#pairing = new Pairing(parts.emit, timing, parts.pairing);
  }

  /** @returns {Status} */
  status() {
    return {
      state: this.#state,
      reason: this.#reason,
      changedAt: this.#changedAt,
      identity: this.#self,
      ignored: this.#receiver.ignored,
      undecryptable: this.#receiver.undecryptable,
      lastFrameAt: this.#lastFrameAt,
      connectedSince: this.#connectedSince,
      reconnects: Math.max(0, this.#connections - 1),
      retryAt: this.#retryAt,
    };
  }

  /** Opens a connection, and from then on keeps one. */
  start() {
    if (this.#replay()) {
      void this.#receiver.settled().then(() => {
        if (!this.#stopped) this.#begin();
      });
    } else {
      this.#begin();
    }
  }

  #begin() {
    this.#connect();
    if (this.#paired && this.#pairing.codeWanted) {
      this.#parts.emit("warning", { code: "already_linked", message: "This login is linked already, so no pairing code is asked for. To link another phone, run `loong whatsapp-personal bridge logout` first." });
    }
  }

  /** Leaves a rest, or a wait for the next try: somebody has done something about its reason. */
  resume() {
    if (this.#stopped || this.#leaving || this.#connection) return;
    this.#history = FRESH;
    this.#connect();
  }

  /** Whether what has just failed unheard was begun by a connection that is no longer ours. */
  leftBehind() {
    const whose = Connection.ofThisCall();
    return whose !== null && whose !== this.#connection?.id;
  }

  /** @param {string} reason drops a connection that cannot be trusted any more */
  recycle(reason) {
    if (this.#connection && !this.#stopped) this.#ended(this.#connection, undefined, reason);
  }

  /**
   * Gives the login up, at WhatsApp too when it can be told, and asks for a new one.
   * @returns {Promise<{ unlinked: boolean, setAside: boolean }>} `unlinked`: WhatsApp confirmed it
   */
  async logout() {
    // Cleared out here: with nothing to wait for, `#leave` is over before it is stored.
    this.#leaving ??= this.#leave().finally(() => (this.#leaving = null));
    return this.#leaving;
  }

  /** Closes the connection; the login stays. */
  async stop() {
    this.#stopped = true;
    this.#clearTimers();
    this.#pairing.end();
    const connection = this.#connection;
    this.#connection = null;
    // What it still held back comes in as it ends; a logout under way has the login to set aside.
    await Promise.all([this.#leaving, this.#closing, connection?.close()]);
    // What was being decrypted goes to the receiver first.
    await this.#signal.quiet();
    await this.#receiver.settled();
  }

  // --- what the outbox needs -------------------------------------------------------------------

  requireConnected() {
    if (this.#state === "connected") return;
    if (!this.#paired) {
      throw new RequestError("not_paired", "No phone is linked. Run `loong whatsapp-personal bridge run` and scan the QR code");
    }
    const rest = this.#next || this.#connection ? "The bridge tries again by itself" : "See what the bridge says, then run `loong whatsapp-personal bridge resume`";
    throw new RequestError("not_connected", `The bridge is not connected to WhatsApp (${this.#state}). ${rest}`);
  }

  /** @param {string} text */
  compose(text) {
    const message = { extendedTextMessage: { text }, messageContextInfo: { messageSecret: randomBytes(32) } };
    return {
      messageId: generateMessageIDV2(this.#connection?.socket.user?.id),
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
    await this.#connection?.relay(jid, messageId, body);
  }

  // --- one connection --------------------------------------------------------------------------

  /** @returns {boolean} whether the last run has left messages that are dealt with now */
  #replay() {
    const { store, people, die } = this.#parts;
    if (!store.logins.current()) return false;
    const auth = loadAuth(store, die);
    const { me } = auth.state.creds;
    people.setSelf([me?.id, me?.lid]);
    const journal = new Journal(store.journal, auth, die);
    const signalRepository = journal.repository();
    const groupMetadata = () => Promise.reject(new RequestError("not_connected", "The bridge is not connected to WhatsApp yet"));
    this.#receiver.take(journal, { signalRepository, groupMetadata });
    return journal.replay(signalRepository) > 0;
  }

  #connect() {
    // The one before may still be writing credentials; the next begins with what it leaves.
    if (this.#closing) {
      void this.#closing.then(() => {
        if (!this.#stopped && !this.#leaving && !this.#connection) this.#connect();
      });
      return;
    }
    try {
      this.#open();
    } catch (error) {
      this.#parts.die(error);
    }
  }

  #open() {
    const { store, people, outbox, die, webUrl, version, settings } = this.#parts;
    this.#clearTimers();
    const auth = loadAuth(store, die);
    const { me } = auth.state.creds;
    this.#paired = isLinked(auth.state.creds);
    people.setSelf(this.#paired ? [me?.id, me?.lid] : []);
    this.#self = this.#paired && me ? selfOf(me) : null;
    // Between two rounds of codes a person sees one pairing, not many connections.
    if (this.#state !== "pairing") this.#setState("connecting", null, this.#paired ? "Connecting to WhatsApp." : "Asking WhatsApp for a QR code.");
    const journal = new Journal(store.journal, auth, die);
    const connection = new Connection({ auth: auth.state, signal: this.#signal, journal, inOrder: this.#inOrder, outbox, timing: this.#timing, webUrl, webVersion: settings.webVersion, version });
    this.#connection = connection;
    this.#latest = connection;
    const { socket } = connection;
    this.#pairing.begin(socket);
    this.#watch(connection);
    socket.ws.on("frame", () => {
      this.#lastFrameAt = Date.now();
      this.#watch(connection);
    });
    // Baileys does not report this at all.
    socket.ws.on("unexpected-response", () => this.#ended(connection, undefined, "upgrade_refused"));
    socket.ws.on("CB:ack,class:message", (/** @type {import("@whiskeysockets/baileys").BinaryNode} */ { attrs }) => {
      if (attrs.id) outbox.acknowledged(attrs.id, attrs.error ?? null);
    });
    let name = me?.name;
    socket.ev.on("creds.update", (update) => {
      // One that outlived its time must not write over what a later one has saved.
      if (this.#latest !== connection) return;
      auth.save();
      if (update.me?.name === name) return;
      name = update.me?.name;
      // WhatsApp shows to others the name that comes with a presence; this one says that nobody is there.
      if (this.#state === "connected") socket.sendPresenceUpdate("unavailable").catch(() => undefined);
    });
    socket.ev.on("connection.update", (update) => {
      if (this.#connection !== connection) return;
      if (update.qr) {
        if (this.#state !== "pairing") this.#setState("pairing", null, "Scan the QR code with the phone.");
        this.#pairing.show(update.qr, this.#history.rounds + 1);
        this.#watch(connection);
      }
      if (update.isNewLogin) {
        this.#pairing.end();
        this.#paired = true;
        this.#setState("connecting", "paired", "The phone has linked this device.");
      }
      if (update.connection === "open") this.#opened(connection);
      if (update.connection === "close") this.#ended(connection, codeOf(update.lastDisconnect?.error), null);
    });
    this.#receiver.listen(socket, journal, this.#inOrder);
    hearReceipts(socket.ev, (messageId, what, at) => outbox.receipt(messageId, what, at), (jid) => people.isSelf(jid));
  }

  /**
   * Starts the wait for the server's next word anew: Baileys does not notice every silence.
   * @param {Connection} connection
   */
  #watch(connection) {
    if (this.#connection !== connection) return;
    clearTimeout(this.#watchdog);
    const stands = this.#state === "connected" || (this.#state === "pairing" && this.#pairing.shown);
    const [limit, cause] = stands ? [this.#timing.quietMs, "silence"] : [this.#timing.silentMs, "no_answer"];
    this.#watchdog = setTimeout(() => this.#ended(connection, undefined, cause), limit);
  }

  /** @param {Connection} connection */
  #opened(connection) {
    const { me } = connection.socket.authState.creds;
    this.#parts.people.setSelf([me?.id, me?.lid]);
    this.#history = { ...this.#history, rounds: 0, restarted: false };
    this.#settling = setTimeout(() => (this.#history = { ...FRESH, takenOverAt: this.#history.takenOverAt }), this.#timing.settledMs);
    if (me) this.#self = selfOf(me);
    const parked = this.#self?.phone ? this.#parts.inbox.belongsTo(this.#self.phone) : 0;
    if (parked > 0) {
      this.#parts.emit("warning", { code: "account_changed", message: `Another number is linked now. ${parked} messages that waited for an answer of the last one are parked as dead letters.` });
    }
    this.#setState("connected", null, "Connected to WhatsApp.");
    this.#connectedSince = this.#changedAt;
    this.#connections += 1;
    this.#watch(connection);
    // Events are kept in logs: no whole number is in them.
    const { phone, lid, name } = this.#self ?? { phone: null, lid: null, name: null };
    this.#parts.emit("connected", { name, phone: phone && shortPhone(phone), lid_known: lid !== null });
    void this.#parts.outbox.resume();
  }

  /**
   * @param {Connection} connection
   * @param {number | undefined} code
   * @param {string | null} cause what we saw ourselves
   */
  #ended(connection, code, cause) {
    if (this.#connection !== connection || this.#stopped) return;
    const shown = this.#pairing.shown;
    this.#release(connection);
    const decision = decide({ code, paired: this.#paired, qrShown: shown }, this.#history, Math.random, this.#timing);
    this.#history = decision.history;
    if (decision.newLogin) this.#setLoginAside(decision.reason);
    // A rest is explained by what it waits for.
    this.#setState(decision.state, decision.delayMs === null ? decision.reason : (cause ?? decision.reason), decision.message, decision.delayMs);
    if (decision.delayMs === null) return;
    this.#retryAt = Date.now() + decision.delayMs;
    this.#next = setTimeout(() => this.#connect(), decision.delayMs);
  }

  /** @param {Connection} connection its events are of no interest any more */
  #release(connection) {
    this.#connection = null;
    this.#pairing.end();
    this.#clearTimers();
    const closing = Promise.all([this.#closing, connection.close()]).then(() => {
      if (this.#closing === closing) this.#closing = null;
    });
    this.#closing = closing;
  }

  async #leave() {
    const connection = this.#connection;
    if (!this.#paired) return { unlinked: false, setAside: false };
    const connected = this.#state === "connected";
    // From here on its end is no event: it is what we want.
    this.#connection = null;
    this.#clearTimers();
    this.#setState("logged_out", "logged_out_here", "Unlinking this device. The login is set aside; pair again.");
    const unlinked = connection && connected ? await connection.unlink() : false;
    await Promise.all([this.#closing, connection?.close()]);
    this.#setLoginAside("logged_out_here");
    this.#history = FRESH;
    if (!this.#stopped) this.#connect();
    return { unlinked, setAside: true };
  }

  /** @param {string} because */
  #setLoginAside(because) {
    this.#parts.store.logins.setAside(because);
    this.#parts.outbox.loginEnded();
    this.#parts.people.setSelf([]);
    this.#paired = false;
    this.#self = null;
  }

  #clearTimers() {
    for (const timer of [this.#next, this.#watchdog, this.#settling]) clearTimeout(timer);
    this.#next = undefined;
    this.#retryAt = null;
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
    this.#connectedSince = null;
    this.#parts.emit("state", { state, reason, message, retry_in_ms: retryInMs });
  }
}

/**
 * @param {import("@whiskeysockets/baileys").Contact} me as the credentials name us
 * @returns {Self}
 */
function selfOf(me) {
  const number = fromJid(me.id);
  return {
    jid: jidNormalizedUser(me.id),
    lid: me.lid ? jidNormalizedUser(me.lid) : null,
    name: me.name === "~" ? null : plainName(me.name),
    phone: number?.kind === "phone" ? `+${number.user}` : null,
  };
}
