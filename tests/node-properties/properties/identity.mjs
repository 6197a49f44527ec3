// @ts-check
/** Ids of chats, lists of them, and the targets that are made of them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { readAllowlist } from "../../../runtime-plugins/whatsapp-personal-bridge/src/allowlist.mjs";
import { aliasesOf, fromJid, IdentityError, parseChat, parseContact, parseGroup, shortEntry, shortPhone, shortReference, toJid, toTarget } from "../../../runtime-plugins/whatsapp-personal-bridge/src/identity.mjs";
import { canonicalTarget, parseTarget, TargetError } from "../../../runtime-plugins/whatsapp-personal-bridge/src/targets.mjs";
import { device, identity, jid, person, text, thing } from "../support/arbitraries.mjs";
import { fixture } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/fixtures.mjs";

/** @type {{ target: string, account?: string, canonical?: string }[]} the table that the host's side reads too */
const TARGETS = fixture("targets.json").cases;
const account = fc.stringMatching(/^[a-z0-9](?:[a-z0-9_-]{0,8}[a-z0-9])?$/).filter((name) => !["contact", "group"].includes(name));
/** White space and nothing more, which a person adds without seeing it. */
const space = fc.constantFrom("", " ", "  ");

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [
  {
    name: "identity: an id read and written is the same id",
    short: 1_000,
    hold: () => fc.property(identity, (one) => {
      assert.deepEqual(fromJid(toJid(one)), one);
      assert.deepEqual(parseChat(toJid(one)), one);
      assert.ok(!toJid(one).includes(":"), "stock Loong splits targets at colons");
    }),
  },
  {
    name: "identity: a device says nothing of who it is",
    short: 500,
    hold: () => fc.property(person, device, (one, at) => {
      assert.deepEqual(fromJid(toJid(one).replace("@", `${at}@`)), one);
    }),
  },
  {
    name: "identity: whatever comes is a chat in its one form, or none",
    short: 2_000,
    hold: () => fc.property(fc.oneof(jid, thing), (any) => {
      const read = fromJid(/** @type {any} */ (any));
      if (read === null) return;
      assert.match(toJid(read), /^(?:[1-9]\d{6,14}@s\.whatsapp\.net|\d{1,20}@lid|(?:\d{10,25}|[1-9]\d{6,14}-\d{1,15})@g\.us)$/);
      assert.deepEqual(fromJid(toJid(read)), read);
    }),
  },
  {
    name: "identity: what a person writes is read, or refused by a rule with a name",
    short: 2_000,
    hold: () => fc.property(fc.oneof(jid, text), (written) => {
      for (const parse of [parseChat, parseContact, parseGroup]) {
        try {
          const read = parse(written);
          assert.deepEqual(parseChat(toJid(read)), read);
          assert.equal(read.kind === "group", parse === parseGroup || (parse === parseChat && read.kind === "group"));
        } catch (error) {
          if (!(error instanceof IdentityError)) throw error;
          assert.match(error.rule, /^[a-z_]+$/);
          assert.notEqual(error.message, error.rule, "it has a sentence");
        }
      }
    }),
  },
  {
    name: "identity: the two ids of a person come number first, whichever was said first",
    short: 500,
    hold: () => fc.property(jid, jid, (one, other) => {
      const [here, there] = [aliasesOf(one, other), aliasesOf(other, one)];
      assert.deepEqual(new Set(here.map(toJid)), new Set(there.map(toJid)));
      const kinds = here.map(({ kind }) => kind === "phone");
      assert.deepEqual(kinds, [...kinds].sort((a, b) => Number(b) - Number(a)));
    }),
  },
  {
    name: "identity: what is shortened for logs names nobody and nothing acts in it",
    short: 1_000,
    hold: () => fc.property(fc.oneof(jid, identity.map(toJid)), (written) => {
      const short = shortReference(written);
      assert.match(short, /^(?:other|(?:contact|group) …[0-9-]{1,4})$/);
      const read = fromJid(written);
      if (read?.kind !== "phone") return;
      for (const shown of [short, shortPhone(read.user), shortEntry(`+${read.user}`), shortEntry(toJid(read))]) assert.ok(!shown.includes(read.user), shown);
    }),
  },
  {
    name: "targets: an identity's target leads back to it, in every form and spacing",
    short: 1_000,
    hold: () => fc.property(identity, account, space, (one, name, gap) => {
      for (const target of [canonicalTarget(one, name), toTarget(one), `${name}:${toTarget(one)}`]) {
        assert.deepEqual(parseTarget(`${gap}${target}${gap}`, name), one);
      }
    }),
  },
  {
    name: "targets: what is refused is refused by a rule with a name, and what is read has one form",
    short: 2_000,
    hold: () => fc.property(fc.oneof(text, fc.constantFrom(...TARGETS.map(({ target }) => target)), fc.tuple(fc.constantFrom(...TARGETS.map(({ target }) => target)), text).map(([target, more]) => target + more)), (target) => {
      try {
        const once = canonicalTarget(parseTarget(target, "default"), "default");
        assert.equal(canonicalTarget(parseTarget(once, "default"), "default"), once);
      } catch (error) {
        if (!(error instanceof TargetError)) throw error;
        assert.match(error.rule, /^[a-z_]+$/);
      }
    }),
  },
  {
    name: "allowlist: an entry lets in its own chat and no other, in whichever form it is written",
    short: 1_000,
    hold: () => fc.property(fc.array(identity, { maxLength: 6 }), identity, fc.boolean(), (listed, asked, written) => {
      const list = readAllowlist(listed.map((one) => (written && one.kind === "phone" ? ` +${one.user} ` : toJid(one))));
      assert.deepEqual(list.bad, []);
      assert.equal(list.allows([asked]), listed.some((one) => toJid(one) === toJid(asked)));
      for (const one of listed) assert.ok(list.allows([one]));
      assert.equal(list.allows([]), false, "nobody is nobody");
    }),
  },
  {
    name: "allowlist: a list that cannot be read lets nobody in, whatever else is on it",
    short: 1_000,
    hold: () => fc.property(fc.array(fc.oneof(jid, text, fc.constant("*")), { maxLength: 6 }), identity, (entries, asked) => {
      const list = readAllowlist(entries);
      const unreadable = entries.some((entry) => entry.trim() !== "*" && !readable(entry));
      assert.equal(list.bad.length > 0, unreadable);
      if (unreadable) assert.deepEqual([list.allows([asked]), list.everybody], [false, false]);
      else if (entries.some((entry) => entry.trim() === "*")) assert.ok(list.everybody && list.allows([asked]));
    }),
  },
];

/** @param {string} entry */
function readable(entry) {
  try {
    return Boolean(parseChat(entry));
  } catch {
    return false;
  }
}
