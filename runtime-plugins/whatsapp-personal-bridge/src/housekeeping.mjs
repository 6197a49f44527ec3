// @ts-check
/**
 * When the store is rid of what it need not keep any more: at start and every hour. What that is,
 * is known by the rows themselves.
 */

import { safeName } from "./errors.mjs";

const EVERY_MS = 60 * 60 * 1000;

/**
 * @param {(now: number) => void} forget
 * @param {import("./events.mjs").Emit} emit
 * @param {number} [everyMs]
 * @returns {() => void} ends it
 */
export function keepHouse(forget, emit, everyMs = EVERY_MS) {
  sweep(forget, emit);
  const timer = setInterval(() => sweep(forget, emit), everyMs).unref();
  return () => clearInterval(timer);
}

/**
 * @param {(now: number) => void} forget
 * @param {import("./events.mjs").Emit} emit
 */
function sweep(forget, emit) {
  try {
    forget(Date.now());
  } catch (error) {
    // Old rows do no harm; a store that takes nothing more is found out by the next message.
    emit("warning", { code: "purge_failed", message: `What the store need not keep any more could not be taken out of it (${safeName(error)}). Check the disk and its free space.` });
  }
}
