// @ts-check
/** Every property there is. */

import { properties as events } from "./events.mjs";
import { properties as identity } from "./identity.mjs";
import { properties as http } from "./http.mjs";
import { properties as rows } from "./rows.mjs";
import { properties as inbox } from "./inbox-model.mjs";
import { properties as outbox } from "./outbox-model.mjs";
import { properties as splitText } from "./split-text.mjs";
import { properties as wire } from "./wire.mjs";

/** @type {readonly import("../support/hold.mjs").Property[]} */
export const properties = [...wire, ...http, ...events, ...rows, ...inbox, ...outbox, ...identity, ...splitText];
