// @ts-check
/** What a caller is told of a send that did not work, in words. Which it is, is decided by the outbox. */

import { RequestError } from "./errors.mjs";
import { wasWithheld } from "./store/outbox.mjs";

export function notTaken() {
  return new RequestError("timeout", "WhatsApp did not take the message: the connection did not hold, or a question before it was not answered. Try again");
}

/** @param {string} error WhatsApp's number for the refusal */
export function refusal(error) {
  const why =
    error === "463"
      ? "it does not let this account write to people who have not written to it first"
      : `its reason has the number ${error}`;
  return `WhatsApp refused the message: ${why}`;
}

/**
 * @param {import("./store/outbox.mjs").Part} part the first that failed
 * @param {number} count
 */
export function failure({ error, place }, count) {
  const before = place === 0 ? "" : ", what stands before it was sent";
  const where = count === 1 ? "" : `. This is part ${place + 1} of ${count}: what follows is not sent${before}`;
  if (wasWithheld(error)) return new RequestError("chat_not_allowed", `The message was not sent: ${error}${where}. Add the chat to the list, and send it anew under another key`);
  return new RequestError("whatsapp_rejected", `${error ?? "WhatsApp refused the message"}${where}`);
}
