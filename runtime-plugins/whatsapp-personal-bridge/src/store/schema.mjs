// @ts-check
/**
 * The shape of the store, as the steps that lead to it. A step that has been released is never
 * edited: `user_version` counts the steps taken. Only database.mjs runs them.
 */

import { BEGINNING } from "./steps/1-beginning.mjs";
import { CONVERSATIONS } from "./steps/2-conversations.mjs";
import { LEASES } from "./steps/3-leases.mjs";
import { SENDS } from "./steps/4-sends.mjs";
import { JOURNAL } from "./steps/5-journal.mjs";
import { NUMBERS } from "./steps/6-numbers.mjs";
import { KNOWN_CHATS } from "./steps/7-known-chats.mjs";
import { PACE } from "./steps/8-pace.mjs";

export const STEPS = Object.freeze([BEGINNING, CONVERSATIONS, LEASES, SENDS, JOURNAL, NUMBERS, KNOWN_CHATS, PACE]);
