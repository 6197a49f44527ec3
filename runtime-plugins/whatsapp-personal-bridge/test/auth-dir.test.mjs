// @ts-check
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { awaitLock, lockAuthDir, prepareAuthDir } from "../src/auth-dir.mjs";
import { FatalError } from "../src/errors.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

/** @param {string} code */
const fatal = (code) => (/** @type {unknown} */ error) => error instanceof FatalError && error.code === code && error.hint !== "";

test("a missing auth dir is made, for its owner alone", (t) => {
  const dir = path.join(temporaryDir(t), "a", "b");
  prepareAuthDir(dir);
  assert.equal(fs.statSync(dir).mode & 0o777, 0o700);
  assert.equal(fs.statSync(path.dirname(dir)).mode & 0o777, 0o700);
});

test("an auth dir that others can reach is refused, with the command that closes it", (t) => {
  const dir = path.join(temporaryDir(t), "it's open");
  fs.mkdirSync(dir);
  fs.chmodSync(dir, 0o755);
  assert.throws(() => prepareAuthDir(dir), (error) => fatal("auth_dir_not_private")(error) && error instanceof FatalError && error.hint.startsWith("run: chmod 700 '"));
  assert.equal(fs.statSync(dir).mode & 0o777, 0o755, "nothing is changed");
  fs.chmodSync(dir, 0o700);
  prepareAuthDir(dir);
});

test("an auth dir that is a file is refused", (t) => {
  const file = path.join(temporaryDir(t), "file");
  fs.writeFileSync(file, "");
  assert.throws(() => prepareAuthDir(file), fatal("auth_dir_unusable"));
});

test("two bridges cannot have one auth dir", async (t) => {
  const dir = temporaryDir(t);
  const other = spawn(process.execPath, ["-e", `
    import(${JSON.stringify(new URL("../src/auth-dir.mjs", import.meta.url).href)}).then(({ lockAuthDir }) => {
      lockAuthDir(${JSON.stringify(dir)});
      process.stdout.write("locked");
      setInterval(() => undefined, 1000);
    });`], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => other.kill("SIGKILL"));
  await once(other.stdout, "data");
  assert.throws(() => lockAuthDir(dir), (error) => fatal("store_locked")(error) && error instanceof Error && error.message.includes(String(other.pid)));

  other.kill("SIGKILL");
  await once(other, "exit");
  const release = lockAuthDir(dir);
  assert.deepEqual(fs.readdirSync(dir), ["bridge.lock"]);
  release();
  assert.deepEqual(fs.readdirSync(dir), []);
});

/**
 * Takes the lock in a process whose parent does not wait for it.
 * @param {string} dir
 * @param {string} then what the process does, when it has the lock
 */
async function orphan(dir, then) {
  const child = `import(${JSON.stringify(new URL("../src/auth-dir.mjs", import.meta.url).href)}).then(({ lockAuthDir }) => {
    const unlock = lockAuthDir(${JSON.stringify(dir)});
    require("node:fs").writeSync(1, String(process.pid));
    ${then}
  });`;
  const parent = spawn(process.execPath, ["-e", `
    const child = require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.once("data", (pid) => process.stdout.write(pid));
    setInterval(() => undefined, 1000);`], { stdio: ["ignore", "pipe", "inherit"] });
  const [pid] = await once(parent.stdout, "data");
  return { pid: Number(pid), parent };
}

test("a bridge that ends because its parent is gone is waited for", async (t) => {
  const dir = temporaryDir(t);
  // Its standard input ends with its parent, as a bridge's does; it ends when it is told of a waiter.
  const { parent } = await orphan(dir, `process.stdin.resume().on("end", () => setInterval(() => {
    if (require("node:fs").existsSync(${JSON.stringify(path.join(dir, "waits"))})) { unlock(); process.exit(); }
  }, 10));`);
  parent.kill("SIGKILL");
  await once(parent, "exit");
  let told = 0;
  const release = await awaitLock(dir, () => {
    told += 1;
    fs.writeFileSync(path.join(dir, "waits"), "");
  });
  assert.equal(told, 1);
  release();
});

test("a bridge whose parent lives is not waited for", async (t) => {
  const dir = temporaryDir(t);
  const { parent, pid } = await orphan(dir, "process.stdin.resume().on('end', () => process.exit());");
  t.after(() => parent.kill("SIGKILL"));
  await assert.rejects(awaitLock(dir, () => assert.fail("it waits")), (error) => fatal("store_locked")(error) && error instanceof Error && error.message.includes(String(pid)));
});

test("a bridge that was killed, and that nobody has looked after, holds no lock", { skip: !fs.existsSync("/proc/self/stat") }, async (t) => {
  const dir = temporaryDir(t);
  // Stopped, the parent does not look.
  const { parent, pid } = await orphan(dir, "setInterval(() => undefined, 1000);");
  t.after(() => parent.kill("SIGKILL"));
  parent.kill("SIGSTOP");
  process.kill(pid, "SIGKILL");
  const state = () => fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];
  for (let looks = 0; state() !== "Z" && looks < 1e6; looks += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(state(), "Z");
  lockAuthDir(dir)();
});

test("a lock whose number now belongs to a younger process is taken over", { skip: !fs.existsSync("/proc/self/stat") }, (t) => {
  const dir = temporaryDir(t);
  const lock = path.join(dir, "bridge.lock");
  fs.writeFileSync(lock, JSON.stringify({ pid: process.ppid, started: "1" }));
  lockAuthDir(dir)();
});

test("a lock that cannot be read is taken over", (t) => {
  const dir = temporaryDir(t);
  fs.writeFileSync(path.join(dir, "bridge.lock"), "{half");
  lockAuthDir(dir)();
});
