// @ts-check
/**
 * Reads Prometheus' text format (0.0.4) as strictly as a scraper may: every sample belongs to a
 * metric that was introduced by HELP and TYPE, once, and histograms add up.
 */

import assert from "node:assert/strict";

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const HELP = new RegExp(`^# HELP (${NAME}) (\\S.*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$`);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

/**
 * @typedef {{ labels: Record<string, string>, name: string, value: number }} Sample
 * @typedef {{ type: string, help: string, samples: Sample[] }} Family
 */

/**
 * @param {string} text
 * @returns {Map<string, Family>} by name
 */
export function readExposition(text) {
  assert.ok(text.endsWith("\n"), "the last line has no end");
  /** @type {Map<string, Family>} */
  const families = new Map();
  let introduced = { name: "", help: "" };
  /** @type {string | null} the one whose samples these are: they stand together */
  let current = null;
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const [, named, help] = HELP.exec(line) ?? [];
    const [, typed, type] = TYPE.exec(line) ?? [];
    if (named !== undefined && help !== undefined) {
      introduced = { name: named, help };
    } else if (typed !== undefined && type !== undefined) {
      assert.equal(introduced.name, typed, `TYPE without HELP: ${line}`);
      assert.ok(!families.has(typed), `a metric came twice: ${typed}`);
      families.set(typed, { type, help: introduced.help, samples: [] });
      current = typed;
    } else {
      const family = current === null ? undefined : families.get(current);
      assert.ok(family, `nothing introduces this line: ${line}`);
      family.samples.push(readSample(line, String(current), family.type));
    }
  }
  for (const [name, family] of families) check(name, family);
  return families;
}

/**
 * @param {Map<string, Family>} families
 * @param {string} name of a sample, with the end that histograms have
 * @param {Record<string, string>} [labels]
 */
export function valueOf(families, name, labels = {}) {
  const samples = [...families.values()].flatMap((family) => family.samples);
  const found = samples.filter((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels));
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)} is there ${found.length} times`);
  return found[0]?.value;
}

/**
 * @param {string} line
 * @param {string} metric
 * @param {string} type
 * @returns {Sample}
 */
function readSample(line, metric, type) {
  const [, name = "", written = "", value] = SAMPLE.exec(line) ?? [];
  assert.ok(name, `no sample: ${line}`);
  const ends = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  assert.ok(ends.some((end) => name === `${metric}${end}`), `${name} is no sample of ${metric}`);
  /** @type {Record<string, string>} */
  const labels = {};
  for (let rest = written; rest !== "";) {
    const [all, label, text] = LABEL.exec(rest) ?? [];
    assert.ok(all !== undefined && label !== undefined && text !== undefined, `no label: ${rest}`);
    assert.ok(!Object.hasOwn(labels, label), `a label came twice: ${line}`);
    labels[label] = text;
    rest = rest.slice(all.length);
  }
  return { name, labels, value: Number(value) };
}

/**
 * @param {string} name
 * @param {Family} family
 */
function check(name, { type, samples }) {
  const series = samples.map((sample) => `${sample.name}${JSON.stringify(sample.labels)}`);
  assert.equal(new Set(series).size, series.length, `a series of ${name} came twice`);
  for (const { value } of samples) assert.ok(Number.isFinite(value) && (type === "gauge" || value >= 0), `${name} is ${value}`);
  assert.equal(name.endsWith("_total"), type === "counter", `counters, and nothing else, end in _total: ${name}`);
  if (type !== "histogram") return;
  const buckets = samples.filter((sample) => sample.name.endsWith("_bucket"));
  const counts = buckets.map(({ value }) => value);
  assert.deepEqual(counts, [...counts].sort((a, b) => a - b), `the buckets of ${name} are not cumulative`);
  assert.equal(buckets.at(-1)?.labels.le, "+Inf");
  assert.equal(counts.at(-1), samples.find((sample) => sample.name === `${name}_count`)?.value);
}
