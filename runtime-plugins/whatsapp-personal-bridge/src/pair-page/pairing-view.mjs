// @ts-check
/**
 * What there is to show of a pairing at this moment, gathered from the session's events: its state,
 * the QR code and the pairing code while they are good, and who is linked. The session does not
 * know that anybody looks.
 */

import { encode } from "uqr";
import { shortPhone } from "../identity.mjs";
import { wordsFor } from "./words.mjs";

/**
 * @typedef {import("../reconnect.mjs").State} State
 * @typedef {{ size: number, path: string, until: number, life: number }} Picture
 * `path`: of an SVG, dark modules within `size` × `size`, the quiet zone included; `until`: in Unix milliseconds
 * @typedef {{
 *   state: State, reason: string | null, linking: boolean, account: string | null,
 *   qr: Picture | null, code: string | null, note: string | null, retryAt: number | null,
 * }} Moment `linking`: the phone has said yes, and the connection does not stand yet
 */

/** A phone wants four light modules on each side. */
const QUIET_MODULES = 4;

/** @type {Readonly<Moment>} */
const NOTHING = Object.freeze({ state: "starting", reason: null, linking: false, account: null, qr: null, code: null, note: null, retryAt: null });

export class PairingView {
  /** @type {Moment} */ #moment = NOTHING;
  /** @type {() => number} */ #now;
  /** @type {Set<() => void>} */ #listeners = new Set();

  /** @param {() => number} [now] */
  constructor(now = Date.now) {
    this.#now = now;
  }

  /** @param {() => void} listener called after each change */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /**
   * @param {string} event
   * @param {import("../events.mjs").Fields} fields
   */
  hear(event, fields) {
    const next = after(this.#moment, event, fields, this.#now());
    if (next === this.#moment) return;
    this.#moment = next;
    for (const listener of this.#listeners) listener();
  }

  /** What a page shows now; times are what is left of them. */
  shown() {
    const { state, qr, code, note, retryAt } = this.#moment;
    const left = (/** @type {number} */ until) => Math.max(0, until - this.#now());
    return {
      state,
      ...wordsFor(this.#moment),
      qr: qr && { size: qr.size, path: qr.path, left_ms: left(qr.until), life_ms: qr.life },
      code,
      note,
      retry_in_ms: retryAt === null ? null : left(retryAt),
    };
  }
}

/**
 * @param {Moment} moment
 * @param {string} event
 * @param {import("../events.mjs").Fields} fields
 * @param {number} now
 * @returns {Moment} the same one when the event changes nothing
 */
function after(moment, event, fields, now) {
  switch (event) {
    case "state": {
      // Codes belong to one connection in one state; whatever comes next brings its own.
      const state = /** @type {State} */ (fields.state);
      const linking = state === "connecting" && (moment.linking || fields.reason === "paired");
      const wait = Number(fields.retry_in_ms ?? 0);
      return { ...NOTHING, state, reason: textOf(fields.reason), linking, retryAt: wait > 0 ? now + wait : null };
    }
    case "qr": {
      const life = Number(fields.expires_in_ms);
      return { ...moment, qr: { ...draw(String(fields.qr)), until: now + life, life } };
    }
    case "pairing_code":
      return { ...moment, code: String(fields.code), note: null };
    case "connected":
      return { ...moment, account: nameOf(fields), qr: null, code: null };
    case "warning":
      return fields.code === "pairing_code_failed" ? { ...moment, code: null, note: String(fields.message) } : moment;
    default:
      return moment;
  }
}

/**
 * @param {string} payload
 * @returns {{ size: number, path: string }}
 */
export function draw(payload) {
  const { size, data } = encode(payload, { ecc: "L", border: QUIET_MODULES });
  const path = data.flatMap((row, y) => runs(row).map(([x, width]) => `M${x} ${y}h${width}v1h-${width}z`)).join("");
  return { size, path };
}

/**
 * @param {boolean[]} row
 * @returns {[number, number][]} where dark modules begin, and how many there are side by side
 */
function runs(row) {
  /** @type {[number, number][]} */
  const found = [];
  row.forEach((dark, x) => {
    const last = found.at(-1);
    if (!dark) return;
    if (last && row[x - 1]) last[1] += 1;
    else found.push([x, 1]);
  });
  return found;
}

/** @param {import("../events.mjs").Fields} fields of `connected` */
function nameOf({ name, phone }) {
  const short = phone ? shortPhone(String(phone)) : null;
  if (name && short) return `${name} (${short})`;
  return textOf(name) ?? short;
}

/** @param {import("../events.mjs").Fields[string]} value */
function textOf(value) {
  return typeof value === "string" && value !== "" ? value : null;
}
