// @ts-check
/**
 * Whether a directory is ours alone: itself, what leads to it, and what lies in it. Whoever can read the keys
 * of an account is the account, and whoever can put something there decides what we write to. On Windows
 * nothing of this can be asked, and nothing is.
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { FatalError } from "./errors.mjs";

const OTHERS = 0o077;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
const PRIVATE_FILE = 0o600;

/** @typedef {{ mode: number, uid: number }} Seen */

/**
 * What leads to `dir` is no place where others can exchange it; asked before `dir` is made or looked at. A group
 * that may write there is believed: on many systems it is the owner's own, with nobody else in it.
 * @param {string} dir
 * @throws {FatalError} `auth_dir_not_private`
 */
export function refuseOpenWay(dir) {
  if (process.platform === "win32") return;
  const above = path.dirname(path.resolve(dir));
  // As it is written and as it is: each link on the way could be exchanged where it lies, too.
  for (const place of new Set([...ancestors(above), ...ancestors(realOf(above))])) {
    const seen = look(place, fs.statSync);
    if (seen !== null && (seen.mode & OTHERS_WRITE) !== 0 && (seen.mode & STICKY) === 0) {
      throw new FatalError(
        "auth_dir_not_private",
        `everybody can exchange what lies in ${place} (mode ${shownMode(seen)}), and the auth dir ${dir} does`,
        `run: chmod o-w ${quoted(place)}; or name an auth dir elsewhere`,
      );
    }
  }
}

/**
 * `dir` is a directory of this user that nobody else can enter, and no link. One that is not there, or is no
 * directory, is left to whoever makes it.
 * @param {string} dir
 * @throws {FatalError} `auth_dir_link`, `auth_dir_foreign`, `auth_dir_not_private`
 */
export function refuseForeignDir(dir) {
  if (process.platform === "win32") return;
  // A last slash would follow the link.
  const seen = look(path.resolve(dir), fs.lstatSync);
  if (seen === null) return;
  if (seen.isSymbolicLink()) {
    throw new FatalError("auth_dir_link", `the auth dir ${dir} is a link to ${targetOf(dir)}`, `name that directory itself, with --auth-dir or auth_dir, if it is the one that is meant`);
  }
  if (!seen.isDirectory()) return;
  refuseForeign(dir, seen, `the auth dir ${dir}`);
  if ((seen.mode & OTHERS) !== 0) {
    throw new FatalError(
      "auth_dir_not_private",
      `the auth dir ${dir} can be reached by other users (mode ${shownMode(seen)}), and it holds the keys of the account`,
      `run: chmod 700 ${quoted(dir)}`,
    );
  }
}

/**
 * What lies in `dir` belongs to this user and leads nowhere else; only then are files that others could
 * read, had the directory been open, closed.
 * @param {string} dir which `refuseForeignDir` has let pass
 * @throws {FatalError} `auth_dir_link`, `auth_dir_foreign`
 */
export function refuseForeignFiles(dir) {
  if (process.platform === "win32") return;
  const open = [];
  for (const name of fs.readdirSync(dir)) {
    const file = path.join(dir, name);
    const seen = look(file, fs.lstatSync);
    // Gone meanwhile: a lock, a draft. Nothing of ours is in a directory, and a disk brings one of its own.
    if (seen === null || seen.isDirectory()) continue;
    if (seen.isSymbolicLink()) {
      throw new FatalError("auth_dir_link", `${file} in the auth dir is a link to ${targetOf(file)}`, "see who put it there; put the file itself in its place, or move the link away");
    }
    refuseForeign(file, seen, `${file} in the auth dir`);
    if (seen.isFile() && (seen.mode & OTHERS) !== 0) open.push(file);
  }
  for (const file of open) close(file);
}

/** @param {string} file what others may do with it is taken away, and not what has taken its place meanwhile */
function close(file) {
  let opened;
  try {
    opened = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
    fs.fchmodSync(opened, PRIVATE_FILE);
  } catch (error) {
    if (fs.existsSync(file)) throw error;
  } finally {
    if (opened !== undefined) fs.closeSync(opened);
  }
}

/**
 * @param {string} place
 * @param {Seen} seen
 * @param {string} what
 */
function refuseForeign(place, seen, what) {
  const me = process.geteuid?.();
  if (me === undefined || seen.uid === me) return;
  throw new FatalError(
    "auth_dir_foreign",
    `${what} belongs to another user (${seen.uid}; this bridge runs as ${me})`,
    `start the bridge as that user, or name an auth dir of your own; or, if it is yours: chown ${os.userInfo().username} ${quoted(place)}`,
  );
}

/**
 * @param {string} place
 * @param {(place: string) => fs.Stats} stat
 */
function look(place, stat) {
  try {
    return stat(place);
  } catch {
    return null;
  }
}

/** @param {string} place absolute; itself first */
function ancestors(place) {
  const found = [place];
  for (let above = path.dirname(place); above !== found.at(-1); above = path.dirname(above)) found.push(above);
  return found;
}

/**
 * @param {string} place
 * @returns {string} where it really is, as far as there is anything
 */
function realOf(place) {
  for (let there = path.resolve(place), rest = ""; ; rest = path.join(path.basename(there), rest), there = path.dirname(there)) {
    try {
      return path.join(fs.realpathSync(there), rest);
    } catch {
      if (there === path.dirname(there)) return path.resolve(place);
    }
  }
}

/** @param {string} link */
function targetOf(link) {
  const whole = path.resolve(link);
  return path.resolve(path.dirname(whole), fs.readlinkSync(whole));
}

/** @param {Seen} seen */
function shownMode(seen) {
  return (seen.mode & 0o7777).toString(8);
}

/** @param {string} place for a shell */
function quoted(place) {
  return `'${place.replaceAll("'", "'\\''")}'`;
}
