// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { UNDECIDED_LIMIT } from "../src/inbox.mjs";
import { toJid } from "../src/identity.mjs";
import { openStore } from "../src/store/store.mjs";
import { ids, inbound, parts, receive } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

test("a message is told once it is stored, and leaves by its acknowledgement", async (t) => {
  const clock = { at: 1_800_000_000_000 };
  const { inbox, events } = parts(t, { now: () => clock.at });
  inbox.accept(inbound("A1", "hello"));
  const [row] = await receive(inbox);
  assert.equal(row?.content.text, "hello");
  const { cursor } = row ?? {};
  assert.deepEqual(events.splice(0), [
    { event: "allowlist_match", chat: "contact …4567", entry: "*", allowed: true },
    { event: "message_in", chat: "contact …4567", cursor, kind: "text", group: false },
  ]);
  clock.at += 1_500;
  inbox.acknowledge(cursor ?? "");
  inbox.acknowledge(cursor ?? "");
  inbox.acknowledge("unknown");
  assert.deepEqual(await receive(inbox), []);
  assert.deepEqual(events, [{ event: "message_done", chat: "contact …4567", cursor, after_ms: 1_500 }]);
});

test("an acknowledged text is gone from the store, and its message is still known", async (t) => {
  const { inbox, store } = parts(t);
  inbox.accept(inbound("A1", "hello"));
  inbox.acknowledge((await receive(inbox))[0]?.cursor ?? "");
  inbox.accept(inbound("A1", "hello"));
  assert.deepEqual(await receive(inbox), []);
  assert.deepEqual(store.inbox.depth().waiting, 0);
});

test("a message names every id under which its chat is known, so that the component's list can match any", async (t) => {
  const { inbox, store } = parts(t);
  store.chats.rememberAlias("123456789012345", "15551234567");
  inbox.accept(inbound("A1"));
  const [row] = await receive(inbox);
  assert.deepEqual(row?.aliases, ["15551234567@s.whatsapp.net", "123456789012345@lid"]);
});

test("a chat that is allowed under an id that this message does not name is let in", async (t) => {
  const { inbox, store } = parts(t, { allowed: ["123456789012345@lid"] });
  store.chats.rememberAlias("123456789012345", "15551234567");
  inbox.accept(inbound("A1"));
  assert.deepEqual(ids(await receive(inbox)), ["A1"]);
});

test("WhatsApp's duplicates are stored once, but the same id from somebody else is another message", async (t) => {
  const { inbox } = parts(t);
  inbox.accept(inbound("A1"));
  inbox.accept(inbound("A1"));
  inbox.accept(inbound("A1", "from Ben", "15557654321"));
  assert.deepEqual((await receive(inbox)).map((row) => row.sender), ["15551234567@s.whatsapp.net", "15557654321@s.whatsapp.net"]);
});

test("a caller who waits gets a message at once", async (t) => {
  const { inbox } = parts(t);
  const waiting = receive(inbox, { waitMs: 60_000 });
  inbox.accept(inbound("A1"));
  assert.deepEqual(ids(await waiting), ["A1"]);
});

test("a caller who hangs up takes no message along", async (t) => {
  const { inbox } = parts(t);
  const gone = new AbortController();
  const waiting = receive(inbox, { waitMs: 60_000, signal: gone.signal });
  gone.abort();
  inbox.accept(inbound("A1"));
  assert.deepEqual(await waiting, []);
  assert.deepEqual(ids(await receive(inbox)), ["A1"]);
});

test("when the bridge stops, everybody who waits is answered", async (t) => {
  const { inbox } = parts(t);
  const waiting = [receive(inbox, { waitMs: 60_000 }), receive(inbox, { waitMs: 60_000 })];
  inbox.close();
  assert.deepEqual(await Promise.all(waiting), [[], []]);
});

test("a chat outside the list leaves a count, and nothing of what it said", async (t) => {
  const { inbox, store, events } = parts(t, { allowed: ["+15557654321"] });
  inbox.accept(inbound("A1", "a secret"));
  inbox.accept(inbound("A2", "a secret"));
  assert.deepEqual(await receive(inbox), []);
  const { chats, messages } = store.known.refused();
  assert.deepEqual({ chats, messages }, { chats: 1, messages: 2 });
  assert.deepEqual(events.map((each) => each.event), ["allowlist_match", "message_refused", "message_refused"]);
  assert.ok(!JSON.stringify(events).includes("secret"));
});

