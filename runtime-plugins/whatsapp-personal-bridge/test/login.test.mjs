// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { addTransactionCapability, initAuthCreds, useMultiFileAuthState } from "@whiskeysockets/baileys";
import { encode, loadAuth } from "../src/auth-state.mjs";
import { FatalError } from "../src/errors.mjs";
import { importLogin, keyOf } from "../src/import-login.mjs";
import { openStore } from "../src/store/store.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @type {(error: unknown) => never} */
const die = (error) => {
  throw error;
};
/** @type {any} */
const LOGGER = { level: "silent", trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Every type of key, with ids that their file names change. */
const KEYS = {
  "pre-key": { 7: { public: Buffer.alloc(32, 1), private: Buffer.alloc(32, 2) } },
  session: { "15551234567.0": Buffer.from("session"), "123456789012345_1.12": Buffer.from("other") },
  "sender-key": { "15551234567-1600000000@g.us::123456789012345_1::0": Buffer.from("sender key") },
  "sender-key-memory": { "15551234567-1600000000@g.us": { "15551234567:1@s.whatsapp.net": true } },
  "app-state-sync-key": { "AAAA/b+c=": { keyData: Buffer.alloc(32, 3) } },
  "app-state-sync-version": { critical_unblock_low: { version: 3, hash: Buffer.alloc(128), indexValueMap: {} } },
  "lid-mapping": { 15551234567: "123456789012345", "123456789012345_reverse": "15551234567" },
  "device-list": { 15551234567: ["0", "12"] },
  tctoken: { "123456789012345@lid": { token: Buffer.from("t") }, __index: { token: Buffer.from("i") } },
  "identity-key": { "15551234567.0": Buffer.alloc(33, 5) },
};

/** @param {string} dir */
async function olderLogin(dir) {
  const { state, saveCreds } = await useMultiFileAuthState(dir);
  state.creds.me = { id: "15550001000:3@s.whatsapp.net", lid: "999:3@lid" };
  await saveCreds();
  await state.keys.set(/** @type {any} */ (KEYS));
  return state;
}

/** @param {string} dir */
const contents = (dir) => Object.fromEntries(fs.readdirSync(dir).sort().map((name) => [name, fs.readFileSync(path.join(dir, name), "utf8")]));

test("an older login is taken over once, whole, and its files are left as they were", async (t) => {
  const old = temporaryDir(t);
  const state = await olderLogin(old);
  const before = contents(old);
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());

  assert.deepEqual(importLogin(store, [temporaryDir(t), old]), { from: old, skipped: 0 });
  assert.equal(importLogin(store, [old]), null, "a second time there is nothing to do");

  const taken = loadAuth(store, die).state;
  assert.equal(encode(taken.creds), encode(state.creds));
  for (const [type, values] of Object.entries(KEYS)) {
    const name = /** @type {keyof typeof KEYS} */ (type);
    const ids = Object.keys(values);
    // The multi-file state answers in the order in which its files were read.
    const plain = async (/** @type {typeof taken} */ each) => JSON.parse(encode(await each.keys.get(name, ids)));
    assert.deepEqual(await plain(taken), await plain(state), type);
  }
  assert.deepEqual(contents(old), before);
});

test("a login that WhatsApp has ended is not taken over again", async (t) => {
  const old = temporaryDir(t);
  await olderLogin(old);
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  importLogin(store, [old]);
  store.logins.setAside("logged_out");
  assert.equal(importLogin(store, [old]), null);
  assert.equal(store.logins.current(), null);
});

test("a start that linked no phone does not stand in the way of an older login", async (t) => {
  const old = temporaryDir(t);
  const state = await olderLogin(old);
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  loadAuth(store, die);
  assert.deepEqual(importLogin(store, [old]), { from: old, skipped: 0 });
  assert.equal(encode(loadAuth(store, die).state.creds), encode(state.creds));
});

