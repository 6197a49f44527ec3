// @ts-check
/** The short form: every property against a few cases, always the same ones, so that no gate is lucky. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { properties } from "../properties/all.mjs";
import { hold } from "../support/hold.mjs";

const SEED = 20_261_126;

for (const property of properties) {
  test(property.name, async () => {
    const { cases, failure } = await hold({ ...property, share: 1 }, { cases: property.short, seed: SEED });
    assert.equal(failure, null, failure ?? "");
    assert.equal(cases, property.short);
  });
}
