// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { initAuthCreds } from "@whiskeysockets/baileys";
import { encode } from "../src/auth-state.mjs";
import { RequestError } from "../src/errors.mjs";
import { standing } from "./support/upgraded.mjs";

const ME = { id: "15550001000:3@s.whatsapp.net", lid: "555000100010001:3@lid", name: "Olga" };
const ANA = "15551234567@s.whatsapp.net";
const BODY = Buffer.from("");
/** @param {string} code */
const refused = (code) => (/** @type {unknown} */ error) => error instanceof RequestError && error.code === code;
const LOGIN = encode({ ...initAuthCreds(), me: ME, account: {} });

test("an unlink is addressed to WhatsApp's server the way that WhatsApp itself is", async (t) => {
  const { connection, left } = await standing(t, LOGIN);
  assert.equal(await connection.unlink(), false, "nobody confirmed it");
  const [iq] = (await left()).filter(({ tag }) => tag === "iq");
  // Written without the @ it would travel as a mere word, which no server takes for an address.
  assert.equal(iq?.attrs.to, "@s.whatsapp.net");
  assert.deepEqual(/** @type {any} */ (iq).content[0].attrs, { jid: ME.id, reason: "user_initiated" });
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

test("a message whose connection ends before its question is answered can be sent again, and at once", async (t) => {
  const { connection } = await standing(t, LOGIN);
  const sending = connection.relay(ANA, "M1", BODY);
  const answered = assert.rejects(sending, (error) => refused("not_connected")(error) && /** @type {RequestError} */ (error).retryable);
  await connection.close();
  await answered;
  await assert.rejects(connection.relay(ANA, "M2", BODY), refused("not_connected"));
});

test("only WhatsApp's own word that a contact has no device is a refusal, its silence is none", async (t) => {
  const { connection } = await standing(t, LOGIN);
  const { socket } = connection;
  // What Baileys gives in both cases; the second question tells them apart.
  socket.getUSyncDevices = async () => [];
  socket.executeUSyncQuery = async () => undefined;
  await assert.rejects(connection.relay(ANA, "M1", BODY), refused("timeout"));
  socket.executeUSyncQuery = async () => ({ list: [], sideList: [] });
  await assert.rejects(connection.relay(ANA, "M1", BODY), refused("whatsapp_rejected"));
});

test("what is pending on a connection that ends is left to the next one at once, all of it", async (t) => {
  const { connection, outbox, store } = await standing(t, LOGIN);
  /** @type {string[]} */
  const tried = [];
  outbox.use({
    requireConnected: () => undefined,
    compose: () => ({ messageId: "", body: BODY }),
    relay: async (jid, messageId, body) => {
      tried.push(messageId);
      await connection.relay(jid, messageId, body);
    },
  });
  for (const messageId of ["M1", "M2", "M3"]) store.outbox.add({ key: null, jid: ANA, text: "hello", parts: [{ messageId, body: BODY }] });
  const resuming = outbox.resume();
  await connection.close();
  await resuming;
  assert.deepEqual(tried, ["M1", "M2", "M3"]);
  assert.equal(store.outbox.depth().pending, 3);
});
