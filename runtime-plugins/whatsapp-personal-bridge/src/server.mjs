// @ts-check
/**
 * The HTTP endpoint on the loopback interface: from a request to the part that answers it, and how
 * the answer is written. What an operation does is not known here.
 */

import { ADMIN_BODY_LIMIT, adminCommand, performAdmin } from "./admin.mjs";
import { readQuery } from "./admin-request.mjs";
import { readRequest, writeAnswer, writeError } from "./contract.mjs";
import { Door } from "./door.mjs";
import { FatalError, RequestError } from "./errors.mjs";
import { wellFormed } from "./inbound.mjs";
import { health, perform } from "./operations.mjs";
import { HOST } from "./options.mjs";
import { find, requireJson, requireMethod } from "./routes.mjs";
import { SendRate } from "./send-rate.mjs";
import { TIMING } from "./timing.mjs";

/**
 * @typedef {import("node:http").IncomingMessage} Request
 * @typedef {import("node:http").ServerResponse} Response
 * @typedef {import("./operations.mjs").Parts & { access: import("./access.mjs").Access, metrics: import("./metrics.mjs").Metrics }} Parts
 * @typedef {{ port: number, url: string, close: (graceMs: number) => Promise<void> }} Server
 * `close`: no new requests; those under way are finished
 */

const BODY_LIMIT = 1024 * 1024;
const SQLITE = /^SQLITE_/;

/**
 * @param {{ port: number, path: string }} where
 * @param {Parts} parts
 * @param {import("./door.mjs").Waits} [timing]
 * @param {{ connections?: number, sends?: SendRate }} [limits] others than the doors' own
 * @returns {Promise<Server>} listening
 * @throws {FatalError} `address_in_use`, `address_unavailable`
 */
export async function listen(where, parts, timing = TIMING, { connections, sends = new SendRate() } = {}) {
  const door = new Door(timing, connections);
  const port = await bind(door.server, where.port);
  const url = `http://${HOST}:${port}${where.path}`;
  parts.page.openAt(url);
  const here = { path: where.path, port, parts, door, sends };
  door.onRequest((request, response) => void answer(request, response, here));
  return {
    port,
    url,
    close: (graceMs) => {
      parts.page.close();
      return door.close(graceMs);
    },
  };
}

/**
 * @param {import("node:http").Server} server
 * @param {number} port
 * @returns {Promise<number>}
 */
function bind(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(bindingError(error, port)));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      server.removeAllListeners("error");
      server.on("error", () => undefined);
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : port);
    });
  });
}

/**
 * @param {Error} error
 * @param {number} port
 */
function bindingError(error, port) {
  const code = "code" in error ? String(error.code) : "unknown";
  if (code === "EADDRINUSE") {
    return new FatalError(
      "address_in_use",
      `port ${port} of ${HOST} is in use, perhaps by another bridge`,
      "stop what uses it, or give this bridge another --port and change bridge_url",
    );
  }
  return new FatalError("address_unavailable", `port ${port} of ${HOST} cannot be bound (${code})`, "give another --port, and change bridge_url");
}

/**
 * @param {Request} request
 * @param {Response} response
 * @param {{ path: string, port: number, parts: Parts, door: Door, sends: SendRate }} here
 */
async function answer(request, response, { path, port, parts, door, sends }) {
  /** @type {import("./contract.mjs").Request | null} */
  let parsed = null;
  const admit = (/** @type {"operation" | "admin"} */ what) => {
    const caller = parts.access.require(what, request.headers.authorization);
    if (caller === "token") door.trust(request.socket);
    return caller;
  };
  try {
    const route = find(request, path, port);
    switch (route.what) {
      case "health": {
        const proof = parts.access.prove(route.nonce);
        return write(response, 200, proof === undefined ? health(parts) : { ...health(parts), proof });
      }
      case "metrics":
        admit("admin");
        requireMethod(request, "GET");
        readQuery(route.query, []);
        return send(response, 200, parts.metrics.contentType, await parts.metrics.text(parts));
      case "admin": {
        admit("admin");
        const found = adminCommand(route.name);
        requireMethod(request, found.command.method);
        const body = found.command.method === "POST" ? await readAdminBody(request, response) : "";
        return write(response, 200, await performAdmin(parts, { ...found, query: route.query, body }));
      }
      case "page":
        requireMethod(request, "GET");
        return parts.page.answer(request, response, route);
      case "operation": {
        requireJson(request);
        const caller = admit("operation");
        parsed = readRequest(await readBody(request, response, BODY_LIMIT));
        sends.take(caller, parsed.operation);
        const gone = new AbortController();
        response.once("close", () => gone.abort());
        write(response, 200, writeAnswer(parsed, await perform(parts, parsed, gone.signal)));
      }
    }
  } catch (thrown) {
    // Half an answer cannot be taken back.
    if (response.headersSent) return void response.destroy();
    const error = presentable(thrown);
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
    // The rest of a body that is not read would be taken for the next request.
    if (!request.complete) response.setHeader("connection", "close");
    const plain = [`${path}/admin/`, `${path}/metrics`].some((one) => request.url?.startsWith(one));
    write(response, error.status, plain ? writeError(error) : writeAnswer(parsed, writeError(error)));
  }
}

/**
 * @param {Request} request
 * @param {Response} response
 */
async function readAdminBody(request, response) {
  const body = await readBody(request, response, ADMIN_BODY_LIMIT);
  if (body !== "") requireJson(request);
  return body;
}

/**
 * @param {Request} request
 * @param {Response} response
 * @param {number} limit in bytes
 * @returns {Promise<string>}
 */
async function readBody(request, response, limit) {
  const tooLarge = () => new RequestError("too_large", `The request is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
  if (request.headers.expect !== undefined) response.writeContinue();
  /** @type {Buffer[]} */
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * @param {unknown} thrown
 * @returns {RequestError}
 */
function presentable(thrown) {
  if (thrown instanceof RequestError) return thrown;
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  if (SQLITE.test(code)) {
    return new RequestError("store_unavailable", `The store did not do it (${code}). Check the disk and its free space, then try again`);
  }
  return new RequestError("internal", "The bridge failed at this request; nothing is known to be wrong with it. Try again, and report it if it stays");
}

/**
 * @param {Response} response
 * @param {number} status
 * @param {unknown} body
 */
function write(response, status, body) {
  // Half a character, as an older store may hold it, would make the whole answer unreadable.
  send(response, status, "application/json", JSON.stringify(body, (_, value) => (typeof value === "string" ? wellFormed(value) : value)));
}

/**
 * @param {Response} response
 * @param {number} status
 * @param {string} type
 * @param {string} body
 */
function send(response, status, type, body) {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), "cache-control": "no-store", "x-content-type-options": "nosniff" });
  response.end(body);
}
