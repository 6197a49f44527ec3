// @ts-check
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import net from "node:net";
import { test } from "node:test";
import { FatalError } from "../src/errors.mjs";
import { listen } from "../src/server.mjs";
import { inbound } from "./support/bridge.mjs";
import { ask, BEARER, SESSION, serving, STATUS, stock, TOKEN, WITH_TOKEN } from "./support/endpoint.mjs";

test("stock Loong's whole loop: receive, answer, acknowledge, complete", async (t) => {
  const { inbox, line, server } = await serving(t);
  inbox.accept(inbound("A1", "hello 1"));
  const received = await ask(server.port, { body: stock("receive_batch") });
  assert.equal(received.status, 200);
  assert.equal(received.body.id, "whatsapp-personal-bridge:whatsapp-personal:receive_batch");
  assert.deepEqual(Object.keys(received.body.payload), ["messages"]);
  const [message] = received.body.payload.messages;

  const send = stock("send_message", (payload) => Object.assign(payload.target, message.reply_target));
  for (const status of ["sent", "already_sent"]) {
    const answered = await ask(server.port, { body: send });
    assert.deepEqual(answered.body.payload, { ok: true, message_id: "M1", status });
  }
  assert.deepEqual(line.sent, [{ jid: "15551234567@s.whatsapp.net", messageId: "M1", body: "pong" }]);

  const ack = stock("ack_inbound", (payload) => (payload.message = message));
  for (const body of [ack, ack, stock("complete_batch")]) assert.deepEqual((await ask(server.port, { body })).body.payload, { ok: true });
  const empty = await ask(server.port, { body: stock("receive_batch", (payload) => (payload.wait_ms = 0)) });
  assert.deepEqual(empty.body.payload, { messages: [] });
});

test("a caller that names itself is told the batch, and can give messages back", async (t) => {
  const { inbox, store, server } = await serving(t);
  inbox.accept(inbound("A1"));
  const received = await ask(server.port, { body: stock("receive_batch", (payload) => Object.assign(payload, { consumer: { id: "h", instance: "1" }, max_messages: 1 })) });
  const { messages, batch_id: batch } = received.body.payload;
  assert.equal(typeof batch, "string");
  const body = JSON.parse(stock("complete_batch"));
  body.operation = "release_inbound";
  Object.assign(body.payload, { ack_cursor: messages[0].delivery.ack_cursor, reason: "busy", delay_ms: 60_000, count_attempt: true });
  assert.deepEqual((await ask(server.port, { body: JSON.stringify(body) })).body.payload, { ok: true });
  const { leased, waiting } = store.inbox.depth();
  assert.deepEqual([leased, waiting], [0, 1]);
  const [row] = store.inbox.list({ states: ["waiting"], limit: 1 });
  assert.deepEqual([row?.attempts, row?.reason], [1, "busy"]);
});

test("health says how it stands, and nothing secret", async (t) => {
  const { server } = await serving(t);
  const { status, body } = await ask(server.port, { method: "GET", path: "/bridge/health?nonce=1" });
  assert.equal(status, 200);
  assert.deepEqual(body, { ok: true, contract: "loong_channel_bridge_v1", version: "0.1.0", state: "connected", reason: null });
});

test("the status says what waits", async (t) => {
  const { inbox, server } = await serving(t);
  inbox.accept(inbound("A1", "a secret"));
  const body = JSON.parse(stock("complete_batch"));
  body.operation = "bridge_status";
  const { payload } = (await ask(server.port, { body: JSON.stringify(body) })).body;
  assert.deepEqual(payload.inbox, { waiting: 1, leased: 0, dead: 0, undecided: 0, dropped: 0 });
  assert.deepEqual(payload.identity, STATUS.identity);
  assert.equal(payload.state, "connected");
  assert.ok(payload.extensions.includes("release_inbound"));
  assert.ok(!JSON.stringify(payload).includes("secret"));
});

test("a long poll is answered when a message comes, and empty when the bridge stops", async (t) => {
  const { inbox, server } = await serving(t);
  const poll = stock("receive_batch", (payload) => (payload.wait_ms = 60_000));
  const first = ask(server.port, { body: poll });
  inbox.accept(inbound("A1"));
  assert.equal((await first).body.payload.messages.length, 1);
  const second = ask(server.port, { body: stock("receive_batch", (payload) => Object.assign(payload, { wait_ms: 60_000 })) });
  assert.equal((await second).body.payload.messages.length, 1, "given back, it is told again");
  inbox.acknowledge((await second).body.payload.messages[0].delivery.ack_cursor);
  const third = ask(server.port, { body: poll });
  const { port } = server;
  // The poll must have arrived before the end: a status request behind it shows that it has.
  await ask(port, { method: "GET", path: "/bridge/health" });
  inbox.close();
  assert.deepEqual((await third).body.payload, { messages: [] });
});

