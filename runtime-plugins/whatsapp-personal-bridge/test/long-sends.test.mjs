// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../src/errors.mjs";
import { carrier, parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @typedef {import("../src/identity.mjs").Identity} Identity */
const ANA = /** @type {Identity} */ ({ kind: "phone", user: "15551234567" });
const ANA_BY_LID = /** @type {Identity} */ ({ kind: "lid", user: "123456789012345" });
const BEN = /** @type {Identity} */ ({ kind: "phone", user: "15557654321" });
/** Three paragraphs of 3,000 characters: three parts. */
const LONG = ["a", "b", "c"].map((letter) => letter.repeat(3_000)).join("\n\n");
const NEVER_MS = 60_000;

/** @param {{ sent: { messageId: string }[] }} line */
const ids = (line) => line.sent.map(({ messageId }) => messageId);
/**
 * @param {string} code
 * @param {RegExp} [words]
 */
const refused = (code, words = /./) => (/** @type {unknown} */ error) => error instanceof RequestError && error.code === code && words.test(error.message);

test("a long text leaves as parts, in order, under one answer", async (t) => {
  const { outbox, events, store } = parts(t);
  const line = carrier(outbox);
  assert.deepEqual(await outbox.send({ to: ANA, text: LONG, key: "k" }), { messageIds: ["M1", "M2", "M3"], status: "sent", firstText: false });
  assert.deepEqual(line.sent.map(({ body }) => body), LONG.split("\n\n"));
  assert.equal(events.filter(({ event, status }) => event === "message_out" && status === "sent").length, 3);
  assert.deepEqual(await outbox.send({ to: ANA, text: LONG, key: "k" }), { messageIds: ["M1", "M2", "M3"], status: "already_sent", firstText: false });
  assert.equal(store.outbox.depth().sent, 3);
});

test("the next part leaves when WhatsApp has the one before, and not earlier", async (t) => {
  const { outbox } = parts(t, { ackMs: NEVER_MS });
  const line = carrier(outbox, "is silent");
  const sending = outbox.send({ to: ANA, text: LONG, key: null });
  for (const [index, messageId] of ["M1", "M2", "M3"].entries()) {
    await line.until(() => line.sent.length === index + 1);
    outbox.acknowledged(messageId, null);
  }
  assert.equal((await sending).status, "sent");
  assert.deepEqual(ids(line), ["M1", "M2", "M3"]);
});

test("a caller waits its own time only, and a late acknowledgement brings the rest", async (t) => {
  const { outbox } = parts(t, { ackMs: 20, chatHoldMs: 30 });
  const line = carrier(outbox, "is silent");
  assert.deepEqual(await outbox.send({ to: ANA, text: LONG, key: "k" }), { messageIds: ["M1", "M2", "M3"], status: "pending", firstText: false });
  // The chat no longer waits for this one either: another text passes it.
  line.treats.set("M4", "acknowledges");
  assert.equal((await outbox.send({ to: ANA, text: "next", key: null })).messageIds[0], "M4");
  await line.until(() => line.sent.length === 2);
  line.behaviour = "acknowledges";
  outbox.acknowledged("M1", null);
  await line.until(() => line.sent.length === 4);
  assert.deepEqual(ids(line), ["M1", "M4", "M2", "M3"]);
  assert.equal((await outbox.send({ to: ANA, text: LONG, key: "k" })).status, "already_sent");
});

test("after a crash between two parts the rest follows, under the same ids and with the same bytes", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { dir, ackMs: 20 });
  const first = carrier(before.outbox, "is silent");
  first.treats.set("M1", "acknowledges");
  assert.equal((await before.outbox.send({ to: ANA, text: LONG, key: "k" })).status, "pending");
  assert.deepEqual(ids(first), ["M1", "M2"]);

  const after = parts(t, { dir });
  const second = carrier(after.outbox, "acknowledges", "N");
  await after.outbox.resume();
  assert.deepEqual(ids(second), ["M2", "M3"], "what WhatsApp acknowledged does not leave again");
  assert.deepEqual(second.sent.map(({ body }) => body), LONG.split("\n\n").slice(1));
  assert.deepEqual(await after.outbox.send({ to: ANA, text: "another text", key: "k" }), { messageIds: ["M1", "M2", "M3"], status: "already_sent", firstText: true });
  assert.equal(second.sent.length, 2);
});

test("everything pending leaves again per chat in order, however it was left", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { dir, ackMs: 10 });
  carrier(before.outbox, "is silent");
  for (const [to, text] of /** @type {[Identity, string][]} */ ([[ANA, LONG], [BEN, "to Ben"], [ANA, "after it"]])) {
    assert.equal((await before.outbox.send({ to, text, key: null })).status, "pending");
  }
  const after = parts(t, { dir });
  const line = carrier(after.outbox, "acknowledges", "N");
  await after.outbox.resume();
  const to = (/** @type {Identity} */ { user }) => line.sent.filter(({ jid }) => jid.startsWith(user)).map(({ messageId }) => messageId);
  assert.deepEqual(to(ANA), ["M1", "M2", "M3", "M5"]);
  assert.deepEqual(to(BEN), ["M4"]);
});

test("two sends to one chat keep their order, also under the person's other id; another chat does not wait", async (t) => {
  const { outbox, store } = parts(t, { ackMs: NEVER_MS });
  store.chats.rememberAlias(ANA_BY_LID.user, ANA.user);
  const line = carrier(outbox, "is silent");
  const sending = [outbox.send({ to: ANA, text: LONG, key: null }), outbox.send({ to: ANA_BY_LID, text: "second", key: null }), outbox.send({ to: BEN, text: "to Ben", key: null })];
  await line.until(() => line.sent.length === 2);
  assert.deepEqual(ids(line), ["M1", "M5"]);
  line.behaviour = "acknowledges";
  for (const messageId of ids(line)) outbox.acknowledged(messageId, null);
  assert.deepEqual((await Promise.all(sending)).map(({ status }) => status), ["sent", "sent", "sent"]);
  assert.deepEqual(ids(line), ["M1", "M5", "M2", "M3", "M4"]);
});

