// @ts-check
/**
 * The operations of the contract, each a few lines from the request to the part that does it.
 * HTTP is the server's, the wire format the contract's.
 */

import { readAllowlist } from "./allowlist.mjs";
import * as contract from "./contract.mjs";
import { RequestError } from "./errors.mjs";
import { quoted } from "./shown.mjs";

/**
 * @typedef {{
 *   version: string,
 *   startedAt: number,
 *   store: import("./store/store.mjs").Store,
 *   people: import("./people.mjs").People,
 *   allowed: import("./allowed-chats.mjs").AllowedChats,
 *   fence: import("./fence.mjs").Fence,
 *   inbox: import("./inbox.mjs").Inbox,
 *   outbox: import("./outbox.mjs").Outbox,
 *   pause: import("./pause.mjs").Pause,
 *   emit: import("./events.mjs").Emit,
 *   session: Pick<import("./session.mjs").Session, "status" | "resume" | "logout">,
 *   warnings: () => { code: string, message: string }[],
 *   page: import("./pair-page/pair-page.mjs").PairPage,
 * }} Parts
 * @typedef {(parts: Parts, payload: Record<string, unknown>, signal: AbortSignal) => unknown} Operation
 */

/** @type {Readonly<Record<string, Operation>>} */
const OPERATIONS = Object.freeze({
  send_message: sendMessage,
  receive_batch: receiveBatch,
  ack_inbound: ({ inbox }, payload) => {
    inbox.acknowledge(contract.readAck(payload).cursor);
    return { ok: true };
  },
  release_inbound: ({ inbox }, payload) => {
    const { cursor, ...release } = contract.readRelease(payload);
    inbox.release(cursor, release);
    return { ok: true };
  },
  complete_batch: ({ inbox }, payload) => {
    inbox.completeBatch(contract.readComplete(payload).batch);
    return { ok: true };
  },
  bridge_status: status,
});

/**
 * @param {Parts} parts
 * @param {import("./contract.mjs").Request} request
 * @param {AbortSignal} signal aborted when nobody waits for the answer any more
 */
export async function perform(parts, request, signal) {
  const operation = Object.hasOwn(OPERATIONS, request.operation) ? OPERATIONS[request.operation] : undefined;
  if (!operation) {
    const known = Object.keys(OPERATIONS).join(", ");
    throw new RequestError("unsupported_operation", `There is no operation ${quoted(request.operation)}; there are ${known}`);
  }
  const account = contract.readAccount(request.payload);
  parts.allowed.name(account?.allowed ?? null);
  return operation(parts, request.payload, signal);
}

/**
 * @param {Parts} parts
 * @param {Record<string, unknown>} payload
 */
async function sendMessage({ outbox, people }, payload) {
  const account = contract.requireAccount(payload);
  const message = contract.readSend(payload, account);
  // The caller's own list; the bridge's, which no caller chooses, is asked by the outbox. Without a
  // list only receiving is closed: whoever names a target means it.
  if (account.allowed?.length && !readAllowlist(account.allowed).allows(people.known(message.to))) {
    throw new RequestError("chat_not_allowed", "The target is not in allowed_chat_ids, so nothing was sent. Add it there to write to it");
  }
  return contract.writeReceipt(await outbox.send(message));
}

/**
 * @param {Parts} parts
 * @param {Record<string, unknown>} payload
 * @param {AbortSignal} signal
 */
async function receiveBatch({ inbox }, payload, signal) {
  const account = contract.requireAccount(payload);
  const wanted = contract.readReceive(payload);
  const { batch, rows } = await inbox.receive({ ...wanted, allowed: account.allowed, signal });
  const messages = rows.map((row) => contract.writeInbound(row, account));
  return wanted.consumer ? { messages, batch_id: batch } : { messages };
}

/** @param {Parts} parts what only somebody who may use the bridge is told */
function status({ version, startedAt, store, inbox, outbox: sends, fence, session }) {
  const inboxDepth = store.inbox.depth();
  const { last_sent_at: lastSentAt, ...outbox } = store.outbox.depth();
  const refused = store.known.refused();
  const { state, reason, identity, ignored, changedAt } = session.status();
  return {
    ok: true,
    contract: contract.CONTRACT,
    version,
    extensions: contract.EXTENSIONS,
    state,
    reason,
    identity,
    inbox: { waiting: inboxDepth.waiting, leased: inboxDepth.leased, dead: inboxDepth.dead, undecided: inbox.undecided, dropped: inbox.dropped },
    outbox: { ...outbox, held: sends.waiting.messages, held_since: sends.waiting.since },
    caps: fence.status(),
    refused: { chats: refused.chats, messages: refused.messages },
    not_addressed: inbox.notAddressed,
    ignored,
    dead_letters: inboxDepth.dead,
    last_event_at: { state: changedAt, inbound: inboxDepth.last_stored_at, outbound: lastSentAt, refused: refused.last_at },
    started_at: startedAt,
    pid: process.pid,
  };
}

/** @param {Parts} parts what anybody who reaches the port may know */
export function health({ version, session }) {
  const { state, reason } = session.status();
  return { ok: true, contract: contract.CONTRACT, version, state, reason };
}
