// @ts-check
/** Every property there is. */

import { properties as identity } from "./identity.mjs";
import { properties as splitText } from "./split-text.mjs";

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [...identity, ...splitText];
