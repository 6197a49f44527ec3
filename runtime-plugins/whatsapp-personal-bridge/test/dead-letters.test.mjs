// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ids } from "./support/bridge.mjs";
import { ANA, BEN, host, story } from "./support/story.mjs";

test("a dead letter that is tried again goes to its old place with all its attempts", async (t) => {
  const { says, gets, rows, inbox, cursor, store } = story(t);
  says(ANA, "A1", "A2");
  store.inbox.bury(rows().A1?.seq ?? 0, { at: 1, attempts: 6, reason: "no_answer" });
  assert.equal(inbox.retry(cursor("A2")), false);
  assert.equal(inbox.retry("unknown"), false);
  const waiting = gets({ ...host(), waitMs: 60_000 });
  assert.deepEqual(ids(await waiting), ["A2"]);
  inbox.release(cursor("A2"), { counts: false, reason: null });
  assert.equal(inbox.retry(cursor("A1")), true);
  assert.equal(inbox.retry(cursor("A1")), false);
  const { A1 } = rows();
  assert.deepEqual([A1?.state, A1?.attempts, A1?.reason, A1?.ended_at], ["waiting", 0, null, null]);
  assert.deepEqual(ids(await gets(host())), ["A1"]);
});

test("whoever waits is woken by a dead letter that is tried again", async (t) => {
  const { says, gets, rows, inbox, cursor, store } = story(t);
  says(ANA, "A1");
  store.inbox.bury(rows().A1?.seq ?? 0, { at: 1, attempts: 6, reason: "no_answer" });
  const waiting = gets({ waitMs: 60_000 });
  inbox.retry(cursor("A1"));
  assert.deepEqual(ids(await waiting), ["A1"]);
});

test("what waits or is dead can be dropped: its text goes, and WhatsApp's duplicate is still known", async (t) => {
  const { says, gets, rows, inbox, cursor, store } = story(t, { keepInboundTextMs: 60_000 });
  says(ANA, "A1", "A2", "A3");
  store.inbox.bury(rows().A1?.seq ?? 0, { at: 1, attempts: 6, reason: "no_answer" });
  assert.deepEqual(ids(await gets({ ...host(), max: 1 })), ["A2"]);
  assert.equal(inbox.drop(cursor("A1")), true);
  assert.equal(inbox.drop(cursor("A2")), false, "somebody works on it");
  assert.equal(inbox.drop(cursor("A3")), true);
  assert.equal(inbox.drop(cursor("A3")), false);
  assert.equal(inbox.drop("unknown"), false);
  for (const row of [rows().A1, rows().A3]) assert.deepEqual([row?.state, row?.reason, row?.body], ["done", "dropped", null]);
  says(ANA, "A1");
  assert.equal(rows().A1?.state, "done");
});

test("a dropped message lets those behind it go", async (t) => {
  const { says, gets, inbox, cursor } = story(t);
  says(ANA, "A1", "A2");
  await gets(host());
  inbox.release(cursor("A1"), { counts: false, reason: null, delayMs: 3_600_000 });
  const waiting = gets({ ...host(), waitMs: 60_000 });
  inbox.drop(cursor("A1"));
  assert.deepEqual(ids(await waiting), ["A2"]);
});

test("an acknowledged dead letter is done", async (t) => {
  const { says, rows, inbox, cursor, store } = story(t);
  says(ANA, "A1");
  store.inbox.bury(rows().A1?.seq ?? 0, { at: 1, attempts: 6, reason: "no_answer" });
  inbox.acknowledge(cursor("A1"));
  assert.deepEqual([rows().A1?.state, rows().A1?.body], ["done", null]);
});

for (const [name, body] of [["no JSON", "{half"], ["JSON of another kind", "[]"], ["a message without its text", '{"kind":"text","group":false}']]) {
  test(`a row that holds ${name} becomes a dead letter, and those behind it are handed out in the same answer`, async (t) => {
    const { says, gets, rows, store, died } = story(t);
    store.inbox.add({ cursor: "c1", conversation: `${ANA}@s.whatsapp.net`, sender: `${ANA}@s.whatsapp.net`, senders: [], messageId: "A0", body: String(body), storedAt: 1 });
    says(ANA, "A1");
    assert.deepEqual(ids(await gets({ max: 1 })), ["A1"]);
    assert.deepEqual([rows().A0?.state, rows().A0?.reason, rows().A0?.body], ["dead", "unreadable", body]);
    assert.deepEqual(died(), [{ event: "message_dead", chat: "contact …4567", cursor: "c1", attempts: 0, reason: "unreadable" }]);
  });
}

