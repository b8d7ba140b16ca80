import { z } from "zod";
import { parseOptions, ratio, ratioField } from "../util/index.js";

/** What an adversary may do: move each image by at most `eps` in a norm, inside [0,1]. */
export interface Threat {
  readonly norm: "linf" | "l2";
  /** Radius in pixel scale. */
  readonly eps: number;
  /** The radius exactly as written, e.g. `8/255`: `0.031` is another claim. */
  readonly epsText: string;
}

const l2Options = z.strictObject({ eps: ratioField({ max: 100 }) });
const linfOptions = z.strictObject({ eps: ratioField() });

/** Schema of a recipe's `threat`. */
export const threatSchema = z.discriminatedUnion("norm", [
  linfOptions.extend({ norm: z.literal("linf") }),
  l2Options.extend({ norm: z.literal("l2") }),
]);

/** Every pixel moves by at most `eps` (in [0,1] scale). */
export function linf(options: z.input<typeof linfOptions>): Threat {
  const { eps } = parseOptions("linf", linfOptions, options);
  return { norm: "linf", eps: ratio(eps).value, epsText: eps };
}

/** The Euclidean length of the change is at most `eps` (in [0,1] scale, over all pixels). */
export function l2(options: z.input<typeof l2Options>): Threat {
  const { eps } = parseOptions("l2", l2Options, options);
  return { norm: "l2", eps: ratio(eps).value, epsText: eps };
}

export function threatOf(options: z.output<typeof threatSchema>): Threat {
  return options.norm === "linf" ? linf({ eps: options.eps }) : l2({ eps: options.eps });
}
