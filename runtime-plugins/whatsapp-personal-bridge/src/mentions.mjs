// @ts-check
/**
 * Whether a group message is meant for us: it mentions us or quotes us, in a text or a caption.
 * Pure. What follows from it is decided by the inbox.
 */

import { unwrap } from "./inbound.mjs";

/** As many people as a group can have; the bound is for hostile input. */
const MOST_MENTIONS = 1_024;

/**
 * @param {import("@whiskeysockets/baileys").WAMessageContent | null | undefined} message
 * @param {(jid: string | null | undefined) => boolean} isSelf knows us by number and by LID
 */
export function isAddressed(message, isSelf) {
  if (!message) return false;
  return Object.values(unwrap(message)).some((part) => {
    // Every kind of message keeps it under the same name.
    const context = /** @type {import("@whiskeysockets/baileys").proto.IContextInfo | undefined} */ (part?.contextInfo);
    if (!context) return false;
    const quoted = context.stanzaId || context.quotedMessage ? context.participant : null;
    return isSelf(quoted) || (context.mentionedJid ?? []).slice(0, MOST_MENTIONS).some(isSelf);
  });
}
