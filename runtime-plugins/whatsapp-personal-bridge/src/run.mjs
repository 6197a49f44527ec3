// @ts-check
/**
 * The life of the process, in order: flags, silence, parent, store, endpoint, WhatsApp; and the
 * same backwards. Nothing here knows what a message is.
 */

import fs from "node:fs";
import os from "node:os";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { Access } from "./access.mjs";
import { AllowedChats } from "./allowed-chats.mjs";
import { awaitLock, prepareAuthDir } from "./auth-dir.mjs";
import { listenToParent } from "./control.mjs";
import { FatalError, safeName } from "./errors.mjs";
import { createEmitter } from "./events.mjs";
import { Fence } from "./fence.mjs";
import { keepHouse } from "./housekeeping.mjs";
import { Inbox } from "./inbox.mjs";
import { Metrics } from "./metrics.mjs";
import { HELP, readCommandLine } from "./options.mjs";
import { Outbox } from "./outbox.mjs";
import { PairPage } from "./pair-page/pair-page.mjs";
import { Pause } from "./pause.mjs";
import { People } from "./people.mjs";
import { listen } from "./server.mjs";
import { DEFAULT_SETTINGS } from "./settings.mjs";
import { catchUncaught, silence, writeNow } from "./silence.mjs";
import { openStore } from "./store/store.mjs";
import { readTiming } from "./timing.mjs";
import { keepWarnings } from "./warnings.mjs";

/** @typedef {import("./events.mjs").Emit} Emit */

const PACKAGE_DIR = fileURLToPath(new URL("..", import.meta.url));
const STDOUT = 1;
/** What is under way when the process is asked to stop may take this long. */
const GRACE_MS = 8_000;

/**
 * Runs the bridge until it is stopped. Ends the process by itself.
 * @param {string[]} args
 */
