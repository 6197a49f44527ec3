// @ts-check
/**
 * What was decrypted, kept in the transaction that used up its key, until it is dealt with: the
 * inbox is fed from here, what a crash left is read again, and what WhatsApp delivers again is
 * answered from here, because it can be decrypted only once. Imports Baileys.
 */

import { createHash } from "node:crypto";
import { addTransactionCapability, cleanMessage, decodeMessageNode, decryptMessageNode, DEFAULT_CONNECTION_CONFIG } from "@whiskeysockets/baileys";
import { decode, encode, JOURNAL } from "./auth-state.mjs";
import { isOfStore } from "./errors.mjs";
import { SILENT, TRANSACTIONS } from "./quiet.mjs";

/**
 * @typedef {import("@whiskeysockets/baileys").BinaryNode} Node
 * @typedef {import("@whiskeysockets/baileys").WAMessage} WAMessage
 * @typedef {import("@whiskeysockets/baileys").SignalRepositoryWithLIDStore} Repository
 * @typedef {import("./store/journal.mjs").Whole} Whole
 * @typedef {{ message: WAMessage, type: "notify" | "append", finish: () => void }} Delivery `finish`: to
 * be called in the transaction that deals with the message
 * @typedef {(read: () => Promise<Delivery | null>) => void} Take null: not for us, but for Baileys itself
 * @typedef {{ node: Node, place: number }} Part
 * @typedef {{
 *   keys: import("@whiskeysockets/baileys").SignalKeyStoreWithTransaction,
 *   lock: string,
 *   ciphertext: Uint8Array,
 *   work: () => Promise<Uint8Array>,
 *   quiet: () => Promise<void>,
 * }} Decryption
 */

/** Padding of one byte around nothing: Baileys confirms an empty message as it does any other. */
const EMPTY = Buffer.from([1]);
/** What reading a decrypted stanza needs of its children; `enc` without its ciphertext. */
const READ = new Set(["enc", "plaintext", "unavailable"]);

export class Journal {
  /** @type {import("./store/journal.mjs").JournalRows} */ #rows;
  /** @type {import("./auth-state.mjs").Auth} */ #auth;
  /** @type {(error: unknown) => never} */ #die;
  /** @type {WeakMap<Uint8Array, Part>} */ #parts = new WeakMap();
  /** @type {Take} */ #take = () => undefined;

  /**
   * @param {import("./store/journal.mjs").JournalRows} rows
   * @param {import("./auth-state.mjs").Auth} auth the login whose messages these are
   * @param {(error: unknown) => never} die
   */
  constructor(rows, auth, die) {
    this.#rows = rows;
    this.#auth = auth;
    this.#die = die;
  }

  /** @param {Take} take what is to be done with each message, in their order */
  onMessage(take) {
    this.#take = take;
  }

