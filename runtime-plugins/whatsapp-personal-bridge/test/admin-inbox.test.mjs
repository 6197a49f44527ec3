// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { operated } from "./support/admin.mjs";
import { inbound } from "./support/bridge.mjs";
import { makeDead, withTables } from "./support/tables.mjs";

const ANA = "15551234567";
const BEN = "15557654321";

/** @param {{ items: { cursor: string }[] }} page */
const cursors = (page) => page.items.map(({ cursor }) => cursor);

test("the list says what waits and what is dead, and no text", async (t) => {
  const { inbox, get, dir } = await operated(t);
  inbox.accept(inbound("A1", "a secret", ANA));
  inbox.accept(inbound("B1", "a secret", BEN));
  makeDead(dir, "A1", "the engine failed");
  const { status, body } = await get("inbox");
  assert.equal(status, 200);
  assert.deepEqual(body.counts, { waiting: 1, leased: 0, dead: 1, done: 0 });
  assert.equal(body.next_after, null);
  const [dead, waiting] = body.items;
  assert.deepEqual({ ...dead, cursor: "", stored_at: 0 }, {
    cursor: "", chat: "contact …4567", state: "dead", kind: "text", group: false, attempts: 6, reason: "the engine failed",
    stored_at: 0, next_at: null, sent_at: 1_700_000_000_000,
  });
  assert.deepEqual([waiting.chat, waiting.state, waiting.attempts, waiting.reason], ["contact …4321", "waiting", 0, null]);
  assert.ok(!JSON.stringify(body).includes("secret") && !JSON.stringify(body).includes(ANA));
});

test("texts and whole ids are told to who asks for them", async (t) => {
  const { inbox, get } = await operated(t);
  inbox.accept(inbound("A1", "hello", ANA));
  const [item] = (await get("inbox?show_text=1")).body.items;
  assert.deepEqual([item.text, item.conversation], ["hello", `${ANA}@s.whatsapp.net`]);
  const one = await get(`inbox/${encodeURIComponent(item.cursor)}?show_text=1`);
  assert.deepEqual(one.body, item);
  const { text, conversation, ...quiet } = item;
  assert.ok(text && conversation);
  assert.deepEqual((await get(`inbox/${item.cursor}`)).body, quiet);
});

test("a long list comes in pages, each message once and in order", async (t) => {
  const { inbox, get } = await operated(t);
  for (let number = 0; number < 5; number += 1) inbox.accept(inbound(`A${number}`));
  const all = cursors((await get("inbox?limit=200")).body);
  assert.equal(all.length, 5);
  /** @type {string[]} */
  const read = [];
  let after = 0;
  do {
    const { body } = await get(`inbox?limit=2&after=${after}`);
    read.push(...cursors(body));
    after = body.next_after;
  } while (after !== null);
  assert.deepEqual(read, all);
});

test("the state chooses, and what is done is shown only when it is asked for", async (t) => {
  const { inbox, get, dir, post } = await operated(t);
  for (const id of ["A1", "A2", "A3"]) inbox.accept(inbound(id));
  makeDead(dir, "A1", "no");
  const dead = cursors((await get("inbox?state=dead")).body);
  const waiting = cursors((await get("inbox?state=waiting")).body);
  assert.deepEqual([dead.length, waiting.length], [1, 2]);
  await post("inbox/drop", { cursor: waiting[1] });
  assert.deepEqual(cursors((await get("inbox")).body), [dead[0], waiting[0]]);
  const done = (await get("inbox?state=done,dead&show_text=1")).body.items;
  assert.deepEqual(done.map((/** @type {any} */ { state, text }) => [state, text]), [["dead", "text of A1"], ["done", null]]);
});

test("a wait shows when it ends, and one that a clock set back has made is over", async (t) => {
  const { inbox, get, dir } = await operated(t);
  const now = Date.now();
  for (const [id, since, until] of /** @type {[string, number, number][]} */ ([["A1", now - 1, now + 60_000], ["A2", now - 9, now - 1], ["A3", now + 3_600_000, now + 3_660_000]])) {
    inbox.accept(inbound(id));
    withTables(dir, (db) => db.prepare("UPDATE inbox SET since = ?, until = ? WHERE message_id = ?").run(since, until, id));
  }
  const { items } = (await get("inbox")).body;
  assert.deepEqual(items.map((/** @type {any} */ { next_at: at }) => at), [now + 60_000, null, null]);
});

