// @ts-check
/**
 * What Baileys reports, in every shape: nothing of it is thrown back at Baileys, ends the process or
 * stops what comes after it; each message is stored, refused or counted with a reason.
 */

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { LONGEST_TEXT } from "../../../runtime-plugins/whatsapp-personal-bridge/src/inbound.mjs";
import { LONGEST_NAME, plainName } from "../../../runtime-plugins/whatsapp-personal-bridge/src/names.mjs";
import { hearReceipts } from "../../../runtime-plugins/whatsapp-personal-bridge/src/receipts.mjs";
import { Receiver } from "../../../runtime-plugins/whatsapp-personal-bridge/src/receiver.mjs";
import { jid, longText, text, thing } from "../support/arbitraries.mjs";
import { ALL, open } from "../support/bridge.mjs";

const ACTS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;
const REASONS = ["own", "broadcast", "newsletter", "undecryptable", "system", "reaction", "empty", "malformed", "too_old"];

const long = fc.maxSafeInteger().map((value) => ({ low: value | 0, high: Math.floor(value / 2 ** 32), unsigned: true, toString: () => String(value) }));
const time = fc.oneof(fc.nat(2 ** 31), fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308, 2 ** 53), long, thing);
const context = fc.record(
  {
    mentionedJid: fc.oneof(fc.array(jid, { maxLength: 5 }), fc.tuple(jid, fc.constantFrom(1, 5_000)).map(([one, times]) => Array(times).fill(one)), thing),
    participant: fc.oneof(jid, thing),
    stanzaId: fc.oneof(text, thing),
    quotedMessage: thing,
  },
  { requiredKeys: [] },
);
const words = fc.oneof({ weight: 3, arbitrary: longText }, thing);
const NAMED = ["imageMessage", "videoMessage", "ptvMessage", "documentMessage", "stickerMessage", "audioMessage", "locationMessage", "liveLocationMessage", "contactMessage", "pollCreationMessageV3", "eventMessage", "groupInviteMessage", "productMessage", "orderMessage", "buttonsResponseMessage", "listResponseMessage", "templateMessage", "interactiveMessage", "reactionMessage", "protocolMessage"];
const fields = fc.record(
  { caption: words, text: words, name: words, fileName: words, title: words, displayName: words, selectedDisplayText: words, contextInfo: fc.oneof(context, thing), type: fc.oneof(fc.nat(40), thing), key: thing },
  { requiredKeys: [] },
);
const leaf = fc.oneof(
  { weight: 2, arbitrary: fc.record({ conversation: words }) },
  fc.record({ extendedTextMessage: fc.record({ text: words, contextInfo: context }, { requiredKeys: [] }) }),
  fc.dictionary(fc.constantFrom(...NAMED, "contactsArrayMessage"), fc.oneof({ weight: 3, arbitrary: fields }, thing), { maxKeys: 3 }),
  fc.array(fields, { maxLength: 30 }).map((contacts) => ({ contactsArrayMessage: { contacts } })),
  thing,
);
const ENVELOPES = ["ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "deviceSentMessage", "editedMessage", "documentWithCaptionMessage"];
const content = fc.tuple(leaf, fc.array(fc.constantFrom(...ENVELOPES), { maxLength: 4 }), fc.constantFrom(1, 1, 1, 500), fc.boolean()).map(([inner, envelopes, times, edited]) => {
  /** @type {any} */
  let outer = edited ? { protocolMessage: { type: 14, editedMessage: inner } } : inner;
  for (let round = 0; round < times; round += 1) for (const name of envelopes) outer = { [name]: { message: outer } };
  return outer;
});
const key = fc.record(
  { remoteJid: fc.oneof({ weight: 4, arbitrary: jid }, thing), id: fc.oneof({ weight: 4, arbitrary: fc.uuid() }, text, thing), participant: fc.oneof(jid, thing), remoteJidAlt: fc.oneof(jid, thing), participantAlt: fc.oneof(jid, thing), fromMe: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, thing), isViewOnce: fc.boolean() },
  { requiredKeys: ["remoteJid", "id"] },
);
const message = fc.oneof(
  { weight: 8, arbitrary: fc.record({ key: fc.oneof({ weight: 8, arbitrary: key }, thing), message: content, messageTimestamp: time, pushName: words, broadcast: fc.oneof(fc.constant(false), thing), messageStubType: fc.constantFrom(null, undefined, 0, 2, 30, "2"), messageStubParameters: thing }, { requiredKeys: ["key", "message"] }) },
  thing,
);
const metadata = fc.oneof(fc.record({ subject: words, participants: fc.oneof(fc.array(fc.oneof(fc.record({ id: jid, lid: jid, phoneNumber: jid }, { requiredKeys: [] }), thing), { maxLength: 10 }), thing) }, { requiredKeys: [] }), thing);

