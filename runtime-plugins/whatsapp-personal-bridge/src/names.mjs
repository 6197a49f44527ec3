// @ts-check
/**
 * What people and groups call themselves, made fit to be kept and shown: one short line in which
 * nothing acts. Pure.
 */

import { harmless } from "./shown.mjs";

/** WhatsApp allows 25 characters for a person and 100 for a group; the bound is for hostile clients. */
export const LONGEST_NAME = 100;
/** Something that a reader sees. */
const SEEN = /[^\s\p{M}\p{Cf}\u115f\u1160\u3164\uffa0\u2800]/u;
const GRAPHEMES = new Intl.Segmenter("und", { granularity: "grapheme" });

/**
 * @param {unknown} name as it came
 * @returns {string | null} null when nothing is left of it that a reader could see
 */
export function plainName(name) {
  if (typeof name !== "string") return null;
  const plain = harmless(name.slice(0, 10 * LONGEST_NAME)).replace(/\s+/g, " ").trim();
  if (!SEEN.test(plain)) return null;
  if (plain.length <= LONGEST_NAME) return plain;
  // Not within what a reader sees as one; a single one that is longer is no name.
  const cut = GRAPHEMES.segment(plain).containing(LONGEST_NAME - 1)?.index ?? 0;
  return cut === 0 ? null : `${plain.slice(0, cut)}…`;
}
