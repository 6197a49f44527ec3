// @ts-check
/**
 * What the bridge remembers for itself, by name.
 */


export class SavedSettings {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /** @param {string} name */
  get(name) {
    const row = this.#db.one("SELECT value FROM settings WHERE name = ?", name);
    return row ? String(row.value) : null;
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  save(name, value) {
    this.#db.run("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2", name, value);
  }
}
