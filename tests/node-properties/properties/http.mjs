// @ts-check
/**
 * Every route of an endpoint that really listens, over a real store, asked in every way: what is
 * answered is documented, holds no secret, and a refusal changes nothing.
 */

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import fc from "fast-check";
import { ERROR_CODES } from "../../../runtime-plugins/whatsapp-personal-bridge/src/errors.mjs";
import { operated } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/admin.mjs";
import { inbound } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/bridge.mjs";
import { deep, json, text } from "../support/arbitraries.mjs";
import { ALL, asTest, privateDir } from "../support/bridge.mjs";
import { body as wire } from "./wire.mjs";

const TOKEN = "0123456789abcdef".repeat(4);
const SECRET_TEXT = "a text that nobody without the token may read";
const CODES = new Map(Object.entries(ERROR_CODES).map(([code, { status }]) => [code, status]));
/** What may be said to anybody: it must not say these. */
const SECRETS = [TOKEN, SECRET_TEXT, "15551234567"];

const segment = fc.oneof(fc.constantFrom("status", "resume", "pause", "unpause", "inbox", "inbox/retry", "inbox/drop", "chats", "allowlist", "pair-link", "logout", "inbox/%2e%2e", "inbox/%ff", "__proto__", "constructor", "inbox/a/b", ""), text.map((any) => encodeURIComponent(any.replace(/\p{Cs}/gu, ""))));
const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("/bridge", "/bridge/health", "/bridge/metrics", "/bridge/pair", "/bridge/pair/stream", "/bridge/pair/page.css", "/bridge/pair/page.js", "/bridge/pair/icon.svg", "/bridge/pair/../admin/status", "/", "/bridge/", "//bridge", "/BRIDGE", "/bridge%2fadmin/status", "*", "/bridge;a") },
  { weight: 3, arbitrary: segment.map((name) => `/bridge/admin/${name}`) },
  segment.map((name) => `/${name}`),
);
const query = fc.oneof({ weight: 3, arbitrary: fc.constant("") }, fc.dictionary(fc.constantFrom("limit", "after", "state", "show_text", "account", "refused", "key", "nonce", "__proto__", "x"), fc.oneof(fc.constantFrom("1", "0", "-1", "200", "1e3", "waiting", "dead,done", "default", "5-5"), fc.string({ maxLength: 12 })), { maxKeys: 3, noNullPrototype: true }).map((given) => `?${new URLSearchParams(given)}`), fc.constantFrom("?%", "?&&=", "?limit=1&limit=2"));
const authorization = fc.constantFrom(undefined, "", "Bearer", `Bearer ${TOKEN}`, `bearer ${TOKEN}`, `Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN} x`, "Basic Ojo=", `Bearer ${"x".repeat(2_000)}`, `Bearer ${TOKEN.toUpperCase()}`);
const admin = fc.oneof(json.map((value) => JSON.stringify(value)), fc.constantFrom("", "{}", "[]", '{"cursor":"none"}', '{"all_dead":true}', '{"allowed_chat_ids":[]}', '{"allowed_chat_ids":["x"]}', '{"__proto__":{"cursor":"none"}}', '{"cursor":null}'));
const content = fc.oneof({ weight: 2, arbitrary: wire }, { weight: 2, arbitrary: admin }, deep, fc.constantFrom(1024 * 1024 + 1, 70_000).map((size) => " ".repeat(size))).map((any) => Buffer.from(any));
const bytes = fc.oneof({ weight: 6, arbitrary: content }, fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw)), fc.constant(Buffer.from('{"method":"tools/call","operation":"\xff\xfe"}', "latin1")));
const request = fc.record({
  method: fc.constantFrom("GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"),
  path, query, authorization, bytes,
  type: fc.constantFrom("application/json", "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", undefined),
  host: fc.constantFrom("right", "right", "right", "right", "right", "evil.example", "127.0.0.1", ""),
  origin: fc.constantFrom(undefined, undefined, undefined, undefined, "http://evil.example", "null"),
  chunked: fc.boolean(),
});

/** @typedef {{ method: string, path: string, query: string, authorization?: string, bytes: Buffer, type?: string, host: string, origin?: string, chunked: boolean }} Asked */

/**
 * @param {http.Agent} agent
 * @param {number} port
 * @param {Asked} asked
 * @returns {Promise<{ status: number, type: string, text: string }>}
 */
function ask(agent, port, { method, path, query, authorization: token, bytes, type, host, origin, chunked }) {
  const headers = {
    host: host === "right" ? `127.0.0.1:${port}` : host,
    ...(token === undefined ? {} : { authorization: token }),
    ...(type === undefined ? {} : { "content-type": type }),
    ...(origin === undefined ? {} : { origin }),
    ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": bytes.length }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ agent, host: "127.0.0.1", port, method, path: `${path}${query}`, headers, setHost: false, timeout: 5_000 }, (incoming) => {
      /** @type {Buffer[]} */
      const chunks = [];
      const { statusCode: status = 0, headers: given } = incoming;
      const done = () => resolve({ status, type: given["content-type"] ?? "", text: Buffer.concat(chunks).toString() });
      incoming.on("data", (chunk) => {
        chunks.push(chunk);
        // The page's stream has no end.
        if (given["content-type"] === "text/event-stream") incoming.destroy();
      });
      incoming.on("end", done).on("close", done).on("error", done);
    });
    // A refused body may be cut off while it is still on its way; the answer is there then.
    outgoing.on("error", (error) => (/** @type {any} */ (error).code === "EPIPE" || /** @type {any} */ (error).code === "ECONNRESET" ? undefined : reject(error)));
    // Who may receive may also wait for messages.
    outgoing.on("timeout", () => (path === "/bridge" && token?.endsWith(TOKEN) ? outgoing.destroy() : reject(new Error(`no answer to ${method} ${path}${query}`))));
    outgoing.on("close", () => resolve({ status: 0, type: "", text: "" }));
    outgoing.end(bytes);
  });
}

