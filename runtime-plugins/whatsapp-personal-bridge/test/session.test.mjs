// @ts-check
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { initAuthCreds, makeEventBuffer } from "@whiskeysockets/baileys";
import { encode } from "../src/auth-state.mjs";
import { RequestError } from "../src/errors.mjs";
import { hearMessages, Receiver } from "../src/receiver.mjs";
import { Session } from "../src/session.mjs";
import { openStore } from "../src/store/store.mjs";
import { TIMING } from "../src/timing.mjs";
import { parts } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { ANA, bridge, Contact, link, rethrow } from "./support/signal.mjs";
import { drop, upgrading } from "./support/upgraded.mjs";

const QUICK = { ...TIMING, backoffFirstMs: 10, backoffMaxMs: 20, replacedRetryMs: 10, loggedOutRetryMs: 10, silentMs: 300, closeMs: 50 };

/** A login that a phone has linked. */
const linked = () => encode({ ...initAuthCreds(), me: { id: "15550001000:3@s.whatsapp.net", lid: "555000100010001:3@lid", name: "Olga" }, account: {} });
const deaf = () => net.createServer((socket) => socket.on("error", () => undefined));

/**
 * @param {import("node:test").TestContext} t
 * @param {net.Server} server in WhatsApp's place
 * @param {{ login?: string, timing?: Partial<typeof TIMING> }} [options]
 */
async function facing(t, server, { login, timing = {} } = {}) {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const made = parts(t);
  made.store.logins.setAside("test");
  if (login) made.store.logins.add(login);
  /** @type {{ event: string, [field: string]: unknown }[]} */
  const seen = [];
  const heard = new EventEmitter();
  const session = new Session({
    ...made,
    emit: (event, fields = {}) => {
      seen.push({ event, ...fields });
      heard.emit(String(fields.reason ?? fields.state), fields);
    },
    die: (error) => {
      throw error;
    },
    webUrl: `ws://127.0.0.1:${address.port}/ws/chat`,
    version: "0.1.0",
    pairing: null,
  }, { ...QUICK, ...timing });
  t.after(async () => {
    await session.stop();
    drop(server);
  });
  /** @param {string} wanted */
  const reason = async (wanted) => (await once(heard, wanted, { signal: AbortSignal.timeout(10_000) }))[0];
  return { session, reason, seen, store: made.store };
}

test("a server that never answers the upgrade is given up by our own watchdog", async (t) => {
  const { session, reason } = await facing(t, deaf());
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

test("a logout with nothing linked changes nothing, and a resume and another logout still work", async (t) => {
  const { session, reason, seen } = await facing(t, deaf(), { timing: { silentMs: 50, backoffFirstMs: 600_000, backoffMaxMs: 600_000 } });
  const lost = reason("no_answer");
  session.start();
  assert.deepEqual(await session.logout(), { unlinked: false, setAside: false });
  await lost;
  const before = seen.length;
  const again = reason("connecting");
  session.resume();
  await again;
  assert.deepEqual(seen.slice(before).map(({ state }) => state), ["connecting"]);
  assert.deepEqual(await session.logout(), { unlinked: false, setAside: false });
});

test("a linked login is known by name before its first connection stands", async (t) => {
  const { session } = await facing(t, deaf(), { login: linked() });
  session.start();
  assert.deepEqual(session.status().identity, { jid: "15550001000@s.whatsapp.net", lid: "555000100010001@lid", name: "Olga", phone: "+15550001000" });
  await session.logout();
  assert.equal(session.status().identity, null);
});

test("a linked login is set aside by a logout without a connection, and a new one is asked for", async (t) => {
  const { session, seen, store } = await facing(t, deaf(), { login: linked() });
  session.start();
  assert.deepEqual(await session.logout(), { unlinked: false, setAside: true });
  assert.deepEqual(seen.filter(({ event }) => event === "state").map(({ state }) => state), ["connecting", "logged_out", "connecting"]);
  assert.equal(store.logins.all().length, 3);
  assert.deepEqual(await session.logout(), { unlinked: false, setAside: false });
});

/**
 * @param {import("node:test").TestContext} t
 * @returns {import("@whiskeysockets/baileys").WASocket[]} every socket that a session opens from now on
 */
function sockets(t) {
  /** @type {import("@whiskeysockets/baileys").WASocket[]} */
  const opened = [];
  const listen = Receiver.prototype.listen;
  t.mock.method(Receiver.prototype, "listen", /** @this {Receiver} */ function (/** @type {any} */ socket) {
    opened.push(socket);
    listen.call(this, socket);
  });
  return opened;
}

test("a stop waits for a connection that was given up just before, and stores what it held back", async (t) => {
  const opened = sockets(t);
  const { session, store } = await facing(t, upgrading(), { login: linked() });
  session.start();
  const [socket] = opened;
  assert.ok(socket);
  await once(socket.ws, "open");
  socket.ev.buffer();
  socket.ev.emit("messages.upsert", { messages: [{ key: { remoteJid: "15551234567@s.whatsapp.net", id: "A1", fromMe: false }, messageTimestamp: Math.floor(Date.now() / 1000), message: { conversation: "held back" } }], type: "append" });
  session.recycle("test");
  await session.stop();
  assert.equal(store.inbox.depth().waiting, 1);
});

test("the next connection waits for the one before, though not for ever, and its credentials win", async (t) => {
  const opened = sockets(t);
  const { session, reason, store } = await facing(t, upgrading(), { login: linked(), timing: { backoffFirstMs: 0 } });
  session.start();
  const [old] = opened;
  assert.ok(old);
  await once(old.ws, "open");
  const end = old.end;
  old.end = async () => undefined;
  const again = reason("connecting");
  session.recycle("test");
  old.ev.emit("creds.update", { accountSyncCounter: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(opened.length, 1);
  const saved = () => JSON.parse(store.logins.current()?.creds ?? "{}").accountSyncCounter;
  assert.equal(saved(), 1, "what it still says while it ends counts");
  await again;
  assert.equal(opened.length, 2);
  old.ev.emit("creds.update", { accountSyncCounter: 2 });
  assert.equal(saved(), 1, "what it says after its time does not");
  await end(undefined);
});

test("a late failure of an earlier connection leaves the one that stands alone, its own makes it anew", async (t) => {
  const program = fileURLToPath(new URL("support/strays.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, temporaryDir(t)], { timeout: 30_000 });
  assert.deepEqual(JSON.parse(stdout), [
    ["connecting", null],
    ["reconnecting", "test"],
    ["connecting", null],
    ["left behind", true],
    ["left behind", false],
    ["reconnecting", "stray_failure"],
    ["connecting", null],
  ]);
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
