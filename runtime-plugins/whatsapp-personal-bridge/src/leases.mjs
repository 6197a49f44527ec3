// @ts-check
/**
 * Who has a message still, and what the end of a lease counts. Nothing is changed here: the rows
 * are handout.mjs' to change.
 */

/** @typedef {import("./store/inbox.mjs").Leased} Leased */

/**
 * What becomes of leases when somebody asks. A plain caller fails at the first message of its
 * batch, a named one at the first of each conversation.
 * @param {Leased[]} leased the oldest first
 * @param {Pick<import("./handout.mjs").Wanted, "consumer" | "inFlight" | "max"> | null} wanted
 * @param {number} now
 */
export function sortLeases(leased, wanted, now) {
  const named = new Set(wanted?.inFlight);
  /** @type {Set<string>} */
  const counted = new Set();
  /** @type {{ renewed: Leased[], freed: Leased[], failed: { row: Leased, reason: string }[] }} */
  const sorted = { renewed: [], freed: [], failed: [] };
  const fail = (/** @type {Leased} */ row, /** @type {string} */ reason) => {
    const unit = row.consumer === null ? "" : JSON.stringify([row.consumer, row.conversation]);
    if (counted.has(unit)) return sorted.freed.push(row);
    counted.add(unit);
    return sorted.failed.push({ row, reason });
  };
  for (const row of leased) {
    const mine = wanted !== null && row.consumer === (wanted.consumer?.id ?? null);
    if (mine && row.instance !== (wanted.consumer?.instance ?? null)) sorted.freed.push(row);
    else if (mine && named.has(row.cursor)) sorted.renewed.push(row);
    else if (mine && wanted.max > 0 && wanted.consumer === null) fail(row, "not_acknowledged");
    else if (mine && wanted.max > 0 && wanted.inFlight !== null) sorted.freed.push(row);
    // The clock was set back; nobody has failed.
    else if (row.since > now) sorted.freed.push(row);
    else if (row.until <= now) fail(row, "lease_expired");
  }
  return sorted;
}

/**
 * @param {Leased} one
 * @param {Leased} other
 */
export function sameHolder(one, other) {
  return one.consumer === other.consumer && one.instance === other.instance;
}
