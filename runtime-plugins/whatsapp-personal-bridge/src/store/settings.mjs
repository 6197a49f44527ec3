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
   * @template T
   * @param {string} name of what was saved as JSON
   * @param {(value: any) => boolean} is whether it has the shape of what was saved
   * @returns {T | null} null where nothing was
   * @throws {import("../errors.mjs").FatalError} `store_damaged`: what was meant is not known, so nothing is assumed
   */
  json(name, is) {
    try {
      const value = JSON.parse(this.get(name) ?? "null");
      if (value === null || is(value)) return value;
    } catch {
      // As one that says something else.
    }
    throw this.#db.damaged(`what it remembers as ${name} cannot be read`);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  save(name, value) {
    this.#db.run("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2", name, value);
  }
}
