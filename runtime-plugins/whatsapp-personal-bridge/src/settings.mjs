// @ts-check
/**
 * What the start command says: the channel's settings and where the token is. Everything is
 * checked before anything is touched; what the settings lead to is known by their users.
 */

import fs from "node:fs";
import path from "node:path";
import { FatalError } from "./errors.mjs";

/**
 * @typedef {"mention" | "always" | "never"} GroupReply
 * @typedef {{
 *   allowedChatIds: string[] | undefined,
 *   groupReply: GroupReply,
 *   backlogMaxAgeMs: number,
 *   keepInboundTextMs: number,
 *   keepOutboundTextMs: number,
 *   maxMessagesPerMinute: number,
 *   maxNewChatsPerDay: number,
 *   bridgeAuth: "token" | "none",
 *   webVersion: [number, number, number] | null,
 *   token: string | null,
 * }} Settings `allowedChatIds` undefined: the last list a request named counts
 */

/** @type {Readonly<Settings>} What counts where nobody says anything. */
export const DEFAULT_SETTINGS = Object.freeze({
  allowedChatIds: undefined,
  groupReply: "mention",
  backlogMaxAgeMs: 24 * 60 * 60 * 1000,
  keepInboundTextMs: 0,
  keepOutboundTextMs: 7 * 24 * 60 * 60 * 1000,
  maxMessagesPerMinute: 30,
  maxNewChatsPerDay: 20,
  bridgeAuth: "token",
  webVersion: null,
  token: null,
});

/** Rows of settled messages are kept no longer, and their texts with them. */
const LONGEST_KEPT_MS = 365 * 24 * 60 * 60 * 1000;
/** More is no cap: a hundred a second is more than WhatsApp takes. */
const MOST_PER_MINUTE = 6_000;
const MOST_NEW_CHATS = 1_000;
/** 256 bits as `loong … bridge run` writes them. */
const TOKEN = /^[0-9a-f]{64}$/i;
const OTHERS = 0o077;

/**
 * @param {Record<string, unknown>} command the start command
 * @returns {Settings}
 * @throws {FatalError} `bad_settings`, with the name of the key
 */
export function readSettings(command) {
  const settings = command.settings ?? {};
  if (typeof settings !== "object" || Array.isArray(settings)) throw bad("settings", "an object");
  const given = /** @type {Record<string, unknown>} */ (settings);
  return {
    allowedChatIds: optional(given.allowed_chat_ids, isTexts, "settings.allowed_chat_ids", "a list of texts") ?? undefined,
    groupReply: oneOf(given.group_reply, /** @type {const} */ (["mention", "always", "never"]), "settings.group_reply", DEFAULT_SETTINGS.groupReply),
    backlogMaxAgeMs:
      optional(given.backlog_max_age_ms, isWhole, "settings.backlog_max_age_ms", "a whole number of milliseconds, 0 or more") ??
      DEFAULT_SETTINGS.backlogMaxAgeMs,
    keepInboundTextMs:
      optional(given.keep_inbound_text_ms, isKept, "settings.keep_inbound_text_ms", "a whole number of milliseconds, from 0 to 365 days (31536000000)") ??
      DEFAULT_SETTINGS.keepInboundTextMs,
    keepOutboundTextMs:
      optional(given.keep_outbound_text_ms, isWhole, "settings.keep_outbound_text_ms", "a whole number of milliseconds, 0 or more") ??
      DEFAULT_SETTINGS.keepOutboundTextMs,
    maxMessagesPerMinute: within(given.max_messages_per_minute, 1, MOST_PER_MINUTE, "settings.max_messages_per_minute") ?? DEFAULT_SETTINGS.maxMessagesPerMinute,
    maxNewChatsPerDay: within(given.max_new_chats_per_day, 0, MOST_NEW_CHATS, "settings.max_new_chats_per_day") ?? DEFAULT_SETTINGS.maxNewChatsPerDay,
    bridgeAuth: oneOf(given.bridge_auth, /** @type {const} */ (["token", "none"]), "settings.bridge_auth", DEFAULT_SETTINGS.bridgeAuth),
    webVersion: optional(given.whatsapp_web_version, isVersion, "settings.whatsapp_web_version", "a list of three whole numbers, such as [2, 3000, 1]"),
    token: readToken(command.token_file),
  };
}

/**
 * @param {unknown} file
 * @returns {string | null}
 */
function readToken(file) {
  if (file === undefined || file === null) return null;
  if (typeof file !== "string" || !path.isAbsolute(file)) throw bad("token_file", "an absolute path");
  let text;
  try {
    const { mode, uid } = fs.statSync(file);
    // Not asked on Windows, where files have no such owner.
    if (process.getuid && (uid !== process.getuid() || (mode & OTHERS) !== 0)) throw bad("token_file", "a file of this user that nobody else can reach");
    text = fs.readFileSync(file, "utf8").trim();
  } catch (error) {
    if (error instanceof FatalError) throw error;
    throw bad("token_file", "a file that can be read");
  }
  if (!TOKEN.test(text)) throw bad("token_file", "a file that holds 64 hexadecimal digits");
  return text;
}

/**
 * @template T
 * @param {unknown} value
 * @param {(value: unknown) => value is T} is
 * @param {string} key
 * @param {string} wanted
 * @returns {T | null}
 */
function optional(value, is, key, wanted) {
  if (value === undefined || value === null) return null;
  if (!is(value)) throw bad(key, wanted);
  return value;
}

/**
 * @template {string} T
 * @param {unknown} value
 * @param {readonly T[]} choices
 * @param {string} key
 * @param {T} otherwise
 * @returns {T}
 */
function oneOf(value, choices, key, otherwise) {
  const is = (/** @type {unknown} */ each) => /** @type {readonly unknown[]} */ (choices).includes(each);
  return optional(value, /** @type {(value: unknown) => value is T} */ (is), key, choices.map((choice) => `"${choice}"`).join(", ")) ?? otherwise;
}

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 * @param {string} key
 */
function within(value, least, most, key) {
  const is = (/** @type {unknown} */ each) => isWhole(each) && each >= least && each <= most;
  return optional(value, /** @type {(value: unknown) => value is number} */ (is), key, `a whole number from ${least} to ${most}`);
}

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
export function isTexts(value) {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isWhole(value) {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isKept(value) {
  return isWhole(value) && value <= LONGEST_KEPT_MS;
}

/**
 * @param {unknown} value
 * @returns {value is [number, number, number]}
 */
function isVersion(value) {
  return Array.isArray(value) && value.length === 3 && value.every((part) => isWhole(part) && Number(part) < 2 ** 32);
}

/**
 * @param {string} key
 * @param {string} wanted
 */
function bad(key, wanted) {
  return new FatalError("bad_settings", `the start command cannot be used: ${key} must be ${wanted}`, `change ${key.split(".").at(-1)} in the configuration of the account, then start again`);
}
