// @ts-check
/**
 * A store that somebody else wrote into, or that is damaged: it is refused with words and left as it
 * is, or the bridge runs on it, passes over what it cannot use, visibly, and hands out all the rest.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { FatalError } from "../../../runtime-plugins/whatsapp-personal-bridge/src/errors.mjs";
import { listChats } from "../../../runtime-plugins/whatsapp-personal-bridge/src/admin-chats.mjs";
import { listInbox } from "../../../runtime-plugins/whatsapp-personal-bridge/src/admin-inbox.mjs";
import { writeInbound } from "../../../runtime-plugins/whatsapp-personal-bridge/src/contract.mjs";
import { inbound, parts } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/bridge.mjs";
import { withTables } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/tables.mjs";
import { json, text } from "../support/arbitraries.mjs";
import { asTest, open, privateDir } from "../support/bridge.mjs";

/** By table: the columns into which something is written. */
const COLUMNS = Object.freeze({
  inbox: ["cursor", "conversation", "sender", "message_id", "state", "body", "stored_at", "attempts", "since", "until", "batch", "consumer", "instance", "ended_at", "reason"],
  conversations: ["id"],
  aliases: ["lid", "phone"],
  known_chats: ["chat", "name", "messages_in", "messages_out", "last_at"],
  refused_chats: ["chat", "count", "last_at"],
  settings: ["value"],
  sends: ["idempotency_key", "jid", "text", "created_at", "opened_at"],
  parts: ["message_id", "body", "state", "error", "left_at"],
  logins: ["state", "creds"],
});
/** As SQL, so that kinds are what SQLite makes of them. */
const value = fc.oneof(
  fc.constantFrom("NULL", "0", "-1", "1.5", "9223372036854775807", "-9223372036854775808", "9007199254740993", "1e400", "x'ff41'", "x''", "CAST(x'ff41' AS TEXT)", "CAST(x'eda080' AS TEXT)", "'a' || char(0) || 'b'", "zeroblob(100000)", "''", "'done'", "'leased'", "'15557654321@s.whatsapp.net'", "'null'", "'{}'", "'[]'", "'5'", "'{\"text\":\"\\ud800\",\"kind\":\"text\",\"group\":false}'", "'{\"text\":5,\"kind\":\"text\",\"group\":false}'"),
  fc.maxSafeInteger().map(String),
  text.map((any) => `'${any.replace(/\0/g, "").replaceAll("'", "''")}'`),
  json.map((any) => `'${JSON.stringify(any).replaceAll("'", "''")}'`),
);
const damage = fc.constantFrom(.../** @type {(keyof typeof COLUMNS)[]} */ (Object.keys(COLUMNS))).chain((table) =>
  fc.record({ table: fc.constant(table), column: fc.constantFrom(...COLUMNS[table]), value, place: fc.constantFrom(1, 2, 9_007_199_254_740_992, 9_223_372_036_854_775_000) }),
);
const HONEST = "15551234567";
const DAMAGED = "15557654321";

/** @param {import("../support/hold.mjs").Scope} scope a store with something in every table, closed */
function template(scope) {
  /** @type {(() => unknown)[]} */
  const ends = [];
  const dir = privateDir(scope);
  const { inbox, store } = open({ after: (end) => ends.push(end) }, { dir });
  for (const id of ["D1", "D2"]) inbox.accept(inbound(id, "hello", DAMAGED));
  for (const id of ["H1", "H2"]) inbox.accept(inbound(id, "hello", HONEST));
  store.chats.rememberAlias("123", DAMAGED);
  store.known.refuse("15550000000@s.whatsapp.net", 1);
  store.settings.save("paused", "null");
  store.settings.save("allowed_chat_ids", '["*"]');
  store.settings.save("account", '"+15550001000"');
  store.outbox.add({ key: "k", jid: `${DAMAGED}@s.whatsapp.net`, text: "t", parts: [{ messageId: "P1", body: Buffer.from("x") }] });
  for (const end of ends) end();
  return path.join(dir, "bridge.db");
}

