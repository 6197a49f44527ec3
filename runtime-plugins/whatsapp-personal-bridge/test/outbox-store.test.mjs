// @ts-check
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import path from "node:path";
import { test } from "node:test";
import Database from "libsql";
import { RequestError } from "../src/errors.mjs";
import { toJid } from "../src/identity.mjs";
import { hearReceipts } from "../src/receipts.mjs";
import { BEGINNING } from "../src/store/steps/1-beginning.mjs";
import { CONVERSATIONS } from "../src/store/steps/2-conversations.mjs";
import { carrier, parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @type {import("../src/identity.mjs").Identity} */
const ANA = { kind: "phone", user: "15551234567" };
const LONG = ["a", "b", "c"].map((letter) => letter.repeat(3_000)).join("\n\n");
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * @param {string} dir
 * @param {string} sql
 * @returns {Record<string, unknown>[]}
 */
function rows(dir, sql) {
  const db = new Database(path.join(dir, "bridge.db"));
  const found = db.prepare(sql).all();
  db.close();
  return /** @type {Record<string, unknown>[]} */ (found);
}
const LOGIN_ENDED = (/** @type {unknown} */ error) => error instanceof RequestError && error.code === "whatsapp_rejected" && /the login ended before WhatsApp took it/.test(error.message);

test("a send is whole in the store, with every part, before its first byte leaves", async (t) => {
  const { outbox, dir } = parts(t, { ackMs: 10 });
  carrier(outbox, "breaks");
  await assert.rejects(outbox.send({ to: ANA, text: LONG, key: "k" }));
  assert.deepEqual(rows(dir, "SELECT login, idempotency_key, jid, text FROM sends"), [{ login: 1, idempotency_key: "k", jid: "15551234567@s.whatsapp.net", text: LONG }]);
  assert.deepEqual(
    rows(dir, "SELECT message_id, place, state, LENGTH(body) AS length FROM parts ORDER BY place"),
    ["M1", "M2", "M3"].map((id, place) => ({ message_id: id, place, state: "unsent", length: 3_000 })),
  );
});

test("what a login had not sent when it ended never leaves under another one", async (t) => {
  const { outbox, store } = parts(t, { ackMs: 60_000 });
  const line = carrier(outbox, "is silent");
  const sending = outbox.send({ to: ANA, text: "hello", key: "k" });
  await line.until(() => line.sent.length === 1);
  line.treats.set("M2", "breaks");
  await assert.rejects(outbox.send({ to: { ...ANA, user: "15557654321" }, text: "not handed over", key: "unsent" }));

  store.logins.setAside("logged_out");
  outbox.loginEnded();
  await assert.rejects(sending, LOGIN_ENDED);
  store.logins.add("{}");
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.equal(line.sent.length, 1);
  await assert.rejects(outbox.send({ to: ANA, text: "hello", key: "k" }), LOGIN_ENDED);
  // Nothing of this one had left: it may be asked for again, and is the new login's now.
  line.treats.clear();
  assert.equal((await outbox.send({ to: { ...ANA, user: "15557654321" }, text: "not handed over", key: "unsent" })).status, "sent");
});

test("a login that ended while the bridge was down takes what it had not sent along", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { dir, ackMs: 10 });
  carrier(before.outbox, "is silent");
  await before.outbox.send({ to: ANA, text: "hello", key: "k" });
  before.store.logins.import("{}", {});
  const after = parts(t, { dir });
  const line = carrier(after.outbox);
  await after.outbox.resume();
  assert.deepEqual(line.sent, []);
  assert.equal(after.store.outbox.depth().failed, 1);
});

test("texts and bytes go after their time, ids and keys stay for ever", async (t) => {
  const { outbox, store, dir } = parts(t, { ackMs: 10 });
  const line = carrier(outbox);
  await outbox.send({ to: ANA, text: LONG, key: "sent" });
  line.behaviour = "breaks";
  await assert.rejects(outbox.send({ to: ANA, text: "unsent", key: "unsent" }));
  line.behaviour = "is silent";
  await outbox.send({ to: ANA, text: "pending", key: "pending" });
  const kept = () => rows(dir, "SELECT text FROM sends WHERE text IS NOT NULL ORDER BY id").map(({ text }) => text);

  store.outbox.forgetOld(Date.now() + DAY_MS, 7 * DAY_MS);
  assert.deepEqual(kept(), [LONG, "unsent", "pending"]);
  assert.notEqual(await outbox.bytesOf("M1", toJid(ANA)), null);
  store.outbox.forgetOld(Date.now() + 8 * DAY_MS, 7 * DAY_MS);
  assert.deepEqual(kept(), ["pending"]);
  assert.equal(await outbox.bytesOf("M1", toJid(ANA)), null);
  assert.deepEqual(await outbox.send({ to: ANA, text: "whatever", key: "sent" }), { messageIds: ["M1", "M2", "M3"], status: "already_sent", firstText: false });
  await assert.rejects(outbox.send({ to: ANA, text: "unsent", key: "unsent" }), /nobody asked for it again in time/);
  line.behaviour = "acknowledges";
  await outbox.resume();
  assert.equal(line.sent.at(-1)?.body, "pending");
});

