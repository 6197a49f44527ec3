// @ts-check
/**
 * The pairing page over HTTP: a link that opens it once, the page and its files, and the stream
 * that keeps it up to date. Which host a request names, and that no page of another origin asks,
 * has been looked at by the server before.
 */

import { notice, PAGE, PAGE_HEADERS, PUBLIC_ASSETS } from "./assets.mjs";
import { COOKIE_MS, LINK_MS, PageAccess } from "./page-access.mjs";
import { PairingView } from "./pairing-view.mjs";
import { message, Streams } from "./streams.mjs";

/**
 * @typedef {import("node:http").IncomingMessage} Request
 * @typedef {import("node:http").ServerResponse} Response
 * @typedef {import("./assets.mjs").Asset} Asset
 * @typedef {import("../events.mjs").Emit} Emit
 */

/** @typedef {import("./assets.mjs").Notice} Notice */

/** @type {Notice} */
const NO_LINK = { title: "This page opens with a link", text: "The bridge shows the link in its terminal when an account is to be linked.", newLink: true };
/** @type {Notice} */
const BAD_LINK = { title: "This link does not open any more", text: "A link opens the page once, in one browser, and only the last one counts.", newLink: true };
/** @type {Notice} */
const FOREIGN = { title: "Open this page by itself", text: "Another page has led here, and none may. The link is still good: copy it into the address bar.", newLink: false };
/** @type {Notice} */
const AHEAD = { title: "Not opened yet", text: "Something asked for this page before a person did. The link is still good: open it.", newLink: false };
/** @type {Notice} */
const TOO_MANY = { title: "Open too often", text: "This page is open in other windows. Close one of them.", newLink: false };
/** @type {Notice} */
const NOT_FOUND = { title: "There is nothing here", text: "The pairing page is one level up.", newLink: false };

export class PairPage {
  /** @type {PageAccess} */ #access;
  /** @type {PairingView} */ #view;
  #streams = new Streams();
  /** @type {() => number} */ #now;
  #url = "";
  #path = "";
  #cookie = "";

  /**
   * @param {string | null} token of the bridge
   * @param {() => number} [now]
   */
  constructor(token, now = Date.now) {
    this.#now = now;
    this.#access = new PageAccess(token, now);
    this.#view = new PairingView(now);
    this.#view.onChange(() => this.#streams.tell(this.#view.shown()));
  }

  /** @param {string} url of the bridge's endpoint: the page is below it */
  openAt(url) {
    const { port, pathname } = new URL(url);
    this.#url = `${url}/pair`;
    this.#path = `${pathname}/pair`;
    // Cookies do not tell ports apart, and another bridge may have the same path.
    this.#cookie = `loong_pair_${port}`;
  }

  /** @returns {{ url: string, expires_in_ms: number }} a link that opens the page once; earlier ones do not any more */
  newLink() {
    return { url: `${this.#url}?key=${this.#access.makeKey()}`, expires_in_ms: LINK_MS };
  }

  /**
   * Looks on while a session speaks, and has a link shown when a pairing begins.
   * @param {Emit} emit
   * @returns {Emit} for the session
   */
  watching(emit) {
    return (event, fields = {}) => {
      this.#view.hear(event, fields);
      if (event === "qr" && fields.number === 1 && fields.round === 1) emit("pair_page", this.newLink());
      if (event === "connected") this.#access.dropKey();
      emit(event, fields);
    };
  }

  /** Ends what would keep the server open. */
  close() {
    this.#streams.close();
  }

  /**
   * @param {Request} request a GET
   * @param {Response} response
   * @param {{ name: string, query: string }} route `name`: what is below the page, empty for itself
   */
  answer(request, response, { name, query }) {
    if (!alone(request)) return refuse(response, 403, FOREIGN);
    if (ahead(request)) return refuse(response, 403, AHEAD);
    const asset = Object.hasOwn(PUBLIC_ASSETS, name) ? PUBLIC_ASSETS[name] : undefined;
    if (asset) return write(response, 200, asset);
    const until = this.#access.holds(cookieOf(request, this.#cookie));
    if (name === "stream") return this.#stream(response, until);
    if (name !== "") return refuse(response, 404, NOT_FOUND);
    const key = new URLSearchParams(query).get("key");
    if (key === null) return until === null ? refuse(response, 403, NO_LINK) : write(response, 200, PAGE);
    const opened = this.#access.redeem(key);
    // Who is in already may open an old link again.
    if (!opened && until === null) return refuse(response, 403, BAD_LINK);
    response.writeHead(303, {
      ...PAGE_HEADERS,
      location: this.#path,
      ...(opened ? { "set-cookie": `${this.#cookie}=${this.#access.makeCookie()}; Path=${this.#path}; Max-Age=${COOKIE_MS / 1000}; HttpOnly; SameSite=Strict` } : {}),
    });
    response.end();
  }

  /**
   * @param {Response} response
   * @param {number | null} until
   */
  #stream(response, until) {
    if (until === null) return refuse(response, 403, NO_LINK);
    if (this.#streams.full) return refuse(response, 429, TOO_MANY);
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": "text/event-stream" });
    response.write(message(this.#view.shown()));
    this.#streams.add(response, until - this.#now());
  }
}

/**
 * Whether no other page is behind the request. Browsers that do not say so send an Origin, or a
 * cookie that stays at home.
 * @param {Request} request
 */
function alone({ headers }) {
  return ["same-origin", "none", undefined].includes(header(headers["sec-fetch-site"]));
}

/**
 * Whether a browser asks before a person does: that must not use a link up.
 * @param {Request} request
 */
function ahead({ headers }) {
  return ["sec-purpose", "purpose", "x-moz", "x-purpose"].some((name) => /prefetch|preview|prerender/i.test(header(headers[name]) ?? ""));
}

/**
 * @param {string | string[] | undefined} value
 * @returns {string | undefined}
 */
function header(value) {
  return Array.isArray(value) ? value.join(", ") : value;
}

/**
 * @param {Request} request
 * @param {string} name
 */
function cookieOf({ headers }, name) {
  const found = (headers.cookie ?? "").split(";").map((pair) => pair.trim()).find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/**
 * @param {Response} response
 * @param {number} status
 * @param {Notice} words
 */
function refuse(response, status, words) {
  write(response, status, notice(words));
}

/**
 * @param {Response} response
 * @param {number} status
 * @param {Asset} asset
 */
function write(response, status, { type, body }) {
  response.writeHead(status, { ...PAGE_HEADERS, "content-type": type });
  response.end(body);
}