/** @param {import("../support/hold.mjs").Scope} scope */
function listening(scope) {
  const made = open(scope, { groupReply: "always" });
  made.people.setSelf(["15550001000:3@s.whatsapp.net", "555000100010001:3@lid"]);
  const ev = Object.assign(new EventEmitter(), { flush: () => true });
  /** @type {unknown[]} */
  const died = [];
  const receiver = new Receiver({ ...made, backlogMaxAgeMs: 60_000, pause: made.pause, die: /** @type {any} */ ((/** @type {unknown} */ error) => void died.push(error)) });
  /** @type {{ metadata: unknown, number: unknown }} what WhatsApp answers */
  const says = { metadata: {}, number: null };
  receiver.listen(/** @type {any} */ ({
    ev,
    signalRepository: { lidMapping: { getPNForLID: async () => says.number } },
    groupMetadata: async () => says.metadata,
  }));
  /** @type {unknown[]} */
  const receipts = [];
  hearReceipts(/** @type {any} */ (ev), (...receipt) => receipts.push(receipt), (one) => made.people.isSelf(one));
  let honest = 0;
  return {
    ...made, ev, receiver, says, receipts,
    rows: () => made.store.inbox.list({ states: ALL, limit: 1_000_000 }),
    counted: () => Object.values(receiver.ignored).reduce((sum, each) => sum + each, 0),
    /** Everything is as it should be, and the next message of somebody honest is stored. */
    async goesOn() {
      // What WhatsApp says of a group comes by itself.
      await nextTurn();
      await receiver.settled();
      const id = `honest-${(honest += 1)}`;
      ev.emit("messages.upsert", { messages: [{ key: { remoteJid: "15551234567@s.whatsapp.net", id, fromMe: false }, message: { conversation: "hello" }, messageTimestamp: Math.floor(Date.now() / 1000), pushName: "Ana" }], type: "notify" });
      await receiver.settled();
      assert.deepEqual(died.splice(0), [], "the bridge goes on");
      const last = this.rows().at(-1);
      assert.equal(last?.message_id, id);
      this.clear();
    },
    /** Of a store that grows, every look costs more than the one before. */
    clear() {
      const now = Date.now();
      for (const { cursor } of this.rows()) made.store.inbox.acknowledge(cursor, now - 400 * 86_400_000);
      made.store.inbox.forgetOld(now);
      made.pause.resume("operator");
      made.events.length = 0;
    },
  };
}

