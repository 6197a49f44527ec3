// @ts-check
/** A bridge's endpoint with its real store, and callers of every kind: well-bred ones, and raw sockets. */

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { Access } from "../../src/access.mjs";
import { PairPage } from "../../src/pair-page/pair-page.mjs";
import { listen } from "../../src/server.mjs";
import { TIMING } from "../../src/timing.mjs";
import { carrier, parts } from "./bridge.mjs";
import { fixture } from "./fixtures.mjs";

/** @type {import("../../src/session.mjs").Status} */
export const STATUS = {
  state: /** @type {const} */ ("connected"),
  reason: null,
  identity: { jid: "15550001000@s.whatsapp.net", lid: null, name: "Olga", phone: "+15550001000" },
  ignored: { own: 2 },
  undecryptable: 3,
  changedAt: 1,
  lastFrameAt: 5,
  connectedSince: 4,
  reconnects: 6,
  retryAt: null,
};
export const SESSION = { status: () => STATUS, resume: () => undefined, logout: async () => ({ unlinked: true, setAside: true }) };
export const TOKEN = "0123456789abcdef".repeat(4);
export const WITH_TOKEN = { token: TOKEN, bridgeAuth: /** @type {const} */ ("token") };
export const BEARER = { authorization: `Bearer ${TOKEN}` };
const DEADLINE_MS = 5_000;

/**
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof parts>[1]} [options]
 * @param {{ token: string | null, bridgeAuth: "token" | "none" }} [access]
 * @param {{ path?: string, waits?: Partial<import("../../src/door.mjs").Waits>, connections?: number, sends?: import("../../src/send-rate.mjs").SendRate }} [doors]
 */
export async function serving(t, options, access = { token: null, bridgeAuth: "token" }, { path = "/bridge", waits, ...limits } = {}) {
  const made = { ...parts(t, options), access: new Access(access), page: new PairPage(access.token), warnings: () => [{ code: "open_bridge", message: "open" }] };
  const line = carrier(made.outbox);
  const server = await listen({ port: 0, path }, { ...made, version: "0.1.0", startedAt: 1, session: SESSION }, { ...TIMING, ...waits }, limits);
  t.after(() => {
    made.inbox.close();
    return server.close(0);
  });
  return { ...made, line, server };
}

/**
 * @param {number} port
 * @param {{ method?: string, path?: string, headers?: http.OutgoingHttpHeaders, body?: string | Buffer }} [request]
 * @returns {Promise<{ status: number, body: any, headers: http.IncomingHttpHeaders }>}
 */
export function ask(port, { method = "POST", path = "/bridge", headers = {}, body = "" } = {}) {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: "127.0.0.1", port, method, path, agent: false, headers: { "content-type": "application/json", ...headers } }, (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()), headers: response.headers }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/**
 * @param {string} operation
 * @param {(payload: any) => void} [change]
 */
export function stock(operation, change = () => undefined) {
  const { body } = fixture(`wire/stock-request-${operation}.json`);
  change(body.payload);
  return JSON.stringify(body);
}

/**
 * @param {import("node:test").TestContext} t
 * @param {number} port
 * @returns a socket that says what it is told and keeps what it hears
 */
export function dial(t, port) {
  const socket = net.connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  let heard = "";
  const began = performance.now();
  socket.on("data", (data) => (heard += data.toString("latin1")));
  socket.on("error", () => undefined);
  /** @type {Promise<{ text: string, ms: number }>} */
  const closed = new Promise((resolve) => socket.once("close", () => resolve({ text: heard, ms: performance.now() - began })));
  return {
    socket,
    /** What was said on it, once it is closed by the other side. */
    closed: () => inTime(closed, () => `it was not closed; heard: ${heard}`),
    /** @param {RegExp} wanted */
    hears: (wanted) => inTime(new Promise((resolve) => {
      const look = () => wanted.test(heard) && resolve(heard);
      socket.on("data", look);
      look();
    }), () => `${wanted} was not heard, but: ${heard}`),
    /** @param {string} bytes */
    say: (bytes) => socket.write(Buffer.from(bytes, "latin1")),
  };
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {() => string} otherwise
 * @returns {Promise<T>}
 */
export async function inTime(promise, otherwise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: otherwise() })), DEADLINE_MS);
  });
  try {
    return /** @type {T} */ (await Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}
