// @ts-check
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { writeInbound } from "../src/contract.mjs";
import { isAddressed } from "../src/mentions.mjs";
import { Receiver } from "../src/receiver.mjs";
import { parts, receive } from "./support/bridge.mjs";

const ME = "15550001000@s.whatsapp.net";
const MY_LID = "555000100010001@lid";
const ANA = "15551234567@s.whatsapp.net";
const ANA_LID = "123456789012345@lid";
const BEN_LID = "222222222222222@lid";
const CARL_LID = "333333333333333@lid";
const GROUP = "120363012345678901@g.us";
const UNREADABLE = 2;

/**
 * A receiver with everything behind it, and Baileys' events in the test's hands.
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof parts>[1] & { mapping?: Record<string, string>, metadata?: any, backlogMaxAgeMs?: number, sent?: string[], owner?: { hear(text: string): void } }} [options]
 */
function receiving(t, { mapping = {}, metadata = { subject: "Team", participants: [] }, backlogMaxAgeMs = 60_000, sent = [], owner, ...options } = {}) {
  const made = parts(t, options);
  made.people.setSelf(["15550001000:3@s.whatsapp.net", "555000100010001:3@lid"]);
  const ev = new EventEmitter();
  let asked = 0;
  const receiver = new Receiver({
    ...made,
    backlogMaxAgeMs,
    outbox: { isOurs: (id) => sent.includes(id) },
    ...(owner ? { pause: owner } : {}),
    die: (error) => {
      throw error;
    },
  });
  receiver.listen(/** @type {any} */ ({
    ev,
    signalRepository: { lidMapping: { getPNForLID: async (/** @type {string} */ lid) => mapping[lid] ?? null } },
    groupMetadata: async () => {
      asked += 1;
      if (metadata === null) throw new Error("no answer");
      return metadata;
    },
  }));
  /**
   * @param {any} message
   * @param {"notify" | "append"} [type]
   */
  const comes = async (message, type = "notify") => {
    ev.emit("messages.upsert", { messages: [message].flat(), type });
    await receiver.settled();
  };
  const stored = async () => receive(made.inbox, { max: 100, inFlight: [] });
  return { ...made, ev, receiver, comes, stored, asked: () => asked };
}

const seconds = (ageMs = 0) => Math.floor((Date.now() - ageMs) / 1000);
/**
 * @param {any} key
 * @param {any} [more]
 */
const message = (key, more = {}) => ({ key: { id: "A1", fromMe: false, ...key }, message: { conversation: "hello" }, messageTimestamp: seconds(), pushName: "Ana", ...more });

test("somebody on the list by number is let in when WhatsApp names the LID alone but knows the number", async (t) => {
  const { comes, stored } = receiving(t, { allowed: ["+15551234567"], mapping: { [ANA_LID]: "15551234567:0@s.whatsapp.net" } });
  await comes(message({ remoteJid: ANA_LID }));
  const [row] = await stored();
  assert.deepEqual([row?.conversation, row?.sender], [ANA, ANA]);
});

test("what a group says of its members is remembered for their direct chats", async (t) => {
  const participants = [{ id: ANA_LID, phoneNumber: ANA }, { id: MY_LID }];
  const { comes, receiver, stored } = receiving(t, { groupReply: "always", metadata: { subject: "Team", participants } });
  await comes(message({ id: "G1", remoteJid: GROUP, participant: ANA_LID }));
  await new Promise((resolve) => setImmediate(resolve));
  await receiver.settled();
  await comes(message({ id: "G2", remoteJid: GROUP, participant: ANA_LID }));
  await comes(message({ id: "A1", remoteJid: ANA_LID }));
  const rows = await stored();
  assert.deepEqual(rows.map((row) => [row.message_id, row.conversation, row.sender]), [["G1", GROUP, ANA_LID], ["G2", GROUP, ANA], ["A1", ANA, ANA]]);
  assert.equal(rows[1]?.content.groupSubject, "Team");
});

