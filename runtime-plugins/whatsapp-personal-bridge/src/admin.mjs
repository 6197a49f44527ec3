// @ts-check
/**
 * What the operator's commands ask, and which part answers. Plain JSON without an envelope; who
 * may ask is decided by access.mjs, how the connection lives by the session.
 */

import { changeAllowlist, listChats } from "./admin-chats.mjs";
import { dropInbox, listInbox, retryInbox, showInbox } from "./admin-inbox.mjs";
import { readFields, readQuery, readSegment, readText } from "./admin-request.mjs";
import { writeBackup } from "./backup.mjs";
import { CONTRACT } from "./contract.mjs";
import { FatalError, RequestError } from "./errors.mjs";
import { shortPhone } from "./identity.mjs";
import { quoted } from "./shown.mjs";

/**
 * @typedef {import("./operations.mjs").Parts} Parts
 * @typedef {{ parameter: string, query: Record<string, string>, fields: Record<string, unknown> }} Asked
 * `parameter`: what stands for `<cursor>` in the path; `fields`: of the body
 * @typedef {{ method: "GET" | "POST", query?: readonly string[], fields?: readonly string[], answer: (parts: Parts, asked: Asked) => unknown }} Command
 * `query`, `fields`: the names it takes, none where nothing is said
 */

/** What every body of an admin request must fit into. */
export const ADMIN_BODY_LIMIT = 64 * 1024;

/** @type {Readonly<Record<string, Command>>} */
const COMMANDS = Object.freeze({
  status: { method: "GET", answer: status },
  resume: {
    method: "POST",
    answer: ({ session }) => {
      session.resume();
      return { ok: true, state: session.status().state };
    },
  },
  logout: {
    method: "POST",
    answer: async ({ session }) => {
      const { unlinked, setAside } = await session.logout();
      return { ok: true, unlinked, set_aside: setAside };
    },
  },
  "pair-link": {
    method: "POST",
    answer: ({ page, session }) => ({ ok: true, ...page.newLink(), state: session.status().state }),
  },
  pause: {
    method: "POST",
    answer: ({ pause }) => {
      pause.pause("operator");
      return { ok: true, paused: pause.state };
    },
  },
  unpause: {
    method: "POST",
    answer: ({ pause }) => {
      pause.resume("operator");
      return { ok: true, paused: pause.state };
    },
  },
  inbox: { method: "GET", query: ["state", "limit", "after", "show_text"], answer: listInbox },
  "inbox/retry": { method: "POST", fields: ["cursor", "all_dead"], answer: retryInbox },
  "inbox/drop": { method: "POST", fields: ["cursor"], answer: dropInbox },
  "inbox/<cursor>": { method: "GET", query: ["show_text"], answer: showInbox },
  chats: { method: "GET", query: ["account", "refused", "limit", "after"], answer: listChats },
  allowlist: { method: "POST", fields: ["allowed_chat_ids"], answer: changeAllowlist },
  backup: { method: "POST", fields: ["file"], answer: backup },
});

/**
 * @param {string} path behind `admin/`, as it was written
 * @returns {{ command: Command, parameter: string }}
 * @throws {RequestError} `not_found`, `bad_request`
 */
export function adminCommand(path) {
  const command = Object.hasOwn(COMMANDS, path) ? COMMANDS[path] : undefined;
  if (command) return { command, parameter: "" };
  const [group = "", written = "", ...rest] = path.split("/");
  const open = Object.hasOwn(COMMANDS, `${group}/<cursor>`) ? COMMANDS[`${group}/<cursor>`] : undefined;
  if (open && written !== "" && rest.length === 0) return { command: open, parameter: readSegment(written) };
  throw new RequestError("not_found", `There is no admin command ${quoted(path)}; there are ${Object.keys(COMMANDS).join(", ")}`);
}

/**
 * @param {Parts} parts
 * @param {{ command: Command, parameter: string, query: string, body: string }} asked
 * @returns {Promise<unknown>}
 */
export async function performAdmin(parts, { command, parameter, query, body }) {
  const read = { parameter, query: readQuery(query, command.query ?? []), fields: readFields(body, command.fields ?? []) };
  return command.answer(parts, read);
}

/**
 * @param {Parts} parts
 * @param {Asked} asked
 */
function backup({ store, emit }, { fields }) {
  try {
    const written = writeBackup(store, readText(fields.file, "file"));
    emit("backed_up", written);
    return { ok: true, ...written };
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    // What ends a process of its own refuses one request of this one.
    throw new RequestError(error.code === "backup_refused" ? "bad_request" : "store_unavailable", `${capital(error.message)}. What to do: ${error.hint}`);
  }
}

/** @param {string} sentence */
function capital(sentence) {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** @param {Parts} parts */
function status({ version, store, inbox, outbox, fence, session, pause, warnings }) {
  const now = session.status();
  const waiting = store.inbox.depth();
  const held = outbox.waiting;
  const { identity } = now;
  return {
    contract: CONTRACT,
    version,
    pid: process.pid,
    state: now.state,
    reason: now.reason,
    since: now.changedAt,
    identity: identity && { phone: identity.phone && shortPhone(identity.phone), lid_known: identity.lid !== null, name: identity.name },
    last_frame_at: now.lastFrameAt,
    last_message_at: waiting.last_stored_at,
    connected_since: now.connectedSince,
    reconnects: now.reconnects,
    retry_at: now.retryAt,
    paused: pause.state,
    held: held.messages > 0 ? held : null,
    caps: fence.status(),
    queue: {
      waiting: waiting.waiting + inbox.undecided,
      handed_out: waiting.leased,
      dead: waiting.dead,
      pending_out: store.outbox.depth().pending,
    },
    counts: {
      refused: store.known.refused().messages,
      undecryptable: now.undecryptable,
      not_addressed: inbox.notAddressed,
      ignored: now.ignored,
    },
    warnings: warnings(),
  };
}