/** @param {import("../support/hold.mjs").Scope} scope */
async function listening(scope) {
  const made = await operated(asTest(scope), { dir: privateDir(scope) });
  const agent = new http.Agent({ keepAlive: true });
  scope.after(() => agent.destroy());
  for (const id of ["one", "two", "three"]) made.inbox.accept(inbound(id, SECRET_TEXT));
  made.store.inbox.bury(2, { at: 1, attempts: 6, reason: "test" });
  const state = () => JSON.stringify([made.store.inbox.list({ states: ALL, limit: 100 }), made.store.outbox.depth(), made.store.known.list({ kind: "known", limit: 100, after: null }), made.pause.active, made.store.settings.get("allowed_chat_ids_of_run")]);
  const port = made.port;
  const health = async () => {
    const { status, text: said } = await ask(agent, port, { method: "GET", path: "/bridge/health", query: "", bytes: Buffer.alloc(0), host: "right", chunked: false });
    assert.equal(status, 200);
    assert.equal(JSON.parse(said).ok, true);
  };
  return { ...made, agent, port, state, health };
}

/** @param {string} route behind `/bridge` */
const isPage = (route) => route === "/bridge/pair" || route.startsWith("/bridge/pair/");

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "http: every request gets a documented answer without a secret, and a refused one changes nothing",
    short: 250,
    share: 1 / 4,
    hold: async (scope) => {
      const bridge = await listening(scope);
      return fc.asyncProperty(request, async (asked) => {
        const before = bridge.state();
        const { status, type, text: said } = await ask(bridge.agent, bridge.port, asked);
        const authorised = /^Bearer +(\S+)$/i.exec(asked.authorization ?? "")?.[1] === TOKEN;
        if (status !== 0 && status !== 200 && status !== 303) {
          assert.equal(bridge.state(), before, "a refusal changes nothing");
          if (type.startsWith("application/json") && said !== "") {
            const told = JSON.parse(said);
            const error = asked.path.startsWith("/bridge/admin/") || asked.path.startsWith("/bridge/metrics") ? told : told.payload;
            assert.equal(CODES.get(error.code), status, said);
            assert.equal(error.retryable, ERROR_CODES[error.code]?.retryable);
          } else if (said !== "") assert.ok(isPage(asked.path) || status === 400, `${status} ${type} ${said}`);
        }
        if (!authorised) {
          for (const secret of SECRETS) assert.ok(!said.includes(secret), `it says ${secret}`);
          assert.equal(bridge.state(), before, "who has no token changes nothing");
          if (status === 200) assert.ok(asked.path === "/bridge/health" || isPage(asked.path), `${asked.path} is open`);
        }
        if (asked.host !== "right" || asked.origin !== undefined) assert.notEqual(status, 200);
        assert.ok(!said.includes(TOKEN));
        if (authorised && status === 200) {
          // What an operator may do was done; the next case begins where this one did.
          bridge.pause.resume("operator");
        }
        await bridge.health();
      });
    },
  },
  {
    name: "http: bytes that are no request, or only a part of one, hold nobody up",
    short: 60,
    share: 1 / 40,
    hold: async (scope) => {
      const bridge = await listening(scope);
      const line = fc.constantFrom("POST /bridge HTTP/1.1\r\n", "GET /bridge/health HTTP/1.1\r\n", "POST /bridge/admin/inbox/drop HTTP/1.1\r\n", "GET / HTTP/9.9\r\n", "\r\n\r\n");
      const header = fc.constantFrom("Host: 127.0.0.1\r\n", "Content-Length: 10\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Content-Length: -1\r\n", "X: \u0000\r\n", `X: ${"y".repeat(20_000)}\r\n`, `Authorization: Bearer ${TOKEN}\r\n`, "\r\n", "{}");
      const raw = fc.oneof(fc.tuple(line, fc.array(header, { maxLength: 4 })).map(([first, more]) => Buffer.from(first + more.join(""), "latin1")), fc.uint8Array({ minLength: 1, maxLength: 200 }).map((any) => Buffer.from(any)));
      return fc.asyncProperty(raw, async (sent) => {
        const before = bridge.state();
        const socket = net.connect(bridge.port, "127.0.0.1");
        let said = "";
        socket.on("data", (chunk) => (said += chunk)).on("error", () => undefined);
        await new Promise((resolve) => socket.once("connect", resolve));
        await new Promise((resolve) => socket.end(sent, () => resolve(undefined)));
        await new Promise((resolve) => (socket.destroyed ? resolve(undefined) : socket.once("close", resolve)));
        for (const secret of SECRETS) assert.ok(!said.includes(secret));
        assert.equal(bridge.state(), before);
        await bridge.health();
      });
    },
  },
];
