// @ts-check
/**
 * What the operator's commands ask: status, resume, logout. Plain JSON without an envelope; who
 * may ask is decided by access.mjs, how the connection lives by the session.
 */

import { CONTRACT } from "./contract.mjs";
import { RequestError } from "./errors.mjs";
import { shortPhone } from "./identity.mjs";

/**
 * @typedef {import("./operations.mjs").Parts} Parts
 * @typedef {{ method: "GET" | "POST", answer: (parts: Parts) => unknown }} Command
 */

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
});

/**
 * @param {string} name
 * @returns {Command}
 * @throws {RequestError} `not_found`
 */
export function adminCommand(name) {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return command;
  throw new RequestError("not_found", `There is no admin command ${JSON.stringify(name.slice(0, 60))}; there are ${Object.keys(COMMANDS).join(", ")}`);
}

/** @param {Parts} parts */
function status({ version, store, inbox, session, warnings }) {
  const now = session.status();
  const waiting = store.inbox.depth();
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
    queue: { waiting: waiting.waiting + inbox.undecided, handed_out: waiting.leased, pending_out: store.outbox.depth().pending },
    counts: {
      refused: store.chats.refused().messages,
      undecryptable: now.undecryptable,
      not_addressed: inbox.notAddressed,
      ignored: now.ignored,
    },
    warnings: warnings(),
  };
}
