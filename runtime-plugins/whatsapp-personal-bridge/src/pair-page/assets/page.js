// @ts-check
/*
 * Shows what the bridge says of the pairing, as it says it. Decides nothing: the words, the QR code
 * and the times come from the bridge. Comes back by itself when the bridge does.
 */
"use strict";

(() => {
  const AGAIN_MS = 1_000;
  const ITS_END = 403;
  const TOO_MANY = 429;

  /** @typedef {{ tone: string, title: string, text: string, step: string | null, command: string | null }} Words */
  /**
   * @typedef {Words & {
   *   qr: { size: number, path: string, left_ms: number, life_ms: number } | null,
   *   code: string | null, note: string | null, retry_in_ms: number | null,
   * }} Shown
   */

  /** @type {Readonly<Record<string, Words>>} what the bridge cannot say itself */
  const WITHOUT_BRIDGE = Object.freeze({
    away: { tone: "busy", title: "The bridge is away", text: "This page goes on by itself when it is back. If it does not come, look at its terminal.", step: null, command: null },
    ended: { tone: "trouble", title: "This page has ended", text: "The bridge was started anew, or the page was open for too long.", step: "For a new link run, in a terminal:", command: "loong whatsapp-personal bridge pair-link" },
    tooMany: { tone: "trouble", title: "Open in too many windows", text: "This page goes on by itself when another one is closed.", step: null, command: null },
  });

  /** @type {(id: string) => any} */
  const part = (id) => document.getElementById(id);
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));

  /** When the QR code is used up and how long it lives, when the next try comes: by this clock. */
  /** @type {{ qrUntil: number, qrLife: number, retryAt: number | null }} */
  const times = { qrUntil: 0, qrLife: 1, retryAt: null };
  let code = "";

  /** @param {string} id @param {string | null} words hides the part when there are none */
  function say(id, words) {
    const element = part(id);
    // A reader of screens says again what is written again.
    if (element.textContent !== (words ?? "")) element.textContent = words ?? "";
    element.hidden = words === null;
  }

  /** @param {Words} words */
  function sayWords({ tone, title, text, step, command }) {
    main.dataset.tone = tone;
    document.title = title;
    say("title", title);
    say("text", text);
    say("step", step);
    say("command", command);
    part("command-line").hidden = command === null;
    part("next").hidden = step === null;
  }

  /** @param {Shown} shown */
  function show(shown) {
    const now = performance.now();
    sayWords(shown);
    say("note", shown.note);
    showQr(shown.qr, now);
    showCode(shown.code);
    times.retryAt = shown.retry_in_ms === null ? null : now + shown.retry_in_ms;
    tick();
  }

  /** @param {Words} words */
  function showWithout(words) {
    show({ ...words, qr: null, code: null, note: null, retry_in_ms: null });
  }

  /** @param {Shown["qr"]} qr @param {number} now */
  function showQr(qr, now) {
    part("pairing").hidden = qr === null;
    part("qr").setAttribute("viewBox", qr ? `0 0 ${qr.size} ${qr.size}` : "0 0 1 1");
    part("modules").setAttribute("d", qr ? qr.path : "");
    times.qrUntil = qr ? now + qr.left_ms : 0;
    times.qrLife = qr ? qr.life_ms : 1;
  }

  /** @param {string | null} next */
  function showCode(next) {
    if (next === code) return;
    code = next ?? "";
    part("code-part").hidden = next === null;
    part("code").textContent = code;
    part("copied").textContent = "";
  }

  function tick() {
    const now = performance.now();
    const left = Math.max(0, times.qrUntil - now);
    part("left").value = left / times.qrLife;
    say("countdown", left > 0 ? `A new code in ${Math.ceil(left / 1000)} s` : "A new code is on its way");
    const wait = times.retryAt === null ? 0 : times.retryAt - now;
    say("retry", wait > 0 ? `Next try in ${Math.ceil(wait / 1000)} s` : null);
  }

  async function copy() {
    try {
      // The dash is for the eye; the phone has none.
      await navigator.clipboard.writeText(code.replaceAll("-", ""));
      part("copied").textContent = "Copied.";
    } catch {
      getSelection()?.selectAllChildren(part("code"));
      part("copied").textContent = "The browser does not let this page copy. The code is selected: copy it yourself.";
    }
  }

  /** Hears the bridge until it is gone; gives the words for that. */
  async function listen() {
    const answer = await fetch("pair/stream", { cache: "no-store" });
    if (answer.status === ITS_END) return WITHOUT_BRIDGE.ended;
    if (answer.status === TOO_MANY) return WITHOUT_BRIDGE.tooMany;
    if (!answer.ok || !answer.body) return WITHOUT_BRIDGE.away;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return WITHOUT_BRIDGE.away;
      const messages = (heard + value).split("\n\n");
      heard = messages.pop() ?? "";
      for (const message of messages) {
        const data = /^data: (.*)$/m.exec(message)?.[1];
        if (data) show(JSON.parse(data));
      }
    }
  }

  async function live() {
    for (;;) {
      const words = await listen().catch(() => WITHOUT_BRIDGE.away);
      if (words) showWithout(words);
      if (words === WITHOUT_BRIDGE.ended) return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  part("copy").addEventListener("click", copy);
  setInterval(tick, 1_000);
  void live();
})();
