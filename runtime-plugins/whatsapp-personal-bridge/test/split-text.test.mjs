// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { PART_LIMIT, splitText } from "../src/split-text.mjs";

/** @param {string} text */
const visible = (text) => text.replace(/\s+/g, "");
/**
 * @param {string} text
 * @param {string[]} parts
 * @returns {boolean} whether each part begins and ends where a grapheme of the text does
 */
function untorn(text, parts) {
  const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" }).segment(text);
  const between = (/** @type {number} */ place) => place === text.length || graphemes.containing(place)?.index === place;
  let end = 0;
  return parts.every((part) => {
    const start = text.indexOf(part, end);
    end = start + part.length;
    return start >= 0 && between(start) && between(end);
  });
}

/** @type {[string, string, number, string[]][]} */
const CUTS = [
  ["a text that fits stays as it is, with its white space", " one\n\n two ", 12, [" one\n\n two "]],
  ["paragraphs part first", "one two. Three\nfour\n\nfive six seven", 24, ["one two. Three\nfour", "five six seven"]],
  ["then lines", "one two. Three\nfour five six seven", 24, ["one two. Three", "four five six seven"]],
  ["then sentences", "one two three. Four five six seven", 24, ["one two three.", "Four five six seven"]],
  ["then words", "one two three four five six seven", 24, ["one two three four five", "six seven"]],
  ["then anywhere", "abcdefghijklmnopqrstuvwxyz", 10, ["abcdefghij", "klmnopqrst", "uvwxyz"]],
  ["a paragraph that ends early makes no small part", "one\n\ntwo three four five six seven", 24, ["one\n\ntwo three four five", "six seven"]],
  ["a comma stays with its word", "aaaa bbbb cccc, dddd", 14, ["aaaa bbbb", "cccc, dddd"]],
  ["a part may end right before a space", "aaaa bbbb cccc", 9, ["aaaa bbbb", "cccc"]],
  ["a part may end right before a line break", "aaaa bbbb\ncccc", 9, ["aaaa bbbb", "cccc"]],
  ["the indentation of a line stays", "if a:\n    one()\n    two()", 15, ["if a:\n    one()", "    two()"]],
  ["Windows' line breaks are line breaks", "one two\r\n\r\nthree four five", 15, ["one two", "three four five"]],
  ["nothing but newlines between is no message", `a${"\n".repeat(50)}b`, 10, ["a", "b"]],
  ["newlines before the text are no message", `${"\n".repeat(50)}b`, 10, ["b"]],
  ["white space alone stays what it is", " ".repeat(12), 10, [" ".repeat(12)]],
  ["families stay together", "👨‍👩‍👧‍👦".repeat(3), 24, ["👨‍👩‍👧‍👦".repeat(2), "👨‍👩‍👧‍👦"]],
  ["flags stay whole", "🇩🇪🇫🇷🇯🇵", 6, ["🇩🇪", "🇫🇷", "🇯🇵"]],
  ["skin tones stay on their hands", "👍🏽👍🏽👍🏽", 6, ["👍🏽", "👍🏽", "👍🏽"]],
  ["marks stay on their letters", "e\u0301".repeat(5), 5, ["e\u0301e\u0301", "e\u0301e\u0301", "e\u0301"]],
  ["a mark stays on the space that carries it", "abcd \u0301efgh", 5, ["abcd", " \u0301", "efgh"]],
  ["a letter under more marks than fit goes whole", `ab${`c${"\u0301".repeat(30)}`}de`, 10, ["ab", `c${"\u0301".repeat(30)}`, "de"]],
  ["Arabic parts between words, in the order in which it is read", "مرحبا بكم في المدينة القديمة", 20, ["مرحبا بكم في المدينة", "القديمة"]],
  ["Hebrew sentences part like others", "שלום עולם טוב. מה שלומך היום חבר", 20, ["שלום עולם טוב.", "מה שלומך היום חבר"]],
  ["Thai, which has no spaces, parts between words", "สวัสดีชาวโลกทุกคน", 12, ["สวัสดีชาวโลก", "ทุกคน"]],
];

for (const [name, text, limit, parts] of CUTS) {
  test(`a split: ${name}`, () => assert.deepEqual(splitText(text, limit), parts));
}

/** @type {[string, string, number][]} */
const LONG = [
  ["one word of 10,000 characters", "x".repeat(10_000), 3],
  ["9,000 characters of sentences", "The quick brown fox jumps over the lazy dog. ".repeat(200), 3],
  ["9,000 characters of paragraphs", `${"A line of words that ends here. ".repeat(20).trim()}\n\n`.repeat(14), 3],
  ["1,000 families", "👨‍👩‍👧‍👦".repeat(1_000), 3],
  ["letters with marks", "a\u0308\u0323".repeat(3_000), 3],
  ["Arabic", "مرحبا بكم في المدينة. ".repeat(400), 3],
  ["Chinese without a space", "我们今天去城里买东西。".repeat(800), 3],
  ["everything mixed", "Été 👩🏾‍🚀 שלום, مرحبا\n\t日本 e\u0301 🇧🇷.\r\n".repeat(400), 4],
  ["the longest text there is", "word ".repeat(13_107), 17],
];

for (const [name, text, count] of LONG) {
  test(`${name}: ${count} parts, nothing lost, nothing torn`, () => {
    const parts = splitText(text);
    assert.equal(parts.length, count);
    assert.equal(visible(parts.join("")), visible(text));
    assert.ok(untorn(text, parts));
    assert.ok(parts.every((part) => part.length <= PART_LIMIT && part.trim() !== ""));
  });
}
