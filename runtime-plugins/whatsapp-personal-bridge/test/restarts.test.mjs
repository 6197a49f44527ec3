// @ts-check
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Session } from "../src/session.mjs";
import { TIMING } from "../src/timing.mjs";
import { parts } from "./support/bridge.mjs";

const RESTARTS = 500;
const PROCESS_EVENTS = ["uncaughtException", "unhandledRejection", "warning", "exit", "SIGTERM", "SIGINT"];
const GROWTH_LIMIT = 4 * 1024 * 1024;
/** What RFC 6455 appends to a client's key. */
const WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Sweeps that nobody waits for are in no list of Node's.
 * @param {import("node:test").TestContext} t
 */
function countIntervals(t) {
  const { setInterval, clearInterval } = globalThis;
  const running = new Set();
  globalThis.setInterval = /** @type {any} */ ((/** @type {Parameters<typeof setInterval>} */ ...args) => {
    const interval = setInterval(...args);
    running.add(interval);
    return interval;
  });
  globalThis.clearInterval = (interval) => {
    running.delete(interval);
    clearInterval(interval);
  };
  t.after(() => Object.assign(globalThis, { setInterval, clearInterval }));
  return running;
}

/** Memory after what can be collected is collected. */
function heap() {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  for (let round = 0; round < 3; round += 1) collect();
  return process.memoryUsage().heapUsed;
}

test(`${RESTARTS} connections leave no listener, socket, timer or memory behind`, { timeout: 120_000 }, async (t) => {
  // In WhatsApp's place: some upgrades are refused, most connections end after a word or without one.
  const server = http.createServer();
  let attempts = 0;
  server.on("upgrade", (request, socket) => {
    attempts += 1;
    socket.on("error", () => undefined);
    if (attempts % 5 === 0) return socket.end("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${WEBSOCKET}`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    if (attempts % 2 === 0) socket.once("data", () => socket.destroy());
    else socket.resume().end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");

  const intervals = countIntervals(t);
  const made = parts(t);
  made.store.logins.setAside("test");
  const ended = new EventEmitter().setMaxListeners(0);
  let ends = 0;
  const session = new Session(
    {
      ...made,
      emit: (event, { state } = {}) => {
        if (event === "state" && state === "reconnecting") ended.emit(String((ends += 1)));
      },
      die: (error) => {
        throw error;
      },
      webUrl: `ws://127.0.0.1:${address.port}/ws/chat`,
      version: "0.1.0",
      pairing: null,
    },
    { ...TIMING, backoffFirstMs: 1, backoffMaxMs: 1, closeMs: 50 },
  );
  const after = async (/** @type {number} */ number) => {
    await once(ended, String(number), { signal: AbortSignal.timeout(60_000) });
    return {
      listeners: PROCESS_EVENTS.map((name) => process.listenerCount(name)),
      handles: process.getActiveResourcesInfo().length,
      intervals: intervals.size,
      heap: heap(),
    };
  };
  session.start();
  const early = await after(50);
  const late = await after(RESTARTS);
  assert.deepEqual(late.listeners, early.listeners);
  assert.ok(late.handles <= early.handles + 10, `${early.handles} handles became ${late.handles}`);
  assert.ok(late.intervals <= early.intervals + 10, `${early.intervals} intervals became ${late.intervals}`);
  assert.ok(late.heap - early.heap < GROWTH_LIMIT, `the heap grew by ${late.heap - early.heap} bytes`);
  t.diagnostic(`handles ${early.handles} to ${late.handles}, intervals ${early.intervals} to ${late.intervals}, heap by ${Math.round((late.heap - early.heap) / 1024)} KiB`);
  await session.stop();
  server.closeAllConnections();
  server.close();
});
