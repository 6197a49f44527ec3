// @ts-check
/** What stands in a refusal: nothing secret, little of what was asked, nothing that acts on a terminal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, RequestError } from "../src/errors.mjs";
import { harmless, quoted } from "../src/shown.mjs";
import { ask, BEARER, dial, serving, stock, TOKEN, WITH_TOKEN } from "./support/endpoint.mjs";

const SECRET = "/bridge/9f8e7d6c5b4a39281706f5e4d3c2b1a0";
/** Every one of its characters is another, so that a piece of it is found anywhere. */
const WORDS = Array.from({ length: 60 }, (_, number) => `w${number}q`).join("");
const ACTIVE = "\u0000\u0007\u001b[2J\u001b]0;x\u0007\r\n\t\u007f\u0085\u009b1m\u2028\u2029\u202e\u2066\ufeff\u200f\ud800";
const FOUL = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\ufeff\u061c]/u;
const LONGEST_ECHO = 60;

/** @param {string} said */
function longestEcho(said) {
  let longest = 0;
  for (let from = 0; from < WORDS.length; from += 1) {
    let length = 0;
    while (from + length < WORDS.length && said.includes(WORDS.slice(from, from + length + 1))) length += 1;
    longest = Math.max(longest, length);
  }
  return longest;
}

/** @param {any} target */
const send = (target) => stock("send_message", (payload) => Object.assign(payload, target));
const account = { configured_account_id: "default", account_id: "a", config: { allowed_chat_ids: ["*"] } };

for (const [kind, foul] of /** @type {[string, string][]} */ ([["long", WORDS], ["active", ACTIVE], ["both", `${ACTIVE}${WORDS}${ACTIVE}`]])) {
  const coded = encodeURIComponent(foul.replace(/\ud800/g, "x"));
  /** @type {[string, Parameters<typeof ask>[1]][]} */
  const requests = [
    ["an operation", { body: JSON.stringify({ method: "tools/call", id: 1, operation: foul, payload: {} }) }],
    ["a method", { body: JSON.stringify({ method: foul, id: 1, operation: "send_message", payload: {} }) }],
    ["a channel", { body: JSON.stringify({ method: "tools/call", channel_id: foul, operation: "send_message", payload: {} }) }],
    ["no JSON", { body: `{"${foul}` }],
    ["a target", { body: send({ target: { platform: "whatsapp", kind: "conversation", id: foul } }) }],
    ["a contact", { body: send({ target: { platform: "whatsapp", kind: "conversation", id: `contact:${foul}` } }) }],
    ["a group", { body: send({ target: { platform: "whatsapp", kind: "conversation", id: `group:${foul}@g.us` } }) }],
    ["an account of a target", { body: send({ target: { platform: "whatsapp", kind: "conversation", id: `whatsapp-personal:${foul}:contact:+15551234567` } }) }],
    ["a kind of target", { body: send({ target: { platform: "whatsapp", kind: foul, id: "contact:+15551234567" } }) }],
    ["a platform", { body: send({ target: { platform: foul, id: "contact:+15551234567" } }) }],
    ["a key that is too long", { body: send({ target: { id: "contact:+15551234567", options: { idempotency_key: foul.repeat(100) } } }) }],
    ["a message of another kind", { body: send({ message: { [foul]: foul } }) }],
    ["a cursor that is no text", { body: stock("ack_inbound", (payload) => (payload.message.delivery.ack_cursor = [foul])) }],
    ["a list that is none", { body: stock("receive_batch", (payload) => (payload.runtime_context.account.config.allowed_chat_ids = foul)) }],
    ["a wait that is no number", { body: stock("receive_batch", (payload) => Object.assign(payload, { wait_ms: foul, runtime_context: { account } })) }],
    ["a content type", { headers: { "content-type": "text/".concat(coded) }, body: "x" }],
    ["a foreign host", { headers: { host: `${coded}.example` }, body: "{}" }],
    ["an origin", { headers: { origin: `http://${coded}.example` }, body: "{}" }],
    ["another path", { method: "GET", path: `/${coded}` }],
    ["a nonce", { method: "GET", path: `${SECRET}/health?nonce=${coded}` }],
    ["a wrong token", { headers: { authorization: `Bearer ${coded}` }, body: "{}" }],
    ["an admin command", { method: "GET", path: `${SECRET}/admin/${coded}` }],
    ["a parameter", { method: "GET", path: `${SECRET}/admin/inbox?${coded}=1` }],
    ["the value of a parameter", { method: "GET", path: `${SECRET}/admin/inbox?state=${coded}` }],
    ["a cursor of the inbox", { method: "GET", path: `${SECRET}/admin/inbox/${coded}` }],
    ["a cursor that cannot be decoded", { method: "GET", path: `${SECRET}/admin/inbox/%ff%00${coded}` }],
    ["an account of the chats", { method: "GET", path: `${SECRET}/admin/chats?account=${coded}!` }],
    ["a field", { path: `${SECRET}/admin/inbox/drop`, body: JSON.stringify({ [foul]: 1 }) }],
    ["a cursor to drop", { path: `${SECRET}/admin/inbox/drop`, body: JSON.stringify({ cursor: foul }) }],
    ["an entry of the allowlist", { path: `${SECRET}/admin/allowlist`, body: JSON.stringify({ allowed_chat_ids: [foul] }) }],
    ["a parameter of the metrics", { method: "GET", path: `${SECRET}/metrics?${coded}=1` }],
  ];

  test(`refusals say little and nothing harmful of words that are ${kind}`, async (t) => {
    const { server } = await serving(t, {}, WITH_TOKEN, { path: SECRET });
    for (const [name, request] of requests) {
      const { status, body } = await ask(server.port, { path: SECRET, ...request, headers: { ...BEARER, ...request?.headers } });
      assert.ok(status >= 400 && status < 500, `${name}: ${status} ${JSON.stringify(body)}`);
      const { error, code, retryable } = body.payload ?? body;
      assert.ok(Object.hasOwn(ERROR_CODES, code) && typeof retryable === "boolean", `${name}: ${JSON.stringify(body)}`);
      assert.ok(!FOUL.test(error), `${name}: ${JSON.stringify(error)}`);
      assert.ok(longestEcho(error) <= LONGEST_ECHO, `${name}: ${error}`);
      assert.ok(error.length < 600, `${name}: ${error.length} characters`);
      assert.ok(!error.includes(TOKEN) && !error.includes(SECRET.slice(8)), `${name}: ${error}`);
    }
  });
}

