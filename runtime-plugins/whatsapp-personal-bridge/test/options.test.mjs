// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { FatalError } from "../src/errors.mjs";
import { readCommandLine } from "../src/options.mjs";

const PLACE = { cwd: "/somewhere", home: "/home/operator", packageDir: "/package" };

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function options(args, env = {}) {
  const line = readCommandLine(args, env, PLACE);
  assert.ok("options" in line);
  return line.options;
}

test("without flags everything has its default", () => {
  assert.deepEqual(options([]), {
    port: 39731,
    path: "/bridge",
    authDir: "/home/operator/.loong/whatsapp-personal/default",
    importDirs: ["/somewhere/~/.loong/whatsapp-personal/default", "/package/~/.loong/whatsapp-personal/default"],
    events: "human",
    control: false,
    webUrl: null,
    timingFile: null,
    pairing: null,
    upkeep: null,
  });
});

test("the flags that stock Loong's helper passes are taken as they are", () => {
  const { port, path, authDir } = options(["--host", "127.0.0.1", "--port", "4000", "--path", "/b/secret", "--auth-dir", "~/wa"]);
  assert.deepEqual({ port, path, authDir }, { port: 4000, path: "/b/secret", authDir: "/home/operator/wa" });
});

test("a relative auth dir is below the working directory, and no other folder is searched", () => {
  const { authDir, importDirs } = options(["--auth-dir", "wa"]);
  assert.deepEqual({ authDir, importDirs }, { authDir: "/somewhere/wa", importDirs: [] });
});

test("a number for a pairing code may be written as people write it", () => {
  for (const written of ["+1 (555) 123-4567", "15551234567", "+15551234567", " 1.555.123.4567 "]) {
    assert.deepEqual(options(["--pairing-code", written]).pairing, { phone: "15551234567", customCode: null });
  }
  assert.deepEqual(options(["--pairing-code-phone", "15551234567", "--custom-pairing-code", "ABCD1234"]).pairing, { phone: "15551234567", customCode: "ABCD1234" });
});

test("help and version are shown, not run", () => {
  assert.deepEqual(readCommandLine(["--help"], {}, PLACE), { show: "help" });
  assert.deepEqual(readCommandLine(["--version"], {}, PLACE), { show: "version" });
});

/** @type {[string, string[], RegExp][]} */
const REFUSED = [
  ["another host", ["--host", "0.0.0.0"], /listens on 127\.0\.0\.1 only/],
  ["a name for the host", ["--host", "localhost"], /listens on 127\.0\.0\.1 only/],
  ["a port that is a word", ["--port", "http"], /no port/],
  ["a port that is too large", ["--port", "65536"], /no port/],
  ["a negative port", ["--port=-1"], /no port/],
  ["a path without a slash", ["--path", "bridge"], /no path/],
  ["a path with an empty segment", ["--path", "/a//b"], /no path/],
  ["a path that climbs", ["--path", "/a/../b"], /no path/],
  ["a path with a question mark", ["--path", "/a?b"], /no path/],
  ["an empty auth dir", ["--auth-dir", " "], /--auth-dir is empty/],
  ["another user's home", ["--auth-dir", "~ben/wa"], /homes of other users/],
  ["an unknown format of events", ["--events", "xml"], /only ndjson exists/],
  ["an unknown control", ["--control", "socket"], /only stdin exists/],
  ["an unknown flag", ["--colour"], /Unknown option/],
  ["a word without a flag", ["start"], /Unexpected argument/],
  ["a flag without its value", ["--port"], /argument missing/],
  ["a pairing code for no number", ["--pairing-code", "Ana"], /made of digits/],
  ["a pairing code for a number that is too short", ["--pairing-code", "555123"], /7 to 15 digits/],
  ["a pairing code for a number that is too long", ["--pairing-code", "1555123456789012"], /7 to 15 digits/],
  ["a pairing code for a number with 00 in front", ["--pairing-code", "0015551234567"], /never 0/],
  ["a pairing code for a number without its country", ["--pairing-code", "0555 123456"], /never 0/],
  ["a pairing code for a JID", ["--pairing-code", "15551234567@s.whatsapp.net"], /is a JID/],
  ["a pairing code for a group", ["--pairing-code", "120363012345678901@g.us"], /a group, not a contact/],
  ["a custom code without a number", ["--custom-pairing-code", "ABCD1234"], /needs a phone number/],
  ["a custom code that is too short", ["--pairing-code", "15551234567", "--custom-pairing-code", "ABC"], /8 characters/],
  ["a custom code in small letters", ["--pairing-code", "15551234567", "--custom-pairing-code", "abcd1234"], /8 characters/],
  ["a custom code with a dash", ["--pairing-code", "15551234567", "--custom-pairing-code", "ABCD-123"], /8 characters/],
];

for (const [name, args, why] of REFUSED) {
  test(`refused: ${name}`, () => {
    assert.throws(() => options(args), (error) => error instanceof FatalError && error.code === "usage" && error.exitCode === 2 && why.test(error.message) && error.hint !== "");
  });
}

test("a stand-in for WhatsApp must be ws:// on a loopback address", () => {
  for (const url of ["ws://127.0.0.1:9000/ws/chat", "ws://localhost:9000/ws/chat", "ws://[::1]:9000/ws/chat"]) {
    assert.equal(options([], { LOONG_WHATSAPP_WEB_URL: url }).webUrl, url);
  }
  for (const url of ["wss://127.0.0.1/ws", "ws://example.org/ws", "http://127.0.0.1/", "ws://127.0.0.1.example.org/", "ws://a@127.0.0.1/", "nonsense"]) {
    assert.throws(() => options([], { LOONG_WHATSAPP_WEB_URL: url }), (error) => error instanceof FatalError && error.code === "web_url_refused", url);
  }
});
