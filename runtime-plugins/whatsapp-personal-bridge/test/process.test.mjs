// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { dial } from "./support/endpoint.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { startBridge } from "./support/process.mjs";

/** A port of loopback where nothing answers as WhatsApp. */
const NOWHERE = { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" };
const START = { command: "start", settings: { allowed_chat_ids: ["*"] } };

/**
 * @param {import("node:test").TestContext} t
 * @param {string} dir
 * @param {string[]} [more]
 */
function bridge(t, dir, more = []) {
  return startBridge(t, ["--port", "0", "--auth-dir", dir, "--events", "ndjson", "--control", "stdin", ...more], NOWHERE);
}

test("the endpoint answers before WhatsApp does, and a stop ends it cleanly", async (t) => {
  const dir = path.join(temporaryDir(t), "auth");
  const running = bridge(t, dir);
  running.say(START);
  const { url, pid } = await running.named("listening");
  assert.equal(pid, running.child.pid);
  await running.event(({ state }) => state === "reconnecting", "state reconnecting");
  const health = /** @type {any} */ (await (await fetch(`${url}/health`)).json());
  assert.equal(health.ok, true);
  assert.deepEqual(running.events.slice(0, 2).map(({ code }) => code), ["open_bridge", "web_url_replaced"]);
  assert.equal(fs.statSync(dir).mode & 0o777, 0o700);
  assert.ok(fs.existsSync(path.join(dir, "bridge.lock")));

  running.say({ command: "dance" });
  await running.event(({ code }) => code === "unknown_command", "warning");
  running.say({ command: "stop" });
  running.child.stdin.end();
  assert.equal(await running.ended, 0);
  assert.equal(running.events.at(-1).event, "stopped");
  assert.equal(running.errors(), "");
  assert.ok(!fs.existsSync(path.join(dir, "bridge.lock")));
  for (const event of running.events) assert.ok(Number.isInteger(event.at) && typeof event.event === "string");
});

test("a stop answers who is waiting for messages", async (t) => {
  const running = bridge(t, temporaryDir(t));
  running.say(START);
  const { url } = await running.named("listening");
  const account = { configured_account_id: "default", account_id: "a", config: { allowed_chat_ids: ["*"] } };
  const body = { method: "tools/call", id: "1", operation: "receive_batch", payload: { wait_ms: 60_000, runtime_context: { account } } };
  const request = http.request(url, { method: "POST", headers: { "content-type": "application/json" } });
  const answered = new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => response.on("data", resolve));
  });
  request.end(JSON.stringify(body));
  // The request has arrived once a later one on another connection is answered.
  await fetch(`${url}/health`);
  running.child.kill("SIGTERM");
  assert.deepEqual(JSON.parse(String(await answered)).payload, { messages: [] });
  assert.equal(await running.ended, 0);
});

test("the bridge ends with its parent", async (t) => {
  const running = bridge(t, temporaryDir(t));
  running.say(START);
  await running.named("listening");
  running.child.stdin.end();
  assert.equal(await running.ended, 0);
  assert.equal(running.events.at(-1).event, "stopped");
});

test("a terminal that is closed ends the bridge as cleanly as a stop", async (t) => {
  const running = bridge(t, temporaryDir(t));
  running.say(START);
  await running.named("listening");
  running.child.kill("SIGHUP");
  assert.equal(await running.ended, 0);
  assert.equal(running.events.at(-1).event, "stopped");
});

test("before the start command nothing is done", async (t) => {
  const dir = path.join(temporaryDir(t), "auth");
  const running = bridge(t, dir);
  running.child.stdin.end();
  assert.equal(await running.ended, 0);
  assert.deepEqual(running.events.map(({ event }) => event), ["stopped"]);
  assert.ok(!fs.existsSync(dir));
});

for (const [name, code, line] of /** @type {[string, string, string][]} */ ([
  ["no JSON", "start_command", "start\n"],
  ["another command", "start_command", '{"command":"dance"}\n'],
  ["a start with a list that is none", "bad_settings", '{"command":"start","settings":{"allowed_chat_ids":"*"}}\n'],
])) {
  test(`a first line that is ${name} is refused`, async (t) => {
    const running = bridge(t, temporaryDir(t));
    running.say(line);
    assert.equal(await running.ended, 2);
    assert.equal(running.events.at(-1).code, code);
  });
}

