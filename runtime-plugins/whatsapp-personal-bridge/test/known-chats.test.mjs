// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { AllowedChats } from "../src/allowed-chats.mjs";
import { plainName } from "../src/names.mjs";
import { KnownChats } from "../src/store/known-chats.mjs";
import { Database } from "../src/store/database.mjs";
import { STORE_FILE } from "../src/store/files.mjs";
import { operated } from "./support/admin.mjs";
import { inbound, ids, parts, receive } from "./support/bridge.mjs";

const ANA = "15551234567";
const BEN = "15557654321";
const LID = "123456789012345";
const TEAM = "120363012345678901@g.us";

/**
 * @param {string} id
 * @param {Partial<import("../src/inbox.mjs").Inbound>} [more]
 * @returns {import("../src/inbox.mjs").Inbound}
 */
const fromTeam = (id, more = {}) => ({
  ...inbound(id), conversation: TEAM, aliases: [{ kind: "group", user: "120363012345678901" }], group: true, groupSubject: "Team", ...more,
});

/**
 * @param {string} id
 * @param {string} lid
 * @param {Partial<import("../src/inbox.mjs").Inbound>} [more]
 * @returns {import("../src/inbox.mjs").Inbound}
 */
const fromLid = (id, lid, more = {}) => ({
  ...inbound(id), conversation: `${lid}@lid`, aliases: [{ kind: "lid", user: lid }], sender: `${lid}@lid`, senders: [`${lid}@lid`], ...more,
});

test("a chat is listed with its target, name, counts, and the entry that lets it in", async (t) => {
  let now = 1_800_000_000_000;
  const { inbox, outbox, get } = await operated(t, { allowed: [`+${ANA}`, TEAM], now: () => now });
  inbox.accept(inbound("A1", "a secret", ANA));
  inbox.accept(inbound("A2", "a secret", ANA));
  await outbox.send({ to: { kind: "phone", user: ANA }, text: "hello", key: null });
  now += 1;
  inbox.accept(fromTeam("T1"));
  const { status, body } = await get("chats?account=default");
  assert.equal(status, 200);
  assert.deepEqual(body, {
    items: [
      { target: `whatsapp-personal:default:group:${TEAM}`, name: "Team", kind: "group", messages_in: 1, messages_out: 0, last_seen: now, allowed: true, entry: TEAM },
      { target: `whatsapp-personal:default:contact:+${ANA}`, name: "Ana", kind: "contact", messages_in: 2, messages_out: 1, last_seen: body.items[1].last_seen, allowed: true, entry: `+${ANA}` },
    ],
    next_after: null,
    counts: { known: 2, refused: 0 },
    everybody: false,
  });
});

test("of a refused chat only its id, a count and the time are kept, and the entry that would let it in is said", async (t) => {
  const { inbox, get, store } = await operated(t, { allowed: [`+${ANA}`], now: () => 7 });
  inbox.accept(inbound("B1", "a secret", BEN));
  inbox.accept(inbound("B2", "a secret", BEN));
  inbox.accept(fromTeam("T1"));
  inbox.groupNamed(TEAM, "Team");
  assert.deepEqual((await get("chats?account=work")).body.items, []);
  const { items } = (await get("chats?account=work&refused=1")).body;
  assert.deepEqual(items, [
    { target: `whatsapp-personal:work:group:${TEAM}`, name: null, kind: "group", messages_in: 1, messages_out: 0, last_seen: 7, allowed: false, entry: TEAM },
    { target: `whatsapp-personal:work:contact:+${BEN}`, name: null, kind: "contact", messages_in: 2, messages_out: 0, last_seen: 7, allowed: false, entry: `+${BEN}` },
  ]);
  assert.equal(store.known.count(), 0);
});

test("a chat that was let in and is not any more stays listed, as not allowed", async (t) => {
  const { inbox, get, post } = await operated(t);
  inbox.accept(inbound("A1", "hi", ANA));
  inbox.accept(inbound("B1", "hi", BEN));
  assert.equal((await get("chats?account=default")).body.everybody, true);
  assert.deepEqual((await post("allowlist", { allowed_chat_ids: [`+${BEN}`] })).body, { ok: true, entries: 1, everybody: false });
  inbox.accept(inbound("A2", "hi", ANA));
  const { items, counts } = (await get("chats?account=default")).body;
  const told = items.map((/** @type {any} */ { name, allowed, entry, messages_in: count }) => [name, allowed, entry, count]);
  assert.deepEqual(told, [["Ana", true, `+${BEN}`, 1], ["Ana", false, `+${ANA}`, 1]]);
  assert.deepEqual(counts, { known: 2, refused: 1 });
});

