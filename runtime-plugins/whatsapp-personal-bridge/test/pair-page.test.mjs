// @ts-check
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { COOKIE_MS, LINK_MS } from "../src/pair-page/page-access.mjs";
import { cookieIn, paging, QR, state, TOKEN } from "./support/pair-page.mjs";

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

/** @param {import("node:http").IncomingHttpHeaders} headers */
function assertSealed(headers) {
  for (const [name, value] of Object.entries(HEADERS)) assert.equal(headers[name], value, name);
  assert.equal(headers["access-control-allow-origin"], undefined);
}

/** @param {{ url: string }} link */
const queryOf = ({ url }) => new URL(url).search;

test("a link opens the page once, and the browser is in from then on", async (t) => {
  const { page, ask, server } = await paging(t);
  const link = page.newLink();
  assert.match(link.url, new RegExp(`^http://127\\.0\\.0\\.1:${server.port}/bridge/pair\\?key=[\\w-]{43}$`));

  const opened = await ask({ path: queryOf(link) });
  assert.deepEqual([opened.status, opened.headers.location], [303, "/bridge/pair"]);
  assert.match(String(opened.headers["set-cookie"]), new RegExp(`^loong_pair_${server.port}=[^;]+; Path=/bridge/pair; Max-Age=43200; HttpOnly; SameSite=Strict$`));
  assertSealed(opened.headers);

  const cookie = cookieIn(opened.headers);
  const seen = await ask({ headers: { cookie: `other=1; ${cookie}` } });
  assert.equal(seen.status, 200);
  assert.match(String(seen.headers["content-type"]), /^text\/html/);
  assertSealed(seen.headers);

  const again = await ask({ path: queryOf(link) });
  assert.equal(again.status, 403);
  assert.match(again.text, /bridge pair-link/);
  assert.equal(again.headers["set-cookie"], undefined);
  assertSealed(again.headers);
  const sameBrowser = await ask({ path: queryOf(link), headers: { cookie } });
  assert.deepEqual([sameBrowser.status, sameBrowser.headers["set-cookie"]], [303, undefined], "it is in already");
});

test("only the last link opens the page, within its hour, and none once the account is linked", async (t) => {
  const { page, ask, clock, says } = await paging(t);
  const [first, second] = [page.newLink(), page.newLink()];
  assert.equal((await ask({ path: queryOf(first) })).status, 403);
  assert.equal((await ask({ path: "?key=wrong" })).status, 403);
  assert.equal((await ask({ path: "?key=" })).status, 403);
  assert.equal((await ask({ path: queryOf(second) })).status, 303);

  const old = page.newLink();
  clock.at += LINK_MS;
  assert.equal((await ask({ path: queryOf(old) })).status, 403);

  const unused = page.newLink();
  says("connected", { name: "Olga", phone: "+15550001000" });
  assert.equal((await ask({ path: queryOf(unused) })).status, 403);
});

test("what looks before a person does uses no link up", async (t) => {
  const { page, ask } = await paging(t);
  const path = queryOf(page.newLink());
  for (const headers of [{ "sec-purpose": "prefetch" }, { "sec-purpose": "prefetch;prerender" }, { purpose: "prefetch" }, { "x-moz": "prefetch" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }]) {
    const refused = await ask({ path, headers });
    assert.deepEqual([refused.status, refused.headers["set-cookie"]], [403, undefined]);
    assertSealed(refused.headers);
    assert.match(refused.text, /still good/);
  }
  const head = await ask({ path, method: "HEAD" });
  assert.deepEqual([head.status, head.headers.allow], [405, "GET"]);
  assert.equal((await ask({ path, headers: { "sec-fetch-site": "none" } })).status, 303);
});

/** @type {[string, number, import("./support/pair-page.mjs").Asked][]} */
const REFUSED = [
  ["a foreign name in Host", 403, { headers: { host: "rebound.example" } }],
  ["another port in Host", 403, { headers: { host: "127.0.0.1:1" } }],
  ["an Origin, even its own", 403, { headers: { origin: "http://127.0.0.1" } }],
  ["a page of another site", 403, { headers: { "sec-fetch-site": "cross-site" } }],
  ["a page of another port of this machine", 403, { headers: { "sec-fetch-site": "same-site" } }],
  ["POST", 405, { method: "POST" }],
  ["DELETE", 405, { method: "DELETE" }],
  ["OPTIONS", 405, { method: "OPTIONS" }],
];

