// @ts-check
/**
 * Words of strangers made fit to be shown: nothing in them begins a line, moves a cursor or turns
 * the direction of writing. Pure.
 */

/** What begins a line or moves a cursor, and half characters: a space takes its place. */
const BREAKING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu;
/**
 * What turns the direction of writing, or cannot be seen: it is left out, so that no word falls apart. Joiners
 * and the tags of flags stay: emoji need them.
 */
const UNSEEN = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;
/** Enough to recognise what one has written. */
const LONGEST_QUOTE = 60;

/** @param {string} text */
export function harmless(text) {
  return text.replace(UNSEEN, "").replace(BREAKING, " ");
}

/**
 * What is for a person's eyes, in its lines, without what acts.
 * @param {string} text
 */
export function inert(text) {
  return text.replace(UNSEEN, "").replace(BREAKING, (found) => (found === "\n" ? found : " "));
}

/**
 * @param {string} text of a request
 * @returns {string} as an error may repeat it: in quotes, and not all of it
 */
export function quoted(text) {
  return JSON.stringify(harmless(text.slice(0, LONGEST_QUOTE)));
}
