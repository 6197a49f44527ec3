// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../src/store/store.mjs";
import { ANA, BEN, bridge, Contact, link, textsIn } from "./support/signal.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof bridge>[1]} [options]
 */
function linked(t, options) {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  t.after(() => store.close());
  link(store);
  return { dir, store, ours: bridge(store, options) };
}

/** @param {ReturnType<typeof bridge>} ours */
async function acquainted(ours) {
  const ana = new Contact(ANA);
  await ours.repository.injectE2ESession({ jid: ANA.jid, session: await ana.bundle() });
  assert.equal(await ana.reads(await ours.encrypts(ANA.jid, "hello")), "hello");
  return ana;
}

test("a ratchet is on disk before the bytes can leave, also within a transaction of Baileys", async (t) => {
  const { store, ours } = linked(t);
  const ana = await acquainted(ours);
  const atSending = await ours.keys.transaction(async () => {
    const sealed = await ours.encrypts(ANA.jid, "first");
    // Another process that starts now, because this one has been killed.
    const next = bridge(store);
    return { sealed, next: await next.encrypts(ANA.jid, "second") };
  }, "a send");
  assert.equal(await ana.reads(atSending.sealed), "first");
  assert.equal(await ana.reads(atSending.next), "second");
});

test("control: with Baileys alone what is sent after a kill cannot be read", async (t) => {
  const { store, ours } = linked(t, { stock: true });
  const ana = await acquainted(ours);
  const atSending = await ours.keys.transaction(async () => {
    const sealed = await ours.encrypts(ANA.jid, "first");
    return { sealed, next: await bridge(store, { stock: true }).encrypts(ANA.jid, "second") };
  }, "a send");
  assert.equal(await ana.reads(atSending.sealed), "first");
  await assert.rejects(ana.reads(atSending.next), /No matching sessions|Key used already/);
});

test("a send leaves a healthy session alone, and whoever asks for a retry gets a new one", async (t) => {
  const { ours } = linked(t);
  const ana = await acquainted(ours);
  const before = await ours.repository.getSessionInfo(ANA.jid);
  const offered = await ana.bundle();
  await ours.keys.transaction(() => ours.repository.injectE2ESession({ jid: ANA.jid, session: offered }), "a send");
  assert.deepEqual(await ours.repository.getSessionInfo(ANA.jid), before);
  await ours.keys.transaction(() => ours.repository.injectE2ESession({ jid: ANA.jid, session: { ...offered, registrationId: offered.registrationId + 1 } }), "a send");
  const reinstalled = await ours.repository.getSessionInfo(ANA.jid);
  assert.notDeepEqual(reinstalled?.baseKey, before?.baseKey);
  await ours.repository.injectE2ESession({ jid: ANA.jid, session: { ...(await ana.bundle()), registrationId: offered.registrationId + 1 } });
  assert.notDeepEqual((await ours.repository.getSessionInfo(ANA.jid))?.baseKey, reinstalled?.baseKey);
});

test("a send begins a session where there is none", async (t) => {
  const { ours } = linked(t);
  const ben = new Contact(BEN);
  const offered = await ben.bundle();
  await ours.keys.transaction(() => ours.repository.injectE2ESession({ jid: BEN.jid, session: offered }), "a send");
  assert.equal(await ben.reads(await ours.encrypts(BEN.jid, "hello")), "hello");
});

test("sends by number and messages by LID, side by side over one session, all arrive", async (t) => {
  const { dir, ours } = linked(t);
  const ana = await acquainted(ours);
  await ana.meets(await ours.bundle());
  const texts = Array.from({ length: 20 }, (_, number) => `message ${number}`);
  const number = String(ANA.alternative.sender_pn);
  await ours.repository.lidMapping.storeLIDPNMappings([{ lid: ANA.jid, pn: number }]);
  const stanzas = [];
  for (const text of texts) stanzas.push(await ana.says(text));
  const [sealed] = await Promise.all([
    ours.keys.transaction(() => Promise.all(texts.map((text) => ours.encrypts(number, text))), "a send"),
    Promise.all(stanzas.map((node) => ours.gets(node))),
  ]);
  for (const [number, text] of texts.entries()) assert.equal(await ana.reads(/** @type {any} */ (sealed[number])), text);
  assert.deepEqual(textsIn(dir).sort(), [...texts].sort());
});

test("two names of one person are remembered though the transaction that learns them fails", async (t) => {
  const { store, ours } = linked(t);
  const number = String(ANA.alternative.sender_pn);
  await assert.rejects(ours.keys.transaction(async () => {
    await ours.repository.lidMapping.storeLIDPNMappings([{ lid: ANA.jid, pn: number }]);
    throw new Error("no such session");
  }, "a send"), /no such session/);
  assert.equal(await bridge(store).repository.lidMapping.getLIDForPN(number), ANA.jid);
});

test("what is written after its transaction is over reaches the store", async (t) => {
  const { store, ours } = linked(t);
  /** @type {(value?: unknown) => void} */
  let over = () => undefined;
  const later = new Promise((resolve) => (over = resolve));
  /** @type {Promise<unknown>} */
  let writing = Promise.resolve();
  await ours.keys.transaction(async () => {
    writing = later.then(() => ours.keys.set({ tctoken: { [ANA.jid]: { token: Buffer.from("t"), senderTimestamp: 1 } } }));
  }, "a send");
  over();
  await writing;
  assert.equal((await bridge(store).keys.get("tctoken", [ANA.jid]))[ANA.jid]?.senderTimestamp, 1);
});

test("a repository call that fails does not stand in the way of the next", async (t) => {
  const { ours } = linked(t);
  await assert.rejects(ours.encrypts(BEN.jid, "nobody knows Ben"), /No sessions/);
  const ana = await acquainted(ours);
  assert.equal(await ana.reads(await ours.encrypts(ANA.jid, "again")), "again");
});
