// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { readAllowlist } from "../src/allowlist.mjs";
import { aliasesOf, fromJid, parseChat, shortEntry, shortPhone, shortReference, toJid } from "../src/identity.mjs";
import { canonicalTarget, parseTarget, TargetError } from "../src/targets.mjs";
import { fixture } from "./support/fixtures.mjs";

for (const { name, target, account = "default", canonical, error } of fixture("targets.json").cases) {
  test(`a target: ${name}`, () => {
    if (error) {
      assert.throws(() => parseTarget(target, account), (thrown) => thrown instanceof TargetError && thrown.rule === error);
    } else {
      assert.equal(canonicalTarget(parseTarget(target, account), account), canonical);
    }
  });
}

for (const { name, entries, chat_aliases: aliases, allowed } of fixture("allowlist.json").cases) {
  test(`an allowlist: ${name}`, () => {
    const list = readAllowlist(entries);
    assert.equal(list.bad.length > 0, allowed === "error");
    assert.equal(list.allows(aliases.map(parseChat)), allowed === true);
  });
}

for (const { name, key, conversation, sender } of fixture("message-keys.json").cases) {
  test(`a message key: ${name}`, () => {
    const chat = aliasesOf(key.remoteJid, key.remoteJidAlt);
    const author = chat[0]?.kind === "group" ? aliasesOf(key.participant, key.participantAlt) : chat;
    assert.equal(chat[0] ? toJid(chat[0]) : null, conversation);
    assert.equal(author[0] ? toJid(author[0]) : null, sender);
    assert.ok(!conversation?.includes(":"), "stock Loong splits targets at colons");
  });
}

test("what is no chat of ours has no identity", () => {
  for (const jid of ["status@broadcast", "120363012345678901@newsletter", "1@bot", "", null, undefined, "15551234567", 15551234567, {}, ["15551234567@s.whatsapp.net"]]) {
    assert.equal(fromJid(jid), null);
  }
});

test("a short reference never holds the whole number", () => {
  assert.equal(shortReference("15551234567@s.whatsapp.net"), "contact …4567");
  assert.equal(shortReference("120363012345678901@g.us"), "group …8901");
  assert.equal(shortReference("nonsense"), "other");
});

test("a shortened number shows at most half of its digits, however short it is", () => {
  assert.equal(shortPhone("+15551234567"), "+15…567");
  for (let length = 7; length <= 15; length += 1) {
    const short = shortPhone("155512345678901".slice(0, length));
    assert.equal(short.replace(/[^0-9]/g, "").length, Math.floor(length / 2), short);
  }
});

test("an entry for a log holds nobody's whole number or LID, and stays one that its owner recognises", () => {
  const entries = {
    "*": "*",
    "+15551234567": "+15…567",
    "15551234567@s.whatsapp.net": "+15…567@s.whatsapp.net",
    "123456789012345@lid": "123…2345@lid",
    "15551234567-1600000000@g.us": "+15…567-1600000000@g.us",
    "120363012345678901@g.us": "120363012345678901@g.us",
  };
  for (const [entry, short] of Object.entries(entries)) assert.equal(shortEntry(entry), short);
});
