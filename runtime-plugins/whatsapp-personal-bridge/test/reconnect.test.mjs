// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, FRESH, QR_ROUNDS } from "../src/reconnect.mjs";
import { TIMING } from "../src/timing.mjs";

const MIDDLE = () => 0.5;
const PAIRED = { paired: true, qrShown: false };
const UNPAIRED = { paired: false, qrShown: true };

/**
 * @param {number | undefined} code
 * @param {{ paired: boolean, qrShown: boolean }} [situation]
 * @param {Partial<import("../src/reconnect.mjs").History>} [history]
 */
const after = (code, situation = PAIRED, history = {}) => decide({ code, ...situation }, { ...FRESH, ...history }, MIDDLE);

/** @type {[string, number | undefined, { paired: boolean, qrShown: boolean }, string, number | null, boolean][]} */
const TABLE = [
  ["a restart after pairing", 515, PAIRED, "connecting", 0, false],
  ["a dropped line", 428, PAIRED, "reconnecting", 500, false],
  ["silence when paired", 408, PAIRED, "reconnecting", 500, false],
  ["a server error", 500, PAIRED, "reconnecting", 500, false],
  ["a busy server", 503, PAIRED, "reconnecting", 500, false],
  ["no code at all", undefined, PAIRED, "reconnecting", 500, false],
  ["a code that nobody knows", 599, PAIRED, "reconnecting", 500, false],
  ["a QR that nobody scanned", 408, UNPAIRED, "pairing", 0, false],
  ["no answer before a QR", 408, { paired: false, qrShown: false }, "reconnecting", 500, false],
  ["the phone unlinked us", 401, PAIRED, "logged_out", TIMING.loggedOutRetryMs, true],
  ["a login of an older kind", 411, PAIRED, "logged_out", TIMING.loggedOutRetryMs, true],
  ["a pairing that was refused", 401, UNPAIRED, "reconnecting", 500, false],
  ["another client took over", 440, PAIRED, "replaced", TIMING.replacedRetryMs, false],
  ["a blocked account", 403, PAIRED, "blocked", null, false],
  ["a version that is too old", 405, PAIRED, "outdated", null, false],
];

for (const [name, code, situation, state, delayMs, newLogin] of TABLE) {
  test(`after ${name}: ${state}`, () => {
    const decision = after(code, situation);
    assert.deepEqual({ state: decision.state, delayMs: decision.delayMs, newLogin: decision.newLogin }, { state, delayMs, newLogin });
    assert.match(decision.message, /\.$/);
    assert.match(decision.reason, /^[a-z0-9_]+$/);
  });
}

test("waits double up to a minute, each anywhere between nothing and all of it", () => {
  let history = FRESH;
  /** @type {(number | null)[]} */
  const ceilings = [];
  for (let failure = 0; failure < 9; failure += 1) {
    const ending = { code: 428, ...PAIRED };
    assert.equal(decide(ending, history, () => 0).delayMs, 0);
    const decision = decide(ending, history, () => 1);
    ceilings.push(decision.delayMs);
    history = decision.history;
  }
  assert.deepEqual(ceilings, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000));
  assert.equal(decide({ code: 428, ...PAIRED }, { ...FRESH, failures: 100_000 }, () => 1).delayMs, 60_000);
});

test("after three rounds that nobody scanned the bridge rests, and a resumed one begins anew", () => {
  let history = FRESH;
  for (let round = 1; round < QR_ROUNDS; round += 1) {
    const decision = decide({ code: 408, ...UNPAIRED }, history);
    assert.equal(decision.delayMs, 0);
    history = decision.history;
  }
  const last = decide({ code: 408, ...UNPAIRED }, history);
  assert.deepEqual([last.state, last.delayMs, last.history.rounds], ["pairing_expired", null, 0]);
});

test("a round of codes counts whatever ends its connection, and a lost one waits before the next", () => {
  let history = FRESH;
  for (const code of [428, undefined]) {
    const decision = decide({ code, ...UNPAIRED }, history, () => 1);
    assert.equal(decision.state, "reconnecting");
    assert.ok(decision.delayMs !== null && decision.delayMs > 0);
    history = decision.history;
  }
  const last = decide({ code: 401, ...UNPAIRED }, history);
  assert.deepEqual([last.state, last.reason, last.delayMs], ["pairing_expired", "qr_not_scanned", null]);
  const unseen = decide({ code: 428, paired: false, qrShown: false }, history);
  assert.deepEqual([unseen.state, unseen.history.rounds], ["reconnecting", history.rounds], "a code that never showed is no round");
});

test("a second take-over within a day is not fought, however often the connection was lost in between", () => {
  const day = TIMING.takeoverForgottenMs;
  const { history } = decide({ code: 440, ...PAIRED }, FRESH, MIDDLE, TIMING, 1_000);
  const between = decide({ code: 428, ...PAIRED }, history, MIDDLE, TIMING, 2_000).history;
  const soon = decide({ code: 440, ...PAIRED }, between, MIDDLE, TIMING, 999 + day);
  assert.deepEqual([soon.state, soon.delayMs], ["replaced", null]);
  const later = decide({ code: 440, ...PAIRED }, between, MIDDLE, TIMING, 1_000 + day);
  assert.deepEqual([later.state, later.delayMs], ["replaced", TIMING.replacedRetryMs]);
});

test("a restart that WhatsApp asks for is no failure", () => {
  assert.deepEqual(after(515, PAIRED, { failures: 3 }).history, { ...FRESH, failures: 3, restarted: true });
});

test("a server that asks for one restart after the other is backed off from", () => {
  /** @type {(number | null)[]} */
  const waits = [];
  let history = FRESH;
  for (let restart = 0; restart < 4; restart += 1) {
    const decision = decide({ code: 515, ...PAIRED }, history, () => 1);
    waits.push(decision.delayMs);
    history = decision.history;
  }
  assert.deepEqual(waits, [0, 1_000, 2_000, 4_000]);
  assert.equal(after(515, PAIRED, { ...history, restarted: false }).delayMs, 0, "once a connection has stood in between");
});

test("no wait is longer than its ceiling or shorter than nothing, whatever chance says", () => {
  let history = FRESH;
  for (let failure = 0; failure < 200; failure += 1) {
    const decision = decide({ code: 503, ...PAIRED }, history);
    const ceiling = Math.min(TIMING.backoffMaxMs, TIMING.backoffFirstMs * 2 ** failure);
    assert.ok(decision.delayMs !== null && decision.delayMs >= 0 && decision.delayMs <= ceiling, `${decision.delayMs} after ${failure} failures`);
    history = decision.history;
  }
});

test("a refusal says what it means and what to do", () => {
  assert.match(after(405).message, /version.*@whiskeysockets\/baileys.*whatsapp_web_version/);
  assert.match(after(403).message, /blocked.*phone.*bridge resume/);
  assert.match(after(440, PAIRED, { takenOverAt: Date.now() }).message, /Another client.*bridge resume/);
});
