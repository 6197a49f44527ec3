// @ts-check
/**
 * What the bridge says of itself: one JSON object per line for a program, sentences and a drawn
 * QR for a person. The fields are those of docs/bridge-process.md; secrets but those of a pairing never enter.
 */

import { renderUnicodeCompact } from "uqr";
import { inert } from "./shown.mjs";
import { writeNow } from "./silence.mjs";

/**
 * @typedef {Record<string, string | number | boolean | null | undefined>} Fields
 * @typedef {(event: string, fields?: Fields) => void} Emit
 */

const STDOUT = 1;

/** @type {Readonly<Record<string, string>>} */
const REFUSALS = Object.freeze({
  not_in_allowlist: "the chat is not in allowed_chat_ids",
  only_lid_known: "only its LID is known, not its number, and allowed_chat_ids does not hold that LID",
});

/** @type {Readonly<Record<string, string>>} */
const CAPS = Object.freeze({
  messages_per_minute: "max_messages_per_minute is reached: replies wait until there is room, other messages are refused.\n",
  new_chats_per_day: "max_new_chats_per_day is reached: until the day ends only chats that were written to before are written to, and replies go out.\n",
});

/**
 * @param {"ndjson" | "human"} mode
 * @param {(text: string) => void} [write]
 * @returns {Emit}
 */
export function createEmitter(mode, write = (text) => writeNow(STDOUT, text)) {
  return (event, fields = {}) => {
    const text = mode === "ndjson" ? `${JSON.stringify({ event, at: Date.now(), ...fields })}\n` : inert(sentence(event, fields));
    if (text) write(text);
  };
}

/**
 * @param {string} event
 * @param {Fields} fields
 * @returns {string} empty for what a person need not know
 */
function sentence(event, fields) {
  switch (event) {
    case "listening":
      return `The bridge listens on ${fields.url} (process ${fields.pid}).\n`;
    case "state":
      return `${fields.message}${retry(fields.retry_in_ms)}\n`;
    case "qr":
      return drawn(fields);
    case "pair_page":
      return `\nScan the QR code, or open this page once: ${fields.url}\n`;
    case "connected":
      return `Linked to ${fields.phone}${fields.name ? ` (${fields.name})` : ""}. Ctrl-C stops the bridge; the login stays.\n`;
    case "message_in":
      return `A message came in (${fields.chat}).\n`;
    case "pairing_code":
      return `\nPairing code: ${fields.code}\nOn the phone: WhatsApp, Linked devices, Link a device, Link with phone number instead.\n\n`;
    case "message_refused":
      return `A message was refused (${fields.chat}): ${REFUSALS[String(fields.reason)] ?? fields.reason}.\n`;
    case "message_left":
      return `A group message was left alone (${fields.chat}): it neither mentions nor quotes this account, or group_reply says never.\n`;
    case "message_dead":
      return `A message was given up (${fields.chat}, ${fields.reason}, attempts: ${fields.attempts}). It is kept; \`loong whatsapp-personal inbox\` shows it.\n`;
    case "message_unreadable":
      return `A message could not be decrypted (${fields.chat}); its sender was asked to send it again.\n`;
    case "allowlist_match":
      return fields.allowed ? `${fields.chat} may write: allowed_chat_ids has ${fields.entry}.\n` : `${fields.chat} may not write: allowed_chat_ids would need ${fields.entry}.\n`;
    case "message_out":
      return `A message went out (${fields.chat}, ${fields.status}).\n`;
    case "message_withheld":
      return `A message was kept back (${fields.chat}): the chat is not in allowed_chat_ids any more. It will not go out.\n`;
    case "cap_reached":
      return CAPS[String(fields.cap)] ?? "";
    case "paused":
      return `Paused since ${new Date(Number(fields.since)).toISOString()}: nothing is sent, what comes in is kept. ${fields.by === "owner" ? "Write !resume to yourself to end it" : "`loong whatsapp-personal resume` ends it"}.\n`;
    case "resumed":
      return "No longer paused: what waited goes on.\n";
    case "backed_up":
      return `The store was written to ${fields.file} (${fields.bytes} bytes). It holds the login: keep it as you keep a key.\n`;
    case "restored":
      return restored(fields);
    case "imported":
      return `The login in ${fields.from} was taken over; the files there are as they were.\n`;
    case "warning":
      return `Warning: ${fields.message}\n`;
    case "fatal":
      return `Error: ${fields.message}\n${fields.hint ? `  What to do: ${fields.hint}\n` : ""}`;
    case "stopped":
      return "The bridge has stopped.\n";
    default:
      return "";
  }
}

/** @param {Fields} fields */
function restored({ file, parked, failed, set_aside: aside }) {
  const earlier = aside ? ` The store that was there is ${aside} now.` : "";
  return `The store was restored from ${file}. ${parked} open messages are dead letters now, ${failed} that had not gone out will not.${earlier}\n`;
}

/** @param {Fields[string]} ms */
function retry(ms) {
  return typeof ms === "number" && ms > 0 ? ` Next try in ${Math.max(1, Math.round(ms / 1000))} s.` : "";
}

/** @param {Fields} fields */
function drawn(fields) {
  const seconds = Math.round(Number(fields.expires_in_ms) / 1000);
  const code = renderUnicodeCompact(String(fields.qr), { border: 2 });
  return `\nOn the phone: WhatsApp, Linked devices, Link a device (within ${seconds} s).\n\n${code}\n\n`;
}
