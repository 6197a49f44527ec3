// @ts-check
/**
 * Holds a property against many cases. They are drawn in slices, between which the process can be
 * stopped and looks at the clock; each slice has a seed of its own, which alone brings it back.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";

/**
 * @typedef {{ after: (end: () => unknown) => void }} Scope what a property opens goes with it
 * @typedef {fc.IAsyncProperty<any> | fc.IProperty<any>} Held
 * @typedef {{ name: string, short: number, share?: number, hold: (scope: Scope) => Held | Promise<Held> }} Property
 * `name`: a sentence; `short`: how many cases are enough for every day; `share`: of the cases that are asked for, where
 * one costs much
 * @typedef {{ cases: number, seed: number, ms?: number, stopped?: () => boolean }} Wanted `ms`: no slice begins later
 * @typedef {{ cases: number, seconds: number, failure: string | null }} Outcome `failure`: the smallest case that
 * breaks it, and how to see it again
 */

/** Small, because within one nothing else is heard. */
const SLICE = 50;

/**
 * @param {Property} property
 * @param {Wanted} wanted
 * @returns {Promise<Outcome>}
 */
export async function hold({ name, share = 1, hold: open }, { cases: asked, seed, ms = Number.POSITIVE_INFINITY, stopped = () => false }) {
  const cases = Math.ceil(asked * share);
  const begun = performance.now();
  /** @type {(() => unknown)[]} */
  const ends = [];
  let done = 0;
  /** @type {string | null} */
  let failure = null;
  try {
    const held = await open({ after: (end) => ends.push(end) });
    for (let slice = 0; done < cases && failure === null && !stopped(); slice += 1) {
      if (slice > 0 && performance.now() - begun > ms) break;
      const numRuns = Math.min(SLICE, cases - done);
      const from = (seed + slice) | 0;
      const told = await fc.check(/** @type {fc.IAsyncProperty<any>} */ (held), { numRuns, seed: from });
      done += told.failed ? told.numRuns : numRuns;
      if (told.failed) {
        const why = told.errorInstance instanceof Error ? told.errorInstance.stack : String(told.errorInstance);
        failure = `${fc.defaultReportMessage(told)}\n${why}\n\nAgain: node run.mjs --only ${JSON.stringify(name)} --cases ${Math.ceil(numRuns / share)} --seed ${from}`;
      }
      await nextTurn();
    }
  } finally {
    for (const end of ends.reverse()) await end();
  }
  return { cases: done, seconds: (performance.now() - begun) / 1_000, failure };
}