test("a long text is answered with all its ids, a later text with the first one's, and the status counts", async (t) => {
  const { outbox, server } = await serving(t);
  /** @param {string} text */
  const say = async (text) => {
    const { body } = await ask(server.port, { body: stock("send_message", (payload) => ((payload.message = { Text: text }), (payload.target.options = { idempotency_key: "k" }))) });
    return body.payload;
  };
  assert.deepEqual(await say("x".repeat(9_000)), { ok: true, message_id: "M1", message_ids: ["M1", "M2", "M3"], status: "sent" });
  assert.deepEqual(await say("other"), { ok: true, message_id: "M1", message_ids: ["M1", "M2", "M3"], status: "already_sent", first_text: true });
  outbox.receipt("M1", "read", 1_000);
  const { body } = await ask(server.port, { body: stock("complete_batch").replace('"operation":"complete_batch"', '"operation":"bridge_status"') });
  assert.deepEqual(body.payload.outbox, { pending: 0, sent: 3, delivered: 1, read: 1, failed: 0, held: 0, held_since: null });
  assert.deepEqual(body.payload.caps, { messages_per_minute: { most: 30, used: 3 }, new_chats_per_day: { most: 20, used: 1 } });
});

test("while sending is paused a send is refused, to be tried again", async (t) => {
  const { server, line } = await serving(t, { pause: { active: true } });
  const { status, body } = await ask(server.port, { body: stock("send_message") });
  assert.deepEqual([status, body.payload.code, body.payload.retryable], [503, "paused", true]);
  assert.deepEqual(line.sent, []);
});

test("a target outside a list that is not empty is not written to", async (t) => {
  const { line, server } = await serving(t);
  const list = (/** @type {string[]} */ entries) => stock("send_message", (payload) => (payload.runtime_context.account.config.allowed_chat_ids = entries));
  const refused = await ask(server.port, { body: list(["+15557654321"]) });
  assert.deepEqual([refused.status, refused.body.payload.code, refused.body.payload.retryable], [403, "chat_not_allowed", false]);
  assert.deepEqual(line.sent, []);
  assert.equal((await ask(server.port, { body: list([]) })).status, 200);
});

test("a list that names a LID opens the number that belongs to it", async (t) => {
  const { store, server } = await serving(t);
  store.chats.rememberAlias("123456789012345", "15551234567");
  const body = stock("send_message", (payload) => (payload.runtime_context.account.config.allowed_chat_ids = ["123456789012345@lid"]));
  assert.equal((await ask(server.port, { body })).status, 200);
});

test("without a connection a send is refused, to be tried again", async (t) => {
  const { line, server } = await serving(t);
  line.connected = false;
  const { status, body } = await ask(server.port, { body: stock("send_message") });
  assert.deepEqual([status, body.payload.code, body.payload.retryable], [503, "not_connected", true]);
  assert.equal(body.id, "whatsapp-personal-bridge:whatsapp-personal:send_message");
});

test("a store that fails is said to be unavailable", async (t) => {
  const { inbox, server } = await serving(t);
  inbox.acknowledge = () => {
    throw Object.assign(new Error("the text was: secret"), { code: "SQLITE_FULL" });
  };
  const { status, body } = await ask(server.port, { body: stock("ack_inbound") });
  assert.deepEqual([status, body.payload.code], [503, "store_unavailable"]);
  assert.ok(!body.payload.error.includes("secret"));
});

test("a failure of ours says nothing of what it was about", async (t) => {
  const { inbox, server } = await serving(t);
  inbox.acknowledge = () => {
    throw new Error("the text was: secret");
  };
  const { status, body } = await ask(server.port, { body: stock("ack_inbound") });
  assert.deepEqual([status, body.payload.code], [500, "internal"]);
  assert.ok(!body.payload.error.includes("secret"));
});

test("a failure in the middle of an answer ends that connection and nothing else", async (t) => {
  const { page, server } = await serving(t);
  page.answer = (_request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half");
    throw new Error("the text was: secret");
  };
  await assert.rejects(ask(server.port, { method: "GET", path: "/bridge/pair" }), { code: "ECONNRESET" });
  assert.equal((await ask(server.port, { method: "GET", path: "/bridge/health" })).status, 200);
});

