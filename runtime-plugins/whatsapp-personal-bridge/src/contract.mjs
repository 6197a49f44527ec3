// @ts-check
/**
 * The wire format `loong_channel_bridge_v1`: requests read and checked, answers written, nothing
 * done. The captured requests in tests/fixtures/wire are its truth.
 */

import { RequestError } from "./errors.mjs";
import { fromJid } from "./identity.mjs";
import { replyKey } from "./reply-key.mjs";
import { quoted } from "./shown.mjs";
import { canonicalTarget, CHANNEL_ID, parseTarget, TargetError } from "./targets.mjs";

/**
 * @typedef {{ configuredId: string, runtimeId: string, allowed: string[] | null }} Account
 * @typedef {{ method: string, id: unknown, operation: string, payload: Record<string, unknown> }} Request
 */

export const CONTRACT = "loong_channel_bridge_v1";
export const METHOD = "tools/call";
export const EXTENSIONS = Object.freeze(["wait_ms", "max_messages", "consumer", "in_flight", "batch_id", "release_inbound", "idempotency_key", "message_ids", "bridge_status"]);

const HOLD_MS = 2_000;
const LONGEST_WAIT_MS = 60_000;
const BATCH = 20;
const LARGEST_BATCH = 100;
/** Of one send, which leaves in parts: longer texts are rather a slip than a message. */
const LONGEST_TEXT = 65_536;
/** Of a reason, that much is kept. */
const LONGEST_REASON = 500;
const LONGEST_DELAY_MS = 24 * 60 * 60 * 1000;

/**
 * @param {string} text
 * @returns {Request}
 * @throws {RequestError} `bad_request`
 */
export function readRequest(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw bad("the body", "JSON");
  }
  const request = object(body, "the body");
  const operation = string(request.operation, "operation");
  const payload = object(request.payload ?? {}, "payload");
  if (request.method !== METHOD) throw bad("method", `"${METHOD}"`);
  if (request.channel_id !== undefined && request.channel_id !== CHANNEL_ID) throw bad("channel_id", `"${CHANNEL_ID}"`);
  // The id is echoed: what nests too deep can be read, but not written.
  if (typeof request.id === "object" && request.id !== null) throw bad("id", "a text, a number or null");
  return { method: METHOD, id: request.id ?? null, operation, payload };
}

/**
 * @param {Record<string, unknown>} payload
 * @returns {Account | null} null when the request names none
 */
export function readAccount(payload) {
  if (payload.runtime_context === undefined) return null;
  const at = "payload.runtime_context";
  const account = object(object(payload.runtime_context, at).account, `${at}.account`);
  const config = object(account.config ?? {}, `${at}.account.config`);
  return {
    configuredId: string(account.configured_account_id, `${at}.account.configured_account_id`),
    runtimeId: string(account.account_id, `${at}.account.account_id`),
    allowed: config.allowed_chat_ids == null ? null : strings(config.allowed_chat_ids, `${at}.account.config.allowed_chat_ids`),
  };
}

/**
 * @param {Record<string, unknown>} payload
 * @returns {Account}
 */
export function requireAccount(payload) {
  const account = readAccount(payload);
  if (!account) throw bad("payload.runtime_context", "an object that names the account");
  return account;
}

/**
 * @param {Record<string, unknown>} payload
 * @param {Account} account
 */
export function readSend(payload, account) {
  const target = object(payload.target, "payload.target");
  const id = string(target.id, "payload.target.id");
  if ((target.kind ?? "conversation") !== "conversation") throw invalidTarget(id, "its kind is not `conversation`");
  if ((target.platform ?? "whatsapp") !== "whatsapp") throw invalidTarget(id, "its platform is not `whatsapp`");
  const options = object(target.options ?? {}, "payload.target.options");
  const key = options.idempotency_key ?? null;
  if (key !== null && (typeof key !== "string" || key.length > 512 || !isName(key))) {
    throw bad("payload.target.options.idempotency_key", "a text of 1 to 512 characters, none of them a control character, or null");
  }
  return { to: readTarget(id, account.configuredId), text: readText(payload.message), key };
}

/**
 * @param {string} id
 * @param {string} account
 */
function readTarget(id, account) {
  try {
    return parseTarget(id, account);
  } catch (error) {
    if (error instanceof TargetError) throw invalidTarget(id, error.message);
    throw error;
  }
}

/** @param {unknown} message */
function readText(message) {
  const fields = object(message, "payload.message");
  const text = fields.Text ?? fields.text;
  if (text === undefined) {
    throw new RequestError("unsupported_message", "Only texts can be sent: give payload.message as {\"Text\": \"…\"}");
  }
  if (typeof text !== "string") throw bad("payload.message.Text", "a text");
  if (text.trim() === "") throw new RequestError("unsupported_message", "The text is empty. WhatsApp has no empty messages");
  if (text.length > LONGEST_TEXT) {
    throw new RequestError("too_large", `The text has ${text.length} characters, and one send takes ${LONGEST_TEXT} at most`);
  }
  return text;
}

/** @param {Record<string, unknown>} payload */
export function readReceive(payload) {
  return {
    waitMs: number(payload.wait_ms ?? HOLD_MS, "payload.wait_ms", LONGEST_WAIT_MS),
    max: number(payload.max_messages ?? BATCH, "payload.max_messages", LARGEST_BATCH),
    inFlight: payload.in_flight == null ? null : strings(payload.in_flight, "payload.in_flight"),
    consumer: payload.consumer == null ? null : readConsumer(payload.consumer),
  };
}

