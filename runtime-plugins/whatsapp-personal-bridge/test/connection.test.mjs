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

test("no presence leaves but one that says that nobody is there, whatever changes in the credentials", async (t) => {
  const { connection: { socket }, left } = await standing(t, LOGIN);
  socket.ev.emit("creds.update", { accountSyncCounter: 1 });
  socket.ev.emit("creds.update", { me: { ...ME, name: "Olga B" } });
  socket.ev.emit("creds.update", socket.authState.creds);
  socket.ev.emit("creds.update", { lastAccountSyncTimestamp: 2 });
  await socket.sendPresenceUpdate("unavailable");
  assert.deepEqual((await left()).map(({ tag, attrs }) => [tag, attrs]), [["presence", { name: "Olga B", type: "unavailable" }]]);
  const { accountSyncCounter, lastAccountSyncTimestamp, me } = socket.authState.creds;
  assert.deepEqual([accountSyncCounter, lastAccountSyncTimestamp, me?.name], [1, 2, "Olga B"]);
});
