// @ts-check
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ask, BEARER, dial, serving, stock, TOKEN, WITH_TOKEN } from "./support/endpoint.mjs";

/** One bridge hears all of it: what one caller sends must not harm the next. */
const { server } = await serving(/** @type {any} */ ({ after }), {}, WITH_TOKEN);

/** @typedef {(host: string) => string} Bytes of a request, one character each; `host`: a good Host header */

/** @param {string} more headers @param {string} [body] */
const post = (more, body = "") => (/** @type {string} */ host) =>
  `POST /bridge HTTP/1.1\r\n${host}Content-Type: application/json\r\nAuthorization: ${BEARER.authorization}\r\n${more}\r\n${body}`;
/** @param {string} line @param {string} [more] headers */
const get = (line, more = "") => (/** @type {string} */ host) => `${line}\r\n${host}${more}Connection: close\r\n\r\n`;

const BODY = stock("complete_batch");
const LENGTH = `Content-Length: ${Buffer.byteLength(BODY)}\r\n`;
const CHUNK = `${Buffer.byteLength(BODY).toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
const CHUNKED = "Transfer-Encoding: chunked\r\n";

/** @type {[string, number | null, string, Bytes][]} null: closed without a word */
const UNREADABLE = [
  ["another protocol", 400, "bad_request", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["bytes that are nothing", 400, "bad_request", () => "\0\0\0\0\xff\xfe"],
  ["HTTP/0.9", 400, "bad_request", () => "GET /bridge/health\r\n\r\n"],
  ["HTTP/2", 400, "bad_request", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["a head that says it is HTTP/2.0", 400, "bad_request", get("GET /bridge/health HTTP/2.0")],
  ["a version that does not exist", 400, "bad_request", get("GET /bridge/health HTTP/1.9")],
  ["a method that does not exist", 400, "bad_request", get("FROB /bridge/health HTTP/1.1")],
  ["lines that end by half", 400, "bad_request", (host) => `GET /bridge/health HTTP/1.1\n${host}\n`],
  ["CONNECT", null, "", get("CONNECT 127.0.0.1:22 HTTP/1.1")],
  ["an absolute address", 404, "not_found", get("GET http://127.0.0.1/bridge/health HTTP/1.1")],
  ["an asterisk", 404, "not_found", get("OPTIONS * HTTP/1.1")],
  ["dots that lead to us", 404, "not_found", get("GET /other/../bridge/health HTTP/1.1")],
  ["an encoded path that leads to us", 404, "not_found", get("GET /%62ridge/health HTTP/1.1")],
  ["a NUL that is encoded", 404, "not_found", get("GET /bridge/health%00 HTTP/1.1")],
  ["a double slash", 404, "not_found", get("GET //bridge/health HTTP/1.1")],
  ["a backslash", 404, "not_found", get("GET /bridge\\health HTTP/1.1")],
  ["a path with a NUL", 400, "bad_request", get("GET /bridge/hea\0lth HTTP/1.1")],
  ["a path with an escape", 400, "bad_request", get("GET /bridge/\x1b[2J HTTP/1.1")],
  ["a path with bytes of no alphabet", 400, "bad_request", get("GET /bridge/\xff HTTP/1.1")],
  ["a header with a NUL", 400, "bad_request", get("GET /bridge/health HTTP/1.1", "X: a\0b\r\n")],
  ["a header with a bare carriage return", 400, "bad_request", get("GET /bridge/health HTTP/1.1", "X: a\rHost: evil\r\n")],
  ["a header that is folded", 400, "bad_request", get("GET /bridge/health HTTP/1.1", "X: a\r\n b\r\n")],
  ["a header with a space before its colon", 400, "bad_request", get("GET /bridge/health HTTP/1.1", "Content-Length : 0\r\n")],
  ["no Host", 403, "forbidden_origin", () => "GET /bridge/health HTTP/1.1\r\nConnection: close\r\n\r\n"],
  ["Host twice", 400, "bad_request", get("GET /bridge/health HTTP/1.1", "Host: evil.example\r\n")],
  ["Host twice, the foreign one first", 400, "bad_request", (host) => `GET /bridge/health HTTP/1.1\r\nHost: evil.example\r\n${host}Connection: close\r\n\r\n`],
  ["Authorization twice", 400, "bad_request", post(`Authorization: Bearer x\r\nConnection: close\r\n${LENGTH}`, BODY)],
  ["Content-Type twice", 400, "bad_request", post(`Content-Type: text/plain\r\nConnection: close\r\n${LENGTH}`, BODY)],
  ["Content-Length twice", 400, "bad_request", post(`${LENGTH}Content-Length: 1\r\n`, BODY)],
  ["Content-Length twice, the same", 400, "bad_request", post(`${LENGTH}${LENGTH}`, BODY)],
  ["a list of lengths", 400, "bad_request", post("Content-Length: 1, 1\r\n", "{")],
  ["a negative length", 400, "bad_request", post("Content-Length: -1\r\n")],
  ["a length with a sign", 400, "bad_request", post("Content-Length: +1\r\n", "{")],
  ["a length beyond all numbers", 400, "bad_request", post(`Content-Length: ${"9".repeat(30)}\r\n`)],
  ["chunks and a length", 400, "bad_request", post(`${CHUNKED}${LENGTH}`, CHUNK)],
  ["a length and chunks", 400, "bad_request", post(`${LENGTH}${CHUNKED}`, CHUNK)],
  ["chunks twice", 400, "bad_request", post("Transfer-Encoding: chunked, chunked\r\n", CHUNK)],
  ["chunks, then the identity", 400, "bad_request", post(`${CHUNKED}Transfer-Encoding: identity\r\n`, CHUNK)],
  ["the identity alone", 400, "bad_request", post("Transfer-Encoding: identity\r\n", CHUNK)],
  ["an encoding that only looks like chunks", 400, "bad_request", post("Transfer-Encoding: xchunked\r\n", CHUNK)],
  ["zipped chunks", 400, "bad_request", post("Transfer-Encoding: gzip, chunked\r\n", CHUNK)],
  ["chunks in HTTP/1.0", 400, "bad_request", (host) => post(CHUNKED, CHUNK)(host).replace("HTTP/1.1", "HTTP/1.0")],
  ["a chunk whose size is no number", 400, "bad_request", post(CHUNKED, "zz\r\n")],
  ["a chunk whose size has a sign", 400, "bad_request", post(CHUNKED, `+${CHUNK}`)],
  ["a chunk whose lines end by half", 400, "bad_request", post(CHUNKED, "1\n \n0\n\n")],
  ["a chunk with an endless extension", 413, "too_large", post(CHUNKED, `1;${"a".repeat(20_000)}\r\n`)],
  ["an endless trailer", 431, "too_large", post(CHUNKED, `0\r\nX: ${"a".repeat(20_000)}\r\n\r\n`)],
  ["a GET with a body", 400, "bad_request", (host) => `GET /bridge/health HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`],
  ["an expectation that nobody has", 400, "bad_request", post(`Expect: a-pony\r\nConnection: close\r\n${LENGTH}`, BODY)],
  ["one header that is too large", 431, "too_large", get("GET /bridge/health HTTP/1.1", `X: ${"a".repeat(17_000)}\r\n`)],
  ["a path that is too long", 431, "too_large", get(`GET /bridge/health?nonce=${"a".repeat(17_000)} HTTP/1.1`)],
  ["too many headers", 431, "too_large", get("GET /bridge/health HTTP/1.1", "X: a\r\n".repeat(63))],
  ["more headers than Node counts", 431, "too_large", get("GET /bridge/health HTTP/1.1", "a:\r\n".repeat(3_000))],
];

for (const [name, status, code, bytes] of UNREADABLE) {
  test(`refused: ${name}`, async (t) => {
      const caller = dial(t, server.port);
    caller.say(bytes(`Host: 127.0.0.1:${server.port}\r\n`));
    const { text } = await caller.closed();
    if (status === null) assert.equal(text, "");
    else {
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
      const answers = text.split("\r\n\r\n");
      assert.equal(answers.length, 2, `one answer, and nothing behind it: ${text}`);
      const { method, payload } = JSON.parse(answers[1] ?? "");
      assert.deepEqual([method, payload.code, typeof payload.retryable], ["tools/call", code, "boolean"]);
      assert.match(payload.error, /\w{3}/);
    }
    assert.equal((await ask(server.port, { method: "GET", path: "/bridge/health" })).status, 200, "and others are served");
  });
}

test("what is just within the limits is answered", async (t) => {
  for (const bytes of [
    get("GET /bridge/health HTTP/1.1", `X: ${"a".repeat(16_000)}\r\n`),
    get("GET /bridge/health HTTP/1.1", "X: a\r\n".repeat(62)),
    get("GET /bridge/health HTTP/1.0"),
    get("GET /bridge/health HTTP/1.1", "Content-Length: 0\r\n"),
    get("GET /bridge/health HTTP/1.1", "Upgrade: websocket\r\n"),
    post(`Connection: close\r\n${LENGTH}`, BODY),
    post(`Connection: close\r\n${CHUNKED}`, CHUNK),
  ]) {
    const caller = dial(t, server.port);
    caller.say(bytes(`Host: 127.0.0.1:${server.port}\r\n`));
    assert.match((await caller.closed()).text, /^HTTP\/1\.1 200 [^]*"ok":true/);
  }
});

test("a caller that asks before it sends its body is told to go on only when the body will be read", async (t) => {
  const host = `Host: 127.0.0.1:${server.port}\r\n`;
  const welcome = dial(t, server.port);
  welcome.say(post(`Expect: 100-continue\r\nConnection: close\r\n${LENGTH}`)(host));
  assert.equal(await welcome.hears(/\r\n\r\n/), "HTTP/1.1 100 Continue\r\n\r\n");
  welcome.say(BODY);
  assert.match((await welcome.closed()).text, /HTTP\/1\.1 200 [^]*"ok":true/);
  for (const [status, bytes] of /** @type {[number, Bytes][]} */ ([
    [401, (good) => post(`Expect: 100-continue\r\n${LENGTH}`)(good).replace(TOKEN, "0".repeat(64))],
    [413, post("Expect: 100-continue\r\nContent-Length: 1048577\r\n")],
    [415, (good) => post(`Expect: 100-continue\r\n${LENGTH}`)(good).replace("application/json", "text/plain")],
  ])) {
    const refused = dial(t, server.port);
    refused.say(bytes(host));
    assert.match((await refused.closed()).text, new RegExp(`^HTTP/1\\.1 ${status} `));
  }
});

test("who hangs up in the middle harms nobody", async (t) => {
  const host = `Host: 127.0.0.1:${server.port}\r\n`;
  for (const bytes of ["G", `GET /bridge/health HTTP/1.1\r\n${host}`, post(LENGTH, BODY.slice(0, 9))(host), post(LENGTH, BODY)(host), post(CHUNKED, "ff\r\n{")(host)]) {
    for (const end of /** @type {const} */ (["end", "destroy", "resetAndDestroy"])) {
      const caller = dial(t, server.port);
      caller.socket.write(bytes, () => caller.socket[end]());
      await caller.closed();
      assert.equal((await ask(server.port, { method: "GET", path: "/bridge/health" })).status, 200);
    }
  }
});
