// @ts-check
/**
 * Numbers for Prometheus. Those of what happened are counted from the events that go by, those of
 * how it stands are read when somebody asks. No part of the bridge knows that it is measured, and
 * no label names a chat.
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";

/**
 * @typedef {import("./events.mjs").Emit} Emit
 * @typedef {import("./events.mjs").Fields} Fields
 * @typedef {Pick<import("./operations.mjs").Parts, "store" | "inbox" | "outbox" | "pause" | "session">} Parts what is looked at
 */

/** @type {Readonly<Record<import("./reconnect.mjs").State, null>>} Every state there is: tsc sees to it. */
const STATES = Object.freeze({
  starting: null, pairing: null, pairing_expired: null, connecting: null, connected: null,
  reconnecting: null, logged_out: null, replaced: null, blocked: null, outdated: null,
});
/** Answers are written by programs and models: from an echo to one that was tried again for an hour. */
const ANSWER_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3_600];
/** WhatsApp's word: a blink, or the next connection. */
const SEND_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600];

export class Metrics {
  #registry = new Registry();
  #startedAt = Date.now();

  #in = this.#counter("messages_in_total", "Messages taken into the inbox, by the kind of their chat; since start.", ["chat"]);
  #done = this.#counter("messages_done_total", "Messages that the host has acknowledged; since start.");
  #out = this.#counter("messages_out_total", "WhatsApp messages (parts of a text count each) that WhatsApp took or refused; since start.", ["status"]);
  #refused = this.#counter("messages_refused_total", "Messages of chats outside the allowlist; over the life of the store.");
  #withheld = this.#counter("messages_withheld_total", "Sends that never left, because their chat was taken off the allowlist; since start.");
  #caps = this.#counter("caps_reached_total", "How often a cap began to hold something back; since start.", ["cap"]);
  #held = this.#gauge("held_messages", "Messages that wait for room under max_messages_per_minute.");
  #left = this.#counter("messages_left_total", "Group messages left unanswered, as group_reply says; since start.");
  #undecryptable = this.#counter("messages_undecryptable_total", "Messages that could not be decrypted when they came; since start.");
  #dead = this.#counter("messages_dead_total", "Messages given up as dead letters; since start.");
  #answerSeconds = this.#histogram("receive_to_ack_seconds", "From a message being stored to the host's acknowledgement; since start.", ANSWER_SECONDS);
  #sendSeconds = this.#histogram("send_to_ack_seconds", "From a send being accepted to WhatsApp taking a message of it; since start.", SEND_SECONDS);
  #queue = this.#gauge("queue_messages", "Messages in the store: waiting for a host, leased to one, dead letters, pending_out to WhatsApp.", ["queue"]);
  #state = this.#gauge("connection_state", "1 for the state that the connection is in, 0 for every other.", ["state"]);
  #connected = this.#gauge("connected_seconds", "How long the connection stands; 0 while there is none.");
  #frameAge = this.#gauge("last_frame_age_seconds", "Time since WhatsApp's last word; absent before the first.");
  #reconnects = this.#counter("reconnects_total", "How often the connection came back; since start.");
  #paused = this.#gauge("paused", "1 while the bridge is paused, else 0.");
  #uptime = this.#gauge("uptime_seconds", "How long this process runs. A restart begins it anew, and all that counts since start.");
  #started = new Gauge({ name: "process_start_time_seconds", help: "When this process was started, in Unix seconds.", registers: [this.#registry] });
  #memory = new Gauge({ name: "process_resident_memory_bytes", help: "Memory that this process holds.", registers: [this.#registry] });

  /** @param {string} version of the bridge */
  constructor(version) {
    this.#gauge("build_info", "What runs; always 1.", ["version", "node"]).set({ version, node: process.versions.node }, 1);
    this.#started.set(this.#startedAt / 1_000);
    // A series that is not there until it counts something cannot be told from one that is gone.
    for (const chat of ["contact", "group"]) this.#in.inc({ chat }, 0);
    for (const status of ["sent", "failed"]) this.#out.inc({ status }, 0);
    for (const cap of ["messages_per_minute", "new_chats_per_day"]) this.#caps.inc({ cap }, 0);
  }

