// @ts-check
/**
 * Credentials of this device, and the Signal keys that belong to them. What they mean is known by
 * auth-state.mjs.
 */

/** @typedef {Record<string, Record<string, string | null>>} KeyChanges values by type and id; null deletes */

export class Logins {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /** @returns {{ id: number, creds: string } | null} */
  current() {
    const row = this.#db.one("SELECT id, creds FROM logins WHERE state = 'current'");
    return row ? { id: Number(row.id), creds: String(row.creds) } : null;
  }

  /** @returns {string[]} the credentials of every login there ever was */
  all() {
    return this.#db.all("SELECT creds FROM logins").map((row) => String(row.creds));
  }

  /**
   * @param {string} creds
   * @returns {number} its id
   */
  add(creds) {
    return Number(this.#db.run("INSERT INTO logins (state, creds, created_at) VALUES ('current', ?, ?)", creds, Date.now()).lastInsertRowid);
  }

  /**
   * @param {number} login
   * @param {string} creds
   */
  saveCreds(login, creds) {
    this.#db.run("UPDATE logins SET creds = ? WHERE id = ?", creds, login);
  }

  /** @param {string} because keeps the current login, without using it any more */
  setAside(because) {
    this.#db.run("UPDATE logins SET state = 'aside', ended_at = ?, ended_because = ? WHERE state = 'current'", Date.now(), because);
  }

  /**
   * @param {number} login
   * @param {string} type
   * @param {string} id
   * @returns {string | null}
   */
  key(login, type, id) {
    const row = this.#db.one("SELECT value FROM signal_keys WHERE login = ? AND type = ? AND id = ?", login, type, id);
    return row ? String(row.value) : null;
  }

  /**
   * @param {number} login
   * @param {KeyChanges} changes all or none of them
   */
  changeKeys(login, changes) {
    this.#db.transaction(() => {
      for (const [type, values] of Object.entries(changes)) {
        for (const [id, value] of Object.entries(values)) {
          if (value === null) this.#db.run("DELETE FROM signal_keys WHERE login = ? AND type = ? AND id = ?", login, type, id);
          else this.#db.run("INSERT OR REPLACE INTO signal_keys (login, type, id, value) VALUES (?, ?, ?, ?)", login, type, id, value);
        }
      }
    });
  }

  /**
   * @param {string} creds
   * @param {KeyChanges} keys
   */
  import(creds, keys) {
    this.#db.transaction(() => {
      this.setAside("imported");
      const login = this.add(creds);
      for (const [type, values] of Object.entries(keys)) {
        for (const [id, value] of Object.entries(values)) {
          this.#db.run("INSERT INTO signal_keys (login, type, id, value) VALUES (?, ?, ?, ?)", login, type, id, value);
        }
      }
    });
  }
}
