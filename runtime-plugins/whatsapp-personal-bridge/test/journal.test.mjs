// @ts-check
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import Sqlite from "libsql";
import { STEPS } from "../src/store/schema.mjs";
import { openStore } from "../src/store/store.mjs";
import { again, ANA, BEN, bridge, Contact, GROUP, link, ME, PHONE, rowsIn, textsIn } from "./support/signal.mjs";
import { temporaryDir } from "./support/fixtures.mjs";
import { withTables } from "./support/tables.mjs";

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof bridge>[1]} [options]
 */
async function linked(t, options) {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  t.after(() => store.close());
  link(store);
  const ours = bridge(store, options);
  /** @param {{ jid: string, alternative: Record<string, string> }} who */
  const meet = async (who) => {
    const contact = new Contact(who);
    await contact.meets(await ours.bundle());
    return contact;
  };
  const rows = (/** @type {string} */ sql) => rowsIn(dir, sql);
  const texts = () => textsIn(dir);
  return { dir, store, ours, meet, rows, texts, ana: await meet(ANA) };
}

test("a message is in the inbox without waiting for Baileys' report of it, and the report is no second one", async (t) => {
  const { ours, ana, texts } = await linked(t);
  const { emit } = ours.ev;
  /** @type {any[]} */
  const heldBack = [];
  ours.ev.emit = (...report) => heldBack.push(report) > 0;
  assert.equal(await ours.gets(await ana.says("hello")), "receipt");
  assert.deepEqual(texts(), ["hello"]);
  for (const report of heldBack) emit.apply(ours.ev, report);
  await ours.receiver.settled();
  assert.deepEqual(ours.receiver.ignored, {});
  assert.equal(heldBack.length, 1);
});

test("what the journal reads is what Baileys reports: who, when, where, and the number", async (t) => {
  const { ours, ana, store, rows } = await linked(t);
  const node = await ana.says("hello");
  await ours.gets(node);
  const [row] = rows("SELECT conversation, message_id, body FROM inbox");
  const { senderName, sentAt } = JSON.parse(row.body);
  assert.deepEqual(
    { conversation: row.conversation, id: row.message_id, senderName, sentAt },
    { conversation: ANA.alternative.sender_pn, id: node.attrs.id, senderName: "Somebody", sentAt: Number(node.attrs.t) * 1000 },
  );
  assert.equal(store.chats.phoneOf("123456789012345"), "15551234567");
});

test("once a message is stored the journal holds its hash alone", async (t) => {
  const { ours, ana, rows } = await linked(t);
  await ours.gets(await ana.says("nobody else reads this"));
  assert.deepEqual(rows("SELECT plaintext FROM journal_parts"), [{ plaintext: null }]);
  const [stanza] = rows("SELECT stanza, parts, decrypted, finished_at IS NOT NULL AS finished FROM journal_stanzas");
  assert.deepEqual(stanza, { stanza: null, parts: 1, decrypted: 1, finished: 1 });
});

test("a redelivery is confirmed like a new message, and stored once", async (t) => {
  const { ours, ana, store, texts } = await linked(t);
  const first = await ana.says("once");
  await ours.gets(first);
  assert.equal(await ours.gets(again(first)), "receipt");
  const next = bridge(store);
  assert.equal(await next.gets(again(first)), "receipt");
  await next.gets(await ana.says("and again"));
  assert.deepEqual(texts(), ["once", "and again"]);
  assert.deepEqual([ours.receiver.ignored, next.receiver.ignored], [{}, {}]);
});

test("control: Baileys alone refuses a redelivery", async (t) => {
  const { ours, ana } = await linked(t, { stock: true });
  const first = await ana.says("once");
  assert.equal(await ours.gets(first), "receipt");
  assert.notEqual(await ours.gets(again(first)), "receipt");
});

