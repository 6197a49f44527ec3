// @ts-check
/**
 * Whether every value in a store is of its column's kind, as SQLite itself does not ask: a text that
 * is no Unicode would end the process inside the library that reads it, at every start, and a
 * number that JavaScript cannot hold would name another row. Nothing is changed here.
 */

import { isUtf8 } from "node:buffer";

/** @type {Readonly<Record<string, (column: string) => string>>} by the declared type: what must not be there */
const FOREIGN = Object.freeze({
  TEXT: (column) => `typeof(${column}) NOT IN ('text', 'null')`,
  BLOB: (column) => `typeof(${column}) NOT IN ('blob', 'null')`,
  INTEGER: (column) => `typeof(${column}) NOT IN ('integer', 'null') OR ${column} NOT BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`,
});

const RECEIPTS = new Set(["delivered_at", "read_at"]);

/**
 * @param {Pick<import("libsql").Database, "prepare">} db
 * @returns {string | null} the first place that holds something else, as words
 */
export function foreignValue(db) {
  const tables = /** @type {{ name: string }[]} */ (db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'").all());
  for (const { name: table } of tables) {
    const columns = /** @type {{ name: string, type: string }[]} */ (db.prepare("SELECT name, type FROM pragma_table_info(?)").all(table));
    for (const { name, type } of columns) {
      const column = `"${name}"`;
      const foreign = FOREIGN[type]?.(column);
      // Times of receipts are WhatsApp's, shown and nothing else; older bridges took any.
      if (foreign === undefined || RECEIPTS.has(name)) continue;
      const place = `the column ${name} of the table ${table}`;
      if (db.prepare(`SELECT 1 AS found FROM "${table}" WHERE ${foreign} LIMIT 1`).get()) return `${place} holds a value of another kind`;
      if (type === "TEXT" && !isUnicode(db.prepare(`SELECT CAST(${column} AS BLOB) AS bytes FROM "${table}" WHERE ${column} IS NOT NULL`))) return `${place} holds a text that is no Unicode`;
    }
  }
  return null;
}

/** @param {import("libsql").Statement} texts as bytes */
function isUnicode(texts) {
  // One after the other: together they may be as large as the store.
  for (const row of texts.iterate()) {
    if (!isUtf8(/** @type {{ bytes: Uint8Array }} */ (row).bytes)) return false;
  }
  return true;
}