test("many unreadable rows hold up one answer as little as one", async (t) => {
  const { says, gets, store } = story(t);
  const sender = `${BEN}@s.whatsapp.net`;
  store.transaction(() => {
    for (let number = 0; number < 500; number += 1) {
      store.inbox.add({ cursor: `c${number}`, conversation: sender, sender, senders: [], messageId: `B${number}`, body: "", storedAt: 1 });
    }
  });
  says(ANA, "A1");
  assert.deepEqual(ids(await gets({ max: 1 })), ["A1"]);
  assert.equal(store.inbox.depth().dead, 500);
});

test("a row whose chat has no address becomes a dead letter too", async (t) => {
  const { gets, rows, store } = story(t);
  store.inbox.add({ cursor: "c1", conversation: "nobody", sender: "nobody", senders: [], messageId: "A0", body: '{"kind":"text","text":"x","group":false}', storedAt: 1 });
  assert.deepEqual(await gets(), []);
  assert.equal(rows().A0?.reason, "unreadable");
});

test("an acknowledged text is kept as long as the operator wants, ids and times for 30 days", async (t) => {
  const { says, gets, rows, inbox, cursor, pass, store, clock } = story(t, { keepInboundTextMs: 60_000 });
  says(ANA, "A1", "A2");
  says(BEN, "dead");
  store.inbox.bury(rows().dead?.seq ?? 0, { at: clock.at, attempts: 6, reason: "no_answer" });
  await gets(host());
  inbox.acknowledge(cursor("A1"));
  pass(59_999);
  store.inbox.forgetOld(clock.at);
  assert.match(String(rows().A1?.body), /text of A1/);
  pass(1);
  store.inbox.forgetOld(clock.at);
  assert.equal(rows().A1?.body, null);
  assert.match(String(rows().A2?.body), /text of A2/, "what is not settled keeps its text");
  pass(30 * 24 * 60 * 60 * 1000);
  store.inbox.forgetOld(clock.at);
  assert.deepEqual(Object.keys(rows()), ["A2", "dead"], "a dead letter stays until somebody decides");
  assert.match(String(rows().dead?.body), /text of dead/);
});

test("what one number was written is parked when another number is linked, and only then", async (t) => {
  const { says, gets, rows, inbox, cursor } = story(t);
  assert.equal(inbox.belongsTo("+15550001000"), 0);
  says(ANA, "A1");
  says(BEN, "B1", "B2");
  await gets();
  inbox.acknowledge(cursor("B1"));
  assert.equal(inbox.belongsTo("+15550001000"), 0, "the same number again");
  assert.equal(inbox.belongsTo("+15550002000"), 2);
  assert.deepEqual([rows().A1, rows().B1, rows().B2].map((row) => row?.state), ["dead", "done", "dead"]);
  assert.equal(rows().A1?.reason, "another account was linked");
  assert.deepEqual(await gets(), []);
});

test("a text that is to be kept longer than ids need stays with them", async (t) => {
  const day = 24 * 60 * 60 * 1000;
  const { says, gets, rows, inbox, cursor, pass, store, clock } = story(t, { keepInboundTextMs: 60 * day });
  says(ANA, "A1");
  await gets();
  inbox.acknowledge(cursor("A1"));
  pass(59 * day);
  store.inbox.forgetOld(clock.at);
  assert.match(String(rows().A1?.body), /text of A1/);
  pass(2 * day);
  store.inbox.forgetOld(clock.at);
  assert.deepEqual(Object.keys(rows()), []);
});

test("a text that was kept goes at the next start, when nobody wants it kept any more", async (t) => {
  const first = story(t, { keepInboundTextMs: 86_400_000 });
  first.says(ANA, "A1");
  await first.gets();
  first.inbox.acknowledge(first.cursor("A1"));
  const again = story(t, { dir: first.dir, keepInboundTextMs: 86_400_000 });
  assert.match(String(again.rows().A1?.body), /text of A1/);
  assert.equal(story(t, { dir: first.dir }).rows().A1?.body, null);
});

test("the list for the operator goes page by page, and finds one by its cursor", async (t) => {
  const { says, store, cursor, rows } = story(t);
  says(ANA, "A1", "A2", "A3");
  store.inbox.bury(rows().A2?.seq ?? 0, { at: 1, attempts: 6, reason: "no_answer" });
  const waiting = (/** @type {number} */ afterSeq) => store.inbox.list({ states: ["waiting"], limit: 1, afterSeq });
  const [first] = waiting(0);
  assert.deepEqual([first?.message_id, waiting(first?.seq ?? 0)[0]?.message_id], ["A1", "A3"]);
  assert.deepEqual(store.inbox.list({ states: ["dead"], limit: 10 }).map((row) => row.message_id), ["A2"]);
  assert.equal(store.inbox.get(cursor("A3"))?.message_id, "A3");
  assert.equal(store.inbox.get("unknown"), null);
});
