// @ts-check
/**
 * Who may ask for what: the token that `loong … bridge run` hands over, its proof to a host that
 * wants to know whom it talks to, and what stays open without it. Nothing is read from a request
 * but its Authorization header.
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { RequestError } from "./errors.mjs";

/**
 * @typedef {import("./settings.mjs").Settings} Settings
 * @typedef {"token" | "nobody"} Caller whose request it is. All who show no token are one
 */

const NONCE = /^[A-Za-z0-9_-]{16,128}$/;

export class Access {
  /** @type {string | null} */ #token;
  /** Whether operations need no token. */ open;

  /** @param {Pick<Settings, "token" | "bridgeAuth">} settings */
  constructor({ token, bridgeAuth }) {
    this.#token = token;
    this.open = token === null || bridgeAuth === "none";
  }

  /**
   * @param {string | null} nonce of the caller's own making
   * @returns {string | undefined} shows that this bridge has the token, without the token
   * @throws {RequestError} `bad_request`
   */
  prove(nonce) {
    if (this.#token === null || nonce === null) return undefined;
    if (!NONCE.test(nonce)) throw new RequestError("bad_request", "The nonce must be 16 to 128 letters, digits, '_' and '-'");
    return createHmac("sha256", this.#token).update(nonce).digest("hex");
  }

  /**
   * @param {"operation" | "admin"} what
   * @param {string | undefined} header `Authorization`
   * @returns {Caller}
   * @throws {RequestError} `unauthorized`
   */
  require(what, header) {
    const given = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
    if (given !== undefined && this.#token !== null && same(given, this.#token)) return "token";
    if (what === "operation" && this.open) return "nobody";
    if (this.#token === null) {
      throw refused("The admin commands and the metrics need a bridge that was started by `loong whatsapp-personal bridge run`: this one was started without a token");
    }
    const why = given === undefined ? "There is no token in the request" : "The token is not that of this bridge";
    // Nothing but the operations can be opened.
    const without = what === "operation" ? '; a client that cannot send a token needs bridge_auth = "none"' : "";
    throw refused(`${why}. Start the bridge with \`loong whatsapp-personal bridge run\` and ask it with the same user's \`loong\`${without}`);
  }
}

/** @param {string} why */
function refused(why) {
  return new RequestError("unauthorized", why, { headers: { "www-authenticate": "Bearer" } });
}

/**
 * @param {string} given
 * @param {string} token
 */
function same(given, token) {
  const hash = (/** @type {string} */ text) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}
