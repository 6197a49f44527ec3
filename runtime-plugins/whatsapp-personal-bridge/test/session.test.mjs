// @ts-check
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { makeEventBuffer } from "@whiskeysockets/baileys";
import { RequestError } from "../src/errors.mjs";
import { hearMessages } from "../src/receiver.mjs";
import { Session } from "../src/session.mjs";
import { openStore } from "../src/store/store.mjs";
import { TIMING } from "../src/timing.mjs";
import { parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { ANA, bridge, Contact, link, rethrow } from "./support/signal.mjs";

const QUICK = { ...TIMING, backoffFirstMs: 10, backoffMaxMs: 20, replacedRetryMs: 10, loggedOutRetryMs: 10, silentMs: 300, closeMs: 50 };

/**
 * @param {import("node:test").TestContext} t
 * @param {net.Server} server in WhatsApp's place
 */
async function facing(t, server) {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const made = parts(t);
  made.store.logins.setAside("test");
  /** @type {{ event: string, [field: string]: unknown }[]} */
  const seen = [];
  const heard = new EventEmitter();
  const session = new Session({
    ...made,
    emit: (event, fields = {}) => {
      seen.push({ event, ...fields });
      heard.emit(String(fields.reason), fields);
    },
    die: (error) => {
      throw error;
    },
    webUrl: `ws://127.0.0.1:${address.port}/ws/chat`,
    version: "0.1.0",
    pairing: null,
  }, QUICK);
  t.after(async () => {
    await session.stop();
    server.close();
  });
  /** @param {string} wanted */
  const reason = async (wanted) => (await once(heard, wanted, { signal: AbortSignal.timeout(10_000) }))[0];
  return { session, reason, seen };
}

test("a server that never answers the upgrade is given up by our own watchdog", async (t) => {
  const { session, reason } = await facing(t, net.createServer((socket) => socket.on("error", () => undefined)));
  const given = reason("no_answer");
  session.start();
  assert.equal((await given).state, "reconnecting");
});

test("a server that refuses the upgrade is tried again, which Baileys alone does not notice", async (t) => {
  const { session, reason } = await facing(t, http.createServer().on("upgrade", (_request, socket) => socket.end("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")));
  const refused = reason("upgrade_refused");
  session.start();
  await refused;
  await reason("upgrade_refused");
});

test("before a phone is linked a send says what to do", async (t) => {
  const { session } = await facing(t, net.createServer());
  assert.throws(() => session.requireConnected(), (error) => error instanceof RequestError && error.code === "not_paired" && /scan the QR/.test(error.message));
  const { state, reason, identity, ignored, reconnects } = session.status();
  assert.deepEqual({ state, reason, identity, ignored, reconnects }, { state: "starting", reason: null, identity: null, ignored: {}, reconnects: 0 });
});

test("a stopped session does not come back", async (t) => {
  const { session, seen } = await facing(t, http.createServer().on("upgrade", (_request, socket) => socket.destroy()));
  session.start();
  await session.stop();
  const before = seen.length;
  session.resume();
  session.recycle("test");
  assert.equal(seen.length, before);
  assert.equal(session.status().state, "connecting");
});

test("messages that Baileys holds back when the connection ends are heard, oldest first", () => {
  /** @type {any} */
  const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
  const ev = makeEventBuffer(quiet);
  /** @type {unknown[]} */
  const heard = [];
  hearMessages(ev, ({ key }, type) => heard.push([key.id, type]));
  ev.buffer();
  const message = (/** @type {string} */ id, /** @type {number} */ messageTimestamp) => ({ key: { remoteJid: "15551234567@s.whatsapp.net", id }, messageTimestamp });
  ev.emit("messages.upsert", { messages: [message("A2", 20)], type: "append" });
  ev.emit("messages.upsert", { messages: [message("A1", 10)], type: "append" });
  assert.deepEqual(heard, []);
  // What Baileys does at the end of a connection.
  ev.emit("connection.update", { connection: "close" });
  /** @type {any} */ (ev).destroy();
  assert.deepEqual(heard, [["A1", "append"], ["A2", "append"]]);
});

test("what the last run decrypted and did not deal with is in the inbox before the first connection", async (t) => {
  const dir = temporaryDir(t);
  const before = openStore(dir);
  link(before);
  // Nobody has named an allowlist yet, so the message waits.
  const last = bridge(before, { allowed: null });
  const ana = new Contact(ANA);
  await ana.meets(await last.bundle());
  await last.gets(await ana.says("hello"));
  last.auth.save();
  before.close();

  const made = parts(t, { dir });
  const heard = new EventEmitter();
  const state = once(heard, "state", { signal: AbortSignal.timeout(10_000) });
  /** @type {typeof made.emit} */
  const emit = (event, fields) => {
    made.emit(event, fields);
    heard.emit(event);
  };
  const session = new Session({ ...made, emit, die: rethrow, webUrl: "ws://127.0.0.1:9/ws/chat", version: "0.1.0", pairing: null }, QUICK);
  t.after(() => session.stop());
  session.start();
  await state;
  assert.deepEqual(made.events.map(({ event }) => event).filter((event) => event !== "allowlist_match"), ["message_in", "state"]);
});
