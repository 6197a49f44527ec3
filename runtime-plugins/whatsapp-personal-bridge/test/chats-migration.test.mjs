// @ts-check
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import Sqlite from "libsql";
import { STEPS } from "../src/store/schema.mjs";
import { inbound, parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

const BEFORE = 6;
const ANA = "15551234567@s.whatsapp.net";
const BEN = "15557654321@s.whatsapp.net";
const CLEO = "15550001111@s.whatsapp.net";
const LID = "123456789012345";

/**
 * A store as the bridge wrote it before it kept a list of chats.
 * @param {string} dir
 */
function writeOldStore(dir) {
  const db = new Sqlite(path.join(dir, "bridge.db"));
  for (const step of STEPS.slice(0, BEFORE)) db.exec(step);
  db.exec(`PRAGMA user_version = ${BEFORE}`);
  const login = Number(db.prepare("INSERT INTO logins (state, creds, created_at) VALUES ('current', '{}', 1)").run().lastInsertRowid);
  db.prepare("INSERT INTO aliases (lid, phone) VALUES (?, '15551234567')").run(LID);
  db.prepare("INSERT INTO former_numbers (phone) VALUES ('15550001111')").run();
  const message = db.prepare("INSERT INTO inbox (cursor, conversation, sender, message_id, state, stored_at) VALUES (?, ?, ?, ?, 'done', ?)");
  for (const [id, chat, at] of /** @type {[string, string, number][]} */ ([["A1", ANA, 1], ["A2", ANA, 5], ["A3", `${LID}@lid`, 3], ["B1", BEN, 4]])) message.run(`cursor-${id}`, chat, chat, id, at);
  for (const [number, jid] of [ANA, BEN, CLEO].entries()) {
    db.prepare("INSERT INTO sends (id, login, jid, created_at) VALUES (?, ?, ?, 9)").run(number + 1, login, jid);
    db.prepare("INSERT INTO parts (message_id, send, place, state, settled_at) VALUES (?, ?, 0, ?, ?)").run(`M${number}`, number + 1, jid === BEN ? "failed" : "sent", 9);
  }
  for (const [chat, count, at] of [[ANA, 2, 20], [`${LID}@lid`, 3, 10], [BEN, 1, 30]]) {
    db.prepare("INSERT INTO refused_chats (chat, count, last_at) VALUES (?, ?, ?)").run(chat, count, at);
  }
  db.close();
}

test("a store from before the list of chats knows whom it still has messages of, a person once", (t) => {
  const dir = temporaryDir(t);
  writeOldStore(dir);
  const { store, inbox } = parts(t, { dir });
  const rows = (/** @type {"known" | "refused"} */ kind) =>
    store.known.list({ kind, limit: 9, after: null }).map(({ chat, name, messages_in: came, messages_out: went, last_at: at }) => [chat, name, came, went, at]);
  assert.deepEqual(rows("known"), [[`${LID}@lid`, null, 3, 1, 9], [BEN, null, 1, 0, 4]]);
  assert.deepEqual(rows("refused"), [[BEN, null, 1, 0, 30], [`${LID}@lid`, null, 5, 0, 20]]);
  inbox.accept(inbound("A4"));
  assert.deepEqual(rows("known")[0]?.slice(0, 3), [`${LID}@lid`, "Ana", 4]);
});
