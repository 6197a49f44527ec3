// @ts-check
/**
 * What is said of a store that cannot be used: which file, why, and what to do. Nothing is opened
 * or changed here.
 */

import { FatalError } from "../errors.mjs";

/** SQLite's own words for a file that is not, or no longer, a database. */
const DAMAGED = /SQLITE_(?:CORRUPT|NOTADB|IOERR_SHORT_READ)/;

/**
 * @param {string} file
 * @param {string} why
 */
export function damaged(file, why) {
  return new FatalError(
    "store_damaged",
    `the store ${file} is damaged: ${why}. Nothing was changed, and no new login was made`,
    `put a backup of ${file} back; or, to link the phone anew, move ${file}* elsewhere and start again`,
  );
}

/**
 * @param {unknown} error
 * @param {string} file
 */
export function openingError(error, file) {
  if (error instanceof FatalError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const said = error instanceof Error ? error.message : "";
  if (DAMAGED.test(code)) return damaged(file, said);
  if (/READONLY|EACCES|EROFS|EPERM/.test(code) || /readonly|: 8"/.test(said)) {
    return new FatalError("store_read_only", `the store ${file} cannot be written`, "check the rights of the file and its directory, and that the disk is not mounted read-only");
  }
  return new FatalError("store_failed", `the store ${file} cannot be opened (${code || said || "no reason given"})`, "check the disk and its free space, then start again");
}