test("a group that did not answer is asked again after a while, not for every message", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const { comes, asked } = receiving(t, { groupReply: "always", metadata: null });
  for (const id of ["G1", "G2", "G3"]) await comes(message({ id, remoteJid: GROUP, participant: ANA_LID }));
  assert.equal(asked(), 1);
  t.mock.timers.tick(10 * 60 * 1000);
  for (const id of ["G4", "G5"]) await comes(message({ id, remoteJid: GROUP, participant: ANA_LID }));
  assert.equal(asked(), 2);
});

test("a group that is renamed before it is asked for still says who its members are", async (t) => {
  const { comes, ev, receiver, people, stored, asked } = receiving(t, { groupReply: "always", metadata: { subject: "Team", participants: [{ id: ANA_LID, phoneNumber: ANA }] } });
  ev.emit("groups.update", [{ id: GROUP, subject: "The team" }]);
  await comes(message({ id: "G1", remoteJid: GROUP, participant: ANA_LID }));
  await new Promise((resolve) => setImmediate(resolve));
  await receiver.settled();
  assert.equal(people.known({ kind: "lid", user: "123456789012345" }).length, 2);
  ev.emit("groups.update", [{ id: GROUP, subject: "Our team" }]);
  await comes(message({ id: "G2", remoteJid: GROUP, participant: ANA_LID }));
  assert.deepEqual((await stored()).map((row) => row.content.groupSubject), ["The team", "Our team"]);
  assert.equal(asked(), 1);
});

test("ourselves are never answered, by number or by LID, whatever Baileys makes of it", async (t) => {
  const { comes, stored, receiver } = receiving(t, { groupReply: "always" });
  await comes(message({ remoteJid: ANA, fromMe: true }));
  await comes(message({ remoteJid: ME }));
  await comes(message({ remoteJid: MY_LID }));
  await comes(message({ remoteJid: GROUP, participant: MY_LID }));
  await comes(message({ remoteJid: GROUP, participant: ME }));
  assert.deepEqual(await stored(), []);
  assert.deepEqual(receiver.ignored, { own: 5 });
});

test("the owner's own chat is heard, but not what the bridge sends there, nor what is late beyond the window", async (t) => {
  /** @type {string[]} */
  const heard = [];
  const { comes } = receiving(t, { sent: ["OURS"], owner: { hear: (text) => void heard.push(text) } });
  const own = (/** @type {string} */ id, /** @type {string} */ text, /** @type {any} */ more = {}) => message({ id, remoteJid: ME, fromMe: true }, { message: { conversation: text }, ...more });
  await comes(own("OURS", "!pause"));
  await comes(own("O1", "!resume", { messageTimestamp: seconds(120_000) }), "append");
  await comes(own("O2", "anything"));
  await comes(message({ id: "O3", remoteJid: MY_LID, fromMe: true }, { message: { extendedTextMessage: { text: "!pause" } } }));
  await comes(message({ id: "O4", remoteJid: ANA, fromMe: true }, { message: { conversation: "!pause" } }));
  assert.deepEqual(heard, ["anything", "!pause"]);
});

test("late messages are taken within the window, oldest first and once", async (t) => {
  const { comes, stored, receiver } = receiving(t);
  const late = (/** @type {string} */ id, /** @type {number} */ ageMs) => message({ id, remoteJid: ANA }, { messageTimestamp: seconds(ageMs) });
  await comes([late("A3", 10_000), late("A2", 20_000), late("A1", 30_000), late("A0", 120_000)], "append");
  await comes([late("A2", 20_000)], "append");
  await comes(message({ id: "E1", remoteJid: ANA, fromMe: true }), "append");
  assert.deepEqual((await stored()).map((row) => row.message_id), ["A1", "A2", "A3"]);
  assert.deepEqual(receiver.ignored, { too_old: 1, own: 1 });
});

test("a message that cannot be decrypted is counted, and is a message when it can", async (t) => {
  const { comes, stored, receiver, events } = receiving(t);
  const stub = message({ remoteJid: ANA_LID, remoteJidAlt: ANA }, { message: null, messageStubType: UNREADABLE });
  await comes(stub);
  await comes(stub);
  assert.equal(receiver.undecryptable, 1);
  assert.deepEqual(receiver.ignored, { undecryptable: 1 });
  assert.deepEqual(events.map(({ event }) => event), ["message_unreadable"]);
  await comes(message({ remoteJid: ANA, remoteJidAlt: ANA_LID }));
  assert.equal(receiver.undecryptable, 0);
  assert.deepEqual((await stored()).map((row) => row.content.text), ["hello"]);
});

