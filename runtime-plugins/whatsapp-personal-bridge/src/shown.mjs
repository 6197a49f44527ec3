// @ts-check
/**
 * Words of strangers made fit to be shown: nothing in them begins a line, moves a cursor or turns
 * the direction of writing. Pure.
 */

/** Joiners stay: emoji need them. */
const ACTIVE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;
/** Enough to recognise what one has written. */
const LONGEST_QUOTE = 60;

/** @param {string} text */
export function harmless(text) {
  return text.replace(ACTIVE, " ");
}

/**
 * @param {string} text of a request
 * @returns {string} as an error may repeat it: in quotes, and not all of it
 */
export function quoted(text) {
  return JSON.stringify(harmless(text.slice(0, LONGEST_QUOTE)));
}
