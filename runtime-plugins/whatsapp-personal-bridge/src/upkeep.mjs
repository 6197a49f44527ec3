// @ts-check
/**
 * Backup and restore of a store that no bridge uses: the lock is taken, one thing is done and told.
 * Loaded after the silence, because restoring looks into logins.
 */

import fs from "node:fs";
import path from "node:path";
import { lockAuthDir, prepareAuthDir } from "./auth-dir.mjs";
import { writeBackup } from "./backup.mjs";
import { FatalError } from "./errors.mjs";
import { restoreBackup } from "./restore.mjs";
import { STORE_FILE } from "./store/files.mjs";
import { openStore } from "./store/store.mjs";

/**
 * @param {string} dir the auth dir
 * @param {NonNullable<import("./options.mjs").Options["upkeep"]>} upkeep
 * @param {import("./events.mjs").Emit} emit
 * @throws {FatalError}
 */
export function maintain(dir, { act, file }, emit) {
  // Asked for a backup, nothing is made: neither a directory nor a store.
  if (act === "backup" && !fs.existsSync(path.join(dir, STORE_FILE))) {
    throw new FatalError("backup_refused", `there is no store in ${dir}, so there is nothing to make a backup of`, "name the directory that keeps the login, with --auth-dir or auth_dir");
  }
  prepareAuthDir(dir);
  const unlock = lockAuthDir(dir);
  try {
    if (act === "restore") emit("restored", restoreBackup(dir, file));
    else emit("backed_up", backUp(dir, file));
  } finally {
    unlock();
  }
}

/**
 * @param {string} dir
 * @param {string} file
 */
function backUp(dir, file) {
  const store = openStore(dir);
  try {
    return writeBackup(store, file);
  } finally {
    store.close();
  }
}
