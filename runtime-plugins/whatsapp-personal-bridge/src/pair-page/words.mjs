// @ts-check
/**
 * What each state of the connection means to somebody who looks at the pairing page, and what can
 * be done about it. The terminal has words of its own.
 */

/**
 * @typedef {import("./pairing-view.mjs").Moment} Moment
 * @typedef {"busy" | "ready" | "good" | "trouble"} Tone
 * @typedef {{ tone: Tone, title: string, text: string, step: string | null, command: string | null }} Words
 * `step`: what to do; `command`: what to type, when the step ends with it
 */

const RESUME = "loong whatsapp-personal bridge resume";

/** @type {Readonly<Record<import("./pairing-view.mjs").State, (moment: Moment) => Words>>} */
const WORDS = Object.freeze({
  starting: () => busy("Starting", "The bridge is getting ready."),
  connecting: ({ linking }) =>
    linking
      ? busy("Linking", "The phone has accepted. Leave WhatsApp open on it until this is done.")
      : busy("Connecting", "The bridge is reaching WhatsApp."),
  pairing: ({ qr }) =>
    qr
      ? says("ready", "Waiting for a scan", "Scan the code with the phone. It renews by itself.")
      : busy("One moment", "A new code is on its way."),
  connected: ({ account }) =>
    says("good", account ? `Connected as ${account}` : "Connected", "The account is linked. You can close this page; the bridge goes on in its terminal."),
  reconnecting: () => busy("Reconnecting", "The connection to WhatsApp broke. The bridge tries again by itself."),
  pairing_expired: () => rests("The codes have expired", "Nobody scanned one in time, so the bridge rests.", "For new codes"),
  logged_out: ({ reason }) =>
    reason === "logged_out_here"
      ? busy("Unlinking", "This device is being unlinked. A new code follows here.")
      : busy("Logged out", "The phone has unlinked this device. The old login is set aside, and a new code follows here."),
  replaced: ({ reason }) =>
    reason === "replaced_again"
      ? rests("Another program uses this login", "It took the connection a second time, so the bridge rests.", "Stop the other program; then")
      : busy("Another program uses this login", "The bridge leaves it the connection for now, and tries once more later. Stop the other program if it is not meant."),
  blocked: () => rests("WhatsApp refuses this account", "It is blocked, or blocked for a time. WhatsApp on the phone says why and for how long.", "When it works there again"),
  outdated: () =>
    says(
      "trouble",
      "WhatsApp refuses this version",
      "The bridge is too old for WhatsApp.",
      "Update the package @whiskeysockets/baileys in the bridge's folder, or set whatsapp_web_version; then start the bridge again.",
    ),
});

/**
 * @param {Moment} moment
 * @returns {Words}
 */
export function wordsFor(moment) {
  return WORDS[moment.state](moment);
}

/**
 * @param {Tone} tone
 * @param {string} title
 * @param {string} text
 * @param {string | null} [step]
 * @param {string | null} [command]
 * @returns {Words}
 */
function says(tone, title, text, step = null, command = null) {
  return { tone, title, text, step, command };
}

/**
 * @param {string} title
 * @param {string} text
 */
function busy(title, text) {
  return says("busy", title, text);
}

/**
 * @param {string} title
 * @param {string} text
 * @param {string} when
 */
function rests(title, text, when) {
  return says("trouble", title, text, `${when} press Enter in the bridge's terminal, or run:`, RESUME);
}