/** @param {unknown} consumer */
function readConsumer(consumer) {
  const { id, instance } = object(consumer, "payload.consumer");
  return { id: name(id, "payload.consumer.id"), instance: name(instance, "payload.consumer.instance") };
}

/**
 * Stock Loong writes the message anew, so only its cursor is believed.
 * @param {Record<string, unknown>} payload
 */
export function readAck(payload) {
  const message = object(payload.message, "payload.message");
  const delivery = object(message.delivery, "payload.message.delivery");
  return { cursor: string(delivery.ack_cursor, "payload.message.delivery.ack_cursor") };
}

/** @param {Record<string, unknown>} payload */
export function readRelease(payload) {
  const { ack_cursor: cursor, delay_ms: delay, count_attempt: counts = false, reason } = payload;
  if (counts !== null && typeof counts !== "boolean") throw bad("payload.count_attempt", "true or false");
  if (reason != null && typeof reason !== "string") throw bad("payload.reason", "a text");
  return {
    cursor: string(cursor, "payload.ack_cursor"),
    delayMs: delay == null ? undefined : number(delay, "payload.delay_ms", LONGEST_DELAY_MS),
    counts: counts === true,
    reason: reason?.slice(0, LONGEST_REASON) || null,
  };
}

/** @param {Record<string, unknown>} payload */
export function readComplete(payload) {
  return { batch: payload.batch_id == null ? null : string(payload.batch_id, "payload.batch_id") };
}

/**
 * A message as stock Loong decodes it: every field is there, null or empty where nothing is known.
 * @param {import("./inbox.mjs").Handed} row
 * @param {Account} account
 */
export function writeInbound(row, account) {
  const { content } = row;
  const chat = fromJid(row.conversation);
  return {
    session: {
      platform: "whatsapp",
      configured_account_id: account.configuredId,
      account_id: account.runtimeId,
      conversation_id: row.conversation,
      participant_id: content.group ? row.sender : null,
      thread_id: null,
    },
    reply_target: {
      platform: "whatsapp",
      kind: "conversation",
      id: chat ? canonicalTarget(chat, account.configuredId) : row.conversation,
      options: { idempotency_key: replyKey(row.cursor) },
    },
    text: content.text,
    delivery: {
      ack_cursor: row.cursor,
      source_message_id: row.message_id,
      sender_principal_key: row.sender,
      thread_root_id: null,
      parent_message_id: null,
      resources: [],
      feishu_callback: null,
      acp_bootstrap_mcp_servers: [],
      acp_working_directory: null,
    },
    whatsapp: {
      kind: content.kind,
      group: content.group,
      group_subject: content.groupSubject,
      sender_name: content.senderName,
      message_id: row.message_id,
      received_at: content.sentAt,
      // The component applies the list too: it must know the chat by every id that the bridge does.
      chat_aliases: row.aliases,
    },
  };
}

/** @param {import("./outbox.mjs").Receipt} receipt */
export function writeReceipt({ messageIds, status, firstText }) {
  return {
    ok: true,
    message_id: messageIds[0],
    ...(messageIds.length > 1 ? { message_ids: messageIds } : {}),
    status,
    ...(firstText ? { first_text: true } : {}),
  };
}

/**
 * @param {{ method?: string, id?: unknown } | null} request
 * @param {unknown} payload
 */
export function writeAnswer(request, payload) {
  return { method: request?.method ?? METHOD, id: request?.id ?? null, payload };
}

/** @param {RequestError} error */
export function writeError(error) {
  const { message, code, retryable, retryAfterMs } = error;
  return { error: message, code, retryable, ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }) };
}

/**
 * @param {unknown} value
 * @param {string} field
 * @returns {Record<string, unknown>}
 */
function object(value, field) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(field, "an object");
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * @param {unknown} value
 * @param {string} field
 */
function string(value, field) {
  if (typeof value !== "string" || value === "") throw bad(field, "a text that is not empty");
  return value;
}

/**
 * The store gives a text back only up to its first NUL, and knows half a character as no other: two
 * names that differ after it would be one.
 * @param {string} text
 */
function isName(text) {
  return text !== "" && !/[\p{Cc}\p{Cs}]/u.test(text);
}

/**
 * @param {unknown} value
 * @param {string} field
 */
function name(value, field) {
  if (typeof value !== "string" || !isName(value)) throw bad(field, "a text that is not empty and has no control characters");
  return value;
}

/**
 * @param {unknown} value
 * @param {string} field
 * @returns {string[]}
 */
function strings(value, field) {
  if (!Array.isArray(value) || value.some((each) => typeof each !== "string")) throw bad(field, "a list of texts");
  return value;
}

/**
 * @param {unknown} value
 * @param {string} field
 * @param {number} most
 */
function number(value, field, most) {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most) throw bad(field, `a whole number from 0 to ${most}`);
  return value;
}

/**
 * @param {string} field
 * @param {string} wanted
 */
function bad(field, wanted) {
  return new RequestError("bad_request", `The request cannot be read: ${field} must be ${wanted}`);
}

/**
 * @param {string} id
 * @param {string} why
 */
function invalidTarget(id, why) {
  return new RequestError(
    "invalid_target",
    `The target ${quoted(id)} cannot be used: ${why}. Write contact:+15551234567 or group:<digits>@g.us, with ${CHANNEL_ID}:<account>: in front to name the account`,
  );
}
