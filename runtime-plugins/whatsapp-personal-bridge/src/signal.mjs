// @ts-check
/**
 * How an unmodified Baileys is held so that a crash leaves no ratchet ahead of or behind what was
 * sent or kept: its Signal repository, wrapped. What is kept of a message is the journal's. Imports
 * Baileys, so it may be loaded only after the silence.
 */

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DEFAULT_CONNECTION_CONFIG } from "@whiskeysockets/baileys";

/**
 * @typedef {import("@whiskeysockets/baileys").SignalRepositoryWithLIDStore} Repository
 * @typedef {import("@whiskeysockets/baileys").SignalKeyStoreWithTransaction} Keys
 * @typedef {import("@whiskeysockets/baileys").SocketConfig["makeSignalRepository"]} MakeRepository
 * @typedef {import("./journal.mjs").Journal} Journal
 */

/** Made while this file is loaded, when there is no transaction yet. The same as a snapshot, which Node 20 has since 20.5. */
const BEFORE_ALL = new AsyncResource("signal");

/**
 * Runs work outside every transaction of its caller. Baileys sends within a transaction that is
 * committed after the bytes have left; what runs through here commits by itself, before.
 * @template T
 * @param {() => T} work
 * @returns {T}
 */
const outside = (work) => BEFORE_ALL.runInAsyncScope(work);

/** Marks what runs within one transaction, also when that is long over. */
const scopes = /** @type {AsyncLocalStorage<{ over: boolean }>} */ (new AsyncLocalStorage());

const LOOKUPS = /** @type {const} */ (["storeLIDPNMappings", "getLIDForPN", "getLIDsForPNs", "getPNForLID", "getPNsForLIDs"]);

export class Signal {
  /** @type {Promise<unknown>} */ #last = Promise.resolve();

  /**
   * Baileys locks a session by LID to decrypt and by number to encrypt, which is not one lock: so
   * one call at a time, over all connections of the process.
   * @param {Journal} journal of the login that the repository is for
   * @returns {MakeRepository}
   */
  repositoryFor(journal) {
    return (auth, logger, askWhatsApp) => {
      const keys = /** @type {Keys} */ (auth.keys);
      writeWhenOver(keys);
      const inner = DEFAULT_CONNECTION_CONFIG.makeSignalRepository(auth, logger, askWhatsApp);
      lookUpOutside(inner.lidMapping);
      /**
       * @param {string} lock
       * @param {Uint8Array} ciphertext
       * @param {() => Promise<Uint8Array>} work
       */
      const decrypt = (lock, ciphertext, work) =>
        this.#alone(() => journal.decrypt({ keys, lock, ciphertext, work, quiet: () => this.quiet() }));
      return {
        ...inner,
        decryptMessage: (wanted) => decrypt(wanted.jid, wanted.ciphertext, () => inner.decryptMessage(wanted)),
        decryptGroupMessage: (wanted) => decrypt(wanted.group, wanted.msg, () => inner.decryptGroupMessage(wanted)),
        processSenderKeyDistributionMessage: (wanted) => this.#alone(() => inner.processSenderKeyDistributionMessage(wanted)),
        encryptMessage: (wanted) => this.#alone(() => inner.encryptMessage(wanted)),
        encryptGroupMessage: (wanted) => this.#alone(() => inner.encryptGroupMessage(wanted)),
        getSenderKeyDistributionMessage: (wanted) => this.#alone(() => inner.getSenderKeyDistributionMessage(wanted)),
        injectE2ESession: (wanted) => {
          const sending = keys.isInTransaction();
          return this.#alone(async () => {
            // Within a send Baileys only refreshes. A second session beside a healthy one garbles what the
            // contact still writes under the first. Who asks for a retry does so outside a transaction.
            if (sending && (await inner.getSessionInfo(wanted.jid))?.registrationId === wanted.session.registrationId) return;
            await inner.injectE2ESession(wanted);
          });
        },
        migrateSession: (from, to) => this.#alone(() => inner.migrateSession(from, to)),
        deleteSession: (jids) => this.#alone(() => inner.deleteSession(jids)),
        validateSession: (jid) => outside(() => inner.validateSession(jid)),
        getSessionInfo: (jid) => outside(() => inner.getSessionInfo(jid)),
        hasSenderKey: (wanted) => outside(() => inner.hasSenderKey(wanted)),
      };
    };
  }

  /** Resolves when Baileys has done what it does right after a message, such as taking in a sender key. */
  async quiet() {
    await nextTurn();
    await this.#alone(async () => undefined);
  }

  /**
   * @template T
   * @param {() => Promise<T>} work must not come back here, or it waits for itself
   * @returns {Promise<T>}
   */
  #alone(work) {
    const done = this.#last.then(() => outside(work));
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/**
 * The repository itself looks numbers up within transactions that can fail, and remembers in memory
 * what then never reached the disk.
 * @param {Repository["lidMapping"]} lidMapping
 */
function lookUpOutside(lidMapping) {
  for (const name of LOOKUPS) {
    const lookUp = /** @type {(...args: any[]) => any} */ (lidMapping[name]).bind(lidMapping);
    Object.assign(lidMapping, { [name]: (/** @type {any[]} */ ...args) => outside(() => lookUp(...args)) });
  }
}

/**
 * What Baileys starts within a transaction and does not wait for writes into it when it is over,
 * which writes nothing. Such reads and writes go to the store.
 * @param {Keys} keys
 */
function writeWhenOver(keys) {
  const { get, set, transaction, isInTransaction } = keys;
  const late = () => scopes.getStore()?.over === true;
  /** @type {Pick<Keys, "get" | "set" | "transaction" | "isInTransaction">} */
  const held = {
    get: (type, ids) => (late() ? outside(() => get(type, ids)) : get(type, ids)),
    set: (data) => (late() ? outside(() => set(data)) : set(data)),
    isInTransaction: () => !late() && isInTransaction(),
    transaction: async (work, lock) => {
      if (late()) return outside(() => held.transaction(work, lock));
      if (isInTransaction()) return transaction(work, lock);
      const scope = { over: false };
      try {
        return await scopes.run(scope, () => transaction(work, lock));
      } finally {
        scope.over = true;
      }
    },
  };
  Object.assign(keys, held);
}
