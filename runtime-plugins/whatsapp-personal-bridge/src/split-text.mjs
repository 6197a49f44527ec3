// @ts-check
/**
 * A long text as several shorter ones, cut where a reader would pause. Pure; how the parts travel
 * and that they stay together is the outbox's.
 */

/** The most UTF-16 units of one part; only a single grapheme that is longer makes a longer part. */
export const PART_LIMIT = 4_000;

const BLANK_LINE = /\n[^\S\n]*\n/g;
const LINE_BREAK = /\n/g;
const SPACE = /\s/g;
/** After a cut: the rest of the line break, but not the indentation of the next line; else spaces that carry no mark. */
const CUT_AWAY = /^(?:(?:[^\S\n]*\n)+|[^\S\n]+(?!\p{M}))/u;

const GRAPHEMES = new Intl.Segmenter("und", { granularity: "grapheme" });
const SENTENCES = new Intl.Segmenter("und", { granularity: "sentence" });
const WORDS = new Intl.Segmenter("und", { granularity: "word" });

/**
 * Nothing visible is lost: joined, the parts are the text but for white space at the cuts.
 * @param {string} text
 * @param {number} [limit]
 * @returns {string[]} at least one part; none is only white space, but where the text is nothing else
 */
export function splitText(text, limit = PART_LIMIT) {
  const parts = [];
  let rest = text;
  while (rest.length > limit) {
    const cut = cutOf(rest, limit);
    parts.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).replace(CUT_AWAY, "");
  }
  const visible = [...parts, rest].filter((part) => part.trim() !== "");
  return visible.length > 0 ? visible : [text];
}

/**
 * The best place for a cut in the second half of what fits: earlier ones would make parts too small.
 * @param {string} text longer than `limit`
 * @param {number} limit
 * @returns {number} more than 0
 */
function cutOf(text, limit) {
  const graphemes = GRAPHEMES.segment(text);
  const half = Math.floor(limit / 2);
  // One more unit than fits: a part may end right before a line break or a space.
  const window = text.slice(half, limit + 1);
  const last = (/** @type {RegExp} */ pattern) => half + ([...window.matchAll(pattern)].at(-1)?.index ?? -half);
  const start = (/** @type {Intl.Segmenter} */ kind) => kind.segment(text).containing(limit)?.index ?? 0;
  const places = [() => last(BLANK_LINE), () => last(LINE_BREAK), () => start(SENTENCES), () => last(SPACE), () => start(WORDS), () => limit];
  for (const place of places) {
    const cut = graphemes.containing(place())?.index ?? 0;
    if (cut >= half && cut > 0) return cut;
  }
  const whole = graphemes.containing(limit);
  // Not even its second half has a place: one grapheme fills it, and goes whole.
  return whole && whole.index > 0 ? whole.index : (whole?.segment.length ?? limit);
}
