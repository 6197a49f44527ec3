// @ts-check
/** Attempts, leases and dead letters of the inbox. */

export const LEASES = ``;