for (const [name, status, asked] of REFUSED) {
  test(`refused, with a good cookie too: ${name}`, async (t) => {
    const { ask, enter } = await paging(t);
    const cookie = await enter();
    for (const path of ["", "/stream", "/page.js"]) {
      const answer = await ask({ ...asked, path, headers: { cookie, ...asked.headers } });
      assert.equal(answer.status, status, path);
      assert.equal(answer.headers["cache-control"], "no-store");
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
      assert.doesNotMatch(answer.text, /data:/);
    }
  });
}

test("without a cookie, or with one that is forged, foreign or old, there is neither page nor stream", async (t) => {
  const { ask, enter, clock, says } = await paging(t);
  says("qr", QR);
  const good = await enter();
  const [name = "", value = ""] = good.split("=");
  const [until = "", signature = ""] = value.split(".");
  const other = await paging(t, { token: "f".repeat(64) });
  const proofOf = (/** @type {string} */ text) => createHmac("sha256", TOKEN).update(text).digest("hex");
  const bad = {
    none: "",
    empty: `${name}=`,
    "another name": `loong_pair_1=${value}`,
    "a later end": `${name}=${Number(until) + 1}.${signature}`,
    "another signature": `${name}=${until}.${signature.slice(0, -1)}${signature.endsWith("0") ? "1" : "0"}`,
    "half a signature": `${name}=${until}.${signature.slice(0, 32)}`,
    "what health signs": `${name}=${until}.${proofOf(until)}`,
    "another bridge's": `${name}=${(await other.enter()).split("=")[1]}`,
  };
  for (const [what, cookie] of Object.entries(bad)) {
    for (const path of ["", "/stream", "/nothing"]) {
      const answer = await ask({ path, headers: { cookie } });
      assert.equal(answer.status, path === "/nothing" ? 404 : 403, `${what} ${path}`);
      assert.doesNotMatch(answer.text, /M\d+ \d+h|payload/);
      assertSealed(answer.headers);
    }
  }
  assert.match((await ask()).text, /bridge pair-link/);
  clock.at += COOKIE_MS - 1;
  assert.equal((await ask({ headers: { cookie: good } })).status, 200);
  clock.at += 1;
  assert.equal((await ask({ headers: { cookie: good } })).status, 403);
});

test("the cookie outlives a bridge that comes back under the same token, and no other", async (t) => {
  const first = await paging(t);
  const cookie = await first.enter();
  await first.close();
  const back = await paging(t, { port: first.server.port });
  assert.equal((await back.ask({ headers: { cookie } })).status, 200);
  await back.close();
  const anew = await paging(t, { port: first.server.port, token: "f".repeat(64) });
  assert.equal((await anew.ask({ headers: { cookie } })).status, 403);
  await anew.close();
  const byHand = await paging(t, { port: first.server.port, token: null });
  const own = await byHand.enter();
  assert.equal((await byHand.ask({ headers: { cookie: own } })).status, 200);
  await byHand.close();
  const byHandAgain = await paging(t, { port: first.server.port, token: null });
  assert.equal((await byHandAgain.ask({ headers: { cookie: own } })).status, 403);
});

test("the page's files come to anybody, sealed, and name nothing outside", async (t) => {
  const { ask, enter } = await paging(t);
  const files = [["/page.css", "text/css; charset=utf-8"], ["/page.js", "text/javascript; charset=utf-8"], ["/icon.svg", "image/svg+xml"]];
  for (const [path, type] of files) {
    const answer = await ask({ path });
    assert.deepEqual([answer.status, answer.headers["content-type"]], [200, type]);
    assertSealed(answer.headers);
    assert.doesNotMatch(answer.text.replace("http://www.w3.org/2000/svg", ""), /https?:|\/\/[a-z]|@import/);
  }
  const { text } = await ask({ headers: { cookie: await enter() } });
  assert.doesNotMatch(text, /https?:|\son\w+=|style=|<style|<script>/);
});