test("a list at the start is not replaced by one that a request names", async (t) => {
  const { allowed, inbox } = parts(t, { allowed: ["+15557654321"] });
  allowed.name(["*"]);
  inbox.accept(inbound("A1"));
  assert.deepEqual(await receive(inbox), []);
});

test("without a list messages wait in memory until one is named, and then only the allowed are kept", async (t) => {
  const { allowed, inbox, store } = parts(t, { allowed: [] });
  inbox.accept(inbound("A1"));
  inbox.accept(inbound("B1", "b", "15557654321"));
  assert.deepEqual([inbox.undecided, store.inbox.depth().waiting], [2, 0]);
  allowed.name([]);
  allowed.name(null);
  assert.equal(inbox.undecided, 2, "an empty list decides nothing");
  allowed.name(["+15551234567"]);
  assert.equal(inbox.undecided, 0);
  assert.deepEqual(ids(await receive(inbox)), ["A1"]);
  assert.equal(store.known.refused().messages, 1);
});

test("no more than a bounded number waits in memory, and what is dropped is counted", (t) => {
  const { inbox } = parts(t, { allowed: [] });
  for (let number = 0; number < UNDECIDED_LIMIT + 3; number += 1) inbox.accept(inbound(`A${number}`));
  assert.deepEqual([inbox.undecided, inbox.dropped], [UNDECIDED_LIMIT, 3]);
});

test("the last list that a request named counts after a restart", async (t) => {
  const dir = temporaryDir(t);
  const before = parts(t, { allowed: [], dir });
  before.allowed.name(["+15557654321"]);
  const { inbox, store } = parts(t, { allowed: [], dir });
  inbox.accept(inbound("A1"));
  assert.equal(store.known.refused().messages, 1);
});

test("a stored message of a chat that is no longer on the list is kept back", async (t) => {
  const { allowed, inbox } = parts(t, { allowed: [] });
  allowed.name(["*"]);
  inbox.accept(inbound("A1"));
  allowed.name(["+15557654321"]);
  assert.deepEqual(await receive(inbox), []);
  allowed.name(["+15551234567"]);
  assert.deepEqual(ids(await receive(inbox)), ["A1"]);
});

test("a caller whose own list is empty gets nothing", async (t) => {
  const { inbox } = parts(t);
  inbox.accept(inbound("A1"));
  assert.deepEqual(await receive(inbox, { allowed: [] }), []);
});

test("a list that cannot be read lets nobody through, and says so", async (t) => {
  const { inbox, events } = parts(t, { allowed: ["*", "Ana"] });
  inbox.accept(inbound("A1"));
  assert.deepEqual(await receive(inbox), []);
  assert.equal(events[0]?.code, "allowlist_unreadable");
});

test("one answer is not larger than a host reads, and loses nothing", async (t) => {
  const { inbox } = parts(t);
  for (const id of ["A1", "A2", "A3", "A4"]) inbox.accept(inbound(id, "x".repeat(65_000)));
  const rows = await receive(inbox);
  assert.deepEqual(ids(rows), ["A1", "A2", "A3"]);
  for (const row of rows) inbox.acknowledge(row.cursor);
  assert.deepEqual(ids(await receive(inbox)), ["A4"]);
});

/** @param {Partial<import("../src/inbox.mjs").Inbound>} [more] */
const inGroup = (more) => ({ ...inbound("G1"), conversation: GROUP, aliases: [/** @type {const} */ ({ kind: "group", user: "120363012345678901" })], group: true, ...more });
const GROUP = "120363012345678901@g.us";

for (const [groupReply, addressed, kept] of /** @type {["mention" | "always" | "never", boolean, boolean][]} */ ([
  ["mention", false, false],
  ["mention", true, true],
  ["always", false, true],
  ["never", true, false],
])) {
  test(`with group_reply ${groupReply} a group message that is ${addressed ? "" : "not "}for us is ${kept ? "kept" : "left alone"}`, async (t) => {
    const { inbox, events } = parts(t, { groupReply });
    inbox.accept(inGroup({ addressed }));
    assert.equal((await receive(inbox)).length, kept ? 1 : 0);
    assert.equal(inbox.notAddressed, kept ? 0 : 1);
    const left = events.filter(({ event }) => event === "message_left");
    assert.deepEqual(left, kept ? [] : [{ event: "message_left", chat: "group …8901", reason: "not_addressed" }]);
  });
}

test("group_reply says nothing of a direct chat", async (t) => {
  const { inbox } = parts(t, { groupReply: "never" });
  inbox.accept(inbound("A1"));
  assert.equal((await receive(inbox)).length, 1);
});

