// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../src/errors.mjs";
import { carrier, inbound, parts, receive } from "./support/bridge.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @typedef {import("../src/identity.mjs").Identity} Identity */

/** @type {Identity} */ const ANA = { kind: "phone", user: "15551234567" };
/** @type {Identity} */ const ANA_BY_LID = { kind: "lid", user: "123456789012345" };
/** @type {Identity} */ const TEAM = { kind: "group", user: "120363012345678901" };
/** Midday, in whatever zone this runs. */
const MIDDAY = new Date(2027, 0, 15, 12).getTime();
const HALF_A_DAY_MS = 43_200_000;

/** @param {RegExp} [words] */
const limited = (words = /max_new_chats_per_day/) => (/** @type {unknown} */ error) =>
  error instanceof RequestError && error.code === "rate_limited" && words.test(error.message);

/** @param {number} number */
const stranger = (number) => /** @type {Identity} */ ({ kind: "phone", user: `155510000${String(number).padStart(2, "0")}` });

/**
 * @param {import("node:test").TestContext} t
 * @param {import("./support/bridge.mjs").Options} options
 * @param {string} [name] with which its message ids begin
 */
function bridge(t, options, name) {
  const clock = { at: MIDDAY };
  const made = parts(t, { maxMessagesPerMinute: 6_000, now: () => clock.at, ...options });
  const line = carrier(made.outbox, "acknowledges", name);
  return {
    ...made,
    clock,
    line,
    writes: (/** @type {Identity} */ to, /** @type {string | null} */ key = null) => made.outbox.send({ to, text: "hello", key }),
    used: () => made.fence.status().new_chats_per_day.used,
    /** @param {Identity} who */
    replies: async (who) => {
      made.inbox.accept(inbound(`of ${who.user}`, "hello", who.user));
      const row = (await receive(made.inbox)).find(({ conversation }) => conversation.startsWith(who.user));
      return made.outbox.send({ to: who, text: "answer", key: `in:${row?.cursor}` });
    },
  };
}

test("a burst of sends to strangers is refused after so many, until the day ends", async (t) => {
  const { writes, store, clock, line, events } = bridge(t, { maxNewChatsPerDay: 3 });
  for (const number of [1, 2, 3]) assert.equal((await writes(stranger(number))).status, "sent");
  const refused = (/** @type {unknown} */ error) =>
    limited(/^The 3 new chats of this day .* begins at 2027-01-16 00:00/)(error) && error instanceof RequestError && error.retryable && error.retryAfterMs === HALF_A_DAY_MS;
  await assert.rejects(writes(stranger(4), "k"), refused);
  await assert.rejects(writes(TEAM), refused, "a group is a chat, too");
  assert.equal(store.outbox.byKey("k"), null);
  assert.equal(line.sent.length, 3);
  assert.equal((await writes(stranger(1))).status, "sent", "it was written to before");
  clock.at += HALF_A_DAY_MS - 1;
  await assert.rejects(writes(stranger(4), "k"), limited());
  clock.at += 1;
  assert.equal((await writes(stranger(4), "k")).status, "sent");
  assert.equal(events.filter(({ event, cap }) => event === "cap_reached" && cap === "new_chats_per_day").length, 2, "told again, hours later");
});

test("a reply never counts, because its chat wrote first; and whom it went to is no stranger any more", async (t) => {
  const { writes, replies, used } = bridge(t, { maxNewChatsPerDay: 1 });
  for (const number of [1, 2, 3]) assert.equal((await replies(stranger(number))).status, "sent");
  assert.equal(used(), 0);
  assert.equal((await writes(stranger(2))).status, "sent");
  assert.equal((await writes(stranger(4))).status, "sent");
  assert.equal((await replies(stranger(5))).status, "sent");
  await assert.rejects(writes(stranger(6)), limited());
});

test("that somebody wrote makes no other send to them a reply", async (t) => {
  const { inbox, writes } = bridge(t, { maxNewChatsPerDay: 1 });
  await writes(stranger(1));
  inbox.accept(inbound("A1", "hello", ANA.user));
  for (const key of [null, "in:aaaaBBBB0000-_zz"]) await assert.rejects(writes(ANA, key), limited());
});

test("0 lets nobody be written to first, says so, and lets replies go", async (t) => {
  const { writes, replies } = bridge(t, { maxNewChatsPerDay: 0 });
  await assert.rejects(writes(ANA), (error) => limited(/is 0.*Replies go out; to write first, raise it/)(error) && error instanceof RequestError && error.retryAfterMs === undefined);
  assert.equal((await replies(ANA)).status, "sent");
  assert.equal((await writes(ANA)).status, "sent");
});

test("the day's count outlives a restart, and so does who was written to", async (t) => {
  const dir = temporaryDir(t);
  const before = bridge(t, { maxNewChatsPerDay: 2, dir });
  for (const number of [1, 2]) await before.writes(stranger(number));
  const { writes } = bridge(t, { maxNewChatsPerDay: 2, dir }, "N");
  await assert.rejects(writes(stranger(3)), limited());
  assert.equal((await writes(stranger(2))).status, "sent");
});

test("two sends to one new chat are one new chat, also by its other id and before WhatsApp has the first", async (t) => {
  const { writes, store, line, used } = bridge(t, { maxNewChatsPerDay: 1, ackMs: 10 });
  store.chats.rememberAlias(ANA_BY_LID.user, ANA.user);
  line.behaviour = "is silent";
  const both = await Promise.all([writes(ANA), writes(ANA_BY_LID)]);
  assert.deepEqual(both.map(({ status }) => status), ["pending", "pending"]);
  assert.equal(used(), 1);
});

test("what never left wrote to nobody: it is not counted, and asked for again it is", async (t) => {
  const { writes, line, used } = bridge(t, { maxNewChatsPerDay: 1 });
  line.behaviour = "breaks";
  await assert.rejects(writes(stranger(1), "k"), (error) => error instanceof RequestError && error.code === "timeout");
  assert.equal(used(), 0);
  line.behaviour = "acknowledges";
  assert.equal((await writes(stranger(2))).status, "sent");
  await assert.rejects(writes(stranger(1), "k"), limited());
  assert.equal(line.sent.length, 1);
});

test("one that WhatsApp refuses has been tried, and counts", async (t) => {
  const { writes, line, used } = bridge(t, { maxNewChatsPerDay: 1 });
  line.behaviour = "refuses";
  await assert.rejects(writes(stranger(1)), (error) => error instanceof RequestError && error.code === "whatsapp_rejected");
  assert.equal(used(), 1);
  await assert.rejects(writes(stranger(2)), limited());
});

test("a stranger who is refused for the day does not use up the minute, and the other way round", async (t) => {
  const { writes, fence, used, clock } = bridge(t, { maxNewChatsPerDay: 1, maxMessagesPerMinute: 2 });
  await writes(stranger(1));
  for (let times = 0; times < 5; times += 1) await assert.rejects(writes(stranger(2)), limited());
  assert.equal(fence.status().messages_per_minute.used, 1);
  await writes(stranger(1));
  await assert.rejects(writes(stranger(1)), limited(/max_messages_per_minute/));
  clock.at += HALF_A_DAY_MS;
  assert.equal(used(), 0);
});
