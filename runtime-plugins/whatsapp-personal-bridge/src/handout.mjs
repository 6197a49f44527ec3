// @ts-check
/**
 * Who gets which message when: leases, attempts, dead letters, and the callers who wait. Who may
 * write is the inbox's; the rules for users are in docs/delivery.md.
 */

import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import { readAllowlist } from "./allowlist.mjs";
import { fromJid, shortReference, toJid } from "./identity.mjs";
import { sameHolder, sortLeases } from "./leases.mjs";

/**
 * @typedef {import("./identity.mjs").Identity} Identity
 * @typedef {import("./store/inbox.mjs").Leased} Leased
 * @typedef {{ id: string, instance: string }} Consumer
 * @typedef {{ kind: string, text: string, group: boolean, senderName: string | null, sentAt: number, groupSubject: string | null }} Body
 * @typedef {import("./store/inbox.mjs").InboxRow & { content: Body, aliases: string[] }} Handed
 * @typedef {{
 *   waitMs: number, max: number, consumer: Consumer | null, inFlight: string[] | null, allowed: string[] | null, signal?: AbortSignal,
 * }} Wanted `consumer` null: a plain caller, who holds one batch at a time; `inFlight` null: not
 * said; `allowed`: the caller's own list
 * @typedef {{ delayMs?: number, counts: boolean, reason: string | null }} Release
 * @typedef {{
 *   store: import("./store/store.mjs").Store, emit: import("./events.mjs").Emit, timing: import("./timing.mjs").Timing,
 *   now: () => number, pause: { active: boolean }, idsOf: (jid: string) => Identity[], allows: (ids: Identity[]) => boolean,
 * }} Parts `idsOf`: the conversation's own id first; `allows`: by the list of this bridge
 */

/** Text of one answer; the host's limit for a body is 1 MiB. */
const BATCH_CHARACTERS = 200_000;
/** A reason that is a word of ours or of the host, and no sentence that could say anything. */
const REASON_CODE = /^[a-z][a-z0-9_]{0,63}$/;

