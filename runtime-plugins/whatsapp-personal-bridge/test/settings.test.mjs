// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { FatalError } from "../src/errors.mjs";
import { DEFAULT_SETTINGS, readSettings } from "../src/settings.mjs";
import { readTiming, TIMING } from "../src/timing.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

const TOKEN = "0123456789abcdef".repeat(4);

/**
 * @param {import("node:test").TestContext} t
 * @param {string} text
 * @param {number} [mode]
 */
function file(t, text, mode = 0o600) {
  const name = path.join(temporaryDir(t), "file");
  fs.writeFileSync(name, text);
  fs.chmodSync(name, mode);
  return name;
}

test("what nobody says has its default", () => {
  assert.deepEqual(readSettings({}), DEFAULT_SETTINGS);
  assert.deepEqual(readSettings({ settings: { allowed_chat_ids: null, later: true } }), DEFAULT_SETTINGS);
});

test("everything can be said", (t) => {
  const settings = { allowed_chat_ids: [], group_reply: "never", backlog_max_age_ms: 0, keep_inbound_text_ms: 3_600_000, keep_outbound_text_ms: 1_000, max_messages_per_minute: 6_000, max_new_chats_per_day: 0, bridge_auth: "none", whatsapp_web_version: [2, 3000, 7] };
  assert.deepEqual(readSettings({ settings, token_file: file(t, `${TOKEN}\n`) }), {
    allowedChatIds: [],
    groupReply: "never",
    backlogMaxAgeMs: 0,
    keepInboundTextMs: 3_600_000,
    keepOutboundTextMs: 1_000,
    maxMessagesPerMinute: 6_000,
    maxNewChatsPerDay: 0,
    bridgeAuth: "none",
    webVersion: [2, 3000, 7],
    token: TOKEN,
  });
});

for (const [key, value] of /** @type {[string, unknown][]} */ ([
  ["allowed_chat_ids", "*"],
  ["allowed_chat_ids", [1]],
  ["group_reply", "sometimes"],
  ["group_reply", true],
  ["backlog_max_age_ms", -1],
  ["backlog_max_age_ms", 1.5],
  ["backlog_max_age_ms", "24h"],
  ["keep_inbound_text_ms", "7d"],
  ["keep_inbound_text_ms", 366 * 24 * 60 * 60 * 1000],
  ["keep_outbound_text_ms", -1],
  ["keep_outbound_text_ms", "7d"],
  ["max_messages_per_minute", 0],
  ["max_messages_per_minute", 6_001],
  ["max_messages_per_minute", 1.5],
  ["max_messages_per_minute", "30"],
  ["max_new_chats_per_day", -1],
  ["max_new_chats_per_day", 1_001],
  ["max_new_chats_per_day", true],
  ["bridge_auth", "open"],
  ["whatsapp_web_version", [2, 3000]],
  ["whatsapp_web_version", "2.3000.1"],
  ["whatsapp_web_version", [2, 3000, -1]],
])) {
  test(`refused by name: ${key} ${JSON.stringify(value)}`, () => {
    assert.throws(
      () => readSettings({ settings: { [key]: value } }),
      (error) => error instanceof FatalError && error.code === "bad_settings" && error.exitCode === 2 && error.message.includes(key) && error.hint.includes(key),
    );
  });
}

test("a token file must be absolute, there, private, and hold a token", (t) => {
  for (const [name, why] of /** @type {[unknown, RegExp][]} */ ([
    ["token", /absolute/],
    [5, /absolute/],
    [path.join(temporaryDir(t), "none"), /can be read/],
    ...[0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o677].map((mode) => [file(t, TOKEN, mode), /nobody else can reach/]),
    [path.dirname(file(t, TOKEN)), /can be read/],
    [file(t, ""), /64 hexadecimal/],
    [file(t, TOKEN.slice(0, -1)), /64 hexadecimal/],
    [file(t, `${TOKEN}0`), /64 hexadecimal/],
    [file(t, `${TOKEN}\n${TOKEN}`), /64 hexadecimal/],
    [file(t, "g".repeat(64)), /64 hexadecimal/],
    [file(t, "short"), /64 hexadecimal/],
  ])) {
    assert.throws(
      () => readSettings({ token_file: name }),
      (error) => error instanceof FatalError && error.code === "bad_settings" && error.message.includes("token_file") && why.test(error.message) && !error.message.includes(TOKEN),
    );
  }
});

test("a token file of another user is refused: whoever wrote it knows the token", (t) => {
  const name = file(t, TOKEN);
  const { uid } = fs.statSync(name);
  t.mock.method(/** @type {{ getuid: () => number }} */ (process), "getuid", () => uid + 1);
  assert.throws(() => readSettings({ token_file: name }), (error) => error instanceof FatalError && error.code === "bad_settings" && /a file of this user/.test(error.message));
});

test("a test may shorten single waits", (t) => {
  assert.equal(readTiming(null), TIMING);
  const timing = readTiming(file(t, '{"backoffFirstMs":10,"silentMs":1500}'));
  assert.deepEqual(timing, { ...TIMING, backoffFirstMs: 10, silentMs: 1_500 });
});

for (const text of ["{half", "[]", "null", '{"backoff":1}', '{"toString":1}', '{"silentMs":"1"}', '{"silentMs":-1}', '{"silentMs":1e12}']) {
  test(`a timing file with ${text} is refused`, (t) => {
    assert.throws(() => readTiming(file(t, text)), (error) => error instanceof FatalError && error.code === "test_timing_refused" && error.exitCode === 2);
  });
}

test("a timing file that is not there is refused", () => {
  assert.throws(() => readTiming("/nowhere/timing.json"), FatalError);
});
