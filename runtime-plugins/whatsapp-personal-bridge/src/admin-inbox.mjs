// @ts-check
/**
 * The operator's look into the inbox: list, one message, put back, drop. Texts and whole chat ids
 * are told only to who asks for them by name.
 */

import { bad, readNumber, readSwitch, readText } from "./admin-request.mjs";
import { RequestError } from "./errors.mjs";
import { shortReference } from "./identity.mjs";
import { quoted } from "./shown.mjs";

/**
 * @typedef {import("./operations.mjs").Parts} Parts
 * @typedef {import("./admin.mjs").Asked} Asked
 * @typedef {import("./store/inbox.mjs").Listed} ViewedRow
 * @typedef {import("./store/inbox.mjs").State} InboxState
 */

/** @type {readonly InboxState[]} */
const STATES = Object.freeze(["waiting", "leased", "dead", "done"]);
/** @type {readonly InboxState[]} What nobody has answered yet: what an operator looks for. */
const OPEN = Object.freeze(["waiting", "leased", "dead"]);
const PAGE = { least: 1, most: 200, otherwise: 50 };
const AFTER = { least: 0, most: Number.MAX_SAFE_INTEGER, otherwise: 0 };

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
export function listInbox({ store }, { query }) {
  const limit = readNumber(query.limit, "limit", PAGE);
  const afterSeq = readNumber(query.after, "after", AFTER);
  const withText = readSwitch(query.show_text, "show_text");
  // One more than asked for shows whether there is a next page.
  const rows = store.inbox.list({ states: readStates(query.state), limit: limit + 1, afterSeq });
  const page = rows.slice(0, limit);
  return {
    items: page.map((row) => item(row, withText)),
    next_after: rows.length > limit ? (page.at(-1)?.seq ?? null) : null,
    counts: countsOf(store),
  };
}

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
export function showInbox({ store }, { parameter, query }) {
  const withText = readSwitch(query.show_text, "show_text");
  return item(found(store, parameter), withText);
}

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
export function retryInbox({ store, inbox }, { fields }) {
  const all = fields.all_dead !== undefined;
  if (all === (fields.cursor !== undefined)) throw bad("the body", "either {\"cursor\": \"…\"} or {\"all_dead\": true}");
  if (all) {
    if (fields.all_dead !== true) throw bad("all_dead", "true, or left out");
    const dead = store.inbox.list({ states: ["dead"], limit: Number.MAX_SAFE_INTEGER, afterSeq: 0 });
    const retried = store.transaction(() => dead.filter(({ cursor }) => inbox.retry(cursor)).length);
    return { ok: true, retried };
  }
  const row = found(store, readText(fields.cursor, "cursor"));
  if (!inbox.retry(row.cursor)) {
    throw new RequestError("bad_request", `The message is ${row.state}, and only a dead letter can be put back. Nothing was changed`);
  }
  return { ok: true, retried: 1 };
}

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
export function dropInbox({ store, inbox }, { fields }) {
  const row = found(store, readText(fields.cursor, "cursor"));
  if (row.state === "done") return { ok: true, dropped: 0 };
  if (!inbox.drop(row.cursor)) {
    throw new RequestError("bad_request", "The message is being answered right now, so it was not dropped. Pause the bridge, or wait, then try again");
  }
  return { ok: true, dropped: 1 };
}

/** @param {Parts["store"]} store */
function countsOf(store) {
  const { waiting, leased, dead, done } = store.inbox.depth();
  return { waiting, leased, dead, done };
}

/**
 * @param {Parts["store"]} store
 * @param {string} cursor
 * @returns {ViewedRow}
 */
function found(store, cursor) {
  const row = store.inbox.get(cursor);
  if (row) return row;
  throw new RequestError("not_found", `There is no message with the cursor ${quoted(cursor)}. See the list of the inbox`);
}

/** @param {string | undefined} written */
function readStates(written) {
  if (written === undefined) return OPEN;
  const states = written.split(",");
  if (!states.every((each) => /** @type {readonly string[]} */ (STATES).includes(each))) throw bad("state", `one or more of ${STATES.join(", ")}, with commas between`);
  return /** @type {InboxState[]} */ (states);
}

/**
 * @param {ViewedRow} row
 * @param {boolean} withText
 */
function item(row, withText) {
  const content = contentOf(row.body);
  const told = {
    cursor: row.cursor,
    chat: shortReference(row.conversation),
    state: row.state,
    kind: content?.kind ?? null,
    group: content?.group ?? null,
    attempts: row.attempts,
    reason: row.reason,
    stored_at: row.stored_at,
    next_at: nextAt(row, Date.now()),
    sent_at: content?.sentAt ?? null,
  };
  return withText ? { ...told, conversation: row.conversation, text: content?.text ?? null } : told;
}

/**
 * @param {ViewedRow} row
 * @param {number} now
 * @returns {number | null} when a wait ends; a wait that begins later than now was made by a clock
 * that has been set back since, and is over
 */
function nextAt({ state, since, until }, now) {
  return state === "waiting" && until !== null && until > now && (since ?? 0) <= now ? until : null;
}

/**
 * @param {string | null} body null once the text is gone
 * @returns {import("./inbox.mjs").Body | null}
 */
function contentOf(body) {
  try {
    return JSON.parse(body ?? "null");
  } catch {
    return null;
  }
}
