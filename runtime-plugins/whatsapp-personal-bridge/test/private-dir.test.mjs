// @ts-check
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { prepareAuthDir } from "../src/auth-dir.mjs";
import { FatalError } from "../src/errors.mjs";
import { runOnce } from "./support/disks.mjs";
import { temporaryDir } from "./support/fixtures.mjs";

const NOBODY = 65_534;

/**
 * @param {string} dir
 * @param {string} code
 * @param {RegExp} words of the message
 * @param {RegExp} step what to do
 */
function refused(dir, code, words, step) {
  let place = path.dirname(dir);
  while (!fs.existsSync(place)) place = path.dirname(place);
  const before = seen(place);
  assert.throws(() => prepareAuthDir(dir), (error) => {
    assert.ok(error instanceof FatalError);
    assert.equal(error.code, code);
    assert.match(error.message, words);
    assert.match(error.hint, step);
    return true;
  });
  assert.deepEqual(seen(place), before, "nothing was changed");
}

/**
 * Everything below a place: names, modes, owners, times.
 * @param {string} place
 * @returns {string[]}
 */
function seen(place) {
  return fs.readdirSync(place, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const { mode, uid, mtimeMs, size } = fs.lstatSync(path.join(place, name));
    return [name, mode, uid, mtimeMs, size].join(" ");
  });
}

/**
 * @param {string} place
 * @param {number} [mode]
 */
function made(place, mode = 0o700) {
  fs.mkdirSync(place);
  fs.chmodSync(place, mode);
  return place;
}