  /** Of the exposition, with its version. */
  get contentType() {
    return this.#registry.contentType;
  }

  /**
   * @param {Emit} emit
   * @returns {Emit} does the same, and is counted
   */
  hearing(emit) {
    return (event, fields = {}) => {
      this.#count(event, fields);
      emit(event, fields);
    };
  }

  /**
   * @param {Parts} parts
   * @param {number} [now] Unix milliseconds
   * @returns {Promise<string>} the exposition
   */
  text(parts, now = Date.now()) {
    this.#look(parts, now);
    return this.#registry.metrics();
  }

  /**
   * @param {string} event
   * @param {Fields} fields
   */
  #count(event, { group, status, cap, after_ms: afterMs }) {
    switch (event) {
      case "message_in":
        return this.#in.inc({ chat: group ? "group" : "contact" });
      case "message_done":
        this.#done.inc();
        return this.#answerSeconds.observe(Number(afterMs) / 1_000);
      case "message_out":
        this.#out.inc({ status: String(status) });
        // How long a refusal took says nothing of how long a message takes.
        return status === "sent" ? this.#sendSeconds.observe(Number(afterMs) / 1_000) : undefined;
      case "message_withheld":
        return this.#withheld.inc();
      case "cap_reached":
        return this.#caps.inc({ cap: String(cap) });
      case "message_left":
        return this.#left.inc();
      case "message_unreadable":
        return this.#undecryptable.inc();
      case "message_dead":
        return this.#dead.inc();
    }
  }

  /**
   * @param {Parts} parts
   * @param {number} now
   */
  #look({ store, inbox, outbox, pause, session }, now) {
    const { state, connectedSince, lastFrameAt, reconnects } = session.status();
    const { waiting, leased, dead } = store.inbox.depth();
    const queues = { waiting: waiting + inbox.undecided, leased, dead, pending_out: store.outbox.depth().pending };
    for (const [queue, depth] of Object.entries(queues)) this.#queue.set({ queue }, depth);
    for (const each of Object.keys(STATES)) this.#state.set({ state: each }, each === state ? 1 : 0);
    this.#connected.set(connectedSince === null ? 0 : seconds(connectedSince, now));
    if (lastFrameAt === null) this.#frameAge.remove();
    else this.#frameAge.set(seconds(lastFrameAt, now));
    become(this.#reconnects, reconnects);
    become(this.#refused, store.known.refused().messages);
    this.#held.set(outbox.waiting.messages);
    this.#paused.set(pause.active ? 1 : 0);
    this.#uptime.set(seconds(this.#startedAt, now));
    this.#memory.set(process.memoryUsage.rss());
  }

  /**
   * @param {string} name behind the prefix that all of ours have
   * @param {string} help
   * @param {string[]} [labelNames]
   */
  #counter(name, help, labelNames = []) {
    return new Counter({ name: `loong_bridge_${name}`, help, labelNames, registers: [this.#registry] });
  }

  /**
   * @param {string} name
   * @param {string} help
   * @param {string[]} [labelNames]
   */
  #gauge(name, help, labelNames = []) {
    return new Gauge({ name: `loong_bridge_${name}`, help, labelNames, registers: [this.#registry] });
  }

  /**
   * @param {string} name
   * @param {string} help
   * @param {number[]} buckets upper ends, in seconds
   */
  #histogram(name, help, buckets) {
    return new Histogram({ name: `loong_bridge_${name}`, help, buckets, registers: [this.#registry] });
  }
}

/**
 * A number that somebody else counts.
 * @param {Counter} counter
 * @param {number} value
 */
function become(counter, value) {
  counter.reset();
  counter.inc(value);
}

/**
 * @param {number} since Unix milliseconds
 * @param {number} now a clock that was set back makes no negative time
 */
function seconds(since, now) {
  return Math.max(0, now - since) / 1_000;
}
