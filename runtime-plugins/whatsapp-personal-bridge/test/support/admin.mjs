// @ts-check
/** A bridge's endpoint with its real store and a token, for what an operator asks of it. */

import { Access } from "../../src/access.mjs";
import { PairPage } from "../../src/pair-page/pair-page.mjs";
import { listen } from "../../src/server.mjs";
import { carrier, parts } from "./bridge.mjs";
import { fixture } from "./fixtures.mjs";

const TOKEN = "0123456789abcdef".repeat(4);

/** @type {import("../../src/session.mjs").Status} */
const STATUS = {
  state: "connected", reason: null, identity: null, ignored: {}, undecryptable: 0, changedAt: 1,
  lastFrameAt: null, connectedSince: null, reconnects: 0, retryAt: null,
};

/**
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof parts>[1]} [options]
 * @param {Partial<ConstructorParameters<typeof Access>[0]>} [access]
 */
export async function operated(t, options, access) {
  const made = { ...parts(t, options), access: new Access({ token: TOKEN, bridgeAuth: "token", ...access }), page: new PairPage(TOKEN), warnings: () => [] };
  let status = STATUS;
  const session = { status: () => status, resume: () => undefined, logout: async () => ({ unlinked: true, setAside: true }) };
  const line = carrier(made.outbox);
  const server = await listen({ port: 0, path: "/bridge" }, { ...made, version: "0.1.0", startedAt: 1, session });
  t.after(() => {
    made.inbox.close();
    return server.close(0);
  });

  /**
   * @param {"GET" | "POST"} method
   * @param {string} path behind `admin/`
   * @param {{ body?: string, type?: string, token?: string | null }} [request]
   * @returns {Promise<{ status: number, body: any }>}
   */
  async function ask(method, path, { body, type = "application/json", token = TOKEN } = {}) {
    const headers = { "content-type": type, ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
    const answer = await fetch(`${server.url}/admin/${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, body: await answer.json() };
  }

  /** @param {{ method?: string, token?: string | null, query?: string, origin?: string }} [request] for the metrics */
  async function scrape({ method = "GET", token = TOKEN, query = "", origin } = {}) {
    const headers = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...(origin === undefined ? {} : { origin }) };
    const answer = await fetch(`${server.url}/metrics${query}`, { method, headers });
    return { status: answer.status, type: answer.headers.get("content-type") ?? "", text: await answer.text() };
  }

  /**
   * @param {string} operation of the contract
   * @param {Record<string, unknown>} fields of its payload
   * @param {string} [called] another operation, which was not captured and needs no more
   * @returns {Promise<{ status: number, headers: Headers, body: any }>}
   */
  async function operate(operation, fields, called = operation) {
    const { body } = fixture(`wire/stock-request-${operation}.json`);
    Object.assign(body, { operation: called });
    Object.assign(body.payload, fields);
    const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
    const answer = await fetch(server.url, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  }
  return {
    ...made,
    line,
    port: server.port,
    ask,
    operate,
    scrape,
    /** @param {Partial<import("../../src/session.mjs").Status>} changes */
    stands: (changes) => (status = { ...STATUS, ...changes }),
    get: (/** @type {string} */ path) => ask("GET", path),
    post: (/** @type {string} */ path, /** @type {unknown} */ fields) => ask("POST", path, fields === undefined ? {} : { body: JSON.stringify(fields) }),
  };
}
