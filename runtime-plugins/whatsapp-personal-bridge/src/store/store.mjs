// @ts-check
/**
 * The store of one login: one SQLite file, written through before anything is told. It knows rows
 * and transactions; what a message or a credential means is known by its callers.
 */

import fs from "node:fs";
import path from "node:path";
import { makePrivate } from "../auth-dir.mjs";
import { Chats } from "./chats.mjs";
import { createTables, Database } from "./database.mjs";
import { damaged, openingError } from "./errors.mjs";
import { RESTORED_DRAFT, STORE_FILE } from "./files.mjs";
import { InboxRows } from "./inbox.mjs";
import { JournalRows } from "./journal.mjs";
import { KnownChats } from "./known-chats.mjs";
import { Logins } from "./logins.mjs";
import { OutboxRows } from "./outbox.mjs";
import { Pace } from "./pace.mjs";
import { SavedSettings } from "./settings.mjs";

/**
 * Opens the store of a directory that is already private and locked, and creates it when there
 * is none.
 * @param {string} dir
 * @returns {Store}
 * @throws {import("../errors.mjs").FatalError} `store_damaged`, `store_read_only`, `store_version`, `store_failed`
 */
export function openStore(dir) {
  const file = path.join(dir, STORE_FILE);
  const files = [file, `${file}-wal`, `${file}-shm`];
  if (!fs.existsSync(file)) {
    if (fs.existsSync(`${file}-wal`)) throw damaged(file, "the file is gone, but its -wal file is there");
    if (fs.existsSync(path.join(dir, RESTORED_DRAFT))) throw damaged(file, "a restore was cut short, so restore it again");
    create(file);
  }
  // SQLite takes an empty file for a new database.
  if (fs.statSync(file).size === 0) throw damaged(file, "the file is empty");
  try {
    for (const each of files) makePrivate(each);
    fs.accessSync(file, fs.constants.R_OK | fs.constants.W_OK);
    const store = new Store(new Database(file), file);
    for (const each of files) makePrivate(each);
    return store;
  } catch (error) {
    throw openingError(error, file);
  }
}

/**
 * Built under another name: an existing file without our tables is then always damage, never a
 * fresh start that was cut short.
 * @param {string} file
 */
function create(file) {
  const draft = `${file}.new`;
  try {
    fs.rmSync(draft, { force: true });
    createTables(draft);
    fs.renameSync(draft, file);
  } catch (error) {
    for (const end of ["", "-journal"]) fs.rmSync(`${draft}${end}`, { force: true });
    throw openingError(error, file);
  }
}

export class Store {
  /** @type {Database} */ #db;

  /**
   * @param {Database} db
   * @param {string} file
   */
  constructor(db, file) {
    this.#db = db;
    this.file = file;
    this.logins = new Logins(db);
    this.inbox = new InboxRows(db);
    this.outbox = new OutboxRows(db);
    this.pace = new Pace(db);
    this.journal = new JournalRows(db);
    this.known = new KnownChats(db);
    this.chats = new Chats(db, this.known);
    this.settings = new SavedSettings(db);
    this.inbox.forgetOld(Date.now());
    this.journal.forgetOld(Date.now());
  }

  /** @param {string} file that does not exist, or is empty; it holds the whole store afterwards */
  copyTo(file) {
    this.#db.copyTo(file);
  }

  /** @param {string} why */
  damaged(why) {
    return this.#db.damaged(why);
  }

  close() {
    this.#db.close();
  }

  /**
   * @template T
   * @param {() => T} work all of it is on disk when this returns, or none
   * @returns {T}
   */
  transaction(work) {
    return this.#db.transaction(work);
  }
}
