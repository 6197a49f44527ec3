// @ts-check
/**
 * What the store need not keep any more, taken out of it at start and every hour. How long what is
 * kept is known by the rows themselves.
 */

import { safeName } from "./errors.mjs";

/** @typedef {{ forgetOld: (now: number) => void }} Forgetful */

const EVERY_MS = 60 * 60 * 1000;

/**
 * @param {import("./store/store.mjs").Store} store
 * @param {import("./events.mjs").Emit} emit
 * @param {number} [everyMs]
 * @returns {() => void} ends it
 */
export function keepHouse(store, emit, everyMs = EVERY_MS) {
  sweep(store, emit);
  const timer = setInterval(() => sweep(store, emit), everyMs).unref();
  return () => clearInterval(timer);
}

/**
 * @param {import("./store/store.mjs").Store} store
 * @param {import("./events.mjs").Emit} emit
 */
export function sweep(store, emit) {
  try {
    for (const rows of Object.values(store)) if (canForget(rows)) rows.forgetOld(Date.now());
  } catch (error) {
    // Old rows do no harm; a store that takes nothing more is found out by the next message.
    emit("warning", { code: "purge_failed", message: `What the store need not keep any more could not be taken out of it (${safeName(error)}). Check the disk and its free space.` });
  }
}

/**
 * @param {unknown} rows
 * @returns {rows is Forgetful}
 */
function canForget(rows) {
  return typeof rows === "object" && rows !== null && "forgetOld" in rows && typeof rows.forgetOld === "function";
}
