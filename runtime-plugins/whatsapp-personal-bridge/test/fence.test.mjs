// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../src/errors.mjs";
import { operated } from "./support/admin.mjs";
import { carrier, inbound, parts, receive } from "./support/bridge.mjs";
import { fixture, temporaryDir } from "./support/fixtures.mjs";

/** @typedef {import("../src/identity.mjs").Identity} Identity */

/** @type {Identity} */ const ANA = { kind: "phone", user: "15551234567" };
/** @type {Identity} */ const BEN = { kind: "phone", user: "15557654321" };
/** @type {Identity} */ const ANA_BY_LID = { kind: "lid", user: "123456789012345" };
const LONG = ["a", "b", "c"].map((letter) => letter.repeat(3_000)).join("\n\n");

/** @param {RegExp} [words] */
const notAllowed = (words = /allowed_chat_ids/) => (/** @type {unknown} */ error) =>
  error instanceof RequestError && error.code === "chat_not_allowed" && words.test(error.message);

/** @param {ReturnType<typeof carrier>} line */
const ids = (line) => line.sent.map(({ messageId }) => messageId);

test("a chat that is not on the bridge's own list is not written to, whatever list the request brings", async (t) => {
  const { operate, line, store } = await operated(t, { allowed: [`+${BEN.user}`] });
  const { payload } = fixture("wire/stock-request-send_message.json").body;
  payload.runtime_context.account.config.allowed_chat_ids = ["*"];
  const { status, body } = await operate("send_message", payload);
  assert.deepEqual([status, body.payload.code, body.payload.retryable], [403, "chat_not_allowed", false]);
  assert.match(body.payload.error, /allowed_chat_ids of this bridge.*`loong whatsapp-personal chats allow <target>`/);
  assert.deepEqual([line.sent, store.outbox.depth().pending], [[], 0]);
});

test("the list of a request that is not empty counts beside the bridge's own", async (t) => {
  const { operate, line } = await operated(t, { allowed: ["*"] });
  const { payload } = fixture("wire/stock-request-send_message.json").body;
  payload.runtime_context.account.config.allowed_chat_ids = [`+${BEN.user}`];
  assert.equal((await operate("send_message", payload)).status, 403);
  assert.deepEqual(line.sent, []);
});

test("a reply is held to the list, too", async (t) => {
  const { inbox, outbox, allowed, store } = parts(t);
  const line = carrier(outbox);
  inbox.accept(inbound("A1"));
  const [row] = await receive(inbox);
  allowed.change([`+${BEN.user}`]);
  await assert.rejects(outbox.send({ to: ANA, text: "answer", key: `in:${row?.cursor}` }), notAllowed());
  assert.deepEqual([line.sent, store.outbox.byKey(`in:${row?.cursor}`)], [[], null]);
});

test("without any list whoever names a target means it; the last list that a request named closes the rest", async (t) => {
  const dir = temporaryDir(t);
  const { outbox, allowed } = parts(t, { allowed: [], dir });
  carrier(outbox);
  assert.equal((await outbox.send({ to: ANA, text: "before any list", key: null })).status, "sent");
  allowed.name([`+${BEN.user}`]);
  await assert.rejects(outbox.send({ to: ANA, text: "after one", key: null }), notAllowed());
  allowed.name(null);
  allowed.name([]);
  await assert.rejects(outbox.send({ to: ANA, text: "a request without one opens nothing", key: null }), notAllowed());
  const after = parts(t, { allowed: [], dir });
  carrier(after.outbox, "acknowledges", "N");
  await assert.rejects(after.outbox.send({ to: ANA, text: "nor does a restart", key: null }), notAllowed());
  assert.equal((await after.outbox.send({ to: BEN, text: "hello", key: null })).status, "sent");
});

test("an entry for one id of a person opens the other, once they are known as one", async (t) => {
  for (const [entry, other] of /** @type {[string, Identity][]} */ ([[`+${ANA.user}`, ANA_BY_LID], [`${ANA_BY_LID.user}@lid`, ANA]])) {
    const { outbox, store } = parts(t, { allowed: [entry] });
    carrier(outbox);
    await assert.rejects(outbox.send({ to: other, text: "who is that?", key: null }), notAllowed());
    store.chats.rememberAlias(ANA_BY_LID.user, ANA.user);
    assert.equal((await outbox.send({ to: other, text: "hello", key: null })).status, "sent");
  }
});

test("a list with an entry that cannot be read lets nothing out", async (t) => {
  for (const allowed of [["*", "Ana"], [`+${ANA.user}`, ""]]) {
    const { outbox, store } = parts(t, { allowed });
    const line = carrier(outbox);
    await assert.rejects(outbox.send({ to: ANA, text: "hello", key: null }), notAllowed());
    assert.deepEqual([line.sent, store.outbox.depth().pending], [[], 0]);
  }
});