const LID = /** @type {const} */ ({ kind: "lid", user: "123456789012345" });
const NUMBER = /** @type {const} */ ({ kind: "phone", user: "15551234567" });
const LID_JID = "123456789012345@lid";
const NUMBER_JID = "15551234567@s.whatsapp.net";

/**
 * @param {string} id
 * @param {import("../src/identity.mjs").Identity[]} aliases the preferred one first
 */
function from(id, aliases) {
  const jids = aliases.map(toJid);
  return { ...inbound(id), aliases, conversation: jids[0] ?? "", sender: jids[0] ?? "", senders: jids };
}

test("a chat that moves from the number to the LID stays one conversation, also over a restart", async (t) => {
  const dir = temporaryDir(t);
  const first = openStore(dir);
  assert.equal(first.chats.conversationOf([NUMBER_JID]), NUMBER_JID);
  first.close();
  const { inbox } = parts(t, { dir });
  inbox.accept(from("A1", [NUMBER, LID]));
  inbox.accept(from("A2", [NUMBER, LID]));
  assert.deepEqual((await receive(inbox)).map((row) => row.conversation), [NUMBER_JID, NUMBER_JID]);
});

test("a chat that was first seen by its LID keeps that id when the number becomes known", async (t) => {
  const { inbox, store } = parts(t);
  inbox.accept(from("A1", [LID]));
  store.chats.rememberAlias(LID.user, NUMBER.user);
  inbox.accept(from("A2", [NUMBER, LID]));
  const rows = await receive(inbox);
  assert.deepEqual(rows.map((row) => row.conversation), [LID_JID, LID_JID]);
  assert.deepEqual(rows[0]?.aliases, [LID_JID, NUMBER_JID]);
});

test("two conversations that turn out to be one go on under the older id, with what waits", async (t) => {
  const { inbox } = parts(t);
  inbox.accept(from("A1", [LID]));
  inbox.accept(from("A2", [NUMBER]));
  inbox.accept(from("A3", [NUMBER, LID]));
  const rows = await receive(inbox);
  assert.deepEqual(rows.map((row) => [row.message_id, row.conversation]), [["A1", LID_JID], ["A2", LID_JID], ["A3", LID_JID]]);
});

test("one message under two ids of its sender is one message", async (t) => {
  const { inbox } = parts(t);
  inbox.accept(from("A1", [LID]));
  inbox.accept(from("A1", [NUMBER, LID]));
  inbox.accept(inGroup({ messageId: "G1", addressed: true, sender: LID_JID, senders: [LID_JID] }));
  inbox.accept(inGroup({ messageId: "G1", addressed: true, sender: NUMBER_JID, senders: [NUMBER_JID, LID_JID] }));
  assert.deepEqual(ids(await receive(inbox)), ["A1", "G1"]);
});

test("somebody known by a LID alone is refused with that reason, and not when the list names the LID", async (t) => {
  const { inbox, events } = parts(t, { allowed: ["+15551234567"] });
  inbox.accept(from("A1", [LID]));
  inbox.accept(from("A2", [NUMBER, LID]));
  assert.deepEqual(events, [
    { event: "allowlist_match", chat: "contact …2345", entry: "123…2345@lid", allowed: false },
    { event: "message_refused", chat: "contact …2345", reason: "only_lid_known" },
    { event: "allowlist_match", chat: "contact …4567", entry: "+15…567", allowed: true },
    { event: "message_in", chat: "contact …4567", cursor: (await receive(inbox))[0]?.cursor, kind: "text", group: false },
  ]);
  const listed = parts(t, { allowed: [LID_JID] });
  listed.inbox.accept(from("A1", [LID]));
  assert.equal((await receive(listed.inbox)).length, 1);
});

test("which entry lets a chat in is told once, and no whole number with it", async (t) => {
  const { inbox, events } = parts(t, { allowed: ["+1 (555) 123-4567", "15557654321@s.whatsapp.net"] });
  for (const id of ["A1", "A2"]) inbox.accept(inbound(id));
  inbox.accept(inbound("B1", "b", "15557654321"));
  inbox.accept(inbound("C1", "c", "15559998888"));
  const told = events.filter(({ event }) => event === "allowlist_match").map(({ entry, allowed }) => [entry, allowed]);
  assert.deepEqual(told, [["+15…567", true], ["+15…321@s.whatsapp.net", true], ["+15…888", false]]);
});
