// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../src/errors.mjs";
import { Room, roomAt } from "../src/room.mjs";
import { operated } from "./support/admin.mjs";
import { carrier, inbound, parts, receive } from "./support/bridge.mjs";
import { readExposition, valueOf } from "./support/exposition.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @typedef {import("../src/identity.mjs").Identity} Identity */

/** @type {Identity} */ const ANA = { kind: "phone", user: "15551234567" };
/** @type {Identity} */ const BEN = { kind: "phone", user: "15557654321" };
/** @type {Identity} */ const ANA_BY_LID = { kind: "lid", user: "123456789012345" };
const LONG = ["a", "b", "c"].map((letter) => letter.repeat(3_000)).join("\n\n");
const MINUTE_MS = 60_000;
const NOW = 1_800_000_000_000;

/** @param {RegExp} [words] */
const limited = (words = /max_messages_per_minute/) => (/** @type {unknown} */ error) =>
  error instanceof RequestError && error.code === "rate_limited" && error.status === 429 && error.retryable && words.test(error.message);

/**
 * A bridge whose clock the test moves, timers with it.
 * @param {import("node:test").TestContext} t
 * @param {import("./support/bridge.mjs").Options} options
 */
function bridge(t, options) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW });
  return begun(t, options);
}

/**
 * @param {import("node:test").TestContext} t
 * @param {import("./support/bridge.mjs").Options} options
 * @param {string} [name] with which its message ids begin
 */
function begun(t, options, name) {
  const made = parts(t, options);
  const line = carrier(made.outbox, "acknowledges", name);
  return {
    ...made,
    line,
    texts: () => line.sent.map(({ body }) => body),
    /** What is under way comes as far as it can. */
    settle,
    pass: async (/** @type {number} */ ms) => {
      t.mock.timers.tick(ms);
      await settle();
    },
    /**
     * Somebody writes, and the answer has the message's own key.
     * @param {Identity} who
     * @param {string} text
     */
    answers: async (who, text) => {
      made.inbox.accept(inbound(`to be answered with ${text}`, "hello", who.user));
      const rows = await receive(made.inbox, { consumer: { id: "host", instance: "1" } });
      const row = rows.find(({ message_id: id }) => id.endsWith(` ${text}`));
      assert.ok(row, text);
      made.inbox.acknowledge(row.cursor);
      const key = `in:${row.cursor}`;
      return { key, cursor: row.cursor, status: (await made.outbox.send({ to: who, text, key })).status };
    },
    writes: (/** @type {Identity} */ to, /** @type {string} */ text, /** @type {string | null} */ key = null) => made.outbox.send({ to, text, key }),
  };
}