export class Handout {
  /** @type {Parts} */ #parts;
  /** @type {import("./store/inbox.mjs").InboxRows} */ #rows;
  /** @type {number[]} */ #waits;
  #changes = new EventEmitter().setMaxListeners(0);
  /** @type {Map<string | null, AbortController>} the newest question of each caller that waits */
  #asking = new Map();
  /** @type {import("./events.mjs").Fields[]} what died in the transaction that is under way */
  #died = [];
  #closed = false;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#rows = parts.store.inbox;
    const { retry1Ms, retry2Ms, retry3Ms, retry4Ms, retry5Ms } = parts.timing;
    this.#waits = [retry1Ms, retry2Ms, retry3Ms, retry4Ms, retry5Ms];
  }

  /** Something may be due that was not: everybody who waits looks again. */
  changed() {
    this.#changes.emit("change");
  }

  /** Answers everybody who waits, with nothing. */
  askAnew() {
    for (const asking of this.#asking.values()) asking.abort();
  }

  /** The same, for good. */
  close() {
    this.#closed = true;
    this.askAnew();
  }

  /**
   * Renews and gives back what the caller holds, then waits for messages.
   * @param {Wanted} wanted with `max` 0 only renews, and does not wait
   * @returns {Promise<{ batch: string, rows: Handed[] }>}
   */
  async receive(wanted) {
    const { waitMs, max, consumer, signal } = wanted;
    const batch = randomBytes(9).toString("base64url");
    const nothing = { batch, rows: [] };
    if (this.#closed || signal?.aborted) return nothing;
    const who = consumer?.id ?? null;
    // Whoever asks anew does not hear the older question's answer any more.
    if (max > 0) this.#asking.get(who)?.abort();
    let { rows, at } = this.#look(batch, wanted, wanted);
    if (rows.length > 0 || max === 0 || waitMs === 0) return { batch, rows };
    const end = new AbortController();
    this.#asking.set(who, end);
    const stop = () => end.abort();
    signal?.addEventListener("abort", stop);
    const timer = setTimeout(stop, waitMs);
    try {
      while (rows.length === 0) {
        await this.#nextChange(at, end.signal);
        if (end.signal.aborted) return nothing;
        ({ rows, at } = this.#look(batch, wanted, null));
      }
      return { batch, rows };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      if (this.#asking.get(who) === end) this.#asking.delete(who);
    }
  }

  /**
   * Gives one back, and with it the later ones of its conversation: they must not overtake it.
   * What is not leased any more stays as it is.
   * @param {string} cursor
   * @param {Release} release
   */
  release(cursor, { delayMs, counts, reason }) {
    this.#change((now) => {
      const leased = this.#rows.leased();
      const row = leased.find((each) => each.cursor === cursor);
      if (!row) return;
      const later = leased.filter((each) => each.conversation === row.conversation && each.seq > row.seq && sameHolder(each, row));
      this.#rows.free(later.map(({ seq }) => seq));
      if (counts) return this.#fail(row, reason, now, delayMs);
      const until = now + (delayMs ?? this.#parts.timing.postponedMs);
      this.#rows.postpone(row.seq, { since: now, until, attempts: row.attempts, reason });
    });
    this.changed();
  }

  /**
   * Gives back what is left of a batch; the first one counts.
   * @param {string | null} batch null for a caller that holds one batch at a time
   */
  completeBatch(batch) {
    this.#change((now) => {
      const [first, ...rest] = this.#rows.leased().filter((row) => (batch === null ? row.consumer === null : row.batch === batch));
      if (first) this.#fail(first, "not_acknowledged", now);
      this.#rows.free(rest.map(({ seq }) => seq));
    });
    this.changed();
  }

  /**
   * @template T
   * @param {(now: number) => T} work done whole or not at all; what died in it is told after it
   */
  #change(work) {
    this.#died = [];
    const result = this.#parts.store.transaction(() => work(this.#parts.now()));
    for (const fields of this.#died.splice(0)) this.#parts.emit("message_dead", fields);
    return result;
  }

  /**
   * Goes through all leases, who has them still and which are over, and hands out what is due.
   * @param {string} batch
   * @param {Wanted} wanted
   * @param {Wanted | null} said null: the caller only waits, and says nothing of what it holds
   * @returns {{ rows: Handed[], at: number }} `at`: what was due by then was looked at
   */
  #look(batch, wanted, said) {
    return this.#change((now) => {
      const { renewed, freed, failed } = sortLeases(this.#rows.leased(), said, now);
      this.#rows.renew(renewed.map(({ seq }) => seq), { since: now, until: now + this.#parts.timing.leaseMs });
      this.#rows.free(freed.map(({ seq }) => seq));
      for (const { row, reason } of failed) this.#fail(row, reason, now);
      if (freed.length + failed.length > 0) this.changed();
      if (wanted.max === 0 || this.#parts.pause.active) return { rows: [], at: now };
      for (;;) {
        const rows = this.#take(batch, wanted, now);
        if (rows) return { rows, at: now };
      }
    });
  }

  /**
   * @param {string} batch
   * @param {Wanted} wanted
   * @param {number} now
   * @returns {Handed[] | null} null: all that was due was unreadable, and there may be more
   */
  #take(batch, wanted, now) {
    const { max, allowed, consumer } = wanted;
    const own = allowed && readAllowlist(allowed);
    /** @type {Map<string, Identity[] | null>} */
    const chats = new Map();
    const chat = (/** @type {string} */ jid) => {
      if (!chats.has(jid)) {
        const ids = this.#parts.idsOf(jid);
        chats.set(jid, this.#parts.allows(ids) && own?.allows(ids) !== false ? ids : null);
      }
      return chats.get(jid) ?? null;
    };
    // Which conversations are closed costs a look at all of them: only where there is one.
    let due = this.#rows.due({ limit: max, now, except: [] });
    if (due.some((row) => chat(row.conversation) === null)) {
      due = this.#rows.due({ limit: max, now, except: this.#rows.waitingConversations().filter((jid) => chat(jid) === null) });
    }
    /** @type {Handed[]} */
    const handed = [];
    let characters = 0;
    let buried = 0;
    for (const row of due) {
      const content = fromJid(row.conversation) && readBody(row.body);
      if (!content) {
        // It would be as unreadable at every attempt, and hold up those behind it.
        this.#bury({ ...row, attempts: 0 }, "unreadable", now);
        buried += 1;
        continue;
      }
      characters += row.body.length;
      if (handed.length > 0 && characters > BATCH_CHARACTERS) break;
      handed.push({ ...row, content, aliases: (chat(row.conversation) ?? []).map(toJid) });
    }
    if (handed.length === 0 && buried > 0) return null;
    const { id = null, instance = null } = consumer ?? {};
    this.#rows.lease(handed.map(({ seq }) => seq), { batch, consumer: id, instance, since: now, until: now + this.#parts.timing.leaseMs });
    return handed;
  }

  /**
   * Counts an attempt: the message waits longer each time, and after the last it is dead.
   * @param {Leased} row
   * @param {string | null} reason
   * @param {number} now
   * @param {number} [delayMs] instead of the wait of the table
   */
  #fail(row, reason, now, delayMs) {
    const attempts = row.attempts + 1;
    const wait = this.#waits[row.attempts];
    if (wait === undefined) return this.#bury({ ...row, attempts }, reason, now);
    this.#rows.postpone(row.seq, { since: now, until: now + (delayMs ?? wait), attempts, reason });
  }

  /**
   * @param {{ seq: number, cursor: string, conversation: string, attempts: number }} row
   * @param {string | null} reason
   * @param {number} now
   */
  #bury({ seq, cursor, conversation, attempts }, reason, now) {
    this.#rows.bury(seq, { at: now, attempts, reason });
    const code = reason !== null && REASON_CODE.test(reason) ? reason : "given_back";
    this.#died.push({ chat: shortReference(conversation), cursor, attempts, reason: code });
  }

  /**
   * @param {number} at the time of the last look
   * @param {AbortSignal} signal
   * @returns {Promise<void>} at the next change, when a wait or a lease ends, or when nobody waits any more
   */
  #nextChange(at, signal) {
    // From then on, not from now: what became due in between would wake nobody.
    const end = this.#rows.nextEnd(at);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#changes.off("change", done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = end === null ? undefined : setTimeout(done, Math.min(Math.max(end - this.#parts.now(), 0), 2 ** 31 - 1));
      this.#changes.on("change", done);
      signal.addEventListener("abort", done);
    });
  }
}

/**
 * @param {string} text
 * @returns {Body | null} null for what no caller could use
 */
function readBody(text) {
  try {
    const body = JSON.parse(text);
    return typeof body?.text === "string" && typeof body.kind === "string" && typeof body.group === "boolean" ? body : null;
  } catch {
    return null;
  }
}
