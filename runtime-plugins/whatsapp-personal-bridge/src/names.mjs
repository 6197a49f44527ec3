// @ts-check
/**
 * What people and groups call themselves, made fit to be kept and shown: one short line in which
 * nothing acts. Pure.
 */

import { shortened } from "./inbound.mjs";

/** WhatsApp allows 25 characters for a person and 100 for a group; the bound is for hostile clients. */
export const LONGEST_NAME = 100;
/** What begins a line, moves a cursor or turns the direction of writing. Joiners stay: emoji need them. */
const ACTIVE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * @param {string | null} name as it came
 * @returns {string | null} null when nothing is left of it
 */
export function plainName(name) {
  const plain = (name ?? "").slice(0, 10 * LONGEST_NAME).replace(ACTIVE, " ").replace(/\s+/g, " ").trim();
  return plain === "" ? null : shortened(plain, LONGEST_NAME);
}
