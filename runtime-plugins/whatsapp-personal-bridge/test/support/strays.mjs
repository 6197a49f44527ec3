// @ts-check
/**
 * A program of its own, because a test runner takes every unheard failure for its own: two
 * connections one after the other, whose promises then fail, the old one's first. Its argument is
 * a private directory; it prints for each failure whether it was left behind, and the states.
 */

import { EventEmitter, once } from "node:events";
import { initAuthCreds } from "@whiskeysockets/baileys";
import { encode } from "../../src/auth-state.mjs";
import { Receiver } from "../../src/receiver.mjs";
import { Session } from "../../src/session.mjs";
import { catchUncaught } from "../../src/silence.mjs";
import { TIMING } from "../../src/timing.mjs";
import { parts } from "./bridge.mjs";
import { drop, upgrading } from "./upgraded.mjs";

const server = upgrading().listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const made = parts(/** @type {any} */ ({ after: () => undefined }), { dir: process.argv[2] });
made.store.logins.setAside("test");
made.store.logins.add(encode({ ...initAuthCreds(), me: { id: "15550001000:3@s.whatsapp.net", name: "Olga" }, account: {} }));

const happened = new EventEmitter();
let opened = 0;
const listen = Receiver.prototype.listen;
Receiver.prototype.listen = /** @this {Receiver} */ function (/** @type {any} */ socket) {
  listen.call(this, socket);
  const number = (opened += 1);
  // What Baileys does with every stanza: begun by a word of the server, and waiting for the next.
  socket.ws.once("open", async () => {
    happened.emit(`open ${number}`);
    await once(happened, `fail ${number}`);
    throw new Error("the answer did not come");
  });
};

/** @type {unknown[]} */
const told = [];
const session = new Session({
  ...made,
  emit: (_event, { state, reason } = {}) => told.push([state, reason]),
  die: (error) => {
    throw error;
  },
  webUrl: `ws://127.0.0.1:${port}/ws/chat`,
  version: "0.1.0",
  pairing: null,
}, { ...TIMING, backoffFirstMs: 0, closeMs: 50 });
catchUncaught({
  crash: (name) => told.push(["crash", name]),
  stray: () => {
    const leftBehind = session.leftBehind();
    told.push(["left behind", leftBehind]);
    if (!leftBehind) session.recycle("stray_failure");
    happened.emit("stray");
  },
});

/** @param {string} event */
const soon = (event) => once(happened, event, { signal: AbortSignal.timeout(10_000) });
const first = soon("open 1");
session.start();
await first;
const second = soon("open 2");
session.recycle("test");
await second;
for (const number of [1, 2]) {
  const stray = soon("stray");
  happened.emit(`fail ${number}`);
  await stray;
}
await soon("open 3");
await session.stop();
drop(server);
process.stdout.write(JSON.stringify(told));
process.exit(0);