test("an unreadable message is the same one when its sender's number becomes known before it comes again", async (t) => {
  const { comes, stored, receiver, ev, events } = receiving(t, { groupReply: "always" });
  for (const key of [{ id: "A1", remoteJid: ANA_LID }, { id: "A2", remoteJid: ANA_LID }, { id: "G1", remoteJid: GROUP, participant: ANA_LID }]) {
    await comes(message(key, { message: null, messageStubType: UNREADABLE }));
  }
  assert.equal(receiver.undecryptable, 3);
  await comes(message({ id: "A1", remoteJid: ANA, remoteJidAlt: ANA_LID }));
  await comes(message({ id: "A2", remoteJid: ANA_LID }, { message: null, messageStubType: UNREADABLE }));
  ev.emit("messages.update", [{ key: { id: "A2", remoteJid: ANA, fromMe: false }, update: { message: { conversation: "at last" } } }]);
  await comes(message({ id: "G1", remoteJid: GROUP, participant: ANA_LID, participantAlt: ANA }));
  assert.equal(receiver.undecryptable, 0);
  assert.deepEqual((await stored()).map((row) => row.message_id), ["A1", "A2", "G1"]);
  assert.equal(events.filter(({ event }) => event === "message_unreadable").length, 3);
});

test("a change that brings the content makes the message readable, too, but nobody else's does", async (t) => {
  const { comes, stored, receiver, ev } = receiving(t);
  await comes(message({ remoteJid: ANA }, { message: null, messageStubType: UNREADABLE }));
  const change = async (/** @type {string} */ remoteJid) => {
    ev.emit("messages.update", [{ key: { remoteJid, id: "A1", fromMe: false }, update: { message: { conversation: "at last" } } }]);
    await receiver.settled();
  };
  await change("15557654321@s.whatsapp.net");
  assert.equal(receiver.undecryptable, 1);
  await change(ANA);
  await change(ANA);
  assert.deepEqual((await stored()).map((row) => row.content.text), ["at last"]);
});

/** @type {[string, any, boolean][]} */
const ADDRESSED = [
  ["a plain text", { conversation: "hello @15550001000" }, false],
  ["a mention by number", { extendedTextMessage: { text: "@15550001000", contextInfo: { mentionedJid: [ANA, ME] } } }, true],
  ["a mention by LID", { extendedTextMessage: { text: "@555000100010001", contextInfo: { mentionedJid: [MY_LID] } } }, true],
  ["a mention of somebody else", { extendedTextMessage: { text: "@15551234567", contextInfo: { mentionedJid: [ANA] } } }, false],
  ["a quote of us", { extendedTextMessage: { text: "yes", contextInfo: { stanzaId: "M1", participant: ME } } }, true],
  ["a quote of our LID, with a device", { extendedTextMessage: { text: "yes", contextInfo: { stanzaId: "M1", participant: "555000100010001:3@lid" } } }, true],
  ["a quote of somebody else", { extendedTextMessage: { text: "yes", contextInfo: { stanzaId: "M1", participant: ANA } } }, false],
  ["a caption that mentions us", { imageMessage: { caption: "@15550001000", contextInfo: { mentionedJid: [ME] } } }, true],
  ["a document's caption in its envelope", { documentWithCaptionMessage: { message: { documentMessage: { caption: "@x", contextInfo: { mentionedJid: [MY_LID] } } } } }, true],
  ["a vanishing message", { ephemeralMessage: { message: { extendedTextMessage: { text: "@x", contextInfo: { mentionedJid: [ME] } } } } }, true],
  ["a voice note that quotes us", { audioMessage: { contextInfo: { quotedMessage: {}, participant: ME } } }, true],
  ["a mention inside what is quoted", { extendedTextMessage: { text: "x", contextInfo: { participant: ANA, quotedMessage: { extendedTextMessage: { contextInfo: { mentionedJid: [ME] } } } } } }, false],
  ["nothing at all", null, false],
];

