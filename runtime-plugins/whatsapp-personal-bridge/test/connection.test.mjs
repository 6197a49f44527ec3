// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { initAuthCreds } from "@whiskeysockets/baileys";
import { encode } from "../src/auth-state.mjs";
import { standing } from "./support/upgraded.mjs";

const ME = { id: "15550001000:3@s.whatsapp.net", lid: "555000100010001:3@lid", name: "Olga" };
const LOGIN = encode({ ...initAuthCreds(), me: ME, account: {} });

test("an unlink is addressed to WhatsApp's server the way that WhatsApp itself is", async (t) => {
  const { connection, left } = await standing(t, LOGIN);
  assert.equal(await connection.unlink(), false, "nobody confirmed it");
  const [iq] = (await left()).filter(({ tag }) => tag === "iq");
  // Written without the @ it would travel as a mere word, which no server takes for an address.
  assert.equal(iq?.attrs.to, "@s.whatsapp.net");
  assert.deepEqual(/** @type {any} */ (iq?.content)[0].attrs, { jid: ME.id, reason: "user_initiated" });
});
