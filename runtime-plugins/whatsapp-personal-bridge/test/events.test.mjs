// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEmitter } from "../src/events.mjs";

test("what a person reads on the screen holds nothing that acts, whoever named it", () => {
  let screen = "";
  const emit = createEmitter("human", (text) => (screen += text));
  const acting = "Olga\u001b[2J\u202e\u009b31m\rsaid";
  emit("connected", { phone: "+15550001000", name: acting });
  emit("warning", { code: "test", message: acting });
  emit("backed_up", { file: `/tmp/${acting}`, bytes: 1 });
  assert.match(screen, /Linked to \+15550001000 \(Olga \[2J/);
  assert.ok(!/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(screen.replaceAll("\n", "")), JSON.stringify(screen));
});

test("a drawn QR code stays as it was drawn", () => {
  let screen = "";
  createEmitter("human", (text) => (screen += text))("qr", { qr: "2@payload,1,2", expires_in_ms: 60_000 });
  assert.match(screen, /[█▀▄]{10}/);
});
