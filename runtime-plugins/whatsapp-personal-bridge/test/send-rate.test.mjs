// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../src/errors.mjs";
import { SendRate } from "../src/send-rate.mjs";
import { ask, BEARER, serving, stock, TOKEN } from "./support/endpoint.mjs";

/** @param {{ perSecond: number, burst: number }} [rate] */
function still(rate = { perSecond: 2, burst: 3 }) {
  const clock = { at: 1_000 };
  return { clock, sends: new SendRate(rate, () => clock.at) };
}

/**
 * How many of so many tries pass.
 * @param {SendRate} sends
 * @param {number} tries
 * @param {import("../src/access.mjs").Caller} [caller]
 */
function passes(sends, tries, caller = "token") {
  let passed = 0;
  for (let number = 0; number < tries; number += 1) {
    try {
      sends.take(caller, "send_message");
      passed += 1;
    } catch (error) {
      assert.ok(error instanceof RequestError && error.code === "rate_limited" && error.status === 429 && error.retryable);
      assert.deepEqual(error.headers, { "retry-after": "1" });
    }
  }
  return passed;
}

test("a caller may send what it has saved up, then as fast as it saves", () => {
  const { clock, sends } = still();
  assert.equal(passes(sends, 10), 3);
  clock.at += 499;
  assert.equal(passes(sends, 10), 0, "what was refused cost nothing, and saved nothing");
  clock.at += 1;
  assert.equal(passes(sends, 10), 1);
  clock.at += 1_000;
  assert.equal(passes(sends, 10), 2);
  clock.at += 3_600_000;
  assert.equal(passes(sends, 10), 3, "no more is saved than that");
});

test("callers do not use up each other's", () => {
  const { sends } = still();
  assert.equal(passes(sends, 10, "nobody"), 3);
  assert.equal(passes(sends, 10, "token"), 3);
});

test("nothing but a send counts", () => {
  const { sends } = still();
  for (let number = 0; number < 100; number += 1) for (const operation of ["receive_batch", "ack_inbound", "bridge_status", "toString"]) sends.take("token", operation);
  assert.equal(passes(sends, 10), 3);
});

test("a host is let through at its fastest, and a program that runs away is not", () => {
  let now = 0;
  const sends = new SendRate(undefined, () => now);
  // Sixteen calls at once, each answered after 80 ms.
  for (; now < 600_000; now += 80) assert.equal(passes(sends, 16), 16, `after ${now} ms`);
  assert.ok(passes(sends, 5_000) <= 1_000);
});

test("above the rate a send is refused with the time to wait, and nothing is done; all else is answered", async (t) => {
  const { clock, sends } = still();
  const { server, line } = await serving(t, {}, { token: TOKEN, bridgeAuth: "none" }, { sends });
  const send = (/** @type {number} */ number, headers = {}) =>
    ask(server.port, { headers, body: stock("send_message", ({ target }) => (target.options = { idempotency_key: `k${number}` })) });
  for (const number of [1, 2, 3]) assert.equal((await send(number)).status, 200);

  const refused = await send(4);
  assert.deepEqual([refused.status, refused.body.payload.code, refused.body.payload.retryable, refused.headers["retry-after"]], [429, "rate_limited", true, "1"]);
  assert.match(refused.body.payload.error, /try again/);
  assert.equal(refused.body.id, "whatsapp-personal-bridge:whatsapp-personal:send_message");
  assert.equal(line.sent.length, 3);
  assert.equal((await ask(server.port, { body: stock("complete_batch") })).status, 200);
  assert.equal((await send(5, BEARER)).status, 200, "who shows the token is another caller");

  clock.at += 500;
  assert.equal((await send(4)).status, 200);
  assert.equal(line.sent.length, 5);
});
