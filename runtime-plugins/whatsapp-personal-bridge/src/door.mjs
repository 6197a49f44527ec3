// @ts-check
/**
 * Who gets a connection and how long it is kept, before anybody looks at what is asked: peers of
 * this machine only, a bounded number of them, and none for whoever does not finish a request or
 * does not take an answer. Who may ask for what is decided elsewhere.
 */

import http from "node:http";
import net from "node:net";
import { writeAnswer, writeError } from "./contract.mjs";
import { RequestError } from "./errors.mjs";

/**
 * @typedef {import("node:net").Socket} Socket
 * @typedef {Pick<import("./timing.mjs").Timing, "requestMs" | "answerMs">} Waits
 * @typedef {{ trusted: boolean, response: http.ServerResponse | null, unreadSince: number | null }} Held
 * `trusted`: the token was shown on it; `response`: of the request under way
 */

/** A browser needs some 2 KiB and 20 headers, `loong` 300 bytes. */
const HEAD_BYTES = 16 * 1024;
/**
 * One host has at most 16 calls under way, a browser six connections: that is more than ten of
 * each. Programs of this machine can open more, and must not keep the others out by it.
 */
const CONNECTIONS = 256;
/** A host that has just asked asks again soon; a connection costs little to make anew. */
const KEEP_ALIVE_MS = 5_000;

const LOOPBACK = new net.BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** What Node's parser says, and the answer to it. */
const UNREADABLE = /** @type {const} */ ({
  HPE_HEADER_OVERFLOW: [431, "too_large", `The headers are larger than ${HEAD_BYTES} bytes`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "too_large", "The body has more chunk extensions than anybody needs"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "timeout", "The request was not whole in time. Send head and body without a pause"],
});
const NO_HTTP = /** @type {const} */ ([400, "bad_request", "The request cannot be read: it must be plain HTTP/1.1"]);

export class Door {
  /** @type {Map<Socket, Held>} The one that stood still longest comes first. */ #held = new Map();
  /** @type {number} */ #most;
  #closing = false;

  /**
   * @param {Waits} waits
   * @param {number} [connections] at a time
   */
  constructor({ requestMs, answerMs }, connections = CONNECTIONS) {
    this.#most = connections;
    this.server = http.createServer({
      maxHeaderSize: HEAD_BYTES,
      // Of the whole; the head has no longer.
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.ceil(requestMs / 10),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Whatever NODE_OPTIONS says: a lenient parser is how requests are smuggled.
      insecureHTTPParser: false,
      // Looked at by us, with the others that give a request away.
      requireHostHeader: false,
    });
    this.server.on("connection", (socket) => this.#admit(socket));
    this.server.on("clientError", (error, socket) => this.#refuse(error, /** @type {Socket} */ (socket)));
    const look = setInterval(() => this.#cutUnread(answerMs), Math.ceil(answerMs / 10));
    look.unref();
    this.server.on("close", () => clearInterval(look));
  }

  /** @param {http.RequestListener} listener of every request, also of those that expect something first */
  onRequest(listener) {
    for (const event of ["request", "checkContinue", "checkExpectation"]) {
      this.server.on(event, (/** @type {http.IncomingMessage} */ request, /** @type {http.ServerResponse} */ response) => {
        if (this.#begin(request.socket, response)) void listener(request, /** @type {any} */ (response));
      });
    }
  }

  /**
   * No new connections; the requests under way are finished.
   * @param {number} graceMs how long they may take
   */
  async close(graceMs) {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.#closing = true;
    for (const [socket, { response }] of this.#held) {
      if (response === null) this.#drop(socket);
      // Said, so that no next request is on its way when the connection ends.
      else if (!response.headersSent) response.setHeader("connection", "close");
    }
    const timer = setTimeout(() => this.server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(timer);
  }

  /** @param {Socket} socket on which the token was shown: it is not closed to make room */
  trust(socket) {
    const held = this.#held.get(socket);
    if (held) held.trusted = true;
  }

  /** @param {Socket} socket */
  #admit(socket) {
    // The address that is bound sees to it already; this holds whatever is bound one day.
    if (!isLoopback(socket.remoteAddress)) return socket.destroy();
    this.#held.set(socket, { trusted: false, response: null, unreadSince: null });
    socket.once("close", () => this.#held.delete(socket));
    if (this.#held.size > this.#most) this.#makeRoom(socket);
  }

  /**
   * Closes who stood still longest without a request; then whose request showed no token. A new
   * connection goes only where all others have shown it: it has hardly had the time to ask.
   * @param {Socket} newest
   */
  #makeRoom(newest) {
    /** @type {Socket | null} */
    let busy = null;
    for (const [socket, { trusted, response }] of this.#held) {
      if (trusted || socket === newest) continue;
      if (response === null) return this.#drop(socket);
      busy ??= socket;
    }
    this.#drop(busy ?? newest);
  }

  /**
   * @param {Socket} socket
   * @param {http.ServerResponse} response
   * @returns {boolean} whether the request is answered
   */
  #begin(socket, response) {
    const held = this.#held.get(socket);
    // A second request before the first is answered: no caller of ours does that, and what it is good for is smuggling.
    if (!held || held.response) {
      this.#drop(socket);
      return false;
    }
    held.response = response;
    this.#moved(socket, held);
    response.once("close", () => {
      held.response = null;
      if (this.#closing) this.#drop(socket);
      else this.#moved(socket, held);
    });
    return true;
  }

  /**
   * @param {Socket} socket
   * @param {Held} held
   */
  #moved(socket, held) {
    if (this.#held.delete(socket)) this.#held.set(socket, held);
  }

  /** @param {Socket} socket */
  #drop(socket) {
    this.#held.delete(socket);
    socket.destroy();
  }

  /**
   * @param {Error & { code?: string }} error
   * @param {Socket} socket
   */
  #refuse({ code = "" }, socket) {
    // Half an answer must not be followed by another.
    const begun = this.#held.get(socket)?.response?.headersSent;
    if (socket.writable && !begun && code !== "ECONNRESET") socket.write(rawAnswer(code));
    this.#drop(socket);
  }

  /** @param {number} answerMs */
  #cutUnread(answerMs) {
    const now = performance.now();
    for (const [socket, held] of this.#held) {
      if (socket.writableLength === 0) held.unreadSince = null;
      else held.unreadSince ??= now;
      if (held.unreadSince !== null && now - held.unreadSince >= answerMs) this.#drop(socket);
    }
  }
}

/** @param {string | undefined} address of a peer; none when it has hung up */
export function isLoopback(address) {
  const family = net.isIP(address ?? "");
  return family !== 0 && LOOPBACK.check(address ?? "", family === 6 ? "ipv6" : "ipv4");
}

/** @param {string} why Node's code */
function rawAnswer(why) {
  const [status, code, message] = Object.hasOwn(UNREADABLE, why) ? UNREADABLE[/** @type {keyof typeof UNREADABLE} */ (why)] : NO_HTTP;
  const body = JSON.stringify(writeAnswer(null, writeError(new RequestError(code, message))));
  return [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}
