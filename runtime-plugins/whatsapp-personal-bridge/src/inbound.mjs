// @ts-check
/**
 * From a message as Baileys gives it to the text that the host reads: text first, a placeholder
 * for the rest. Pure. Who may write, and what is kept, is decided by the inbox.
 */

/**
 * @typedef {import("@whiskeysockets/baileys").WAMessage} WAMessage
 * @typedef {import("@whiskeysockets/baileys").WAMessageContent} Content
 * @typedef {{ kind: string, text: string }} Text
 * @typedef {"own" | "broadcast" | "newsletter" | "undecryptable" | "system" | "reaction" | "empty" | "malformed"} Ignored
 */

/** Envelopes around the real content; each holds `message`. */
const ENVELOPES = /** @type {const} */ ([
  "deviceSentMessage",
  "ephemeralMessage",
  "viewOnceMessage",
  "viewOnceMessageV2",
  "viewOnceMessageV2Extension",
  "documentWithCaptionMessage",
  "editedMessage",
  "associatedChildMessage",
  "groupMentionedMessage",
  "botInvokeMessage",
  "lottieStickerMessage",
]);

const POLLS = /** @type {const} */ ([
  "pollCreationMessage",
  "pollCreationMessageV2",
  "pollCreationMessageV3",
  "pollCreationMessageV5",
]);

/** `proto.Message.ProtocolMessage.Type.MESSAGE_EDIT` */
const MESSAGE_EDIT = 14;
/** `proto.WebMessageInfo.StubType.CIPHERTEXT` */
const STUB_CIPHERTEXT = 2;
/** WhatsApp's own limit for a text, which a hostile client need not keep. */
export const LONGEST_TEXT = 65_536;
/** Of a message's id: WhatsApp's have 32 characters at most. */
const LONGEST_ID = 128;
/** What JavaScript can take for a date. */
const LAST_DATE = 8.64e15;
/** WhatsApp nests three deep at most; the bound is for hostile input. */
const DEEPEST = 8;

/**
 * @param {WAMessage} message
 * @returns {{ ignored: Ignored } | { text: Text }}
 */
export function readMessage(message) {
  const { key } = message;
  const chat = key.remoteJid ?? "";
  if (chat.endsWith("@newsletter")) return { ignored: "newsletter" };
  if (chat.endsWith("@broadcast") || message.broadcast) return { ignored: "broadcast" };
  if (key.fromMe) return { ignored: "own" };
  if (message.messageStubType) {
    return { ignored: message.messageStubType === STUB_CIPHERTEXT ? "undecryptable" : "system" };
  }
  if (typeof key.id !== "string" || key.id === "" || key.id.length > LONGEST_ID || chat === "") return { ignored: "malformed" };
  if (!message.message) {
    // WhatsApp shows a view-once message on the phone only; the linked device learns that it came.
    return key.isViewOnce ? { text: { kind: "view_once", text: "[view once]" } } : { ignored: "empty" };
  }
  const content = unwrap(message.message);
  if (content.reactionMessage || content.encReactionMessage) return { ignored: "reaction" };
  const found = readContent(content);
  if (!found) return { ignored: "system" };
  if (typeof found.text !== "string") return { ignored: "malformed" };
  return { text: { ...found, text: wellFormed(shortened(found.text, LONGEST_TEXT)) } };
}

/**
 * A contact can send bytes that are half a character, which no decoder of JSON takes: one such
 * message would make every answer that holds it unreadable.
 * @param {string} text
 */
export function wellFormed(text) {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}

/**
 * A longer text could be told to nobody: every request and every answer has its limit, and one
 * message that cannot be acknowledged blocks all behind it.
 * @param {string} text
 * @param {number} most UTF-16 units
 */
