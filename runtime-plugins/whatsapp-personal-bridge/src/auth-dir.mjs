// @ts-check
/**
 * The directory of one login: that it exists, is private, and has one bridge. No SQL here, and
 * nothing of what the files in it mean.
 */

import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FatalError } from "./errors.mjs";
import { refuseForeignDir, refuseForeignFiles, refuseOpenWay } from "./private-dir.mjs";

const PRIVATE_DIR = 0o700;
const PRIVATE_FILE = 0o600;
const OTHERS = 0o077;
const LOCK = "bridge.lock";
/** A bridge that has lost its parent finishes what is under way, which has its own limit. */
const ENDING_MS = 15_000;
const ENDING_LOOK_MS = 50;
/** States of a process that only its parent still sees. */
const DEAD = "ZX";

/**
 * Makes the directory where it is missing. What is not ours alone is refused before anything in it is read
 * or written.
 * @param {string} dir
 * @throws {FatalError} `auth_dir_unusable`, `auth_dir_not_private`, `auth_dir_link`, `auth_dir_foreign`
 */
export function prepareAuthDir(dir) {
  // Whatever this process creates from here on (the database's helper files too) is private.
  process.umask(OTHERS);
  refuseOpenWay(dir);
  try {
    refuseForeignDir(dir);
    fs.mkdirSync(dir, { recursive: true, mode: PRIVATE_DIR });
    // Once more: whoever was faster may have made it.
    refuseForeignDir(dir);
    fs.accessSync(dir, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    refuseForeignFiles(dir);
  } catch (error) {
    if (error instanceof FatalError) throw error;
    throw new FatalError(
      "auth_dir_unusable",
      `the auth dir ${dir} cannot be used (${codeOf(error)})`,
      "name a directory that you may write to, with --auth-dir or auth_dir",
    );
  }
}

/** @param {string} file takes away what others may do with it, if it exists */
export function makePrivate(file) {
  if (process.platform !== "win32" && fs.existsSync(file)) fs.chmodSync(file, PRIVATE_FILE);
}

/**
 * Takes the one lock of the directory. A lock whose process is gone, or whose number now belongs
 * to a younger process, is taken over.
 * @param {string} dir
 * @returns {() => void} gives it back
 * @throws {FatalError} `store_locked`
 */
export function lockAuthDir(dir) {
  const file = path.join(dir, LOCK);
  const mine = JSON.stringify({ pid: process.pid, started: statOf(process.pid)?.started ?? null, parent: process.ppid });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (createLock(file, mine)) return () => releaseLock(file, mine);
    const found = read(file);
    const owner = ownerOf(found);
    if (owner !== null) {
      throw new LockedError(
        owner,
        `another bridge (process ${owner.pid}) uses the auth dir ${dir}`,
        "stop that bridge first, or give this one an auth dir of its own",
      );
    }
    setStaleAside(file, found);
  }
  throw new FatalError("store_locked", `the lock ${file} changes hands without end`, "see which bridges are starting, and start one");
}

class LockedError extends FatalError {
  /**
   * @param {{ ending: boolean }} owner
   * @param {string} message
   * @param {string} hint
   */
  constructor({ ending }, message, hint) {
    super("store_locked", message, hint);
    this.ending = ending;
  }
}

/**
 * As `lockAuthDir`, but waits for a bridge whose parent is gone: it ends by itself, and whoever
 * started it is just being started again.
 * @param {string} dir
 * @param {() => void} tell that it waits; called once
 * @returns {Promise<() => void>}
 */
export async function awaitLock(dir, tell) {
  const deadline = performance.now() + ENDING_MS;
  for (let first = true; ; first = false) {
    try {
      return lockAuthDir(dir);
    } catch (error) {
      if (!(error instanceof LockedError) || !error.ending || performance.now() > deadline) throw error;
      if (first) tell();
      await sleep(ENDING_LOOK_MS);
    }
  }
}

/**
 * @param {string} file
 * @param {string} content
 */
function createLock(file, content) {
  // Written beside and linked into place: a lock is never seen half written.
  const draft = `${file}.${process.pid}`;
  try {
    fs.writeFileSync(draft, content, { mode: PRIVATE_FILE });
    fs.linkSync(draft, file);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw new FatalError("auth_dir_unusable", `the lock ${file} cannot be written (${codeOf(error)})`, "check the directory, and that its disk has space");
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

/**
 * @param {string} file
 * @param {string} stale what was read; anything else has come in between and is put back
 */
function setStaleAside(file, stale) {
  const aside = `${file}.stale.${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (read(aside) !== stale) fs.linkSync(aside, file);
  } catch {
    // Somebody else was faster; the next attempt sees what they made of it.
  }
  fs.rmSync(aside, { force: true });
}

/**
 * @param {string} file
 * @param {string} mine
 */
function releaseLock(file, mine) {
  if (read(file) === mine) fs.rmSync(file, { force: true });
}

/**
 * @param {string} content of a lock
 * @returns {{ pid: number, ending: boolean } | null} the living process that holds it
 */
function ownerOf(content) {
  const lock = parseLock(content);
  if (lock === null || lock.pid === process.pid) return null;
  try {
    process.kill(lock.pid, 0);
  } catch (error) {
    if (codeOf(error) !== "EPERM") return null;
  }
  const now = statOf(lock.pid);
  if (now === null) return { pid: lock.pid, ending: false };
  // One that was killed stands in the list until its parent has looked.
  if (DEAD.includes(now.state) || (lock.started !== null && now.started !== lock.started)) return null;
  return { pid: lock.pid, ending: lock.parent !== null && now.parent !== lock.parent };
}

/**
 * @param {string} content
 * @returns {{ pid: number, started: string | null, parent: number | null } | null}
 */
function parseLock(content) {
  try {
    const { pid, started, parent } = JSON.parse(content);
    if (!Number.isSafeInteger(pid) || pid <= 0) return null;
    return { pid, started: typeof started === "string" ? started : null, parent: Number.isSafeInteger(parent) ? parent : null };
  } catch {
    return null;
  }
}

/**
 * @param {number} pid
 * @returns {{ state: string, parent: number, started: string } | null} `started`: in ticks since
 * boot; null where /proc is absent
 */
function statOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === "") return null;
  // The name in parentheses may hold spaces; what follows it begins with the third field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", parent: Number(fields[1]), started: fields[19] ?? "" };
}

/** @param {string} file */
function read(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
