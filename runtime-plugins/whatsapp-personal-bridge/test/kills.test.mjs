// @ts-check
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { encode } from "../src/auth-state.mjs";
import { openStore } from "../src/store/store.mjs";
import { again, ANA, BEN, bridge, Contact, link, ME, PHONE, rowsIn } from "./support/signal.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @typedef {import("@whiskeysockets/baileys").BinaryNode} Node */

const RECEIVE = fileURLToPath(new URL("support/receive-once.mjs", import.meta.url));
const KILL_AT = new URL("support/kill-at.mjs", import.meta.url).href;
/** Without it, the controls: what Baileys alone makes of the same kills. They are the measurement, not the product. */
const CONTROLS = process.env.LOONG_TEST_CONTROLS === "1";

/**
 * Each makes a stanza on the sender's side, after what must come before it.
 * @type {Record<string, (ours: ReturnType<typeof bridge>) => Promise<Node>>}
 */
const KINDS = {
  "a first message": async (ours) => (await met(ours, ANA)).says("hello"),
  "a message by number": async (ours) => (await inSession(ours, BEN)).says("hello"),
  "a message by LID": async (ours) => (await inSession(ours, ANA)).says("hello"),
  "a group message with its key": async (ours) => (await inSession(ours, ANA)).saysInGroup("hello", { withKey: true }),
  "a group message without a key": async (ours) => {
    const ana = await inSession(ours, ANA);
    await ours.gets(await ana.saysInGroup("before", { withKey: true }));
    return ana.saysInGroup("hello", { withKey: false });
  },
  "a message from the owner's phone": async (ours) => {
    const self = ME.lid.replace(":3", "");
    return (await inSession(ours, PHONE)).sends({ deviceSentMessage: { destinationJid: self, message: { conversation: "hello" } } }, { recipient: self });
  },
};

/**
 * @param {ReturnType<typeof bridge>} ours
 * @param {{ jid: string, alternative: Record<string, string> }} who
 */
async function met(ours, who) {
  const contact = new Contact(who);
  await contact.meets(await ours.bundle());
  return contact;
}

/** @type {typeof met} */
async function inSession(ours, who) {
  const contact = await met(ours, who);
  await ours.gets(await contact.says("first"));
  await contact.reads(await ours.encrypts(who.jid, "answer"));
  return contact;
}

/**
 * @param {import("node:test").TestContext} t
 * @param {string} kind
 */
async function prepared(t, kind) {
  const dir = temporaryDir(t);
  const store = openStore(dir);
  link(store);
  const ours = bridge(store);
  const node = await /** @type {NonNullable<typeof KINDS[string]>} */ (KINDS[kind])(ours);
  ours.auth.save();
  store.close();
  const file = path.join(dir, "stanzas.json");
  /**
   * @param {Node[]} stanzas
   * @param {"ours" | "stock"} whose
   * @param {string} [killAt]
   */
  const run = async (stanzas, whose, killAt) => {
    fs.writeFileSync(file, encode(stanzas));
    const preload = killAt === undefined ? [] : ["--import", KILL_AT];
    const child = spawn(process.execPath, [...preload, RECEIVE, dir, file, whose], { env: { ...process.env, KILL_AT: killAt ?? "" }, stdio: ["ignore", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    let said = "";
    let errors = "";
    child.stdout.on("data", (data) => (said += data));
    child.stderr.on("data", (data) => (errors += data));
    const [code, signal] = await once(child, "close", { signal: AbortSignal.timeout(30_000) });
    return { code, signal, said: said.split("\n").filter(Boolean), errors };
  };
  const rows = () => rowsIn(dir, `SELECT 1 FROM inbox WHERE message_id = '${node.attrs.id}'`).length;
  return { node, run, rows };
}

const POINTS = ["before journal_parts", "after journal_parts", "before inbox", "after inbox"];
/** The same points for Baileys alone, which has no journal. */
const STOCK = /** @type {Record<string, string>} */ ({ "before journal_parts": "before session", "after journal_parts": "after session" });

/** Most of their time is processes that start. */
const SIDE_BY_SIDE = { concurrency: 4 };

describe("killed", SIDE_BY_SIDE, () => {
  for (const kind of Object.keys(KINDS)) {
    const own = kind.includes("phone");
    for (const point of POINTS.filter((each) => !own || each.includes("journal"))) {
      test(`${kind}, killed ${point.replace("_parts", "")}, is there once after two redeliveries`, async (t) => {
        const { node, run, rows } = await prepared(t, kind);
        const killed = await run([node], "ours", point);
        assert.equal(killed.signal, "SIGKILL", killed.errors);
        const started = await run([again(node), again(node)], "ours");
        assert.equal(started.code, 0, started.errors);
        const receipts = started.said.filter((line) => line === "receipt");
        assert.equal(receipts.length, 2, String(started.said));
        // The owner's word to themselves is no inbound message: it is heard, at least once.
        if (own) assert.ok(started.said.includes("heard hello"), String(started.said));
        else assert.equal(rows(), 1);
      });
    }
  }
});

test("what was decrypted before a kill is there without any redelivery", async (t) => {
  const { node, run, rows } = await prepared(t, "a message by LID");
  await run([node], "ours", "after journal_parts");
  const started = await run([], "ours");
  assert.deepEqual({ code: started.code, said: started.said }, { code: 0, said: [] });
  assert.equal(rows(), 1);
});

test("a disk that takes no journal ends the process before it answers; the message comes with the next delivery", async (t) => {
  const { node, run, rows } = await prepared(t, "a message by LID");
  const full = await run([node], "ours", "full journal_parts");
  assert.deepEqual({ code: full.code, said: full.said }, { code: 3, said: ["died database or disk is full"] });
  assert.equal((await run([again(node)], "ours")).said.join(), "receipt");
  assert.equal(rows(), 1);
});

if (CONTROLS) {
  for (const kind of Object.keys(KINDS)) {
    for (const [point, stock] of Object.entries(STOCK)) {
      test(`control: Baileys alone, ${kind}, killed ${point}`, async (t) => {
        const { node, run, rows } = await prepared(t, kind);
        const type = kind.includes("group") ? stock.replace("session", "sender-key") : stock;
        const killed = await run([node], "stock", type);
        const started = await run([again(node), again(node)], "stock");
        t.diagnostic(`killed: ${killed.signal}, rows: ${rows()}, answers: ${started.said.join(" | ")}`);
      });
    }
  }
}
