import { expected, UsageError } from "./errors.js";

/** A non-negative quantity that remembers how it was written, e.g. `8/255`. */
export interface Ratio {
  /** Exactly as written. */
  readonly text: string;
  readonly value: number;
}

const DECIMAL = "(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?";
const FORM = new RegExp(`^\\s*(${DECIMAL})(?:\\s*/\\s*(${DECIMAL}))?\\s*$`);

/**
 * Reads `"8/255"`, `"0.031"` or `0.031`; the text is kept, so results name eps as the user wrote it.
 * Throws UsageError when it is no non-negative finite number.
 */
export function ratio(text: string | number, where = "ratio"): Ratio {
  const written = typeof text === "number" ? String(text) : text;
  const match = typeof written === "string" ? FORM.exec(written) : null;
  const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === undefined ? 1 : Number(match[2]));
  if (!Number.isFinite(value)) {
    throw new UsageError(expected(where, 'a ratio such as "8/255" or a decimal such as 0.031', text));
  }
  return { text: written, value };
}
