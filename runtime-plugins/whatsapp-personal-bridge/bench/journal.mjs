// @ts-check
/**
 * What the journal costs an inbound message: the median time from a ciphertext to its row in the
 * inbox, with it and with Baileys alone, in turns in one run. `node bench/journal.mjs [messages]`
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { openStore } from "../src/store/store.mjs";
import { ANA, bridge, Contact, link, textsIn } from "../test/support/signal.mjs";

const messages = Number(process.argv[2] ?? 300);
/** @type {{ dir: string, store: import("../src/store/store.mjs").Store, ours: ReturnType<typeof bridge>, ana: Contact, times: number[] }[]} */
const sides = [];
for (const stock of [true, false]) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "bench-"));
  const store = openStore(dir);
  link(store);
  const ours = bridge(store, { stock });
  const ana = new Contact(ANA);
  await ana.meets(await ours.bundle());
  sides.push({ dir, store, ours, ana, times: [] });
}
for (let number = 0; number < messages; number += 1) {
  for (const { ours, ana, times } of sides) {
    const node = await ana.says(`message ${number}`);
    const begin = process.hrtime.bigint();
    await ours.gets(node);
    times.push(Number(process.hrtime.bigint() - begin) / 1e6);
  }
}
const [alone = 0, journalled = 0] = sides.map(({ times }) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]);
const kept = sides.map(({ dir }) => textsIn(dir).length);
for (const { store, dir } of sides) {
  store.close();
  fs.rmSync(dir, { recursive: true });
}
if (kept.some((count) => count !== messages)) throw new Error(`of ${messages} messages ${kept.join(" and ")} were kept`);
fs.writeSync(1, `${messages} messages each: ${alone.toFixed(2)} ms with Baileys alone, ${journalled.toFixed(2)} ms with the journal, ratio ${(journalled / alone).toFixed(2)}\n`);
