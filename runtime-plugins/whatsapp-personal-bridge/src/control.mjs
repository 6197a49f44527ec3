// @ts-check
/**
 * What the parent process says on standard input: one JSON command per line, and by its end that
 * it is gone. What a command leads to is the caller's.
 */

import readline from "node:readline";
import { FatalError } from "./errors.mjs";
import { readSettings } from "./settings.mjs";

/**
 * @typedef {import("./settings.mjs").Settings} Settings
 * @typedef {{
 *   started: Promise<Settings | null>,
 *   onStop: (listener: () => void) => void,
 *   onResume: (listener: () => void) => void,
 * }} Control
 * `started`: null when the parent ended before it said anything
 */

const FIRST_LINE_MS = 10_000;

/**
 * @param {NodeJS.ReadableStream} input
 * @param {(code: string, message: string) => void} warn
 * @param {number} [firstLineMs]
 * @returns {Control}
 */
export function listenToParent(input, warn, firstLineMs = FIRST_LINE_MS) {
  /** @type {(() => void) | null} */
  let stop = null;
  /** @type {(() => void) | null} */
  let resume = null;
  let stopped = false;
  const askedToStop = () => {
    stopped = true;
    stop?.();
  };
  const started = new Promise((resolve, reject) => {
    let first = true;
    const timer = setTimeout(() => {
      reject(startError("no start command came on standard input in time"));
    }, firstLineMs);
    const lines = readline.createInterface({ input, terminal: false });
    lines.on("line", (line) => {
      if (line.trim() === "") return;
      if (first) {
        first = false;
        clearTimeout(timer);
        try {
          resolve(readFirst(line));
        } catch (error) {
          reject(error);
        }
        return;
      }
      const command = commandOf(line)?.command;
      if (command === "stop") askedToStop();
      else if (command === "resume") resume?.();
      else warn("unknown_command", "standard input held a command that the bridge does not know");
    });
    lines.on("close", () => {
      clearTimeout(timer);
      resolve(null);
      askedToStop();
    });
  });
  return {
    started,
    onStop: (listener) => {
      stop = listener;
      if (stopped) listener();
    },
    onResume: (listener) => {
      resume = listener;
    },
  };
}

/**
 * @param {string} line
 * @returns {Settings | null} null for a stop
 */
function readFirst(line) {
  const command = commandOf(line);
  if (command?.command === "stop") return null;
  if (command?.command !== "start") throw startError("the first line on standard input is no start command");
  return readSettings(command);
}

/**
 * @param {string} line
 * @returns {Record<string, unknown> | null}
 */
function commandOf(line) {
  try {
    const value = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}

/** @param {string} message */
function startError(message) {
  return new FatalError("start_command", message, 'send {"command":"start","settings":{}} first, or leave --control out');
}