test("a message whose body cannot be read is listed all the same", async (t) => {
  const { inbox, get, dir } = await operated(t);
  inbox.accept(inbound("A1"));
  withTables(dir, (db) => db.exec("UPDATE inbox SET body = 'no json'"));
  const [item] = (await get("inbox?show_text=1")).body.items;
  assert.deepEqual([item.state, item.kind, item.group, item.sent_at, item.text], ["waiting", null, null, null, null]);
});

test("a dead letter is put back, once, and whoever waits gets it", async (t) => {
  const { inbox, get, post, dir, store, operate } = await operated(t);
  inbox.accept(inbound("A1"));
  makeDead(dir, "A1", "no");
  const [cursor] = cursors((await get("inbox?state=dead")).body);
  const waiting = operate("receive_batch", { wait_ms: 10_000 });
  assert.deepEqual((await post("inbox/retry", { cursor })).body, { ok: true, retried: 1 });
  assert.deepEqual((await waiting).body.payload.messages.map((/** @type {any} */ each) => each.delivery.ack_cursor), [cursor]);
  const again = await post("inbox/retry", { cursor });
  assert.deepEqual([again.status, again.body.code], [400, "bad_request"]);
  assert.match(again.body.error, /only a dead letter can be put back/);
  assert.equal(store.inbox.depth().dead, 0);
});

test("all dead letters are put back at once", async (t) => {
  const { inbox, get, post, dir } = await operated(t);
  for (const id of ["A1", "A2", "A3"]) inbox.accept(inbound(id));
  for (const id of ["A1", "A3"]) makeDead(dir, id, "no");
  assert.deepEqual((await post("inbox/retry", { all_dead: true })).body, { ok: true, retried: 2 });
  assert.deepEqual((await get("inbox")).body.items.map((/** @type {any} */ { state, attempts, reason }) => [state, attempts, reason]), Array(3).fill(["waiting", 0, null]));
  assert.deepEqual((await post("inbox/retry", { all_dead: true })).body, { ok: true, retried: 0 });
});

test("what is dropped is done, its text is gone, and dropping it again changes nothing", async (t) => {
  const { inbox, get, post, dir } = await operated(t);
  for (const id of ["A1", "A2"]) inbox.accept(inbound(id, "a secret"));
  makeDead(dir, "A1", "no");
  for (const cursor of cursors((await get("inbox")).body)) {
    assert.deepEqual((await post("inbox/drop", { cursor })).body, { ok: true, dropped: 1 });
    assert.deepEqual((await post("inbox/drop", { cursor })).body, { ok: true, dropped: 0 });
  }
  const { items, counts } = (await get("inbox?state=done&show_text=1")).body;
  assert.deepEqual(counts, { waiting: 0, leased: 0, dead: 0, done: 2 });
  assert.deepEqual(items.map((/** @type {any} */ { reason, text }) => [reason, text]), [["dropped", null], ["dropped", null]]);
});

test("what is being answered is not dropped", async (t) => {
  const { inbox, get, post, dir } = await operated(t);
  inbox.accept(inbound("A1"));
  withTables(dir, (db) => db.prepare("UPDATE inbox SET state = 'leased', since = ?, until = ?, batch = 'b'").run(Date.now(), Date.now() + 60_000));
  const [cursor] = cursors((await get("inbox?state=leased")).body);
  const { status, body } = await post("inbox/drop", { cursor });
  assert.deepEqual([status, body.code, body.retryable], [400, "bad_request", false]);
  assert.match(body.error, /being answered right now/);
  assert.equal((await get(`inbox/${cursor}`)).body.state, "leased");
});