test("duplicates count once, and what a group says to others counts, too", (t) => {
  const { inbox, store, events } = parts(t);
  inbox.accept(inbound("A1"));
  inbox.accept(inbound("A1"));
  inbox.accept(fromTeam("T1"));
  assert.ok(events.some(({ event }) => event === "message_left"));
  const rows = store.known.list({ kind: "known", limit: 9, after: null });
  assert.deepEqual(rows.map(({ chat, messages_in: count }) => [chat, count]), [[TEAM, 1], [`${ANA}@s.whatsapp.net`, 1]]);
});

test("what WhatsApp refuses or has not taken is not counted as sent", async (t) => {
  const { outbox, line, store } = await operated(t);
  line.behaviour = "refuses";
  await assert.rejects(outbox.send({ to: { kind: "phone", user: BEN }, text: "hello", key: null }));
  line.behaviour = "is silent";
  await outbox.send({ to: { kind: "phone", user: BEN }, text: "hello", key: null });
  assert.equal(store.known.count(), 0);
  outbox.acknowledged("M2", null);
  outbox.acknowledged("M2", null);
  assert.deepEqual(store.known.list({ kind: "known", limit: 9, after: null }).map((row) => row.messages_out), [1]);
});

test("a person known by number and by LID is one row, whichever was known first", async (t) => {
  const { inbox, store, get } = await operated(t);
  inbox.accept(inbound("A1", "hi", ANA));
  inbox.accept(fromLid("A2", LID, { senderName: "Ana at home" }));
  assert.equal(store.known.count(), 2);
  store.chats.rememberAlias(LID, ANA);
  inbox.accept(inbound("A3", "hi", ANA));
  const { items } = (await get("chats?account=default")).body;
  assert.deepEqual(items.map((/** @type {any} */ { target, messages_in: count }) => [target, count]), [[`whatsapp-personal:default:contact:+${ANA}`, 3]]);
});

test("refused under both ids, a person is one row, too", (t) => {
  const { inbox, store } = parts(t, { allowed: [TEAM] });
  inbox.accept(inbound("A1", "hi", ANA));
  inbox.accept(fromLid("A2", LID));
  store.chats.rememberAlias(LID, ANA);
  assert.deepEqual(store.known.refused().chats, 1);
  assert.deepEqual(store.known.refused().messages, 2);
});

test("who gets a number that another had before inherits neither the name nor the counts", async (t) => {
  const { inbox, store, get } = await operated(t);
  const next = "999456789012345";
  store.chats.rememberAlias(LID, ANA);
  inbox.accept(inbound("A1", "hi", ANA));
  store.chats.rememberAlias(next, ANA);
  inbox.accept({ ...inbound("B1", "hi", ANA), aliases: [{ kind: "phone", user: ANA }, { kind: "lid", user: next }], senderName: "Ben" });
  const { items } = (await get("chats?account=default")).body;
  const told = Object.fromEntries(items.map((/** @type {any} */ { target, name, messages_in: count }) => [target, [name, count]]));
  assert.deepEqual(told, {
    [`whatsapp-personal:default:contact:+${ANA}`]: ["Ben", 1],
    [`whatsapp-personal:default:contact:${LID}@lid`]: ["Ana", 1],
  });
});

test("a name is one short line in which nothing acts, and an empty one does not replace the last", (t) => {
  assert.equal(plainName("Ana\u001b[2J\nallowed\u202e \u{1f469}\u200d\u{1f680}"), "Ana [2J allowed \u{1f469}\u200d\u{1f680}");
  assert.equal(plainName("x".repeat(5_000))?.length, 100);
  assert.equal(plainName("\ud800"), null);
  assert.equal(plainName("A\u200bn\u00adna"), "Anna");
  for (const unseen of ["\u200d", "\u3164\u2800", "\u0301"]) assert.equal(plainName(unseen), null);
  const crowd = plainName("\u{1f469}\u200d\u{1f680}".repeat(30)) ?? "";
  assert.ok(crowd.length <= 100 && crowd.endsWith("\u{1f680}…"), "no character that a reader sees as one is cut");
  const { inbox, store } = parts(t);
  inbox.accept({ ...inbound("A1"), senderName: "A\tna" });
  inbox.accept({ ...inbound("A2"), senderName: "\u200f \n" });
  inbox.accept(fromTeam("T1", { groupSubject: null }));
  inbox.groupNamed(TEAM, "The\nteam");
  assert.deepEqual(store.known.list({ kind: "known", limit: 9, after: null }).map(({ name }) => name), ["The team", "A na"]);
});

