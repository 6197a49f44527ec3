// @ts-check
/**
 * What the head of a request says: whether it is one that may be read at all, and for which part
 * of the bridge it is. Nothing of a body, and nothing of the token.
 */

import { RequestError } from "./errors.mjs";
import { HOST } from "./options.mjs";

/**
 * @typedef {import("node:http").IncomingMessage} Request
 * @typedef {{ what: "health", nonce: string | null } | { what: "operation" } | { what: "metrics", query: string } | { what: "admin" | "page", name: string, query: string }} Route
 */

/** A browser sends some 20. */
const MOST_HEADERS = 64;
/** Of two of them, readers would believe different ones. */
const ONCE = ["host", "authorization", "content-type", "content-length", "transfer-encoding", "origin", "expect"];
const VERSIONS = ["1.1", "1.0"];

/**
 * @param {Request} request
 * @param {string} path of the endpoint
 * @param {number} port
 * @returns {Route}
 * @throws {RequestError} which never says what the path is: it may be a secret
 */
export function find(request, path, port) {
  requireReadable(request);
  requireOurHost(request, port);
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
  throw new RequestError("not_found", "There is nothing here: check the path of bridge_url");
}

/**
 * @param {Request} request
 * @param {string} method
 */
export function requireMethod(request, method) {
  if (request.method !== method) throw new RequestError("method_not_allowed", `Only ${method} is answered here`, { headers: { allow: method } });
}

/** @param {Request} request */
export function requireJson(request) {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  // What a browser sends across origins without asking first is never application/json.
  if (type !== "application/json") throw new RequestError("unsupported_media_type", "The content type must be application/json");
}

/**
 * What Node's parser lets pass, and no caller of ours sends.
 * @param {Request} request
 */
function requireReadable({ method, httpVersion, rawHeaders, headers, headersDistinct }) {
  if (!VERSIONS.includes(httpVersion)) throw bad("the version of HTTP", "1.1");
  if (rawHeaders.length / 2 > MOST_HEADERS) throw new RequestError("too_large", `The request has more than ${MOST_HEADERS} headers`, { status: 431 });
  const twice = ONCE.find((name) => (headersDistinct[name]?.length ?? 0) > 1);
  if (twice !== undefined) throw bad(`the header ${twice}`, "given once");
  const { "transfer-encoding": coding, "content-length": length, expect } = headers;
  if (coding !== undefined && (coding.toLowerCase() !== "chunked" || httpVersion === "1.0")) throw bad("the transfer encoding", "chunked, or left out");
  if (method === "GET" && (coding !== undefined || Number(length ?? 0) > 0)) throw bad("the body of a GET", "empty");
  if (expect !== undefined && expect.toLowerCase() !== "100-continue") throw bad("what is expected", "100-continue, or left out");
}

/**
 * A page in a browser can reach loopback under a name of its own; both headers give it away.
 * @param {Request} request
 * @param {number} port
 */
function requireOurHost({ headers }, port) {
  const host = (headers.host ?? "").toLowerCase();
  if (![`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host)) {
    throw new RequestError("forbidden_origin", `The Host header must name this bridge: ${HOST}:${port}`);
  }
  if (headers.origin !== undefined) {
    throw new RequestError("forbidden_origin", "Requests with an Origin header come from a browser, and browsers may not ask the bridge");
  }
}

/**
 * @param {string} what
 * @param {string} wanted
 */
function bad(what, wanted) {
  return new RequestError("bad_request", `The request cannot be read: ${what} must be ${wanted}`);
}
