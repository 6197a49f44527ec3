// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import Database from "libsql";
import { loadAuth } from "../src/auth-state.mjs";
import { FatalError } from "../src/errors.mjs";
import { Pause } from "../src/pause.mjs";
import { openStore } from "../src/store/store.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { withTables } from "./support/tables.mjs";

/**
 * @param {() => unknown} work
 * @param {string} code
 * @param {RegExp} [words]
 */
function refuses(work, code, words = /./) {
  assert.throws(work, (error) => error instanceof FatalError && error.code === code && error.exitCode === 3 && words.test(error.message) && error.hint !== "");
}

/** @param {string} dir */
function filled(dir) {
  const store = openStore(dir);
  const login = store.logins.add('{"me":1}');
  store.logins.changeKeys(login, { session: Object.fromEntries(Array.from({ length: 200 }, (_, number) => [`s${number}`, "x".repeat(500)])) });
  store.close();
  // What SQLite still holds in its log must be in the file before a test damages the file.
  const db = new Database(path.join(dir, "bridge.db"));
  db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  db.close();
  for (const end of ["-wal", "-shm"]) fs.rmSync(path.join(dir, `bridge.db${end}`), { force: true });
  return path.join(dir, "bridge.db");
}

test("a new store has no login, and nothing but private files", (t) => {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  t.after(() => store.close());
  assert.equal(store.logins.current(), null);
  assert.deepEqual(fs.readdirSync(dir).filter((name) => !name.startsWith("bridge.db")), []);
  for (const name of fs.readdirSync(dir)) assert.equal(fs.statSync(path.join(dir, name)).mode & 0o777, 0o600, name);
});

test("files that others could read are made private", (t) => {
  const dir = temporaryDir(t);
  const file = filled(dir);
  fs.chmodSync(file, 0o644);
  openStore(dir).close();
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
});

test("what was written is there after opening again", (t) => {
  const dir = temporaryDir(t);
  filled(dir);
  const store = openStore(dir);
  t.after(() => store.close());
  const login = store.logins.current();
  assert.equal(login?.creds, '{"me":1}');
  assert.equal(store.logins.key(login?.id ?? 0, "session", "s199"), "x".repeat(500));
});

test("a change of keys is whole or not at all", (t) => {
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  const login = store.logins.add("{}");
  store.logins.changeKeys(login, { session: { a: "old" } });
  const broken = { session: { a: "new", b: "new" }, "pre-key": { 1: /** @type {any} */ ({ no: "text" }) } };
  assert.throws(() => store.logins.changeKeys(login, broken));
  assert.equal(store.logins.key(login, "session", "a"), "old");
  assert.equal(store.logins.key(login, "session", "b"), null);
  store.logins.changeKeys(login, { session: { a: null }, "pre-key": { 1: "k" } });
  assert.equal(store.logins.key(login, "session", "a"), null);
  assert.equal(store.logins.key(login, "pre-key", "1"), "k");
});

test("a login that was set aside is kept, with its keys, and no longer current", (t) => {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  const first = store.logins.add('{"n":1}');
  store.logins.changeKeys(first, { session: { a: "kept" } });
  store.logins.setAside("logged_out");
  assert.equal(store.logins.current(), null);
  const second = store.logins.add('{"n":2}');
  assert.equal(store.logins.key(second, "session", "a"), null);
  assert.equal(store.logins.key(first, "session", "a"), "kept");
  store.close();
  const db = new Database(path.join(dir, "bridge.db"));
  t.after(() => db.close());
  assert.deepEqual(
    db.prepare("SELECT state, creds, ended_because FROM logins ORDER BY id").all(),
    [
      { state: "aside", creds: '{"n":1}', ended_because: "logged_out" },
      { state: "current", creds: '{"n":2}', ended_because: null },
    ],
  );
});

