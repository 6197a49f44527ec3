// @ts-check
/**
 * Baileys' credentials and Signal keys over the store: one `keys.set` is one transaction. No
 * cache, because a cache answers what never reached the disk. Imports Baileys, so it may be
 * loaded only after the silence.
 */

import { BufferJSON, initAuthCreds, proto } from "@whiskeysockets/baileys";

/**
 * The type under which decrypted messages pass through Baileys' transactions into the journal: they
 * reach the disk together with the session that decrypted them.
 */
export const JOURNAL = "journal";

/**
 * @typedef {import("@whiskeysockets/baileys").AuthenticationCreds} Creds
 * @typedef {import("@whiskeysockets/baileys").SignalDataTypeMap} KeyTypes
 * @typedef {{ login: number, state: import("@whiskeysockets/baileys").AuthenticationState, save: () => void }} Auth
 */

/**
 * @param {import("./store/store.mjs").Store} store
 * @param {(error: unknown) => never} die a store that fails ends the process before Baileys can
 * answer WhatsApp as if the keys were kept
 * @returns {Auth}
 * @throws {import("./errors.mjs").FatalError} `store_damaged`
 */
export function loadAuth(store, die) {
  const login = store.logins.current();
  const creds = login ? withoutUnusedCode(decodeCreds(login.creds, store)) : initAuthCreds();
  const id = login ? login.id : store.logins.add(encode(creds));
  return {
    login: id,
    save: () => guarded(die, () => store.logins.saveCreds(id, encode(creds))),
    state: {
      creds,
      keys: {
        get: (type, ids) =>
          guarded(die, () => {
            /** @type {{ [id: string]: any }} */
            const found = {};
            for (const each of ids) {
              const value = store.logins.key(id, type, each);
              if (value !== null) found[each] = decodeKey(type, value, store);
            }
            return found;
          }),
        set: (data) =>
          guarded(die, () => {
            const { [JOURNAL]: journalled, ...keys } = /** @type {import("@whiskeysockets/baileys").SignalDataSet & { [JOURNAL]?: Record<string, import("./store/journal.mjs").Part> }} */ (data);
            store.transaction(() => {
              store.logins.changeKeys(id, encodeKeys(keys));
              if (journalled) store.journal.add(id, journalled);
            });
          }),
      },
    },
  };
}

/**
 * Baileys names us as soon as it asks for a pairing code, so a name alone is no login.
 * @param {Creds} creds
 */
export function isLinked(creds) {
  return Boolean(creds.me?.id) && (Boolean(creds.account) || !creds.pairingCode);
}

/**
 * Left in place, the name would make Baileys log in with a login that does not exist.
 * @param {Creds} creds
 * @returns {Creds}
 */
function withoutUnusedCode(creds) {
  if (isLinked(creds) || !creds.me) return creds;
  return { ...creds, me: undefined, pairingCode: undefined, registered: false };
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function encode(value) {
  return JSON.stringify(value, BufferJSON.replacer);
}

/**
 * @param {string} text
 * @returns {any}
 */
export function decode(text) {
  return JSON.parse(text, BufferJSON.reviver);
}

/**
 * @param {any} creds
 * @returns {creds is Creds} whether the parts are there without which a login would be another one
 */
export function isCreds(creds) {
  /** @param {any} pair */
  const isPair = (pair) => pair?.public?.length === 32 && pair?.private?.length === 32;
  return isPair(creds?.noiseKey) && isPair(creds?.signedIdentityKey) && isPair(creds?.signedPreKey?.keyPair) && Number.isInteger(creds?.registrationId);
}

/**
 * @param {string} text
 * @param {import("./store/store.mjs").Store} store
 * @returns {Creds}
 */
function decodeCreds(text, store) {
  let creds;
  try {
    creds = decode(text);
  } catch {
    throw store.damaged("the credentials in it cannot be read");
  }
  if (!isCreds(creds)) throw store.damaged("the credentials in it are not complete");
  return creds;
}

/**
 * @param {keyof KeyTypes} type
 * @param {string} text
 * @param {import("./store/store.mjs").Store} store
 */
function decodeKey(type, text, store) {
  try {
    const value = decode(text);
    if (type === "app-state-sync-key") return proto.Message.AppStateSyncKeyData.fromObject(value);
    return type === "sender-key" ? readableSenderKey(value) : value;
  } catch {
    throw store.damaged(`a key of the kind ${type} in it cannot be read`);
  }
}

/**
 * Baileys writes the bytes in a sender key as lists of numbers, which it does not read back as
 * bytes: the keys of group messages that came out of order would be of no use to it.
 * @param {unknown} value JSON, as bytes
 */
function readableSenderKey(value) {
  try {
    return Buffer.from(encode(decode(/** @type {Buffer} */ (value).toString("utf8"))));
  } catch {
    // Baileys cannot read it either, and asks the sender for a new one.
    return value;
  }
}

/**
 * @param {import("@whiskeysockets/baileys").SignalDataSet} data
 * @returns {import("./store/logins.mjs").KeyChanges}
 */
function encodeKeys(data) {
  /** @type {import("./store/logins.mjs").KeyChanges} */
  const changes = {};
  for (const [type, values] of Object.entries(data)) {
    changes[type] = Object.fromEntries(Object.entries(values ?? {}).map(([id, value]) => [id, value ? encode(value) : null]));
  }
  return changes;
}

/**
 * @template T
 * @param {(error: unknown) => never} die
 * @param {() => T} work
 * @returns {T}
 */
function guarded(die, work) {
  try {
    return work();
  } catch (error) {
    return die(error);
  }
}
