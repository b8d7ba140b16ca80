import type { Cell } from "./blocks.js";
import type { Interval } from "./format.js";
import { missing, percent, percentInterval } from "./format.js";
import type { Origin } from "./origin.js";

/** A number with where it comes from; what has no value, or no origin to name, is text alone. */
export function figure(
  text: string,
  value: number | Interval | null | undefined,
  origin: Origin | undefined,
  times = 1,
): Cell {
  if (value === null || value === undefined || origin === undefined || text === missing) return text;
  const values = (typeof value === "number" ? [value] : value).map((each) => each * times);
  return { text, values, origin, times };
}

/** A share in percent. */
export const share = (value: number | null | undefined, origin: Origin | undefined, digits = 1): Cell =>
  figure(percent(value, digits), value, origin, 100);

/** An interval of a share in percent. */
export const shareInterval = (value: Interval | null, origin: Origin | undefined): Cell =>
  figure(percentInterval(value), value, origin, 100);
