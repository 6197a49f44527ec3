// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../src/errors.mjs";
import { carrier, parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @type {import("../src/identity.mjs").Identity} */
const ANA = { kind: "phone", user: "15551234567" };
/** @param {string} code */
const refused = (code) => (/** @type {unknown} */ error) => error instanceof RequestError && error.code === code;

/**
 * @param {"sent" | "pending" | "already_sent"} status
 * @param {string} messageId
 * @param {boolean} [firstText]
 */
const receipt = (status, messageId, firstText = false) => ({ messageIds: [messageId], status, firstText });

test("a text that WhatsApp acknowledges is sent", async (t) => {
  const { outbox, events } = parts(t);
  const line = carrier(outbox);
  assert.deepEqual(await outbox.send({ to: ANA, text: "hello", key: null }), receipt("sent", "M1"));
  assert.deepEqual(line.sent, [{ jid: "15551234567@s.whatsapp.net", messageId: "M1", body: "hello" }]);
  const [{ after_ms: afterMs, ...told } = { event: "" }, ...more] = events;
  assert.deepEqual([told, more], [{ event: "message_out", chat: "contact …4567", cursor: null, status: "sent" }, []]);
  assert.ok(Number.isInteger(afterMs), String(afterMs));
});

test("a reply is told with the message that it answers, and with no other word that a key holds", async (t) => {
  const { outbox, events } = parts(t);
  carrier(outbox);
  for (const key of ["in:aaaaBBBB0000-_zz", "in:a text that somebody took for a key", "order-17"]) await outbox.send({ to: ANA, text: "hello", key });
  assert.deepEqual(events.map(({ cursor }) => cursor), ["aaaaBBBB0000-_zz", null, null]);
});

test("one key is one message, whatever text comes later, also after a restart", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { dir });
  carrier(before.outbox);
  assert.deepEqual(await before.outbox.send({ to: ANA, text: "first", key: "k" }), receipt("sent", "M1"));
  const { outbox } = parts(t, { dir });
  const line = carrier(outbox);
  line.connected = false;
  assert.deepEqual(await outbox.send({ to: ANA, text: "second", key: "k" }), receipt("already_sent", "M1", true));
  assert.deepEqual(await outbox.send({ to: ANA, text: "first", key: "k" }), receipt("already_sent", "M1"));
  assert.deepEqual(line.sent, []);
});

test("two sends with one key at the same time are one message", async (t) => {
  const { outbox } = parts(t);
  const line = carrier(outbox);
  const both = await Promise.all([outbox.send({ to: ANA, text: "a", key: "k" }), outbox.send({ to: ANA, text: "b", key: "k" })]);
  assert.deepEqual(both, [receipt("sent", "M1"), receipt("already_sent", "M1", true)]);
  assert.equal(line.sent.length, 1);
});

test("a key that comes with another chat is refused, but another id of the same chat is not", async (t) => {
  const { outbox, store } = parts(t);
  const line = carrier(outbox);
  /** @type {import("../src/identity.mjs").Identity} */
  const ben = { kind: "phone", user: "15557654321" };
  const sending = outbox.send({ to: ANA, text: "for Ana", key: "k" });
  await assert.rejects(outbox.send({ to: ben, text: "for Ben", key: "k" }), refused("bad_request"));
  await sending;
  await assert.rejects(outbox.send({ to: ben, text: "for Ben", key: "k" }), refused("bad_request"));
  store.chats.rememberAlias("123456789012345", ANA.user);
  assert.deepEqual(await outbox.send({ to: { kind: "lid", user: "123456789012345" }, text: "for Ana", key: "k" }), receipt("already_sent", "M1"));
  assert.equal(line.sent.length, 1);
});

test("without an acknowledgement a message is pending, and goes out again under its id", async (t) => {
  const { outbox, store } = parts(t, { ackMs: 20 });
  const line = carrier(outbox, "is silent");
  assert.deepEqual(await outbox.send({ to: ANA, text: "hello", key: "k" }), receipt("pending", "M1"));
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.deepEqual(line.sent.map(({ messageId, body }) => [messageId, body]), [["M1", "hello"], ["M1", "hello"]]);
  assert.deepEqual(store.outbox.pending(), []);
  assert.deepEqual(await outbox.send({ to: ANA, text: "hello", key: "k" }), receipt("already_sent", "M1"));
});

