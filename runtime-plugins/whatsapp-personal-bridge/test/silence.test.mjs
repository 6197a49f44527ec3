// @ts-check
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { createEmitter } from "../src/events.mjs";

/** @param {string} body run after the silence, in a process of its own */
function silenced(body) {
  const url = (/** @type {string} */ name) => JSON.stringify(new URL(`../src/${name}.mjs`, import.meta.url).href);
  const program = `
    const { silence, catchUncaught, writeNow } = await import(${url("silence")});
    silence();
    catchUncaught({
      crash: (name) => { writeNow(1, "crash " + name); process.exit(7); },
      stray: (name) => writeNow(1, "stray " + name),
    });
    ${body}`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8", cwd: new URL("..", import.meta.url) });
  return { stdout, stderr, status };
}

test("nothing that a library prints comes out", () => {
  const said = silenced(`
    console.log("secret"); console.info("secret"); console.error("secret"); console.table([{ secret: 1 }]);
    process.stdout.write("secret"); process.stderr.write("secret", "utf8");
    await new Promise((resolve) => process.stdout.write("secret", resolve));
    process.emitWarning("secret");
    const { pino } = await import("pino").then((module) => ({ pino: module.default }));
    pino().info("secret");
    await new Promise((resolve) => setImmediate(resolve));
    writeNow(1, "ours");
  `);
  assert.deepEqual(said, { stdout: "ours", stderr: "", status: 0 });
});

test("libsignal prints a closed session with its private keys, and nobody sees it", () => {
  const said = silenced(`
    const { default: SessionRecord } = await import("libsignal/src/session_record.js");
    const record = new SessionRecord();
    const entry = SessionRecord.createEntry();
    entry.indexInfo = { baseKey: Buffer.from("secret"), closed: -1 };
    entry.currentRatchet = { ephemeralKeyPair: { privKey: "secret" } };
    record.closeSession(entry);
    writeNow(1, String(entry.indexInfo.closed > 0));
  `);
  assert.deepEqual(said, { stdout: "true", stderr: "", status: 0 });
});

test("an uncaught error ends the process by its name alone", () => {
  const said = silenced('setTimeout(() => { throw Object.assign(new RangeError("secret"), { code: "E_X", key: "secret" }); });');
  assert.deepEqual(said, { stdout: "crash RangeError E_X", stderr: "", status: 7 });
});

test("a promise that fails unheard is named, and the process goes on", () => {
  const said = silenced('Promise.reject({ secret: "secret" }); setImmediate(() => writeNow(1, ", on"));');
  assert.deepEqual(said, { stdout: "stray object, on", stderr: "", status: 0 });
});

test("a reader who has gone does not end the bridge", () => {
  const said = silenced('writeNow(57, "lost"); writeNow(1, "on");');
  assert.deepEqual(said, { stdout: "on", stderr: "", status: 0 });
});

test("an event is one line of JSON", () => {
  /** @type {string[]} */
  const lines = [];
  createEmitter("ndjson", (text) => lines.push(text))("warning", { code: "a", message: "two\nlines" });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^[^\n]*\n$/);
  const { at, ...event } = JSON.parse(lines[0] ?? "");
  assert.ok(at > 0);
  assert.deepEqual(event, { event: "warning", code: "a", message: "two\nlines" });
});

test("a QR is drawn within 80 columns, and its payload is not written out", () => {
  let drawn = "";
  const payload = `https://wa.me/settings/linked_devices#2@${"A".repeat(40)},${"B".repeat(44)},${"C".repeat(44)},${"D".repeat(44)},1`;
  createEmitter("human", (text) => (drawn += text))("qr", { qr: payload, expires_in_ms: 60_000, number: 1, round: 1 });
  assert.ok(drawn.includes("█") && drawn.includes("60 s"));
  assert.ok(drawn.split("\n").every((line) => [...line].length <= 80));
  assert.ok(!drawn.includes("AAAA"));
});

test("every event that a person should know of is a sentence", () => {
  /** @type {string[]} */
  const said = [];
  const emit = createEmitter("human", (text) => said.push(text));
  emit("connected", { phone: "+15550001000", name: "Olga", jid: "", lid: null });
  emit("message_in", { chat: "contact …4567", cursor: "c1", kind: "text", group: false });
  emit("message_refused", { chat: "contact …4567", reason: "not_in_allowlist" });
  emit("message_withheld", { chat: "contact …4567", cursor: null, reason: "not_in_allowlist" });
  for (const cap of ["messages_per_minute", "new_chats_per_day"]) emit("cap_reached", { cap });
  emit("message_out", { chat: "contact …4567", cursor: null, status: "sent", after_ms: 20 });
  emit("message_dead", { chat: "contact …4567", cursor: "c1", attempts: 6, reason: "busy" });
  emit("imported", { from: "/old" });
  emit("state", { state: "reconnecting", message: "The connection is lost.", retry_in_ms: 1_500 });
  emit("something new", {});
  assert.equal(said.length, 10);
  assert.equal(said[9], "The connection is lost. Next try in 2 s.\n");
});
