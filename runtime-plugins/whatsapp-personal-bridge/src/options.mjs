// @ts-check
/**
 * What the command line and the environment say, checked before anything is touched.
 * Nothing here reads or writes a file.
 */

import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { FatalError } from "./errors.mjs";
import { IdentityError, parseContact } from "./identity.mjs";

/**
 * @typedef {{
 *   port: number,
 *   path: string,
 *   authDir: string,
 *   importDirs: string[],
 *   events: "ndjson" | "human",
 *   control: boolean,
 *   webUrl: string | null,
 *   timingFile: string | null,
 *   pairing: { phone: string, customCode: string | null } | null,
 *   upkeep: { act: "backup" | "restore", file: string } | null,
 * }} Options
 * `importDirs`: where an older bridge may have left a login, beside the auth dir itself;
 * `pairing`: ask for a code for this number (digits) besides showing the QR;
 * `upkeep`: what to do with the store instead of running, with an absolute path.
 * @typedef {{ show: "help" | "version" } | { options: Options }} CommandLine
 */

export const HOST = "127.0.0.1";
const DEFAULT_PORT = "39731";
const PHONE_HINT = "give the number that owns the account, country code first and without 00 or a leading 0, for example +15551234567";
const DEFAULT_AUTH_DIR = "~/.loong/whatsapp-personal/default";

export const HELP = `Usage: node bridge.mjs [flags]

Holds one WhatsApp Web session and serves it to a local Loong host.

  --host <address>                must be 127.0.0.1
  --port <port>                   port of the HTTP endpoint (default ${DEFAULT_PORT}; 0 picks a free one)
  --path <path>                   path of the HTTP endpoint (default /bridge)
  --auth-dir <dir>                where the login and the messages are kept
                                  (default ${DEFAULT_AUTH_DIR})
  --pairing-code <phone>          show a pairing code too, a few seconds after the first QR;
                                  the number with its country code, such as +15551234567
  --pairing-code-phone <phone>    the same
  --custom-pairing-code <code>    ask for this code: 8 characters, A to Z and 0 to 9
  --events ndjson                 one JSON event per line on standard output
  --control stdin                 one JSON command per line on standard input
  --backup <file>                 write the store of the auth dir to a new file, then end
  --restore <file>                put a backup in the place of a store without a login, then end
  --help, --version
`;

/**
 * @param {string[]} args without node and script
 * @param {NodeJS.ProcessEnv} env
 * @param {{ cwd: string, home: string, packageDir: string }} place
 * @returns {CommandLine}
 * @throws {FatalError} code `usage` or `web_url_refused`
 */
export function readCommandLine(args, env, place = { cwd: process.cwd(), home: os.homedir(), packageDir: "" }) {
  const values = parse(args);
  if (values.help) return { show: "help" };
  if (values.version) return { show: "version" };
  requireLoopback(values.host);
  const pairing = readPairing(values);
  const written = values["auth-dir"];
  return {
    options: {
      port: readPort(values.port),
      path: readPath(values.path),
      authDir: expand(written, "--auth-dir", "the directory that keeps the login", place),
      importDirs: importDirs(written, place),
      events: one(values.events, "--events", "ndjson") ? "ndjson" : "human",
      control: one(values.control, "--control", "stdin"),
      webUrl: readWebUrl(env.LOONG_WHATSAPP_WEB_URL),
      timingFile: env.LOONG_TEST_TIMING || null,
      pairing,
      upkeep: readUpkeep(values, place),
    },
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      strict: true,
      allowPositionals: false,
      options: {
        host: { type: "string", default: HOST },
        port: { type: "string", default: DEFAULT_PORT },
        path: { type: "string", default: "/bridge" },
        "auth-dir": { type: "string", default: DEFAULT_AUTH_DIR },
        "pairing-code": { type: "string" },
        "pairing-code-phone": { type: "string" },
        "custom-pairing-code": { type: "string" },
        events: { type: "string" },
        control: { type: "string" },
        backup: { type: "string" },
        restore: { type: "string" },
        help: { type: "boolean", default: false },
        version: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split(". ")[0] ?? "bad flags") : "bad flags");
  }
}

/** @param {string} host */
function requireLoopback(host) {
  if (host === HOST) return;
  throw usage(`--host is ${JSON.stringify(host)}, but the bridge listens on ${HOST} only`, `leave --host out, or say --host ${HOST}`);
}

