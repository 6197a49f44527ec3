// @ts-check
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { initAuthCreds } from "@whiskeysockets/baileys";
import { encode } from "../src/auth-state.mjs";
import { writeBackup } from "../src/backup.mjs";
import { FatalError } from "../src/errors.mjs";
import { restoreBackup } from "../src/restore.mjs";
import { STEPS } from "../src/store/schema.mjs";
import { openStore } from "../src/store/store.mjs";
import { runOnce, tinyDisk } from "./support/disks.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { startBridge } from "./support/process.mjs";
import { addSend, makeDead, withTables } from "./support/tables.mjs";

const NOWHERE = { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" };
const LINKED = encode({ ...initAuthCreds(), me: { id: "15550001000:1@s.whatsapp.net" }, account: {} });

/**
 * @param {string} dir
 * @param {(store: import("../src/store/store.mjs").Store) => void} fill
 */
function filled(dir, fill) {
  const store = openStore(dir);
  try {
    fill(store);
  } finally {
    store.close();
  }
}

/**
 * @param {string} dir
 * @param {string} id
 */
function addMessage(dir, id) {
  const insert = "INSERT INTO inbox (cursor, conversation, sender, message_id, state, body, stored_at) VALUES (?, 'c', 's', ?, 'waiting', '{}', 1)";
  withTables(dir, (db) => db.prepare(insert).run(`cursor-${id}`, id));
}

/**
 * A backup of a store in the middle of its work.
 * @param {import("node:test").TestContext} t
 * @returns {string}
 */
function backup(t) {
  const dir = temporaryDir(t);
  const file = path.join(temporaryDir(t), "b.db");
  filled(dir, (store) => {
    const login = store.logins.add(LINKED);
    store.logins.changeKeys(login, { session: { "1.0": "s", "2.0": "s" }, "sender-key": { g: "k" }, "sender-key-memory": { g: "m" }, "pre-key": { 1: "p" } });
    store.settings.save("allowed_chat_ids", '["*"]');
    store.chats.rememberAlias("123456789012345", "15551234567");
    store.known.came("15551234567@s.whatsapp.net", "Ana", 5);
    store.known.refuse("15557654321@s.whatsapp.net", 6);
  });
  for (const id of ["waits", "leased", "done", "dead"]) addMessage(dir, id);
  makeDead(dir, "dead", "nobody could answer it");
  addSend(dir, "unfinished", ["sent", "pending", "unsent"]);
  addSend(dir, "refused", ["failed"]);
  withTables(dir, (db) => {
    db.exec("UPDATE inbox SET state = 'leased', since = 1, until = 9e15, batch = 'b', consumer = 'c', instance = 'i' WHERE message_id = 'leased'");
    db.exec("UPDATE inbox SET state = 'done', body = NULL, ended_at = 1 WHERE message_id = 'done'");
    db.exec("INSERT INTO journal_stanzas (login, hash, name, parts, stored_at) SELECT id, 'h', 'n', 1, 1 FROM logins");
    db.exec("INSERT INTO journal_parts (login, hash, stanza, place) SELECT login, 'h', seq, 0 FROM journal_stanzas");
  });
  filled(dir, (store) => writeBackup(store, file));
  return file;
}

/** @param {string} dir every file with a digest of its content; what SQLite keeps beside it aside */
function snapshot(dir) {
  const names = fs.readdirSync(dir).filter((name) => !/^bridge\.db-(?:wal|shm)$/.test(name));
  return names.sort().map((name) => [name, digest(path.join(dir, name))]);
}

/** @param {string} file */
function digest(file) {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
}

/**
 * @param {string} dir
 * @param {string} file
 * @param {string} code
 * @param {RegExp} words
 */
function refuses(dir, file, code, words) {
  const before = snapshot(dir);
  assert.throws(() => restoreBackup(dir, file), (error) => error instanceof FatalError && error.code === code && words.test(error.message) && error.hint !== "");
  assert.deepEqual(snapshot(dir), before, "nothing was changed");
}

test("a restored store keeps the login and what is settled, and nothing that would repeat itself", (t) => {
  const file = backup(t);
  const dir = temporaryDir(t);
  const { code, last, output } = runOnce(["--restore", file, "--auth-dir", dir]);
  assert.equal(code, 0, output);
  assert.deepEqual({ ...last, at: 0 }, { event: "restored", at: 0, file, sessions: 4, parked: 2, failed: 2, set_aside: null });
  assert.deepEqual(fs.readdirSync(dir), ["bridge.db"]);
  assert.equal(fs.statSync(path.join(dir, "bridge.db")).mode & 0o777, 0o600);

  withTables(dir, (db) => {
    assert.deepEqual(db.prepare("SELECT type, id FROM signal_keys").all(), [{ type: "pre-key", id: "1" }]);
    assert.deepEqual(db.prepare("SELECT message_id, state, reason, batch, consumer, instance FROM inbox WHERE state <> 'done' ORDER BY seq").all(), [
      { message_id: "waits", state: "dead", reason: "restored from a backup", batch: null, consumer: null, instance: null },
      { message_id: "leased", state: "dead", reason: "restored from a backup", batch: null, consumer: null, instance: null },
      { message_id: "dead", state: "dead", reason: "nobody could answer it", batch: null, consumer: null, instance: null },
    ]);
    const unknown = "restored from a backup: it may have been sent since";
    assert.deepEqual(db.prepare("SELECT message_id, state, error FROM parts ORDER BY message_id").all(), [
      { message_id: "refused-0", state: "failed", error: null },
      { message_id: "unfinished-0", state: "sent", error: null },
      { message_id: "unfinished-1", state: "failed", error: unknown },
      { message_id: "unfinished-2", state: "failed", error: unknown },
    ]);
    for (const table of ["journal_stanzas", "journal_parts"]) assert.deepEqual(db.prepare(`SELECT * FROM ${table}`).all(), [], table);
  });
  filled(dir, (store) => {
    assert.equal(store.logins.current()?.creds, LINKED);
    assert.equal(store.settings.get("allowed_chat_ids"), '["*"]');
    assert.equal(store.chats.phoneOf("123456789012345"), "15551234567");
    assert.deepEqual(store.known.list({ kind: "known", limit: 9, after: null }).map(({ name }) => name), ["Ana"]);
    assert.equal(store.known.refused().messages, 1);
  });
});

test("a bridge starts with a restored store, and the backup is as it was", async (t) => {
  const file = backup(t);
  const before = digest(file);
  const dir = temporaryDir(t);
  restoreBackup(dir, file);
  assert.equal(digest(file), before);
  assert.deepEqual(fs.readdirSync(path.dirname(file)), ["b.db"]);
  const running = startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson"], NOWHERE);
  await running.event(({ state }) => state === "reconnecting", "state reconnecting");
  assert.ok(!running.events.some(({ event }) => event === "qr"), "it still has its login");
});

test("a backup of an older bridge is brought up to date, and parked like any other", (t) => {
  const file = path.join(temporaryDir(t), "old.db");
  withTables(file, (db) => {
    for (const step of STEPS.slice(0, 2)) db.exec(step);
    db.prepare("INSERT INTO logins (state, creds, created_at) VALUES ('current', ?, 1)").run(LINKED);
    const insert = db.prepare("INSERT INTO inbox (cursor, conversation, sender, message_id, state, body, stored_at) VALUES (?, 'c', 's', ?, ?, '{}', 1)");
    for (const state of ["waiting", "out", "done"]) insert.run(state, state, state);
    db.exec("PRAGMA user_version = 2");
  });
  const dir = temporaryDir(t);
  assert.equal(restoreBackup(dir, file).parked, 2);
  withTables(dir, (db) => assert.deepEqual(db.prepare("SELECT state FROM inbox ORDER BY seq").all(), [{ state: "dead" }, { state: "dead" }, { state: "done" }]));
});

test("a store with a linked login is never replaced", (t) => {
  const file = backup(t);
  const dir = temporaryDir(t);
  filled(dir, (store) => store.logins.add(LINKED));
  refuses(dir, file, "restore_refused", /has a linked login/);
  assert.equal(runOnce(["--restore", file, "--auth-dir", dir]).code, 2);
});

test("after a logout the store is set aside whole, and the backup takes its place", (t) => {
  const file = backup(t);
  const dir = temporaryDir(t);
  filled(dir, (store) => {
    store.logins.add(LINKED);
    store.logins.setAside("logged_out_here");
    store.logins.add(encode(initAuthCreds()));
  });
  const before = digest(path.join(dir, "bridge.db"));
  const { set_aside: aside } = restoreBackup(dir, file);
  assert.match(String(aside), /bridge\.db\.before-restore-\d+$/);
  assert.equal(digest(String(aside)), before);
  filled(dir, (store) => assert.equal(store.logins.current()?.creds, LINKED));
});

test("a damaged store is set aside, and so is a log whose store is gone", (t) => {
  const file = backup(t);
  for (const name of ["bridge.db", "bridge.db-wal"]) {
    const dir = temporaryDir(t);
    fs.writeFileSync(path.join(dir, name), "nonsense".repeat(500));
    const { set_aside: aside } = restoreBackup(dir, file);
    assert.equal(fs.readFileSync(`${aside}${name.slice("bridge.db".length)}`, "utf8"), "nonsense".repeat(500));
    filled(dir, (store) => assert.equal(store.logins.current()?.creds, LINKED));
  }
});

test("while a bridge holds the auth dir nothing is restored", async (t) => {
  const file = backup(t);
  const dir = temporaryDir(t);
  const running = startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson"], NOWHERE);
  await running.named("listening");
  const { code, last } = runOnce(["--restore", file, "--auth-dir", dir]);
  assert.deepEqual([code, last.code], [3, "store_locked"]);
  assert.equal(running.child.exitCode, null);
  assert.deepEqual(fs.readdirSync(dir).filter((name) => name.includes("restore")), []);
});

/** @type {[string, (file: string) => void, RegExp][]} */
const UNFIT = [
  ["is not there", (file) => fs.rmSync(file), /no such file/],
  ["is a directory", (file) => {
    fs.rmSync(file);
    fs.mkdirSync(file);
  }, /it is no file/],
  ["is cut off", (file) => fs.truncateSync(file, 20_000), /damaged/],
  ["is empty", (file) => fs.truncateSync(file, 0), /holds no tables of the bridge/],
  ["is something else", (file) => fs.writeFileSync(file, "no database ".repeat(1000)), /damaged/],
  ["is somebody else's database", (file) => {
    fs.rmSync(file);
    withTables(file, (db) => db.exec("CREATE TABLE other (a)"));
  }, /holds no tables of the bridge/],
  ["comes from a newer bridge", (file) => withTables(file, (db) => db.exec("PRAGMA user_version = 99")), /newer bridge \(format 99/],
  ["is in use, with a log beside it", (file) => fs.writeFileSync(`${file}-wal`, "log"), /-wal file lies beside it/],
  ["has an index that does not fit", (file) => withTables(file, (db) => {
    db.exec("PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'state = ''current''', 'state = ''aside''') WHERE name = 'one_current_login'");
  }), /integrity check fails/],
];

for (const [name, spoil, words] of UNFIT) {
  test(`a backup that ${name} is refused, and nothing is changed`, (t) => {
    const file = backup(t);
    const dir = temporaryDir(t);
    filled(dir, () => undefined);
    spoil(file);
    refuses(dir, file, "restore_refused", words);
  });
}

test("a restore on a disk that is full leaves the store as it was", (t) => {
  const disk = tinyDisk(t, 1024);
  if (disk === null) return;
  const file = backup(t);
  filled(disk, () => undefined);
  const { bavail, bsize } = fs.statfsSync(disk);
  fs.writeFileSync(path.join(disk, "ballast"), Buffer.alloc(bavail * bsize - fs.statSync(file).size / 2));
  refuses(disk, file, "restore_failed", /the disk is full/);
});

test("a restore that was cut short is not taken for an empty directory, and can be done again", (t) => {
  const file = backup(t);
  const dir = temporaryDir(t);
  fs.copyFileSync(file, path.join(dir, "bridge.db.restored"));
  const started = runOnce(["--port", "0", "--auth-dir", dir], { env: NOWHERE });
  assert.deepEqual([started.code, started.last.code], [3, "store_damaged"]);
  assert.match(started.last.message, /a restore was cut short/);
  assert.ok(!fs.existsSync(path.join(dir, "bridge.db")));
  restoreBackup(dir, file);
  filled(dir, (store) => assert.equal(store.logins.current()?.creds, LINKED));
});

test("a flag without a file, or both at once, is wrong usage", (t) => {
  const dir = temporaryDir(t);
  for (const args of [["--backup", ""], ["--restore"], ["--backup", "a", "--restore", "b"], ["--restore", "~ana/b.db"]]) {
    const { code, last } = runOnce([...args, "--auth-dir", path.join(dir, "auth")]);
    assert.deepEqual([code, last.code], [2, "usage"], args.join(" "));
  }
  assert.deepEqual(fs.readdirSync(dir), []);
});