/** @type {[string, (file: string) => void][]} */
const DAMAGES = [
  ["is cut off", (file) => fs.truncateSync(file, 20_000)],
  ["is empty", (file) => fs.truncateSync(file, 0)],
  ["holds something else", (file) => fs.writeFileSync(file, "no database ".repeat(1000))],
  ["has a page of nonsense", (file) => {
    const bytes = fs.readFileSync(file);
    bytes.fill(0x55, 4096, 40_960);
    fs.writeFileSync(file, bytes);
  }],
  ["is a database of somebody else", (file) => {
    fs.rmSync(file);
    const db = new Database(file);
    db.exec("CREATE TABLE other (a)");
    db.close();
  }],
  ["is gone, but its log is there", (file) => {
    fs.renameSync(file, `${file}-wal`);
  }],
  ["has keys, but its login is gone", (file) => {
    const db = new Database(file);
    db.exec("PRAGMA foreign_keys = OFF; DELETE FROM logins");
    db.close();
  }],
];

for (const [name, damage] of DAMAGES) {
  test(`a store that ${name} is refused, and left as it is`, (t) => {
    const dir = temporaryDir(t);
    const file = filled(dir);
    damage(file);
    const before = fs.existsSync(file) ? fs.readFileSync(file) : null;
    refuses(() => openStore(dir), "store_damaged", /no new login was made/);
    refuses(() => openStore(dir), "store_damaged");
    const after = fs.existsSync(file) ? fs.readFileSync(file) : null;
    assert.deepEqual(after, before);
  });
}

test("a store of a newer bridge is refused", (t) => {
  const dir = temporaryDir(t);
  const db = new Database(filled(dir));
  db.exec("PRAGMA user_version = 99");
  db.close();
  refuses(() => openStore(dir), "store_version", /format 99/);
});

test("a creation that was cut short is begun anew", (t) => {
  const dir = temporaryDir(t);
  fs.writeFileSync(path.join(dir, "bridge.db.new"), "half");
  openStore(dir).close();
  assert.ok(fs.existsSync(path.join(dir, "bridge.db")));
});

test("a number and its LID are remembered, and a LID that changes hands follows the last word", (t) => {
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  store.chats.rememberAlias("123456789012345", "15551234567");
  store.chats.rememberAlias("123456789012345", "15551234567");
  assert.equal(store.chats.phoneOf("123456789012345"), "15551234567");
  assert.equal(store.chats.lidOf("15551234567"), "123456789012345");
  store.chats.rememberAlias("123456789012345", "15557654321");
  assert.equal(store.chats.phoneOf("123456789012345"), "15557654321");
  assert.equal(store.chats.phoneOf("999"), null);
});

for (const { name, table = "settings", damage, words } of [
  { name: "a text that is no Unicode", damage: "INSERT INTO settings VALUES ('a', CAST(x'ff41' AS TEXT))", words: /the column value of the table settings holds a text that is no Unicode/ },
  { name: "bytes where a text belongs", damage: "INSERT INTO settings VALUES ('a', x'ff41')", words: /the column value of the table settings holds a value of another kind/ },
  { name: "a number that no program can hold", table: "refused_chats", damage: "INSERT INTO refused_chats (chat, count, last_at) VALUES ('a', 9223372036854775807, 1)", words: /the column count of the table refused_chats/ },
  { name: "a text where a number belongs", table: "refused_chats", damage: "INSERT INTO refused_chats (chat, count, last_at) VALUES ('a', 'many', 1)", words: /the column count of the table refused_chats/ },
]) {
  test(`a store with ${name} is refused with words, and stays as it is`, (t) => {
    const dir = temporaryDir(t);
    const file = filled(dir);
    withTables(file, (db) => db.exec(damage));
    refuses(() => openStore(dir), "store_damaged", words);
    assert.deepEqual(withTables(file, (db) => db.prepare(`SELECT COUNT(*) FROM ${table}`).raw().get()), [1]);
  });
}

test("what the bridge remembers and cannot read is not taken for nothing", (t) => {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  t.after(() => store.close());
  store.settings.save("paused", '{"since":');
  refuses(() => new Pause(store, () => undefined), "store_damaged", /remembers as paused/);
});

test("a key that cannot be read ends the process with words, and no other key is put in its place", async (t) => {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  t.after(() => store.close());
  const { state, login } = loadAuth(store, (error) => { throw error; });
  store.logins.changeKeys(login, { session: { ana: '{"half' } });
  refuses(() => state.keys.get("session", ["ana"]), "store_damaged", /a key of the kind session/);
  assert.equal(store.logins.key(login, "session", "ana"), '{"half');
});
