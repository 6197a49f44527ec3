// @ts-check
/** What Baileys is given wherever it asks for a logger, and how patient its transactions are. */

/** @type {import("@whiskeysockets/baileys").SocketConfig["logger"]} */
export const SILENT = {
  level: "silent",
  child: () => SILENT,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A store that fails ends the process: trying again would hold WhatsApp's messages up meanwhile. */
export const TRANSACTIONS = Object.freeze({ maxCommitRetries: 1, delayBetweenTriesMs: 0 });