test("a message to a bridge without an allowlist is decided on after a restart", async (t) => {
  const { ours, ana, store, rows, texts } = await linked(t, { allowed: null });
  await ours.gets(await ana.says("may I?"));
  assert.equal(ours.inbox.undecided, 1);
  assert.equal(rows("SELECT 1 FROM journal_parts WHERE plaintext IS NOT NULL").length, 1);
  const next = bridge(store);
  await next.replays();
  assert.deepEqual(texts(), ["may I?"]);
  assert.equal(rows("SELECT 1 FROM journal_parts WHERE plaintext IS NOT NULL").length, 0);
});

test("what waited for an allowlist leaves the journal when one is named", async (t) => {
  const { ours, ana, rows, texts } = await linked(t, { allowed: null });
  await ours.gets(await ana.says("may I?"));
  ours.allowed.name(["+15557654321"]);
  assert.deepEqual(texts(), []);
  assert.equal(rows("SELECT 1 FROM journal_parts WHERE plaintext IS NOT NULL").length, 0);
});

test("late messages count within the window only", async (t) => {
  const { ours, ana, texts } = await linked(t);
  const seconds = (/** @type {number} */ age) => String(Math.floor((Date.now() - age) / 1000));
  await ours.gets(await ana.sends({ conversation: "too late" }, { offline: "0", t: seconds(2 * DAY_MS) }));
  await ours.gets(await ana.sends({ conversation: "late" }, { offline: "1", t: seconds(DAY_MS / 2) }));
  await ours.gets(await ana.sends({ conversation: "old, but not late" }, { t: seconds(2 * DAY_MS) }));
  assert.deepEqual(texts(), ["late", "old, but not late"]);
  assert.deepEqual(ours.receiver.ignored, { too_old: 1 });
});

test("group messages arrive with the sender's key, without it later, and out of order", async (t) => {
  const { ours, ana, store, texts } = await linked(t);
  const nodes = [await ana.saysInGroup("first", { withKey: true })];
  for (const text of ["second", "third", "fourth"]) nodes.push(await ana.saysInGroup(text, { withKey: false }));
  const [first, second, third, fourth] = /** @type {[any, any, any, any]} */ (nodes);
  await ours.gets(first);
  await ours.gets(fourth);
  // The keys that were skipped come back from the disk.
  const next = bridge(store);
  assert.equal(await next.gets(third), "receipt");
  assert.equal(await next.gets(second), "receipt");
  assert.deepEqual(texts().sort(), ["first", "fourth", "second", "third"]);
});

test("what cannot be read is asked for again, and comes", async (t) => {
  const { ours, ana, meet, texts } = await linked(t);
  const ben = await meet(BEN);
  await ours.gets(await ben.says("hello"));
  const whole = await ben.says("garbled");
  const garbled = again(whole);
  const [part] = /** @type {import("@whiskeysockets/baileys").BinaryNode[]} */ (garbled.content);
  assert.ok(part);
  /** @type {Buffer} */ (part.content).fill(7, 20);
  assert.notEqual(await ours.gets(garbled), "receipt");
  assert.equal(ours.receiver.undecryptable, 1);
  // The sender encrypts it anew under the same id.
  const anew = await ben.sends({ conversation: "at last" }, { id: String(whole.attrs.id) });
  assert.equal(await ours.gets(anew), "receipt");
  assert.equal(ours.receiver.undecryptable, 0);
  await ours.gets(await ana.says("meanwhile"));
  assert.deepEqual(texts(), ["hello", "at last", "meanwhile"]);
});

test("a group message whose key alone could be read is no message yet, and gets the rest later", async (t) => {
  const { ours, ana, store, texts } = await linked(t);
  const node = await ana.saysInGroup("in two parts", { withKey: true });
  const [key, text] = /** @type {[any, any]} */ (node.content);
  // The process ends between the two: the first is decrypted, nothing is confirmed.
  ours.journal.notice(node);
  await ours.repository.decryptMessage({ jid: ANA.jid, type: "pkmsg", ciphertext: key.content });
  assert.ok(text.content);
  const next = bridge(store);
  await next.replays();
  assert.deepEqual(texts(), []);
  assert.equal(await next.gets(again(node)), "receipt");
  assert.deepEqual(texts(), ["in two parts"]);
});

