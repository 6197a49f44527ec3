// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { operated } from "./support/admin.mjs";
import { inbound } from "./support/bridge.mjs";
import { ordinaryUser, runOnce, tinyDisk } from "./support/disks.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { startBridge } from "./support/process.mjs";
import { withTables } from "./support/tables.mjs";

const NOWHERE = { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" };

/** @param {string} file */
const messageIds = (file) => withTables(file, (db) => db.prepare("SELECT message_id FROM inbox ORDER BY seq").all().map((row) => /** @type {any} */ (row).message_id));

test("a backup beside a running bridge holds everything so far, for nobody else to read", async (t) => {
  const { inbox, post, events } = await operated(t);
  const to = temporaryDir(t);
  const file = path.join(to, "one.db");
  inbox.accept(inbound("A1", "x".repeat(100_000)));
  const { status, body } = await post("backup", { file });
  inbox.accept(inbound("A2"));
  assert.equal(status, 200);
  assert.deepEqual(body, { ok: true, file, bytes: fs.statSync(file).size });
  assert.deepEqual(events.filter(({ event }) => event === "backed_up"), [{ event: "backed_up", file, bytes: body.bytes }]);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(fs.readdirSync(to), ["one.db"]);
  assert.deepEqual(messageIds(file), ["A1"]);
});

/** @type {[string, (to: string, authDir: string) => unknown, RegExp][]} */
const REFUSED = [
  ["is relative", () => "backup.db", /no absolute path/],
  ["is no text", () => 5, /file must be a text/],
  ["has a NUL in it", (to) => `${to}/a\0b`, /no absolute path/],
  ["is taken", (to) => path.join(to, "taken.db"), /never replaces anything/],
  ["is a link that leads nowhere", (to) => path.join(to, "link.db"), /never replaces anything/],
  ["is a directory", (to) => to, /never replaces anything/],
  ["has no directory", (to) => path.join(to, "no", "b.db"), /there is no directory/],
  ["has a file for a directory", (to) => path.join(to, "taken.db", "b.db"), /there is no directory/],
  ["lies in the auth dir", (_, authDir) => path.join(authDir, "creds.json"), /in the auth dir/],
];

test("a place that cannot be meant is refused, and nothing is changed there", async (t) => {
  const { post, dir, events } = await operated(t);
  const to = temporaryDir(t);
  fs.writeFileSync(path.join(to, "taken.db"), "mine");
  fs.symlinkSync(path.join(to, "nowhere"), path.join(to, "link.db"));
  const before = [fs.readdirSync(to), fs.readdirSync(dir)];
  for (const [name, place, words] of REFUSED) {
    const { status, body } = await post("backup", { file: place(to, dir) });
    assert.deepEqual([status, body.code], [400, "bad_request"], name);
    assert.match(body.error, words, name);
  }
  assert.deepEqual([fs.readdirSync(to), fs.readdirSync(dir)], before);
  assert.equal(fs.readFileSync(path.join(to, "taken.db"), "utf8"), "mine");
  assert.deepEqual(events, []);
});

test("a backup on a disk that is full leaves nothing there, and the bridge goes on", async (t) => {
  const disk = tinyDisk(t, 64);
  if (disk === null) return;
  const { inbox, post, get } = await operated(t);
  inbox.accept(inbound("A1", "x".repeat(200_000)));
  const { status, body } = await post("backup", { file: path.join(disk, "b.db") });
  assert.deepEqual([status, body.code, body.retryable], [503, "store_unavailable", true]);
  assert.match(body.error, /the disk is full .*Nothing was left there\. What to do: free some space/);
  assert.deepEqual(fs.readdirSync(disk), []);
  assert.equal((await get("status")).body.queue.waiting, 1);
});

/** @param {import("node:test").TestContext} t a store with one message, and where a backup may go */
async function stopped(t) {
  const dir = temporaryDir(t);
  const running = startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson"], NOWHERE);
  await running.named("listening");
  running.child.kill("SIGTERM");
  assert.equal(await running.ended, 0);
  return { dir, to: temporaryDir(t) };
}

test("a backup where nobody may write is refused with its reason", async (t) => {
  const { dir, to } = await stopped(t);
  const user = ordinaryUser(t, [dir, to]);
  if (user === null) return;
  fs.chmodSync(to, 0o500);
  const { code, last } = runOnce(["--backup", path.join(to, "b.db"), "--auth-dir", dir], user);
  assert.deepEqual([code, last.event, last.code], [3, "fatal", "backup_failed"]);
  assert.match(last.message, /cannot be written to \(EACCES\)/);
  assert.ok(last.hint);
  assert.deepEqual(fs.readdirSync(to), []);
});

test("without a bridge the backup is made from the command line, and then no more", async (t) => {
  const { dir, to } = await stopped(t);
  const file = path.join(to, "b.db");
  const made = runOnce(["--backup", file, "--auth-dir", dir]);
  assert.equal(made.code, 0, made.output);
  assert.deepEqual(made.events.map(({ event, file: named, bytes }) => [event, named, bytes]), [["backed_up", file, fs.statSync(file).size]]);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.ok(!fs.existsSync(path.join(dir, "bridge.lock")), "the lock is given back");
  const before = fs.readFileSync(file);
  const again = runOnce(["--backup", file, "--auth-dir", dir]);
  assert.deepEqual([again.code, again.last.code], [2, "backup_refused"]);
  assert.deepEqual(fs.readFileSync(file), before);
});

test("the command line's backup keeps out of the way of a running bridge, and makes no store", async (t) => {
  const dir = temporaryDir(t);
  const file = path.join(temporaryDir(t), "b.db");
  const empty = runOnce(["--backup", file, "--auth-dir", path.join(dir, "none")]);
  assert.deepEqual([empty.code, empty.last.code], [2, "backup_refused"]);
  assert.deepEqual(fs.readdirSync(dir), []);
  const running = startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson"], NOWHERE);
  await running.named("listening");
  const locked = runOnce(["--backup", file, "--auth-dir", dir]);
  assert.deepEqual([locked.code, locked.last.code], [3, "store_locked"]);
  assert.ok(!fs.existsSync(file));
});
