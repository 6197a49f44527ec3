// @ts-check
/**
 * A connection whose websocket stands and whose server then says nothing: Baileys takes it for open,
 * and what it writes is not encrypted yet.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { decodeBinaryNode } from "@whiskeysockets/baileys";
import { loadAuth } from "../../src/auth-state.mjs";
import { Connection } from "../../src/connection.mjs";
import { InOrder } from "../../src/in-order.mjs";
import { Journal } from "../../src/journal.mjs";
import { Signal } from "../../src/signal.mjs";
import { TIMING } from "../../src/timing.mjs";
import { parts } from "./bridge.mjs";

const ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** @type {WeakMap<import("node:net").Server, Set<import("node:stream").Duplex>>} */
const LINES = new WeakMap();

/** @returns {http.Server} upgrades, and says nothing more */
export function upgrading() {
  const server = http.createServer();
  const lines = new Set();
  LINES.set(server, lines);
  return server.on("upgrade", (request, socket) => {
    lines.add(socket);
    socket.on("error", () => undefined).resume();
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${ACCEPT}`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  });
}

/** @param {import("node:net").Server} server ends, and cuts every line */
export function drop(server) {
  server.close();
  for (const line of LINES.get(server) ?? []) line.destroy();
}

/**
 * @param {import("node:test").TestContext} t
 * @param {string} login
 */
export async function standing(t, login) {
  const server = upgrading().listen(0, "127.0.0.1");
  await once(server, "listening");
  const made = parts(t);
  made.store.logins.setAside("test");
  made.store.logins.add(login);
  const die = (/** @type {unknown} */ error) => {
    throw error;
  };
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const auth = loadAuth(made.store, die);
  const connection = new Connection({
    auth: auth.state,
    signal: new Signal(),
    journal: new Journal(made.store.journal, auth, die),
    inOrder: new InOrder(),
    outbox: made.outbox,
    timing: { ...TIMING, closeMs: 50, logoutMs: 200 },
    webUrl: `ws://127.0.0.1:${port}/ws/chat`,
    webVersion: null,
    version: "0.1.0",
  });
  const ws = /** @type {any} */ (connection.socket.ws);
  t.after(async () => {
    await connection.close();
    drop(server);
  });
  /** @type {Buffer[]} */
  const written = [];
  ws.socket.send = (/** @type {Buffer} */ bytes, /** @type {() => void} */ done) => {
    written.push(bytes);
    done();
  };
  await once(ws, "open");
  await until(() => written.length > 0);
  const hello = written.length;
  /** @returns {Promise<import("@whiskeysockets/baileys").BinaryNode[]>} what has left since the handshake began */
  const left = async () => Promise.all(written.slice(hello).map((frame) => decodeBinaryNode(frame.subarray(3))));
  return { ...made, connection, left };
}

/** @param {() => boolean} seen */
async function until(seen) {
  const deadline = Date.now() + 10_000;
  while (!seen()) {
    if (Date.now() > deadline) throw new Error("the handshake did not begin in time");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