async function settle() {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

test("replies over the cap of a minute are accepted at once, and leave in order, each once, when there is room", async (t) => {
  const { answers, pass, texts, store } = bridge(t, { maxMessagesPerMinute: 2 });
  const statuses = [];
  for (const text of ["1", "2", "3", "4", "5"]) statuses.push((await answers(ANA, text)).status);
  assert.deepEqual(statuses, ["sent", "sent", "pending", "pending", "pending"]);
  await pass(MINUTE_MS - 1);
  assert.deepEqual(texts(), ["1", "2"]);
  await pass(1);
  assert.deepEqual(texts(), ["1", "2", "3", "4"]);
  await pass(MINUTE_MS);
  assert.deepEqual(texts(), ["1", "2", "3", "4", "5"]);
  await pass(10 * MINUTE_MS);
  assert.deepEqual([texts().length, store.outbox.depth().pending], [5, 0]);
});

test("a chat with many replies does not starve another one: each gets room in its turn", async (t) => {
  const { answers, pass, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  for (const text of ["A1", "A2", "A3"]) await answers(ANA, text);
  for (const text of ["B1", "B2"]) await answers(BEN, text);
  for (let minute = 0; minute < 5; minute += 1) await pass(MINUTE_MS);
  assert.deepEqual(texts(), ["A1", "A2", "B1", "A3", "B2"]);
});

test("room comes one by one as the minute passes, not all at its end", async (t) => {
  const { answers, pass, texts } = bridge(t, { maxMessagesPerMinute: 2 });
  await answers(ANA, "1");
  await pass(20_000);
  await answers(ANA, "2");
  await answers(ANA, "3");
  await pass(39_999);
  assert.deepEqual(texts(), ["1", "2"]);
  await pass(1);
  assert.deepEqual(texts(), ["1", "2", "3"]);
});

test("after a restart the last minute still counts, and what waited leaves in order, once", async (t) => {
  const dir = temporaryDir(t);
  const before = bridge(t, { maxMessagesPerMinute: 2, dir });
  for (const text of ["1", "2", "3", "4"]) await before.answers(ANA, text);
  before.outbox.close();
  t.mock.timers.tick(10_000);
  const after = begun(t, { maxMessagesPerMinute: 2, dir }, "N");
  void after.outbox.resume();
  await after.settle();
  assert.deepEqual(after.texts(), []);
  await assert.rejects(after.writes(BEN, "hello"), limited());
  assert.equal((await after.answers(BEN, "5")).status, "pending");
  await after.pass(49_999);
  assert.deepEqual(after.texts(), []);
  await after.pass(1);
  assert.deepEqual(after.texts(), ["3", "5"], "each chat's first in the order in which they were accepted");
  await after.pass(MINUTE_MS);
  assert.deepEqual(after.texts(), ["3", "5", "4"]);
});

test("another send over the cap is refused with the time of the next room, stores nothing, and may use its key then", async (t) => {
  const { writes, pass, store, texts } = bridge(t, { maxMessagesPerMinute: 2 });
  await writes(ANA, "1");
  await pass(20_000);
  await writes(ANA, "2");
  const refused = (/** @type {unknown} */ error) => limited(/^2 messages a minute .* room again in 40 s/)(error) && error instanceof RequestError && error.retryAfterMs === 40_000;
  await assert.rejects(writes(ANA, "3", "k"), refused);
  assert.equal(store.outbox.byKey("k"), null);
  await pass(39_999);
  await assert.rejects(writes(ANA, "3", "k"), limited(/in 1 s/));
  await pass(1);
  assert.equal((await writes(ANA, "3", "k")).status, "sent");
  assert.deepEqual(texts(), ["1", "2", "3"]);
});

test("replies that wait go before other sends, whenever these ask", async (t) => {
  const { answers, writes, pass, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  for (const text of ["1", "2", "3"]) await answers(ANA, text);
  await pass(MINUTE_MS);
  await assert.rejects(writes(BEN, "not yet"), limited(/in 120 s/));
  await pass(MINUTE_MS);
  await assert.rejects(writes(BEN, "not yet"), limited(/in 60 s/));
  await pass(MINUTE_MS);
  assert.equal((await writes(BEN, "now")).status, "sent");
  assert.deepEqual(texts(), ["1", "2", "3", "now"]);
});

test("what was accepted has its room, also while it stands behind an unacknowledged message of its chat", async (t) => {
  const { writes, line, outbox, pass, texts } = bridge(t, { maxMessagesPerMinute: 3, ackMs: 1_000 });
  line.behaviour = "is silent";
  const sending = writes(ANA, LONG);
  await pass(1_000);
  assert.equal((await sending).status, "pending");
  assert.equal(line.sent.length, 1);
  await assert.rejects(writes(BEN, "one too many"), limited());
  line.behaviour = "acknowledges";
  outbox.acknowledged("M1", null);
  await pass(0);
  assert.equal(texts().length, 3);
});

test("reconnects while replies wait form the lines anew, and each reply leaves once and in its place", async (t) => {
  const { answers, outbox, pass, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  for (const text of ["A1", "A2", "A3"]) await answers(ANA, text);
  await answers(BEN, "B1");
  for (let times = 0; times < 3; times += 1) void outbox.resume();
  for (let minute = 0; minute < 6; minute += 1) await pass(MINUTE_MS);
  assert.deepEqual(texts(), ["A1", "A2", "B1", "A3"]);
});

test("who comes when room has just come does not overtake who waits for it", (t) => {
  const { store } = parts(t);
  const clock = { at: NOW };
  for (const id of ["A", "B", "C"]) store.outbox.add({ key: id, jid: "15551234567@s.whatsapp.net", text: id, parts: [{ messageId: id, body: Buffer.from(id) }] });
  const room = new Room({ pace: store.pace, most: 1, minuteMs: MINUTE_MS, now: () => clock.at, isOpen: () => true });
  t.after(() => room.clear());
  assert.equal(room.enter("A"), null);
  assert.notEqual(room.enter("B"), null);
  clock.at += MINUTE_MS;
  assert.notEqual(room.enter("C"), null);
});

test("a store that fails once while somebody begins to wait leaves nobody waiting for ever", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { store } = parts(t);
  const clock = { at: NOW };
  for (const id of ["A", "B"]) store.outbox.add({ key: id, jid: "15551234567@s.whatsapp.net", text: id, parts: [{ messageId: id, body: Buffer.from(id) }] });
  const room = new Room({ pace: store.pace, most: 1, minuteMs: MINUTE_MS, now: () => clock.at, isOpen: () => true });
  t.after(() => room.clear());
  assert.equal(room.enter("A"), null);
  const broken = t.mock.method(store.pace, "leftIn", () => { throw new Error("SQLITE_IOERR"); });
  assert.throws(() => room.enter("B"), /SQLITE_IOERR/);
  broken.mock.restore();
  assert.equal(room.crowded, false);
  assert.notEqual(room.enter("B"), null);
  clock.at += MINUTE_MS;
  t.mock.timers.tick(MINUTE_MS);
  assert.deepEqual([room.crowded, room.enter("B")], [false, null]);
});

test("the parts of a long text count each: it is accepted when its first has room, and the rest waits", async (t) => {
  const { writes, pass, line } = bridge(t, { maxMessagesPerMinute: 2 });
  assert.equal((await writes(ANA, LONG, "long")).status, "pending");
  assert.equal(line.sent.length, 2);
  await assert.rejects(writes(ANA, "next"), limited());
  await pass(MINUTE_MS);
  assert.deepEqual(line.sent.map(({ messageId }) => messageId), ["M1", "M2", "M3"]);
  assert.equal((await writes(ANA, LONG, "long")).status, "already_sent");
});

test("a key that no message came with makes no reply", async (t) => {
  const { writes } = bridge(t, { maxMessagesPerMinute: 1 });
  await writes(ANA, "1");
  for (const key of ["in:aaaaBBBB0000-_zz", "in:", "in", "order-17"]) await assert.rejects(writes(ANA, "2", key), limited(), key);
});

test("a key that answers another chat is refused and not used up, and by another id of the same person it is a reply", async (t) => {
  const { inbox, writes, store, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  await writes(ANA, "fills the minute");
  inbox.accept(inbound("A1", "hello", ANA.user));
  const [row] = await receive(inbox);
  const key = `in:${row?.cursor}`;
  await assert.rejects(writes(BEN, "for Ben", key), (error) => error instanceof RequestError && error.code === "bad_request" && /another chat/.test(error.message));
  assert.equal(store.outbox.byKey(key), null);
  store.chats.rememberAlias(ANA_BY_LID.user, ANA.user);
  assert.equal((await writes(ANA_BY_LID, "for Ana", key)).status, "pending");
  assert.deepEqual(texts(), ["fills the minute"]);
});

test("a message that leaves again after a reconnect is the same message, and counts once", async (t) => {
  const { writes, outbox, line, pass, fence } = bridge(t, { maxMessagesPerMinute: 2, ackMs: 1_000 });
  line.behaviour = "is silent";
  const sending = writes(ANA, "1");
  await pass(1_000);
  assert.equal((await sending).status, "pending");
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.deepEqual(line.sent.map(({ messageId }) => messageId), ["M1", "M1"]);
  assert.equal(fence.status().messages_per_minute.used, 1);
  assert.equal((await writes(ANA, "2")).status, "sent");
  await assert.rejects(writes(ANA, "3"), limited());
});

test("a bridge that died between writing down that a message leaves and handing it over sends it at its next start, and counts it once", async (t) => {
  const dir = temporaryDir(t);
  const before = bridge(t, { maxMessagesPerMinute: 1, dir });
  before.store.outbox.add({ key: "k", jid: "15551234567@s.whatsapp.net", text: "1", parts: [{ messageId: "M1", body: Buffer.from("1") }] });
  assert.ok(before.store.pace.leave("M1", { now: NOW, spanMs: MINUTE_MS, most: 1 }));
  const after = begun(t, { maxMessagesPerMinute: 1, dir }, "N");
  await after.outbox.resume();
  assert.deepEqual([after.texts(), after.fence.status().messages_per_minute.used], [["1"], 1]);
  await assert.rejects(after.writes(ANA, "2"), limited());
});

test("asked again while it waits, a reply is still pending under its ids, and is sent once", async (t) => {
  const { answers, outbox, pass, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  await answers(ANA, "1");
  const { key } = await answers(ANA, "2");
  const again = await outbox.send({ to: ANA, text: "another text", key });
  assert.deepEqual(again, { messageIds: ["M2"], status: "pending", firstText: true });
  await pass(5 * MINUTE_MS);
  assert.deepEqual(texts(), ["1", "2"]);
});

test("what nobody could hand over gives its room back, and what waits without a connection takes none", async (t) => {
  const { answers, writes, outbox, line, pass, fence, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  line.behaviour = "breaks";
  await assert.rejects(writes(ANA, "lost"), (error) => error instanceof RequestError && error.code === "timeout");
  line.behaviour = "acknowledges";
  assert.equal((await answers(ANA, "1")).status, "sent");
  await answers(ANA, "2");
  await answers(BEN, "3");
  line.connected = false;
  await pass(3 * MINUTE_MS);
  assert.deepEqual([texts(), fence.status().messages_per_minute.used], [["1"], 0]);
  line.connected = true;
  void outbox.resume();
  await pass(0);
  assert.deepEqual(texts(), ["1", "2"]);
  await pass(MINUTE_MS);
  assert.deepEqual(texts(), ["1", "2", "3"]);
});

test("a pause while replies wait lets nothing out, and its end lets them go on", async (t) => {
  const { answers, pause, outbox, pass, texts } = bridge(t, { maxMessagesPerMinute: 1 });
  await answers(ANA, "1");
  await answers(ANA, "2");
  pause.pause("operator");
  await pass(2 * MINUTE_MS);
  assert.deepEqual(texts(), ["1"]);
  pause.resume("operator");
  void outbox.resume();
  await pass(0);
  assert.deepEqual(texts(), ["1", "2"]);
});

test("a reply whose chat is taken off the list while it waits takes no room from the others", async (t) => {
  const { answers, allowed, pass, texts, store } = bridge(t, { maxMessagesPerMinute: 1 });
  await answers(BEN, "1");
  await answers(ANA, "2");
  await answers(BEN, "3");
  allowed.change([`+${BEN.user}`]);
  await pass(MINUTE_MS);
  assert.deepEqual([texts(), store.outbox.depth().failed], [["1", "3"], 1]);
});

test("a clock that is set back holds up nothing", async (t) => {
  const clock = { at: NOW };
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { answers, pass, texts } = begun(t, { maxMessagesPerMinute: 1, now: () => clock.at });
  await answers(ANA, "1");
  await answers(ANA, "2");
  clock.at -= 10 * MINUTE_MS;
  await pass(MINUTE_MS);
  assert.deepEqual(texts(), ["1", "2"]);
});

test("what waits is shown with its age, in the status and the metrics, and the cap is told when it begins to hold", async (t) => {
  const { inbox, outbox, operate, get, scrape, events, line } = await operated(t, { maxMessagesPerMinute: 1, minuteMs: 3_600_000 });
  const send = (/** @type {string | null} */ key) => outbox.send({ to: ANA, text: "hello", key });
  const at = Date.now();
  await send(null);
  for (const id of ["A1", "A2", "A3"]) inbox.accept(inbound(id));
  for (const { cursor } of await receive(inbox)) assert.equal((await send(`in:${cursor}`)).status, "pending");
  await assert.rejects(send(null), limited());

  const { outbox: shown, caps } = (await operate("complete_batch", {}, "bridge_status")).body.payload;
  assert.deepEqual([shown.held, shown.pending, caps.messages_per_minute], [3, 3, { most: 1, used: 1 }]);
  assert.ok(shown.held_since >= at && shown.held_since <= Date.now(), String(shown.held_since));
  const { held } = (await get("status")).body;
  assert.deepEqual(held, { messages: 3, since: shown.held_since });
  const families = readExposition((await scrape()).text);
  const value = (/** @type {string} */ name, /** @type {Record<string, string>} */ labels = {}) => valueOf(families, `loong_bridge_${name}`, labels);
  assert.deepEqual([value("held_messages"), value("caps_reached_total", { cap: "messages_per_minute" }), value("caps_reached_total", { cap: "new_chats_per_day" })], [3, 1, 0]);
  assert.deepEqual(events.filter(({ event }) => event === "cap_reached"), [{ event: "cap_reached", cap: "messages_per_minute" }]);
  assert.equal(line.sent.length, 1);
});

test("the refusal says over HTTP, too, when to ask again", async (t) => {
  const { operate } = await operated(t, { maxMessagesPerMinute: 1, minuteMs: 3_600_000 });
  const plain = () => operate("send_message", { target: { platform: "whatsapp", kind: "conversation", id: "contact:+15551234567", options: {} } });
  assert.equal((await plain()).status, 200);
  const { status, body, headers } = await plain();
  assert.deepEqual([status, body.payload.code, body.payload.retryable], [429, "rate_limited", true]);
  assert.ok(body.payload.retry_after_ms > 3_500_000 && body.payload.retry_after_ms <= 3_600_000, JSON.stringify(body));
  assert.equal(headers.get("retry-after"), String(Math.ceil(body.payload.retry_after_ms / 1_000)));
});

for (const [name, asked, at] of /** @type {[string, Partial<Parameters<typeof roomAt>[0]>, number][]} */ ([
  ["nothing has left", { left: [] }, 100],
  ["there is room for one more", { left: [90] }, 100],
  ["the minute is full", { left: [70, 90] }, 130],
  ["more has left than the cap of now allows", { left: [60, 70, 90] }, 130],
  ["one waits for the first room", { left: [70, 90], waiting: 1 }, 150],
  ["two wait: the next room is theirs to leave", { left: [70, 90], waiting: 2 }, 190],
  ["what waits has room now, and fills it", { left: [], waiting: 2 }, 160],
])) {
  test(`room for one more: ${name}`, () => {
    assert.equal(roomAt({ left: [], waiting: 0, most: 2, minuteMs: 60, now: 100, ...asked }), at);
  });
}
