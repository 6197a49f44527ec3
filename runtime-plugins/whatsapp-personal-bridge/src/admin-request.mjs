// @ts-check
/**
 * What an admin request may say: its fields and parameters, read and checked. A command names what
 * it takes; anything else is refused, because a field that is passed over was meant.
 */

import { RequestError } from "./errors.mjs";
import { quoted } from "./shown.mjs";

/** @typedef {Record<string, unknown>} Fields */

/**
 * @param {string} text the body; an empty one says nothing
 * @param {readonly string[]} known names
 * @returns {Fields}
 */
export function readFields(text, known) {
  if (text.trim() === "") return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad("the body", "JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("the body", "an object");
  requireKnown(Object.keys(value), known, "field");
  return value;
}

/**
 * @param {string} query as it stands after the `?`
 * @param {readonly string[]} known names
 * @returns {Record<string, string>}
 */
export function readQuery(query, known) {
  const given = new URLSearchParams(query);
  const names = [...given.keys()];
  requireKnown(names, known, "parameter");
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) throw bad(twice, "given once");
  return Object.fromEntries(given);
}

/**
 * @param {string} written one segment of a path
 * @returns {string}
 */
export function readSegment(written) {
  try {
    return decodeURIComponent(written);
  } catch {
    throw bad("the path", "percent-encoded UTF-8");
  }
}

/**
 * @param {string | undefined} written
 * @param {string} name
 * @param {{ least: number, most: number, otherwise: number }} range
 */
export function readNumber(written, name, { least, most, otherwise }) {
  if (written === undefined) return otherwise;
  const number = Number(written);
  if (/^[0-9]{1,16}$/.test(written) && number >= least && number <= most) return number;
  throw bad(name, `a whole number from ${least} to ${most}`);
}

/**
 * @param {string | undefined} written
 * @param {string} name
 */
export function readSwitch(written, name) {
  if (written === undefined || written === "0") return false;
  if (written === "1") return true;
  throw bad(name, "1, or left out");
}

/**
 * @param {unknown} value
 * @param {string} name
 */
export function readText(value, name) {
  if (typeof value === "string" && value !== "") return value;
  throw bad(name, "a text that is not empty");
}

/**
 * @param {string} what
 * @param {string} wanted
 */
export function bad(what, wanted) {
  return new RequestError("bad_request", `The request cannot be read: ${what} must be ${wanted}`);
}

/**
 * @param {string[]} names
 * @param {readonly string[]} known
 * @param {string} kind
 */
function requireKnown(names, known, kind) {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const there = known.length > 0 ? `there are ${known.join(", ")}` : "this command takes none";
  throw new RequestError("bad_request", `There is no ${kind} ${quoted(unknown)}: ${there}`);
}
