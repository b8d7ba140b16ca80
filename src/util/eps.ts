import { z } from "zod";
import { UsageError } from "./errors.js";
import { type Ratio, ratio } from "./ratio.js";

/** How a value above 1 was probably meant: 8 of 255 grey levels. */
function pixelScale(value: number): string {
  const meant = Number.isInteger(value) && value <= 255 ? `; ${value} of 255 levels is written "${value}/255"` : "";
  return `in [0, 1] (pixels are scaled to [0, 1]${meant})`;
}

/**
 * Schema of a length in pixel scale (`eps`, `stepSize`): accepts `"8/255"`, `"0.031"` or a number, and gives the text
 * exactly as written, so parsed options stay plain data; read its value with `ratio(text).value`.
 * Lengths above 1 are refused with a hint at the scale, unless `max` allows them (an l2 radius may exceed 1).
 */
export function ratioField(options: { readonly max?: number } = {}) {
  const max = options.max ?? 1;
  return z.union([z.string(), z.number()]).transform((written, context): string => {
    const parsed = tryRatio(written);
    if (parsed === undefined) {
      context.addIssue({
        code: "custom",
        message: 'to be a ratio such as "8/255" or a decimal such as 0.031',
        input: written,
      });
      return z.NEVER;
    }
    if (parsed.value > max) {
      context.addIssue({
        code: "custom",
        message: max === 1 ? pixelScale(parsed.value) : `in [0, ${max}]`,
        input: written,
      });
      return z.NEVER;
    }
    return parsed.text;
  });
}

function tryRatio(written: string | number): Ratio | undefined {
  try {
    return ratio(written);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}