test("with a token operations need it, and a wrong one is refused in words", async (t) => {
  const { server } = await serving(t, {}, WITH_TOKEN);
  const body = stock("complete_batch");
  for (const headers of [{}, { authorization: `Bearer ${"0".repeat(64)}` }, { authorization: `Basic ${TOKEN}` }, { authorization: "Bearer" }]) {
    const refused = await ask(server.port, { headers, body });
    assert.deepEqual([refused.status, refused.body.payload.code, refused.body.payload.retryable], [401, "unauthorized", false]);
    assert.match(refused.body.payload.error, /bridge run/);
    assert.ok(!JSON.stringify(refused.body).includes(TOKEN));
  }
  assert.deepEqual((await ask(server.port, { headers: BEARER, body })).body.payload, { ok: true });
});

test("bridge_auth none opens the operations, but never the admin commands", async (t) => {
  const { server } = await serving(t, {}, { token: TOKEN, bridgeAuth: "none" });
  assert.equal((await ask(server.port, { body: stock("complete_batch") })).status, 200);
  const refused = await ask(server.port, { method: "GET", path: "/bridge/admin/status" });
  assert.deepEqual([refused.status, refused.body.code], [401, "unauthorized"]);
  assert.equal((await ask(server.port, { method: "GET", path: "/bridge/admin/status", headers: BEARER })).status, 200);
});

test("the bridge proves that it has the token, and says it to nobody", async (t) => {
  const { server } = await serving(t, {}, WITH_TOKEN);
  const nonce = "0123456789abcdef-_AZ";
  const { body } = await ask(server.port, { method: "GET", path: `/bridge/health?nonce=${nonce}` });
  assert.equal(body.proof, createHmac("sha256", TOKEN).update(nonce).digest("hex"));
  assert.equal((await ask(server.port, { method: "GET", path: "/bridge/health" })).body.proof, undefined);
  for (const bad of ["short", "x".repeat(129), "0123456789abcde%20"]) {
    const refused = await ask(server.port, { method: "GET", path: `/bridge/health?nonce=${bad}` });
    assert.deepEqual([refused.status, refused.body.payload.code], [400, "bad_request"]);
  }
});

test("the status for the operator shortens the number and counts everything", async (t) => {
  const { server, inbox, store } = await serving(t, {}, WITH_TOKEN);
  inbox.accept(inbound("A1", "a secret"));
  store.known.refuse("15557654321@s.whatsapp.net", Date.now());
  const { status, body } = await ask(server.port, { method: "GET", path: "/bridge/admin/status", headers: BEARER });
  assert.equal(status, 200);
  assert.equal(typeof body.last_message_at, "number");
  assert.deepEqual({ ...body, last_message_at: 0 }, {
    contract: "loong_channel_bridge_v1",
    version: "0.1.0",
    pid: process.pid,
    state: "connected",
    reason: null,
    since: 1,
    identity: { phone: "+15…000", lid_known: false, name: "Olga" },
    last_frame_at: 5,
    last_message_at: 0,
    connected_since: 4,
    reconnects: 6,
    retry_at: null,
    paused: null,
    held: null,
    caps: { messages_per_minute: { most: 30, used: 0 }, new_chats_per_day: { most: 20, used: 0 } },
    queue: { waiting: 1, handed_out: 0, dead: 0, pending_out: 0 },
    counts: { refused: 1, undecryptable: 3, not_addressed: 0, ignored: { own: 2 } },
    warnings: [{ code: "open_bridge", message: "open" }],
  });
});

test("resume and logout say what came of them", async (t) => {
  const { server } = await serving(t, {}, WITH_TOKEN);
  const order = async (/** @type {string} */ name) => (await ask(server.port, { path: `/bridge/admin/${name}`, headers: BEARER })).body;
  assert.deepEqual(await order("resume"), { ok: true, state: "connected" });
  assert.deepEqual(await order("logout"), { ok: true, unlinked: true, set_aside: true });
});

test("errors of the admin commands have no envelope", async (t) => {
  const { server } = await serving(t, {}, WITH_TOKEN);
  for (const [method, name, status, code] of /** @type {[string, string, number, string][]} */ ([
    ["GET", "resume", 405, "method_not_allowed"],
    ["POST", "status", 405, "method_not_allowed"],
    ["GET", "toString", 404, "not_found"],
  ])) {
    const refused = await ask(server.port, { method, path: `/bridge/admin/${name}`, headers: BEARER });
    assert.equal(refused.status, status);
    assert.deepEqual([refused.body.code, refused.body.retryable, typeof refused.body.error], [code, false, "string"]);
  }
  const page = await ask(server.port, { method: "GET", path: "/bridge/admin/status", headers: { ...BEARER, origin: "http://127.0.0.1" } });
  assert.deepEqual([page.status, page.body.code], [403, "forbidden_origin"]);
});

