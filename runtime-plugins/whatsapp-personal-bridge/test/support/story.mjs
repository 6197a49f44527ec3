// @ts-check
/** An inbox with a clock that the test moves, told as what contacts say and callers get. */

import assert from "node:assert/strict";
import { inbound, parts, receive } from "./bridge.mjs";

export const ANA = "15551234567";
export const BEN = "15557654321";

/** @param {string} [instance] */
export const host = (instance = "1") => ({ consumer: { id: "host", instance } });
export const other = { consumer: { id: "other", instance: "1" } };

/**
 * @param {import("node:test").TestContext} t
 * @param {import("./bridge.mjs").Options} [options]
 */
export function story(t, options) {
  const clock = { at: 1_800_000_000_000 };
  const made = parts(t, { now: () => clock.at, ...options });
  const { inbox, store, events } = made;
  return {
    ...made,
    clock,
    pass: (/** @type {number} */ ms) => (clock.at += ms),
    says: (/** @type {string} */ phone, /** @type {string[]} */ ...messages) => {
      for (const id of messages) inbox.accept(inbound(id, `text of ${id}`, phone));
    },
    gets: (/** @type {Partial<import("../../src/inbox.mjs").Wanted>} */ wanted = {}) => receive(inbox, wanted),
    /** Every row, by its message. */
    rows: () => Object.fromEntries(store.inbox.list({ states: ["waiting", "leased", "dead", "done"], limit: 1_000 }).map((row) => [row.message_id, row])),
    cursor: (/** @type {string} */ id) => {
      const found = store.inbox.list({ states: ["waiting", "leased", "dead", "done"], limit: 1_000 }).find((row) => row.message_id === id);
      assert.ok(found, `${id} is not in the store`);
      return found.cursor;
    },
    died: () => events.filter(({ event }) => event === "message_dead"),
  };
}

/** @param {Record<string, import("../../src/store/inbox.mjs").Listed>} rows */
export const stand = (rows) => Object.fromEntries(Object.entries(rows).map(([id, { state, attempts }]) => [id, `${state} ${attempts}`]));
