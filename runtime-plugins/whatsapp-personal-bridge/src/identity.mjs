// @ts-check
/**
 * Identities of WhatsApp chats: phone numbers, phone-number JIDs, LIDs and group JIDs, each
 * brought to one form. Pure; accounts, targets and lists are read elsewhere.
 * The rules are tests/fixtures/targets.json, which the host's side reads too.
 */

/**
 * @typedef {{ kind: "phone" | "lid" | "group", user: string }} Identity
 * `user` is what stands before the `@`, without a device.
 */

/** @type {Readonly<Record<string, string>>} */
const RULES = Object.freeze({
  id_empty: "the id is empty",
  target_control_characters: "it holds a control character, such as a line break",
  phone_characters: "a phone number is made of digits, with an optional leading + and spaces, dots, dashes or parentheses",
  phone_length: "a phone number has 7 to 15 digits, country code included",
  phone_leading_zero: "a phone number starts with its country code, which is never 0",
  jid_form: "a contact's JID is <digits>@s.whatsapp.net or <digits>@lid",
  jid_server_unknown: "a JID ends in @s.whatsapp.net, @lid or @g.us",
  contact_is_group: "it is a group, not a contact",
  group_is_contact: "it is a contact, not a group",
  group_form: "a group's JID is <digits>@g.us, or <digits>-<digits>@g.us for an old group",
  broadcast_unsupported: "status and broadcast lists are not chats",
  newsletter_unsupported: "newsletters are not supported",
});

/** An id that breaks a rule; `rule` is its stable code. */
export class IdentityError extends Error {
  /** @param {string} rule */
  constructor(rule) {
    super(RULES[rule] ?? rule);
    this.name = "IdentityError";
    this.rule = rule;
  }
}

const CONTROL = /\p{Cc}/u;
const DIGITS = /^[0-9]+$/;

/**
 * @param {string} text
 * @returns {string} without surrounding space
 */
function printable(text) {
  if (CONTROL.test(text)) throw new IdentityError("target_control_characters");
  const trimmed = text.trim();
  if (trimmed === "") throw new IdentityError("id_empty");
  return trimmed;
}

/**
 * @param {string} digits
 * @returns {Identity}
 */
function e164(digits) {
  if (!/^[0-9]*$/.test(digits)) throw new IdentityError("phone_characters");
  if (digits.startsWith("0")) throw new IdentityError("phone_leading_zero");
  if (digits.length < 7 || digits.length > 15) throw new IdentityError("phone_length");
  return { kind: "phone", user: digits };
}

/** @param {string} text */
function phone(text) {
  return e164(text.replace(/^\+/, "").replace(/[ .()-]/g, ""));
}

/**
 * @param {string} user
 * @returns {string}
 */
function withoutDevice(user) {
  const [name = "", device, ...more] = user.split(":");
  if (name === "" || more.length > 0) throw new IdentityError("jid_form");
  if (device !== undefined && !DIGITS.test(device)) throw new IdentityError("jid_form");
  return name;
}

/**
 * @param {string} user
 * @returns {Identity}
 */
function group(user) {
  if (!/^(?:[0-9]{10,25}|[1-9][0-9]{6,14}-[0-9]{1,15})$/.test(user)) throw new IdentityError("group_form");
  return { kind: "group", user };
}

/**
 * Reads any chat. A group must be a whole JID: only that tells it from a number.
 * @param {string} text
 * @returns {Identity}
 * @throws {IdentityError}
 */
export function parseChat(text) {
  const id = printable(text);
  const at = id.indexOf("@");
  if (at < 0) return phone(id);
  const user = id.slice(0, at);
  const server = id.slice(at + 1).toLowerCase();
  switch (server) {
    case "s.whatsapp.net":
    case "c.us":
      return e164(withoutDevice(user));
    case "lid": {
      const digits = withoutDevice(user);
      if (!DIGITS.test(digits) || digits.length > 20) throw new IdentityError("jid_form");
      return { kind: "lid", user: digits };
    }
    case "g.us":
      return group(user);
    case "broadcast":
      throw new IdentityError("broadcast_unsupported");
    case "newsletter":
      throw new IdentityError("newsletter_unsupported");
    default:
      throw new IdentityError(server.includes("@") ? "jid_form" : "jid_server_unknown");
  }
}

