// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { TIMING } from "../src/timing.mjs";
import { ids, inbound, parts, receive } from "./support/bridge.mjs";

const host = { consumer: { id: "host", instance: "1" } };

/**
 * An inbox whose clock and timers stand still until the test moves them.
 * @param {import("node:test").TestContext} t
 */
function still(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  return { ...parts(t), pass: (/** @type {number} */ ms) => t.mock.timers.tick(ms) };
}

/**
 * @param {Promise<unknown>} promise
 * @returns {Promise<boolean>} whether it is settled by now
 */
async function settled(promise) {
  const open = Symbol("open");
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

test("a long poll ends empty when its time is over, and not before", async (t) => {
  const { inbox, pass } = still(t);
  const waiting = receive(inbox, { waitMs: 25_000 });
  pass(24_999);
  assert.equal(await settled(waiting), false);
  pass(1);
  assert.deepEqual(await waiting, []);
});

test("a long poll ends in time even when the clock is set back meanwhile", async (t) => {
  let clock = 1_800_000_000_000;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { inbox } = parts(t, { now: () => clock });
  const waiting = receive(inbox, { waitMs: 25_000 });
  clock -= 3_600_000;
  t.mock.timers.tick(25_000);
  assert.deepEqual(await waiting, []);
});

test("a caller who waits is woken when a message's next attempt is due", async (t) => {
  const { inbox, pass } = still(t);
  inbox.accept(inbound("A1"));
  const [row] = await receive(inbox, host);
  inbox.release(row?.cursor ?? "", { counts: true, reason: "busy" });
  const waiting = receive(inbox, { ...host, waitMs: 60_000 });
  pass(TIMING.retry1Ms - 1);
  assert.equal(await settled(waiting), false);
  pass(1);
  assert.deepEqual(ids(await waiting), ["A1"]);
});

test("a caller who waits is woken by what became due while it was looked for", async (t) => {
  let clock = 1_800_000_000_000;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { inbox, store } = parts(t, { now: () => clock });
  inbox.accept(inbound("A1"));
  const [row] = await receive(inbox, host);
  inbox.release(row?.cursor ?? "", { counts: true, reason: "busy" });
  clock += TIMING.retry1Ms - 1;
  // A slow disk: the look itself takes the last millisecond.
  const look = store.inbox.due.bind(store.inbox);
  t.mock.method(store.inbox, "due", (/** @type {Parameters<typeof look>[0]} */ wanted) => {
    const found = look(wanted);
    clock += 1;
    return found;
  });
  const waiting = receive(inbox, { ...host, waitMs: 60_000 });
  t.mock.timers.tick(1);
  assert.deepEqual(ids(await waiting), ["A1"]);
});

test("a caller who waits is woken when somebody else's lease has run out and the message's wait is over", async (t) => {
  const { inbox, pass } = still(t);
  inbox.accept(inbound("A1"));
  await receive(inbox, host);
  pass(TIMING.leaseMs - 10_000);
  const waiting = receive(inbox, { waitMs: 60_000 });
  pass(10_000);
  assert.equal(await settled(waiting), false);
  pass(TIMING.retry1Ms);
  assert.deepEqual(ids(await waiting), ["A1"]);
});

test("a caller who waits is woken when the conversation's earlier message is settled", async (t) => {
  const { inbox } = still(t);
  inbox.accept(inbound("A1"));
  const [row] = await receive(inbox, host);
  inbox.accept(inbound("A2"));
  const waiting = receive(inbox, { ...host, inFlight: [row?.cursor ?? ""], waitMs: 60_000 });
  assert.equal(await settled(waiting), false);
  inbox.acknowledge(row?.cursor ?? "");
  assert.deepEqual(ids(await waiting), ["A2"]);
});

test("a caller who asks anew is answered there: its older question ends empty and takes nothing", async (t) => {
  const { inbox } = still(t);
  for (const caller of [{}, host]) {
    const older = receive(inbox, { ...caller, waitMs: 60_000 });
    const newer = receive(inbox, { ...caller, waitMs: 60_000 });
    assert.deepEqual(await older, []);
    inbox.accept(inbound("consumer" in caller ? "A2" : "A1"));
    const [row] = await newer;
    inbox.acknowledge(row?.cursor ?? "");
    assert.equal(row?.message_id, "consumer" in caller ? "A2" : "A1");
  }
});

test("an older question ends too when the newer one is answered at once", async (t) => {
  const { inbox } = still(t);
  const gone = receive(inbox, { ...host, waitMs: 60_000, allowed: ["+15557654321"] });
  inbox.accept(inbound("A1"));
  assert.deepEqual(ids(await receive(inbox, { ...host, waitMs: 60_000 })), ["A1"]);
  assert.deepEqual(await gone, []);
});

test("a renewal does not end the question that waits", async (t) => {
  const { inbox } = still(t);
  const waiting = receive(inbox, { ...host, waitMs: 60_000 });
  await receive(inbox, { ...host, max: 0, inFlight: [] });
  inbox.accept(inbound("A1"));
  assert.deepEqual(ids(await waiting), ["A1"]);
});

test("different callers wait side by side, and one message wakes one of them", async (t) => {
  const { inbox } = still(t);
  const waiting = [receive(inbox, { waitMs: 60_000 }), receive(inbox, { ...host, waitMs: 60_000 })];
  inbox.accept(inbound("A1"));
  assert.deepEqual(ids(await Promise.race(waiting)), ["A1"]);
  inbox.close();
  assert.deepEqual((await Promise.all(waiting)).flatMap(ids), ["A1"]);
});

test("a bridge that stops hands out nothing more", async (t) => {
  const { inbox, store } = still(t);
  inbox.accept(inbound("A1"));
  inbox.close();
  assert.deepEqual(await receive(inbox, { waitMs: 60_000 }), []);
  assert.equal(store.inbox.depth().leased, 0);
});