/**
 * @param {{ table: string, column: string, value: string, place: number }} damage
 * @param {{ exec: (sql: string) => unknown }} db
 */
function apply({ table, column, value: written, place }, db) {
  // Never where the honest messages are, but before and behind them.
  const where = { inbox: "WHERE message_id = 'D1'", settings: `WHERE name = (SELECT name FROM settings LIMIT 1 OFFSET ${place % 3})` }[table] ?? "";
  try {
    db.exec(`UPDATE ${table} SET ${column} = ${written} ${where}`);
    if (table === "inbox" && place > 2) db.exec(`UPDATE inbox SET seq = ${place} WHERE message_id = 'D2'`);
  } catch (error) {
    // SQLite itself refuses some of it.
    if (!/constraint|too big|mismatch/i.test(String(error))) throw error;
  }
}

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "rows: a store with any values in it is refused with words, or all that is whole in it is handed out",
    short: 100,
    share: 1 / 20,
    hold: (scope) => {
      const whole = template(scope);
      const dir = privateDir(scope);
      const file = path.join(dir, "bridge.db");
      return fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), fc.boolean(), async (damages, named) => {
        for (const end of ["", "-wal", "-shm"]) fs.rmSync(`${file}${end}`, { force: true });
        fs.copyFileSync(whole, file);
        withTables(file, (db) => damages.forEach((each) => apply(each, db)));
        const before = fs.readFileSync(file);
        /** @type {(() => unknown)[]} */
        const ends = [];
        try {
          const options = { dir, allowed: named ? ["*"] : [] };
          const made = parts(asTest({ after: (end) => ends.push(end) }), options);
          if (!named) made.allowed.name(["*"]);
          const { inbox, store, pause } = made;
          if (pause.active) pause.resume("operator");
          /** @type {string[]} */
          const got = [];
          for (let round = 0; round < 12; round += 1) {
            const { rows } = await inbox.receive({ waitMs: 0, max: 10, consumer: { id: "host", instance: "1" }, inFlight: [], allowed: null });
            for (const row of rows) {
              const message = JSON.parse(JSON.stringify(writeInbound(row, { configuredId: "default", runtimeId: "default", allowed: null })));
              for (const field of [message.text, message.delivery.ack_cursor, message.delivery.source_message_id, message.session.conversation_id]) assert.equal(typeof field, "string");
              got.push(row.message_id);
              inbox.acknowledge(row.cursor);
            }
            if (rows.length === 0) break;
            assert.ok(round < 11, `it never ends: ${got}`);
          }
          const parked = store.inbox.list({ states: ["dead", "waiting", "leased"], limit: 10 }).map(({ message_id }) => message_id);
          for (const id of ["H1", "H2"]) assert.ok(got.includes(id) || parked.includes(id), `${id} is forgotten: ${got}, ${parked}`);
          // What stands at its old place is not held up by anybody else.
          assert.deepEqual(got.filter((id) => id.startsWith("H")), ["H1", "H2"]);
          const asked = { parameter: "", fields: {} };
          JSON.stringify(listInbox(/** @type {any} */ (made), { ...asked, query: { show_text: "1", state: "waiting,leased,dead,done" } }));
          for (const refused of ["0", "1"]) JSON.stringify(listChats(/** @type {any} */ (made), { ...asked, query: { account: "default", refused } }));
          await made.outbox.resume();
        } catch (error) {
          if (!(error instanceof FatalError)) throw error;
          assert.ok(["store_damaged", "store_failed"].includes(error.code), error.code);
          assert.ok(error.hint !== "" && error.message.includes(file));
          if (ends.length === 0) assert.ok(before.equals(fs.readFileSync(file)), "what is refused stays as it is");
        } finally {
          for (const end of ends.reverse()) await end();
        }
      });
    },
  },
];