test("a message whose connection broke before its acknowledgement goes out again while its caller waits", async (t) => {
  const { outbox } = parts(t, { ackMs: 60_000 });
  const line = carrier(outbox, "is silent");
  const sending = outbox.send({ to: ANA, text: "hello", key: null });
  await line.until(() => line.sent.length === 1);
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.deepEqual(await sending, receipt("sent", "M1"));
  assert.deepEqual(line.sent.map(({ messageId }) => messageId), ["M1", "M1"]);
});

test("a pending message that cannot be handed over does not hold up the others", async (t) => {
  const { outbox, store } = parts(t);
  const line = carrier(outbox, "acknowledges");
  for (const messageId of ["A", "B"]) {
    store.outbox.add({ key: messageId, jid: "15551234567@s.whatsapp.net", text: messageId, parts: [{ messageId, body: Buffer.from(messageId) }] });
  }
  line.treats.set("A", "breaks");
  await outbox.resume();
  assert.deepEqual(line.sent.map(({ messageId }) => messageId), ["B"]);
  assert.deepEqual(store.outbox.pending().map(({ id }) => id), [store.outbox.byKey("A")?.id]);
});

test("an acknowledgement that comes late still counts", async (t) => {
  const { outbox, store } = parts(t, { ackMs: 20 });
  carrier(outbox, "is silent");
  await outbox.send({ to: ANA, text: "hello", key: null });
  outbox.acknowledged("M1", null);
  assert.deepEqual(store.outbox.pending(), []);
  outbox.acknowledged("unknown", null);
});

test("what WhatsApp refuses is refused, also when asked again", async (t) => {
  const { outbox } = parts(t);
  const line = carrier(outbox, "refuses");
  await assert.rejects(outbox.send({ to: ANA, text: "hello", key: "k" }), refused("whatsapp_rejected"));
  line.behaviour = "acknowledges";
  await assert.rejects(outbox.send({ to: ANA, text: "hello", key: "k" }), refused("whatsapp_rejected"));
  assert.equal(line.sent.length, 1);
});

test("what could not be handed over does not go out later by itself", async (t) => {
  const { outbox, store } = parts(t);
  const line = carrier(outbox, "breaks");
  await assert.rejects(outbox.send({ to: ANA, text: "lost", key: null }), refused("timeout"));
  await assert.rejects(outbox.send({ to: ANA, text: "kept", key: "k" }), refused("timeout"));
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.deepEqual(line.sent, []);
  assert.deepEqual(store.outbox.pending(), []);
  assert.deepEqual(await outbox.send({ to: ANA, text: "other", key: "k" }), receipt("sent", "M2", true));
  assert.deepEqual(line.sent.map(({ body }) => body), ["kept"], "the first text counts");
});

test("without a connection nothing is accepted", async (t) => {
  const { outbox, store } = parts(t);
  await assert.rejects(outbox.send({ to: ANA, text: "a", key: null }), refused("not_connected"));
  carrier(outbox).connected = false;
  await assert.rejects(outbox.send({ to: ANA, text: "a", key: "k" }), refused("not_connected"));
  assert.equal(store.outbox.byKey("k"), null);
});

test("the bytes of a sent message are there for retry requests of its own chat, by any id and device, and of no other", async (t) => {
  const { outbox, store } = parts(t);
  carrier(outbox);
  await outbox.send({ to: ANA, text: "hello", key: null });
  const number = "15551234567:2@s.whatsapp.net";
  const lid = "123456789012345:2@lid";
  /** @param {Parameters<typeof outbox.bytesOf>} asked */
  const told = async (...asked) => Buffer.from((await outbox.bytesOf(...asked)) ?? "").toString();
  assert.equal(await told("M1", number), "hello");
  assert.equal(await told("unknown", number), "");
  assert.equal(await told("M1", "15557654321@s.whatsapp.net"), "");
  assert.equal(await told("M1", "120363012345678901@g.us"), "");
  assert.equal(await told("M1", lid), "", "nobody says whose LID it is");
  assert.equal(await told("M1", lid, async (jid) => (jid === "15551234567@s.whatsapp.net" ? "123456789012345@lid" : null)), "hello");
  store.chats.rememberAlias("123456789012345", ANA.user);
  assert.equal(await told("M1", lid), "hello");
  assert.equal(await told("M1", "999999999999999@lid", async () => "999999999999999@lid"), "", "what WhatsApp vouches for comes first");
});
