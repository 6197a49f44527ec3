// @ts-check
/** Files that the Rust tests read too, and throwaway directories. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const FIXTURES = new URL("../../../../tests/fixtures/", import.meta.url);

/** @param {string} name */
export function fixture(name) {
  return JSON.parse(fs.readFileSync(new URL(name, FIXTURES), "utf8"));
}

/**
 * @param {import("node:test").TestContext} t
 * @returns {string} a private directory that goes with the test
 */
export function temporaryDir(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "bridge-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}
