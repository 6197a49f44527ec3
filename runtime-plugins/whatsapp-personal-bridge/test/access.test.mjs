// @ts-check
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Access } from "../src/access.mjs";
import { RequestError } from "../src/errors.mjs";

const TOKEN = "0123456789abcdef".repeat(4);
const CLOSED = new Access({ token: TOKEN, bridgeAuth: "token" });
const OPENED = new Access({ token: TOKEN, bridgeAuth: "none" });
const BY_HAND = new Access({ token: null, bridgeAuth: "token" });

/** @type {[string, string | undefined][]} */
const WRONG = [
  ["no header", undefined],
  ["an empty one", ""],
  ["a scheme alone", "Bearer"],
  ["an empty token", "Bearer "],
  ["another scheme", `Basic ${TOKEN}`],
  ["no scheme", TOKEN],
  ["the token without its last digit", `Bearer ${TOKEN.slice(0, -1)}`],
  ["the token and a digit more", `Bearer ${TOKEN}0`],
  ["the token twice", `Bearer ${TOKEN}${TOKEN}`],
  ["the token and a word", `Bearer ${TOKEN} x`],
  ["a word and the token", `Bearer x ${TOKEN}`],
  ["a list of tokens", `Bearer ${TOKEN}, Bearer x`],
  ["another token of the same length", `Bearer ${"0".repeat(64)}`],
  ["the token but for its last digit", `Bearer ${TOKEN.slice(0, -1)}0`],
  ["the token in capitals", `Bearer ${TOKEN.toUpperCase()}`],
  ["one digit", "Bearer 0"],
  ["a token as long as a header can be", `Bearer ${"0".repeat(16_000)}`],
];

/**
 * @param {Access} access
 * @param {"operation" | "admin"} what
 * @param {string | undefined} header
 */
function refuses(access, what, header) {
  assert.throws(
    () => access.require(what, header),
    (error) => error instanceof RequestError && error.code === "unauthorized" && error.headers["www-authenticate"] === "Bearer"
      && /bridge run/.test(error.message) && !error.message.toLowerCase().includes(TOKEN) && error.message.length < 400,
  );
}

for (const [name, header] of WRONG) {
  test(`${name} opens nothing that needs the token`, () => {
    for (const what of /** @type {const} */ (["operation", "admin"])) refuses(CLOSED, what, header);
    refuses(OPENED, "admin", header);
    for (const access of [OPENED, BY_HAND]) assert.equal(access.require("operation", header), "nobody");
  });
}

test("the token opens everything, in any spelling of its scheme", () => {
  for (const access of [CLOSED, OPENED]) {
    for (const what of /** @type {const} */ (["operation", "admin"])) {
      for (const header of [`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `Bearer   ${TOKEN}`]) assert.equal(access.require(what, header), "token");
    }
  }
});

test("without a token of the bridge no token opens the admin commands", () => {
  for (const [, header] of [...WRONG, ["the token of another", `Bearer ${TOKEN}`], ["null", "Bearer null"]]) refuses(BY_HAND, "admin", header);
});

test("a proof is made of a fresh nonce with the token, by nobody else, and of no other nonce", () => {
  const nonce = "0123456789abcdef-_AZ";
  assert.equal(CLOSED.prove(nonce), createHmac("sha256", TOKEN).update(nonce).digest("hex"));
  assert.notEqual(CLOSED.prove(nonce), CLOSED.prove(`${nonce}0`));
  assert.notEqual(CLOSED.prove(nonce), new Access({ token: "f".repeat(64), bridgeAuth: "token" }).prove(nonce));
  assert.equal(OPENED.prove(nonce), CLOSED.prove(nonce), "an open bridge proves itself to its operator, too");
  assert.equal(CLOSED.prove(null), undefined);
  assert.equal(BY_HAND.prove(nonce), undefined);
});

for (const [name, nonce] of /** @type {[string, string][]} */ ([
  ["empty", ""],
  ["one too short", "x".repeat(15)],
  ["one too long", "x".repeat(129)],
  ["one with a space", "0123456789abcde f"],
  ["one that ends its line", "0123456789abcdef\n"],
  ["one with a NUL", "0123456789abcdef\0"],
  ["one in another alphabet", "абвгдежзийклмноп"],
])) {
  test(`refused: a nonce, ${name}`, () => {
    assert.throws(() => CLOSED.prove(nonce), (error) => error instanceof RequestError && error.code === "bad_request" && (nonce === "" || !error.message.includes(nonce)));
  });
}

test("the longest and the shortest nonce are taken", () => {
  for (const nonce of ["x".repeat(16), "x".repeat(128)]) assert.match(CLOSED.prove(nonce) ?? "", /^[0-9a-f]{64}$/);
});
