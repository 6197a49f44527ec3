// @ts-check
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import os from "node:os";
import { test } from "node:test";
import { Door, isLoopback } from "../src/door.mjs";
import { TIMING } from "../src/timing.mjs";
import { ask, BEARER, dial, inTime, serving, stock, WITH_TOKEN } from "./support/endpoint.mjs";

/**
 * A door alone, with nothing but `listener` behind it.
 * @param {import("node:test").TestContext} t
 * @param {import("node:http").RequestListener} listener
 * @param {{ waits?: Partial<import("../src/door.mjs").Waits>, host?: string, connections?: number }} [options]
 */
async function opened(t, listener, { waits, host = "127.0.0.1", connections } = {}) {
  const door = new Door({ ...TIMING, ...waits }, connections);
  door.onRequest(listener);
  door.server.listen(0, host);
  await once(door.server, "listening");
  t.after(() => door.close(0));
  return { door, port: /** @type {net.AddressInfo} */ (door.server.address()).port };
}

/**
 * @param {import("node:http").IncomingMessage} _request
 * @param {import("node:http").ServerResponse} response
 */
const greets = (_request, response) => void response.end("hello");
const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/** @param {number} port */
const head = (port, path = "/bridge/health", method = "GET") => `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
/** @param {number} port */
const post = (port, more = "") => `${head(port, "/bridge", "POST")}Content-Type: application/json\r\nAuthorization: ${BEARER.authorization}\r\n${more}`;
const health = (/** @type {number} */ port) => ask(port, { method: "GET", path: "/bridge/health" });

test("addresses of this machine's loopback are told from all others", () => {
  for (const address of ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"]) assert.ok(isLoopback(address), address);
  for (const address of ["10.0.0.1", "192.0.2.1", "128.0.0.1", "0.0.0.0", "::", "fe80::1", "::ffff:192.0.2.1", "2001:db8::1", "localhost", "", undefined]) {
    assert.ok(!isLoopback(address), String(address));
  }
});

test("whoever comes from another address is cut off, whatever the bridge listens on", async (t) => {
  const outer = Object.values(os.networkInterfaces()).flat().find((each) => each && !each.internal && each.family === "IPv4")?.address;
  if (outer === undefined) return t.skip("this machine has no address but loopback");
  let asked = 0;
  const { port } = await opened(t, (request, response) => {
    asked += 1;
    greets(request, response);
  }, { host: "0.0.0.0" });
  const stranger = net.connect({ host: outer, port, localAddress: outer });
  stranger.on("error", () => undefined);
  let heard = "";
  stranger.on("data", (data) => (heard += data));
  stranger.write(GET);
  await inTime(new Promise((resolve) => stranger.once("close", resolve)), () => "the stranger was not cut off");
  assert.deepEqual([heard, asked], ["", 0]);
  const neighbour = dial(t, port);
  neighbour.say(GET);
  await neighbour.hears(/hello/);
});

for (const [name, begin, more] of /** @type {[string, (port: number) => string, string][]} */ ([
  ["nothing", () => "", ""],
  ["half a line", () => "GET /bridge/he", ""],
  ["a line of an age without headers", () => "GET /\r\n", ""],
  ["a head without an end", (port) => head(port), "X: a\r\n"],
  ["a body without an end", (port) => `${post(port)}Content-Length: 1000\r\n\r\n`, " "],
  ["chunks without an end", (port) => `${post(port)}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n"],
])) {
  test(`who sends ${name}, drop by drop, is cut off in time, and others are served meanwhile`, async (t) => {
    const { server } = await serving(t, {}, WITH_TOKEN, { waits: { requestMs: 300 } });
    const slow = dial(t, server.port);
    slow.say(begin(server.port));
    const drops = setInterval(() => slow.say(more), 20);
    t.after(() => clearInterval(drops));
    assert.equal((await health(server.port)).status, 200);
    const { text, ms } = await slow.closed();
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.match(text, /"code":"timeout","retryable":true/);
    assert.ok(ms < 3_000, `after ${ms} ms`);
    assert.equal((await health(server.port)).status, 200);
  });
}

test("without the token no body is waited for", async (t) => {
  const { server } = await serving(t, {}, WITH_TOKEN);
  const stranger = dial(t, server.port);
  stranger.say(`${head(server.port, "/bridge", "POST")}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`);
  assert.match((await stranger.closed()).text, /^HTTP\/1\.1 401 /);
});

for (const [name, read] of /** @type {[string, (socket: net.Socket) => void][]} */ ([
  ["never", () => undefined],
  ["drop by drop", (socket) => void socket.read(1)],
])) {
  test(`who takes the answer ${name} is cut off in time, and others are served meanwhile`, async (t) => {
    const answer = Buffer.alloc(32 * 1024 * 1024, 32);
    /** @type {(value: unknown) => void} */
    let tell = () => undefined;
    const given = new Promise((resolve) => (tell = resolve));
    const { port } = await opened(t, ({ url }, response) => {
      if (url === "/") return void response.end("hello");
      response.once("close", tell);
      response.end(answer);
    }, { waits: { answerMs: 300 } });
    const slow = net.connect({ port, host: "127.0.0.1" });
    t.after(() => slow.destroy());
    slow.on("error", () => undefined);
    slow.pause();
    slow.write(GET.replace("/", "/large"));
    const drops = setInterval(() => read(slow), 20);
    t.after(() => clearInterval(drops));
    const other = dial(t, port);
    other.say(GET);
    await other.hears(/hello/);
    await inTime(given, () => "the answer was kept for ever");
    clearInterval(drops);
    // What is in the machine's buffers still comes, and then the end.
    let length = 0;
    slow.on("data", (data) => (length += data.length));
    slow.resume();
    await inTime(once(slow, "close"), () => "the connection was kept");
    assert.ok(length < answer.length, `${length} bytes came`);
  });
}

