// @ts-check
/**
 * What a drained message costs beside the least that a durable one can: one SQLite update on disk.
 * `node bench/drain.mjs [messages]` prints both, in one run on one disk, and their ratio.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { writeNow } from "../src/silence.mjs";
import { AllowedChats } from "../src/allowed-chats.mjs";
import { Inbox } from "../src/inbox.mjs";
import { People } from "../src/people.mjs";
import { DEFAULT_SETTINGS } from "../src/settings.mjs";
import { Database, createTables } from "../src/store/database.mjs";
import { openStore } from "../src/store/store.mjs";

const MESSAGES = Number(process.argv[2] ?? 10_000);
const BATCH = 20;
const STDOUT = 1;

/** @param {(dir: string) => Promise<number> | number} measure */
async function inDir(measure) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "drain-"));
  try {
    return await measure(dir);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** @param {string} dir */
function bareUpdates(dir) {
  const file = path.join(dir, "bare.db");
  createTables(file);
  const db = new Database(file);
  db.transaction(() => {
    for (let number = 0; number < MESSAGES; number += 1) db.run("INSERT INTO settings (name, value) VALUES (?, 'waiting')", String(number));
  });
  const began = performance.now();
  for (let number = 0; number < MESSAGES; number += 1) db.run("UPDATE settings SET value = 'done' WHERE name = ?", String(number));
  const took = performance.now() - began;
  db.close();
  return took;
}

/** @param {number} chats */
const drain = (chats) => async (/** @type {string} */ dir) => {
  const store = openStore(dir);
  store.logins.add("{}");
  const parts = { store, people: new People(store), emit: () => undefined };
  const settings = { ...DEFAULT_SETTINGS, allowedChatIds: ["*"] };
  const inbox = new Inbox({ ...parts, allowed: new AllowedChats(parts, settings) }, settings);
  store.transaction(() => {
    for (let number = 0; number < MESSAGES; number += 1) {
      const user = `1555${1_000_000 + (number % chats)}`;
      const jid = `${user}@s.whatsapp.net`;
      inbox.accept({
        conversation: jid, aliases: [{ kind: "phone", user }], sender: jid, senders: [jid], messageId: String(number), group: false, addressed: false,
        kind: "text", text: "x".repeat(80), senderName: "Ana", sentAt: 1, groupSubject: null,
      });
    }
  });
  const consumer = { id: "bench", instance: "1" };
  let drained = 0;
  const began = performance.now();
  for (;;) {
    const { batch, rows } = await inbox.receive({ waitMs: 0, max: BATCH, consumer, inFlight: [], allowed: ["*"] });
    if (rows.length === 0) break;
    for (const { cursor } of rows) inbox.acknowledge(cursor);
    inbox.completeBatch(batch);
    drained += rows.length;
  }
  const took = performance.now() - began;
  store.close();
  if (drained !== MESSAGES) throw new Error(`${drained} of ${MESSAGES} were drained`);
  return took;
};

const bare = await inDir(bareUpdates);
writeNow(STDOUT, `${MESSAGES} bare updates: ${Math.round(bare)} ms\n`);
for (const chats of [1, 1_000]) {
  const took = await inDir(drain(chats));
  writeNow(STDOUT, `${MESSAGES} messages of ${chats} chat${chats === 1 ? "" : "s"} drained, ${BATCH} at a time: ${Math.round(took)} ms, ${(took / bare).toFixed(2)} times the bare updates\n`);
}
