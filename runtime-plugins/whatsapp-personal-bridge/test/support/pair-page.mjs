// @ts-check
/** The pairing page behind its real server, a session that says what the test says, and a browser's requests. */

import http from "node:http";
import { Access } from "../../src/access.mjs";
import { PairPage } from "../../src/pair-page/pair-page.mjs";
import { listen } from "../../src/server.mjs";

export const TOKEN = "0123456789abcdef".repeat(4);
const DEADLINE_MS = 5_000;

/** @type {import("../../src/session.mjs").Status} */
const STATUS = {
  state: "pairing", reason: null, identity: null, ignored: {}, undecryptable: 0, changedAt: 1,
  lastFrameAt: null, connectedSince: null, reconnects: 0, retryAt: null,
};

/**
 * @typedef {{ status: number, headers: http.IncomingHttpHeaders, text: string }} Answer
 * @typedef {{ path?: string, method?: string, headers?: http.OutgoingHttpHeaders, port?: number }} Asked
 */

/**
 * @param {import("node:test").TestContext} t
 * @param {{ token?: string | null, port?: number }} [options]
 */
export async function paging(t, { token = TOKEN, port = 0 } = {}) {
  /** @type {{ event: string, [field: string]: unknown }[]} */
  const events = [];
  const clock = { at: 1_800_000_000_000 };
  const page = new PairPage(token, () => clock.at);
  const session = { status: () => STATUS, resume: () => undefined, logout: async () => ({ unlinked: true, setAside: true }) };
  const access = new Access({ token, bridgeAuth: "token" });
  // Without a store, a slow thing: nothing that is asked here looks at one.
  const server = await listen({ port, path: "/bridge" }, /** @type {any} */ ({ access, page, session }));
  const close = () => server.close(2_000);
  t.after(close);
  const says = page.watching((event, fields = {}) => {
    events.push({ event, ...fields });
  });

  /**
   * @param {Asked} [asked] `path`: below the page, with its query
   * @returns {Promise<Answer>}
   */
  function ask({ path = "", method = "GET", headers = {} } = {}) {
    return new Promise((resolve, reject) => {
      const sent = http.request({ host: "127.0.0.1", port: server.port, agent: false, method, path: `/bridge/pair${path}`, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (data) => (text += data));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  /** @returns {Promise<string>} the cookie of somebody who has opened a link */
  async function enter() {
    const { headers } = await ask({ path: new URL(page.newLink().url).search });
    return cookieIn(headers);
  }

  /** @param {string} cookie opens the stream */
  async function look(cookie) {
    /** @type {any[]} */
    const shown = [];
    const response = await new Promise((resolve, reject) => {
      http.get({ host: "127.0.0.1", port: server.port, agent: false, path: "/bridge/pair/stream", headers: { cookie } }, resolve).on("error", reject);
    });
    response.setEncoding("utf8");
    let heard = "";
    /** @type {() => void} */
    let news = () => undefined;
    response.on("data", (/** @type {string} */ data) => {
      heard += data;
      shown.splice(0, Infinity, ...[...heard.matchAll(/^data: (.*)\n\n/gm)].map(([, json = ""]) => JSON.parse(json)));
      news();
    });
    const ended = new Promise((resolve) => response.on("close", resolve));
    /** @param {(shown: any) => boolean} wanted */
    async function until(wanted) {
      const deadline = AbortSignal.timeout(DEADLINE_MS);
      for (;;) {
        const found = shown.find(wanted);
        if (found) return found;
        await new Promise((resolve, reject) => {
          news = () => resolve(undefined);
          deadline.onabort = () => reject(new Error(`it was not shown: ${wanted}; shown: ${JSON.stringify(shown, null, 1)}`));
        });
      }
    }
    return { status: response.statusCode, headers: response.headers, shown, until, ended, leave: () => response.destroy() };
  }
  return { events, server, page, clock, says, ask, enter, look, close };
}

/** @param {http.IncomingHttpHeaders} headers */
export function cookieIn(headers) {
  return (headers["set-cookie"]?.[0] ?? "").split(";")[0] ?? "";
}

export const QR = { qr: "2@payload-that-nobody-may-read-elsewhere,abc==", expires_in_ms: 60_000, number: 1, round: 1 };
export const state = (/** @type {string} */ name, /** @type {string | null} */ reason = null) => ({ state: name, reason, message: "", retry_in_ms: null });
