// @ts-check
/**
 * What to do when the connection ends: the table of the bridge contract, as one pure function.
 * Opening and closing sockets, and setting credentials aside, is done by the session.
 */

import { TIMING } from "./timing.mjs";

/**
 * @typedef {"starting" | "pairing" | "pairing_expired" | "connecting" | "connected" | "reconnecting"
 *   | "logged_out" | "replaced" | "blocked" | "outdated"} State
 * @typedef {{ failures: number, rounds: number, takenOverAt: number | null, restarted: boolean }} History
 * `failures`: ends in a row without a settled connection; `rounds`: QR rounds without a scan;
 * `takenOverAt`: when another client last took the login over; `restarted`: WhatsApp asked for a
 * new connection, and none has stood since.
 * @typedef {{ code: number | undefined, paired: boolean, qrShown: boolean }} Ending
 * @typedef {{
 *   state: State, reason: string, message: string,
 *   delayMs: number | null, newLogin: boolean, history: History,
 * }} Decision `delayMs` null: rest until somebody resumes; `newLogin`: set the old one aside first
 * @typedef {Pick<import("./timing.mjs").Timing, "backoffFirstMs" | "backoffMaxMs" | "replacedRetryMs" | "loggedOutRetryMs" | "takeoverForgottenMs">} Waits
 */

/** @type {Readonly<History>} */
export const FRESH = Object.freeze({ failures: 0, rounds: 0, takenOverAt: null, restarted: false });
export const QR_ROUNDS = 3;
const QR_USED_UP = 408;

const BLOCKED =
  "WhatsApp refuses this account (403): it is blocked, or blocked for a time. The phone says why and for how long. Nothing is tried until `loong whatsapp-personal bridge resume`.";
const OUTDATED =
  "WhatsApp refuses this version of the client (405). Update the package @whiskeysockets/baileys in the bridge's folder, or set whatsapp_web_version, then start the bridge again.";

/**
 * @param {Ending} ending
 * @param {History} history
 * @param {() => number} [random] 0 to 1
 * @param {Waits} [waits]
 * @param {number} [now]
 * @returns {Decision}
 */
export function decide(ending, history, random = Math.random, waits = TIMING, now = Date.now()) {
  const { code, paired } = ending;
  switch (code) {
    case 515:
      if (history.restarted) return backOff(ending, history, random, waits);
      return { ...go("connecting", "restart_required", "WhatsApp asks for a new connection."), history: { ...history, restarted: true } };
    case 401:
    case 411:
      if (!paired) return lost(ending, history, random, waits);
      return {
        ...go("logged_out", "logged_out", "WhatsApp ended the login: the phone unlinked this device. The old one is set aside; pair again.", waits.loggedOutRetryMs),
        newLogin: true,
        history: FRESH,
      };
    case 440:
      return takenOver(history, waits, now);
    case 403:
      return { ...rest("blocked", "blocked", BLOCKED), history };
    case 405:
      return { ...rest("outdated", "outdated", OUTDATED), history };
    default:
      return lost(ending, history, random, waits);
  }
}

/**
 * @param {Ending} ending
 * @param {History} history
 * @param {() => number} random
 * @param {Waits} waits
 * @returns {Decision}
 */
function backOff({ code }, history, random, waits) {
  const ceiling = Math.min(waits.backoffMaxMs, waits.backoffFirstMs * 2 ** Math.min(history.failures, 30));
  // Full jitter: many bridges that lost one server must not come back together.
  const delayMs = Math.round(ceiling * random());
  const reason = code === undefined ? "connection_lost" : `code_${code}`;
  return {
    ...go("reconnecting", reason, "The connection to WhatsApp is lost.", delayMs),
    history: { ...history, failures: history.failures + 1 },
  };
}

/**
 * Whatever ended a connection that showed a QR: nobody scanned it, and the round is over.
 * @param {Ending} ending
 * @param {History} history
 * @param {() => number} random
 * @param {Waits} waits
 * @returns {Decision}
 */
function lost(ending, history, random, waits) {
  if (ending.paired || !ending.qrShown) return backOff(ending, history, random, waits);
  const rounds = history.rounds + 1;
  if (rounds >= QR_ROUNDS) {
    return {
      ...rest("pairing_expired", "qr_not_scanned", "Nobody scanned the code. For a new one press Enter here, or run `loong whatsapp-personal bridge resume`."),
      history: { ...history, rounds: 0 },
    };
  }
  if (ending.code !== QR_USED_UP) return backOff(ending, { ...history, rounds }, random, waits);
  return { ...go("pairing", "qr_used_up", "Nobody scanned the code. A new one follows."), history: { ...history, rounds } };
}

/**
 * @param {History} history
 * @param {Waits} waits
 * @param {number} now
 * @returns {Decision}
 */
function takenOver(history, waits, now) {
  const lately = history.takenOverAt !== null && now - history.takenOverAt < waits.takeoverForgottenMs;
  const next = { ...history, takenOverAt: now };
  const message = "Another client uses this login.";
  if (!lately) return { ...go("replaced", "replaced", message, waits.replacedRetryMs), history: next };
  return { ...rest("replaced", "replaced_again", `${message} Stop it, then run \`loong whatsapp-personal bridge resume\`.`), history: next };
}

/**
 * @param {State} state
 * @param {string} reason
 * @param {string} message
 * @param {number} [delayMs]
 */
function go(state, reason, message, delayMs = 0) {
  return { state, reason, message, delayMs, newLogin: false };
}

/**
 * @param {State} state
 * @param {string} reason
 * @param {string} message
 */
function rest(state, reason, message) {
  return { state, reason, message, delayMs: null, newLogin: false };
}
