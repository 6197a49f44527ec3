// @ts-check
/**
 * What a phone that is to be linked is shown: the QR codes of a round, and a pairing code when one
 * is wanted. When a round begins and ends is the session's.
 */

/**
 * @typedef {{ phone: string, customCode: string | null }} Wanted digits of the number
 * @typedef {import("@whiskeysockets/baileys").WASocket} Socket
 */

/** Baileys shows the first QR for a minute and each following one for 20 s. */
const FIRST_QR_MS = 60_000;
const NEXT_QR_MS = 20_000;

export class Pairing {
  /** @type {import("./events.mjs").Emit} */ #emit;
  /** @type {import("./timing.mjs").Timing} */ #timing;
  /** @type {Wanted | null} */ #wanted;
  #shown = 0;
  /** @type {NodeJS.Timeout | undefined} */ #timer;
  /** @type {Socket | null} */ #socket = null;

  /**
   * @param {import("./events.mjs").Emit} emit
   * @param {import("./timing.mjs").Timing} timing
   * @param {Wanted | null} wanted null: QR codes only
   */
  constructor(emit, timing, wanted) {
    this.#emit = emit;
    this.#timing = timing;
    this.#wanted = wanted;
  }

  get codeWanted() {
    return this.#wanted !== null;
  }

  /** Whether this round has shown anything. */
  get shown() {
    return this.#shown > 0;
  }

  /** @param {Socket} socket begins a round */
  begin(socket) {
    this.end();
    this.#shown = 0;
    this.#socket = socket;
  }

  /** Nothing of this round is shown any more. */
  end() {
    clearTimeout(this.#timer);
    this.#socket = null;
  }

  /**
   * @param {string} qr
   * @param {number} round
   */
  show(qr, round) {
    this.#shown += 1;
    this.#emit("qr", { qr, expires_in_ms: this.#timing.qrMs || (this.#shown === 1 ? FIRST_QR_MS : NEXT_QR_MS), number: this.#shown, round });
    const [socket, wanted] = [this.#socket, this.#wanted];
    // Never before the first QR: asked earlier, Baileys breaks its own handshake.
    if (this.#shown === 1 && socket && wanted) this.#timer = setTimeout(() => void this.#request(socket, wanted), this.#timing.pairingCodeDelayMs);
  }

  /**
   * @param {Socket} socket
   * @param {Wanted} wanted
   */
  async #request(socket, { phone, customCode }) {
    const refused = () => this.#failed(socket, "WhatsApp refused the pairing code. Check the number, or wait a few minutes; the QR still works.");
    // Baileys sends the request and never looks at the answer; nothing else is asked at this time.
    socket.ws.once("CB:iq,type:error", refused);
    const enough = setTimeout(() => socket.ws.off("CB:iq,type:error", refused), this.#timing.ackMs);
    try {
      const code = await socket.requestPairingCode(phone, customCode ?? undefined);
      // It lives as long as this connection, which nobody can foretell.
      if (this.#socket === socket) this.#emit("pairing_code", { code: grouped(code), expires_in_ms: null });
    } catch {
      clearTimeout(enough);
      this.#failed(socket, "The pairing code could not be asked for; the QR still works.");
    }
  }

  /**
   * @param {Socket} socket
   * @param {string} message
   */
  #failed(socket, message) {
    if (this.#socket === socket) this.#emit("warning", { code: "pairing_code_failed", message });
  }
}

/** @param {string} code */
function grouped(code) {
  return (code.match(/.{1,4}/g) ?? []).join("-");
}
