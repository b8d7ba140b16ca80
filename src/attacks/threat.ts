import { z } from "zod";
import { parseOptions, ratio, ratioField } from "../util/index.js";

export type ThreatNorm = "linf" | "l2" | "l1";

/** What an adversary may do: move each image by at most `eps` in a norm, inside [0,1]. */
export interface Threat {
  readonly norm: ThreatNorm;
  /** Radius in pixel scale. */
  readonly eps: number;
  /** The radius exactly as written, e.g. `8/255`: `0.031` is another claim. */
  readonly epsText: string;
}

const l2Options = z.strictObject({ eps: ratioField({ max: 100 }) });
const l1Options = z.strictObject({ eps: ratioField({ max: 10_000 }) });
const linfOptions = z.strictObject({ eps: ratioField() });

/** Schema of a recipe's `threat`. */
export const threatSchema = z.discriminatedUnion("norm", [
  linfOptions.extend({ norm: z.literal("linf") }),
  l2Options.extend({ norm: z.literal("l2") }),
  l1Options.extend({ norm: z.literal("l1") }),
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

/** The absolute changes sum up to at most `eps` (in [0,1] scale, over all pixels). FGSM and PGD do not search this ball. */
export function l1(options: z.input<typeof l1Options>): Threat {
  const { eps } = parseOptions("l1", l1Options, options);
  return { norm: "l1", eps: ratio(eps).value, epsText: eps };
}

export function threatOf({ norm, eps }: z.output<typeof threatSchema>): Threat {
  return { linf, l2, l1 }[norm]({ eps });
}