test("a refused second part ends the send: what follows is not sent, and asking again says the same", async (t) => {
  const { outbox, store } = parts(t);
  const line = carrier(outbox);
  line.treats.set("M2", "refuses");
  const words = /part 2 of 3: what follows is not sent, what stands before it was sent/;
  await assert.rejects(outbox.send({ to: ANA, text: LONG, key: "k" }), refused("whatsapp_rejected", words));
  await outbox.resume();
  assert.deepEqual(ids(line), ["M1", "M2"]);
  await assert.rejects(outbox.send({ to: ANA, text: LONG, key: "k" }), refused("whatsapp_rejected", words));
  const { pending, sent, failed } = store.outbox.depth();
  assert.deepEqual({ pending, sent, failed }, { pending: 0, sent: 1, failed: 2 });
  assert.equal((await outbox.send({ to: ANA, text: "next", key: null })).status, "sent");
});

test("a second part that cannot be handed over makes the send pending, and it follows later", async (t) => {
  const { outbox } = parts(t);
  const line = carrier(outbox);
  line.treats.set("M2", "breaks");
  assert.equal((await outbox.send({ to: ANA, text: LONG, key: null })).status, "pending");
  line.treats.clear();
  await outbox.resume();
  assert.deepEqual(ids(line), ["M1", "M2", "M3"]);
});

test("what stepped aside is tried again on the same connection, in its time", async (t) => {
  const { outbox } = parts(t, { ackMs: 10, chatHoldMs: 20, resendMs: 30 });
  const line = carrier(outbox, "is silent");
  assert.equal((await outbox.send({ to: ANA, text: "hello", key: null })).status, "pending");
  line.behaviour = "acknowledges";
  await line.until(() => line.sent.length === 2);
  assert.deepEqual(ids(line), ["M1", "M1"]);
});

test("a question that WhatsApp leaves unanswered is no reason to wait for another connection", async (t) => {
  const { outbox } = parts(t, { ackMs: 10, resendMs: 30 });
  const line = carrier(outbox);
  line.treats.set("M2", "does not answer");
  assert.equal((await outbox.send({ to: ANA, text: LONG, key: null })).status, "pending");
  line.treats.clear();
  await line.until(() => line.sent.length === 3);
  assert.deepEqual(ids(line), ["M1", "M2", "M3"]);
});

test("asked again without a connection, what is accepted stays accepted", async (t) => {
  const { outbox } = parts(t, { ackMs: 10 });
  const line = carrier(outbox, "is silent");
  await outbox.send({ to: ANA, text: "hello", key: "k" });
  line.connected = false;
  assert.deepEqual(await outbox.send({ to: ANA, text: "hello", key: "k" }), { messageIds: ["M1"], status: "pending", firstText: false });
});

test("a pause lets nothing leave and stores nothing; its end brings what was left", async (t) => {
  const pause = { active: false };
  const { outbox, store } = parts(t, { pause, ackMs: NEVER_MS });
  const line = carrier(outbox, "is silent");
  const long = outbox.send({ to: ANA, text: LONG, key: "long" });
  const behind = outbox.send({ to: ANA, text: "behind it", key: "behind" });
  await line.until(() => line.sent.length === 1);
  pause.active = true;
  line.behaviour = "acknowledges";
  await assert.rejects(outbox.send({ to: ANA, text: "in it", key: "new" }), refused("paused", /resume/));
  assert.equal(store.outbox.byKey("new"), null);
  outbox.acknowledged("M1", null);
  assert.equal((await long).status, "pending", "a part of it has left");
  await assert.rejects(behind, refused("paused"), "nothing of it has left");
  await outbox.resume();
  assert.deepEqual(ids(line), ["M1"]);

  pause.active = false;
  await outbox.resume();
  assert.deepEqual(ids(line), ["M1", "M2", "M3"]);
  assert.deepEqual(await outbox.send({ to: ANA, text: "behind it", key: "behind" }), { messageIds: ["M4"], status: "sent", firstText: false });
});

test("who waits behind an unacknowledged message of the chat is told that it is pending", async (t) => {
  const { outbox } = parts(t, { ackMs: 20 });
  const line = carrier(outbox, "is silent");
  const both = await Promise.all([outbox.send({ to: ANA, text: "one", key: null }), outbox.send({ to: ANA, text: "two", key: null })]);
  assert.deepEqual(both.map(({ status }) => status), ["pending", "pending"]);
  assert.deepEqual(ids(line), ["M1"]);
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.deepEqual(ids(line), ["M1", "M1", "M2"]);
});

test("a receipt proves that WhatsApp has the message, and is counted", async (t) => {
  const { outbox, store } = parts(t, { ackMs: 20 });
  const line = carrier(outbox, "is silent");
  await outbox.send({ to: ANA, text: LONG, key: null });
  line.behaviour = "acknowledges";
  outbox.receipt("M1", "delivered", 1_000);
  await line.until(() => line.sent.length === 3);
  outbox.receipt("M2", "read", 2_000);
  outbox.receipt("M2", "delivered", 3_000);
  outbox.receipt("unknown", "read", 3_000);
  const { pending, sent, delivered, read, failed } = store.outbox.depth();
  assert.deepEqual({ pending, sent, delivered, read, failed }, { pending: 0, sent: 3, delivered: 2, read: 1, failed: 0 });
});
