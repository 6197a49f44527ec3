// @ts-check
/**
 * The files of the pairing page, read once, and the heads under which they leave: a page that runs
 * its own script and style, asks its own bridge, and nothing else.
 */

import fs from "node:fs";

/**
 * @typedef {{ type: string, body: string }} Asset
 * @typedef {{ title: string, text: string, newLink: boolean }} Notice `newLink`: say how to get one
 */

export const PAGE_HEADERS = Object.freeze({
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
});

const PAGE = read("page.html", "text/html; charset=utf-8");
const NOTICE = read("notice.html", "text/html; charset=utf-8");

/** @type {Readonly<Record<string, Asset>>} What anybody may have who reaches the page: none of it says anything. */
export const PUBLIC_ASSETS = Object.freeze({
  "page.css": read("page.css", "text/css; charset=utf-8"),
  "page.js": read("page.js", "text/javascript; charset=utf-8"),
  "icon.svg": read("icon.svg", "image/svg+xml"),
});

export { PAGE };

/**
 * @param {Notice} words
 * @returns {Asset} a page that only says something
 */
export function notice({ title, text, newLink }) {
  const body = NOTICE.body.replaceAll("{title}", title).replace("{text}", text).replace("{new-link}", newLink ? "" : "hidden");
  return { type: NOTICE.type, body };
}

/**
 * @param {string} name
 * @param {string} type
 * @returns {Asset}
 */
function read(name, type) {
  return { type, body: fs.readFileSync(new URL(`assets/${name}`, import.meta.url), "utf8") };
}