test("a sender key that came with a message is taken in at the replay, too", async (t) => {
  const { ours, ana, store, texts } = await linked(t);
  const { content } = await ana.saysInGroup("unread", { withKey: true });
  const [key] = /** @type {[any]} */ (content);
  const alone = { tag: "message", attrs: { id: "K1", from: GROUP, participant: ANA.jid, t: "1" }, content: [key] };
  // The process ends before Baileys takes the key in.
  ours.journal.notice(alone);
  ours.journal.onMessage(() => undefined);
  await ours.repository.decryptMessage({ jid: ANA.jid, type: "pkmsg", ciphertext: key.content });
  const next = bridge(store);
  await next.replays();
  assert.equal(await next.gets(await ana.saysInGroup("readable", { withKey: false })), "receipt");
  assert.deepEqual(texts(), ["readable"]);
});

test("what the owner's phone tells Baileys itself is kept until Baileys has it", async (t) => {
  const { ours, meet, rows } = await linked(t);
  const phone = await meet(PHONE);
  const open = () => rows("SELECT 1 FROM journal_parts WHERE plaintext IS NOT NULL").length;
  const { emit } = ours.ev;
  /** @type {any[]} */
  let report = [];
  ours.ev.emit = (...args) => (report = args).length > 0;
  await ours.gets(await phone.sends({ protocolMessage: { appStateSyncKeyShare: { keys: [] } } }, { category: "peer" }));
  assert.equal(open(), 1);
  emit.apply(ours.ev, /** @type {any} */ (report));
  await ours.receiver.settled();
  assert.equal(open(), 0);
});

test("a message over which Baileys stumbles ends neither this run nor the next", async (t) => {
  const { ours, ana, store, rows, texts } = await linked(t);
  ours.journal.onMessage(() => undefined);
  await ours.gets(await ana.sends({ reactionMessage: { text: "to nothing" } }));
  const next = bridge(store);
  await next.replays();
  assert.deepEqual(next.receiver.ignored, { empty: 1 });
  assert.equal(rows("SELECT 1 FROM journal_parts WHERE plaintext IS NOT NULL").length, 0);
  await next.gets(await ana.says("still here"));
  assert.deepEqual(texts(), ["still here"]);
});

test("plaintexts that are no message are counted, and end neither this run nor the next", async (t) => {
  const { ours, ana, store, rows, texts } = await linked(t);
  const odd = [[0], [255], [1], [0x0a, 0x7f, 0x78, 1], [0x0b, 0x0b, 1], [0x07, 1], [0xf2, 0x02, 0, 1], [0x62, 2, 0x10, 0, 1], [0x62, 2, 0x10, 14, 1]];
  ours.journal.onMessage(() => undefined);
  for (const bytes of odd) await ours.gets(await ana.sendsBytes(Buffer.from(bytes)));
  const next = bridge(store);
  await next.replays();
  const counted = Object.values(next.receiver.ignored).reduce((sum, each) => sum + each, 0);
  assert.equal(counted, odd.length, JSON.stringify(next.receiver.ignored));
  assert.equal(rows("SELECT 1 FROM journal_stanzas WHERE finished_at IS NULL").length, 0);
  await next.gets(await ana.says("still here"));
  assert.deepEqual(texts(), ["still here"]);
});

test("a stanza that is stored and cannot be read any more is counted once, and ends no start", async (t) => {
  const { ours, ana, store, dir, texts } = await linked(t);
  ours.journal.onMessage(() => undefined);
  for (const text of ["one", "two", "three"]) await ours.gets(await ana.says(text));
  withTables(dir, (db) => db.exec("UPDATE journal_stanzas SET stanza = '{\"tag\":' WHERE seq = 1; UPDATE journal_stanzas SET stanza = '5' WHERE seq = 2"));
  const next = bridge(store);
  await next.replays();
  assert.deepEqual(next.receiver.ignored, { malformed: 2 });
  assert.deepEqual(texts(), ["three"]);
  const later = bridge(store);
  await later.replays();
  assert.deepEqual(later.receiver.ignored, {});
});

