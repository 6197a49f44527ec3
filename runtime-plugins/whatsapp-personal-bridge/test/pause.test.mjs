// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEmitter } from "../src/events.mjs";
import { Pause } from "../src/pause.mjs";
import { openStore } from "../src/store/store.mjs";
import { operated } from "./support/admin.mjs";
import { parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { startBridge } from "./support/process.mjs";

const NOWHERE = { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" };

/** @param {{ event: string }[]} events */
const names = (events) => events.map(({ event }) => event);

test("the operator pauses and goes on, and each is told once", async (t) => {
  const { pause, post, get, events } = await operated(t);
  let changes = 0;
  pause.onChange(() => (changes += 1));

  const first = await post("pause", undefined);
  assert.equal(first.status, 200);
  assert.equal(first.body.paused.by, "operator");
  assert.equal(typeof first.body.paused.since, "number");
  assert.deepEqual((await post("pause", {})).body, first.body, "once more changes nothing");
  assert.deepEqual((await get("status")).body.paused, first.body.paused);
  assert.equal(pause.active, true);
  assert.equal(pause.since, first.body.paused.since);

  assert.deepEqual((await post("unpause", {})).body, { ok: true, paused: null });
  assert.deepEqual((await post("unpause", {})).body, { ok: true, paused: null });
  assert.equal((await get("status")).body.paused, null);
  assert.deepEqual([pause.active, pause.since, changes], [false, null, 2]);
  assert.deepEqual(names(events), ["paused", "resumed"]);
  assert.deepEqual(events.at(-1), { event: "resumed", by: "operator" });
});

test("the owner pauses with a message to themselves, however it is written", (t) => {
  const { pause, events } = parts(t);
  for (const [text, heard, active] of /** @type {[string, boolean, boolean][]} */ ([
    ["pause", false, false],
    ["!pause please", false, false],
    ["", false, false],
    [" !Pause\n", true, true],
    ["resume", false, true],
    ["!pause", true, true],
    ["!RESUME ", true, false],
    ["!resume", true, false],
  ])) {
    assert.deepEqual([pause.hear(text), pause.active], [heard, active], JSON.stringify(text));
  }
  assert.deepEqual(events.map(({ event, by }) => [event, by]), [["paused", "owner"], ["resumed", "owner"]]);
});

test("a pause is on disk before anybody hears of it, and outlives the process", (t) => {
  const dir = temporaryDir(t);
  const { pause, store } = parts(t, { dir });
  pause.onChange(() => assert.equal(new Pause(store, () => undefined).active, true));
  pause.pause("owner");
  const again = openStore(dir);
  t.after(() => again.close());
  /** @type {unknown[]} */
  const told = [];
  const later = new Pause(again, (event, fields) => told.push([event, fields]));
  later.tell();
  assert.deepEqual(later.state, pause.state);
  assert.deepEqual(told, [["paused", { since: pause.since, by: "owner" }]]);
});

test("a pause that cannot be written is no pause", (t) => {
  const { pause, store, events } = parts(t);
  store.settings.save = () => {
    throw Object.assign(new Error("full"), { code: "SQLITE_FULL" });
  };
  assert.throws(() => pause.pause("operator"), { code: "SQLITE_FULL" });
  assert.equal(pause.active, false);
  assert.deepEqual(events, []);
});

test("a bridge that was paused says so when it starts again", async (t) => {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  new Pause(store, () => undefined).pause("owner");
  store.close();
  const running = startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson", "--control", "stdin"], NOWHERE);
  running.say({ command: "start" });
  await running.named("listening");
  const told = running.events.filter(({ event }) => event === "paused");
  assert.deepEqual(told.map(({ by, since }) => [by, typeof since]), [["owner", "number"]]);
  running.say({ command: "stop" });
  assert.equal(await running.ended, 0);
});

test("a person reads how a pause ends", () => {
  let said = "";
  const emit = createEmitter("human", (text) => (said += text));
  emit("paused", { by: "operator", since: 0 });
  emit("paused", { by: "owner", since: 0 });
  emit("resumed", { by: "owner" });
  assert.match(said, /`loong whatsapp-personal resume` ends it[\s\S]*Write !resume to yourself[\s\S]*No longer paused/);
});