for (const [name, content, addressed] of ADDRESSED) {
  test(`in a group, ${name} is ${addressed ? "" : "not "}for us`, async (t) => {
    const { people, comes, stored } = receiving(t);
    assert.equal(isAddressed(content, (jid) => people.isSelf(jid)), addressed);
    await comes(message({ remoteJid: GROUP, participant: ANA_LID, participantAlt: ANA }, { message: content }));
    assert.equal((await stored()).length, addressed ? 1 : 0);
  });
}

test("content over which the reader stumbles is counted, and the next message is read", async (t) => {
  const { comes, stored, receiver } = receiving(t);
  const poison = { get conversation() { throw new TypeError("no such thing"); } };
  await comes(message({ id: "P1", remoteJid: ANA }, { message: poison }));
  await comes(message({ id: "P2", remoteJid: ANA }));
  assert.deepEqual(receiver.ignored, { malformed: 1 });
  assert.deepEqual((await stored()).map((row) => row.message_id), ["P2"]);
});

test("whatever shape a report has, nothing is thrown back, and the next message is read", async (t) => {
  const { comes, ev, stored, receiver } = receiving(t, { groupReply: "always", metadata: { subject: { toString: 0 }, participants: [null, 5, { id: 7 }] } });
  for (const odd of [null, 5, "text", [null], [5], [{}], [{ key: null }], [{ key: { id: {}, remoteJid: ANA }, update: { message: {} } }]]) {
    for (const event of ["messages.update", "groups.update"]) ev.emit(event, odd);
    ev.emit("messages.upsert", { messages: odd, type: "notify" });
  }
  for (const key of [undefined, {}, { remoteJid: 5, id: "A" }, { remoteJid: ANA, id: { toString: 0 } }, { remoteJid: ANA, id: "x".repeat(1_000) }]) await comes({ key, message: { conversation: "odd" }, messageTimestamp: { toString: 0 }, pushName: 5 });
  await comes(message({ id: "G1", remoteJid: GROUP, participant: ANA_LID }));
  await new Promise((resolve) => setImmediate(resolve));
  await comes(message({ id: "A1", remoteJid: ANA }));
  assert.deepEqual((await stored()).map((row) => row.message_id), ["G1", "A1"]);
  assert.ok((/** @type {Record<string, number>} */ (receiver.ignored).malformed ?? 0) >= 5);
});

test("a crowd of mentions is not gone through to its end", () => {
  let asked = 0;
  const mentionedJid = Array.from({ length: 100_000 }, () => ANA);
  assert.equal(isAddressed({ extendedTextMessage: { contextInfo: { mentionedJid } } }, () => (asked += 1) < 0), false);
  assert.ok(asked < 2_000, `${asked} were looked at`);
});

test("the people of a large group are learned in one write", (t) => {
  const { people, store } = parts(t);
  const transaction = t.mock.method(store, "transaction");
  people.learn(Array.from({ length: 1_024 }, (_, number) => ({ id: `${100_000_000_000_000 + number}@lid`, phoneNumber: `${15_550_000_000 + number}@s.whatsapp.net` })));
  assert.equal(transaction.mock.callCount(), 1);
  assert.equal(store.chats.phoneOf("100000000001023"), "15550001023");
});

test("names reach the host as one line in which nothing acts", async (t) => {
  const { comes, stored } = receiving(t, { groupReply: "always", metadata: { subject: "The\n\u202eteam\u001b[2J", participants: [] } });
  await comes(message({ id: "G1", remoteJid: GROUP, participant: ANA_LID }, { pushName: "A\u001b]0;x\u0007na\u2066" }));
  await new Promise((resolve) => setImmediate(resolve));
  await comes(message({ id: "G2", remoteJid: GROUP, participant: ANA_LID }));
  const account = { configuredId: "default", runtimeId: "default", allowed: null };
  const [first, second] = (await stored()).map((row) => writeInbound(row, account).whatsapp);
  assert.equal(first?.sender_name, "A ]0;x na");
  assert.equal(second?.group_subject, "The team [2J");
});