/** @param {ReturnType<typeof listening>} bridge */
function storedIsSafe(bridge) {
  for (const row of bridge.rows()) {
    const body = JSON.parse(row.body ?? "");
    assert.equal(typeof body.text, "string");
    assert.ok(body.text.length <= LONGEST_TEXT);
    assert.ok(!/\p{Cs}/u.test(body.text), "it is Unicode");
    assert.match(body.kind, /^[a-z_]+$/);
    assert.equal(typeof body.group, "boolean");
    assert.ok(Number.isSafeInteger(body.sentAt) && body.sentAt > 0, `it has a time, not ${body.sentAt}`);
    for (const name of [body.senderName, body.groupSubject]) {
      assert.ok(name === null || (typeof name === "string" && name.length <= LONGEST_NAME && !ACTS.test(name)), `nothing acts in ${JSON.stringify(name)}`);
    }
    assert.match(row.conversation, /^[0-9-]+@(?:s\.whatsapp\.net|lid|g\.us)$/);
    assert.ok(row.message_id.length <= 128);
  }
  for (const event of bridge.events) assert.ok(!ACTS.test(String(event.chat ?? "")));
}

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "events: a message of any shape is stored, refused or counted, and the next one is read",
    short: 400,
    share: 1 / 4,
    hold: (scope) => {
      const bridge = listening(scope);
      return fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 4 }), fc.constantFrom("notify", "append"), metadata, fc.oneof(jid, thing), async (messages, type, group, number) => {
        Object.assign(bridge.says, { metadata: group, number });
        const before = bridge.counted();
        bridge.ev.emit("messages.upsert", { messages, type });
        await bridge.receiver.settled();
        const things = messages.filter((each) => typeof each === "object" && each !== null).length;
        const dealtWith = bridge.rows().length + bridge.counted() - before + bridge.events.filter(({ event }) => event === "message_refused").length;
        assert.ok(dealtWith <= things, "nothing is there twice");
        // Of one that comes again, nothing is told.
        const ids = new Set(messages.map((each) => /** @type {any} */ (each)?.key?.id));
        if (ids.size === messages.length) assert.equal(dealtWith, things, "each is stored, refused or counted");
        for (const reason of Object.keys(bridge.receiver.ignored)) assert.ok(REASONS.includes(reason), reason);
        storedIsSafe(bridge);
        await bridge.goesOn();
      });
    },
  },
  {
    name: "events: whatever else Baileys reports is taken or left, and the next message is read",
    short: 300,
    share: 1 / 4,
    hold: (scope) => {
      const bridge = listening(scope);
      const update = fc.oneof(fc.record({ key: fc.oneof(key, thing), update: fc.oneof(fc.record({ message: content, status: fc.oneof(fc.nat(6), thing), messageTimestamp: time }, { requiredKeys: [] }), thing) }, { requiredKeys: [] }), thing);
      const receipt = fc.oneof(fc.record({ key: fc.oneof(key, thing), receipt: fc.oneof(fc.record({ userJid: fc.oneof(jid, thing), readTimestamp: time, receiptTimestamp: time }, { requiredKeys: [] }), thing) }), thing);
      const named = fc.oneof(fc.record({ id: fc.oneof(jid, thing), subject: words }), thing);
      /** @param {fc.Arbitrary<unknown>} one */
      const list = (one) => fc.oneof({ weight: 4, arbitrary: fc.array(one, { maxLength: 4 }) }, thing);
      const report = fc.oneof(
        fc.tuple(fc.constant("messages.update"), list(update)),
        fc.tuple(fc.constant("message-receipt.update"), list(receipt)),
        fc.tuple(fc.constant("groups.update"), list(named)),
        fc.tuple(fc.constant("messages.upsert"), fc.record({ messages: list(thing), type: fc.constant("notify") })),
      );
      return fc.asyncProperty(fc.array(report, { minLength: 1, maxLength: 4 }), async (reports) => {
        for (const [event, data] of reports) bridge.ev.emit(event, data);
        await bridge.receiver.settled();
        storedIsSafe(bridge);
        for (const [id, what, at] of /** @type {any[]} */ (bridge.receipts.splice(0))) {
          assert.equal(typeof id, "string");
          assert.ok(["delivered", "read"].includes(what) && Number.isSafeInteger(at));
        }
        await bridge.goesOn();
      });
    },
  },
  {
    name: "names: a name is one short line in which nothing acts and which can be seen, or none",
    short: 2_000,
    hold: () => fc.property(fc.oneof(longText, thing), (any) => {
      const name = plainName(any);
      if (name === null) return;
      assert.ok(name.length > 0 && name.length <= LONGEST_NAME && !ACTS.test(name) && name.trim() === name);
      assert.equal(plainName(name), name, "made fit once, it is fit");
    }),
  },
];
