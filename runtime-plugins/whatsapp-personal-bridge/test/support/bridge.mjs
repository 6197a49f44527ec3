// @ts-check
/** Parts of a bridge for tests that need no WhatsApp: a real store, a session that is told its state. */

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { AllowedChats } from "../../src/allowed-chats.mjs";
import { Fence } from "../../src/fence.mjs";
import { Inbox } from "../../src/inbox.mjs";
import { Outbox } from "../../src/outbox.mjs";
import { RequestError } from "../../src/errors.mjs";
import { Metrics } from "../../src/metrics.mjs";
import { Pause } from "../../src/pause.mjs";
import { People } from "../../src/people.mjs";
import { DEFAULT_SETTINGS } from "../../src/settings.mjs";
import { openStore } from "../../src/store/store.mjs";
import { temporaryDir } from "./fixtures.mjs";

/**
 * @typedef {{
 *   allowed?: string[], dir?: string, ackMs?: number, chatHoldMs?: number, resendMs?: number,
 *   groupReply?: import("../../src/settings.mjs").GroupReply,
 *   keepInboundTextMs?: number, maxMessagesPerMinute?: number, maxNewChatsPerDay?: number, minuteMs?: number, now?: () => number, pause?: { active: boolean },
 * }} Options
 */

/**
 * @param {import("node:test").TestContext} t
 * @param {Options} [options]
 */
export function parts(
  t,
  { allowed = ["*"], dir = temporaryDir(t), ackMs = 200, chatHoldMs = 60_000, resendMs = 60_000, groupReply = "mention", keepInboundTextMs = 0, minuteMs = 60_000, now, pause: given, ...caps } = {},
) {
  const store = openStore(dir);
  if (!store.logins.current()) store.logins.add("{}");
  /** @type {{ event: string, [field: string]: unknown }[]} */
  const events = [];
  const metrics = new Metrics("0.1.0");
  const emit = metrics.hearing((event, fields = {}) => {
    events.push({ event, ...fields });
  });
  const pause = new Pause(store, emit);
  const people = new People(store);
  const settings = { ...DEFAULT_SETTINGS, ...caps, groupReply, keepInboundTextMs, allowedChatIds: allowed.length > 0 ? allowed : undefined };
  const allowedChats = new AllowedChats({ store, people, emit }, settings);
  const fence = new Fence({ store, allowed: allowedChats, emit, now }, settings, { minuteMs });
  const inbox = new Inbox({ store, people, allowed: allowedChats, emit, now, pause: given ?? pause }, settings);
  const outbox = new Outbox({ store, emit, fence, pause: given ?? pause }, { ackMs, chatHoldMs, resendMs });
  t.after(() => {
    outbox.close();
    store.close();
  });
  return { store, people, allowed: allowedChats, fence, inbox, outbox, pause, metrics, emit, events, dir, settings };
}

/** @typedef {"acknowledges" | "refuses" | "is silent" | "breaks" | "does not answer"} Behaviour */

const DEADLINE_MS = 5_000;

/**
 * @param {import("../../src/inbox.mjs").Inbox} inbox
 * @param {Partial<import("../../src/inbox.mjs").Wanted>} [wanted] without a consumer, as stock Loong asks
 */
export async function receive(inbox, wanted = {}) {
  const { rows } = await inbox.receive({ waitMs: 0, max: 20, consumer: null, inFlight: null, allowed: ["*"], ...wanted });
  return rows;
}

/** @param {import("../../src/inbox.mjs").Handed[]} rows */
export const ids = (rows) => rows.map((row) => row.message_id);

/**
 * Stands for the connection: takes messages, and acknowledges them as the test says.
 * @param {Outbox} outbox
 * @param {Behaviour} [behaviour]
 * @param {string} [name] with which its message ids begin
 */
export function carrier(outbox, behaviour = "acknowledges", name = "M") {
  /** @type {{ jid: string, messageId: string, body: string }[]} */
  const sent = [];
  const news = new EventEmitter();
  let number = 0;
  /** @type {Map<string, Behaviour>} how it treats single messages */
  const treats = new Map();
  /** @param {() => boolean} so */
  async function until(so) {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    while (!so()) await once(news, "sent", { signal }).catch(() => assert.fail(`it did not come to that: ${so}; sent: ${JSON.stringify(sent, null, 1)}`));
  }
  const state = { connected: true, behaviour, treats, sent, until };
  outbox.use({
    requireConnected: () => {
      if (!state.connected) throw new RequestError("not_connected", "The bridge is not connected to WhatsApp");
    },
    compose: (text) => ({ messageId: `${name}${(number += 1)}`, body: Buffer.from(text) }),
    relay: async (jid, messageId, body) => {
      const behaves = treats.get(messageId) ?? state.behaviour;
      if (behaves === "breaks") throw new Error("the line is dead");
      if (behaves === "does not answer") throw new RequestError("timeout", "WhatsApp did not say on which devices this contact is");
      sent.push({ jid, messageId, body: Buffer.from(body).toString() });
      if (behaves === "acknowledges") outbox.acknowledged(messageId, null);
      if (behaves === "refuses") outbox.acknowledged(messageId, "463");
      news.emit("sent");
    },
  });
  return state;
}

/**
 * @param {string} id
 * @param {string} [text]
 * @param {string} [phone]
 * @returns {import("../../src/inbox.mjs").Inbound}
 */
export function inbound(id, text = `text of ${id}`, phone = "15551234567") {
  const jid = `${phone}@s.whatsapp.net`;
  return {
    conversation: jid,
    aliases: [{ kind: "phone", user: phone }],
    sender: jid,
    senders: [jid],
    messageId: id,
    group: false,
    addressed: false,
    kind: "text",
    text,
    senderName: "Ana",
    sentAt: 1_700_000_000_000,
    groupSubject: null,
  };
}