test("a login survives a kill, and the lock of the dead does not", async (t) => {
  const dir = temporaryDir(t);
  const first = bridge(t, dir);
  first.say(START);
  await first.named("listening");
  await first.event(({ state }) => state === "reconnecting", "state reconnecting");
  first.child.kill("SIGKILL");
  await first.ended;
  const second = bridge(t, dir);
  second.say(START);
  await second.named("listening");
  const third = bridge(t, dir);
  third.say(START);
  assert.equal(await third.ended, 3);
  const fatal = third.events.at(-1);
  assert.equal(fatal.code, "store_locked");
  assert.ok(fatal.message.includes(String(second.child.pid)) && fatal.hint);
});

test("a damaged store ends the bridge, and nothing is changed", async (t) => {
  const dir = temporaryDir(t);
  fs.writeFileSync(path.join(dir, "bridge.db"), "nonsense".repeat(2000));
  const running = bridge(t, dir);
  running.say(START);
  assert.equal(await running.ended, 3);
  const fatal = running.events.at(-1);
  assert.deepEqual([fatal.event, fatal.code], ["fatal", "store_damaged"]);
  assert.equal(fs.readFileSync(path.join(dir, "bridge.db"), "utf8"), "nonsense".repeat(2000));
  assert.ok(!running.events.some(({ event }) => event === "qr"));
});

test("a port in use ends the bridge with its own status", async (t) => {
  const other = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  t.after(() => other.close());
  const address = other.address();
  assert.ok(address && typeof address === "object");
  const running = startBridge(t, ["--port", String(address.port), "--auth-dir", temporaryDir(t), "--events", "ndjson"], NOWHERE);
  assert.equal(await running.ended, 4);
  assert.equal(running.events.at(-1).code, "address_in_use");
});

test("wrong usage is an event for a program and a sentence for a person", async (t) => {
  const program = startBridge(t, ["--host", "0.0.0.0", "--events", "ndjson"]);
  assert.equal(await program.ended, 2);
  assert.equal(program.events.at(-1).code, "usage");
  const person = startBridge(t, ["--host", "0.0.0.0"]);
  assert.equal(await person.ended, 2);
  assert.match(person.output(), /^Error: --host .*\n {2}What to do: /);
});

test("what the environment says of Node makes the bridge read no more than it should", async (t) => {
  const lenient = { ...NOWHERE, NODE_OPTIONS: "--insecure-http-parser --max-http-header-size=100000" };
  const running = startBridge(t, ["--port", "0", "--auth-dir", temporaryDir(t), "--events", "ndjson"], lenient);
  const port = Number(new URL((await running.named("listening")).url).port);
  for (const [status, headers] of /** @type {[number, string][]} */ ([
    [400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"],
    [400, "Content-Length: 5\r\nContent-Length: 6\r\n"],
    [431, `X: ${"a".repeat(17_000)}\r\n`],
  ])) {
    const caller = dial(t, port);
    caller.say(`POST /bridge HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n${headers}\r\n0\r\n\r\n`);
    assert.match((await caller.closed()).text, new RegExp(`^HTTP/1\\.1 ${status} `));
  }
});

test("an address that is not loopback does not stand in for WhatsApp", async (t) => {
  const running = startBridge(t, ["--events", "ndjson"], { LOONG_WHATSAPP_WEB_URL: "ws://192.0.2.1/ws/chat" });
  assert.equal(await running.ended, 2);
  assert.equal(running.events.at(-1).code, "web_url_refused");
});

test("a person reads sentences, and Ctrl-C ends them", async (t) => {
  const running = startBridge(t, ["--port", "0", "--auth-dir", temporaryDir(t)], NOWHERE);
  await running.until(() => running.output().includes("Next try"), "sentence about the next try");
  running.child.kill("SIGINT");
  assert.equal(await running.ended, 0);
  assert.match(running.output(), /The bridge listens on http:\/\/127\.0\.0\.1:\d+\/bridge/);
  assert.match(running.output(), /The bridge has stopped\.\n$/);
  assert.equal(running.errors(), "");
});
