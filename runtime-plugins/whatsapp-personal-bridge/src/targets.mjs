// @ts-check
/**
 * The grammar of targets: `<channel>:<account>:<kind>:<id>`, `<account>:<kind>:<id>` and
 * `<kind>:<id>`. Stock Loong hands over what the operator typed, so all forms arrive here.
 */

import { IdentityError, parseContact, parseGroup, toTarget } from "./identity.mjs";

export const CHANNEL_ID = "whatsapp-personal";
const CHANNEL_NAMES = new Set([CHANNEL_ID, "whatsapp-web", "wa-personal", "whatsapp-personal-bridge"]);
const KINDS = new Set(["contact", "group"]);

/** @type {Readonly<Record<string, string>>} */
const RULES = Object.freeze({
  target_empty: "it is empty",
  target_form: "it is not complete",
  target_kind_unknown: "its kind is neither contact nor group",
  account_reserved: "its account has a name that belongs to the channel",
  account_mismatch: "it names another account than the one in use",
});

/** A target that breaks a rule; `rule` is its stable code. */
export class TargetError extends Error {
  /**
   * @param {string} rule
   * @param {string} [why]
   */
  constructor(rule, why) {
    super(why ?? RULES[rule] ?? rule);
    this.name = "TargetError";
    this.rule = rule;
  }
}

/**
 * Account ids as the host normalises them.
 * @param {string} text
 */
function normalisedAccount(text) {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "");
}

/**
 * @param {string} text
 * @param {string} account the account in use, normalised
 * @returns {import("./identity.mjs").Identity}
 * @throws {TargetError} names the rule that the target breaks
 */
export function parseTarget(text, account) {
  if (/\p{Cc}/u.test(text)) throw new TargetError("target_control_characters", "it holds a control character");
  const parts = text.trim().split(":");
  if (parts.length === 1) throw new TargetError(parts[0] === "" ? "target_empty" : "target_form");
  if (!isKind(parts[0])) {
    if (isChannel(parts[0])) parts.shift();
    const named = normalisedAccount(parts.shift() ?? "");
    if (named === "" || parts.length < 2) throw new TargetError("target_form");
    if (KINDS.has(named) || CHANNEL_NAMES.has(named)) throw new TargetError("account_reserved");
    if (!isKind(parts[0])) throw new TargetError("target_kind_unknown");
    if (named !== account) throw new TargetError("account_mismatch");
  }
  const kind = parts.shift()?.trim().toLowerCase();
  const id = parts.join(":");
  try {
    return kind === "group" ? parseGroup(id) : parseContact(id);
  } catch (error) {
    if (error instanceof IdentityError) throw new TargetError(error.rule, error.message);
    throw error;
  }
}

/**
 * @param {string} text
 * @returns {boolean} whether it is an account's name in its normal form, and could stand in a target
 */
export function isAccount(text) {
  return text !== "" && normalisedAccount(text) === text && !KINDS.has(text) && !CHANNEL_NAMES.has(text);
}

/**
 * @param {import("./identity.mjs").Identity} identity
 * @param {string} account
 */
export function canonicalTarget(identity, account) {
  return `${CHANNEL_ID}:${account}:${toTarget(identity)}`;
}

/** @param {string | undefined} part */
function isKind(part) {
  return KINDS.has((part ?? "").trim().toLowerCase());
}

/** @param {string | undefined} part */
function isChannel(part) {
  return CHANNEL_NAMES.has((part ?? "").trim().toLowerCase());
}