/**
 * @param {string} text
 * @returns {Identity}
 * @throws {IdentityError}
 */
export function parseContact(text) {
  const identity = parseChat(text);
  if (identity.kind === "group") throw new IdentityError("contact_is_group");
  return identity;
}

/**
 * @param {string} text a group's JID, or the part before `@g.us`
 * @returns {Identity}
 * @throws {IdentityError}
 */
export function parseGroup(text) {
  const id = printable(text);
  if (id.includes("@")) {
    const identity = parseChat(id);
    if (identity.kind !== "group") throw new IdentityError("group_is_contact");
    return identity;
  }
  // A bare number of phone length is more likely a slip than a group: group ids are longer.
  if (!id.includes("-") && isPhone(id)) throw new IdentityError("group_is_contact");
  return group(id);
}

/** @param {string} text */
function isPhone(text) {
  try {
    phone(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {unknown} jid as WhatsApp writes it, or as Baileys hands on what it does not understand
 * @returns {Identity | null} null for what is no chat of ours
 */
export function fromJid(jid) {
  if (typeof jid !== "string" || !jid.includes("@")) return null;
  try {
    return parseChat(jid);
  } catch {
    return null;
  }
}

/**
 * @param {Identity} identity
 * @returns {string} JID without a device, so without a colon
 */
export function toJid(identity) {
  const servers = { phone: "s.whatsapp.net", lid: "lid", group: "g.us" };
  return `${identity.user}@${servers[identity.kind]}`;
}

/**
 * @param {Identity} identity
 * @returns {string} `contact:+<digits>`, `contact:<digits>@lid` or `group:<id>@g.us`
 */
export function toTarget(identity) {
  if (identity.kind === "phone") return `contact:+${identity.user}`;
  return `${identity.kind === "group" ? "group" : "contact"}:${toJid(identity)}`;
}

/**
 * @param {string} jid
 * @returns {string} a reference for logs: the kind and the last four characters
 */
export function shortReference(jid) {
  const identity = fromJid(jid);
  if (!identity) return "other";
  return `${identity.kind === "group" ? "group" : "contact"} …${identity.user.slice(-4)}`;
}

/**
 * @param {string} number with or without a leading `+`
 * @returns {string} a number that its owner recognises and nobody else can call; one that is short stays
 */
export function shortPhone(number) {
  if (number.includes("…")) return number;
  const digits = number.replace(/^\+/, "");
  // At most half of it, so that a short number is not told whole.
  const shown = Math.floor(digits.length / 2);
  const head = Math.floor(shown / 2);
  return `+${digits.slice(0, head)}…${digits.slice(digits.length - (shown - head))}`;
}

/**
 * @param {string} entry of an allowlist
 * @returns {string} the same for logs: no number of a person is whole in it, a LID neither
 */
export function shortEntry(entry) {
  if (entry === "*") return entry;
  const { kind, user } = parseChat(entry);
  if (kind === "phone") return entry.includes("@") ? `${shortPhone(user)}@s.whatsapp.net` : shortPhone(user);
  if (kind === "lid") return `${shortPhone(user).slice(1)}@lid`;
  // The id of an old group begins with the number of whoever made it.
  const [owner = "", made] = user.split("-");
  return kind === "group" && made !== undefined ? `${shortPhone(owner)}-${made}@g.us` : entry;
}

/**
 * The two ids of one person, in the order in which we prefer them: the number is what operators
 * write, the LID is what WhatsApp falls back on.
 * @param {string | null | undefined} jid
 * @param {string | null | undefined} alternative
 * @returns {Identity[]} phone first; empty when neither is a person or group
 */
export function aliasesOf(jid, alternative) {
  const known = [fromJid(jid), fromJid(alternative)].filter((identity) => identity !== null);
  return known.sort((a, b) => Number(b.kind === "phone") - Number(a.kind === "phone"));
}