  /** @param {unknown} frame whatever came in, before Baileys looks at it: it decrypts these very buffers */
  notice(frame) {
    const node = /** @type {Partial<Node> | null} */ (frame);
    if (node?.tag !== "message" || !Array.isArray(node.content)) return;
    ciphertexts(/** @type {Node} */ (node)).forEach(({ content }, place) => this.#parts.set(content, { node: /** @type {Node} */ (node), place }));
  }

  /**
   * @param {Decryption} decryption
   * @returns {Promise<Uint8Array>} what was decrypted now or at an earlier delivery. On disk
   */
  async decrypt({ keys, lock, ciphertext, work, quiet }) {
    const part = this.#parts.get(ciphertext);
    // Nothing that came in as a stanza, so nothing that could come again as one.
    if (!part) return work();
    const hash = hashOf(part);
    const known = this.#try(() => this.#rows.part(this.#auth.login, hash));
    if (known) return known.plaintext ?? EMPTY;
    const envelope = this.#envelope(part.node);
    const plaintext = await keys.transaction(async () => {
      const decrypted = await work();
      /** @type {import("./store/journal.mjs").Part} */
      const row = { place: part.place, plaintext: decrypted, envelope };
      await keys.set(/** @type {any} */ ({ [JOURNAL]: { [hash]: row } }));
      return decrypted;
    }, lock);
    const whole = this.#try(() => this.#rows.whole(this.#auth.login, envelope.hash));
    if (whole) {
      this.#take(async () => {
        await quiet();
        return this.#read(whole, AS_DECRYPTED);
      });
    }
    return plaintext;
  }

  /** @returns {Repository} over what is stored, for as long as there is no connection */
  repository() {
    const { creds, keys } = this.#auth.state;
    return DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds, keys: addTransactionCapability(keys, SILENT, TRANSACTIONS) }, SILENT);
  }

  /**
   * Gives what an earlier run decrypted and did not deal with.
   * @param {Repository} repository takes in the sender keys that came with the messages
   * @returns {number} how many there are
   */
  replay(repository) {
    const left = this.#try(() => this.#rows.unfinished(this.#auth.login));
    for (const whole of left) this.#take(() => this.#read(whole, { ...repository, ...PLAIN }));
    return left.length;
  }

  /**
   * @param {WAMessage["key"]} key as Baileys reports it
   * @returns {boolean} whether the message comes from here, so that a report of it is no news
   */
  knows(key) {
    return this.#try(() => this.#rows.knows(this.#auth.login, nameOf(key)));
  }

  /** @param {WAMessage} message that Baileys has taken in */
  heard(message) {
    if (isForBaileys(message)) this.#finish(nameOf(message.key));
  }

  /**
   * @param {Whole} whole
   * @param {Repository} repository
   * @returns {Promise<Delivery | null>}
   */
  async #read({ seq, name, stanza }, repository) {
    const plaintexts = this.#try(() => this.#rows.plaintexts(seq));
    const { message, late } = await this.#readStanza(stanza, plaintexts, repository);
    if (isForBaileys(message)) return null;
    return { message, type: late ? "append" : "notify", finish: () => this.#finish(name) };
  }

  /**
   * Thrown on, what Baileys stumbles over, such as a reaction to nothing, would end every start; so
   * would a stanza that is stored and cannot be read. It becomes a message of which nothing is known.
   * @param {string} stanza
   * @param {Map<number, Buffer>} plaintexts by their place
   * @param {Repository} repository
   * @returns {Promise<{ message: WAMessage, late: boolean }>}
   */
  async #readStanza(stanza, plaintexts, repository) {
    const { id, lid } = this.#me();
    /** @type {WAMessage} */
    let message = { key: {} };
    let late = false;
    try {
      const node = /** @type {Node} */ (decode(stanza));
      late = Boolean(node.attrs.offline);
      let place = 0;
      const known = /** @type {Node[]} */ (node.content).filter(({ tag }) => READ.has(tag));
      const content = known.map((child) => (child.tag === "enc" ? { ...child, content: plaintexts.get(place++) ?? EMPTY } : child));
      const read = decryptMessageNode({ ...node, content }, id, lid, repository, SILENT);
      message = read.fullMessage;
      await read.decrypt();
      cleanMessage(message, id, lid);
    } catch (error) {
      if (isOfStore(error)) throw error;
      message.message = null;
    }
    return { message, late };
  }

  /**
   * @param {Node} node
   * @returns {import("./store/journal.mjs").Envelope}
   */
  #envelope(node) {
    const { id, lid } = this.#me();
    const { fullMessage } = decodeMessageNode(node, id, lid);
    cleanMessage(fullMessage, id, lid);
    const parts = ciphertexts(node);
    const children = /** @type {Node[]} */ (node.content).filter(({ tag }) => READ.has(tag)).map((child) => (child.tag === "enc" ? { tag: "enc", attrs: child.attrs } : child));
    return {
      hash: digest(parts.map((_, place) => hashOf({ node, place }))),
      name: nameOf(fullMessage.key),
      stanza: encode({ tag: node.tag, attrs: node.attrs, content: children }),
      parts: parts.length,
    };
  }

  #me() {
    const { me } = this.#auth.state.creds;
    return { id: me?.id ?? "", lid: me?.lid ?? "" };
  }

  /** @param {string} name */
  #finish(name) {
    this.#try(() => this.#rows.finish(this.#auth.login, name));
  }

  /**
   * Thrown on, an error of the store would pass for a message that cannot be decrypted.
   * @template T
   * @param {() => T} work
   * @returns {T}
   */
  #try(work) {
    try {
      return work();
    } catch (error) {
      return this.#die(error);
    }
  }
}

/** For `decryptMessageNode` over a stanza that holds plaintexts in the place of ciphertexts. */
const PLAIN = {
  decryptMessage: async (/** @type {{ ciphertext: Uint8Array }} */ { ciphertext }) => ciphertext,
  decryptGroupMessage: async (/** @type {{ msg: Uint8Array }} */ { msg }) => msg,
};

/** The same while Baileys handles the message, too: everything around it is its own business. */
const AS_DECRYPTED = /** @type {Repository} */ (/** @type {unknown} */ ({
  ...PLAIN,
  processSenderKeyDistributionMessage: async () => undefined,
  migrateSession: async () => undefined,
  lidMapping: { getLIDForPN: async () => null, storeLIDPNMappings: async () => undefined },
}));

/**
 * Keys and answers that our own phone sends to Baileys. They are kept until it has them.
 * @param {WAMessage} message
 */
function isForBaileys({ key, message }) {
  return Boolean(key.fromMe && message?.protocolMessage);
}

/** @param {WAMessage["key"]} key without devices, as `cleanMessage` leaves it */
function nameOf({ fromMe, remoteJid, participant, id }) {
  return [fromMe ? "us" : "them", remoteJid, participant || "-", id].join(" ");
}

/**
 * @param {Node} node
 * @returns {{ attrs: Node["attrs"], content: Uint8Array }[]}
 */
function ciphertexts(node) {
  return /** @type {any} */ (node.content).filter((/** @type {Node} */ { tag, content }) => tag === "enc" && content instanceof Uint8Array);
}

/** @param {Part} part */
function hashOf({ node, place }) {
  const { from = "", participant = "" } = node.attrs;
  const part = ciphertexts(node)[place];
  return digest([from, participant, part?.attrs.type ?? "", part?.content ?? EMPTY]);
}

/** @param {(string | Uint8Array)[]} fields */
function digest(fields) {
  const hash = createHash("sha256");
  for (const field of fields) hash.update(`${field.length} `).update(field);
  return hash.digest("hex");
}
