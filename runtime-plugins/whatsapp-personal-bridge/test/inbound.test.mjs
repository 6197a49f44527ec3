// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
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
