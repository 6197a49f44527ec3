// @ts-check
/**
 * Every wait of a connection's and a message's life, in one table. Tests shorten them through a file, and only
 * where WhatsApp is replaced, too: an operator can never make the bridge hammer the real service.
 */

import fs from "node:fs";
import { FatalError } from "./errors.mjs";

/**
 * @typedef {{ [name in keyof typeof DEFAULTS]: number }} Timing all in milliseconds
 */

const DEFAULTS = {
  /** Back-off after a lost connection: the first ceiling, and the highest. */
  backoffFirstMs: 1_000,
  backoffMaxMs: 60_000,
  /** Another client uses the login: how long it is left in peace before the one try. */
  replacedRetryMs: 300_000,
  /** A login that WhatsApp ended: before a new one is asked for. */
  loggedOutRetryMs: 2_000,
  /** While a connection is being made, the longest silence of the server. */
  silentMs: 45_000,
  /** The same once it stands; Baileys itself pings, and notices silence at its second ping. */
  quietMs: 75_000,
  keepAliveMs: 30_000,
  /** Connected this long, earlier failures are forgotten; a take-over is after this much time, connected or not. */
  settledMs: 60_000,
  takeoverForgottenMs: 86_400_000,
  /** From the first QR to the pairing code: somebody who can scan is faster. */
  pairingCodeDelayMs: 3_000,
  /** Life of one QR; 0 is Baileys' own: a minute for the first, 20 s for each following. */
  qrMs: 0,
  /** How long a server that has said its last word may take to close. */
  closeMs: 1_000,
  /** How long WhatsApp may take to confirm a logout, and to acknowledge a message. */
  logoutMs: 5_000,
  ackMs: 5_000,
  /** How long a caller has a message before it must name it again. */
  leaseMs: 120_000,
  /** The wait after each counted attempt; one more, and the message is a dead letter. */
  retry1Ms: 2_000,
  retry2Ms: 8_000,
  retry3Ms: 30_000,
  retry4Ms: 120_000,
  retry5Ms: 600_000,
  /** The wait of a message that was given back uncounted, when the caller names none. */
  postponedMs: 2_000,
  /** How long a chat's next message waits for the acknowledgement of the last one. */
  chatHoldMs: 60_000,
  /** A message that stepped aside, unacknowledged or not handed over: until it is tried again on the same connection. */
  resendMs: 300_000,
  /** The minute of `max_messages_per_minute`. */
  minuteMs: 60_000,
  /** How long a caller may take to say its request, head and body; and to take the answer. */
  requestMs: 10_000,
  answerMs: 10_000,
};

/** @type {Readonly<Timing>} */
export const TIMING = Object.freeze(DEFAULTS);

/**
 * @param {string | null} file an object that replaces members of the table; null: none
 * @returns {Readonly<Timing>}
 * @throws {FatalError} `test_timing_refused`
 */
export function readTiming(file) {
  if (file === null) return TIMING;
  let changes;
  try {
    changes = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    throw refused("is no file that holds JSON");
  }
  if (typeof changes !== "object" || changes === null || Array.isArray(changes)) throw refused("does not hold an object");
  for (const [name, value] of Object.entries(changes)) {
    if (!Object.hasOwn(TIMING, name)) throw refused(`names ${JSON.stringify(name)}, which is no member of the timing table`);
    if (!Number.isInteger(value) || value < 0 || value > 2 ** 31 - 1) throw refused(`gives ${name} a value that is no whole number of milliseconds`);
  }
  return Object.freeze({ ...TIMING, ...changes });
}

/** @param {string} why */
function refused(why) {
  return new FatalError("test_timing_refused", `LOONG_TEST_TIMING ${why}`, "unset it: it exists for tests; its members are in docs/bridge-process.md");
}