test("nobody is told the path who does not know it", async (t) => {
  const { server } = await serving(t, {}, { token: null, bridgeAuth: "none" }, { path: SECRET });
  for (const path of ["/", "/bridge", "/bridge/", "/bridge/health", `${SECRET}/`, `${SECRET}x`, `${SECRET}/../bridge`, SECRET.toUpperCase(), `${SECRET.slice(0, -1)}`]) {
    for (const method of ["GET", "POST", "DELETE"]) {
      const { status, body, headers } = await ask(server.port, { method, path });
      assert.equal(status, 404, path);
      assert.ok(!JSON.stringify([body, headers]).includes(SECRET.slice(8)), JSON.stringify(body));
    }
  }
  const stranger = dial(t, server.port);
  stranger.say("FROB\r\n\r\n");
  assert.ok(!(await stranger.closed()).text.includes(SECRET.slice(8)));
});

test("whatever an error is made of, it holds nothing that acts", () => {
  for (const text of [ACTIVE, `a${ACTIVE}b`]) {
    assert.ok(!FOUL.test(new RequestError("bad_request", text).message));
    assert.ok(!FOUL.test(harmless(text)) && !FOUL.test(quoted(text)));
  }
  assert.equal(harmless("Zoë 👩‍👩‍👧 日本"), "Zoë 👩‍👩‍👧 日本");
  assert.equal(quoted("x".repeat(61)), `"${"x".repeat(60)}"`);
  assert.ok(!FOUL.test(quoted(`${"x".repeat(59)}👩`)), "a character cut in half is none");
});