test("an older login that was never linked is no login", async (t) => {
  const old = temporaryDir(t);
  fs.writeFileSync(path.join(old, "creds.json"), encode(initAuthCreds()));
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  assert.equal(importLogin(store, [old]), null);
});

for (const [name, damage] of /** @type {[string, (text: string) => string][]} */ ([
  ["cut off", (text) => text.slice(0, text.length / 2)],
  ["empty", () => ""],
  ["of another kind", () => '{"hello":"world"}'],
])) {
  test(`credentials that are ${name} end the bridge instead of making a new identity`, async (t) => {
    const old = temporaryDir(t);
    await olderLogin(old);
    const file = path.join(old, "creds.json");
    fs.writeFileSync(file, damage(fs.readFileSync(file, "utf8")));
    const store = openStore(temporaryDir(t));
    t.after(() => store.close());
    assert.throws(() => importLogin(store, [old]), (error) => error instanceof FatalError && error.code === "login_damaged" && error.message.includes(file));
    assert.equal(store.logins.current(), null);
  });
}

test("a key file that cannot be read is left out and counted, as Baileys does", async (t) => {
  const old = temporaryDir(t);
  await olderLogin(old);
  fs.writeFileSync(path.join(old, "session-15551234567.0.json"), '{"type":"Buf');
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  assert.deepEqual(importLogin(store, [old]), { from: old, skipped: 1 });
});

test("files that are no keys are passed over", () => {
  for (const name of ["creds.json", "bridge.db", "notes.txt", "session-.json", "unknown-1.json"]) assert.equal(keyOf(name), null);
});

test("credentials in the store that cannot be read end the bridge instead of making a new identity", (t) => {
  for (const creds of ["{half", "{}", '{"noiseKey":{}}']) {
    const store = openStore(temporaryDir(t));
    store.logins.add(creds);
    assert.throws(() => loadAuth(store, die), (error) => error instanceof FatalError && error.code === "store_damaged");
    assert.equal(store.logins.current()?.creds, creds);
    store.close();
  }
});

test("a first start makes one identity and keeps it", (t) => {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  const first = encode(loadAuth(store, die).state.creds);
  assert.equal(encode(loadAuth(store, die).state.creds), first);
  store.close();
  const again = openStore(dir);
  t.after(() => again.close());
  assert.equal(encode(loadAuth(again, die).state.creds), first);
});

test("one transaction of Baileys is one transaction of the store", async (t) => {
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  /** @type {import("../src/store/logins.mjs").KeyChanges[]} */
  const writes = [];
  const changeKeys = store.logins.changeKeys.bind(store.logins);
  store.logins.changeKeys = (login, changes) => {
    writes.push(changes);
    changeKeys(login, changes);
  };
  const keys = addTransactionCapability(loadAuth(store, die).state.keys, LOGGER, { maxCommitRetries: 1, delayBetweenTriesMs: 0 });
  await keys.transaction(async () => {
    await keys.set({ session: { a: Buffer.from("1") } });
    await keys.set({ "identity-key": { a: Buffer.from("2") }, session: { b: null } });
  }, "a");
  assert.deepEqual(writes.map((write) => Object.keys(write)), [["session", "identity-key"]]);
  await assert.rejects(
    keys.transaction(async () => {
      await keys.set({ session: { a: Buffer.from("changed") } });
      throw new Error("stop");
    }, "a"),
  );
  assert.deepEqual(Buffer.from((await keys.get("session", ["a"])).a ?? ""), Buffer.from("1"));
});

test("a store that fails ends the process before Baileys hears of it", async (t) => {
  const store = openStore(temporaryDir(t));
  t.after(() => store.close());
  let died = 0;
  const auth = loadAuth(store, () => {
    died += 1;
    throw new Error("dead");
  });
  store.logins.changeKeys = () => {
    throw Object.assign(new Error("disk full"), { code: "SQLITE_FULL" });
  };
  await assert.rejects(async () => auth.state.keys.set({ session: { a: Buffer.from("1") } }), /dead/);
  assert.equal(died, 1);
});
