// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import Sqlite from "libsql";
import { loadAuth } from "../src/auth-state.mjs";
import { keepHouse } from "../src/housekeeping.mjs";
import { openStore } from "../src/store/store.mjs";
import { ordinaryUser, runOnce, tinyDisk } from "./support/disks.mjs";
import { fixture, temporaryDir } from "./support/fixtures.mjs";
import { startBridge } from "./support/process.mjs";
import { withTables } from "./support/tables.mjs";

const NOWHERE = { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" };

/** @param {string} code run in the bridge's process before the bridge itself */
const before = (code) => ({ ...NOWHERE, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` });

/** Each connection of the process may not make its file larger than it is: SQLite says that the disk is full. */
const FULL = before(`
  import { createRequire } from "node:module";
  const Sqlite = createRequire(process.argv[1])("libsql");
  const exec = Sqlite.prototype.exec;
  Sqlite.prototype.exec = function (sql) {
    const result = exec.call(this, sql);
    if (sql.includes("journal_mode = WAL")) exec.call(this, "PRAGMA max_page_count = 1");
    return result;
  };
`);

/**
 * @param {import("node:test").TestContext} t
 * @param {string} limit a PRAGMA for the store's own connection
 */
function limited(t, limit) {
  const exec = Sqlite.prototype.exec;
  /** @type {import("libsql").Database[]} */
  const opened = [];
  Sqlite.prototype.exec = function (/** @type {string} */ sql) {
    opened.push(this);
    return exec.call(this, sql);
  };
  const dir = temporaryDir(t);
  const store = openStore(dir);
  Sqlite.prototype.exec = exec;
  t.after(() => store.close());
  const connection = opened.at(-1);
  assert.ok(connection);
  return { store, dir, limit: () => connection.exec(limit) };
}

for (const [name, pragma, code] of /** @type {[string, string, string][]} */ ([
  ["is full", "PRAGMA max_page_count = 1", "SQLITE_FULL"],
  ["became read-only", "PRAGMA query_only = ON", "SQLITE_READONLY"],
])) {
  test(`keys that a store that ${name} does not take end the process before WhatsApp is answered`, async (t) => {
    const { store, dir, limit } = limited(t, pragma);
    /** @type {any[]} */
    const deaths = [];
    const { state } = loadAuth(store, (error) => {
      deaths.push(error);
      throw error;
    });
    await state.keys.set({ "sender-key-memory": { g: { before: true } } });
    limit();
    const large = Object.fromEntries(Array.from({ length: 812 }, (_, number) => [`g${number}`, { ["x".repeat(300)]: true }]));
    assert.throws(() => state.keys.set({ "sender-key-memory": large }), { code });
    assert.deepEqual(deaths.map((error) => error.code), [code]);
    const kept = withTables(dir, (db) => db.prepare("SELECT id FROM signal_keys").all());
    assert.deepEqual(kept, [{ id: "g" }], "what was kept before is there, and none of the rest");
  });
}

test("a full store refuses a request by its name, keeps the process, and keeps what it has", async (t) => {
  const dir = temporaryDir(t);
  const running = startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson"], FULL);
  const { url } = await running.named("listening");
  const { body } = fixture("wire/stock-request-receive_batch.json");
  const ask = async (/** @type {string[]} */ list) => {
    body.payload.wait_ms = 0;
    body.payload.runtime_context.account.config.allowed_chat_ids = list;
    const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return { status: answer.status, payload: /** @type {any} */ (await answer.json()).payload };
  };
  assert.equal((await ask(["+15551234567"])).status, 200);
  const { status, payload } = await ask(Array.from({ length: 5_000 }, (_, number) => `+1555123${String(number).padStart(4, "0")}`));
  assert.deepEqual([status, payload.code, payload.retryable], [503, "store_unavailable", true]);
  assert.match(payload.error, /SQLITE_FULL/);
  assert.equal((await ask(["+15551234567"])).status, 200, "what fits is still taken");
  running.child.kill("SIGTERM");
  assert.equal(await running.ended, 0);
  withTables(dir, (db) => assert.deepEqual(db.prepare("SELECT value FROM settings WHERE name = 'allowed_chat_ids'").all(), [{ value: '["+15551234567"]' }]));
});

test("a full store ends a start with what to do, and nothing in it is changed", (t) => {
  const dir = temporaryDir(t);
  openStore(dir).close();
  // The page of the logins is full, so a new one has no room.
  withTables(dir, (db) => db.prepare("INSERT INTO logins (state, creds, created_at) VALUES ('aside', ?, 1)").run("x".repeat(3_900)));
  const { code, last } = runOnce(["--port", "0", "--auth-dir", dir], { env: FULL });
  assert.deepEqual([code, last.event, last.code], [3, "fatal", "store_failed"]);
  assert.match(last.message, /SQLITE_FULL/);
  assert.match(last.hint, /free space/);
  withTables(dir, (db) => assert.deepEqual(db.prepare("SELECT state FROM logins").all(), [{ state: "aside" }]));
});

for (const [event, name, make] of /** @type {[string, string, string][]} */ ([
  ["unhandledRejection", "a promise that nobody hears", "Promise.reject(error)"],
  ["uncaughtException", "an event that nobody guards", "(() => { throw error })()"],
])) {
  test(`a store that fails in ${name} ends the process as a store that fails`, (t) => {
    const env = before(`
      const on = process.on;
      process.on = function (name, listener) {
        on.call(this, name, listener);
        const error = Object.assign(new Error("a secret"), { code: "SQLITE_IOERR" });
        if (name === ${JSON.stringify(event)}) setImmediate(() => ${make});
        return this;
      };
    `);
    const { code, last, output } = runOnce(["--port", "0", "--auth-dir", temporaryDir(t)], { env });
    assert.deepEqual([code, last.event, last.code], [3, "fatal", "store_failed"], output);
    assert.ok(!output.includes("secret"));
  });
}

test("a disk without room for a store is said to be full, and nothing is left on it", (t) => {
  const disk = tinyDisk(t, 24);
  if (disk === null) return;
  const { code, last } = runOnce(["--port", "0", "--auth-dir", disk], { env: NOWHERE });
  assert.deepEqual([code, last.code], [3, "store_failed"]);
  assert.match(`${last.message} ${last.hint}`, /SQLITE_FULL|ENOSPC|SQLITE_IOERR.*free space/);
  assert.deepEqual(fs.readdirSync(disk), []);
});

test("a disk without room for the lock is named, and nothing is left on it", (t) => {
  const disk = tinyDisk(t, 4);
  if (disk === null) return;
  fs.writeFileSync(path.join(disk, "ballast"), Buffer.alloc(4096));
  const { code, last } = runOnce(["--port", "0", "--auth-dir", disk], { env: NOWHERE });
  assert.deepEqual([code, last.code], [3, "auth_dir_unusable"]);
  assert.match(last.message, /bridge\.lock cannot be written \(ENOSPC\)/);
  assert.deepEqual(fs.readdirSync(disk), ["ballast"]);
});

test("a directory that cannot be written to ends the start, and the store is as it was", (t) => {
  const dir = temporaryDir(t);
  openStore(dir).close();
  const user = ordinaryUser(t, [dir]);
  if (user === null) return;
  fs.chmodSync(dir, 0o500);
  readOnly(dir, user, "auth_dir_unusable");
});

test("a store that belongs to somebody else ends the start, and is as it was", (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root can make a file that belongs to somebody else, so one is not tried");
  const dir = temporaryDir(t);
  const user = ordinaryUser(t, [dir]);
  if (user === null) return;
  openStore(dir).close();
  readOnly(dir, user, "auth_dir_foreign");
});

/**
 * @param {string} dir
 * @param {{ uid?: number }} user
 * @param {string} code
 */
function readOnly(dir, user, code) {
  const file = path.join(dir, "bridge.db");
  const kept = fs.readFileSync(file).toString("base64");
  const { code: status, last } = runOnce(["--port", "0", "--auth-dir", dir], { ...user, env: NOWHERE });
  assert.deepEqual([status, last.event, last.code], [3, "fatal", code]);
  assert.ok(last.hint);
  assert.ok(fs.readFileSync(file).toString("base64") === kept, "the store has changed");
}

test("housekeeping comes round until it is ended, and a failure of it is told, no more", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let rounds = 0;
  const forget = () => {
    rounds += 1;
    if (rounds === 2) throw Object.assign(new Error("a secret"), { code: "SQLITE_FULL" });
  };
  /** @type {any[]} */
  const told = [];
  const end = keepHouse(forget, (event, fields) => told.push({ event, ...fields }), 5);
  assert.equal(rounds, 1, "at once");
  t.mock.timers.tick(10);
  assert.equal(rounds, 3, "also after one that failed");
  end();
  assert.deepEqual(told.map(({ event, code }) => [event, code]), [["warning", "purge_failed"]]);
  assert.ok(told[0].message.includes("SQLITE_FULL") && !told[0].message.includes("secret"));
  t.mock.timers.tick(100);
  assert.equal(rounds, 3, "its end is the end");
});
