// @ts-check
/**
 * What people and groups call themselves, made fit to be kept and shown: one short line in which
 * nothing acts. Pure.
 */

import { shortened } from "./inbound.mjs";
import { harmless } from "./shown.mjs";

/** WhatsApp allows 25 characters for a person and 100 for a group; the bound is for hostile clients. */
export const LONGEST_NAME = 100;

/**
 * @param {string | null} name as it came
 * @returns {string | null} null when nothing is left of it
 */
export function plainName(name) {
  const plain = harmless((name ?? "").slice(0, 10 * LONGEST_NAME)).replace(/\s+/g, " ").trim();
  return plain === "" ? null : shortened(plain, LONGEST_NAME);
}
