// @ts-check
/**
 * Keeps dependencies off our outputs: libsignal prints sessions with private keys to the console.
 * Must run before any of them is imported. Our own words go through `Output`, never through here.
 */

import fs from "node:fs";
import { safeName } from "./errors.mjs";

/** Longest wait for a reader that has stopped reading, before a line is given up. */
const PATIENCE_MS = 2_000;

/** Replaces every way to the terminal but writing to the file descriptor. */
export function silence() {
  for (const name of Object.keys(console)) {
    const method = Reflect.get(console, name);
    if (typeof method === "function") Reflect.set(console, name, () => undefined);
  }
  // An own `write` is also what pino looks for before it opens the descriptor by itself.
  for (const stream of [process.stdout, process.stderr]) stream.write = swallow;
  process.removeAllListeners("warning");
  process.on("warning", () => undefined);
}

/**
 * @param {unknown} _chunk
 * @param {unknown} [encoding]
 * @param {unknown} [callback]
 * @returns {boolean}
 */
function swallow(_chunk, encoding, callback) {
  const done = typeof encoding === "function" ? encoding : callback;
  if (typeof done === "function") process.nextTick(() => done());
  return true;
}

/**
 * An uncaught error's message and properties can hold anything, so Node must not print it.
 * @param {{ crash: (name: string) => void, stray: (name: string) => void }} on
 * `crash`: the process cannot go on; `stray`: a promise of a dependency failed unheard
 */
export function catchUncaught(on) {
  process.on("uncaughtException", (error) => on.crash(safeName(error)));
  process.on("unhandledRejection", (reason) => on.stray(safeName(reason)));
}

/**
 * Writes at once, so that a last event is out before the process ends.
 * @param {number} fd
 * @param {string} text
 */
export function writeNow(fd, text) {
  let rest = Buffer.from(text);
  const deadline = Date.now() + PATIENCE_MS;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(fd, rest));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      // A full pipe is worth a wait; a closed one means that nobody listens any more.
      if (code !== "EAGAIN" || Date.now() > deadline) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
