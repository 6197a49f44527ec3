// @ts-check
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { InOrder } from "../src/in-order.mjs";

/**
 * @param {string} id
 * @param {Record<string, string>} [attrs]
 */
const message = (id, attrs = {}) => ({ tag: "message", attrs: { id, from: "15551234567@s.whatsapp.net", ...attrs } });

/** A handler that begins when it is called and goes on when the test says so. */
function baileys() {
  const ws = new EventEmitter();
  /** @type {string[]} */
  const handled = [];
  /** @type {Map<string, (error?: Error) => void>} */
  const held = new Map();
  const news = new EventEmitter();
  ws.on("CB:message", async (node) => {
    handled.push(`${node.attrs.id}${node.attrs.offline === undefined ? "" : " late"}`);
    await new Promise((resolve, reject) => {
      held.set(node.attrs.id, (error) => (error ? reject(error) : resolve(undefined)));
      news.emit(node.attrs.id);
    });
  });
  /** @param {string} id */
  const begun = (id) => (held.has(id) ? Promise.resolve() : new Promise((resolve) => news.once(id, resolve)));
  /**
   * @param {string} id
   * @param {Error} [error]
   */
  const finish = (id, error) => held.get(id)?.(error);
  return { ws, handled, begun, finish };
}

test("a message is handled when the one before it has been, also one that waited at WhatsApp", async () => {
  const { ws, handled, begun, finish } = baileys();
  const order = new InOrder();
  order.hold(ws);
  for (const node of [message("1", { offline: "0" }), message("2", { offline: "1" }), message("3")]) ws.emit("CB:message", node);
  await begun("1");
  assert.deepEqual(handled, ["1"]);
  finish("1");
  await begun("2");
  finish("2");
  await begun("3");
  assert.deepEqual(handled, ["1", "2", "3"], "and Baileys sees no mark that would give some a queue of their own");
  assert.deepEqual(["1", "2", "3", null].map((id) => order.wasLate(id)), [true, true, false, false]);
});

test("one that fails holds up none of the others", async () => {
  const { ws, begun, finish } = baileys();
  new InOrder().hold(ws);
  ws.emit("CB:message", message("1"));
  ws.emit("CB:message", message("2"));
  await begun("1");
  finish("1", new Error("broken"));
  await begun("2");
});
