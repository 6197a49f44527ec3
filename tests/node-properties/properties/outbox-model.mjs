// @ts-check
/**
 * The outbox through any sequence of sends, connections that do not hold, and restarts: a key is one
 * message for ever, its first text counts, and what has left is what was asked for.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import fc from "fast-check";
import { RequestError } from "../../../runtime-plugins/whatsapp-personal-bridge/src/errors.mjs";
import { toJid } from "../../../runtime-plugins/whatsapp-personal-bridge/src/identity.mjs";
import { carrier, parts } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/bridge.mjs";
import { asTest, privateDir } from "../support/bridge.mjs";

const CHATS = /** @type {const} */ (["15551234567", "15557654321"]).map((user) => ({ kind: /** @type {const} */ ("phone"), user }));
const REFUSALS = new Set(["paused", "not_paired", "not_connected", "whatsapp_rejected", "timeout", "bad_request"]);
const key = fc.constantFrom("one", "two", "__proto__", "three ");
const text = fc.tuple(fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 }).filter((any) => any.trim() !== ""), fc.constantFrom(1, 1, 1, 1_100)).map(([part, times]) => part.repeat(times));
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant(/** @type {const} */ ("send")), key, chat: fc.nat(1), text }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant(/** @type {const} */ ("line")), behaviour: fc.constantFrom(/** @type {const} */ ("acknowledges"), /** @type {const} */ ("is silent"), /** @type {const} */ ("breaks"), /** @type {const} */ ("does not answer"), /** @type {const} */ ("refuses")), connected: fc.boolean() }) },
  fc.record({ what: fc.constant(/** @type {const} */ ("resume")) }),
  fc.record({ what: fc.constant(/** @type {const} */ ("restart")) }),
);
const visible = (/** @type {string} */ any) => any.replace(/\s+/g, "");

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "outbox: a key is one message for ever, and its first text counts, through any line and restart",
    short: 30,
    share: 1 / 100,
    hold: (scope) => {
      const root = privateDir(scope);
      let number = 0;
      return fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const dir = `${root}/${(number += 1)}`;
        fs.mkdirSync(dir, { mode: 0o700 });
        /** @type {(() => unknown)[]} */
        let ends = [];
        let runs = 0;
        const open = () => {
          ends = [];
          const { outbox, store } = parts(asTest({ after: (end) => ends.push(end) }), { dir, ackMs: 1, chatHoldMs: 5, resendMs: 60_000, maxMessagesPerMinute: 6_000 });
          // An id is never given twice, as WhatsApp's are not.
          return { outbox, store, line: carrier(outbox, "acknowledges", `R${(runs += 1)}-`) };
        };
        let now = open();
        /** @type {{ jid: string, messageId: string, body: string }[]} */
        const left = [];
        /** @type {Map<string, { jid: string, text: string, ids: string[] | null }>} by key, what it was first accepted for */
        const known = new Map();
        const collect = () => left.push(...now.line.sent.splice(0));
        try {
          for (const each of steps) {
            if (each.what === "line") Object.assign(now.line, { behaviour: each.behaviour, connected: each.connected });
            else if (each.what === "resume") await now.outbox.resume();
            else if (each.what === "restart") {
              collect();
              for (const end of ends) end();
              now = open();
            } else {
              const to = /** @type {(typeof CHATS)[0]} */ (CHATS[each.chat]);
              const there = now.store.outbox.byKey(each.key);
              try {
                const { messageIds, firstText } = await now.outbox.send({ to, text: each.text, key: each.key });
                const first = known.get(each.key) ?? { jid: toJid(to), text: each.text, ids: null };
                known.set(each.key, first);
                first.ids ??= messageIds;
                assert.deepEqual(messageIds, first.ids, "asked again, the ids are the first send's");
                assert.equal(toJid(to), first.jid);
                assert.equal(firstText, each.text !== first.text);
              } catch (error) {
                if (!(error instanceof RequestError)) throw error;
                assert.ok(REFUSALS.has(error.code), error.code);
                // Kept for whoever asks again, though its caller was told that it failed.
                const kept = now.store.outbox.byKey(each.key);
                if (!there && kept) known.set(each.key, { jid: toJid(to), text: each.text, ids: now.store.outbox.parts(kept.id).map(({ message_id }) => message_id) });
                if (error.code === "bad_request") assert.notEqual(known.get(each.key)?.jid, toJid(to));
              }
            }
          }
          Object.assign(now.line, { behaviour: "acknowledges", connected: true });
          await now.outbox.resume();
          collect();
        } finally {
          for (const end of ends) end();
          fs.rmSync(dir, { recursive: true, force: true });
        }
        /** @type {Map<string, string>} */
        const bodies = new Map();
        for (const { messageId, jid, body } of left) {
          assert.equal(bodies.get(messageId) ?? body, body, "the same id is always the same bytes");
          bodies.set(messageId, body);
          const owner = [...known.values()].find(({ ids }) => ids?.includes(messageId));
          assert.ok(owner, `${messageId} belongs to no send`);
          assert.equal(jid, owner.jid, "nobody gets what was for somebody else");
        }
        for (const { ids, text: said } of known.values()) {
          const gone = (ids ?? []).map((id) => bodies.get(id));
          // All of it has left, or a beginning of it.
          const whole = gone.findIndex((body) => body === undefined);
          const beginning = gone.slice(0, whole < 0 ? gone.length : whole).join("");
          assert.ok(visible(said).startsWith(visible(beginning)));
          if (whole < 0) assert.equal(visible(beginning), visible(said));
          else assert.ok(gone.slice(whole).every((body) => body === undefined), "no part overtakes another");
        }
      });
    },
  },
];
