// @ts-check
/** The real process, heard through its events and told through its standard input. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const BRIDGE = fileURLToPath(new URL("../../bridge.mjs", import.meta.url));
const DEADLINE_MS = 20_000;

/**
 * @param {import("node:test").TestContext} t
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function startBridge(t, args, env = {}) {
  const child = spawn(process.execPath, [BRIDGE, ...args], { env: { ...process.env, ...env }, stdio: "pipe" });
  t.after(() => child.kill("SIGKILL"));
  /** @type {any[]} */
  const events = [];
  let output = "";
  let errors = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (errors += data));
  child.stdin.on("error", () => undefined);
  const lines = readline.createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    try {
      events.push(JSON.parse(line));
    } catch {
      // A bridge that speaks to a person draws and writes sentences.
    }
    lines.emit("seen");
  });
  const ended = once(child, "close").then(([code]) => code);
  const everything = () => `events: ${JSON.stringify(events, null, 1)}\noutput: ${output}\nerrors: ${errors}`;

  /**
   * @param {() => any} look
   * @param {string} name of what is looked for
   */
  async function until(look, name) {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    for (;;) {
      const found = look();
      if (found) return found;
      await once(lines, "seen", { signal: deadline }).catch(() => {
        throw new Error(`no ${name} came in time\n${everything()}`);
      });
    }
  }
  /**
   * @param {(event: any) => boolean} wanted
   * @param {string} name
   */
  const event = (wanted, name) => until(() => events.find(wanted), `event ${name}`);
  return {
    child,
    events,
    ended,
    until,
    event,
    named: (/** @type {string} */ name) => event((each) => each.event === name, name),
    say: (/** @type {unknown} */ command) => child.stdin.write(typeof command === "string" ? command : `${JSON.stringify(command)}\n`),
    output: () => output,
    errors: () => errors,
  };
}