test("who takes a large answer at once has all of it", async (t) => {
  const answer = Buffer.alloc(32 * 1024 * 1024, 32);
  const { port } = await opened(t, (_request, response) => void response.end(answer));
  const response = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal((await response.arrayBuffer()).byteLength, answer.length);
});

test("a request that comes before the last one is answered ends the connection", async (t) => {
  const { server } = await serving(t);
  const caller = dial(t, server.port);
  caller.say(`${head(server.port)}\r\n${head(server.port)}\r\n`);
  const { text } = await caller.closed();
  assert.ok((text.match(/HTTP\/1\.1/g) ?? []).length <= 1, text);
  const patient = dial(t, server.port);
  patient.say(`${head(server.port)}\r\n`);
  await patient.hears(/"ok":true/);
  patient.say(`${head(server.port)}Connection: close\r\n\r\n`);
  assert.equal((await patient.closed()).text.match(/"ok":true/g)?.length, 2);
});

test("at the end those that ask for nothing go at once, and what is under way is finished", async (t) => {
  /** @type {import("node:http").ServerResponse[]} */
  const asked = [];
  const { door, port } = await opened(t, (request, response) => {
    if (request.url === "/") return greets(request, response);
    asked.push(response);
    if (request.url === "/begun") response.write("so far");
  });
  const [silent, kept, poll, begun] = [dial(t, port), dial(t, port), dial(t, port), dial(t, port)];
  await once(silent.socket, "connect");
  kept.say(GET);
  await kept.hears(/hello/);
  poll.say(GET.replace("/", "/poll"));
  await once(door.server, "request");
  begun.say(GET.replace("/", "/begun"));
  await begun.hears(/so far/);
  const closed = door.close(10_000);
  assert.equal((await silent.closed()).text, "");
  await kept.closed();
  asked[0]?.end("at last");
  assert.match((await poll.closed()).text, /connection: close\r\n[^]*at last/i);
  asked[1]?.end(", and no more");
  const ended = performance.now();
  assert.match((await begun.closed()).text, /and no more/);
  assert.ok(performance.now() - ended < 2_000, "a next request was waited for");
  await inTime(closed, () => "it is still open");
});

test("above the cap the connection that stood still longest goes, and a new one is served", async (t) => {
  const { port } = await opened(t, greets, { connections: 3 });
  const [first, second, third] = [dial(t, port), dial(t, port), dial(t, port)];
  for (const each of [first, second, third]) await once(each.socket, "connect");
  // The first is the oldest, but has asked since.
  first?.say(GET);
  await first?.hears(/hello/);
  const fourth = dial(t, port);
  fourth.say(GET);
  await fourth.hears(/hello/);
  assert.equal((await second?.closed())?.text, "");
  first?.say(GET);
  await first?.hears(/hello[^]*hello/);
});

test("above the cap a request under way is kept while there are connections without one", async (t) => {
  /** @type {(() => void)[]} */
  const answers = [];
  const { port } = await opened(t, (request, response) => {
    if (request.url === "/") return greets(request, response);
    answers.push(() => response.end("at last"));
  }, { connections: 2 });
  const poll = dial(t, port);
  poll.say(GET.replace("/", "/poll"));
  for (let number = 0; number < 10; number += 1) {
    const idle = dial(t, port);
    await once(idle.socket, "connect");
  }
  const caller = dial(t, port);
  caller.say(GET);
  await caller.hears(/hello/);
  assert.equal(answers.length, 1);
  answers[0]?.();
  await poll.hears(/at last/);
});

test("above the cap, where everybody waits for an answer, who waited longest goes and a new one is served", async (t) => {
  const { door, port } = await opened(t, (request, response) => {
    if (request.url === "/") greets(request, response);
  }, { connections: 2 });
  const [first, second] = [dial(t, port), dial(t, port)];
  for (const each of [first, second]) await once(each.socket, "connect");
  for (const each of [second, first]) {
    each.say(GET.replace("/", "/poll"));
    await once(door.server, "request");
  }
  const third = dial(t, port);
  third.say(GET);
  await third.hears(/hello/);
  assert.equal((await second.closed()).text, "");
  assert.equal(first.socket.closed, false);
});

test("who has shown the token is never cut off for who has not", async (t) => {
  const { server } = await serving(t, {}, WITH_TOKEN, { connections: 2 });
  const holders = [dial(t, server.port), dial(t, server.port)];
  const body = stock("complete_batch");
  for (const holder of holders) {
    holder.say(`${post(server.port)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await holder.hears(/"ok":true/);
  }
  const stranger = dial(t, server.port);
  stranger.say(`${head(server.port)}\r\n`);
  assert.equal((await stranger.closed()).text, "");
  for (const holder of holders) {
    holder.say(`${post(server.port)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    await holder.hears(/"ok":true[^]*"ok":true/);
  }
});

test("where the bridge is open, who asks for nothing goes before who waits for messages", async (t) => {
  const { server, inbox } = await serving(t, {}, undefined, { connections: 3 });
  const waiting = ask(server.port, { body: stock("receive_batch", (payload) => (payload.wait_ms = 60_000)) });
  // Asked later on another connection: the poll has arrived.
  await health(server.port);
  for (let number = 0; number < 10; number += 1) await once(dial(t, server.port).socket, "connect");
  assert.equal((await health(server.port)).status, 200);
  inbox.close();
  assert.deepEqual((await waiting).body.payload, { messages: [] });
});