/** @param {string} text */
function readPort(text) {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port <= 65_535) return port;
  throw usage(`--port is ${JSON.stringify(text)}, which is no port`, "give a number from 0 to 65535; 0 picks a free port");
}

/** @param {string} text */
function readPath(text) {
  const segments = text.split("/").slice(1);
  const good = text.startsWith("/") && segments.every((part) => /^[A-Za-z0-9._~-]+$/.test(part) && !/^\.+$/.test(part));
  if (good) return text;
  throw usage(
    `--path is ${JSON.stringify(text)}, which is no path of an endpoint`,
    "give a path such as /bridge: letters, digits, '.', '_', '~' and '-' between single slashes",
  );
}

/**
 * @param {{ "pairing-code"?: string, "pairing-code-phone"?: string, "custom-pairing-code"?: string }} values
 * @returns {Options["pairing"]}
 */
function readPairing(values) {
  const customCode = values["custom-pairing-code"] ?? null;
  const written = values["pairing-code-phone"] ?? values["pairing-code"];
  if (written === undefined) {
    if (customCode === null) return null;
    throw usage("--custom-pairing-code needs a phone number", "add --pairing-code <phone>");
  }
  const phone = readPhone(written);
  if (customCode !== null && !/^[A-Z0-9]{8}$/.test(customCode)) {
    throw usage("--custom-pairing-code is not made of 8 characters A to Z and 0 to 9", "give exactly 8, capital letters and digits, for example ABCD1234");
  }
  return { phone, customCode };
}

/**
 * @param {string} written
 * @returns {string} digits, country code first
 */
function readPhone(written) {
  try {
    const { kind, user } = parseContact(written);
    if (kind === "phone" && !written.includes("@")) return user;
    throw usage("the phone number of --pairing-code is a JID", PHONE_HINT);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    throw usage(`the phone number of --pairing-code cannot be used: ${error.message}`, PHONE_HINT);
  }
}

/**
 * @param {{ backup?: string, restore?: string }} values
 * @param {{ cwd: string, home: string }} place
 * @returns {Options["upkeep"]}
 */
function readUpkeep({ backup, restore }, place) {
  if (backup !== undefined && restore !== undefined) throw usage("--backup and --restore are both given", "give one of them");
  if (backup !== undefined) return { act: "backup", file: expand(backup, "--backup", "a file that does not exist yet", place) };
  if (restore !== undefined) return { act: "restore", file: expand(restore, "--restore", "the file of a backup", place) };
  return null;
}

/**
 * @param {string} written
 * @param {string} flag
 * @param {string} wanted
 * @param {{ cwd: string, home: string }} place
 */
function expand(written, flag, wanted, { cwd, home }) {
  if (written.trim() === "" || written.includes("\0")) {
    throw usage(`${flag} is empty`, `give ${wanted}`);
  }
  if (written === "~" || written.startsWith("~/")) return path.join(home, written.slice(1));
  if (written.startsWith("~")) {
    throw usage(`${flag} is ${JSON.stringify(written)}: homes of other users are not looked up`, "write the whole path");
  }
  return path.resolve(cwd, written);
}

/**
 * Stock Loong's helper hands `~` over as it is, so its own bridge wrote to a folder called `~`.
 * @param {string} written
 * @param {{ cwd: string, packageDir: string }} place
 */
function importDirs(written, { cwd, packageDir }) {
  if (!written.startsWith("~/")) return [];
  const bases = packageDir === "" ? [cwd] : [cwd, packageDir];
  return [...new Set(bases.map((base) => path.resolve(base, written)))];
}

/**
 * @param {string | undefined} value
 * @param {string} flag
 * @param {string} only the one value there is
 */
function one(value, flag, only) {
  if (value === undefined) return false;
  if (value === only) return true;
  throw usage(`${flag} is ${JSON.stringify(value)}, but only ${only} exists`, `say ${flag} ${only}, or leave it out`);
}

/** @param {string | undefined} text */
function readWebUrl(text) {
  if (text === undefined || text.trim() === "") return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const loopback = url !== null && /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url?.protocol === "ws:" && loopback && url.username === "") return url.href;
  throw new FatalError(
    "web_url_refused",
    "LOONG_WHATSAPP_WEB_URL is not a ws:// address on a loopback interface",
    "unset it: it exists for tests against a local stand-in for WhatsApp",
  );
}

/**
 * @param {string} message
 * @param {string} [hint]
 */
function usage(message, hint = "see --help") {
  return new FatalError("usage", message, hint);
}