/** @type {[string, "GET" | "POST", string, string | undefined, number, string, RegExp][]} */
const REFUSED = [
  ["a state that does not exist", "GET", "inbox?state=asleep", undefined, 400, "bad_request", /state must be one or more of waiting, leased, dead, done/],
  ["an empty state", "GET", "inbox?state=", undefined, 400, "bad_request", /state/],
  ["a limit of 0", "GET", "inbox?limit=0", undefined, 400, "bad_request", /limit must be a whole number from 1 to 200/],
  ["a limit that is a word", "GET", "inbox?limit=all", undefined, 400, "bad_request", /limit/],
  ["a page before the first", "GET", "inbox?after=-1", undefined, 400, "bad_request", /after/],
  ["a switch that is neither on nor off", "GET", "inbox?show_text=yes", undefined, 400, "bad_request", /show_text/],
  ["a parameter that does not exist", "GET", "inbox?text=1", undefined, 400, "bad_request", /no parameter "text"/],
  ["a parameter given twice", "GET", "inbox?limit=1&limit=2", undefined, 400, "bad_request", /limit must be given once/],
  ["a parameter where there is none", "GET", "status?full=1", undefined, 400, "bad_request", /takes none/],
  ["a cursor that nobody knows", "GET", "inbox/nothing", undefined, 404, "not_found", /no message with the cursor "nothing"/],
  ["a cursor with a path in it", "GET", "inbox/..%2f..%2fetc", undefined, 404, "not_found", /"\.\.\/\.\.\/etc"/],
  ["a cursor that is no text", "GET", "inbox/%ff", undefined, 400, "bad_request", /percent-encoded/],
  ["a path that goes on", "GET", "inbox/a/b", undefined, 404, "not_found", /no admin command/],
  ["an empty cursor", "GET", "inbox/", undefined, 404, "not_found", /no admin command/],
  ["looking where something is done", "GET", "inbox/retry", undefined, 405, "method_not_allowed", /Only POST/],
  ["doing where something is looked at", "POST", "inbox", "{}", 405, "method_not_allowed", /Only GET/],
  ["a retry of nothing", "POST", "inbox/retry", "{}", 400, "bad_request", /either/],
  ["a retry of nothing at all", "POST", "inbox/retry", undefined, 400, "bad_request", /either/],
  ["a retry of one and of all", "POST", "inbox/retry", '{"cursor":"a","all_dead":true}', 400, "bad_request", /either/],
  ["a retry of all that is none", "POST", "inbox/retry", '{"all_dead":false}', 400, "bad_request", /all_dead must be true/],
  ["a field that does not exist", "POST", "inbox/retry", '{"cursors":["a"]}', 400, "bad_request", /no field "cursors": there are cursor, all_dead/],
  ["a field where there is none", "POST", "pause", '{"for":1}', 400, "bad_request", /takes none/],
  ["a cursor that is a number", "POST", "inbox/drop", '{"cursor":1}', 400, "bad_request", /cursor must be a text/],
  ["a drop of what nobody knows", "POST", "inbox/drop", '{"cursor":"a"}', 404, "not_found", /no message/],
  ["a list for a body", "POST", "inbox/drop", "[]", 400, "bad_request", /the body must be an object/],
  ["a body that is cut off", "POST", "inbox/drop", '{"cursor"', 400, "bad_request", /the body must be JSON/],
  ["a body of 64 KiB and more", "POST", "inbox/drop", JSON.stringify({ cursor: "x".repeat(64 * 1024) }), 413, "too_large", /65536 bytes/],
];

test("what cannot be understood is refused by its name, and changes nothing", async (t) => {
  const { inbox, ask, store, pause } = await operated(t);
  inbox.accept(inbound("A1"));
  for (const [name, method, path, body, status, code, words] of REFUSED) {
    const answer = await ask(method, path, body === undefined ? {} : { body });
    assert.deepEqual([answer.status, answer.body.code, answer.body.retryable], [status, code, false], name);
    assert.match(answer.body.error, words, name);
  }
  assert.deepEqual({ ...store.inbox.depth(), last_stored_at: 0 }, { waiting: 1, leased: 0, dead: 0, done: 0, last_stored_at: 0 });
  assert.equal(pause.active, false);
});

test("a body that is not called JSON is refused", async (t) => {
  const { ask } = await operated(t);
  const { status, body } = await ask("POST", "inbox/drop", { body: '{"cursor":"a"}', type: "text/plain" });
  assert.deepEqual([status, body.code], [415, "unsupported_media_type"]);
});

test("without the token nobody looks into the inbox, pauses or makes a backup", async (t) => {
  const { ask, pause } = await operated(t);
  for (const [method, path] of /** @type {["GET" | "POST", string][]} */ ([
    ["GET", "inbox"], ["GET", "inbox/a"], ["POST", "inbox/retry"], ["POST", "inbox/drop"], ["POST", "pause"], ["POST", "unpause"], ["POST", "backup"],
  ])) {
    for (const token of [null, "f".repeat(64)]) {
      const { status, body } = await ask(method, path, { token });
      assert.deepEqual([status, body.code], [401, "unauthorized"], path);
    }
  }
  assert.equal(pause.active, false);
});

test("half a character in an older store makes no answer unreadable", async (t) => {
  const { inbox, get, operate } = await operated(t);
  inbox.accept(inbound("A1", "half \ud83d of it"));
  const raw = (await get("inbox?show_text=1")).body;
  assert.equal(raw.items[0].text, "half \ufffd of it");
  const { body } = await operate("receive_batch", { wait_ms: 0 });
  assert.equal(body.payload.messages[0].text, "half \ufffd of it");
});
