// @ts-check
/**
 * Rows of what was decrypted and what has become of it. A row is never deleted while WhatsApp may
 * deliver its message again. What a stanza means is known by journal.mjs above.
 */

/**
 * @typedef {{ hash: string, name: string, stanza: string, parts: number }} Envelope `hash`: of all its
 * ciphertexts; `name`: of the message; `parts`: how many ciphertexts it has
 * @typedef {{ place: number, plaintext: Uint8Array, envelope: Envelope }} Part
 * @typedef {{ seq: number, name: string, stanza: string }} Whole decrypted completely, and not dealt with
 */

/** WhatsApp keeps what it could not deliver for 30 days. */
const REDELIVERY_EXPECTED_MS = 30 * 24 * 60 * 60 * 1000;

export class JournalRows {
  /** @type {import("./database.mjs").Database} */ #db;

  /** @param {import("./database.mjs").Database} db */
  constructor(db) {
    this.#db = db;
  }

  /**
   * @param {number} login
   * @param {Record<string, Part>} parts by the hash of their ciphertext
   */
  add(login, parts) {
    this.#db.transaction(() => {
      for (const [hash, { place, plaintext, envelope }] of Object.entries(parts)) {
        this.#db.run(
          "INSERT OR IGNORE INTO journal_stanzas (login, hash, name, stanza, parts, stored_at) VALUES (?, ?, ?, ?, ?, ?)",
          login, envelope.hash, envelope.name, envelope.stanza, envelope.parts, Date.now(),
        );
        const row = this.#db.one("UPDATE journal_stanzas SET decrypted = decrypted + 1 WHERE login = ? AND hash = ? RETURNING seq", login, envelope.hash);
        this.#db.run(
          "INSERT INTO journal_parts (login, hash, stanza, place, plaintext) VALUES (?, ?, ?, ?, ?)",
          login, hash, row?.seq, place, Buffer.from(plaintext),
        );
      }
    });
  }

  /**
   * @param {number} login
   * @param {string} hash of one ciphertext
   * @returns {{ plaintext: Buffer | null } | null} null: never decrypted; without text: dealt with
   */
  part(login, hash) {
    const row = this.#db.one("SELECT plaintext FROM journal_parts WHERE login = ? AND hash = ?", login, hash);
    return row ? { plaintext: row.plaintext === null ? null : bytes(row.plaintext) } : null;
  }

  /**
   * @param {number} login
   * @param {string} hash of a stanza
   * @returns {Whole | null} null when parts of it are missing, or it is dealt with
   */
  whole(login, hash) {
    const row = this.#db.one("SELECT seq, name, stanza FROM journal_stanzas WHERE login = ? AND hash = ? AND decrypted = parts AND finished_at IS NULL", login, hash);
    return row ? whole(row) : null;
  }

  /**
   * @param {number} login
   * @returns {Whole[]} what is left, in the order in which it came
   */
  unfinished(login) {
    return this.#db.all("SELECT seq, name, stanza FROM journal_stanzas WHERE login = ? AND decrypted = parts AND finished_at IS NULL ORDER BY seq", login).map(whole);
  }

  /**
   * @param {number} seq of a stanza that is not dealt with
   * @returns {Map<number, Buffer>} plaintexts by their place
   */
  plaintexts(seq) {
    const rows = this.#db.all("SELECT place, plaintext FROM journal_parts WHERE stanza = ? AND plaintext IS NOT NULL", seq);
    return new Map(rows.map((row) => [Number(row.place), bytes(row.plaintext)]));
  }

  /**
   * @param {number} login
   * @param {string} name
   * @returns {boolean} whether this message was decrypted completely, at whichever attempt
   */
  knows(login, name) {
    return this.#db.one("SELECT 1 AS found FROM journal_stanzas WHERE login = ? AND name = ? AND decrypted = parts", login, name) !== undefined;
  }

  /**
   * A message is dealt with: its text and its stanza go, also those of attempts that failed halfway.
   * @param {number} login
   * @param {string} name
   */
  finish(login, name) {
    this.#db.transaction(() => {
      this.#db.run("UPDATE journal_parts SET plaintext = NULL WHERE stanza IN (SELECT seq FROM journal_stanzas WHERE login = ? AND name = ?)", login, name);
      this.#db.run("UPDATE journal_stanzas SET stanza = NULL, finished_at = ? WHERE login = ? AND name = ? AND finished_at IS NULL", Date.now(), login, name);
    });
  }

  /** @param {number} now drops what no redelivery is expected of any more */
  forgetOld(now) {
    this.#db.run("DELETE FROM journal_stanzas WHERE stored_at < ?", now - REDELIVERY_EXPECTED_MS);
  }
}

/** @param {unknown} value as SQLite gives a blob */
function bytes(value) {
  return Buffer.from(/** @type {Uint8Array} */ (value));
}

/** @param {Record<string, unknown>} row */
function whole(row) {
  return { seq: Number(row.seq), name: String(row.name), stanza: String(row.stanza) };
}