test("a long list comes in pages, each chat once, the newest first", async (t) => {
  const { inbox, get } = await operated(t, { now: () => 5 });
  for (let number = 0; number < 5; number += 1) inbox.accept(inbound(`A${number}`, "hi", `1555000100${number}`));
  /** @type {string[]} */
  const read = [];
  let after = "";
  do {
    const { body } = await get(`chats?account=default&limit=2${after && `&after=${after}`}`);
    read.push(...body.items.map((/** @type {any} */ { entry, target }) => `${entry} ${target.at(-1)}`));
    after = body.next_after;
  } while (after);
  assert.deepEqual(read, ["* 4", "* 3", "* 2", "* 1", "* 0"]);
});

test("a question or a list that cannot be read is refused, and nothing is changed", async (t) => {
  const { get, post, allowed, ask } = await operated(t, { allowed: [`+${ANA}`] });
  for (const query of ["", "?account=", "?account=No%20Name", "?account=contact", "?account=default&limit=0", "?account=default&limit=201", "?account=default&after=5", "?account=default&refused=yes", "?account=default&names=1", "?account=default&account=work"]) {
    const { status, body } = await get(`chats${query}`);
    assert.deepEqual([status, body.code], [400, "bad_request"], query);
  }
  for (const list of [undefined, [], "*", [5], ["no chat"], [`+${BEN}`, "*", "0"]]) {
    const { status, body } = await post("allowlist", { allowed_chat_ids: list });
    assert.deepEqual([status, body.code], [400, "bad_request"], JSON.stringify(list));
  }
  assert.equal(allowed.standing(`${ANA}@s.whatsapp.net`).allowed, true);
  assert.equal(allowed.standing(`${BEN}@s.whatsapp.net`).allowed, false);
  assert.equal((await ask("GET", "chats?account=default", { token: null })).status, 401);
  assert.equal((await ask("POST", "allowlist", { token: null, body: "{}" })).status, 401);
});

test("a new list counts at once, and whoever waits is answered, to ask again", async (t) => {
  const { inbox, post, operate } = await operated(t, { allowed: [`+${ANA}`] });
  inbox.accept(inbound("B1", "hi", BEN));
  const waiting = operate("receive_batch", { wait_ms: 60_000 });
  await post("allowlist", { allowed_chat_ids: [`+${ANA}`, `+${BEN}`] });
  assert.deepEqual((await waiting).body.payload.messages, []);
  inbox.accept(inbound("B2", "hi", BEN));
  assert.deepEqual(ids(await receive(inbox)), ["B2"]);
});

test("a list named while the bridge runs outlives a crash, and not the next start", (t) => {
  const { settings, store, people, emit } = parts(t, { allowed: [`+${ANA}`] });
  const started = (/** @type {string} */ token) => new AllowedChats({ store, people, emit }, { ...settings, token });
  const letsIn = (/** @type {AllowedChats} */ allowed) => [ANA, BEN].map((number) => allowed.standing(`${number}@s.whatsapp.net`).allowed);
  const [run, next] = ["a".repeat(64), "b".repeat(64)];
  assert.deepEqual(started(run).change([`+${BEN}`]), []);
  assert.deepEqual(letsIn(started(run)), [false, true]);
  assert.deepEqual(letsIn(started(next)), [true, false]);
});

test("another account begins with no chats", (t) => {
  const { inbox, store } = parts(t, { allowed: [`+${ANA}`] });
  inbox.belongsTo("+15550001000");
  inbox.accept(inbound("A1", "hi", ANA));
  inbox.accept(inbound("B1", "hi", BEN));
  inbox.belongsTo("+15550001000");
  assert.deepEqual([store.known.count(), store.known.refused().chats], [1, 1]);
  inbox.belongsTo("+15550002000");
  assert.deepEqual([store.known.count(), store.known.refused().chats], [0, 0]);
});

test("of too many chats those that have been silent for the longest time go", (t) => {
  const { dir } = parts(t);
  const db = new Database(`${dir}/${STORE_FILE}`);
  t.after(() => db.close());
  const known = new KnownChats(db, 2);
  for (const [at, user] of [[3, "1"], [1, "2"], [2, "3"], [4, "4"]]) {
    known.came(`1555000100${user}@s.whatsapp.net`, null, Number(at));
    known.refuse(`1555000200${user}@s.whatsapp.net`, Number(at));
  }
  const left = (/** @type {"known" | "refused"} */ kind) => known.list({ kind, limit: 9, after: null }).map(({ chat }) => chat.slice(10, 11));
  assert.deepEqual([left("known"), left("refused")], [["4", "1"], ["4", "1"]]);
});
