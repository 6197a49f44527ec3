// @ts-check
/**
 * From what Baileys reports to what the inbox is given: who wrote, where, how late, and whether
 * it is ours at all. One message after the other, in the order in which they were sent.
 */

import { isOfStore } from "./errors.mjs";
import { readMessage, sentAt } from "./inbound.mjs";
import { fromJid, shortReference, toJid } from "./identity.mjs";
import { isAddressed } from "./mentions.mjs";
import { plainName } from "./names.mjs";

/**
 * @typedef {import("@whiskeysockets/baileys").WASocket} Socket
 * @typedef {import("@whiskeysockets/baileys").WAMessage} WAMessage
 * @typedef {{
 *   inbox: import("./inbox.mjs").Inbox,
 *   people: import("./people.mjs").People,
 *   emit: import("./events.mjs").Emit,
 *   die: (error: unknown) => never,
 *   backlogMaxAgeMs: number,
 *   pause?: { hear(text: string): void },
 *   outbox?: Pick<import("./outbox.mjs").Outbox, "isOurs">,
 * }} Parts `pause`: told what the owner writes into the chat with themselves
 * @typedef {Pick<Socket, "groupMetadata"> & { signalRepository: { lidMapping: { getPNForLID(lid: string): Promise<string | null> } } }} Lookups
 */

/** Messages that could not be read and may still become readable; older ones are given up. */
const UNREADABLE_LIMIT = 1_000;
/** After a question about a group that failed, before the next one. */
const GROUP_RETRY_MS = 10 * 60 * 1000;

