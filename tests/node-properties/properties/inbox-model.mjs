// @ts-check
/**
 * The inbox against a simple model of it, through any sequence of messages, callers, waits and
 * restarts: nothing is lost or handed out twice, each conversation keeps its order, and attempts are
 * what docs/delivery.md says.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import fc from "fast-check";
import { inbound, parts } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/bridge.mjs";
import { TIMING } from "../../../runtime-plugins/whatsapp-personal-bridge/src/timing.mjs";
import { ALL, asTest, privateDir } from "../support/bridge.mjs";

const CHATS = ["15551234567", "15557654321", "15550102030"];
const WAITS = [TIMING.retry1Ms, TIMING.retry2Ms, TIMING.retry3Ms, TIMING.retry4Ms, TIMING.retry5Ms];

/**
 * @typedef {{ id: string, chat: string, state: "waiting" | "leased" | "dead" | "done", attempts: number, until: number }} Known
 * @typedef {{ now: number, messages: Known[] }} Model in the order of arrival; `until`: of a wait, or of the lease
 * @typedef {{ dir: string, clock: { at: number }, made: ReturnType<typeof parts>, end: () => void, cursors: Map<string, string>, open: () => void }} Real
 * @typedef {fc.AsyncCommand<Model, Real>} Command
 */

/**
 * What its consumer does not name any more goes back uncounted; what ran out counts the first of each chat.
 * @param {Model} model
 * @param {Set<string>} named
 * @param {boolean} said whether the caller said what it holds
 */
function settleLeases(model, named, said) {
  /** @type {Set<string>} */
  const counted = new Set();
  for (const message of model.messages.filter(({ state }) => state === "leased")) {
    if (named.has(message.id)) message.until = model.now + TIMING.leaseMs;
    else if (said) Object.assign(message, { state: "waiting", until: 0 });
    else if (message.until <= model.now) {
      if (counted.has(message.chat)) Object.assign(message, { state: "waiting", until: 0 });
      else {
        counted.add(message.chat);
        fail(model, message);
      }
    }
  }
}

/**
 * @param {Model} model
 * @param {Known} message
 */
function fail(model, message) {
  const wait = WAITS[message.attempts];
  message.attempts += 1;
  Object.assign(message, wait === undefined ? { state: "dead", until: 0 } : { state: "waiting", until: model.now + wait });
}

/**
 * @param {Model} model
 * @param {number} max
 */
function due(model, max) {
  /** @type {Set<string>} */
  const held = new Set();
  /** @type {Known[]} */
  const handed = [];
  for (const message of model.messages) {
    if (message.state === "leased" || (message.state === "waiting" && message.until > model.now)) held.add(message.chat);
    else if (message.state === "waiting" && !held.has(message.chat) && handed.length < max) handed.push(message);
  }
  return handed;
}

/**
 * The store says of every message what the model says.
 * @param {Model} model
 * @param {Real} real
 */
function same(model, real) {
  const rows = real.made.store.inbox.list({ states: ALL, limit: 10_000 });
  assert.deepEqual(rows.map(({ message_id, state, attempts }) => [message_id, state, attempts]), model.messages.map(({ id, state, attempts }) => [id, state, attempts]));
}

/** @implements {Command} */
class Arrives {
  /**
   * @param {number} chat
   * @param {number} id
   */
  constructor(chat, id) {
    this.chat = CHATS[chat % CHATS.length] ?? "";
    this.id = `M${id}`;
  }
  check() {
    return true;
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    real.made.inbox.accept(inbound(this.id, `text of ${this.id}`, this.chat));
    // WhatsApp brings a message again: known once by chat and id.
    if (!model.messages.some(({ id, chat }) => id === this.id && chat === this.chat)) model.messages.push({ id: this.id, chat: this.chat, state: "waiting", attempts: 0, until: 0 });
    same(model, real);
  }
  toString() {
    return `${this.id} arrives from ${this.chat}`;
  }
}

/** @implements {Command} */
class Receives {
  /**
   * @param {number} max
   * @param {boolean} keeps
   */
  constructor(max, keeps) {
    this.max = max;
    this.keeps = keeps;
  }
  check() {
    return true;
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    const leased = model.messages.filter(({ state }) => state === "leased");
    const inFlight = this.keeps ? leased.map((message) => real.cursors.get(keyOf(message)) ?? "") : [];
    settleLeases(model, new Set(this.keeps ? leased.map(({ id }) => id) : []), this.max > 0);
    const expected = this.max > 0 ? due(model, this.max) : [];
    const { rows } = await real.made.inbox.receive({ waitMs: 0, max: this.max, consumer: { id: "host", instance: "1" }, inFlight, allowed: null });
    assert.deepEqual(rows.map(({ message_id, content }) => [message_id, content.text]), expected.map(({ id }) => [id, `text of ${id}`]));
    for (const [place, message] of expected.entries()) {
      Object.assign(message, { state: "leased", until: model.now + TIMING.leaseMs });
      real.cursors.set(keyOf(message), rows[place]?.cursor ?? "");
    }
    same(model, real);
  }
  toString() {
    return `receives ${this.max}, ${this.keeps ? "keeping what it has" : "keeping nothing"}`;
  }
}

/** @param {Known} message */
const keyOf = ({ id, chat }) => `${chat} ${id}`;

/** @implements {Command} */
class Acknowledges {
  /** @param {number} which */
  constructor(which) {
    this.which = which;
  }
  /** @param {Readonly<Model>} model */
  check(model) {
    return model.messages.length > 0;
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    const message = /** @type {Known} */ (model.messages[this.which % model.messages.length]);
    const cursor = real.cursors.get(keyOf(message));
    if (cursor === undefined) return real.made.inbox.acknowledge("nobody's cursor");
    real.made.inbox.acknowledge(cursor);
    Object.assign(message, { state: "done", until: 0 });
    same(model, real);
  }
  toString() {
    return `acknowledges number ${this.which}`;
  }
}

