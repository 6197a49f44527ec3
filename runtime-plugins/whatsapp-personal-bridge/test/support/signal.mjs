// @ts-check
/** People with real Signal keys: contacts over Baileys' own repository, and us over a store. */

import { EventEmitter } from "node:events";
import path from "node:path";
import {
  addTransactionCapability, cleanMessage, decryptMessageNode, DEFAULT_CONNECTION_CONFIG, encodeWAMessage, generateSignalPubKey, getNextPreKeys, initAuthCreds, proto,
  unpadRandomMax16,
} from "@whiskeysockets/baileys";
import Sqlite from "libsql";
import { decode, encode, loadAuth } from "../../src/auth-state.mjs";
import { AllowedChats } from "../../src/allowed-chats.mjs";
import { Inbox } from "../../src/inbox.mjs";
import { Journal } from "../../src/journal.mjs";
import { People } from "../../src/people.mjs";
import { SILENT, TRANSACTIONS } from "../../src/quiet.mjs";
import { Receiver } from "../../src/receiver.mjs";
import { DEFAULT_SETTINGS } from "../../src/settings.mjs";
import { Signal } from "../../src/signal.mjs";

/**
 * @typedef {import("@whiskeysockets/baileys").BinaryNode} Node
 * @typedef {import("@whiskeysockets/baileys").SignalRepositoryWithLIDStore} Repository
 * @typedef {import("@whiskeysockets/baileys").SignalKeyStore} KeyStore
 */

// libsignal prints sessions; the product's silence would silence the tests' own reports, too.
for (const name of ["info", "warn", "error"]) Reflect.set(globalThis.console, name, () => undefined);

export const ME = { id: "15550001000:3@s.whatsapp.net", lid: "555000100010001:3@lid" };
export const GROUP = "120363012345678901@g.us";
export const ANA = { jid: "123456789012345@lid", alternative: { sender_pn: "15551234567@s.whatsapp.net" } };
export const BEN = { jid: "15557654321@s.whatsapp.net", alternative: {} };
/** The owner's phone. */
export const PHONE = { jid: "555000100010001@lid", alternative: {} };

/** @returns {KeyStore} */
function inMemory() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    get: (type, ids) => Object.fromEntries(ids.flatMap((id) => (kept.has(`${type} ${id}`) ? [[id, decode(String(kept.get(`${type} ${id}`)))]] : []))),
    set: (data) => {
      for (const [type, values] of Object.entries(data)) {
        for (const [id, value] of Object.entries(values ?? {})) {
          if (value) kept.set(`${type} ${id}`, encode(value));
          else kept.delete(`${type} ${id}`);
        }
      }
    },
  };
}

/**
 * What a contact's phone needs to begin a session.
 * @param {import("@whiskeysockets/baileys").AuthenticationCreds} creds
 * @param {import("@whiskeysockets/baileys").SignalKeyStoreWithTransaction} keys
 */
export async function bundleOf(creds, keys) {
  const { update, preKeys } = await getNextPreKeys({ creds, keys }, 1);
  Object.assign(creds, update);
  const [[id, pair]] = /** @type {[[string, import("@whiskeysockets/baileys").KeyPair]]} */ (Object.entries(preKeys));
  return {
    registrationId: creds.registrationId,
    identityKey: generateSignalPubKey(creds.signedIdentityKey.public),
    signedPreKey: { keyId: creds.signedPreKey.keyId, publicKey: generateSignalPubKey(creds.signedPreKey.keyPair.public), signature: creds.signedPreKey.signature },
    preKey: { keyId: Number(id), publicKey: generateSignalPubKey(pair.public) },
  };
}

/** Somebody who writes to us. Their side is Baileys' own, so that what they write is what it writes. */
export class Contact {
  #number = 0;
  #keys;
  #repository;

  /** @param {{ jid: string, alternative: Record<string, string> }} who */
  constructor({ jid, alternative }) {
    this.jid = jid;
    this.alternative = alternative;
    this.creds = initAuthCreds();
    this.#keys = addTransactionCapability(inMemory(), SILENT, TRANSACTIONS);
    this.#repository = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds: this.creds, keys: this.#keys }, SILENT);
  }

