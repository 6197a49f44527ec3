// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import * as contract from "../src/contract.mjs";
import { ERROR_CODES, FATAL_CODES, FatalError, RequestError, safeName } from "../src/errors.mjs";
import { fixture } from "./support/fixtures.mjs";

const ACCEPTED = fixture("wire/stock-accepted-response-receive_batch.json").body;
const REJECTED = fixture("wire/stock-rejected-response-receive_batch.json").body;

/** @param {string} operation */
const captured = (operation) => fixture(`wire/stock-request-${operation}.json`).body;
/** @param {string} operation */
const request = (operation) => contract.readRequest(JSON.stringify(captured(operation)));

/**
 * An operation that stock Loong does not have.
 * @param {string} operation
 * @param {Record<string, unknown>} fields
 */
const ours = (operation, fields) => ({ ...captured("complete_batch"), operation, payload: { ...captured("complete_batch").payload, ...fields } });

/** @param {Partial<import("../src/inbox.mjs").Body>} [content] */
function row(content = {}) {
  return {
    seq: 1,
    cursor: "c1",
    conversation: "15551234567@s.whatsapp.net",
    sender: "15551234567@s.whatsapp.net",
    message_id: "A1",
    body: "",
    stored_at: 1,
    aliases: ["15551234567@s.whatsapp.net", "123456789012345@lid"],
    content: { kind: "text", text: "hello 1", group: false, senderName: "Ana", sentAt: 1_700_000_000_000, groupSubject: null, ...content },
  };
}
const ACCOUNT = { configuredId: "default", runtimeId: "whatsapp_personal_127-0-0-1-39731", allowed: ["*"] };

/**
 * The shape of a value: its fields and the types of their values.
 * @param {any} value
 * @returns {unknown}
 */
function shape(value) {
  if (Array.isArray(value)) return "list";
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, key === "options" ? "options" : shape(each)]));
}

for (const operation of ["send_message", "receive_batch", "ack_inbound", "complete_batch"]) {
  test(`stock Loong's ${operation} is read as it was captured`, () => {
    const read = request(operation);
    assert.equal(read.operation, operation);
    assert.deepEqual(contract.readAccount(read.payload), ACCOUNT);
    assert.deepEqual(contract.writeAnswer(read, { ok: true }), {
      method: "tools/call",
      id: `whatsapp-personal-bridge:whatsapp-personal:${operation}`,
      payload: { ok: true },
    });
  });
}

test("what stock Loong asks is understood", () => {
  assert.deepEqual(contract.readSend(request("send_message").payload, ACCOUNT), {
    to: { kind: "phone", user: "15551234567" },
    text: "pong",
    key: null,
  });
  assert.deepEqual(contract.readReceive(request("receive_batch").payload), { waitMs: 2_000, max: 20, inFlight: null, consumer: null });
  assert.deepEqual(contract.readAck(request("ack_inbound").payload), { cursor: "m1" });
  assert.deepEqual(contract.readComplete(request("complete_batch").payload), { batch: null });
});

test("what a caller that names itself asks is understood", () => {
  const asked = changed("receive_batch", (body) => Object.assign(body.payload, { consumer: { id: "h", instance: "1" }, in_flight: ["c1"], wait_ms: 0, max_messages: 0 }));
  assert.deepEqual(contract.readReceive(asked.payload), { waitMs: 0, max: 0, inFlight: ["c1"], consumer: { id: "h", instance: "1" } });
  assert.deepEqual(contract.readRelease({ ack_cursor: "c1" }), { cursor: "c1", delayMs: undefined, counts: false, reason: null });
  assert.deepEqual(contract.readRelease({ ack_cursor: "c1", delay_ms: 0, count_attempt: true, reason: "x".repeat(600) }), { cursor: "c1", delayMs: 0, counts: true, reason: "x".repeat(500) });
  assert.ok(contract.EXTENSIONS.includes("consumer"));
});

