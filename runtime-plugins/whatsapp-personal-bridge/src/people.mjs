// @ts-check
/**
 * Who is behind an id: every id of a person that WhatsApp itself vouches for (message keys, its
 * LID mapping, group metadata), and whether it is ourselves. Where ids are kept is the store's.
 */

import { aliasesOf, fromJid } from "./identity.mjs";

/**
 * @typedef {import("./identity.mjs").Identity} Identity
 * @typedef {{ id: string, lid?: string, phoneNumber?: string }} Participant of a group, as Baileys gives it
 * @typedef {(lid: string) => Promise<string | null>} AskNumber asks Baileys for the number behind a LID
 */

export class People {
  /** @type {import("./store/store.mjs").Store} */ #store;
  /** @type {Identity[]} */ #self = [];

  /** @param {import("./store/store.mjs").Store} store */
  constructor(store) {
    this.#store = store;
  }

  /** @param {(string | null | undefined)[]} jids our own, with or without a device */
  setSelf(jids) {
    this.#self = jids.map(fromJid).filter((identity) => identity !== null);
    const [number, lid] = ["phone", "lid"].map((kind) => this.#self.find((each) => each.kind === kind));
    if (number && lid) this.#store.chats.rememberAlias(lid.user, number.user);
  }

  /** @param {string | null | undefined} jid */
  isSelf(jid) {
    const identity = fromJid(jid);
    return identity !== null && this.#isSelf([identity]);
  }

  /**
   * @param {string | null | undefined} jid
   * @param {string | null | undefined} alternative the other id, where WhatsApp names it
   * @param {AskNumber} askNumber
   * @returns {Promise<{ aliases: Identity[], self: boolean }>} the number first, where it is known
   */
  async of(jid, alternative, askNumber) {
    const named = aliasesOf(jid, alternative);
    const lid = named.find((each) => each.kind === "lid");
    const number = named.find((each) => each.kind === "phone");
    if (lid && number) this.#store.chats.rememberAlias(lid.user, number.user);
    if (lid && !number && this.#store.chats.phoneOf(lid.user) === null) {
      const asked = fromJid(await askNumber(`${lid.user}@lid`).catch(() => null));
      // Baileys never forgets whose a number once was, so its word cannot take one from anybody.
      if (asked?.kind === "phone" && !this.#store.chats.hasHadOwner(asked.user)) this.#store.chats.rememberAlias(lid.user, asked.user);
    }
    const [first] = named;
    const aliases = first ? this.known(first) : [];
    return { aliases, self: this.#isSelf(aliases) };
  }

  /**
   * @param {Identity} identity
   * @returns {Identity[]} with every other id that we know, the number first
   */
  known(identity) {
    if (identity.kind === "group") return [identity];
    const phone = identity.kind === "phone" ? identity.user : this.#store.chats.phoneOf(identity.user);
    const lid = identity.kind === "lid" ? identity.user : this.#store.chats.lidOf(identity.user);
    /** @type {Identity[]} */
    const aliases = [];
    if (phone !== null) aliases.push({ kind: "phone", user: phone });
    if (lid !== null) aliases.push({ kind: "lid", user: lid });
    return aliases;
  }

  /** @param {readonly Participant[]} participants */
  learn(participants) {
    // One write for a large group, not a thousand.
    this.#store.transaction(() => {
      for (const { id, lid, phoneNumber } of participants) {
        const ids = [id, lid, phoneNumber].map(fromJid);
        const byLid = ids.find((each) => each?.kind === "lid");
        const byNumber = ids.find((each) => each?.kind === "phone");
        if (byLid && byNumber) this.#store.chats.rememberAlias(byLid.user, byNumber.user);
      }
    });
  }

  /** @param {Identity[]} aliases */
  #isSelf(aliases) {
    return aliases.some(({ kind, user }) => this.#self.some((own) => own.kind === kind && own.user === user));
  }
}
