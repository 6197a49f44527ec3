// @ts-check
/**
 * The key under which a message is answered: it ties a reply to what it answers, all the way
 * through the host and back, with nothing else that has to travel.
 */

/** Cursors as the inbox makes them; anything else behind the prefix is somebody's own word. */
const REPLY_KEY = /^in:([A-Za-z0-9_-]{16})$/;

/** @param {string} cursor of the message that came in */
export function replyKey(cursor) {
  return `in:${cursor}`;
}

/**
 * @param {string | null} key
 * @returns {string | null} the cursor of the message that is answered; null when it is no reply
 */
export function answeredCursor(key) {
  return REPLY_KEY.exec(key ?? "")?.[1] ?? null;
}
