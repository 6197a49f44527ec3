// @ts-check
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { mock, test } from "node:test";
import { initAuthCreds } from "@whiskeysockets/baileys";
import { encode, isLinked, loadAuth } from "../src/auth-state.mjs";
import { Pairing } from "../src/pairing.mjs";
import { TIMING } from "../src/timing.mjs";
import { parts } from "./support/bridge.mjs";

/** @param {import("node:test").TestContext} t */
function clock(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  return mock.timers;
}

/**
 * @param {import("../src/pairing.mjs").Wanted | null} wanted
 * @param {() => Promise<string>} [answer]
 */
function round(wanted, answer = async () => "ABCD1234") {
  /** @type {{ event: string, [field: string]: unknown }[]} */
  const seen = [];
  /** @type {unknown[][]} */
  const asked = [];
  const ws = new EventEmitter();
  const socket = /** @type {any} */ ({
    ws,
    requestPairingCode: (/** @type {unknown[]} */ ...args) => {
      asked.push(args);
      return answer();
    },
  });
  const pairing = new Pairing((event, fields = {}) => seen.push({ event, ...fields }), TIMING, wanted);
  pairing.begin(socket);
  return { pairing, seen, asked, ws, socket };
}
const ANA = { phone: "15551234567", customCode: null };
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("the code is asked for a few seconds after the first QR, once a round, and shown in groups", async (t) => {
  const time = clock(t);
  const { pairing, seen, asked, socket } = round(ANA);
  time.tick(60_000);
  assert.deepEqual(asked, [], "never before the first QR");
  pairing.show("q1", 1);
  time.tick(TIMING.pairingCodeDelayMs - 1);
  assert.deepEqual(asked, []);
  time.tick(1);
  pairing.show("q2", 1);
  time.tick(60_000);
  await settled();
  assert.deepEqual(asked, [["15551234567", undefined]]);
  assert.deepEqual(seen.map(({ event, expires_in_ms: ms, number, code }) => [event, ms, number ?? code]), [["qr", 60_000, 1], ["qr", 20_000, 2], ["pairing_code", null, "ABCD-1234"]]);
  pairing.begin(socket);
  pairing.show("q3", 2);
  time.tick(60_000);
  assert.equal(asked.length, 2, "again in the next round");
});

test("a custom code is handed over as it is", async (t) => {
  const time = clock(t);
  const { pairing, asked } = round({ ...ANA, customCode: "WXYZ0987" });
  pairing.show("q1", 1);
  time.tick(TIMING.pairingCodeDelayMs);
  assert.deepEqual(asked, [["15551234567", "WXYZ0987"]]);
});

test("without a number only QR codes are shown", (t) => {
  const time = clock(t);
  const { pairing, asked } = round(null);
  pairing.show("q1", 1);
  time.tick(60_000);
  assert.deepEqual(asked, []);
});

test("a phone that scans before the code comes needs none", async (t) => {
  const time = clock(t);
  const { pairing, asked } = round(ANA);
  pairing.show("q1", 1);
  pairing.end();
  time.tick(60_000);
  assert.deepEqual(asked, []);
});

test("a code that WhatsApp refuses, or that cannot be asked for, is warned of", async (t) => {
  const time = clock(t);
  const refused = round(ANA);
  refused.pairing.show("q1", 1);
  time.tick(TIMING.pairingCodeDelayMs);
  refused.ws.emit("CB:iq,type:error", {});
  const failed = round(ANA, async () => {
    throw new Error("closed");
  });
  failed.pairing.show("q1", 1);
  time.tick(TIMING.pairingCodeDelayMs);
  await settled();
  for (const { seen } of [refused, failed]) assert.ok(seen.some(({ event, code }) => event === "warning" && code === "pairing_code_failed"));
});

test("a code that nobody used leaves no login behind", (t) => {
  const { store } = parts(t);
  store.logins.setAside("test");
  const creds = { ...initAuthCreds(), me: { id: "15551234567@s.whatsapp.net", name: "~" }, pairingCode: "ABCD1234", registered: true };
  store.logins.add(encode(creds));
  const die = (/** @type {unknown} */ error) => {
    throw error;
  };
  const { state } = loadAuth(store, die);
  assert.deepEqual([state.creds.me, state.creds.pairingCode, state.creds.registered], [undefined, undefined, false]);
  assert.equal(encode(state.creds.signedIdentityKey), encode(creds.signedIdentityKey), "the keys stay");
  assert.equal(isLinked(state.creds), false);
  assert.equal(isLinked({ ...creds, account: {} }), true, "one that was used does");
});
