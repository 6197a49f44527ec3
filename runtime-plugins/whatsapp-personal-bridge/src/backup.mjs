// @ts-check
/**
 * A backup: one file that holds the whole store as it was at one moment, made beside a running
 * bridge. It is there whole, private and on disk, or not at all. How it comes back is known by
 * restore.mjs.
 */

import fs from "node:fs";
import path from "node:path";
import { FatalError } from "./errors.mjs";

const PRIVATE_FILE = 0o600;
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]);
const WHERE_TO = "name a new file in a directory that exists, outside the auth dir";

/**
 * Nothing else of the process runs meanwhile (measured: 0.6 to 0.75 s for 208 MB).
 * @param {import("./store/store.mjs").Store} store
 * @param {string} file an absolute path where nothing is yet
 * @returns {{ file: string, bytes: number }}
 * @throws {FatalError} `backup_refused`, `backup_failed`; where it throws, nothing was left behind
 */
export function writeBackup(store, file) {
  requirePlace(store.file, file);
  const draft = `${file}.part-${process.pid}`;
  let mine = false;
  try {
    // SQLite writes into an empty file that is there: so it is private from the first byte.
    fs.closeSync(fs.openSync(draft, "wx", PRIVATE_FILE));
    mine = true;
    store.copyTo(draft);
    toDisk(draft);
    const bytes = fs.statSync(draft).size;
    putInPlace(draft, file);
    mine = false;
    toDisk(path.dirname(file));
    return { file, bytes };
  } catch (error) {
    throw error instanceof FatalError ? error : failed(file, error);
  } finally {
    if (mine) for (const end of ["", "-journal"]) fs.rmSync(`${draft}${end}`, { force: true });
  }
}

/**
 * @param {string} storeFile
 * @param {string} file
 */
function requirePlace(storeFile, file) {
  if (!path.isAbsolute(file) || file.includes("\0")) throw refused(file, "it is no absolute path", "write the whole path of the file");
  const parent = path.dirname(file);
  if (!fs.statSync(parent, { throwIfNoEntry: false })?.isDirectory()) throw refused(file, `there is no directory ${parent}`, "make the directory first, or name another one");
  // Also a link that leads nowhere: somebody has put it there.
  if (fs.lstatSync(file, { throwIfNoEntry: false })) throw exists(file);
  // A backup beside the store is lost with it, and under some names the bridge would read it.
  if (fs.realpathSync(parent) === fs.realpathSync(path.dirname(storeFile))) throw refused(file, "it would lie in the auth dir, beside what it is to replace", WHERE_TO);
}

/**
 * A link, unlike a new name, never takes the place of a file that appeared meanwhile.
 * @param {string} draft
 * @param {string} file
 */
function putInPlace(draft, file) {
  try {
    fs.linkSync(draft, file);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") throw exists(file);
    if (!NO_LINKS.has(code)) throw error;
    // A disk without links, such as a memory stick.
    if (fs.existsSync(file)) throw exists(file);
    fs.renameSync(draft, file);
    return;
  }
  fs.rmSync(draft, { force: true });
}

/** @param {string} name of a file or directory */
export function toDisk(name) {
  const directory = fs.statSync(name).isDirectory();
  if (directory && process.platform === "win32") return;
  const fd = fs.openSync(name, directory ? "r" : "r+");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * @param {string} file
 * @param {unknown} error
 */
function failed(file, error) {
  const code = codeOf(error);
  if (/ENOSPC|EDQUOT|EFBIG|SQLITE_FULL/.test(code)) {
    return new FatalError("backup_failed", `the backup ${file} was not made: the disk is full (${code}). Nothing was left there`, "free some space, or name a file on another disk");
  }
  if (/EACCES|EPERM|EROFS|SQLITE_READONLY|SQLITE_CANTOPEN/.test(code)) {
    return new FatalError("backup_failed", `the backup ${file} was not made: its directory cannot be written to (${code})`, "name a directory that you may write to");
  }
  return new FatalError("backup_failed", `the backup ${file} was not made (${code}). Nothing was left there`, "check the disk, then try again");
}

/** @param {string} file */
function exists(file) {
  return refused(file, "something is there already, and a backup never replaces anything", "name another file");
}

/**
 * @param {string} file
 * @param {string} why
 * @param {string} hint
 */
function refused(file, why, hint) {
  return new FatalError("backup_refused", `no backup is made at ${JSON.stringify(file)}: ${why}`, hint);
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && "code" in error ? String(error.code) : "no reason given";
}