test("every kind of message has the shape that stock Loong accepts, and ours beside it", () => {
  const group = { ...row({ group: true, groupSubject: "Hikers" }), conversation: "120363012345678901@g.us" };
  const lid = { ...row({ senderName: null, kind: "image" }), conversation: "123456789012345@lid", sender: "123456789012345@lid" };
  for (const each of [row(), group, lid]) {
    const { whatsapp, ...message } = contract.writeInbound(each, ACCOUNT);
    const wanted = structuredClone(ACCEPTED.payload.messages[0]);
    // In a group stock Loong is told who wrote.
    if (each.content.group) wanted.session.participant_id = each.sender;
    assert.deepEqual(shape(message), shape(wanted));
    assert.notDeepEqual(shape(message), shape(REJECTED.payload.messages[0]));
    assert.deepEqual(Object.keys(whatsapp), ["kind", "group", "group_subject", "sender_name", "message_id", "received_at", "chat_aliases"]);
    assert.ok(!message.delivery.ack_cursor.includes(":"));
  }
});

test("the message that stock Loong accepted is what we write, value by value", () => {
  const { whatsapp, ...message } = contract.writeInbound({ ...row(), cursor: "m1", message_id: "m1" }, ACCOUNT);
  const wanted = structuredClone(ACCEPTED.payload.messages[0]);
  wanted.reply_target.options = { idempotency_key: "in:m1" };
  assert.deepEqual(message, wanted);
  assert.equal(whatsapp.received_at, 1_700_000_000_000);
});

test("replies go to the number, the LID or the group", () => {
  /** @type {[string, string][]} */
  const targets = [
    ["15551234567@s.whatsapp.net", "whatsapp-personal:default:contact:+15551234567"],
    ["123456789012345@lid", "whatsapp-personal:default:contact:123456789012345@lid"],
    ["120363012345678901@g.us", "whatsapp-personal:default:group:120363012345678901@g.us"],
  ];
  for (const [conversation, target] of targets) {
    assert.equal(contract.writeInbound({ ...row(), conversation }, ACCOUNT).reply_target.id, target);
  }
});

/**
 * @param {(body: any) => void} change
 * @param {string} operation
 */
function changed(operation, change) {
  const body = operation === "release_inbound" ? ours(operation, { ack_cursor: "c1", reason: "busy" }) : captured(operation);
  change(body);
  return body;
}

/** @type {[string, string, string, (body: any) => void][]} */
const BAD = [
  ["no method", "bad_request", "send_message", (body) => delete body.method],
  ["another channel", "bad_request", "send_message", (body) => (body.channel_id = "telegram")],
  ["no operation", "bad_request", "send_message", (body) => delete body.operation],
  ["a payload that is a list", "bad_request", "send_message", (body) => (body.payload = [])],
  ["no account", "bad_request", "send_message", (body) => delete body.payload.runtime_context],
  ["an account without an id", "bad_request", "receive_batch", (body) => delete body.payload.runtime_context.account.configured_account_id],
  ["a list that is a text", "bad_request", "receive_batch", (body) => (body.payload.runtime_context.account.config.allowed_chat_ids = "*")],
  ["no target", "bad_request", "send_message", (body) => delete body.payload.target],
  ["a target that is nobody", "invalid_target", "send_message", (body) => (body.payload.target.id = "contact:ana")],
  ["a target of another account", "invalid_target", "send_message", (body) => (body.payload.target.id = "work:contact:+15551234567")],
  ["a target of another kind", "invalid_target", "send_message", (body) => (body.payload.target.kind = "channel")],
  ["a target of another platform", "invalid_target", "send_message", (body) => (body.payload.target.platform = "feishu")],
  ["a key that is a number", "bad_request", "send_message", (body) => (body.payload.target.options.idempotency_key = 5)],
  ["a key that the store would take for a shorter one", "bad_request", "send_message", (body) => (body.payload.target.options.idempotency_key = "in:m1\0a")],
  ["a key that holds half a character", "bad_request", "send_message", (body) => (body.payload.target.options.idempotency_key = "in:\ud83d")],
  ["an empty key", "bad_request", "send_message", (body) => (body.payload.target.options.idempotency_key = "")],
  ["a picture", "unsupported_message", "send_message", (body) => (body.payload.message = { Image: {} })],
  ["an empty text", "unsupported_message", "send_message", (body) => (body.payload.message = { Text: " " })],
  ["a text that is a number", "bad_request", "send_message", (body) => (body.payload.message = { Text: 5 })],
  ["a text that is too long", "too_large", "send_message", (body) => (body.payload.message = { Text: "x".repeat(65_537) })],
  ["a wait that is too long", "bad_request", "receive_batch", (body) => (body.payload.wait_ms = 60_001)],
  ["a batch that is too large", "bad_request", "receive_batch", (body) => (body.payload.max_messages = 101)],
  ["half a message", "bad_request", "receive_batch", (body) => (body.payload.max_messages = 0.5)],
  ["cursors that are no list", "bad_request", "receive_batch", (body) => (body.payload.in_flight = "c1")],
  ["a consumer that is a word", "bad_request", "receive_batch", (body) => (body.payload.consumer = "host")],
  ["a consumer without an instance", "bad_request", "receive_batch", (body) => (body.payload.consumer = { id: "host" })],
  ["a consumer without an id", "bad_request", "receive_batch", (body) => (body.payload.consumer = { id: "", instance: "1" })],
  ["a release of nothing", "bad_request", "release_inbound", (body) => delete body.payload.ack_cursor],
  ["a release that lasts for ever", "bad_request", "release_inbound", (body) => (body.payload.delay_ms = 86_400_001)],
  ["a release with half a count", "bad_request", "release_inbound", (body) => (body.payload.count_attempt = "yes")],
  ["a release for a list of reasons", "bad_request", "release_inbound", (body) => (body.payload.reason = ["busy"])],
  ["an acknowledgement of nothing", "bad_request", "ack_inbound", (body) => delete body.payload.message.delivery.ack_cursor],
];

