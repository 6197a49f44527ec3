// @ts-check
/** The real process, and a program of the same machine that takes all the connections it can get. */
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { ask, BEARER, stock, TOKEN } from "./support/endpoint.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { startBridge } from "./support/process.mjs";

/** More than the bridge keeps open. */
const CONNECTIONS = 400;
const QUESTIONS = 20;
/** A queue of the machine that is full has a caller try again after 1 s, then 2. */
const BOUND_MS = 4_000;

/**
 * Keeps `CONNECTIONS` open, each opened anew when it is closed.
 * @param {import("node:test").TestContext} t
 * @param {number} port
 * @param {string} says
 */
async function flood(t, port, says) {
  let on = true;
  let opened = 0;
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  t.after(() => {
    on = false;
    for (const socket of sockets) socket.destroy();
  });
  const news = new EventTarget();
  const open = () => {
    if (!on) return;
    const socket = net.connect(port, "127.0.0.1", () => {
      opened += 1;
      if (opened === CONNECTIONS) news.dispatchEvent(new Event("stands"));
    });
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      sockets.delete(socket);
      setImmediate(open);
    });
    socket.write(says);
  };
  const stands = once(news, "stands", { signal: AbortSignal.timeout(20_000) });
  for (let number = 0; number < CONNECTIONS; number += 1) open();
  await stands;
}

for (const [name, says] of /** @type {[string, string][]} */ ([
  ["say nothing", ""],
  ["never end their heads", "POST /bridge HTTP/1.1\r\nX: "],
  ["have no token and a body to come", "POST /bridge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"],
])) {
  test(`while connections flood in that ${name}, who has the token is answered`, async (t) => {
    const dir = temporaryDir(t);
    const file = path.join(dir, "token");
    fs.writeFileSync(file, TOKEN, { mode: 0o600 });
    const running = startBridge(t, ["--port", "0", "--auth-dir", path.join(dir, "auth"), "--events", "ndjson", "--control", "stdin"], { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" });
    running.say({ command: "start", settings: {}, token_file: file });
    const port = Number(new URL((await running.named("listening")).url).port);
    const body = stock("complete_batch").replace('"operation":"complete_batch"', '"operation":"bridge_status"');
    const poll = ask(port, { headers: BEARER, body: stock("receive_batch", (payload) => (payload.wait_ms = 60_000)) });

    await flood(t, port, says);
    for (let number = 0; number < QUESTIONS; number += 1) {
      const began = performance.now();
      assert.equal((await ask(port, { headers: BEARER, body })).body.payload.state !== undefined, true);
      const took = performance.now() - began;
      assert.ok(took < BOUND_MS, `question ${number} was answered after ${took} ms`);
    }
    running.say({ command: "stop" });
    assert.deepEqual((await poll).body.payload, { messages: [] }, "who waited with the token has kept the connection");
    assert.equal(await running.ended, 0);
    assert.equal(running.errors(), "");
  });
}
