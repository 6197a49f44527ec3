// @ts-check
/**
 * Ends the bridge at a named point of its work, as a power cut would. Loaded with `node --import`
 * by the tests alone; the product knows nothing of it. The points are commits of the store, told
 * apart by the tables that they change.
 *
 * LOONG_KILL_FILE names a file. While it holds the name of a point, the next time that point is
 * reached the file is removed and the process kills itself.
 * LOONG_KILL_PACKAGE is the package.json of the bridge, from which SQLite is taken.
 */

import fs from "node:fs";
import { createRequire } from "node:module";

const file = process.env.LOONG_KILL_FILE ?? "";
const Database = createRequire(process.env.LOONG_KILL_PACKAGE ?? "")("libsql");

/** What a statement is about. A transaction is about everything that its statements are. */
const MARKS = Object.freeze({
  journal: /^\s*INSERT\b.*\bINTO\s+journal_parts\b/is,
  inbox: /^\s*INSERT\b.*\bINTO\s+inbox\b/is,
  lease: /^\s*UPDATE\s+inbox\b.*'leased'/is,
  acknowledged: /^\s*UPDATE\s+inbox\b.*'done'/is,
  send: /^\s*INSERT\b.*\bINTO\s+(?:parts|outbox)\b/is,
  leave: /^\s*UPDATE\s+parts\s+SET\s+left_at\b/is,
  sent: /^\s*UPDATE\s+(?:parts|outbox)\s+SET\s+state\b/is,
});

/** @type {Set<string>} marks of the open transaction */
let open = new Set();

/**
 * @param {"before" | "after"} when
 * @param {Iterable<string>} marks
 */
function reached(when, marks) {
  for (const mark of marks) {
    const point = `${when}-${mark}`;
    let wanted;
    try {
      wanted = fs.readFileSync(file, "utf8").trim();
    } catch {
      return;
    }
    if (wanted !== point) continue;
    fs.rmSync(file);
    process.kill(process.pid, "SIGKILL");
    // The signal arrives at once, but nothing may happen until it has.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
}

const { prepare, exec } = Database.prototype;

/** @param {string} sql */
Database.prototype.prepare = function prepareWithMarks(sql) {
  const statement = prepare.call(this, sql);
  const marks = Object.entries(MARKS).flatMap(([mark, pattern]) => (pattern.test(sql) ? [mark] : []));
  if (marks.length === 0) return statement;
  const run = statement.run.bind(statement);
  statement.run = (/** @type {unknown[]} */ ...values) => {
    if (this.inTransaction) {
      for (const mark of marks) open.add(mark);
      return run(...values);
    }
    reached("before", marks);
    const result = run(...values);
    if (result.changes > 0) reached("after", marks);
    return result;
  };
  return statement;
};

/** @param {string} sql */
Database.prototype.exec = function execWithMarks(sql) {
  if (/^\s*COMMIT\b/i.test(sql)) {
    const marks = open;
    open = new Set();
    reached("before", marks);
    const result = exec.call(this, sql);
    reached("after", marks);
    return result;
  }
  if (/^\s*(?:BEGIN|ROLLBACK)\b/i.test(sql)) open = new Set();
  return exec.call(this, sql);
};
