// @ts-check
/**
 * What a program that opens connections and asks for nothing costs those that ask: a real bridge
 * process, a flood from a process of its own, and `bridge_status` with the token on new connections meanwhile.
 * `node bench/flood.mjs [connections] [questions]` prints how long the answers took, without the flood and with it.
 */

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { writeNow } from "../src/silence.mjs";

const [, , connections = "2000", questions = "200", floods = ""] = process.argv;
const TOKEN = "0123456789abcdef".repeat(4);
const STDOUT = 1;

if (floods === "") await measure();
else flood(Number(floods), Number(connections));

/**
 * Keeps so many connections open, each opened anew when it is closed.
 * @param {number} port
 * @param {number} wanted
 */
function flood(port, wanted) {
  let opened = 0;
  const open = () => {
    const socket = net.connect(port, "127.0.0.1", () => {
      opened += 1;
      if (opened === wanted) process.send?.("stands");
    });
    socket.on("error", () => undefined);
    socket.once("close", () => setImmediate(open));
  };
  for (let number = 0; number < wanted; number += 1) open();
  process.on("message", () => {
    process.send?.({ opened });
    process.disconnect();
    process.exit();
  });
}

async function measure() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "flood-"));
  const bridge = spawn(process.execPath, [fileURLToPath(new URL("../bridge.mjs", import.meta.url)), "--port", "0", "--auth-dir", path.join(dir, "auth"), "--events", "ndjson", "--control", "stdin"], {
    env: { ...process.env, LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/ws/chat" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const file = path.join(dir, "token");
    fs.writeFileSync(file, TOKEN, { mode: 0o600 });
    bridge.stdin.write(`${JSON.stringify({ command: "start", settings: {}, token_file: file })}\n`);
    const port = await listening(bridge.stdout);
    print("without a flood", await ask(port));
    const attacker = fork(fileURLToPath(import.meta.url), [connections, "0", String(port)]);
    await once(attacker, "message");
    const began = performance.now();
    const took = await ask(port);
    const seconds = (performance.now() - began) / 1_000;
    attacker.send("enough");
    const [{ opened }] = await once(attacker, "message");
    print(`with ${connections} connections that ask for nothing`, took);
    writeNow(STDOUT, `the flood opened ${opened} connections in all, the questions took ${seconds.toFixed(1)} s\n`);
  } finally {
    bridge.kill("SIGKILL");
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** @param {NodeJS.ReadableStream} output */
async function listening(output) {
  for await (const line of readline.createInterface({ input: output })) {
    const event = JSON.parse(line);
    if (event.event === "listening") return Number(new URL(event.url).port);
  }
  throw new Error("the bridge did not start");
}

/**
 * @param {number} port
 * @returns {Promise<number[]>} how long each answer took, in milliseconds; infinite where none came
 */
async function ask(port) {
  const body = JSON.stringify({ method: "tools/call", id: "1", operation: "bridge_status", payload: {} });
  const took = [];
  for (let number = 0; number < Number(questions); number += 1) {
    const began = performance.now();
    const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
    const request = http.request({ host: "127.0.0.1", port, path: "/bridge", method: "POST", agent: false, headers, timeout: 15_000 });
    request.once("timeout", () => request.destroy(new Error("timeout")));
    const status = await new Promise((resolve) => {
      request.once("error", () => resolve(0));
      request.once("response", (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode));
      });
      request.end(body);
    });
    took.push(status === 200 ? performance.now() - began : Infinity);
  }
  return took;
}

/**
 * @param {string} name
 * @param {number[]} took
 */
function print(name, took) {
  const sorted = took.filter(Number.isFinite).sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1) ?? "-";
  writeNow(STDOUT, `${name}: ${sorted.length} of ${took.length} answered; median ${at(0.5)} ms, 99 % ${at(0.99)} ms, slowest ${at(1)} ms\n`);
}
