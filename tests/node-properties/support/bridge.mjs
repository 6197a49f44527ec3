// @ts-check
/** The bridge's own parts over a real store, for a property that keeps them through its cases. */

import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { parts } from "../../../runtime-plugins/whatsapp-personal-bridge/test/support/bridge.mjs";

/** @typedef {import("./hold.mjs").Scope} Scope */

/** Where there is one: a store on a disk waits for it at every change. */
const MEMORY = "/dev/shm";

/** As the bridge's own tests have it, of which they need one thing. */
export const asTest = (/** @type {Scope} */ scope) => /** @type {import("node:test").TestContext} */ (/** @type {unknown} */ (scope));

/**
 * @param {Scope} scope
 * @param {Parameters<typeof parts>[1]} [options]
 */
export function open(scope, options) {
  return parts(asTest(scope), { dir: privateDir(scope), ...options });
}

/** @param {Scope} scope */
export function privateDir(scope) {
  const dir = fs.mkdtempSync(path.join(fs.existsSync(MEMORY) ? MEMORY : os.tmpdir(), "properties-"));
  scope.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Baileys as the bridge has it: it is none of this package's own. */
export async function baileys() {
  const { resolve } = createRequire(new URL("../../../runtime-plugins/whatsapp-personal-bridge/src/journal.mjs", import.meta.url));
  return /** @type {Promise<typeof import("../../../runtime-plugins/whatsapp-personal-bridge/node_modules/@whiskeysockets/baileys/lib/index.js")>} */ (import(resolve("@whiskeysockets/baileys")));
}

export const ALL = /** @type {const} */ (["waiting", "leased", "dead", "done"]);