  bundle() {
    return bundleOf(this.creds, this.#keys);
  }

  /** @param {Awaited<ReturnType<typeof bundleOf>>} session ours */
  async meets(session) {
    await this.#repository.injectE2ESession({ jid: ME.lid, session });
  }

  /**
   * @param {import("@whiskeysockets/baileys").WAMessageContent} content
   * @param {Record<string, string>} [attrs]
   * @returns {Promise<Node>}
   */
  async sends(content, attrs = {}) {
    return this.#stanza({ from: this.jid, ...this.alternative, ...attrs }, [await this.#sealed(content)]);
  }

  /** @param {Uint8Array} plain in the place of a message and its padding */
  async sendsBytes(plain) {
    return this.#stanza({ from: this.jid, ...this.alternative }, [await this.#repository.encryptMessage({ jid: ME.lid, data: plain })]);
  }

  /** @param {string} text */
  async says(text) {
    return this.sends({ conversation: text });
  }

  /**
   * @param {string} text
   * @param {{ withKey: boolean }} how `withKey`: for a phone that does not have the key of this sender
   */
  async saysInGroup(text, { withKey }) {
    const data = encodeWAMessage({ conversation: text });
    const { ciphertext, senderKeyDistributionMessage } = await this.#repository.encryptGroupMessage({ group: GROUP, meId: this.jid, data });
    const key = { senderKeyDistributionMessage: { groupId: GROUP, axolotlSenderKeyDistributionMessage: senderKeyDistributionMessage } };
    const parts = [{ type: "skmsg", ciphertext }];
    if (withKey) parts.unshift(await this.#sealed(key));
    const { sender_pn: number } = this.alternative;
    return this.#stanza({ from: GROUP, participant: this.jid, ...(number ? { participant_pn: number } : {}) }, parts);
  }

  /**
   * @param {{ type: string, ciphertext: Uint8Array }} sealed what we sent
   * @returns {Promise<string | null | undefined>} its text
   */
  async reads({ type, ciphertext }) {
    const wanted = { jid: ME.lid, type: /** @type {"msg" | "pkmsg"} */ (type), ciphertext: Buffer.from(ciphertext) };
    return proto.Message.decode(unpadRandomMax16(await this.#repository.decryptMessage(wanted))).conversation;
  }

  /** @param {import("@whiskeysockets/baileys").WAMessageContent} content */
  async #sealed(content) {
    return this.#repository.encryptMessage({ jid: ME.lid, data: encodeWAMessage(content) });
  }

  /**
   * @param {Record<string, string>} attrs
   * @param {{ type: string, ciphertext: Uint8Array }[]} parts
   * @returns {Node}
   */
  #stanza(attrs, parts) {
    this.#number += 1;
    const id = `${this.jid.slice(0, 5)}${this.#number}`;
    return {
      tag: "message",
      attrs: { id, type: "text", t: String(Math.floor(Date.now() / 1000)), notify: "Somebody", ...attrs },
      content: parts.map(({ type, ciphertext }) => ({ tag: "enc", attrs: { v: "2", type }, content: Buffer.from(ciphertext) })),
    };
  }
}

/** @param {Node} node as WhatsApp delivers it once more, to a new connection: other buffers, and late */
export function again(node) {
  const copy = /** @type {Node} */ (decode(encode(node)));
  return { ...copy, attrs: { ...copy.attrs, offline: "1" } };
}

/** @param {import("../../src/store/store.mjs").Store} store gets a linked login */
export function link(store) {
  const auth = loadAuth(store, rethrow);
  Object.assign(auth.state.creds, { me: { ...ME, name: "Owner" }, account: {}, registered: true });
  auth.save();
}

/**
 * Our side of one connection: the receiver over the journal, and everything that Baileys does with
 * a stanza but the network.
 * @param {import("../../src/store/store.mjs").Store} store
 * @param {{ stock?: boolean, allowed?: string[] | null, die?: (error: unknown) => never, say?: (line: string) => void }} [options]
 * `stock`: Baileys alone, with an inbox that waits for what it reports
 */
export function bridge(store, { stock = false, allowed = ["*"], die = rethrow, say = () => undefined } = {}) {
  const auth = loadAuth(store, die);
  const keys = addTransactionCapability(auth.state.keys, SILENT, TRANSACTIONS);
  const journal = new Journal(store.journal, auth, die);
  const make = stock ? DEFAULT_CONNECTION_CONFIG.makeSignalRepository : new Signal().repositoryFor(journal);
  const repository = make({ creds: auth.state.creds, keys }, SILENT);
  const people = new People(store);
  people.setSelf([ME.id, ME.lid]);
  const emit = () => undefined;
  const settings = { ...DEFAULT_SETTINGS, groupReply: /** @type {const} */ ("always"), allowedChatIds: allowed ?? undefined };
  const chats = new AllowedChats({ store, people, emit }, settings);
  const inbox = new Inbox({ store, people, allowed: chats, emit }, settings);
  const pause = { hear: (/** @type {string} */ text) => say(`heard ${text}`) };
  const receiver = new Receiver({ inbox, people, emit, die, backlogMaxAgeMs: 86_400_000, pause });
  const ev = new EventEmitter();
  const groupMetadata = async () => ({ subject: "Team", participants: [] });
  const socket = /** @type {any} */ ({ ev, signalRepository: repository, groupMetadata });
  receiver.listen(socket, stock ? undefined : journal);
  return {
    auth, keys, journal, repository, people, allowed: chats, inbox, receiver, ev,
    bundle: () => bundleOf(auth.state.creds, keys),
    /**
     * @param {Node} node
     * @returns {Promise<string>} "receipt", or the error for which the sender is asked again
     */
    async gets(node) {
      journal.notice(node);
      const { fullMessage: message, decrypt } = decryptMessageNode(node, ME.id, ME.lid, repository, SILENT);
      await decrypt();
      const answer = message.messageStubType ? String(message.messageStubParameters?.[0]) : "receipt";
      say(answer);
      try {
        cleanMessage(message, ME.id, ME.lid);
        ev.emit("messages.upsert", { messages: [message], type: node.attrs.offline ? "append" : "notify" });
      } catch {
        // Baileys reports no message over which it stumbles.
      }
      await receiver.settled();
      return answer;
    },
    /** Deals with what the last run has left, as the session does before it connects. */
    async replays() {
      if (!stock) journal.replay(journal.repository());
      await receiver.settled();
    },
    /**
     * @param {string} jid
     * @param {string} text
     */
    async encrypts(jid, text) {
      return repository.encryptMessage({ jid, data: encodeWAMessage({ conversation: text }) });
    },
  };
}

/**
 * What the file of a store says, whoever else has it open.
 * @param {string} dir
 * @param {string} sql
 * @returns {any[]}
 */
export function rowsIn(dir, sql) {
  const db = new Sqlite(path.join(dir, "bridge.db"));
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/**
 * @param {string} dir
 * @returns {string[]} of the inbox, in its order
 */
export function textsIn(dir) {
  return rowsIn(dir, "SELECT body FROM inbox ORDER BY seq").map(({ body }) => JSON.parse(body).text);
}

/**
 * @param {unknown} error
 * @returns {never}
 */
export function rethrow(error) {
  throw error;
}