export function shortened(text, most) {
  // A character cut in half is no Unicode, which decoders of JSON refuse.
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/**
 * @param {Content} content
 * @returns {Content} without envelopes; an edit becomes the edited content
 */
export function unwrap(content) {
  let inner = content;
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const envelope = ENVELOPES.find((name) => inner[name]?.message);
    const edit = inner.protocolMessage?.type === MESSAGE_EDIT ? inner.protocolMessage.editedMessage : null;
    const next = envelope ? inner[envelope]?.message : edit;
    if (!next) return inner;
    inner = next;
  }
  return inner;
}

/**
 * @param {Content} content without envelopes
 * @returns {Text | null} null for what no person would call a message
 */
function readContent(content) {
  const plain = content.conversation || content.extendedTextMessage?.text || chosenText(content) || businessText(content);
  if (plain) return { kind: "text", text: plain };
  if (content.imageMessage) return placeholder("image", content.imageMessage.caption);
  const video = content.videoMessage ?? content.ptvMessage;
  if (video) return placeholder("video", video.caption);
  if (content.audioMessage) return placeholder("audio");
  if (content.documentMessage) return documentText(content.documentMessage);
  if (content.stickerMessage) return placeholder("sticker");
  if (content.locationMessage) return placeholder("location", content.locationMessage.name || content.locationMessage.address);
  if (content.liveLocationMessage) return placeholder("location", content.liveLocationMessage.caption);
  if (content.contactMessage) return placeholder("contact", content.contactMessage.displayName);
  if (content.contactsArrayMessage) {
    const names = (content.contactsArrayMessage.contacts ?? []).map((contact) => contact.displayName).filter(Boolean);
    return placeholder("contact", names.join(", "));
  }
  const poll = POLLS.find((name) => content[name]);
  if (poll) return placeholder("poll", content[poll]?.name);
  if (content.eventMessage) return placeholder("event", content.eventMessage.name);
  if (content.groupInviteMessage) return placeholder("group invite", content.groupInviteMessage.groupName);
  if (content.productMessage) return placeholder("product", content.productMessage.product?.title);
  if (content.orderMessage) return placeholder("order", content.orderMessage.orderTitle);
  return null;
}

/** @param {Content} content */
function chosenText(content) {
  return (
    content.buttonsResponseMessage?.selectedDisplayText ||
    content.listResponseMessage?.title ||
    content.templateButtonReplyMessage?.selectedDisplayText ||
    content.interactiveResponseMessage?.body?.text
  );
}

/** @param {Content} content */
function businessText(content) {
  return (
    content.templateMessage?.hydratedTemplate?.hydratedContentText ||
    content.buttonsMessage?.contentText ||
    content.listMessage?.description ||
    content.interactiveMessage?.body?.text
  );
}

/** @param {import("@whiskeysockets/baileys").proto.Message.IDocumentMessage} document */
function documentText(document) {
  const name = oneLine(document.fileName || document.title || "");
  const { kind, text } = placeholder("document", name);
  // WhatsApp repeats the file name as the caption when the sender wrote none.
  const caption = document.caption && document.caption !== document.fileName ? `\n${document.caption}` : "";
  return { kind, text: `${text}${caption}` };
}

/**
 * @param {string} kind
 * @param {string | null} [words]
 * @returns {Text}
 */
function placeholder(kind, words) {
  return { kind: kind.replace(" ", "_"), text: words ? `[${kind}] ${words}` : `[${kind}]` };
}

/** @param {string} text */
function oneLine(text) {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * @param {WAMessage["messageTimestamp"]} timestamp seconds, as a number or a protobuf Long
 * @param {number} fallback milliseconds
 * @returns {number} Unix milliseconds
 */
export function sentAt(timestamp, fallback) {
  const at = Math.round(numberOf(timestamp) * 1000);
  return at > 0 && at <= LAST_DATE ? at : fallback;
}

/** @param {unknown} value */
function numberOf(value) {
  try {
    return Number(String(value));
  } catch {
    return Number.NaN;
  }
}