/** @type {Record<string, (payload: any) => unknown>} */
const READERS = {
  send_message: (payload) => contract.readSend(payload, contract.requireAccount(payload)),
  receive_batch: (payload) => [contract.requireAccount(payload), contract.readReceive(payload)],
  ack_inbound: contract.readAck,
  release_inbound: contract.readRelease,
};

for (const [name, code, operation, change] of BAD) {
  test(`refused: ${name}`, () => {
    assert.throws(() => {
      const { payload } = contract.readRequest(JSON.stringify(changed(operation, change)));
      READERS[operation]?.(payload);
    }, (error) => error instanceof RequestError && error.code === code && error.message.length > 20);
  });
}

test("both spellings of a text are taken", () => {
  for (const message of [{ Text: "pong" }, { text: "pong" }]) {
    const body = changed("send_message", (each) => (each.payload.message = message));
    assert.equal(contract.readSend(body.payload, ACCOUNT).text, "pong");
  }
});

test("every code of the contract is there, with its status", () => {
  const written = {
    bad_request: 400, unsupported_operation: 400, unsupported_message: 400, invalid_target: 400, unauthorized: 401,
    forbidden_origin: 403, chat_not_allowed: 403, not_found: 404, method_not_allowed: 405, too_large: 413,
    unsupported_media_type: 415, rate_limited: 429, internal: 500, store_unavailable: 503, not_paired: 503,
    not_connected: 503, paused: 503, whatsapp_rejected: 502, timeout: 504,
  };
  assert.deepEqual(Object.fromEntries(Object.entries(ERROR_CODES).map(([code, { status }]) => [code, status])), written);
});

test("every code that the sources throw is in the registry", () => {
  const src = new URL("../src/", import.meta.url);
  let seen = 0;
  for (const name of fs.readdirSync(src, { recursive: true, encoding: "utf8" }).filter((each) => each.endsWith(".mjs"))) {
    const text = fs.readFileSync(new URL(name, src), "utf8");
    for (const [, kind, code = ""] of text.matchAll(/new (RequestError|FatalError)\(\s*"(\w+)"/g)) {
      assert.ok(Object.hasOwn(kind === "FatalError" ? FATAL_CODES : ERROR_CODES, code), `${code} in ${name}`);
      seen += 1;
    }
  }
  assert.ok(seen > 20);
});

test("of a stranger's error only its name and code are shown", () => {
  assert.equal(safeName(Object.assign(new TypeError("the key is 5f3a"), { code: "E_KEY", key: "5f3a" })), "TypeError E_KEY");
  assert.equal(safeName("a secret"), "string");
  assert.equal(safeName(undefined), "undefined");
  assert.equal(new FatalError("store_locked", "m", "h").exitCode, 3);
});