for (const mode of [0o755, 0o750, 0o710, 0o701, 0o707, 0o740, 0o777]) {
  test(`an auth dir of mode ${mode.toString(8)} is refused with the command that closes it`, (t) => {
    const dir = made(path.join(temporaryDir(t), "auth"), mode);
    fs.writeFileSync(path.join(dir, "bridge.db"), "kept");
    refused(dir, "auth_dir_not_private", new RegExp(`mode ${mode.toString(8)}`), /^run: chmod 700 '/);
  });
}

test("an auth dir that is a link is refused, wherever it leads and whatever ends its name", (t) => {
  const place = temporaryDir(t);
  const real = made(path.join(place, "real"));
  const link = path.join(place, "link");
  fs.symlinkSync(real, link);
  for (const written of [link, `${link}/`, `${link}/.`]) {
    refused(written, "auth_dir_link", /is a link to .*real/, /name that directory itself/);
  }
  const dangling = path.join(place, "dangling");
  fs.symlinkSync(path.join(place, "gone"), dangling);
  refused(dangling, "auth_dir_link", /is a link to .*gone/, /name that directory itself/);
  prepareAuthDir(real);
});

test("a link on the way to the auth dir is followed, as long as nobody else can exchange it", (t) => {
  const place = temporaryDir(t);
  made(path.join(place, "disk"));
  fs.symlinkSync(path.join(place, "disk"), path.join(place, "home"));
  prepareAuthDir(path.join(place, "home", "auth"));
  assert.equal(fs.statSync(path.join(place, "disk", "auth")).mode & 0o777, 0o700);

  const open = made(path.join(place, "open"), 0o777);
  fs.symlinkSync(path.join(place, "disk"), path.join(open, "link"));
  refused(path.join(open, "link", "auth"), "auth_dir_not_private", /everybody can exchange .*open/, /^run: chmod o-w '.*open'/);
});

test("an auth dir below a directory that everybody can write to is refused before it is made, unless that one is sticky", (t) => {
  const place = temporaryDir(t);
  const open = made(path.join(place, "open"), 0o777);
  const below = path.join(open, "a", "auth");
  refused(below, "auth_dir_not_private", /mode 777/, /chmod o-w/);
  assert.equal(fs.existsSync(path.join(open, "a")), false);
  fs.chmodSync(open, 0o1777);
  prepareAuthDir(below);
  // The owner's own group, on many systems.
  prepareAuthDir(path.join(made(path.join(place, "group"), 0o775), "auth"));
});

test("a file in the auth dir that is a link is refused", (t) => {
  const place = temporaryDir(t);
  const dir = made(path.join(place, "auth"));
  const elsewhere = path.join(place, "elsewhere.db");
  fs.writeFileSync(elsewhere, "");
  fs.symlinkSync(elsewhere, path.join(dir, "bridge.db"));
  refused(dir, "auth_dir_link", /bridge\.db in the auth dir is a link to .*elsewhere/, /move the link away/);
});

test("files in a private auth dir that others could read, had it been open, are closed", (t) => {
  const dir = made(path.join(temporaryDir(t), "auth"));
  for (const name of ["bridge.db", "bridge.db-wal", "creds.json"]) {
    fs.writeFileSync(path.join(dir, name), "kept");
    fs.chmodSync(path.join(dir, name), 0o664);
  }
  prepareAuthDir(dir);
  for (const name of fs.readdirSync(dir)) {
    assert.equal(fs.statSync(path.join(dir, name)).mode & 0o777, 0o600, name);
    assert.equal(fs.readFileSync(path.join(dir, name), "utf8"), "kept");
  }
});

// Only root can give a file away; without root there is nobody to give it to.
const notRoot = process.geteuid?.() !== 0 && "only root can make a directory that belongs to somebody else, so one is not tried";

test("an auth dir of another user is refused, also by root", { skip: notRoot }, (t) => {
  const dir = made(path.join(temporaryDir(t), "auth"));
  fs.chownSync(dir, NOBODY, NOBODY);
  refused(dir, "auth_dir_foreign", /belongs to another user \(65534; this bridge runs as 0\)/, /chown \w+ '/);
});

test("a file of another user in the auth dir is refused", { skip: notRoot }, (t) => {
  const dir = made(path.join(temporaryDir(t), "auth"));
  fs.writeFileSync(path.join(dir, "bridge.db"), "");
  fs.chownSync(path.join(dir, "bridge.db"), NOBODY, NOBODY);
  refused(dir, "auth_dir_foreign", /bridge\.db in the auth dir belongs to another user/, /chown/);
});

test("a directory in it is nobody's concern: a disk of its own brings one of root's", { skip: notRoot }, (t) => {
  const dir = made(path.join(temporaryDir(t), "auth"));
  made(path.join(dir, "lost+found"));
  fs.chownSync(path.join(dir, "lost+found"), NOBODY, NOBODY);
  prepareAuthDir(dir);
  assert.deepEqual(fs.readdirSync(dir), ["lost+found"]);
});

/** @param {string} dir @param {string[]} [more] */
const start = (dir, more = []) => runOnce(["--port", "0", "--auth-dir", dir, ...more], { env: { LOONG_WHATSAPP_WEB_URL: "ws://127.0.0.1:9/" } });

test("the bridge refuses at its start, with a hint, and leaves nothing behind", (t) => {
  const place = temporaryDir(t);
  made(path.join(place, "real"));
  fs.symlinkSync(path.join(place, "real"), path.join(place, "link"));
  made(path.join(place, "wide"), 0o755);
  for (const [name, code] of /** @type {const} */ ([["link", "auth_dir_link"], ["wide", "auth_dir_not_private"]])) {
    const before = seen(place);
    const { code: status, last } = start(path.join(place, name));
    assert.deepEqual([status, last.event, last.code], [3, "fatal", code]);
    assert.ok(last.hint);
    assert.deepEqual(seen(place), before);
  }
});

test("a restore into an auth dir that others can reach is refused, and so is a backup of it", (t) => {
  const place = temporaryDir(t);
  const dir = made(path.join(place, "wide"), 0o755);
  fs.writeFileSync(path.join(dir, "bridge.db"), "kept");
  for (const act of ["--restore", "--backup"]) {
    const before = seen(place);
    const { code, last } = start(dir, [act, path.join(place, "file")]);
    assert.deepEqual([code, last.code], [3, "auth_dir_not_private"], act);
    assert.deepEqual(seen(place), before, act);
  }
});