test("an open page is told each change, and of a linked account neither QR nor code is left", async (t) => {
  const { enter, look, says } = await paging(t);
  says("state", state("pairing"));
  const open = await look(await enter());
  assert.equal(open.headers["content-type"], "text/event-stream");
  assertSealed(open.headers);
  assert.equal((await open.until(({ state: now }) => now === "pairing")).qr, null);

  says("qr", QR);
  const { qr } = await open.until((shown) => shown.qr);
  assert.deepEqual([qr.left_ms, qr.life_ms], [60_000, 60_000]);
  says("pairing_code", { code: "ABCD-1234", expires_in_ms: null });
  assert.equal((await open.until((shown) => shown.code)).code, "ABCD-1234");

  says("state", state("connected"));
  says("connected", { name: "Olga", phone: "+15550001000", jid: "15550001000@s.whatsapp.net", lid: null });
  const linked = await open.until((shown) => /Olga/.test(shown.title));
  assert.deepEqual([linked.state, linked.title, linked.qr, linked.code], ["connected", "Connected as Olga (+15…000)", null, null]);
  assert.doesNotMatch(JSON.stringify(linked), /15550001000/);
});

test("no more than four pages are kept up to date, and one that is closed makes room", async (t) => {
  const { enter, look } = await paging(t);
  const cookie = await enter();
  const open = await Promise.all([1, 2, 3, 4].map(() => look(cookie)));
  assert.deepEqual(open.map(({ status }) => status), [200, 200, 200, 200]);
  const fifth = await look(cookie);
  assert.equal(fifth.status, 429);
  await fifth.ended;
  open[0]?.leave();
  const deadline = Date.now() + 5_000;
  for (let status = 429; status !== 200; ) {
    assert.ok(Date.now() < deadline, "no room was made");
    ({ status } = await look(cookie));
  }
});

test("an open page ends with its cookie, and does not keep a bridge from stopping", async (t) => {
  const { enter, look, clock, close } = await paging(t);
  const cookie = await enter();
  clock.at += COOKIE_MS - 20;
  await (await look(cookie)).ended;

  const fresh = await look(await enter());
  const began = Date.now();
  await close();
  await fresh.ended;
  assert.ok(Date.now() - began < 1_500, "the server waited for the page");
});

test("a link is told when a pairing begins, before its first QR, and nowhere is the payload but in that event", async (t) => {
  const { says, events, ask } = await paging(t);
  says("state", state("connecting"));
  says("state", state("pairing"));
  says("qr", QR);
  says("qr", { ...QR, number: 2 });
  says("qr", { ...QR, round: 2 });
  assert.deepEqual(events.map(({ event }) => event), ["state", "state", "pair_page", "qr", "qr", "qr"]);
  const told = events.find(({ event }) => event === "pair_page");
  assert.equal(told?.expires_in_ms, LINK_MS);
  assert.equal((await ask({ path: new URL(String(told?.url)).search })).status, 303);
  const others = JSON.stringify(events.filter(({ event }) => event !== "qr"));
  assert.ok(!others.includes("payload"));

  says("state", state("logged_out"));
  says("qr", QR);
  const links = events.filter(({ event }) => event === "pair_page").map(({ url }) => url);
  assert.equal(new Set(links).size, 2, "the next pairing has a link of its own");
});

test("an operator gets a new link, and nobody else does", async (t) => {
  const { server, ask } = await paging(t);
  const post = (/** @type {Record<string, string>} */ headers) => fetch(`${server.url}/admin/pair-link`, { method: "POST", headers });
  assert.equal((await post({})).status, 401);
  const answer = await post({ authorization: `Bearer ${TOKEN}` });
  const { ok, url, expires_in_ms: lasts, state: now } = /** @type {any} */ (await answer.json());
  assert.deepEqual([answer.status, ok, lasts, now], [200, true, LINK_MS, "pairing"]);
  assert.equal((await ask({ path: new URL(url).search })).status, 303);
});
