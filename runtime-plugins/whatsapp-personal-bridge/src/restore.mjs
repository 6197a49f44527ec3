// @ts-check
/**
 * A backup put back: checked as a copy, made harmless, and only then put in the store's place.
 * Runs under the lock of the auth dir, so beside no bridge. Imports Baileys, so it may be loaded
 * only after the silence.
 */

import fs from "node:fs";
import path from "node:path";
import { decode, isCreds, isLinked } from "./auth-state.mjs";
import { toDisk } from "./backup.mjs";
import { FatalError } from "./errors.mjs";
import { Database } from "./store/database.mjs";
import { RESTORED_DRAFT, STORE_FILE } from "./store/files.mjs";
import { disarm } from "./store/restored.mjs";
import { openStore } from "./store/store.mjs";

const PRIVATE_FILE = 0o600;
const CHUNK = 1024 * 1024;
/** What SQLite keeps beside a database; they go where it goes. */
const ENDS = Object.freeze(["-wal", "-shm", "-journal"]);

/**
 * @param {string} dir private and locked
 * @param {string} file the backup, an absolute path
 * @returns {{ file: string, sessions: number, parked: number, failed: number, set_aside: string | null }}
 * `sessions`: Signal sessions and sender keys that were dropped; `parked`: messages that are dead
 * letters now; `failed`: messages that will not be sent; `set_aside`: where the earlier store is
 * @throws {FatalError} `restore_refused`, `restore_failed`; where it throws, the store is as it was
 */
export function restoreBackup(dir, file) {
  requireBackup(file);
  requireNoLogin(dir);
  const draft = path.join(dir, RESTORED_DRAFT);
  try {
    removeDraft(draft);
    copy(file, draft);
    const counts = makeHarmless(draft, file);
    toDisk(draft);
    return { file, ...counts, set_aside: exchange(dir, draft) };
  } catch (error) {
    removeDraft(draft);
    throw error instanceof FatalError ? error : failed(file, error);
  }
}

/** @param {string} file */
function requireBackup(file) {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found) throw refused(file, "there is no such file", "name the file that the backup was written to");
  if (!found.isFile()) throw refused(file, "it is no file", "name the file that the backup was written to");
  if ((fs.statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw refused(file, "its -wal file lies beside it, so it is a store in use and not whole without that", "stop the bridge that uses it, or make a backup of it");
  }
}

/**
 * A store that cannot be read is what a backup is for: it is set aside, and lost to nobody.
 * @param {string} dir
 */
function requireNoLogin(dir) {
  if (!fs.existsSync(path.join(dir, STORE_FILE)) || !isLoginLinked(currentCreds(dir))) return;
  throw new FatalError(
    "restore_refused",
    `nothing was restored: the store in ${dir} has a linked login, and two stores of one login break its encryption`,
    "log out first (`loong whatsapp-personal bridge logout`), or name another auth dir",
  );
}

/**
 * @param {string} dir
 * @returns {string | null} null where there is no login, or none can be read
 */
function currentCreds(dir) {
  let store;
  try {
    store = openStore(dir);
  } catch (error) {
    if (error instanceof FatalError && error.code === "store_damaged") return null;
    throw error;
  }
  try {
    return store.logins.current()?.creds ?? null;
  } finally {
    store.close();
  }
}

/** @param {string | null} text */
function isLoginLinked(text) {
  if (text === null) return false;
  let creds;
  try {
    creds = decode(text);
  } catch {
    // The bridge itself takes this for damage.
    return false;
  }
  return isCreds(creds) && isLinked(creds);
}

/**
 * @param {string} draft
 * @param {string} file
 */
function makeHarmless(draft, file) {
  let db;
  try {
    db = new Database(draft);
  } catch (error) {
    if (error instanceof FatalError) throw refused(file, error.message.replaceAll(draft, file), error.code === "store_version" ? error.hint : "name another backup");
    if (/SQLITE_(?:CORRUPT|NOTADB|IOERR_SHORT_READ)/.test(codeOf(error))) throw refused(file, "it is damaged, or no store of a bridge", "name another backup");
    throw error;
  }
  try {
    db.checkThoroughly();
    const counts = disarm(db, Date.now());
    db.leaveLog();
    return counts;
  } catch (error) {
    throw error instanceof FatalError ? refused(file, error.message.replaceAll(draft, file), "name another backup") : error;
  } finally {
    db.close();
  }
}

/**
 * The draft is complete. While no store has its name the bridge does not start (store.mjs): it
 * would take the directory for a new one.
 * @param {string} dir
 * @param {string} draft
 * @returns {string | null}
 */
function exchange(dir, draft) {
  const file = path.join(dir, STORE_FILE);
  const aside = `${file}.before-restore-${Date.now()}`;
  /** @type {string[]} */
  const moved = [];
  try {
    for (const end of ["", ...ENDS]) {
      if (!fs.existsSync(`${file}${end}`)) continue;
      fs.renameSync(`${file}${end}`, `${aside}${end}`);
      moved.push(end);
    }
    fs.renameSync(draft, file);
  } catch (error) {
    for (const end of moved.reverse()) fs.renameSync(`${aside}${end}`, `${file}${end}`);
    throw error;
  }
  toDisk(dir);
  return moved.length > 0 ? aside : null;
}

/**
 * @param {string} from
 * @param {string} to
 */
function copy(from, to) {
  // Not the system's copy, which hands the rights of the original on.
  const source = fs.openSync(from, "r");
  try {
    const target = fs.openSync(to, "wx", PRIVATE_FILE);
    try {
      const chunk = Buffer.alloc(CHUNK);
      for (let length = fs.readSync(source, chunk); length > 0; length = fs.readSync(source, chunk)) fs.writeFileSync(target, chunk.subarray(0, length));
    } finally {
      fs.closeSync(target);
    }
  } finally {
    fs.closeSync(source);
  }
}

/** @param {string} draft */
function removeDraft(draft) {
  for (const end of ["", ...ENDS]) fs.rmSync(`${draft}${end}`, { force: true });
}

/**
 * @param {string} file
 * @param {unknown} error
 */
function failed(file, error) {
  const code = codeOf(error);
  const full = /ENOSPC|EDQUOT|EFBIG|SQLITE_FULL/.test(code);
  return new FatalError(
    "restore_failed",
    `the backup ${file} was not restored: ${full ? "the disk is full" : "it could not be read, or the auth dir not be written"} (${code}). The store is as it was`,
    full ? "free some space, then try again" : "check the rights of the file and of the auth dir, then try again",
  );
}

/**
 * @param {string} file
 * @param {string} why
 * @param {string} hint
 */
function refused(file, why, hint) {
  return new FatalError("restore_refused", `the backup ${file} was not restored: ${why}`, hint);
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && "code" in error ? String(error.code) : "no reason given";
}
