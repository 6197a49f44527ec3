// @ts-check
import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { listenToParent } from "../src/control.mjs";
import { FatalError } from "../src/errors.mjs";
import { DEFAULT_SETTINGS } from "../src/settings.mjs";

/** @param {number} [firstLineMs] */
function parent(firstLineMs) {
  const input = new PassThrough();
  /** @type {string[]} */
  const warnings = [];
  const control = listenToParent(input, (code) => warnings.push(code), firstLineMs);
  return { input, warnings, control };
}

test("the start command carries the list, or leaves it open", async () => {
  for (const [settings, wanted] of /** @type {[any, any][]} */ ([
    [{ allowed_chat_ids: ["*"], later: true }, { allowedChatIds: ["*"] }],
    [{ allowed_chat_ids: [] }, { allowedChatIds: [] }],
    [{}, {}],
    [undefined, {}],
  ])) {
    const { input, control } = parent();
    input.write(`\n${JSON.stringify({ command: "start", settings })}\n`);
    assert.deepEqual(await control.started, { ...DEFAULT_SETTINGS, ...wanted });
    input.end();
  }
});

test("a parent that says nothing is not waited for without end", async () => {
  const { control } = parent(20);
  await assert.rejects(control.started, (error) => error instanceof FatalError && error.code === "start_command" && error.hint !== "");
});

test("a stop is heard, also when it came before anybody listened", async () => {
  const { input, control } = parent();
  input.write('{"command":"start"}\n');
  await control.started;
  let stops = 0;
  control.onStop(() => (stops += 1));
  input.write('{"command":"stop"}\n');
  input.end();
  await once(input, "close");
  assert.ok(stops >= 1);
  let late = 0;
  control.onStop(() => (late += 1));
  assert.equal(late, 1);
});

test("a stop instead of a start starts nothing", async () => {
  const { input, control } = parent();
  input.write('{"command":"stop"}\n');
  assert.equal(await control.started, null);
});

test("commands that nobody knows are warned of", async () => {
  const { input, warnings, control } = parent();
  input.write('{"command":"start"}\n{"command":"dance"}\nnot json\n"text"\n');
  input.end();
  await control.started;
  await once(input, "close");
  assert.deepEqual(warnings, ["unknown_command", "unknown_command", "unknown_command"]);
});

test("a resume is heard, and is no unknown command", async () => {
  const { input, warnings, control } = parent();
  input.write('{"command":"start"}\n');
  await control.started;
  let resumed = 0;
  control.onResume(() => (resumed += 1));
  input.write('{"command":"resume"}\n');
  input.end();
  await once(input, "close");
  assert.deepEqual([resumed, warnings], [1, []]);
});
