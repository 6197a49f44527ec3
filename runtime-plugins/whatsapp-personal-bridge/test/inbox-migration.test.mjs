// @ts-check
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import Sqlite from "libsql";
import { BEGINNING } from "../src/store/steps/1-beginning.mjs";
import { CONVERSATIONS } from "../src/store/steps/2-conversations.mjs";
import { ids, inbound, parts, receive } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

const ANA = "15551234567@s.whatsapp.net";
const BODY = JSON.stringify({ kind: "text", text: "hello", group: false, senderName: "Ana", sentAt: 1, groupSubject: null });

/**
 * A store as the bridge wrote it before there were leases.
 * @param {string} dir
 * @param {[id: string, state: "waiting" | "out" | "done", notBefore: number, doneAt: number | null][]} rows of Ana, in order
 */
function writeOldStore(dir, rows) {
  const db = new Sqlite(path.join(dir, "bridge.db"));
  for (const step of [BEGINNING, CONVERSATIONS]) db.exec(step);
  db.exec("PRAGMA user_version = 2");
  db.prepare("INSERT INTO logins (state, creds, created_at) VALUES ('current', '{}', 1)").run();
  db.prepare("INSERT INTO conversations (id) VALUES (?)").run(ANA);
  const add = db.prepare("INSERT INTO inbox (cursor, conversation, sender, message_id, state, batch, not_before, body, stored_at, done_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const [id, state, notBefore, doneAt] of rows) {
    add.run(`cursor-${id}`, ANA, ANA, id, state, state === "out" ? "batch" : null, notBefore, state === "done" ? null : BODY, 1_000, doneAt);
  }
  db.close();
}

test("a store from before leases goes on: what was out waits again, what is settled stays known", async (t) => {
  const dir = temporaryDir(t);
  const now = Date.now();
  writeOldStore(dir, [["done", "done", 0, now - 60_000], ["out", "out", 0, null], ["waiting", "waiting", 0, null]]);
  const { inbox, store } = parts(t, { dir });
  const rows = store.inbox.list({ states: ["waiting", "leased", "dead", "done"], limit: 10 });
  assert.deepEqual(rows.map(({ message_id: id, cursor, state, attempts, stored_at: stored, ended_at: ended, reason, since, until, consumer }) =>
    [id, cursor, state, attempts, stored, ended, reason, since, until, consumer]), [
    ["done", "cursor-done", "done", 0, 1_000, now - 60_000, null, null, null, null],
    ["out", "cursor-out", "waiting", 0, 1_000, null, null, null, null, null],
    ["waiting", "cursor-waiting", "waiting", 0, 1_000, null, null, null, null, null],
  ]);
  inbox.accept(inbound("done"));
  const handed = await receive(inbox);
  assert.deepEqual(ids(handed), ["out", "waiting"]);
  assert.equal(handed[0]?.content.text, "hello");
  inbox.acknowledge("cursor-out");
  assert.equal(store.inbox.get("cursor-out")?.state, "done");
});

test("a message that waited in a store from before leases goes on waiting, and its chat with it", async (t) => {
  const dir = temporaryDir(t);
  const due = Date.now() + 3_600_000;
  writeOldStore(dir, [["postponed", "waiting", due, null], ["later", "waiting", 0, null]]);
  let now = Date.now();
  const { inbox, store } = parts(t, { dir, now: () => now });
  assert.equal(store.inbox.get("cursor-postponed")?.until, due);
  assert.deepEqual(await receive(inbox), []);
  now = due;
  assert.deepEqual(ids(await receive(inbox)), ["postponed", "later"]);
});

test("messages that come after the migration are behind those from before", async (t) => {
  const dir = temporaryDir(t);
  writeOldStore(dir, [["old", "out", 0, null]]);
  const { inbox } = parts(t, { dir });
  inbox.accept(inbound("new"));
  assert.deepEqual(ids(await receive(inbox)), ["old", "new"]);
});
