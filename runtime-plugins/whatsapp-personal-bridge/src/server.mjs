// @ts-check
/**
 * The HTTP endpoint on the loopback interface: who may ask, in what form, and how the answer is
 * written. What an operation does is not known here.
 */

import http from "node:http";
import { ADMIN_BODY_LIMIT, adminCommand, performAdmin } from "./admin.mjs";
import { readQuery } from "./admin-request.mjs";
import { readRequest, writeAnswer, writeError } from "./contract.mjs";
import { FatalError, RequestError } from "./errors.mjs";
import { wellFormed } from "./inbound.mjs";
import { health, perform } from "./operations.mjs";
import { HOST } from "./options.mjs";

/**
 * @typedef {import("./operations.mjs").Parts & { access: import("./access.mjs").Access, metrics: import("./metrics.mjs").Metrics }} Parts
 * @typedef {{ what: "health", nonce: string | null } | { what: "operation" } | { what: "metrics", query: string } | { what: "admin" | "page", name: string, query: string }} Route
 * @typedef {{ port: number, url: string, close: (graceMs: number) => Promise<void> }} Server
 * `close`: no new requests; those under way are finished
 */

const BODY_LIMIT = 1024 * 1024;
/** A client that does not get its request out in this time is cut off. */
const REQUEST_MS = 10_000;
/** While the server closes: how often connections without a request are looked for. */
const IDLE_LOOK_MS = 20;
const SQLITE = /^SQLITE_/;

/**
 * @param {{ port: number, path: string }} where
 * @param {Parts} parts
 * @returns {Promise<Server>} listening
 * @throws {FatalError} `address_in_use`, `address_unavailable`
 */
export async function listen(where, parts) {
  const server = http.createServer({ connectionsCheckingInterval: 1_000, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS });
  const port = await bind(server, where.port);
  const url = `http://${HOST}:${port}${where.path}`;
  parts.page.openAt(url);
  server.on("request", (request, response) => {
    void answer(request, response, where.path, port, parts);
  });
  return {
    port,
    url,
    close: (graceMs) => {
      parts.page.close();
      return shutDown(server, graceMs);
    },
  };
}

/**
 * @param {http.Server} server
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
 * @param {http.Server} server
 * @param {number} graceMs
 * @returns {Promise<void>}
 */
async function shutDown(server, graceMs) {
  const closed = new Promise((resolve) => server.close(() => resolve(undefined)));
  // A client keeps its connection for a next request, which will not be answered here.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  server.closeIdleConnections();
  await closed;
  clearInterval(idle);
  clearTimeout(timer);
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {string} path
 * @param {number} port
 * @param {Parts} parts
 */
async function answer(request, response, path, port, parts) {
  /** @type {import("./contract.mjs").Request | null} */
  let parsed = null;
  try {
    const route = find(request, path, port);
    switch (route.what) {
      case "health": {
        const proof = parts.access.prove(route.nonce);
        return write(response, 200, proof === undefined ? health(parts) : { ...health(parts), proof });
      }
      case "metrics":
        parts.access.require("admin", request.headers.authorization);
        requireMethod(request, "GET");
        readQuery(route.query, []);
        return send(response, 200, parts.metrics.contentType, await parts.metrics.text(parts));
      case "admin": {
        parts.access.require("admin", request.headers.authorization);
        const found = adminCommand(route.name);
        requireMethod(request, found.command.method);
        const body = found.command.method === "POST" ? await readAdminBody(request) : "";
        return write(response, 200, await performAdmin(parts, { ...found, query: route.query, body }));
      }
      case "page":
        requireMethod(request, "GET");
        return parts.page.answer(request, response, route);
      case "operation":
        requireJson(request);
        parts.access.require("operation", request.headers.authorization);
    }
    parsed = readRequest(await readBody(request, BODY_LIMIT));
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    write(response, 200, writeAnswer(parsed, await perform(parts, parsed, gone.signal)));
  } catch (thrown) {
    const error = presentable(thrown);
    if (error instanceof MethodError) response.setHeader("allow", error.allowed);
    if (error.code === "unauthorized") response.setHeader("www-authenticate", "Bearer");
    // The rest of a body that is not read would be taken for the next request.
    if (!request.complete) response.setHeader("connection", "close");
    const plain = [`${path}/admin/`, `${path}/metrics`].some((one) => request.url?.startsWith(one));
    write(response, error.status, plain ? writeError(error) : writeAnswer(parsed, writeError(error)));
  }
}

class MethodError extends RequestError {
  /** @param {string} allowed */
  constructor(allowed) {
    super("method_not_allowed", `Only ${allowed} is answered here`);
    this.allowed = allowed;
  }
}

/**
 * @param {http.IncomingMessage} request
 * @param {string} path
 * @param {number} port
 * @returns {Route}
 */
function find(request, path, port) {
  // A page in a browser can reach loopback under a name of its own; both headers give it away.
  const host = (request.headers.host ?? "").toLowerCase();
  if (![`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host)) {
    throw new RequestError("forbidden_origin", `The Host header must name this bridge: ${HOST}:${port}`);
  }
  if (request.headers.origin !== undefined) {
    throw new RequestError("forbidden_origin", "Requests with an Origin header come from a browser, and browsers may not ask the bridge");
  }
  const [asked = "", query = ""] = (request.url ?? "").split("?", 2);
  if (asked === `${path}/health`) {
    requireMethod(request, "GET");
    return { what: "health", nonce: new URLSearchParams(query).get("nonce") };
  }
  if (asked === path) {
    requireMethod(request, "POST");
    return { what: "operation" };
  }
  if (asked === `${path}/metrics`) return { what: "metrics", query };
  if (asked.startsWith(`${path}/admin/`)) return { what: "admin", name: asked.slice(`${path}/admin/`.length), query };
  if (asked === `${path}/pair`) return { what: "page", name: "", query };
  if (asked.startsWith(`${path}/pair/`)) return { what: "page", name: asked.slice(`${path}/pair/`.length), query };
  throw new RequestError("not_found", `There is nothing here. The endpoint is ${path}: check the path of bridge_url`);
}

/**
 * @param {http.IncomingMessage} request
 * @param {string} method
 */
function requireMethod(request, method) {
  if (request.method !== method) throw new MethodError(method);
}

/** @param {http.IncomingMessage} request */
function requireJson(request) {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  // What a browser sends across origins without asking first is never application/json.
  if (type !== "application/json") throw new RequestError("unsupported_media_type", "The content type must be application/json");
}

/** @param {http.IncomingMessage} request */
async function readAdminBody(request) {
  const body = await readBody(request, ADMIN_BODY_LIMIT);
  if (body !== "") requireJson(request);
  return body;
}

/**
 * @param {http.IncomingMessage} request
 * @param {number} limit in bytes
 * @returns {Promise<string>}
 */
async function readBody(request, limit) {
  const tooLarge = () => new RequestError("too_large", `The request is larger than ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
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
 * @param {http.ServerResponse} response
 * @param {number} status
 * @param {unknown} body
 */
function write(response, status, body) {
  // Half a character, as an older store may hold it, would make the whole answer unreadable.
  send(response, status, "application/json", JSON.stringify(body, (_, value) => (typeof value === "string" ? wellFormed(value) : value)));
}

/**
 * @param {http.ServerResponse} response
 * @param {number} status
 * @param {string} type
 * @param {string} body
 */
function send(response, status, type, body) {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" });
  response.end(body);
}
