// @ts-check
/** A bridge's receiving side as a process: a store's directory, a file with stanzas, `stock` or `ours`. */

import fs from "node:fs";
import { silence, writeNow } from "../../src/silence.mjs";

silence();
const { bridge } = await import("./signal.mjs");
const { decode } = await import("../../src/auth-state.mjs");
const { openStore } = await import("../../src/store/store.mjs");

const [dir, stanzas, whose] = process.argv.slice(2);
const store = openStore(String(dir));
const ours = bridge(store, {
  stock: whose === "stock",
  say: (line) => writeNow(1, `${line}\n`),
  die: (error) => {
    writeNow(1, `died ${error instanceof Error ? error.message : error}\n`);
    process.exit(3);
  },
});
await ours.replays();
for (const node of decode(fs.readFileSync(String(stanzas), "utf8"))) await ours.gets(node);
store.close();
