// @ts-check
/**
 * Every code that the bridge can answer or end with, and the two kinds of errors that carry them.
 * Wording belongs to whoever throws; status, retryability and exit status belong here.
 */

import { harmless } from "./shown.mjs";

/**
 * Codes of refused requests: HTTP status, and whether the same request may succeed later.
 * @type {Readonly<Record<string, Readonly<{ status: number, retryable: boolean }>>>}
 */
export const ERROR_CODES = Object.freeze({
  bad_request: { status: 400, retryable: false },
  unsupported_operation: { status: 400, retryable: false },
  unsupported_message: { status: 400, retryable: false },
  invalid_target: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden_origin: { status: 403, retryable: false },
  chat_not_allowed: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  rate_limited: { status: 429, retryable: true },
  internal: { status: 500, retryable: true },
  store_unavailable: { status: 503, retryable: true },
  not_paired: { status: 503, retryable: true },
  not_connected: { status: 503, retryable: true },
  paused: { status: 503, retryable: true },
  whatsapp_rejected: { status: 502, retryable: false },
  timeout: { status: 504, retryable: true },
});

/**
 * Codes that end the process, with its exit status (docs/bridge-process.md).
 * @type {Readonly<Record<string, number>>}
 */
export const FATAL_CODES = Object.freeze({
  usage: 2,
  web_url_refused: 2,
  start_command: 2,
  bad_settings: 2,
  test_timing_refused: 2,
  backup_refused: 2,
  restore_refused: 2,
  auth_dir_unusable: 3,
  auth_dir_not_private: 3,
  auth_dir_link: 3,
  auth_dir_foreign: 3,
  store_locked: 3,
  store_damaged: 3,
  store_read_only: 3,
  store_version: 3,
  store_failed: 3,
  login_damaged: 3,
  backup_failed: 3,
  restore_failed: 3,
  address_in_use: 4,
  address_unavailable: 4,
  internal: 1,
});

/** A request that is refused; the process goes on. */
export class RequestError extends Error {
  /**
   * @param {string} code one of `ERROR_CODES`
   * @param {string} message a sentence for a person: what failed, why, what to do
   * @param {{ status?: number, headers?: Readonly<Record<string, string>>, retryAfterMs?: number }} [more] another status than the code's;
   * what the answer says besides; when the same request may succeed, where that is known
   */
  constructor(code, message, { status, headers = {}, retryAfterMs } = {}) {
    super(harmless(message));
    this.name = "RequestError";
    this.retryAfterMs = retryAfterMs;
    this.code = code;
    const known = ERROR_CODES[code] ?? ERROR_CODES.internal;
    this.status = status ?? known?.status ?? 500;
    this.retryable = known?.retryable ?? true;
    this.headers = retryAfterMs === undefined ? headers : { ...headers, "retry-after": String(Math.ceil(retryAfterMs / 1_000)) };
  }
}

/** What the process cannot go on with. */
export class FatalError extends Error {
  /**
   * @param {string} code one of `FATAL_CODES`
   * @param {string} message what failed and why
   * @param {string} hint what to do next
   */
  constructor(code, message, hint) {
    super(message);
    this.name = "FatalError";
    this.code = code;
    this.hint = hint;
    this.exitCode = FATAL_CODES[code] ?? 1;
  }
}

/**
 * Whether the store has failed, after which nothing is kept and nothing may be confirmed.
 * @param {unknown} thrown
 */
export function isOfStore(thrown) {
  return thrown instanceof FatalError || safeName(thrown).includes("SQLITE_") || /database connection is not open/i.test(thrown instanceof Error ? thrown.message : "");
}

/**
 * Name and code of anything thrown: all that may be shown of a stranger's error, whose message
 * and properties can hold keys or texts.
 * @param {unknown} thrown
 * @returns {string}
 */
export function safeName(thrown) {
  if (!(thrown instanceof Error)) return typeof thrown;
  const code = "code" in thrown && typeof thrown.code === "string" ? ` ${thrown.code}` : "";
  return `${thrown.name}${code}`.replace(/[^\w .:-]/g, "").slice(0, 80);
}