/** @implements {Command} */
class Releases {
  /**
   * @param {number} which
   * @param {boolean} counts
   * @param {number | undefined} delayMs
   */
  constructor(which, counts, delayMs) {
    this.which = which;
    this.counts = counts;
    this.delayMs = delayMs;
  }
  /** @param {Readonly<Model>} model */
  check(model) {
    return model.messages.some(({ state }) => state === "leased");
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    const leased = model.messages.filter(({ state }) => state === "leased");
    const message = /** @type {Known} */ (leased[this.which % leased.length]);
    real.made.inbox.release(real.cursors.get(keyOf(message)) ?? "", { counts: this.counts, reason: "test", ...(this.delayMs === undefined ? {} : { delayMs: this.delayMs }) });
    const later = leased.filter(({ chat }) => chat === message.chat).slice(leased.filter(({ chat }) => chat === message.chat).indexOf(message) + 1);
    for (const each of later) Object.assign(each, { state: "waiting", until: 0 });
    if (!this.counts) Object.assign(message, { state: "waiting", until: model.now + (this.delayMs ?? TIMING.postponedMs) });
    else {
      fail(model, message);
      if (message.state === "waiting" && this.delayMs !== undefined) message.until = model.now + this.delayMs;
    }
    same(model, real);
  }
  toString() {
    return `gives number ${this.which} back, ${this.counts ? "" : "not "}counted, for ${this.delayMs}`;
  }
}

/** @implements {Command} */
class Passes {
  /** @param {number} ms */
  constructor(ms) {
    this.ms = ms;
  }
  check() {
    return true;
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    model.now += this.ms;
    real.clock.at += this.ms;
  }
  toString() {
    return `${this.ms} ms pass`;
  }
}

/** @implements {Command} */
class Restarts {
  check() {
    return true;
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    real.end();
    real.open();
    same(model, real);
  }
  toString() {
    return "restarts";
  }
}

/** @implements {Command} */
class Operator {
  /**
   * @param {number} which
   * @param {"retry" | "drop"} what
   */
  constructor(which, what) {
    this.which = which;
    this.what = what;
  }
  /** @param {Readonly<Model>} model */
  check(model) {
    return model.messages.length > 0;
  }
  /**
   * @param {Model} model
   * @param {Real} real
   */
  async run(model, real) {
    const message = /** @type {Known} */ (model.messages[this.which % model.messages.length]);
    const row = real.made.store.inbox.list({ states: ALL, limit: 10_000 })[model.messages.indexOf(message)];
    const may = this.what === "retry" ? message.state === "dead" : message.state === "dead" || message.state === "waiting";
    assert.equal(real.made.inbox[this.what](row?.cursor ?? ""), may);
    if (may) Object.assign(message, this.what === "retry" ? { state: "waiting", attempts: 0, until: 0 } : { state: "done", until: 0 });
    same(model, real);
  }
  toString() {
    return `the operator's ${this.what} of number ${this.which}`;
  }
}

const number = fc.nat(30);
const commands = [
  fc.tuple(number, number).map(([chat, id]) => new Arrives(chat, id)),
  fc.tuple(number, number).map(([chat, id]) => new Arrives(chat, id)),
  fc.tuple(fc.constantFrom(0, 1, 3, 20), fc.boolean()).map(([max, keeps]) => new Receives(max, keeps)),
  fc.constant(new Receives(20, true)),
  fc.constant(new Receives(20, true)),
  // What fails again and again becomes a dead letter.
  fc.constant(new Releases(0, true, 0)),
  fc.constant(new Releases(0, true, 0)),
  number.map((which) => new Acknowledges(which)),
  fc.tuple(number, fc.boolean(), fc.constantFrom(undefined, 0, 1_000)).map(([which, counts, delay]) => new Releases(which, counts, delay)),
  fc.constantFrom(1, 1_000, TIMING.leaseMs, TIMING.retry5Ms).map((ms) => new Passes(ms)),
  fc.constant(new Restarts()),
  fc.tuple(number, fc.constantFrom(/** @type {const} */ ("retry"), /** @type {const} */ ("drop"))).map(([which, what]) => new Operator(which, what)),
];

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "inbox: through any sequence of messages, callers, waits and restarts nothing is lost, and each chat keeps its order",
    short: 25,
    share: 1 / 40,
    hold: (scope) => {
      const file = privateDir(scope);
      let number = 0;
      return fc.asyncProperty(fc.commands(/** @type {any} */ (commands), { maxCommands: 80, size: "max" }), async (sequence) => {
        const dir = `${file}/${(number += 1)}`;
        /** @type {Real} */
        const real = /** @type {any} */ ({ dir, clock: { at: 1_800_000_000_000 }, cursors: new Map() });
        /** @type {(() => unknown)[]} */
        let ends = [];
        real.open = () => {
          ends = [];
          real.made = parts(asTest({ after: (end) => ends.push(end) }), { dir, now: () => real.clock.at });
        };
        real.end = () => {
          for (const end of ends.splice(0)) end();
        };
        fs.mkdirSync(dir, { mode: 0o700 });
        real.open();
        try {
          await fc.asyncModelRun(() => ({ model: { now: real.clock.at, messages: [] }, real }), sequence);
        } finally {
          real.end();
          fs.rmSync(dir, { recursive: true, force: true });
        }
      });
    },
  },
];
