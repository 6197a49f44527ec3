// @ts-check
/** What WhatsApp, callers and strangers can say, drawn: ids good and odd, texts, JSON that bites. */

import fc from "fast-check";

const digit = fc.integer({ min: 0, max: 9 }).map(String);
/**
 * @param {number} least
 * @param {number} most
 */
const digits = (least, most) => fc.string({ unit: digit, minLength: least, maxLength: most });
const noZero = fc.integer({ min: 1, max: 9 }).map(String);

/** @type {fc.Arbitrary<import("../../../runtime-plugins/whatsapp-personal-bridge/src/identity.mjs").Identity>} */
export const person = fc.oneof(
  fc.tuple(noZero, digits(6, 14)).map(([first, rest]) => ({ kind: /** @type {const} */ ("phone"), user: first + rest })),
  digits(1, 20).map((user) => ({ kind: /** @type {const} */ ("lid"), user })),
);
/** @type {fc.Arbitrary<import("../../../runtime-plugins/whatsapp-personal-bridge/src/identity.mjs").Identity>} */
export const group = fc
  .oneof(digits(10, 25), fc.tuple(noZero, digits(6, 14), digits(1, 15)).map(([first, owner, made]) => `${first}${owner}-${made}`))
  .map((user) => ({ kind: /** @type {const} */ ("group"), user }));
export const identity = fc.oneof({ weight: 3, arbitrary: person }, group);
export const device = fc.integer({ min: 0, max: 99 }).map((number) => `:${number}`);

/** What acts in a terminal, turns the direction of writing, hides, or is no Unicode. */
export const active = fc.constantFrom(
  "\u001b[2J", "\u001b]0;title\u0007", "\u009b31m", "\r", "\n", "\u0000", "\u0008", "\u007f", "\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\u200f", "\u2028", "\ufeff",
  "\ud800", "\udc00", "e\u0301", "👩‍👩‍👧‍👦", "\u0e33", "\ud83d", "🏳️‍🌈", "مرحبا", "<script>", "%s", "'; DROP TABLE inbox; --", "${HOME}", "__proto__",
);
export const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.array(fc.oneof(active, fc.string({ maxLength: 8 })), { maxLength: 20 }).map((parts) => parts.join("")),
);
/** Also as long as nobody would write. */
export const longText = fc.oneof(
  { weight: 6, arbitrary: text },
  fc.tuple(fc.oneof(active, fc.string({ minLength: 1, maxLength: 20 })), fc.integer({ min: 1, max: 8_000 })).map(([part, times]) => part.repeat(times)),
);

/** As WhatsApp, a stranger's client or nobody would write it. */
export const jid = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(identity, fc.option(device, { nil: "" })).map(([{ kind, user }, at]) => `${user}${kind === "group" ? "" : at}@${{ phone: "s.whatsapp.net", lid: "lid", group: "g.us" }[kind]}`) },
  fc.constantFrom("", "@", "status@broadcast", "1@broadcast", "120363012345678901@newsletter", "1@bot", "1@call", "0@s.whatsapp.net", "15551234567@c.us", "15551234567:1:2@lid", "a@b@c", "15551234567@S.WhatsApp.Net"),
  text.map((user) => `${user}@s.whatsapp.net`),
  text,
);

/** Keys that are more than keys in JavaScript. */
const biting = fc.constantFrom("__proto__", "constructor", "prototype", "toString", "toJSON", "hasOwnProperty", "length", "then");
/** Any JSON, with such keys in it. */
export const json = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, fc.constant(null), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(), text, tie("list"), tie("object")),
  list: fc.array(tie("value"), { maxLength: 4 }),
  object: fc.dictionary(fc.oneof(biting, fc.string({ maxLength: 10 })), tie("value"), { maxKeys: 5, noNullPrototype: true }),
})).value;

/** Anything that JavaScript can hold and a message of Baileys could, in the end. */
export const thing = fc.oneof(json, fc.anything({ withBigInt: true, withTypedArray: true, maxDepth: 2 }), fc.constantFrom(undefined, Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 63, -(2 ** 31)));

/**
 * Texts of JSON that nest, also deeper than any parser likes.
 * @type {fc.Arbitrary<string>}
 */
export const deep = fc.tuple(fc.constantFrom(["[", "]"], ['{"a":', "}"], ['{"__proto__":', "}"]), fc.constantFrom(10, 1_000, 20_000)).map(([[open, close], depth]) => `${open.repeat(depth)}1${close.repeat(depth)}`);