export async function run(args) {
  silence();
  // A person who mistypes a flag gets words, a program that asked for events gets an event.
  let emit = createEmitter(args.includes("ndjson") || args.includes("--events=ndjson") ? "ndjson" : "human");
  /** @type {(error: unknown) => never} */
  const die = (error) => exitWith(emit, error);
  try {
    const { version } = JSON.parse(fs.readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    const line = readCommandLine(args, process.env, { cwd: process.cwd(), home: os.homedir(), packageDir: PACKAGE_DIR });
    if ("show" in line) {
      writeNow(STDOUT, line.show === "help" ? HELP : `${version}\n`);
      process.exit(0);
    }
    const kept = keepWarnings(createEmitter(line.options.events));
    emit = kept.emit;
    if (line.options.upkeep) {
      const { maintain } = await import("./upkeep.mjs");
      maintain(line.options.authDir, line.options.upkeep, emit);
      process.exit(0);
    }
    await live(line.options, version, kept, die);
  } catch (error) {
    die(error);
  }
}

/**
 * @param {import("./options.mjs").Options} options
 * @param {string} version
 * @param {import("./warnings.mjs").Kept} kept
 * @param {(error: unknown) => never} die
 */
async function live(options, version, { emit: say, warnings }, die) {
  const metrics = new Metrics(version);
  const emit = metrics.hearing(say);
  /** @type {import("./session.mjs").Session | null} */
  let session = null;
  catchUncaught({
    crash: (name) => die(named(name)),
    stray: (name) => {
      // A store that takes nothing more is not the connection's fault, and stays.
      if (isStore(name)) die(named(name));
      // The late words of a connection that has ended say nothing about the one that stands.
      if (session?.leftBehind()) return;
      emit("warning", { code: "stray_failure", message: `A library failed unheard (${name}); the connection is made anew.` });
      session?.recycle("stray_failure");
    },
  });

  const control = options.control ? listenToParent(process.stdin, (code, message) => emit("warning", { code, message })) : null;
  // Never against the real WhatsApp, which must not see a bridge that does not wait.
  const timing = readTiming(options.webUrl === null ? null : options.timingFile);
  const settings = control ? await control.started : DEFAULT_SETTINGS;
  if (settings === null) return finish(emit);
  const access = new Access(settings);
  if (settings.token === null && settings.bridgeAuth === "token") {
    emit("warning", { code: "open_bridge", message: "This bridge has no token: every program on this machine can read and send messages through it. Start it with `loong whatsapp-personal bridge run`, or say bridge_auth = \"none\"." });
  }
  if (options.webUrl !== null) {
    emit("warning", { code: "web_url_replaced", message: `LOONG_WHATSAPP_WEB_URL is set: this bridge talks to ${options.webUrl}, not to WhatsApp.` });
  }

  prepareAuthDir(options.authDir);
  const unlock = await awaitLock(options.authDir, () => emit("warning", { code: "bridge_ending", message: "An earlier bridge of this auth dir is still ending; waiting for it." }));
  process.on("exit", unlock);
  const store = openStore(options.authDir);
  const pause = new Pause(store, emit);
  pause.tell();

  // From here on Baileys is loaded, and with it what must not be heard.
  const { importLogin } = await import("./import-login.mjs");
  const imported = importLogin(store, [options.authDir, ...options.importDirs]);
  if (imported) {
    emit("imported", { from: imported.from });
    if (imported.skipped > 0) emit("warning", { code: "keys_skipped", message: `${imported.skipped} key files of the older login could not be read and were left out.` });
  }

  const { Session } = await import("./session.mjs");
  const people = new People(store);
  const allowed = new AllowedChats({ store, people, emit }, settings);
  const fence = new Fence({ store, allowed, emit }, settings, timing);
  const inbox = new Inbox({ store, people, allowed, emit, timing, pause }, settings);
  const outbox = new Outbox({ store, emit, fence, pause }, timing);
  pause.onChange(() => {
    inbox.pauseChanged();
    if (!pause.active) outbox.resume().catch(die);
  });
  const endHousekeeping = keepHouse((now) => {
    store.inbox.forgetOld(now);
    store.outbox.forgetOld(now, settings.keepOutboundTextMs);
    store.journal.forgetOld(now);
  }, emit);
  const { webUrl, pairing } = options;
  const page = new PairPage(settings.token);
  session = new Session({ store, people, inbox, outbox, pause, emit: page.watching(emit), die, webUrl, version, settings, pairing }, timing);
  outbox.use(session);
  const server = await listen(options, { version, startedAt: Date.now(), store, people, allowed, fence, inbox, outbox, pause, emit, session, access, warnings, metrics, page }, timing);

  /** @type {Promise<void> | null} */
  let stopping = null;
  const stop = () => {
    stopping ??= (async () => {
      inbox.close();
      // Requests first: a send that is under way still has its connection.
      await server.close(GRACE_MS);
      await session?.stop();
      outbox.close();
      endHousekeeping();
      store.close();
      finish(emit);
    })().catch(die);
  };
  control?.onStop(stop);
  control?.onResume(() => session?.resume());
  process.on("SIGTERM", stop);
  // A terminal that is closed must not cut off what is under way.
  process.on("SIGHUP", stop);
  // Parents pass signals on besides the terminal, so only a second Ctrl-C means impatience.
  process.once("SIGINT", () => {
    process.on("SIGINT", () => process.exit(130));
    stop();
  });
  if (!control && process.stdin.isTTY) readline.createInterface({ input: process.stdin }).on("line", () => session?.resume());
  // Said last: whoever hears it may send a signal at once.
  emit("listening", { url: server.url, pid: process.pid });
  session.start();
}

/** @param {Emit} emit */
function finish(emit) {
  emit("stopped");
  process.exit(0);
}

/**
 * @param {Emit} emit
 * @param {unknown} error
 * @returns {never}
 */
function exitWith(emit, error) {
  const fatal = error instanceof FatalError ? error : unexpected(error);
  emit("fatal", { code: fatal.code, message: fatal.message, hint: fatal.hint });
  process.exit(fatal.exitCode);
}

/** @param {unknown} error */
function unexpected(error) {
  return named(safeName(error));
}

/** @param {string} name of a stranger's error */
function named(name) {
  return isStore(name)
    ? new FatalError("store_failed", `the store could not be read or written (${name})`, "check the disk and its free space, then start again: nothing that was acknowledged is lost")
    : new FatalError("internal", `the bridge failed unexpectedly (${name})`, "start it again; report it if it stays");
}

/** @param {string} name */
function isStore(name) {
  return name.includes("SQLITE_");
}
