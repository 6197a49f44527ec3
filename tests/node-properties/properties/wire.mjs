// @ts-check
/** The wire format: what is read of a request, and what is written for a host to read. */

import assert from "node:assert/strict";
import fc from "fast-check";
import * as contract from "../../../runtime-plugins/whatsapp-personal-bridge/src/contract.mjs";
import { ERROR_CODES, RequestError } from "../../../runtime-plugins/whatsapp-personal-bridge/src/errors.mjs";
import { fromJid, toJid } from "../../../runtime-plugins/whatsapp-personal-bridge/src/identity.mjs";
import { canonicalTarget, parseTarget } from "../../../runtime-plugins/whatsapp-personal-bridge/src/targets.mjs";
import { fixture } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/fixtures.mjs";
import { deep, identity, jid, json, longText, text } from "../support/arbitraries.mjs";

const OPERATIONS = ["send_message", "receive_batch", "ack_inbound", "complete_batch"];
/** @type {any[]} requests as stock Loong sends them */
const CAPTURED = OPERATIONS.map((operation) => fixture(`wire/stock-request-${operation}.json`).body);
const [ACCEPTED] = fixture("wire/stock-accepted-response-receive_batch.json").body.payload.messages;

/** A captured request in which one place says something else. */
const changed = fc.tuple(fc.constantFrom(...CAPTURED), fc.nat(), json).map(([captured, at, value]) => {
  const request = structuredClone(captured);
  /** @type {[any, string][]} */
  const places = [];
  (function walk(/** @type {any} */ node) {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node, key]);
      walk(node[key]);
    }
  })(request);
  const [node, key] = /** @type {[any, string]} */ (places[at % places.length]);
  if (value === null && at % 2 === 0) delete node[key];
  else node[key] = value;
  return request;
});
export const body = fc.oneof(
  { weight: 4, arbitrary: changed.map((request) => JSON.stringify(request)) },
  json.map((value) => JSON.stringify(value)),
  json.map((value) => JSON.stringify(value).slice(0, -1)),
  deep,
  text,
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString("utf8")),
);
const account = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}[a-z0-9]$/).filter((name) => !["contact", "group"].includes(name));

/**
 * @param {() => unknown} read
 * @returns {RequestError | null}
 */
function refusalOf(read) {
  try {
    read();
    return null;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    assert.ok(Object.hasOwn(ERROR_CODES, error.code), error.code);
    assert.ok(error.message.length > 10 && error.message.length < 2_000, "it is a sentence");
    return error;
  }
}

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "wire: whatever is asked is read, or refused with a code of the registry",
    short: 1_000,
    hold: () => fc.property(body, (asked) => {
      /** @type {contract.Request | null} */
      let request = null;
      if (refusalOf(() => (request = contract.readRequest(asked)))) return;
      const { method, id, operation, payload } = /** @type {contract.Request} */ (/** @type {unknown} */ (request));
      assert.deepEqual([method, typeof operation, typeof payload], [contract.METHOD, "string", "object"]);
      assert.equal(Object.getPrototypeOf({}), Object.prototype, "nothing was put into every object");
      const answer = JSON.parse(JSON.stringify(contract.writeAnswer({ method, id }, { ok: true })));
      assert.deepEqual(answer, { method, id: JSON.parse(JSON.stringify(id)), payload: { ok: true } });
    }),
  },
  {
    name: "wire: every payload is read, or refused with a code of the registry",
    short: 1_000,
    hold: () => fc.property(changed, ({ payload }) => {
      const given = typeof payload === "object" && payload !== null ? payload : {};
      for (const read of [contract.readAccount, contract.requireAccount, contract.readReceive, contract.readAck, contract.readRelease, contract.readComplete]) refusalOf(() => read(given));
      refusalOf(() => {
        const { to, text: said, key } = contract.readSend(given, contract.requireAccount(given));
        assert.deepEqual(fromJid(toJid(to)), to);
        assert.ok(said.trim() !== "" && said.length <= 65_536);
        assert.ok(key === null || (key.length > 0 && key.length <= 512));
      });
    }),
  },
  {
    name: "wire: a message to a host has every field that stock Loong decodes, and its reply target leads back to its chat",
    short: 1_000,
    hold: () => fc.property(
      fc.record({
        seq: fc.nat(), cursor: fc.base64String({ minLength: 4, maxLength: 20 }), conversation: fc.oneof(identity.map(toJid), jid), sender: identity.map(toJid), message_id: fc.string({ minLength: 1 }),
        body: fc.constant("{}"), stored_at: fc.nat(), aliases: fc.array(identity.map(toJid), { maxLength: 2 }),
        content: fc.record({ kind: fc.constantFrom("text", "image"), text: longText, group: fc.boolean(), senderName: fc.option(text), sentAt: fc.nat(), groupSubject: fc.option(text) }),
      }),
      account,
      (row, name) => {
        const written = JSON.parse(JSON.stringify(contract.writeInbound(row, { configuredId: name, runtimeId: name, allowed: null })));
        assert.deepEqual(Object.keys(written.session).sort(), Object.keys(ACCEPTED.session).sort());
        for (const field of Object.keys(ACCEPTED.delivery)) assert.ok(Object.hasOwn(written.delivery, field), field);
        assert.deepEqual(written.delivery.acp_bootstrap_mcp_servers, []);
        for (const field of [written.session.conversation_id, written.reply_target.id, written.delivery.ack_cursor, written.delivery.source_message_id, written.text]) assert.equal(typeof field, "string");
        assert.equal(written.session.participant_id, row.content.group ? row.sender : null);
        const chat = fromJid(row.conversation);
        if (!chat) return;
        assert.equal(written.reply_target.id, canonicalTarget(chat, name));
        // What stock Loong splits at colons is channel, account, kind and an id that has none.
        assert.equal(written.reply_target.id.split(":").length, 4);
        assert.deepEqual(parseTarget(written.reply_target.id, name), chat);
      },
    ),
  },
];