test("a store of before has its messages as sends of one part, each of the login of its time", async (t) => {
  const dir = temporaryDir(t);
  const db = new Database(path.join(dir, "bridge.db"));
  db.exec(BEGINNING);
  db.exec(CONVERSATIONS);
  db.exec(`
    INSERT INTO logins (id, state, creds, created_at) VALUES (1, 'aside', '{}', 100), (2, 'current', '{}', 200);
    INSERT INTO outbox (message_id, idempotency_key, jid, body, state, error, created_at, settled_at) VALUES
      ('Z', 'done', '15551234567@s.whatsapp.net', CAST('done' AS BLOB), 'sent', NULL, 150, 160),
      ('Y', NULL, '15551234567@s.whatsapp.net', CAST('left behind' AS BLOB), 'pending', NULL, 170, NULL),
      ('X', 'open', '15551234567@s.whatsapp.net', CAST('first' AS BLOB), 'pending', NULL, 250, NULL),
      ('W', 'next', '15551234567@s.whatsapp.net', CAST('second' AS BLOB), 'pending', NULL, 260, NULL),
      ('V', 'no', '15551234567@s.whatsapp.net', CAST('refused' AS BLOB), 'failed', 'WhatsApp refused it', 270, 280),
      ('U', 'later', '15551234567@s.whatsapp.net', CAST('later' AS BLOB), 'unsent', NULL, 290, 300);
    PRAGMA user_version = 2;
  `);
  db.close();

  const { outbox, store } = parts(t, { dir });
  assert.deepEqual(rows(dir, "SELECT message_id, login, place, text FROM parts JOIN sends ON sends.id = send ORDER BY send"),
    [["Z", 1], ["Y", 1], ["X", 2], ["W", 2], ["V", 2], ["U", 2]].map(([message_id, login]) => ({ message_id, login, place: 0, text: null })));
  const line = carrier(outbox);
  await outbox.resume();
  assert.deepEqual(line.sent.map(({ messageId, body }) => [messageId, body]), [["X", "first"], ["W", "second"]]);
  assert.deepEqual(await outbox.send({ to: ANA, text: "other", key: "done" }), { messageIds: ["Z"], status: "already_sent", firstText: false });
  await assert.rejects(outbox.send({ to: ANA, text: "other", key: "no" }), /WhatsApp refused it/);
  assert.deepEqual(await outbox.send({ to: ANA, text: "other", key: "later" }), { messageIds: ["U"], status: "sent", firstText: false });
  assert.deepEqual(store.outbox.parts(2).map(({ state, error }) => [state, error]), [["failed", "the login ended before WhatsApp took it"]]);
  assert.equal((await outbox.send({ to: ANA, text: "new", key: null })).messageIds[0], "M1");
  assert.deepEqual(rows(dir, "SELECT send FROM parts WHERE message_id = 'M1'"), [{ send: 7 }]);
});

test("receipts are heard of our own messages, from others, in contacts' chats and in groups", () => {
  const ev = new EventEmitter();
  /** @type {unknown[]} */
  const heard = [];
  hearReceipts(/** @type {any} */ (ev), (...receipt) => heard.push(receipt), (jid) => jid === "15550001000@s.whatsapp.net");
  const chat = { remoteJid: "15551234567@s.whatsapp.net", fromMe: true };
  ev.emit("messages.update", [
    { key: { ...chat, id: "A" }, update: { status: 3, messageTimestamp: 1_700_000_000 } },
    { key: { ...chat, id: "B" }, update: { status: 4, messageTimestamp: 1_700_000_001 } },
    { key: { ...chat, id: "C" }, update: { status: 5, messageTimestamp: 1_700_000_002 } },
    { key: { ...chat, id: "D" }, update: { status: 2 } },
    { key: { ...chat, id: "E" }, update: { message: { conversation: "readable now" } } },
    { key: { ...chat, id: "F", fromMe: false }, update: { status: 4 } },
  ]);
  const group = { remoteJid: "120363012345678901@g.us", fromMe: true };
  ev.emit("message-receipt.update", [
    { key: { ...group, id: "G" }, receipt: { userJid: "15551234567@s.whatsapp.net", receiptTimestamp: 1_700_000_003 } },
    { key: { ...group, id: "H" }, receipt: { userJid: "15551234567@s.whatsapp.net", readTimestamp: 1_700_000_004 } },
    { key: { ...group, id: "I" }, receipt: { userJid: "15550001000@s.whatsapp.net", receiptTimestamp: 1_700_000_005 } },
  ]);
  assert.deepEqual(heard, [
    ["A", "delivered", 1_700_000_000_000],
    ["B", "read", 1_700_000_001_000],
    ["C", "read", 1_700_000_002_000],
    ["G", "delivered", 1_700_000_003_000],
    ["H", "read", 1_700_000_004_000],
  ]);
});
