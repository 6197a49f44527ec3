// @ts-check
/** What was decrypted and is not stored yet. */

export const JOURNAL = ``;
