// @ts-check
/** Parts of a bridge for tests that need no WhatsApp: a real store, a session that is told its state. */

import { Inbox } from "../../src/inbox.mjs";
import { Outbox } from "../../src/outbox.mjs";
import { RequestError } from "../../src/errors.mjs";
import { Pause } from "../../src/pause.mjs";
import { People } from "../../src/people.mjs";
import { DEFAULT_SETTINGS } from "../../src/settings.mjs";
import { openStore } from "../../src/store/store.mjs";
import { temporaryDir } from "./fixtures.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {{ allowed?: string[], dir?: string, ackMs?: number, groupReply?: import("../../src/settings.mjs").GroupReply }} [options]
 */
export function parts(t, { allowed = ["*"], dir = temporaryDir(t), ackMs = 200, groupReply = "mention" } = {}) {
  const store = openStore(dir);
  if (!store.logins.current()) store.logins.add("{}");
  t.after(() => store.close());
  /** @type {{ event: string, [field: string]: unknown }[]} */
  const events = [];
  /** @type {import("../../src/events.mjs").Emit} */
  const emit = (event, fields = {}) => {
    events.push({ event, ...fields });
  };
  const people = new People(store);
  const settings = { ...DEFAULT_SETTINGS, groupReply, allowedChatIds: allowed.length > 0 ? allowed : undefined };
  const pause = new Pause(store, emit);
  const inbox = new Inbox({ store, people, emit }, settings);
  const outbox = new Outbox(store, emit, ackMs);
  return { store, people, inbox, outbox, pause, emit, events, dir, settings };
}

/**
 * Stands for the connection: takes messages, and acknowledges them as the test says.
 * @param {Outbox} outbox
 * @param {"acknowledges" | "refuses" | "is silent" | "breaks"} [behaviour]
 */
export function carrier(outbox, behaviour = "acknowledges") {
  /** @type {{ jid: string, messageId: string, body: string }[]} */
  const sent = [];
  let number = 0;
  /** @type {Set<string>} messages with which the line breaks */
  const broken = new Set();
  const state = { connected: true, behaviour, sent, broken };
  outbox.use({
    requireConnected: () => {
      if (!state.connected) throw new RequestError("not_connected", "The bridge is not connected to WhatsApp");
    },
    compose: (text) => ({ messageId: `M${(number += 1)}`, body: Buffer.from(text) }),
    relay: async (jid, messageId, body) => {
      if (state.behaviour === "breaks" || broken.has(messageId)) throw new Error("the line is dead");
      sent.push({ jid, messageId, body: Buffer.from(body).toString() });
      if (state.behaviour === "acknowledges") outbox.acknowledged(messageId, null);
      if (state.behaviour === "refuses") outbox.acknowledged(messageId, "463");
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
