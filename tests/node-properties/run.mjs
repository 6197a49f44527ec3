// @ts-check
/**
 * The long form: every property, or those whose name holds a text, against as many cases as asked
 * for or for as long as there is time. Ctrl-C ends it after the slice at hand.
 */

import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";

const HELP = `node run.mjs [--cases N] [--seconds S] [--seed S] [--only TEXT] [--list]

  --cases N    cases of each property (1000); of those that cost much a share
  --seconds S  time for all together, shared evenly; each has its first slice anyhow
  --seed S     begins with this seed, to see a failure again (a random one)
  --only TEXT  the properties whose name holds TEXT
  --list       their names

Exit codes: 0 all hold, 1 one does not, 2 wrong usage, 130 stopped.
`;

/**
 * @param {string} words
 * @returns {never}
 */
function misused(words) {
  process.stderr.write(`run.mjs: ${words}\n\n${HELP}`);
  process.exit(2);
}

/**
 * @param {string | undefined} written
 * @param {string} name
 * @param {number} least
 */
function whole(written, name, least) {
  const number = Number(written);
  if (!Number.isSafeInteger(number) || number < least) misused(`--${name} takes a whole number from ${least} on, not ${JSON.stringify(written)}`);
  return number;
}

function readArguments() {
  try {
    const text = /** @type {const} */ ({ type: "string" });
    const flag = /** @type {const} */ ({ type: "boolean" });
    return parseArgs({ options: { cases: text, seconds: text, seed: text, only: text, list: flag, help: flag } }).values;
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error));
  }
}

const given = readArguments();
if (given.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const cases = whole(given.cases ?? "1000", "cases", 1);
const seconds = given.seconds === undefined ? undefined : whole(given.seconds, "seconds", 1);
const seed = given.seed === undefined ? randomInt(2 ** 31) : whole(given.seed, "seed", -(2 ** 31));
// Only now: it loads the whole bridge.
const { properties } = await import("./properties/all.mjs");
const { hold } = await import("./support/hold.mjs");
const wanted = properties.filter(({ name }) => name.includes(given.only ?? ""));
if (wanted.length === 0) misused(`no property has ${JSON.stringify(given.only)} in its name`);
if (given.list) {
  process.stdout.write(wanted.map(({ name }) => `${name}\n`).join(""));
  process.exit(0);
}

let stopped = false;
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.on(signal, () => {
    if (stopped) process.exit(130);
    stopped = true;
  });
}

const begun = performance.now();
const total = { cases: 0, failed: 0 };
for (const [place, property] of wanted.entries()) {
  if (stopped) break;
  // What the ones before left over is shared among the rest.
  const left = seconds === undefined ? undefined : (seconds * 1_000 - (performance.now() - begun)) / (wanted.length - place);
  const held = await hold(property, { cases, seed, ms: left, stopped: () => stopped });
  total.cases += held.cases;
  process.stdout.write(`${property.name}: ${held.cases} cases, ${held.seconds.toFixed(1)} s\n`);
  if (held.failure === null) continue;
  total.failed += 1;
  process.stdout.write(`FAILED ${property.name}\n${held.failure}\n`);
}
const end = stopped ? ", stopped" : "";
process.stdout.write(`total: ${wanted.length} properties, ${total.cases} cases, ${((performance.now() - begun) / 1_000).toFixed(1)} s, ${total.failed} failed, seed ${seed}${end}\n`);
process.exit(total.failed > 0 ? 1 : stopped ? 130 : 0);
