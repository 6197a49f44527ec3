// @ts-check
/**
 * One SQLite file and its statements: opened, checked, migrated, closed. What is
 * in the tables is known by the modules beside it.
 */

import Sqlite from "libsql";
import { FatalError } from "../errors.mjs";
import { foreignValue } from "./contents.mjs";
import { damaged } from "./errors.mjs";
import { STEPS } from "./schema.mjs";

/** How long a backup or an inspection of the file may hold us up. */
const PATIENCE_MS = 5_000;

/**
 * Makes a file with our tables, where there is none.
 * @param {string} file
 */
export function createTables(file) {
  const db = new Sqlite(file);
  for (const step of STEPS) db.exec(step);
  db.exec(`PRAGMA user_version = ${STEPS.length}`);
  db.close();
}

export class Database {
  /** @type {import("libsql").Database} */ #db;
  /** @type {string} */ #file;
  /** @type {Map<string, import("libsql").Statement>} */ #statements = new Map();

  /**
   * @param {string} file that exists
   * @throws what SQLite says, or a `FatalError`; the file is as it was
   */
  constructor(file) {
    this.#file = file;
    this.#db = new Sqlite(file);
    try {
      this.#check();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Settings of the connection, integrity, and the steps that are missing. */
  #check() {
    this.#db.exec(`PRAGMA busy_timeout = ${PATIENCE_MS}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON`);
    const verdict = this.#db.prepare("PRAGMA quick_check(1)").all();
    if (verdict.length !== 1 || Object.values(verdict[0] ?? {})[0] !== "ok") {
      throw this.damaged("SQLite's integrity check fails");
    }
    const version = Number(this.one("PRAGMA user_version")?.user_version ?? 0);
    if (version === 0) throw this.damaged("it holds no tables of the bridge");
    if (version > STEPS.length) {
      throw new FatalError(
        "store_version",
        `the store ${this.#file} was written by a newer bridge (format ${version}, this one knows ${STEPS.length})`,
        "start the newer bridge; or name another auth dir",
      );
    }
    const foreign = foreignValue(this.#db);
    if (foreign !== null) throw this.damaged(foreign);
    if (this.#isUsed() && !this.one("SELECT 1 AS found FROM logins LIMIT 1")) throw this.damaged("it holds keys or messages, but no login");
    // Only now: it writes, and a file that is refused stays as it is.
    this.#db.exec("PRAGMA journal_mode = WAL");
    this.#statements.clear();
    if (version === STEPS.length) return;
    this.transaction(() => {
      for (const step of STEPS.slice(version)) this.#db.exec(step);
      this.#db.exec(`PRAGMA user_version = ${STEPS.length}`);
    });
  }

  /** Whether there is anything that only a login can have left, in a store of any version. */
  #isUsed() {
    const tables = this.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('signal_keys', 'inbox', 'outbox', 'sends')");
    return tables.some(({ name }) => this.one(`SELECT 1 AS found FROM ${name} LIMIT 1`));
  }

  /** @param {string} why */
  damaged(why) {
    return damaged(this.#file, why);
  }

  /** Every page and every index, not only what `quick_check` looks at; slower. */
  checkThoroughly() {
    const [first, ...more] = this.all("PRAGMA integrity_check(1)");
    if (more.length > 0 || first?.integrity_check !== "ok") throw this.damaged("SQLite's integrity check fails");
  }

  /** @param {string} file that does not exist, or is empty; not part of a transaction */
  copyTo(file) {
    this.run("VACUUM INTO ?", file);
  }

  /** Makes the file whole by itself, without a log: it can be given another name. */
  leaveLog() {
    this.#statements.clear();
    this.#db.exec("PRAGMA journal_mode = DELETE");
  }

  /** Leaves everything in the one file: whoever looks at it, copies it or damages it sees the whole store. */
  close() {
    this.#statements.clear();
    try {
      this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    } finally {
      this.#db.close();
    }
  }

  /**
   * @template T
   * @param {() => T} work all of it is on disk when this returns, or none; one inside another joins it
   * @returns {T}
   */
  transaction(work) {
    if (this.#db.inTransaction) return work();
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * @param {string} sql
   * @param {unknown[]} values
   */
  run(sql, ...values) {
    return this.#statement(sql).run(...values);
  }

  /**
   * @param {string} sql
   * @param {unknown[]} values
   * @returns {Record<string, unknown> | undefined}
   */
  one(sql, ...values) {
    return /** @type {Record<string, unknown> | undefined} */ (this.#statement(sql).get(...values));
  }

  /**
   * @param {string} sql
   * @param {unknown[]} values
   * @returns {Record<string, unknown>[]}
   */
  all(sql, ...values) {
    return /** @type {Record<string, unknown>[]} */ (this.#statement(sql).all(...values));
  }

  /** @param {string} sql */
  #statement(sql) {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
