// @ts-check
/**
 * For `node --import`: ends the process by SIGKILL right before or after the commit of a
 * transaction that wrote what KILL_AT names, such as "before journal_parts" or "after session".
 * "full journal_parts" is a disk that takes no more of these.
 */

import Sqlite from "libsql";

const [when, what] = String(process.env.KILL_AT).split(" ");
const prototype = /** @type {any} */ (Sqlite.prototype);
const { prepare, exec } = prototype;
let written = "";

prototype.prepare = function preparing(/** @type {string} */ sql) {
  const statement = prepare.call(this, sql);
  if (/^(?:INSERT|UPDATE)/.test(sql.trim())) {
    const run = statement.run.bind(statement);
    statement.run = (/** @type {any[]} */ ...values) => {
      if (when === "full" && sql.includes(String(what))) throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
      written += `${sql.match(/(?:INTO|UPDATE) (\w+)/)?.[1]} ${sql.includes("signal_keys") ? values[1] : ""} `;
      return run(...values);
    };
  }
  return statement;
};

prototype.exec = function executing(/** @type {string} */ sql) {
  const matches = sql === "COMMIT" && written.split(" ").includes(String(what));
  if (sql === "BEGIN IMMEDIATE") written = "";
  if (matches && when === "before") process.kill(process.pid, "SIGKILL");
  const result = exec.call(this, sql);
  if (matches) process.kill(process.pid, "SIGKILL");
  return result;
};
