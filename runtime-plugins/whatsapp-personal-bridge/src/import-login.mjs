// @ts-check
/**
 * Takes over the login of an older bridge, once: a folder with `creds.json` and one file per key,
 * as Baileys' multi-file state writes it. The folder is read, never changed.
 */

import fs from "node:fs";
import path from "node:path";
import { decode, encode, isCreds, isLinked } from "./auth-state.mjs";
import { FatalError } from "./errors.mjs";

/** Types of keys, a longer name before one that it begins with. */
const TYPES = Object.freeze([
  "app-state-sync-version",
  "app-state-sync-key",
  "sender-key-memory",
  "identity-key",
  "lid-mapping",
  "device-list",
  "sender-key",
  "pre-key",
  "session",
  "tctoken",
]);

/**
 * @param {import("./store/store.mjs").Store} store
 * @param {string[]} dirs where to look, in this order
 * @returns {{ from: string, skipped: number } | null} null when there is nothing to take over;
 * `skipped`: key files that could not be read
 * @throws {FatalError} `login_damaged`
 */
export function importLogin(store, dirs) {
  // One that was never linked is worth nothing; one that was, even set aside, is newer than the files.
  if (store.logins.all().some(wasLinked)) return null;
  for (const dir of dirs) {
    const creds = readCreds(path.join(dir, "creds.json"));
    if (creds === null) continue;
    const { keys, skipped } = readKeys(dir);
    store.logins.import(encode(creds), keys);
    return { from: dir, skipped };
  }
  return null;
}

/** @param {string} creds as the store keeps them; what cannot be read is for the bridge's own start to refuse */
function wasLinked(creds) {
  try {
    const read = decode(creds);
    return !isCreds(read) || isLinked(read);
  } catch {
    return true;
  }
}

/**
 * @param {string} file
 * @returns {import("./auth-state.mjs").Creds | null} null when there is none, or none that was linked
 */
function readCreds(file) {
  let text;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw unreadable(file, "it cannot be read");
  }
  let creds;
  try {
    creds = decode(text);
  } catch {
    throw unreadable(file, "it is cut off or is no JSON");
  }
  if (!isCreds(creds)) throw unreadable(file, "keys are missing in it");
  return isLinked(creds) ? creds : null;
}

/** @param {string} dir */
function readKeys(dir) {
  /** @type {import("./store/logins.mjs").KeyChanges} */
  const keys = {};
  let skipped = 0;
  for (const name of fs.readdirSync(dir)) {
    const key = keyOf(name);
    if (key === null) continue;
    try {
      const value = encode(decode(fs.readFileSync(path.join(dir, name), "utf8")));
      (keys[key.type] ??= {})[key.id] = value;
    } catch {
      // Baileys takes an unreadable key for an absent one and makes a new one with the contact.
      skipped += 1;
    }
  }
  return { keys, skipped };
}

/**
 * Baileys writes `/` as `__` and `:` as `-` in file names. Which of them an id can hold depends
 * on its type: a group's id has a dash of its own, and the index of `tctoken` begins with `__`.
 * @param {string} name
 * @returns {{ type: string, id: string } | null}
 */
export function keyOf(name) {
  const type = TYPES.find((each) => name.startsWith(`${each}-`) && name.endsWith(".json"));
  if (type === undefined) return null;
  const written = name.slice(type.length + 1, -".json".length);
  if (written === "") return null;
  if (type === "app-state-sync-key") return { type, id: written.replaceAll("__", "/") };
  if (type === "sender-key") return { type, id: written.replaceAll("--", "::") };
  return { type, id: written };
}

/**
 * @param {string} file
 * @param {string} why
 */
function unreadable(file, why) {
  return new FatalError(
    "login_damaged",
    `the login of an older bridge in ${file} cannot be taken over: ${why}. Nothing was changed, and no new login was made`,
    `put a backup of ${file} back; or, to link the phone anew, move it elsewhere and start again`,
  );
}
