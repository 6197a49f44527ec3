// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { operated } from "./support/admin.mjs";
import { inbound, receive } from "./support/bridge.mjs";
import { readExposition, valueOf } from "./support/exposition.mjs";

const ANA = "15551234567";
const BEN = "15557654321";
const GROUP = "120363012345678901@g.us";

/** @param {Awaited<ReturnType<typeof operated>>} bridge */
async function measured({ scrape }) {
  const { status, text } = await scrape();
  assert.equal(status, 200, text);
  const families = readExposition(text);
  return { text, value: (/** @type {string} */ name, /** @type {Record<string, string>} */ labels = {}) => valueOf(families, `loong_bridge_${name}`, labels) };
}

test("a bridge to which nothing has happened shows every series, at its beginning", async (t) => {
  const bridge = await operated(t);
  const { value, text } = await measured(bridge);
  for (const chat of ["contact", "group"]) assert.equal(value("messages_in_total", { chat }), 0);
  for (const status of ["sent", "failed"]) assert.equal(value("messages_out_total", { status }), 0);
  for (const name of ["refused", "left", "undecryptable", "dead", "done"]) assert.equal(value(`messages_${name}_total`), 0);
  for (const name of ["receive_to_ack_seconds", "send_to_ack_seconds"]) assert.equal(value(`${name}_count`), 0);
  assert.equal(value("build_info", { version: "0.1.0", node: process.versions.node }), 1);
  assert.equal(value("connection_state", { state: "connected" }), 1);
  assert.equal(value("connected_seconds"), 0);
  // An age of zero would say that WhatsApp has just spoken.
  assert.ok(!/^loong_bridge_last_frame_age_seconds/m.test(text));
  assert.match((await bridge.scrape()).type, /^text\/plain; version=0\.0\.4/);
});

test("what happens to messages is counted, by their kind and by what became of them", async (t) => {
  const clock = { at: Date.now() };
  const bridge = await operated(t, { allowed: [`+${ANA}`, GROUP], now: () => clock.at });
  const { inbox, outbox, line } = bridge;
  const toGroup = { conversation: GROUP, aliases: [{ kind: /** @type {const} */ ("group"), user: "120363012345678901" }], group: true };
  inbox.accept(inbound("A1"));
  inbox.accept(inbound("A2"));
  inbox.accept({ ...inbound("G1"), ...toGroup, addressed: true });
  inbox.accept({ ...inbound("G2"), ...toGroup });
  inbox.accept(inbound("B1", "hello", BEN));
  const rows = await receive(inbox, { max: 2 });
  clock.at += 700;
  inbox.acknowledge(rows[0]?.cursor ?? "");
  inbox.acknowledge(rows[0]?.cursor ?? "");
  await outbox.send({ to: { kind: "phone", user: ANA }, text: "yes", key: `in:${rows[0]?.cursor}` });
  line.behaviour = "refuses";
  await assert.rejects(outbox.send({ to: { kind: "phone", user: ANA }, text: "no", key: null }));

  const { value } = await measured(bridge);
  assert.deepEqual([value("messages_in_total", { chat: "contact" }), value("messages_in_total", { chat: "group" })], [2, 1]);
  assert.deepEqual([value("messages_refused_total"), value("messages_left_total"), value("messages_done_total")], [1, 1, 1]);
  assert.deepEqual([value("messages_out_total", { status: "sent" }), value("messages_out_total", { status: "failed" })], [1, 1]);
  assert.deepEqual([value("receive_to_ack_seconds_bucket", { le: "0.5" }), value("receive_to_ack_seconds_bucket", { le: "1" })], [0, 1]);
  assert.equal(value("send_to_ack_seconds_count"), 1);
  const queues = ["waiting", "leased", "dead", "pending_out"].map((queue) => value("queue_messages", { queue }));
  assert.deepEqual(queues, [1, 1, 0, 0]);
});

test("dead letters and what could not be decrypted are counted when they are told", async (t) => {
  const bridge = await operated(t);
  bridge.inbox.accept(inbound("A1"));
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    const [row] = await receive(bridge.inbox);
    bridge.inbox.release(row?.cursor ?? "", { counts: true, reason: "no_answer", delayMs: 0 });
  }
  bridge.emit("message_unreadable", { chat: "contact …4567" });
  const { value } = await measured(bridge);
  assert.deepEqual([value("messages_dead_total"), value("queue_messages", { queue: "dead" }), value("messages_undecryptable_total")], [1, 1, 1]);
});

test("how the connection stands is read when it is asked for", async (t) => {
  const bridge = await operated(t);
  const now = Date.now();
  bridge.stands({ state: "connected", connectedSince: now - 60_000, lastFrameAt: now - 2_000, reconnects: 2 });
  const connected = await measured(bridge);
  assert.equal(connected.value("reconnects_total"), 2);
  assert.ok(Number(connected.value("connected_seconds")) >= 60);
  assert.ok(Number(connected.value("last_frame_age_seconds")) >= 2);
  bridge.stands({ state: "reconnecting", connectedSince: null, lastFrameAt: now - 2_000, reconnects: 2 });
  bridge.pause.pause("operator");
  const away = await measured(bridge);
  assert.deepEqual([away.value("connection_state", { state: "reconnecting" }), away.value("connection_state", { state: "connected" })], [1, 0]);
  assert.deepEqual([away.value("connected_seconds"), away.value("paused"), away.value("reconnects_total")], [0, 1, 2]);
});

test("no number and no text is among the numbers", async (t) => {
  const bridge = await operated(t, { allowed: [`+${ANA}`] });
  bridge.inbox.accept(inbound("A1", "a secret"));
  bridge.inbox.accept(inbound("B1", "a secret", BEN));
  const { text } = await bridge.scrape();
  for (const secret of ["secret", ANA, BEN, "4567", "A1"]) assert.ok(!text.includes(secret), secret);
});

/** @type {[string, Parameters<Awaited<ReturnType<typeof operated>>["scrape"]>[0], number, string][]} */
const REFUSED = [
  ["without the token", { token: null }, 401, "unauthorized"],
  ["with another token", { token: "f".repeat(64) }, 401, "unauthorized"],
  ["without the token, also by a POST", { token: null, method: "POST" }, 401, "unauthorized"],
  ["by a POST", { method: "POST" }, 405, "method_not_allowed"],
  ["with a parameter", { query: "?match=up" }, 400, "bad_request"],
  ["by a page in a browser", { origin: "http://127.0.0.1" }, 403, "forbidden_origin"],
];
for (const [how, request, status, code] of REFUSED) {
  test(`the numbers are refused to who asks ${how}`, async (t) => {
    const { scrape } = await operated(t);
    const refused = await scrape(request);
    assert.equal(refused.status, status);
    const { error, ...rest } = JSON.parse(refused.text);
    assert.deepEqual([rest, typeof error], [{ code, retryable: false }, "string"]);
  });
}

for (const bridgeAuth of /** @type {const} */ (["token", "none"])) {
  test(`a bridge without a token shows nobody its numbers, with bridge_auth ${bridgeAuth}`, async (t) => {
    const { scrape } = await operated(t, {}, { token: null, bridgeAuth });
    const refused = await scrape();
    assert.deepEqual([refused.status, JSON.parse(refused.text).code], [401, "unauthorized"]);
  });
}

test("bridge_auth none opens the operations, and not the numbers", async (t) => {
  const { scrape } = await operated(t, {}, { bridgeAuth: "none" });
  assert.equal((await scrape({ token: null })).status, 401);
  assert.equal((await scrape()).status, 200);
});