test("a business name that is none takes no message with it", async (t) => {
  const { ours, ana, texts } = await linked(t);
  const node = await ana.says("from a business");
  const name = { tag: "verified_name", attrs: {}, content: Buffer.from([0x0b, 0x0b]) };
  await ours.gets({ ...node, content: [.../** @type {any[]} */ (node.content), name] }).catch(() => undefined);
  await ours.receiver.settled();
  assert.deepEqual(texts(), ["from a business"]);
});

test("a login does not answer with what another one decrypted", async (t) => {
  const { ours, ana, store } = await linked(t);
  const node = await ana.says("to the old login");
  await ours.gets(node);
  store.logins.setAside("logged_out");
  link(store);
  const next = bridge(store);
  await next.replays();
  assert.notEqual(await next.gets(again(node)), "receipt");
});

test("a store from before the journal gets one, and keeps its login", async (t) => {
  const dir = temporaryDir(t);
  const db = new Sqlite(path.join(dir, "bridge.db"));
  for (const step of STEPS.slice(0, 4)) db.exec(step);
  db.exec("PRAGMA user_version = 4");
  db.close();
  const older = openStore(dir);
  link(older);
  older.close();
  const store = openStore(dir);
  t.after(() => store.close());
  const ours = bridge(store);
  const ana = new Contact(ANA);
  await ana.meets(await ours.bundle());
  assert.equal(await ours.gets(await ana.says("hello")), "receipt");
  assert.deepEqual(textsIn(dir), ["hello"]);
});

test("hashes are forgotten after 30 days, not before", async (t) => {
  const { ours, ana, store, rows } = await linked(t);
  await ours.gets(await ana.says("hello"));
  store.journal.forgetOld(Date.now() + 29 * DAY_MS);
  assert.equal(rows("SELECT 1 FROM journal_parts").length, 1);
  store.journal.forgetOld(Date.now() + 31 * DAY_MS);
  assert.equal(rows("SELECT 1 FROM journal_parts UNION ALL SELECT 1 FROM journal_stanzas").length, 0);
});

test("a journal that cannot be written ends the process before anything is answered", async (t) => {
  /** @type {unknown[]} */
  const deaths = [];
  const died = new Error("the process has ended");
  const { ours, ana, store, rows } = await linked(t, {
    die: (error) => {
      deaths.push(error);
      throw died;
    },
  });
  const node = await ana.says("hello");
  store.journal.add = () => {
    throw new Error("disk full");
  };
  await ours.gets(node);
  assert.match(String(deaths[0]), /disk full/);
  assert.deepEqual(rows("SELECT 1 FROM signal_keys WHERE type = 'session' UNION ALL SELECT 1 FROM inbox"), [], "neither the session nor the message");
});

test("a journal that cannot be read ends the process, rather than pass for a message that cannot be decrypted", async (t) => {
  /** @type {unknown[]} */
  const deaths = [];
  const { ours, ana, store } = await linked(t, {
    die: (error) => {
      deaths.push(error);
      throw new Error("the process has ended");
    },
  });
  store.journal.part = () => {
    throw new Error("disk gone");
  };
  await ours.gets(await ana.says("hello"));
  assert.match(String(deaths[0]), /disk gone/);
});

test("the owner's word to themselves is heard, and no other message of theirs", async (t) => {
  /** @type {string[]} */
  const said = [];
  const { ours, meet, texts } = await linked(t, { say: (line) => void said.push(line) });
  const phone = await meet(PHONE);
  const self = String(ME.lid.replace(":3", ""));
  await ours.gets(await phone.sends({ deviceSentMessage: { destinationJid: self, message: { conversation: "!pause" } } }, { recipient: self }));
  await ours.gets(await phone.sends({ deviceSentMessage: { destinationJid: ANA.jid, message: { conversation: "!resume" } } }, { recipient: ANA.jid }));
  assert.deepEqual(said.filter((line) => line.startsWith("heard")), ["heard !pause"]);
  assert.deepEqual(texts(), []);
  assert.deepEqual(ours.receiver.ignored, { own: 2 });
});
