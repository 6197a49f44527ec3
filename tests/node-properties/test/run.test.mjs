// @ts-check
/** The long form as a command: what it prints, and how it ends. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { hold } from "../support/hold.mjs";

const RUN = fileURLToPath(new URL("../run.mjs", import.meta.url));

/** @param {string[]} words */
function start(...words) {
  const child = spawn(process.execPath, [RUN, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (told += text));
  const ended = once(child, "close", { signal: AbortSignal.timeout(30_000) }).then(([code]) => ({ code, told }));
  return { child, ended };
}

test("each property has its line, and all together a total", async () => {
  const { code, told } = await start("--cases", "3", "--seed", "7", "--only", "identity").ended;
  assert.equal(code, 0, told);
  const lines = told.trimEnd().split("\n");
  const last = lines.pop() ?? "";
  assert.ok(lines.length > 0 && lines.every((line) => /^.+: 3 cases, \d+\.\d s$/.test(line)), told);
  assert.match(last, new RegExp(`^total: ${lines.length} properties, ${3 * lines.length} cases, \\d+\\.\\d s, 0 failed, seed 7$`));
});

test("words that mean nothing are refused with the usage", async () => {
  for (const words of [["--cases", "many"], ["--cases", "0"], ["--only", "no such thing"], ["--speed", "9"]]) {
    const { code, told } = await start(...words).ended;
    assert.equal(code, 2, told);
    assert.match(told, /node run\.mjs \[--cases N\]/);
  }
});

test("Ctrl-C ends it at once, with what was done so far", { skip: process.platform === "win32" }, async () => {
  const { child, ended } = start("--cases", "20000", "--only", "identity");
  child.stdout.once("data", () => child.kill("SIGINT"));
  const { code, told } = await ended;
  assert.equal(code, 130, told);
  assert.match(told, /^total: .*, stopped$/m);
});

test("what breaks a property is told at its smallest, with the words that bring it back", async () => {
  /** @type {import("../support/hold.mjs").Property} */
  const below = { name: "numbers stay below 50", short: 1, hold: () => fc.property(fc.nat(), (number) => number < 50) };
  const { failure } = await hold(below, { cases: 1_000, seed: 1 });
  assert.match(failure ?? "", /Counterexample: \[50\]/);
  const again = /--cases (\d+) --seed (-?\d+)$/.exec(failure ?? "");
  assert.ok(again, failure ?? "");
  const repeated = await hold(below, { cases: Number(again[1]), seed: Number(again[2]) });
  assert.match(repeated.failure ?? "", /Counterexample: \[50\]/);
});

test("what a property opened is closed, also when it breaks", async () => {
  const order = /** @type {string[]} */ ([]);
  const { failure } = await hold({
    name: "it never holds", short: 1,
    hold: (scope) => {
      for (const name of ["first", "last"]) scope.after(() => order.push(name));
      return fc.property(fc.constant(1), () => false);
    },
  }, { cases: 10, seed: 1 });
  assert.ok(failure);
  assert.deepEqual(order, ["last", "first"]);
});
