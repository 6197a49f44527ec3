// @ts-check
/** A long text in parts. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { PART_LIMIT, splitText } from "../../../runtime-plugins/whatsapp-personal-bridge/src/split-text.mjs";
import { active, longText } from "../support/arbitraries.mjs";

const GRAPHEMES = new Intl.Segmenter("und", { granularity: "grapheme" });
const graphemes = (/** @type {string} */ text) => [...GRAPHEMES.segment(text)].map(({ segment }) => segment);
const visible = (/** @type {string} */ text) => text.replace(/\s+/g, "");
/** Small limits reach every way of cutting with texts that can still be read. */
const small = fc.integer({ min: 1, max: 40 });
const prose = fc.array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom("word", " ", ". ", "\n", "\n\n", "   ", "sentence? ", "ça", "\t") }, active), { maxLength: 60 }).map((parts) => parts.join(""));

/**
 * @param {string} text
 * @param {number} limit
 */
function holds(text, limit) {
  // One that is only white space is refused before it is split.
  if (text.trim() === "") return;
  const parts = splitText(text, limit);
  assert.ok(parts.length > 0);
  assert.equal(visible(parts.join("")), visible(text), "joined, nothing visible is missing");
  for (const part of parts) {
    const alone = graphemes(part).length === 1;
    assert.ok(part.length <= limit || alone, `${part.length} units, and ${limit} were allowed`);
    assert.notEqual(part.trim(), "", "no part is empty");
  }
}

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "split-text: parts keep to the limit and nothing visible is lost",
    short: 500,
    hold: () => fc.property(fc.oneof(prose, longText), small, (text, limit) => holds(text.slice(0, 2_000), limit)),
  },
  {
    name: "split-text: parts at WhatsApp's size keep to the limit and nothing visible is lost",
    short: 10,
    share: 1 / 100,
    hold: () => fc.property(longText, (text) => holds(text.slice(0, 65_536), PART_LIMIT)),
  },
  {
    name: "split-text: no character that a reader sees as one is cut in two",
    short: 500,
    hold: () => fc.property(prose, small, (text, limit) => {
      const whole = graphemes(text.replace(/\s+/g, " ")).filter((one) => one.trim() !== "");
      const cut = splitText(text, limit).flatMap((part) => graphemes(part.replace(/\s+/g, " "))).filter((one) => one.trim() !== "");
      assert.deepEqual(cut.map(visible), whole.map(visible));
    }),
  },
  {
    name: "split-text: what fits leaves as it is",
    short: 500,
    hold: () => fc.property(longText, (text) => {
      if (text.length <= PART_LIMIT) assert.deepEqual(splitText(text), [text]);
    }),
  },
];