export class Receiver {
  /** @type {Parts} */ #parts;
  /** @type {Promise<void>} */ #queue = Promise.resolve();
  /** @type {Record<string, number>} */ #ignored = {};
  /** @type {Map<string, WAMessage>} */ #unreadable = new Map();
  #givenUp = 0;
  /** @type {Map<string, { subject: string | null, askAt: number }>} `askAt`: from when on it is asked for */ #groups = new Map();

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** What was left alone, by reason; `undecryptable` counts what did not become readable since. */
  get ignored() {
    const undecryptable = this.undecryptable;
    return undecryptable > 0 ? { ...this.#ignored, undecryptable } : { ...this.#ignored };
  }

  get undecryptable() {
    return this.#unreadable.size + this.#givenUp;
  }

  /**
   * Messages come from the journal as soon as they are decrypted. Baileys reports them too, up to
   * half a minute later; that counts for what the journal does not know, as what cannot be read.
   * @param {Socket} socket a new one, before anything has come in on it
   * @param {import("./journal.mjs").Journal} [journal]
   * @param {Pick<import("./in-order.mjs").InOrder, "wasLate">} [inOrder]
   */
  listen(socket, journal, inOrder) {
    if (journal) this.take(journal, socket);
    hearMessages(socket.ev, (message, type) =>
      this.#enqueue(async () => {
        if (message?.key && journal?.knows(message.key)) journal.heard(message);
        else await this.#take(socket, message, inOrder?.wasLate(message?.key?.id) ? "append" : type);
      }),
    );
    // What the phone sends again comes as a change of what could not be read.
    socket.ev.on("messages.update", (updates) => {
      for (const { key, update } of listed(updates)) {
        if (key && update?.message) this.#enqueue(() => this.#readAtLast(socket, key, update));
      }
    });
    socket.ev.on("groups.update", (updates) => {
      // A new name says nothing of the people, who are still asked for.
      for (const { id, subject } of listed(updates)) if (fromJid(id)?.kind === "group" && subject) this.#named(String(id), subject, this.#groups.get(String(id))?.askAt ?? 0);
    });
  }

  /**
   * @param {import("./journal.mjs").Journal} journal
   * @param {Lookups} lookups
   */
  take(journal, lookups) {
    journal.onMessage((read) =>
      this.#enqueue(async () => {
        const delivery = await read();
        if (delivery) await this.#take(lookups, delivery.message, delivery.type, delivery.finish);
      }),
    );
  }

  /** Resolves when everything that came in has been dealt with. */
  async settled() {
    await this.#queue;
  }

  /** @param {() => Promise<void>} work */
  #enqueue(work) {
    this.#queue = this.#queue.then(work).catch(this.#parts.die);
  }

  /**
   * @param {Socket} socket
   * @param {WAMessage["key"]} key
   * @param {Partial<WAMessage>} update
   */
  async #readAtLast(socket, key, update) {
    const where = await this.#place(socket, key);
    const name = where?.names.find((each) => this.#unreadable.has(each));
    const stub = name === undefined ? undefined : this.#unreadable.get(name);
    if (stub) await this.#take(socket, { ...stub, ...update, key: stub.key, messageStubType: null, messageStubParameters: null }, "notify");
  }

  /**
   * @param {Lookups} lookups
   * @param {WAMessage} message
   * @param {"notify" | "append"} type
   * @param {() => void} [finish] called when the message needs no second look, whatever happens
   */
  async #take(lookups, message, type, finish = () => undefined) {
    const ignored = await this.#accept(lookups, message, type, finish).catch((error) => {
      // Thrown on, one message that we stumble over would end this start and every one after it.
      if (isOfStore(error)) throw error;
      return "malformed";
    });
    if (ignored === null) return;
    // Once a start: whoever sends one can send many.
    if (ignored === "malformed" && !this.#ignored.malformed) {
      this.#parts.emit("warning", { code: "message_malformed", message: "A message from WhatsApp could not be understood, so it was left alone; the others go on. `bridge status` counts such messages." });
    }
    this.#ignored[ignored] = (this.#ignored[ignored] ?? 0) + 1;
    finish();
  }

  /**
   * @param {Lookups} lookups
   * @param {WAMessage} message
   * @param {"notify" | "append"} type
   * @param {() => void} finish
   * @returns {Promise<string | null>} why it is left alone; null when it is not
   */
  async #accept(lookups, message, type, finish) {
    const { inbox, backlogMaxAgeMs } = this.#parts;
    const { read, addressed } = this.#read(message);
    const now = Date.now();
    const sent = sentAt(message.messageTimestamp, now);
    const tooOld = type === "append" && now - sent > backlogMaxAgeMs;
    if ("ignored" in read && read.ignored === "own" && !tooOld) this.#hearOwner(message);
    if ("ignored" in read && read.ignored !== "undecryptable") return read.ignored;
    if (tooOld) return "too_old";
    const where = await this.#place(lookups, message.key);
    if (!where) return "malformed";
    const { names, self, ...place } = where;
    // Ourselves under the id that Baileys did not expect here: answering it would be a loop.
    if (self) return "own";
    if ("ignored" in read) {
      this.#cannotRead(message, names, place.conversation);
      finish();
      return null;
    }
    for (const name of names) this.#unreadable.delete(name);
    inbox.accept({
      ...place,
      ...read.text,
      addressed: place.group && addressed,
      senderName: plainName(message.pushName),
      sentAt: sent,
      groupSubject: place.group ? this.#subject(lookups, place.conversation) : null,
      finish,
    });
    return null;
  }

  /**
   * @param {WAMessage} message
   * @returns {{ read: ReturnType<typeof readMessage>, addressed: boolean }}
   */
  #read(message) {
    try {
      return { read: readMessage(message), addressed: isAddressed(message.message, (jid) => this.#parts.people.isSelf(jid)) };
    } catch {
      return { read: { ignored: "malformed" }, addressed: false };
    }
  }

  /**
   * What the owner's phone writes into the owner's own chat is meant for the bridge. What the bridge
   * itself sends there never is.
   * @param {WAMessage} message
   */
  #hearOwner({ key, message }) {
    const { pause, people, outbox } = this.#parts;
    if (!pause || !people.isSelf(key.remoteJid) || (key.id && outbox?.isOurs(key.id))) return;
    const { read } = this.#read({ key: { ...key, fromMe: false }, message });
    if ("text" in read && read.text.kind === "text") pause.hear(read.text.text);
  }

  /**
   * @param {Lookups} lookups
   * @param {WAMessage["key"]} key
   */
  async #place(lookups, key) {
    const { people } = this.#parts;
    const { id } = key;
    if (typeof id !== "string" || id === "") return null;
    const askNumber = (/** @type {string} */ lid) => lookups.signalRepository.lidMapping.getPNForLID(lid);
    const chat = await people.of(key.remoteJid, key.remoteJidAlt, askNumber);
    const group = chat.aliases[0]?.kind === "group";
    const author = group ? await people.of(key.participant, key.participantAlt, askNumber) : chat;
    const [preferred] = chat.aliases;
    const [sender] = author.aliases;
    if (!preferred || !sender) return null;
    return {
      // One for every way to name the two: more may be known of them when the message comes again.
      names: chat.aliases.flatMap((one) => author.aliases.map((other) => `${toJid(one)} ${toJid(other)} ${id}`)),
      self: author.self,
      conversation: toJid(preferred),
      aliases: chat.aliases,
      sender: toJid(sender),
      senders: author.aliases.map(toJid),
      messageId: id,
      group,
    };
  }

  /**
   * Baileys has asked the sender to encrypt it anew; it comes again under the same key.
   * @param {WAMessage} message
   * @param {string[]} names
   * @param {string} conversation
   */
  #cannotRead(message, names, conversation) {
    const [name] = names;
    if (name === undefined || names.some((each) => this.#unreadable.has(each))) return;
    this.#unreadable.set(name, message);
    if (this.#unreadable.size > UNREADABLE_LIMIT) {
      const [oldest] = this.#unreadable.keys();
      if (oldest !== undefined) this.#unreadable.delete(oldest);
      this.#givenUp += 1;
    }
    this.#parts.emit("message_unreadable", { chat: shortReference(conversation) });
  }

  /**
   * A group's name and people, asked for once and in the background: no message waits for it.
   * Where no answer comes it is asked again, but not for every message.
   * @param {Lookups} lookups
   * @param {string} jid
   */
  #subject(lookups, jid) {
    const { subject: known, askAt } = this.#groups.get(jid) ?? { subject: null, askAt: 0 };
    if (Date.now() < askAt) return known;
    this.#groups.set(jid, { subject: known, askAt: Date.now() + GROUP_RETRY_MS });
    lookups.groupMetadata(jid).then(
      (group) => {
        this.#named(jid, group?.subject, Number.POSITIVE_INFINITY);
        this.#enqueue(async () => this.#parts.people.learn(listed(group?.participants)));
      },
      () => undefined,
    );
    return known;
  }

  /**
   * @param {string} jid of a group
   * @param {unknown} subject
   * @param {number} askAt
   */
  #named(jid, subject, askAt) {
    const name = plainName(subject);
    this.#groups.set(jid, { subject: name, askAt });
    if (name !== null) this.#enqueue(async () => this.#parts.inbox.groupNamed(jid, name));
  }
}

/**
 * Every message, also those that Baileys still holds back when its connection ends: it has
 * confirmed them to WhatsApp already, and would forget them.
 * @param {Pick<Socket["ev"], "on" | "flush">} ev
 * @param {(message: WAMessage, type: "notify" | "append") => void} take
 */
export function hearMessages(ev, take) {
  ev.on("messages.upsert", ({ messages, type }) => {
    // Held back messages come as a batch in no promised order.
    const sorted = listed(messages).map((message) => ({ message, at: sentAt(message.messageTimestamp, 0) }));
    for (const { message } of sorted.sort((a, b) => a.at - b.at)) take(message, type);
  });
  ev.on("connection.update", ({ connection }) => {
    if (connection === "close") ev.flush();
  });
}

/**
 * @template {object} T
 * @param {readonly T[] | null | undefined} things as Baileys says; what is no thing among them says nothing
 * @returns {T[]}
 */
export function listed(things) {
  return Array.isArray(things) ? things.filter((each) => typeof each === "object" && each !== null) : [];
}