test("a number that has a new owner no longer stands for the old one", (t) => {
  const { people, store } = receiving(t);
  store.chats.rememberAlias("123456789012345", "15551234567");
  store.chats.rememberAlias("999999999999999", "15551234567");
  assert.deepEqual(people.known({ kind: "lid", user: "123456789012345" }), [{ kind: "lid", user: "123456789012345" }]);
  assert.deepEqual(people.known({ kind: "phone", user: "15551234567" }).map(({ user }) => user), ["15551234567", "999999999999999"]);
});

test("a number that Ben took over from Ana stays Ben's when she writes by LID alone, and lets only him in", async (t) => {
  // Baileys still answers what the number of Ana's LID once was.
  const { comes, stored, people, events } = receiving(t, { allowed: ["+15551234567"], mapping: { [ANA_LID]: "15551234567:0@s.whatsapp.net" } });
  await comes(message({ id: "A1", remoteJid: ANA, remoteJidAlt: ANA_LID }));
  await comes(message({ id: "B1", remoteJid: BEN_LID, remoteJidAlt: ANA }));
  await comes(message({ id: "A2", remoteJid: ANA_LID }));
  assert.deepEqual(people.known({ kind: "phone", user: "15551234567" }).map(({ user }) => user), ["15551234567", "222222222222222"]);
  assert.deepEqual((await stored()).map((row) => [row.message_id, row.conversation, row.aliases]), [["B1", BEN_LID, [BEN_LID, ANA]]]);
  assert.deepEqual(events.filter(({ event }) => event === "message_refused").map(({ reason }) => reason), ["only_lid_known"]);
  // Ben moves on, and the number is nobody's: also then Baileys' memory gives it to nobody.
  await comes(message({ id: "B2", remoteJid: BEN_LID, remoteJidAlt: "15557654321@s.whatsapp.net" }));
  await comes(message({ id: "A3", remoteJid: ANA_LID }));
  assert.deepEqual(people.known({ kind: "lid", user: "123456789012345" }), [{ kind: "lid", user: "123456789012345" }]);
});

test("whoever has a number next does not continue its conversation, and what came in goes on under its writer's LID", async (t) => {
  const { comes, stored, store } = receiving(t);
  await comes(message({ id: "A1", remoteJid: ANA, remoteJidAlt: ANA_LID }));
  await comes(message({ id: "B1", remoteJid: ANA, remoteJidAlt: BEN_LID }));
  await comes(message({ id: "A2", remoteJid: ANA_LID, remoteJidAlt: "15557654321@s.whatsapp.net" }));
  await comes(message({ id: "C1", remoteJid: ANA, remoteJidAlt: CARL_LID }));
  await comes(message({ id: "B2", remoteJid: BEN_LID }));
  await comes(message({ id: "A1", remoteJid: ANA_LID }));
  const rows = await stored();
  assert.deepEqual(rows.map((row) => [row.message_id, row.conversation]), [["A1", ANA_LID], ["B1", BEN_LID], ["A2", ANA_LID], ["C1", CARL_LID], ["B2", BEN_LID]]);
  assert.equal(store.chats.conversationOf([ANA]), ANA, "a name for somebody of whom nothing else is known");
  const targets = rows.map((row) => writeInbound(row, { configuredId: "default", runtimeId: "a", allowed: ["*"] }).reply_target.id);
  assert.deepEqual(targets.slice(0, 2), [`whatsapp-personal:default:contact:${ANA_LID}`, `whatsapp-personal:default:contact:${BEN_LID}`]);
});

test("a number of which only a lookup spoke gives way to whoever is named with it", async (t) => {
  const { comes, people, stored } = receiving(t, { mapping: { [ANA_LID]: ANA } });
  await comes(message({ id: "A1", remoteJid: ANA_LID }));
  await comes(message({ id: "B1", remoteJid: ANA, remoteJidAlt: BEN_LID }));
  assert.deepEqual(people.known({ kind: "lid", user: "123456789012345" }), [{ kind: "lid", user: "123456789012345" }]);
  assert.deepEqual((await stored()).map((row) => row.conversation), [ANA_LID, BEN_LID]);
});