test("a bridge without a token has no admin commands, and says which has", async (t) => {
  const { server } = await serving(t);
  const { status, body } = await ask(server.port, { method: "GET", path: "/bridge/admin/status", headers: BEARER });
  assert.deepEqual([status, body.code], [401, "unauthorized"]);
  assert.match(body.error, /started by `loong .* bridge run`/);
});

/** @type {[string, number, string, Parameters<typeof ask>[1]][]} */
const REFUSED = [
  ["a page in a browser", 403, "forbidden_origin", { headers: { origin: "http://127.0.0.1:3000" }, body: stock("receive_batch") }],
  ["a foreign name that leads to us", 403, "forbidden_origin", { headers: { host: "evil.example:39731" }, body: stock("receive_batch") }],
  ["our name with another port", 403, "forbidden_origin", { headers: { host: "127.0.0.1:1" }, body: stock("receive_batch") }],
  ["a foreign name that asks for health", 403, "forbidden_origin", { method: "GET", path: "/bridge/health", headers: { host: "evil.example" } }],
  ["another path", 404, "not_found", { path: "/other", body: stock("receive_batch") }],
  ["the path with a slash too much", 404, "not_found", { path: "/bridge/", body: stock("receive_batch") }],
  ["a GET of an operation", 405, "method_not_allowed", { method: "GET" }],
  ["a DELETE", 405, "method_not_allowed", { method: "DELETE" }],
  ["a POST of health", 405, "method_not_allowed", { path: "/bridge/health" }],
  ["a form", 415, "unsupported_media_type", { headers: { "content-type": "application/x-www-form-urlencoded" }, body: "a=b" }],
  ["plain text", 415, "unsupported_media_type", { headers: { "content-type": "text/plain" }, body: stock("receive_batch") }],
  ["a body that is no JSON", 400, "bad_request", { body: "{half" }],
  ["a body that is a list", 400, "bad_request", { body: "[]" }],
  ["an empty body", 400, "bad_request", {}],
  ["an id that nests too deep to be echoed", 400, "bad_request", { body: stock("complete_batch").replace(/"id":"[^"]*"/, `"id":${"[".repeat(100_000)}${"]".repeat(100_000)}`) }],
  ["an operation that does not exist", 400, "unsupported_operation", { body: stock("receive_batch").replace('"receive_batch"', '"delete_all"') }],
  ["an operation that every object has", 400, "unsupported_operation", { body: stock("receive_batch").replace('"operation":"receive_batch"', '"operation":"toString"') }],
  ["a body that says it is too large", 413, "too_large", { body: Buffer.alloc(1024 * 1024 + 1, 32) }],
];

for (const [name, status, code, request] of REFUSED) {
  test(`refused: ${name}`, async (t) => {
    const { server, store } = await serving(t);
    const answer = await ask(server.port, request);
    assert.deepEqual([answer.status, answer.body.payload.code], [status, code]);
    assert.equal(answer.body.method, "tools/call");
    assert.equal(typeof answer.body.payload.retryable, "boolean");
    assert.match(answer.body.payload.error, /\w{3}/);
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
    if (status === 405) assert.match(answer.headers.allow ?? "", /GET|POST/);
    assert.equal(store.settings.get("allowed_chat_ids"), null, "nothing was changed");
  });
}

test("a body that grows too large without having said so is cut off", async (t) => {
  const { server } = await serving(t);
  const socket = net.connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  const answered = new Promise((resolve) => socket.once("data", (data) => resolve(data.toString())));
  socket.write(`POST /bridge HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`);
  for (let chunk = 0; chunk < 20; chunk += 1) socket.write(`10000\r\n${" ".repeat(65_536)}\r\n`);
  assert.match(String(await answered), /^HTTP\/1\.1 413 /);
});

test("a host that is called localhost is ours too", async (t) => {
  const { server } = await serving(t);
  const { status } = await ask(server.port, { method: "GET", path: "/bridge/health", headers: { host: `localhost:${server.port}` } });
  assert.equal(status, 200);
});

test("a port that is in use is named, with what to do", async (t) => {
  const { server, ...made } = await serving(t);
  await assert.rejects(
    listen({ port: server.port, path: "/bridge" }, { ...made, version: "0", startedAt: 1, session: SESSION }),
    (error) => error instanceof FatalError && error.code === "address_in_use" && error.exitCode === 4 && error.message.includes(String(server.port)) && error.hint !== "",
  );
});
