#!/usr/bin/env node
// @ts-check
/**
 * Entry: makes sure that this Node can run the rest and that the rest is installed. It imports
 * nothing of the package before it has looked.
 */

import fs from "node:fs";

const OLDEST_NODE = 20;

/**
 * @param {string} message
 * @param {string} hint
 */
function giveUp(message, hint) {
  const wantsEvents = process.argv.some((arg) => arg === "ndjson" || arg === "--events=ndjson");
  const event = { event: "fatal", at: Date.now(), code: "not_installed", message, hint };
  fs.writeSync(1, wantsEvents ? `${JSON.stringify(event)}\n` : `Error: ${message}\n  What to do: ${hint}\n`);
  process.exit(1);
}

if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE) {
  giveUp(`the bridge needs Node ${OLDEST_NODE} or newer, and this is ${process.versions.node}`, "install a newer Node, then start again");
}
for (const name of ["@whiskeysockets/baileys", "libsql", "uqr"]) {
  if (!fs.existsSync(new URL(`node_modules/${name}/package.json`, import.meta.url))) {
    giveUp(`the dependency ${name} is not installed`, "run `npm ci --ignore-scripts` in the folder of bridge.mjs");
  }
}
const { run } = await import("./src/run.mjs");
await run(process.argv.slice(2));
