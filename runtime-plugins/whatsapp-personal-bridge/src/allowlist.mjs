// @ts-check
/**
 * Which chats may write and be written to. An empty list lets nobody through, `*` everybody; a
 * list with an entry that cannot be read lets nobody through either.
 */

import { parseChat, toJid } from "./identity.mjs";

/**
 * @typedef {{
 *   match: (aliases: import("./identity.mjs").Identity[]) => string | null,
 *   allows: (aliases: import("./identity.mjs").Identity[]) => boolean,
 *   everybody: boolean,
 *   bad: number[],
 * }} Allowlist `match`: the entry that lets a chat through, as it was written; `everybody`: it
 * lets every chat through; `bad`: the positions of unreadable entries
 */

/**
 * @param {readonly string[]} entries as the operator wrote them
 * @returns {Allowlist}
 */
export function readAllowlist(entries) {
  let everybody = false;
  /** @type {Map<string, string>} entries by the chat that they mean */
  const chats = new Map();
  /** @type {number[]} */
  const bad = [];
  entries.forEach((entry, index) => {
    if (entry.trim() === "*") {
      everybody = true;
      return;
    }
    try {
      chats.set(toJid(parseChat(entry)), entry.trim());
    } catch {
      bad.push(index);
    }
  });
  /** @type {Allowlist["match"]} */
  const match = (aliases) => {
    if (bad.length > 0) return null;
    for (const alias of aliases) {
      const entry = chats.get(toJid(alias));
      if (entry !== undefined) return entry;
    }
    return everybody ? "*" : null;
  };
  return { bad, everybody: everybody && bad.length === 0, match, allows: (aliases) => match(aliases) !== null };
}
