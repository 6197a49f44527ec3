// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEmitter } from "../src/events.mjs";
import { draw, PairingView } from "../src/pair-page/pairing-view.mjs";
import { encode } from "uqr";
import { QR, state } from "./support/pair-page.mjs";

/** @type {import("../src/reconnect.mjs").State[]} */
const STATES = ["starting", "pairing", "pairing_expired", "connecting", "connected", "reconnecting", "logged_out", "replaced", "blocked", "outdated"];

/** @param {...[string, Record<string, any>]} told */
function after(...told) {
  const clock = { at: 1_000 };
  const view = new PairingView(() => clock.at);
  for (const [event, fields] of told) view.hear(event, fields);
  return { clock, view, shown: view.shown() };
}

test("every state has a title, and every rest says what to do", () => {
  for (const name of STATES) {
    const { shown } = after(["state", state(name)]);
    assert.match(shown.title, /\w{3}/, name);
    const rests = ["pairing_expired", "blocked", "outdated"].includes(name);
    assert.equal(shown.step !== null, rests, name);
    assert.equal(shown.tone === "trouble", rests, name);
  }
  const { shown } = after(["state", state("replaced", "replaced_again")]);
  assert.equal(shown.command, "loong whatsapp-personal bridge resume");
});

test("a phone that has said yes is linking, also over the new connection, until it is connected", () => {
  const linking = [["state", state("pairing")], ["qr", QR], ["state", state("connecting", "paired")], ["state", state("connecting", "restart_required")]];
  const { shown, view } = after(.../** @type {[string, any][]} */ (linking));
  assert.deepEqual([shown.title, shown.qr], ["Linking", null]);
  view.hear("state", state("reconnecting"));
  view.hear("state", state("connecting"));
  assert.equal(view.shown().title, "Connecting");
});

test("a QR counts down, and every state takes it and the code away", () => {
  for (const name of STATES) {
    const { clock, view } = after(["state", state("pairing")], ["qr", QR], ["pairing_code", { code: "ABCD-1234" }]);
    clock.at += 15_000;
    assert.equal(view.shown().qr?.left_ms, 45_000);
    view.hear("state", state(name));
    assert.deepEqual([view.shown().qr, view.shown().code], [null, null], name);
  }
});

test("a wait for the next try counts down", () => {
  const { clock, view } = after(["state", { ...state("reconnecting", "connection_lost"), retry_in_ms: 4_000 }]);
  clock.at += 1_500;
  assert.equal(view.shown().retry_in_ms, 2_500);
  assert.equal(after(["state", state("connecting")]).shown.retry_in_ms, null);
});

test("a code that WhatsApp refuses leaves a sentence and the QR; what else is warned of, nothing", () => {
  const { view, shown } = after(["qr", QR], ["pairing_code", { code: "ABCD-1234" }], ["warning", { code: "pairing_code_failed", message: "refused" }]);
  assert.deepEqual([shown.code, shown.note, shown.qr !== null], [null, "refused", true]);
  let changes = 0;
  view.onChange(() => (changes += 1));
  view.hear("warning", { code: "stray_failure", message: "x" });
  view.hear("message_in", { chat: "c1" });
  assert.equal(changes, 0);
});

test("the drawing holds every module of the QR code, with a quiet zone", () => {
  const { size, path } = draw(QR.qr);
  const drawn = Array.from({ length: size }, () => Array.from({ length: size }, () => false));
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    drawn[Number(y)]?.fill(true, Number(x), Number(x) + Number(width));
  }
  assert.deepEqual(drawn, encode(QR.qr, { ecc: "L", border: 4 }).data);
  assert.ok(drawn.slice(0, 4).flat().every((dark) => !dark));
});

test("a person who started the bridge by hand is shown the link", () => {
  let said = "";
  createEmitter("human", (text) => (said += text))("pair_page", { url: "http://127.0.0.1:1/bridge/pair?key=k", expires_in_ms: 1 });
  assert.match(said, /open this page once: http:\/\/127\.0\.0\.1:1\/bridge\/pair\?key=k/);
});
