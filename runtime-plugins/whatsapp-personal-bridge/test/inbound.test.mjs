// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import * as baileys from "@whiskeysockets/baileys";
import { readMessage, sentAt, shortened, unwrap } from "../src/inbound.mjs";
import { fixture } from "./support/fixtures.mjs";

for (const { name, message, key, stub, kind, text, ignored } of fixture("inbound-kinds.json").cases) {
  test(`an inbound message: ${name}`, () => {
    const read = readMessage({
      key: { remoteJid: "15551234567@s.whatsapp.net", id: "A1", fromMe: false, ...key },
      message,
      ...(stub ? { messageStubType: stub } : {}),
    });
    assert.deepEqual(read, ignored ? { ignored } : { text: { kind, text } });
  });
}

test("envelopes without end are not followed for ever", () => {
  /** @type {any} */
  const endless = { ephemeralMessage: {} };
  endless.ephemeralMessage.message = endless;
  assert.equal(unwrap(endless), endless);
});

test("the time of a message is read from a number, a protobuf Long, or not at all", () => {
  assert.equal(sentAt(1_700_000_000, 5), 1_700_000_000_000);
  assert.equal(sentAt(/** @type {any} */ ({ toString: () => "1700000000" }), 5), 1_700_000_000_000);
  assert.equal(sentAt(null, 5), 5);
  assert.equal(sentAt(0, 5), 5);
  for (const odd of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 63, 1e308, {}, { toString: 0 }, Symbol("now")]) assert.equal(sentAt(/** @type {any} */ (odd), 5), 5);
});

test("a text that no request could carry is cut, and never inside a character", () => {
  const key = { remoteJid: "15551234567@s.whatsapp.net", id: "A1", fromMe: false };
  const lengthOf = (/** @type {import("@whiskeysockets/baileys").WAMessageContent} */ message) => {
    const read = readMessage({ key, message });
    return "text" in read ? read.text.text.length : 0;
  };
  assert.equal(lengthOf({ conversation: "x".repeat(65_536) }), 65_536);
  assert.equal(lengthOf({ conversation: "x".repeat(3_000_000) }), 65_536);
  assert.equal(lengthOf({ imageMessage: { caption: "x".repeat(3_000_000) } }), 65_536);
  assert.equal(shortened("abcd", 4), "abcd");
  assert.equal(shortened("abcde", 4), "abc…");
  assert.equal(shortened("ab\u{1F600}cd", 4), "ab…");
});

test("half a character, which no decoder of JSON takes, becomes a mark", () => {
  const { proto } = baileys;
  const bytes = new Uint8Array([0x0a, 5, 0x61, 0xed, 0xa0, 0x80, 0x62]);
  const read = readMessage({ key: { remoteJid: "15551234567@s.whatsapp.net", id: "A1", fromMe: false }, message: proto.Message.decode(bytes) });
  assert.deepEqual(read, { text: { kind: "text", text: "a\ufffdb" } });
});

test("a message without an id, with an endless one, or with a text that is none is malformed", () => {
  const key = { remoteJid: "15551234567@s.whatsapp.net", id: "A1", fromMe: false };
  for (const odd of [{ id: "" }, { id: "x".repeat(129) }, { id: 5 }, { remoteJid: "" }]) {
    assert.deepEqual(readMessage(/** @type {any} */ ({ key: { ...key, ...odd }, message: { conversation: "hi" } })), { ignored: "malformed" });
  }
  assert.deepEqual(readMessage(/** @type {any} */ ({ key, message: { conversation: ["hi"] } })), { ignored: "malformed" });
});
