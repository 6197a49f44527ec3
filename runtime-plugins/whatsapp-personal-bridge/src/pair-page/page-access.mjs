// @ts-check
/**
 * Who may see the pairing page: whoever opens a link that works once, and from then on holds a
 * cookie. A cookie needs no memory here, so it outlives a crashed bridge that comes back under the
 * same token; a link does not.
 */

import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/** How long a link that nobody opened stays good. */
export const LINK_MS = 60 * 60 * 1000;
export const COOKIE_MS = 12 * 60 * 60 * 1000;
const COOKIE = /^([0-9]{1,16})\.([0-9a-f]{64})$/;

export class PageAccess {
  /** @type {Buffer} */ #secret;
  /** @type {() => number} */ #now;
  /** @type {{ hash: Buffer, until: number } | null} */ #link = null;

  /**
   * @param {string | null} token of the bridge; null: cookies end with this process
   * @param {() => number} [now]
   */
  constructor(token, now = Date.now) {
    // A key of its own: `health` signs with the token itself whatever nonce anybody sends.
    this.#secret = Buffer.from(hkdfSync("sha256", token ?? randomBytes(32), "", "loong pairing page: cookie", 32));
    this.#now = now;
  }

  /** @returns {string} the key of a new link; the one before opens nothing any more */
  makeKey() {
    const key = randomBytes(32).toString("base64url");
    this.#link = { hash: hashOf(key), until: this.#now() + LINK_MS };
    return key;
  }

  /** The last link opens nothing any more. */
  dropKey() {
    this.#link = null;
  }

  /**
   * @param {string} key
   * @returns {boolean} whether it opened the page, which it does once
   */
  redeem(key) {
    const link = this.#link;
    if (link === null || !timingSafeEqual(hashOf(key), link.hash)) return false;
    this.#link = null;
    return this.#now() < link.until;
  }

  /** @returns {string} the value of a new cookie */
  makeCookie() {
    const until = String(this.#now() + COOKIE_MS);
    return `${until}.${this.#sign(until).toString("hex")}`;
  }

  /**
   * @param {string | undefined} cookie its value
   * @returns {number | null} until when it lets its holder in; null: not at all
   */
  holds(cookie) {
    const [, until = "", signature = ""] = COOKIE.exec(cookie ?? "") ?? [];
    if (!timingSafeEqual(hashOf(signature), hashOf(this.#sign(until).toString("hex")))) return null;
    return this.#now() < Number(until) ? Number(until) : null;
  }

  /** @param {string} text */
  #sign(text) {
    return createHmac("sha256", this.#secret).update(text).digest();
  }
}

/**
 * Of equal length, whatever came: what constant-time comparison asks for.
 * @param {string} text
 */
function hashOf(text) {
  return createHash("sha256").update(text).digest();
}
