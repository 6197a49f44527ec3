// @ts-check
/**
 * Remembers what has been warned of in this run, for whoever asks later: the last words of each
 * kind. Wording and meaning belong to whoever warns.
 */

/**
 * @typedef {import("./events.mjs").Emit} Emit
 * @typedef {{ code: string, message: string }} Warning
 * @typedef {{ emit: Emit, warnings: () => Warning[] }} Kept
 */

/**
 * @param {Emit} emit
 * @returns {Kept} `emit` does the same as the given one
 */
export function keepWarnings(emit) {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    emit: (event, fields = {}) => {
      if (event === "warning") kept.set(String(fields.code), String(fields.message));
      emit(event, fields);
    },
    warnings: () => [...kept].map(([code, message]) => ({ code, message })),
  };
}
