// @ts-check
/** One send with its parts. */

export const SENDS = ``;