test("a slip in the list keeps what waits, and the mended list lets it go", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { dir, ackMs: 10 });
  carrier(before.outbox, "is silent");
  assert.equal((await before.outbox.send({ to: ANA, text: "hello", key: "k" })).status, "pending");

  const slip = parts(t, { dir, allowed: [`+${ANA.user}`, "oops"] });
  const closed = carrier(slip.outbox, "acknowledges", "C");
  await slip.outbox.resume();
  assert.deepEqual([closed.sent, slip.store.outbox.depth().pending], [[], 1]);

  const mended = parts(t, { dir, allowed: [`+${ANA.user}`] });
  const line = carrier(mended.outbox, "acknowledges", "N");
  await mended.outbox.resume();
  assert.deepEqual(ids(line), ["M1"]);
});

test("a list that a request names keeps back what another caller's replies wait for, and does not end it", async (t) => {
  const { outbox, allowed, store } = parts(t, { allowed: [], ackMs: 10 });
  const line = carrier(outbox, "is silent");
  allowed.name([`+${ANA.user}`]);
  assert.equal((await outbox.send({ to: ANA, text: "hello", key: "k" })).status, "pending");
  line.behaviour = "acknowledges";
  allowed.name([`+${BEN.user}`]);
  await outbox.resume();
  assert.deepEqual([ids(line), store.outbox.depth().pending], [["M1"], 1]);
  allowed.name([`+${ANA.user}`]);
  await outbox.resume();
  assert.deepEqual([ids(line), store.outbox.depth().pending], [["M1", "M1"], 0]);
});

test("what was sent is told as sent, also when its chat is off the list by now", async (t) => {
  const { outbox, allowed } = parts(t);
  const line = carrier(outbox);
  assert.equal((await outbox.send({ to: ANA, text: "hello", key: "k" })).status, "sent");
  allowed.change([`+${BEN.user}`]);
  assert.equal((await outbox.send({ to: ANA, text: "hello", key: "k" })).status, "already_sent");
  assert.deepEqual(ids(line), ["M1"]);
});

test("what waits for a chat that is taken off the list fails at once, is told, and never leaves", async (t) => {
  const { outbox, allowed, store, events } = parts(t, { ackMs: 60_000 });
  const line = carrier(outbox, "is silent");
  const first = outbox.send({ to: ANA, text: "under way", key: "first" });
  const waits = outbox.send({ to: ANA, text: "behind it", key: "second" });
  const told = assert.rejects(waits, notAllowed(/taken off allowed_chat_ids before it left/));
  await line.until(() => line.sent.length === 1);
  allowed.change([`+${BEN.user}`]);
  await told;
  assert.deepEqual(events.filter(({ event }) => event === "message_withheld"), [{ event: "message_withheld", chat: "contact …4567", cursor: null, reason: "not_in_allowlist" }]);
  assert.deepEqual([store.outbox.depth().pending, store.outbox.depth().failed], [1, 1]);

  // What had left is not called back: WhatsApp's word on it still counts.
  outbox.acknowledged("M1", null);
  assert.equal((await first).status, "sent");
  line.behaviour = "acknowledges";
  allowed.change(["*"]);
  await outbox.resume();
  await assert.rejects(outbox.send({ to: ANA, text: "behind it", key: "second" }), notAllowed(/under another key/));
  assert.deepEqual(ids(line), ["M1"]);
});

test("of a long text the rest does not follow when the chat is taken off the list between its parts", async (t) => {
  const { outbox, allowed, store } = parts(t, { ackMs: 60_000 });
  const line = carrier(outbox, "is silent");
  const sending = outbox.send({ to: ANA, text: LONG, key: "k" });
  const told = assert.rejects(sending, notAllowed(/part 2 of 3/));
  await line.until(() => line.sent.length === 1);
  allowed.change([`+${BEN.user}`]);
  line.behaviour = "acknowledges";
  outbox.acknowledged("M1", null);
  await told;
  assert.deepEqual(ids(line), ["M1"]);
  const { sent, failed, pending } = store.outbox.depth();
  assert.deepEqual({ sent, failed, pending }, { sent: 1, failed: 2, pending: 0 });
});

test("after a restart with another list nothing leaves for a chat that is not on it, and what may have left says so", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { dir, ackMs: 10 });
  carrier(before.outbox, "is silent");
  const texts = /** @type {[Identity, string][]} */ ([[ANA, "one"], [ANA, "two"], [BEN, "three"]]);
  for (const [to, text] of texts) assert.equal((await before.outbox.send({ to, text, key: text })).status, "pending");

  const after = parts(t, { dir, allowed: [`+${BEN.user}`] });
  const line = carrier(after.outbox, "acknowledges", "N");
  await after.outbox.resume();
  assert.deepEqual(ids(line), ["M3"]);
  const errors = ["one", "two"].map((key) => after.store.outbox.parts(after.store.outbox.byKey(key)?.id ?? 0)[0]?.error ?? "");
  assert.match(errors[0] ?? "", /handed over once, so it may have arrived/);
  assert.match(errors[1] ?? "", /before it left/);
  assert.equal(after.events.filter(({ event }) => event === "message_withheld").length, 2);

  // A late word of WhatsApp's is the truth.
  after.outbox.acknowledged("M1", null);
  after.outbox.acknowledged("M2", null);
  const states = ["one", "two"].map((key) => after.store.outbox.parts(after.store.outbox.byKey(key)?.id ?? 0)[0]?.state);
  assert.deepEqual(states, ["sent", "failed"]);
});
