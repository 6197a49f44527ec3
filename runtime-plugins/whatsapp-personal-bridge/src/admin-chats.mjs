// @ts-check
/**
 * The operator's look at the chats: who writes, who was refused, which entry of the allowlist lets
 * each in; and another allowlist while the bridge runs. Who is let in is said by allowed-chats.mjs.
 */

import { bad, readNumber, readSwitch } from "./admin-request.mjs";
import { fromJid, toJid } from "./identity.mjs";
import { canonicalTarget, isAccount } from "./targets.mjs";

/**
 * @typedef {import("./operations.mjs").Parts} Parts
 * @typedef {import("./admin.mjs").Asked} Asked
 * @typedef {import("./store/known-chats.mjs").KnownChat} KnownChat
 */

const PAGE = { least: 1, most: 200, otherwise: 50 };
const PLACE = /^([0-9]{1,15})-([0-9]{1,15})$/;

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
export function listChats(parts, { query }) {
  const { account = "" } = query;
  if (!isAccount(account)) throw bad("account", "the name of the account, as it stands in targets");
  const limit = readNumber(query.limit, "limit", PAGE);
  const kind = readSwitch(query.refused, "refused") ? "refused" : "known";
  // One more than asked for shows whether there is a next page.
  const rows = parts.store.known.list({ kind, limit: limit + 1, after: readPlace(query.after) });
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    items: page.map((row) => item(parts, row, account)),
    next_after: last ? `${last.last_at}-${last.seq}` : null,
    counts: { known: parts.store.known.count(), refused: parts.store.known.refused().chats },
    everybody: parts.allowed.everybody,
  };
}

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
export function changeAllowlist({ allowed }, { fields }) {
  const { allowed_chat_ids: list } = fields;
  // An empty list would be read as "not said" elsewhere; to let nothing through there is the pause.
  if (!Array.isArray(list) || list.length === 0 || !list.every((each) => typeof each === "string")) {
    throw bad("allowed_chat_ids", "a list of texts with at least one entry");
  }
  const unreadable = allowed.change(list);
  if (unreadable.length > 0) throw bad("allowed_chat_ids", `a list of chats or "*", and these positions are none: ${unreadable.join(", ")}`);
  return { ok: true, entries: list.length, everybody: allowed.everybody };
}

/** @param {string | undefined} written */
function readPlace(written) {
  if (written === undefined) return null;
  const [, lastAt, seq] = PLACE.exec(written) ?? [];
  if (lastAt === undefined || seq === undefined) throw bad("after", "what the last answer named as next_after");
  return { lastAt: Number(lastAt), seq: Number(seq) };
}

/**
 * @param {Parts} parts
 * @param {KnownChat} row
 * @param {string} account
 */
function item({ people, allowed: chats }, { chat, name, messages_in, messages_out, last_at }, account) {
  const identity = fromJid(chat);
  // By the number, where the person has one now.
  const [shown = null] = identity ? people.known(identity) : [];
  const { allowed, entry } = chats.standing(shown ? toJid(shown) : chat);
  return {
    target: shown && canonicalTarget(shown, account),
    name,
    kind: shown?.kind === "group" ? "group" : "contact",
    messages_in,
    messages_out,
    last_seen: last_at,
    allowed,
    entry,
  };
}
