// @ts-check
/**
 * Which chats may write and be written to. An empty list lets nobody through, `*` everybody; a
 * list with an entry that cannot be read lets nobody through either.
 */

import { parseChat, toJid } from "./identity.mjs";

/**
 * @typedef {{
 *   allows: (aliases: import("./identity.mjs").Identity[]) => boolean,
 *   bad: number[],
 * }} Allowlist `bad` holds the positions of unreadable entries
 */

/**
 * @param {readonly string[]} entries as the operator wrote them
 * @returns {Allowlist}
 */
export function readAllowlist(entries) {
  let everybody = false;
  /** @type {Set<string>} */
  const chats = new Set();
  /** @type {number[]} */
  const bad = [];
  entries.forEach((entry, index) => {
    if (entry.trim() === "*") {
      everybody = true;
      return;
    }
    try {
      chats.add(toJid(parseChat(entry)));
    } catch {
      bad.push(index);
    }
  });
  return {
    bad,
    allows: (aliases) => bad.length === 0 && (everybody || aliases.some((alias) => chats.has(toJid(alias)))),
  };
}
