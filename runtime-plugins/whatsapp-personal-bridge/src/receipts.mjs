// @ts-check
/**
 * What contacts' devices report of our messages, as Baileys tells it: delivered, read. Where it is
 * kept is the outbox's.
 */

import { sentAt } from "./inbound.mjs";
import { listed } from "./receiver.mjs";

/** Baileys' `WebMessageInfo.Status`: on a device of the other side, seen, heard. */
const DELIVERED = 3;
const READ = 4;

/**
 * @param {Pick<import("@whiskeysockets/baileys").WASocket["ev"], "on">} ev
 * @param {(messageId: string, what: "delivered" | "read", at: number) => void} take `at` in Unix milliseconds
 * @param {(jid: string) => boolean} isSelf our own other devices send receipts too
 */
export function hearReceipts(ev, take, isSelf) {
  ev.on("messages.update", (updates) => {
    for (const { key, update } of listed(updates)) {
      if (!key?.fromMe || typeof key.id !== "string" || typeof update?.status !== "number" || update.status < DELIVERED) continue;
      take(key.id, update.status >= READ ? "read" : "delivered", milliseconds(update.messageTimestamp));
    }
  });
  // In a group each member reports for itself; the first one counts.
  ev.on("message-receipt.update", (updates) => {
    for (const { key, receipt } of listed(updates)) {
      if (!key?.fromMe || typeof key.id !== "string" || !receipt || (receipt.userJid && isSelf(receipt.userJid))) continue;
      if (receipt.readTimestamp) take(key.id, "read", milliseconds(receipt.readTimestamp));
      else if (receipt.receiptTimestamp) take(key.id, "delivered", milliseconds(receipt.receiptTimestamp));
    }
  });
}

/** @param {unknown} seconds a number, or Baileys' long number; 0 when WhatsApp does not say */
function milliseconds(seconds) {
  return sentAt(/** @type {any} */ (seconds), Date.now());
}
