// @ts-check
/** Disks that are full and users that may not write: the real ones, where the tests may make them. */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const BRIDGE = fileURLToPath(new URL("../../bridge.mjs", import.meta.url));
const NOBODY = 65_534;

/**
 * Runs the bridge until it ends by itself.
 * @param {string[]} args
 * @param {{ uid?: number, env?: NodeJS.ProcessEnv }} [options]
 * @returns {{ code: number | null, events: any[], last: any, output: string }}
 */
export function runOnce(args, { uid, env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BRIDGE, ...args, "--events", "ndjson"], {
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 20_000,
    ...(uid === undefined ? {} : { uid }),
  });
  const events = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  return { code: status, events, last: events.at(-1), output: `${stdout}${stderr}` };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {number} kilobytes
 * @returns {string | null} a private directory on a disk of that size; null, and the test is
 * skipped, where no disk can be made
 */
export function tinyDisk(t, kilobytes) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "bridge-"));
  t.after(() => {
    // SQLite may still hold its files open in this very process.
    spawnSync("umount", ["-l", dir]);
    fs.rmSync(dir, { recursive: true, force: true });
  });
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k,mode=700`, "none", dir]).status !== 0) {
    t.skip("a disk of its own cannot be mounted here, so a full disk is not tried");
    return null;
  }
  return dir;
}

/**
 * Root may write everywhere, so what is forbidden is tried as somebody else.
 * @param {import("node:test").TestContext} t
 * @param {string[]} dirs that shall belong to that user, with all that is in them
 * @returns {{ uid?: number } | null} null, and the test is skipped, where that user cannot run the bridge
 */
export function ordinaryUser(t, dirs) {
  if (process.getuid?.() !== 0) return {};
  if (runOnce(["--version"], { uid: NOBODY }).code !== 0) {
    t.skip("the tests run as root, and no other user can run the bridge from here, so a directory that cannot be written to is not tried");
    return null;
  }
  for (const dir of dirs) {
    for (const name of fs.readdirSync(dir)) fs.chownSync(`${dir}/${name}`, NOBODY, NOBODY);
    fs.chownSync(dir, NOBODY, NOBODY);
  }
  return { uid: NOBODY };
}
